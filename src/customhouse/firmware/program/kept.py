"""Numbers that a program keeps in memory from one packet to the next: how much of a buffer is filled.

Where what someone outside sends is added to such a number, and a copy goes to where it leads, the number bounds nothing
by itself. A program that asks anywhere whether it comes near the buffer's size is believed to keep it below.
"""

from collections.abc import Iterator
from functools import cached_property

from .growth import narrow
from .lengths import HUGE, Lengths
from .lift import LE, LT, SLE, SLT
from .terms import DERIVED, LOAD, OP, Location

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
        places = self._places(moving)
        for parts, constant in self._compared:
            own = [one for one in parts if places & self._places(one)]
            if not own:
                continue
            others = [one for one, factor in parts.items() if one not in own and factor * parts[own[0]] < 0]
            sizes = (constant + parts[own[0]] * self.terms.linear(one)[1] for one in {own[0], *self.terms.flat(own[0])})
            others = [one for one in others if self.terms.nodes[one][0] != DERIVED]  # how far it got in the buffer
            if any(room <= 2 * abs(one) <= 2 * most for one in sizes) or any(
                not self.tainted(one, 0) for one in others
            ):
                return True
        return False

    @cached_property
    def _compared(self) -> list[tuple[dict[int, int], int]]:
        """What the program compares of words of memory, as sums that are compared with nothing."""
        out = []
        for node in list(self.terms.nodes):
            if node[0] == OP and node[1] in _ORDERS:
                parts, constant = self.terms.linear(node[2])
                more, plus = self.terms.linear(node[3], -1)
                for one, count in more.items():
                    parts[one] = parts.get(one, 0) + count
                if node[3] == self.terms.zero and constant > 0:
                    continue  # a flag that an addition sets
                if any(next(self._loads(one), None) is not None for one in parts):
                    out.append(({one: count for one, count in parts.items() if count}, constant + plus))
        return out

    def _loads(self, term: int) -> Iterator[tuple[int, int, int]]:
        """The words of memory that a number may be."""
        number = narrow(self.terms, term)
        for one in {number, *self.terms.flat(number)}:
            for part in self.terms.linear(narrow(self.terms, one))[0]:
                node = self.terms.nodes[part]
                if node[0] == LOAD:
                    yield node[1], node[2], node[3]

    def _places(self, term: int) -> set[Location]:
        return {place for load in self._loads(term) for place in self.store.bases(*load)}

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
