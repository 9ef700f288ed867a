"""Numbers that a program keeps in memory from one packet to the next: how much of a buffer is filled.

Where what someone outside sends is added to such a number, and a copy goes to where it leads, the number bounds nothing
by itself. A program that asks anywhere whether it comes near the buffer's size is believed to keep it below.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from . import fold
from .growth import entries, narrow
from .lengths import HUGE, Lengths
from .lift import EQ, LE, LT, NE, SLE, SLT, SUB
from .orders import is_condition
from .terms import ADDR, BYTE, DERIVED, LOAD, OP, PARAM, Location

_ORDERS = frozenset((LT, LE, SLT, SLE))


class Kept(Lengths):
    """Of the terms and texts of one program."""

    def gathers(self, moving: int) -> bool:
        """Whether what a copy's place moves on by is kept in memory, and grows there by what someone outside sends."""
        return any(self._grows(place) for place in self._places(moving))

    def asked(self, moving: int, room: int, exact: bool = False) -> bool:
        """Whether the program compares such a number with one as large as the buffer, or with one that it knows. A much
        larger one says nothing of a buffer of which it is sure how large it is (`exact`).
        """
        most = 2 * room if exact else HUGE
        width = max((entries(self.terms, one)[1] for one in self.terms.linear(moving)[0]), default=1)
        for parts, constant in self.compared:
            own = self.among(parts, moving)
            if not sum(parts[one] for one in own):
                continue  # how far it went on from where it began
            others = [one for one, factor in parts.items() if one not in own and factor * parts[own[0]] < 0]
            starts = (self.terms.linear(one)[1] for one in {own[0], *self.terms.flat(own[0])})
            counts = [constant + parts[own[0]] * one for one in starts]
            sizes = [*counts, *(count * width for count in counts)]
            # how far it got in the buffer, and what callers give
            others = [one for one in others if self.terms.nodes[one][0] != DERIVED and not self.terms.open[one]]
            if any(room <= 2 * abs(one) <= 2 * most for one in sizes) or any(
                not self.tainted(one, 0) for one in others
            ):
                return True
        return False

    def among(self, parts: dict[int, int], count: int) -> list[int]:
        """Those parts of a sum that are read where a count is kept, or through a pointer that someone gives."""
        places, fields = self._places(count), self._fields(count)
        return [one for one in parts if places & self._places(one) or fields & self._fields(one, given=True)]

    def _fields(self, term: int, given: bool = False) -> set[tuple[int, int, int]]:
        """Where in structures a number is read, by whatever pointer or by one that is `given`."""
        return {load[1:] for load in self._loads(term) if not given or self.terms.nodes[load[0]][0] == PARAM}

    def _is_flag(self, node: tuple[Any, ...]) -> bool:
        """Whether an order is only what an instruction leaves in a flag: that of an addition, or of a comparison of
        which the program asked whether the two are equal.
        """
        if node[3] == self.terms.zero and self.terms.linear(node[2])[1] > 0:
            return True
        if self.terms.index.get(node) in self.asked_for:
            return False
        if node[3] == self.terms.zero and self.terms.nodes[node[2]][0] in (OP, ADDR):
            return True
        index = self.terms.index
        same = [sides for one, other in (node[2:4], node[3:1:-1]) for sides in self._equal(one, other)]
        return any(index.get((OP, kind, *sides)) in self.asked_for for kind in (EQ, NE) for sides in same)

    def _equal(self, one: int, other: int) -> list[tuple[int, int]]:
        """What is compared to see whether two numbers are equal."""
        rest = self.terms.index.get((OP, SUB, one, other))
        return [(one, other)] if rest is None else [(one, other), (rest, self.terms.zero)]

    @cached_property
    def asked_for(self) -> frozenset[int | None]:
        """The conditions of all branches, those that numbers are made of, and what they are made of."""
        found = {one.tested for trace in self.whole.traces.values() for one in trace.edges.values()} - {None}
        numbers = (node for node in self.terms.nodes if node[0] == OP and node[1] not in fold.BOOLEAN)
        found |= {one for node in numbers for one in node[2:] if is_condition(self.terms, one)}
        work = [one for one in found if one is not None]
        while work:
            node = self.terms.nodes[work.pop()]
            fresh = {one for one in node[2:] if one not in found} if node[0] == OP else set[int]()
            found |= fresh
            work += fresh
        return frozenset(found)

    @cached_property
    def compared(self) -> list[tuple[dict[int, int], int]]:
        """What the program compares of words of memory, as sums that are compared with nothing."""
        out = []
        for node in list(self.terms.nodes):
            if node[0] == OP and node[1] in _ORDERS:
                found = None if self._is_flag(node) else self.difference(node)
                if found is not None:
                    out.append(found)
        return out

    def difference(self, node: tuple[Any, ...]) -> tuple[dict[int, int], int] | None:
        """What a comparison compares with nothing, as a sum; None when no word of memory is among it."""
        parts, constant = self.terms.linear(node[2])
        more, plus = self.terms.linear(node[3], -1)
        for one, count in more.items():
            parts[one] = parts.get(one, 0) + count
        if all(next(self._loads(one), None) is None for one in parts):
            return None
        return {one: count for one, count in parts.items() if count}, constant + plus

    def _loads(self, term: int) -> Iterator[tuple[int, int, int, int]]:
        """The words of memory that a number may be."""
        number = narrow(self.terms, term)
        for one in {number, *self.terms.flat(number)}:
            for part in self.terms.linear(narrow(self.terms, one))[0]:
                node = self.terms.nodes[entries(self.terms, part)[0]]
                node = self.terms.nodes[node[1]] if node[0] == ADDR else node
                if node[0] in (LOAD, BYTE):
                    yield node[-4:]

    def _places(self, term: int) -> set[Location]:
        return {place for load in self._loads(term) for place in self.store.bases(*load[:3])}

    def _grows(self, place: Location) -> bool:
        base, off, step = place
        cells = self.store.words.get(base)
        for value in cells.at(off, step) if cells is not None else ():
            for one in self.terms.flat(value):
                parts, _more = self.terms.linear(narrow(self.terms, one))
                before = [part for part in parts if place in self._places(part)]
                if before and any(self.tainted(part, 0) for part in parts if part not in before):
                    return True
        return False
