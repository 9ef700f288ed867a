"""Copies of outside bytes that are longer than their target.

Three things have to be known: the target's room, that the bytes come from outside, and how long the copy can be at
most. A length that is made in a way we cannot follow is reported only when a constant that it was compared with is too
large.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from . import awaited
from .extents import OWN
from .filled import Filled
from .indices import LOOSE, WHOLE
from .lengths import HUGE, NUMBERS, Sources
from .members import Members
from .nodes import MAX_DEPTH
from .state import Content, Fact
from .summary import ENDLESS, LETTERS, LOOP, ONCE, ONE_TEXT
from .terms import ADDR, BYTE, GLOBAL, HEAP, LOAD, MERGE, OP, PHI, RESULT, STACK, Location

_WIDTHS = (0xFF, 0xFFFF, 0xFFFFFFFF)
"""Limits that come of a number's width rather than of a test."""
_FAILED = frozenset((0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF))
"""What functions give that have failed, as a number of 32 bits and of 64."""
_FAR = 64
_TESTS = 2
"""How much deeper than a text its length is, and a number that this is compared with."""


class Overflows(Filled):
    """Judges the copies that a program's evaluation met."""

    @cached_property
    def members(self) -> Members:
        """Of the structures of the program; not every program needs them."""
        return Members(self.extents)

    def overruns(self, event: tuple[Any, ...]) -> bool:
        """Whether the copy can pass the end of its target."""
        name, target, size, facts = (event[at] for at in (1, 3, 6, 7))
        if self._is_carved(target):
            return False
        if any(fact[0] == LOOSE and self._leads_out(fact[2], fact[1], facts) for fact in facts):
            return True
        if name in (LETTERS, LOOP):
            return self._loop(event) if name == LOOP else self.overfills(event, self.extents.room(target))
        if size == -1:
            room = self.extents.row(target)
            return room is not None and self._texts(event) > room
        pairs = self._pairs(event)
        return any(map(self._is_too_much, pairs)) if pairs else self._sized(event)

    def room(self, event: tuple[Any, ...], whole: bool) -> int | None:
        """The bytes that there are from the beginning of the buffer that a copy goes to (of a member, unless it is the
        `whole` object that is passed) to its end. None where they are not known for sure, or where an index says which
        part of it is filled.
        """
        target, facts = event[3], event[7]
        if any(fact[0] == LOOSE for fact in facts):
            return None
        return self.extents.exact(target) if whole else self.members.room(target)

    def _pairs(self, event: tuple[Any, ...]) -> list[awaited.Awaited]:
        """What a copy's target and its length are, when both were put into one object before."""
        target, size, moving = event[3], event[6], event[11]
        targets = [target] if moving is None else [target, moving]
        known = size == -1 or event[1] == LOOP or self.terms.value(size) is not None
        return [] if known else awaited.found(self.store, self._awaited, targets, size)

    @cached_property
    def _awaited(self) -> list[awaited.Awaited]:
        return [one for pairs in self.whole.awaited.values() for one in pairs]

    def _is_too_much(self, pair: awaited.Awaited) -> bool:
        """Whether more may be awaited than there is room for where it is to go."""
        most = self.terms.value(pair.number)
        if most is None:
            known = [one for one in (self.length(pair.number, frozenset()), pair.most) if one is not None]
            most = min(known) if self.tainted(pair.number, 0) else 0
        room, member = self.extents.room(pair.pointer), self.members.room(pair.pointer)
        inside = member is None or most <= member or self.members.agrees(pair.pointer, most)
        return not inside or (room is not None and most > room)

    def _sized(self, event: tuple[Any, ...]) -> bool:
        """Whether a copy of a length that the program gives can pass the end of its target."""
        _, name, _site, target, limit, content, size, facts, _chain, sources, _, moving, low, _, again = event
        if self._within(target, sources) and not (name == "memcpy" and self._goes_up(target, sources)):
            return self._meets(event)
        whole = self.terms.reach(target, size)
        if whole is not None:  # what is left of a buffer: the program says how large that is
            target, size = whole[0], self.terms.const(whole[1])
        if low is not None and low < 0:  # as a size it is larger than everything
            return self.extents.room(target) is not None and self.tainted(size, 0)
        if moving is not None:
            return self._behind(target, size, moving, sources, again)
        if low is not None:
            size = self._succeeded(size)
        value = self.terms.value(size)
        if value is not None:
            return self._ends_behind(target, value, facts)
        most, own = self._most(limit, size, content, facts)
        if most is None:
            return False
        said = own is not None and (own not in _WIDTHS or self.terms.const(own) in self.terms.flat(size))
        room = self.extents.room(target, own, said and self._in_frame(target))
        return room is not None and most > room

    def _ends_behind(self, target: int, size: int, facts: frozenset[Fact]) -> bool:
        """Whether a copy of constant length passes the end of its target. Of one into some row of a table, what begins
        between that row and the first one tells nothing.
        """
        row = any(fact[0] == WHOLE and self.terms.value(fact[1]) is not None for fact in facts)
        framed = self._in_frame(target)
        told = framed or row or self._is_told(facts)
        room = self.extents.room(target) if row and framed else self.extents.room(target, size, told)
        return room is not None and self.terms.signed(size) > room

    def _succeeded(self, size: int) -> int:
        """A number of bytes that was found not to be negative, without the `-1` that stands for a failure."""
        if self.terms.nodes[size][0] not in (PHI, MERGE):
            return size
        some = self.terms.flat(size)
        left = {one for one in some if self.terms.value(one) not in _FAILED}
        return self.terms.merge(left) if len(left) < len(some) and left else size

    def _is_told(self, facts: frozenset[Fact]) -> bool:
        """Whether the program says by a constant how long a copy is, or tests it: how much came is neither."""
        whole = [(size, limit) for kind, size, limit in (fact for fact in facts if fact[0] == WHOLE)]
        return all(limit < (self.length(size, frozenset()) or HUGE) for size, limit in whole)

    def _leads_out(self, target: int, index: int, facts: frozenset[Fact]) -> bool:
        """Whether a number that is added to the address of a target leads behind its end: someone outside chooses it,
        and nothing was compared with it.
        """
        parts, constant = self.terms.linear(target)
        if constant >= self.terms.floor and constant not in self.whole.references:
            return False
        factor, most = parts.get(index, 0), self.length(index, facts)
        room = self.extents.room(target)
        if factor <= 0 or most is None or room is None or not self.received(index, 0):
            return False
        rows = any(stride >= OWN for _root, _offset, stride in self.extents.targets(target))
        if rows and most < (self.length(index, frozenset()) or HUGE):
            return False  # it was tested, and the room of a row says nothing of the next one
        return most >= HUGE or most * factor > room

    def outgrows(self, event: tuple[Any, ...]) -> bool:
        """Whether the copy can pass the end of the member that it goes to, though not that of the whole object. What
        the program says itself by a constant, or compares with where something else ends, it means.
        """
        target, limit, content, size, facts, sources = (event[at] for at in (3, 4, 5, 6, 7, 9))
        room = self.members.room(target)
        if room is None:
            return False
        if event[1] == LETTERS:
            if limit is None or (room < OWN and limit >= OWN * room):
                return False  # nobody takes four bytes for thousands: they are where something in the text begins
            return self.overfills(event, room) and not self.members.agrees(target, limit + 1)
        if event[1] == LOOP:
            if event[10][1] > 1:
                return False  # a block that the compiler moves word by word, or entries
            told = self.counted(event)
            most = None if told is None else self.copied(event, told)
            tested = bool(told)
        elif size == -1:
            if any(self.terms.depth[one] > MAX_DEPTH - _TESTS for one, _ in sources):
                return False  # what is tested of the text has no name
            most, tested = self._texts(event), any(known is not None for _, known in sources)
        elif self.terms.value(size) is not None or event[11] is not None or self._pairs(event):
            return False
        else:
            known = size if event[12] is None else self._succeeded(size)
            most, tested = self._most(limit, known, content, facts)[0], True
        if most is None or most <= room or (tested and self.members.agrees(target, most)):
            return False
        return not self.members.within(target, (one for one, _ in sources), room)

    def _most(
        self, limit: int | None, size: int, content: Content, facts: frozenset[Fact]
    ) -> tuple[int | None, int | None]:
        """The most bytes that a length lets pass that someone outside chooses, and as far as a comparison told it."""
        length = self.length(size, self._received(facts, content))
        known = [one for one in (length, limit) if one is not None]
        if not known or not self.tainted(size, 0):
            return None, None
        most = min(known)
        told = limit is not None or most >= (self.length(size, frozenset()) or HUGE)
        return most, limit if told else most

    def _is_carved(self, target: int) -> bool:
        """Whether a frame was made larger for the target, by a number of bytes that is not known: `alloca(length)`."""
        parts, _ = self.terms.linear(target)
        return any(self.terms.nodes[one][0] == STACK for one in parts) and any(factor < 0 for factor in parts.values())

    def _behind(self, target: int, size: int, moving: int, sources: Sources, again: int) -> bool:
        """Whether pieces that are put one behind the other can pass the end of their target."""
        room = self.extents.room(target)
        most = self.terms.value(size)
        if room is None or not (self.tainted(size, 0) or self.tainted(moving, 0)):
            return False
        kept = self.gathers(moving)
        exact = all(self.terms.nodes[root][0] == HEAP for root, _off, _step in self.store.points(target))
        if kept and self.asked(moving, room, exact):
            return False
        if again == ENDLESS or kept:
            return True
        if most is not None and most <= room:
            return False
        whole = [self.held(one) for one, _ in sources]  # pieces of one text are no longer than that
        return not whole or any(one is None or one > room for one in whole)

    def _texts(self, event: tuple[Any, ...]) -> int:
        """The most bytes that texts make, those that loops put one behind the other together."""
        content: Content = event[5]
        facts, sources, literal, separate, again = event[7], event[9], int(event[10]), event[13], int(event[14])
        if again == ENDLESS:
            return HUGE
        if again == ONE_TEXT:
            return self.longest(content._replace(extent=0, grown=False), 0) or 0
        length = self.text(content, sources, facts, separate)
        if again > ONCE:
            return literal + again * max(length - 1, 0) + 1
        # a test of several texts together counts what stands between them as well
        return length + (literal if separate else 0)

    def _loop(self, event: tuple[Any, ...]) -> bool:
        """Whether a loop that copies bytes can pass the end of its target."""
        target, size, sources = event[3], event[6], event[9]
        told = self.counted(event)
        if told is None:
            return False  # compared with what we do not know: believed
        own = min(told, default=None)
        # how much came, or the width of a number, is nothing that the program says of its buffer
        constant = size == -1 or self.terms.value(size) is not None
        untested = HUGE if constant else self.length(size, frozenset()) or HUGE
        tested = own is not None and own not in _WIDTHS and own < untested
        room = self.extents.room(target, own, tested or self._in_frame(target))
        if room is None or (self._within(target, sources) and not self._goes_up(target, sources, _FAR)):
            return False
        return self.copied(event, told) > room

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

    def received(self, number: int, level: int) -> bool:
        """Whether a number is as it was received, by itself: not one that the program counts."""
        node = self.terms.nodes[number]
        if level > MAX_DEPTH:
            return False
        if node[0] == RESULT:
            return (node[2] in NUMBERS or str(node[2]).startswith("swap")) and self.tainted(number, 0)
        if node[0] in (BYTE, LOAD):
            place = node[1:4] if node[0] == LOAD else node[2:5]
            return bool(self.store.origins(Content(frozenset({("T", *place, False)}), "%s")))
        parts = node[2:] if node[0] == OP else node[1:2] if node[0] == ADDR else ()
        unknown = [one for one in parts if self.terms.value(one) is None]
        return bool(unknown) and all(self.received(one, level + 1) for one in unknown)

    def _in_frame(self, target: int) -> bool:
        return all(
            self.terms.nodes[root][0] == STACK and root != GLOBAL for root, _off, _step in self.store.points(target)
        )

    def _within(self, target: int, sources: Sources) -> bool:
        """Whether bytes are moved inside of one object: the rest of a buffer down to its start."""
        targets = self.store.points(target)
        places = {self._object(*one) for one in targets}
        moved = {self._object(*spot) for one, _ in sources for spot in self.store.points(one)}
        return bool(places) and places == moved and not self._apart(targets, sources)

    def _goes_up(self, target: int, sources: Sources, far: int = 0) -> bool:
        """Whether bytes go to a place behind theirs in one allocation: to another member. Pieces of a buffer that are
        taken from places in it one by one lie `far` before.
        """
        targets = {spot for spot in self.store.points(target) if spot[0] != GLOBAL}
        moved = {spot for one, _ in sources for spot in self.store.points(one) if spot[0] != GLOBAL}
        roots = {one[0] for one in (*targets, *moved)}
        exact = far or not any(one[2] for one in (*targets, *moved))
        heap = len(roots) == 1 and self.terms.nodes[min(roots)][0] == HEAP and bool(targets and moved and exact)
        return heap and max(one[1] for one in moved) + far < min(one[1] for one in targets)

    def _apart(self, targets: Iterable[Location], sources: Sources) -> bool:
        """Whether what was received ends before the global begins to which it goes."""
        begin = min(offset for _root, offset, _step in targets)
        ends = [
            offset + (self.held(one) or HUGE)
            for one, _ in sources
            for root, offset, _step in self.store.points(one)
            if root == GLOBAL
        ]
        return max(ends, default=HUGE) <= begin

    def _meets(self, event: tuple[Any, ...]) -> bool:
        """Whether a copy reaches the place that it is made from, behind its target in one frame: what memcpy copies
        does not overlap, so that a buffer which begins there is another one.
        """
        name, target, limit, size, sources = event[1], event[3], event[4], event[6], event[9]
        places = [self.store.points(one) for one in (target, *(one for one, _ in sources))]
        roots = {root for found in places for root, _off, _step in found}
        if name != "memcpy" or limit is None or len(roots) != 1 or len(places[0]) != 1 or not self._in_frame(target):
            return False
        [(root, start, stride)] = places[0]
        behind = min(offset for found in places[1:] for _root, offset, _step in found)
        begun = max((one for one in self.whole.buffers.get(root, {}) if one <= behind), default=start)
        apart = begun - start if not stride and begun >= start + OWN else limit
        return bool(limit > apart) and self.terms.value(size) is None and self.tainted(size, 0)

    def _object(self, root: int, offset: int, _stride: int) -> tuple[int, int]:
        """The object that a place lies in; those of one frame, and globals, by where they end."""
        if root != GLOBAL and self.terms.nodes[root][0] != STACK:
            return root, 0
        end = self.extents.at((root, offset, 0))
        return root, offset + end if end is not None else 0
