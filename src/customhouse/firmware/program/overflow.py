"""Copies of outside bytes that are longer than their target.

Three things have to be known: the target's room, that the bytes come from outside, and how long the copy can be at
most. A length is told by a constant, by the width of a number that someone outside chooses, by the buffer that a
string lies in, or by what it was compared with. A length that was compared with something whose size is not known
is believed; one that is made in a way we cannot follow is reported only when a constant that it was compared with is
too large.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import bounds, lift
from .extents import Extents
from .state import Content, Fact
from .summary import LOOP
from .tables import table
from .terms import ADDR, BYTE, CONST, DERIVED, GLOBAL, HEAP, LOAD, MERGE, OP, PHI, RESULT, STACK, Location

if TYPE_CHECKING:
    from .whole import Whole

_HUGE = bounds.HUGE
"""As long as someone outside wants."""
_STRINGS = frozenset(("strlen", "strnlen", "strcspn", "strspn"))
_NUMBERS = frozenset(("atoi", "atol", "strtol", "strtoul", "__isoc23_strtol", "__isoc23_strtoul", "number"))
_NAMES = table("libc.toml")["names"]
_ENDLESS = frozenset(("getenv", "secure_getenv", *_NAMES["getters"]))
"""What gives text of any length."""
_DEPTH = 8
_WIDTHS = (0xFF, 0xFFFF, 0xFFFFFFFF)
"""Limits that come of a number's width rather than of a test."""
Sources = tuple[tuple[int, int | None], ...]


class Overflows:
    """Judges the copies that a program's evaluation met. `heard` tells which calls receive bytes from outside."""

    def __init__(self, whole: "Whole", heard: Callable[[int], bool] = lambda _term: True) -> None:
        self.whole, self.heard = whole, heard
        self.terms = whole.terms
        self.store = whole.store
        self.extents = Extents(whole)
        self.limits: dict[int, int] = {}
        for event in whole.events:
            if event[0] == "limit":
                self.limits[event[1]] = max(int(event[2]), self.limits.get(event[1], 0))
        self._inputs = {event[1] for event in whole.events if event[0] == "input"}
        sites = {self.terms.nodes[one][1:3]: limit for one, limit in self.limits.items()}
        for one, node in enumerate(self.terms.nodes):
            if node[0] == RESULT and node[1:3] in sites:
                self.limits.setdefault(one, sites[node[1:3]])  # the same call, in the words of a caller
        self._busy: set[int] = set()
        self._known: dict[Location, int | None] = {}
        self._ranges = {one: (0, limit) for one, limit in self.limits.items()}

    def overruns(self, event: tuple[Any, ...]) -> bool:
        """Whether the copy can pass the end of its target."""
        _, name, _site, target, limit, content, size, facts, _chain, sources, literal, moving, low, separate = event
        if name == LOOP:
            return self._loop(event)
        if size == -1:
            room = self.extents.room(target)
            if moving is not None:
                return room is not None and self._outside(moving) and (self.held(moving) or 0) > room
            # a test of several texts together counts what stands between them as well
            beside = literal if separate else 0
            return room is not None and self._text(content, sources, facts, separate) + beside > room
        if self._within(target, sources):
            return False
        whole = self.terms.reach(target, size)
        if whole is not None:  # what is left of a buffer: the program says how large that is
            target, size = whole[0], self.terms.const(whole[1])
        if low is not None and low < 0:  # as a size it is larger than everything
            return self.extents.room(target) is not None and self.tainted(size, 0)
        if moving is not None:
            room = self.extents.room(target)
            if room is None or not (self.tainted(size, 0) or self.tainted(moving, 0)):
                return False
            whole_ = [self.held(one) for one, _ in sources]  # pieces of one text are no longer than that
            return not whole_ or any(one is None or one > room for one in whole_)
        value = self.terms.value(size)
        if value is not None:
            room = self.extents.room(target, value, True)
            return room is not None and self.terms.signed(value) > room
        room = self.extents.room(target, limit, limit is not None and limit not in _WIDTHS and self._in_frame(target))
        if room is None:
            return False
        length = self.length(size, facts)
        known = [one for one in (length, limit) if one is not None]
        return bool(known) and min(known) > room and self.tainted(size, 0)

    def _loop(self, event: tuple[Any, ...]) -> bool:
        """Whether a loop that copies bytes can pass the end of its target: it ends with the text that it reads, or when
        what it compares says so. `step` bytes of the text make one that is written; 0 when each is asked for.
        """
        _, _name, _site, target, limit, content, size, facts, _chain, sources, step, *_ends = event
        told = self.length(size, facts) if size != -1 else None
        if size != -1 and (told is None or (self.terms.value(size) is None and not self.tainted(size, 0))):
            return False  # compared with what we do not know: believed
        bounds_ = [one for one in (told, limit) if one is not None]
        room = self.extents.room(target, min(bounds_, default=None), bool(bounds_))
        if room is None or self._within(target, sources):
            return False
        texts = [self._text(content, (one,), facts) for one in sources] or [self._text(content, (), facts)]
        text = max(texts) // step if step else _HUGE
        return bool(min([text, *bounds_]) > room)

    def _in_frame(self, target: int) -> bool:
        return all(
            self.terms.nodes[root][0] == STACK and root != GLOBAL for root, _off, _step in self.store.points(target)
        )

    def _within(self, target: int, sources: Sources) -> bool:
        """Whether bytes are moved inside of one object: the rest of a buffer down to its start."""
        places = {self._object(*one) for one in self.store.points(target)}
        return bool(places) and places == {self._object(*spot) for one, _ in sources for spot in self.store.points(one)}

    def _object(self, root: int, offset: int, _stride: int) -> tuple[int, int]:
        """The object that a place lies in; those of one frame, and globals, by where they end."""
        if root != GLOBAL and self.terms.nodes[root][0] != STACK:
            return root, 0
        end = self.extents.at((root, offset, 0))
        return root, offset + end if end is not None else 0

    # -- lengths
    def length(self, term: int, facts: frozenset[Fact], level: int = 0) -> int | None:
        """The largest value of a number, `_HUGE` when it is whatever someone outside says, None when not known."""
        if term in self._busy:
            return 0  # a value that only shrinks as the loop goes round
        self._busy.add(term)
        best = self._made(term, facts, level)
        self._busy.discard(term)
        if level > _DEPTH:
            return best
        base, more = self.terms.based(term)
        for fact in facts:
            if fact[0] != "most" or (fact[1] != base and not bounds.summand(self.terms, base, fact[1])):
                continue
            if self._counts(fact[2]) or self._made_of(fact[2], base, 0):
                continue
            other = self.length(fact[2], facts - {fact}, level + 3)
            if other is None:
                return 0  # compared with a size that we do not know
            if best is None or other + fact[3] + more < best:
                best = other + fact[3] + more
        return best

    def _counts(self, term: int) -> bool:
        """Whether the term is a counter of a loop: that a length is below it tells how the loop ended."""
        node = self.terms.nodes[term]
        if node[0] == PHI:
            return any(
                self.terms.based(one)[0] == term or self.terms.nodes[one][0] == OP
                for one in self.terms.alternatives[term]
            )
        return False

    def _made_of(self, term: int, part: int, level: int) -> bool:
        """Whether one number is computed from the other: a comparison of the two bounds neither."""
        node = self.terms.nodes[term]
        if term == part or level > _DEPTH:
            return term == part
        parts = node[2:] if node[0] == OP else node[1:2] if node[0] == ADDR else node[1] if node[0] == MERGE else ()
        return any(self._made_of(one, part, level + 1) for one in parts)

    def _made(self, term: int, facts: frozenset[Fact], level: int) -> int | None:
        node = self.terms.nodes[term]
        kind = node[0]
        if kind == CONST:
            return self.terms.signed(node[1])
        if level > _DEPTH:
            return None
        if kind in (BYTE, LOAD):
            size = int(node[5] if kind == BYTE else node[4])
            if size <= 2:
                return (1 << (8 * size)) - 1
            if self.tainted(term, 0):
                return _HUGE
            return self._stored(node, facts, level) if kind == LOAD else None
        if kind == ADDR and not node[3]:
            start = self._distance(node)
            if start is not None:
                return self.held(start)
            inner = self.length(node[1], facts, level + 1)
            return None if inner is None else inner + int(node[2]) if inner < _HUGE else _HUGE
        if kind in (PHI, MERGE):
            found = [self.length(one, facts, level + 1) for one in self.terms.flat(term) if one != term]
            return bounds.greatest(found)
        if kind == RESULT:
            return self._result(term, node, facts, level)
        if kind == OP:
            return self._operation(term, node, facts, level)
        return 0 if node == bounds.RECURSIVE else None

    def _distance(self, node: tuple[Any, ...]) -> int | None:
        """Where a distance between two pointers begins, when that is a constant address."""
        start = -int(node[2])
        if node[3] or start < self.terms.floor or self.terms.nodes[node[1]][0] != DERIVED:
            return None
        return self.terms.const(start)

    def _stored(self, node: tuple[Any, ...], facts: frozenset[Fact], level: int) -> int | None:
        """A number that was put into a structure: the largest of what was put there."""
        found: list[int | None] = []
        for base, off, step in self.store._bases(node[1], node[2], node[3]):
            cells = self.store.words.get(base)
            found += [self.length(one, facts, level + 2) for one in (cells.at(off, step) if cells is not None else ())]
        return bounds.greatest(found)

    def _result(self, term: int, node: tuple[Any, ...], facts: frozenset[Fact], level: int) -> int | None:
        name = str(node[2])
        if term in self.limits:
            return self.limits[term]
        if name in _STRINGS and node[3]:
            held = self.held(node[3][0])
            return None if held is None else held - 1
        if name.startswith("swap") and node[3]:
            inner = self.length(node[3][0], facts, level + 1)
            return None if inner is None else 65535 if name == "swap2" else _HUGE
        if name in _NUMBERS:
            return _HUGE if self.tainted(term, 0) else None
        return None

    def _operation(self, term: int, node: tuple[Any, ...], facts: frozenset[Fact], level: int) -> int | None:
        kind = node[1]
        if kind == lift.SUB and self.terms.rank(node[2]) >= 1 and self.terms.rank(node[3]) >= 1:
            return self.held(node[3])
        parts = node[3:5] if kind == lift.SELECT else node[2:4] if kind not in (lift.SUB, lift.DIV) else node[2:3]
        ranges = dict(self._ranges)
        for one in parts:
            known = self.length(one, facts, level + 1)
            if known is None:
                if kind == lift.AND:
                    continue
                return None
            ranges[one] = (0, known)
        found = bounds.most(self.terms, term, ranges)
        return found if found < _HUGE else _HUGE

    def held(self, pointer: int) -> int | None:
        """The longest text that can lie where the pointer points, with its end: by the object, and by what wrote it.
        None when it is not known where the pointer points.
        """
        return self.longest(Content(frozenset({("T", pointer, 0, 0, False)}), "%s"), 0)

    def _text(self, content: Content, sources: Sources, facts: frozenset[Fact], separate: bool = False) -> int:
        """The most bytes that the texts from outside make, with the end; 0 when several of them were measured, unless
        that was by tests of each of them (`separate`).
        """
        if not sources:
            return self.longest(content, 0) or 0
        total = chosen = 1
        tested = found = False
        for source, limit in sources:
            if self._fixed(source):
                continue
            known = limit if limit is not None else self._measured(source, facts)
            outside = self._outside(source)
            held = self.held(source)
            if held is None and self._allocated(source):  # nobody else reaches it: what lies there is told by the copy
                outside = outside or bool(self.store.origins(content))
                held = self.extents.room(source) or self.longest(content._replace(grown=False), 0)
            tested = tested or known is not None
            found = found or (outside and known is None)
            here = content.extent or None if len(sources) == 1 else None  # as it is at the copy, by whatever wrote it
            bounds_ = [one for one in (held, known, here) if one is not None]
            if bounds_ and (outside or min(bounds_) < _HUGE):
                total += min(bounds_) - 1
                chosen += min(bounds_) - 1 if outside else 0
        if found or (tested and len(sources) == 1):
            return total
        if tested and separate:
            return chosen
        return 0 if tested else max(total, self.longest(content, 0) or 0)

    def _fixed(self, pointer: int) -> bool:
        """Whether it can only point to constant text."""
        places = self.store.points(pointer)
        return bool(places) and all(
            root == GLOBAL and (off < self.terms.floor or self.whole.image.constant(off)) for root, off, _ in places
        )

    def _allocated(self, pointer: int) -> bool:
        places = self.store.points(pointer)
        return bool(places) and all(self.terms.nodes[root][0] == HEAP for root, _off, _step in places)

    def _measured(self, source: int, facts: frozenset[Fact]) -> int | None:
        """The bound that a comparison of the text's length gives; 0 when it is one that we do not know."""
        for fact in sorted(one for one in facts if one[0] == "most"):
            if self._measures(fact[1], source):
                other = self.length(fact[2], facts - {fact}, 3)
                if other is not None:
                    return other + int(fact[3]) + 1
                if self.terms.nodes[fact[1]][1] != "strlen":
                    return 0  # compared, but with what?
        return None

    def _measures(self, term: int, source: int) -> bool:
        node = self.terms.nodes[term]
        if node[0] == OP and node[1] == lift.ADD:
            return any(self._measures(self.terms.based(one)[0], source) for one in node[2:4])
        return node[0] == RESULT and node[2] in ("strlen", "strnlen") and bool(node[3]) and node[3][0] == source

    def _outside(self, pointer: int) -> bool:
        return bool(self.store.origins(Content(frozenset({("T", pointer, 0, 0, False)}), "%s")))

    def tainted(self, term: int, level: int) -> bool:
        """Whether someone outside chooses the number."""
        kind, *_ = node = self.terms.nodes[term]
        if level > _DEPTH or kind == CONST:
            return False
        deps = self.whole.number_deps.get(term)
        if deps:
            return bool(self.store.origins(Content(deps, "%s")))
        if kind == BYTE:
            return bool(self.store.origins(Content(frozenset({("T", node[2], node[3], node[4], False)}), "%s")))
        if kind == LOAD:
            held = frozenset({("T", node[1], node[2], node[3], False)})
            return node[4] <= 4 and (bool(self.store.origins(Content(held, "%s"))) or self._put(node, level))
        if kind == RESULT:
            if term in self.limits:
                return True
            if node[2] in _STRINGS | _NUMBERS and node[3]:
                return self._outside(node[3][0])
            return str(node[2]).startswith("swap") and any(self.tainted(one, level + 1) for one in node[3])
        if kind == OP:
            if node[1] == lift.SUB and self.terms.rank(node[2]) >= 1 and self.terms.rank(node[3]) >= 1:
                return self._outside(node[3])
            return any(self.tainted(one, level + 1) for one in node[2:])
        if kind == ADDR:
            start = self._distance(node)
            return self._outside(start) if start is not None else self.tainted(node[1], level + 1)
        if kind in (PHI, MERGE):
            return any(self.tainted(one, level + 1) for one in self.terms.flat(term) if one != term)
        return False

    def _put(self, node: tuple[Any, ...], level: int) -> bool:
        """Whether what was put into a structure's field is chosen outside."""
        for base, off, step in self.store._bases(node[1], node[2], node[3]):
            cells = self.store.words.get(base)
            if cells is not None and any(self.tainted(one, level + 3) for one in cells.at(off, step)):
                return True
        return False

    def longest(self, content: Content, level: int) -> int | None:
        """The longest that a text can be, by the buffers its parts lie in; None when nothing is known of them."""
        if content.deps and all(dep[0] == "X" and not self.heard(dep[1]) for dep in content.deps):
            return None  # a file of the device: as long as the device made it
        if content.grown or content.extent or level > 6:
            return content.extent or None
        found = [self._part(dep, level) for dep in sorted(content.deps)]
        return max((one for one in found if one is not None), default=None)

    def _part(self, dep: tuple[Any, ...], level: int) -> int | None:
        if dep[0] == "X":
            return self.limits.get(dep[1], _HUGE) if self.heard(dep[1]) else None
        if dep[0] != "T":
            return None
        found: list[int | None] = []
        for base, off, step in self.store._bases(dep[1], dep[2], dep[3]):
            node = self.terms.nodes[base]
            if base != GLOBAL and node[0] == RESULT:
                found.append(_HUGE if node[2] in _ENDLESS else None)
                continue
            found.append(self._place((base, off, step), level))
        return max((one for one in found if one is not None), default=None)

    def _place(self, place: Location, level: int) -> int | None:
        """The longest text at a place, by what was written there and by the object's end."""
        if place in self._known:
            return self._known[place]
        self._known[place] = None  # a text made of itself tells nothing
        base, off, step = place
        own = self.extents.at(place)
        end = off + own if step and own is not None else None  # somewhere in an object is not in the next one
        written = [
            self.longest(content, level + 1)
            for text_off, text_step, content in self.store.texts.get(base, ())
            if (end is None or text_off < end) and self.store._covers(base, off, step, text_off, text_step, content)
        ]
        if written:
            known = [one for one in written if one is not None]
            told = (min if step else max)(known, default=None)  # of places not kept apart the least says enough
            self._known[place] = self._fitted(place, told)
        return self._known[place]

    def _fitted(self, place: Location, written: int | None) -> int | None:
        """What is sure of a text that may be `written` long in an object. That it cannot be longer than the object does
        not say that it can be as long: where the object ends is not known to the byte, and of a global only when
        something is received into it.
        """
        own = self.extents.at(place)
        if written is None or own is None or written <= own:
            return written
        room = self.extents.at
        received = (one <= place[1] < one + (room((GLOBAL, one, 0)) or 0) for one in self._inputs)
        if place[0] == GLOBAL and not any(received):
            return None
        return own // 2
