"""Copies of outside bytes that are longer than their target.

A target's size is what can be known of it from outside: up to the next buffer in the frame (or its end), up to the
next named global, or the
constant size of an allocation. What bounds the copy is a tested length, the width of the number, or the size of the
buffer that the bytes come from.
"""

from typing import TYPE_CHECKING, Any

from . import bounds
from .state import Content
from .terms import ADDR, BYTE, CONST, GLOBAL, HEAP, LOAD, MERGE, OP, PHI, RESULT, STACK

if TYPE_CHECKING:
    from .whole import Whole

_HUGE = 1 << 40
_STRINGS = frozenset(("strlen", "strnlen", "strcspn", "strspn"))


class Overflows:
    """Judges the copies that a program's evaluation met."""

    def __init__(self, whole: "Whole") -> None:
        self.whole = whole
        self.terms = whole.terms
        self.store = whole.store
        self.sizes = {event[1]: event[2] for event in whole.events if event[0] == "alloc"}
        self.limits: dict[int, int] = {}
        self._longest: dict[tuple[Any, ...], int] = {}
        for event in whole.events:
            if event[0] == "limit":
                self.limits[event[1]] = max(int(event[2]), self.limits.get(event[1], 0))

    def overruns(self, event: tuple[Any, ...]) -> bool:
        """Whether the copy can pass the end of its target."""
        _, name, _site, target, limit, content, size, _facts, _chain = event
        room = self.room(target, hard=size != -1 and self.terms.value(size) is not None)
        if room is None:
            return False
        if size == -1:
            return self.longest(content, 0) > room and (limit is None or limit > room)
        if limit is not None:
            return min(limit, self.most(size)) > room and (self.terms.value(size) is not None or self.tainted(size, 0))
        return self.tainted(size, 0) and self.most(size) > room and bool(name)

    # -- targets
    def room(self, target: int, hard: bool) -> int | None:
        """Bytes from the target to the end of what it is a part of; None when not known. `hard` leaves guesses out."""
        rooms = []
        for root, offset, stride in self.store.points(target):
            if stride:
                return None
            node = self.terms.nodes[root]
            if root == GLOBAL:
                rooms.append(None if hard else self._global(offset))
            elif node[0] == STACK:
                rooms.append(self._frame(root, offset, 16 if hard else 1))
            elif node[0] == HEAP:
                rooms.append(self._heap(root, offset))
            else:
                return None
        if not rooms or any(one is None for one in rooms):
            return None
        return max(one for one in rooms if one is not None)

    def _global(self, address: int) -> int | None:
        later = [one for one in self.whole.references if one > address]
        segment = self.whole.image.segment(address)
        if segment is None:
            return None
        return min(later[0] if later else segment.end, segment.end) - address

    def _frame(self, root: int, offset: int, apart: int) -> int | None:
        """To the next buffer; buffers of other scopes may share the place, so those that begin close by tell
        nothing of a constant size.
        """
        if offset >= 0:
            return None
        later = [one for one in self.whole.buffers.get(root if apart == 1 else -root, ()) if offset + apart <= one < 0]
        return min(later, default=0) - offset

    def _heap(self, root: int, offset: int) -> int | None:
        size = self.sizes.get(root)
        value = self.terms.value(size) if isinstance(size, int) else None
        return None if value is None or not 0 < value < 1 << 20 else value - offset

    # -- lengths
    def most(self, term: int) -> int:
        """An upper bound of a number; a string's length is bounded by the buffer that holds it."""
        ranges = {one: (0, limit) for one, limit in self.limits.items()}
        found = bounds.most(self.terms, term, ranges | self._lengths(term, 0))
        return found if found < bounds.HUGE else _HUGE

    def _lengths(self, term: int, level: int) -> dict[int, tuple[int, int]]:
        node = self.terms.nodes[term]
        if node[0] == RESULT and node[2] in _STRINGS and node[3]:
            held = Content(frozenset({("T", node[3][0], 0, 0, False)}), "%s")
            return {term: (0, min(self.longest(held, 0), _HUGE - 1))}
        out: dict[int, tuple[int, int]] = {}
        if level < 6:
            parts = (
                node[2:]
                if node[0] == OP
                else (node[1],)
                if node[0] == ADDR
                else tuple(self.terms.flat(term))
                if node[0] in (PHI, MERGE)
                else ()
            )
            for one in parts:
                if one != term:
                    out |= self._lengths(one, level + 1)
        return out

    def tainted(self, term: int, level: int) -> bool:
        """Whether someone outside chooses the number."""
        node = self.terms.nodes[term]
        kind = node[0]
        if level > 8 or kind == CONST:
            return False
        deps = self.whole.number_deps.get(term)
        if deps:
            return bool(self.store.origins(Content(deps, "%s")))
        if kind == BYTE:
            return bool(self.store.origins(Content(frozenset({("T", node[2], node[3], node[4], False)}), "%s")))
        if kind == LOAD:
            held = frozenset({("T", node[1], node[2], node[3], False)})
            return node[4] <= 4 and bool(self.store.origins(Content(held, "%s")))
        if kind == RESULT:
            if term in self.limits:
                return True
            if node[2] in _STRINGS and node[3]:
                held = frozenset({("T", node[3][0], 0, 0, False)})
                return bool(self.store.origins(Content(held, "%s")))
            return (
                any(self.tainted(one, level + 1) for one in node[3])
                if str(node[2]).startswith("swap") or node[2] in ("atoi", "strtol", "strtoul")
                else False
            )
        if kind == OP:
            return any(self.tainted(one, level + 1) for one in node[2:])
        if kind == ADDR:
            return self.tainted(node[1], level + 1)
        if kind in (PHI, MERGE):
            return any(self.tainted(one, level + 1) for one in self.terms.flat(term) if one != term)
        return False

    def longest(self, content: Content, level: int) -> int:
        """The longest that a text can be, by the buffers its parts lie in."""
        best = content.extent or 0
        if best or level > 6:
            return best or _HUGE
        for dep in content.deps:
            key = (*dep, level)
            if key not in self._longest:
                self._longest[key] = self._part(dep, level)
            best = max(best, self._longest[key])
            if best >= _HUGE:
                break
        return best

    def _part(self, dep: tuple[Any, ...], level: int) -> int:
        if dep[0] == "X":
            return self.limits.get(dep[1], _HUGE)
        if dep[0] != "T":
            return _HUGE
        best = 0
        for base, off, step in self.store._bases(dep[1], dep[2], dep[3]):
            node = self.terms.nodes[base]
            if base != GLOBAL and node[0] == RESULT:
                return _HUGE
            for _, _, content in self.store.holding(base, off, step):
                best = max(best, self.longest(content, level + 1))
                if best >= _HUGE:
                    return best
        return best
