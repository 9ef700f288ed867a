"""Copies of outside bytes that are longer than their target.

Three things have to be known: the target's room, that the bytes come from outside, and how long the copy can be at
most. A length that is made in a way we cannot follow is reported only when a constant that it was compared with is too
large.
"""

from typing import Any

from . import lift
from .lengths import HUGE, Lengths
from .state import Content, Fact
from .summary import LOOP
from .terms import GLOBAL, HEAP, OP, RESULT, STACK

_WIDTHS = (0xFF, 0xFFFF, 0xFFFFFFFF)
"""Limits that come of a number's width rather than of a test."""
Sources = tuple[tuple[int, int | None], ...]


class Overflows(Lengths):
    """Judges the copies that a program's evaluation met."""

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
            most = self.terms.value(size)
            if room is None or not (self.tainted(size, 0) or self.tainted(moving, 0)):
                return False
            if most is not None and most <= room:
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
        length = self.length(size, self._received(facts, content))
        known = [one for one in (length, limit) if one is not None]
        return bool(known) and min(known) > room and self.tainted(size, 0)

    def _loop(self, event: tuple[Any, ...]) -> bool:
        """Whether a loop that copies bytes can pass the end of its target: it ends with the text that it reads, or when
        what it compares says so. `read` bytes of the text make `written` of the copy; 0 when each is asked for.
        """
        _, _name, _site, target, limit, content, size, facts, _chain, sources, (read, written), *_ends = event
        told = self.length(size, facts) if size != -1 else None
        if size != -1 and (told is None or (self.terms.value(size) is None and not self.tainted(size, 0))):
            return False  # compared with what we do not know: believed
        bounds_ = [one for one in (told, limit) if one is not None]
        room = self.extents.room(target, min(bounds_, default=None), True)
        if room is None or self._within(target, sources):
            return False
        texts = [self._text(content, (one,), facts) for one in sources] or [self._text(content, (), facts)]
        text = max(texts) // read * written if read else HUGE
        return bool(min([text, *bounds_]) > room)

    def _received(self, facts: frozenset[Fact], content: Content) -> frozenset[Fact]:
        """Facts, with what was received in place of a number that someone outside chooses and of which we do not know
        how large it is: a count of bytes that came in pieces is no size of the target.
        """
        most = self.longest(content, 0)
        if most is None or most >= HUGE:
            return facts
        out = set(facts)
        for fact in facts:
            if fact[0] == "most" and self.length(fact[2], frozenset(), 3) is None and self.tainted(fact[2], 0):
                out.remove(fact)
                out.add(("most", fact[1], self.terms.zero, most + fact[3]))
        return frozenset(out)

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
            if bounds_ and (outside or min(bounds_) < HUGE):
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
        if node[0] != RESULT or node[2] not in ("strlen", "strnlen") or not node[3]:
            return False
        (measured, before), (copied, begin) = self.terms.based(node[3][0]), self.terms.based(source)
        return bool(measured == copied and before <= begin)
