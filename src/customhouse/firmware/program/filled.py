"""Texts that are filled letter by letter at an index which is kept in memory: how far they may grow.

A test of the index where the letter is put tells; else any that the program makes of it anywhere. As it counts by one,
it does not pass what it is found to be equal to: `if (frame->fill == frame->length) done(frame);`.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .kept import Kept
from .lift import EQ, NE
from .summary import LETTERS, ONCE, Event
from .terms import OP

if TYPE_CHECKING:
    from .whole import Whole

_FEW = 4
"""Less is no end of a text."""
_WIDTHS = (0xFF, 0xFFFF)
"""The most that narrow numbers can be, whatever they are."""


class Filled(Kept):
    """Of the terms and texts of one program."""

    def overfills(self, event: tuple[Any, ...], room: int | None) -> bool:
        """Whether a letter can be put behind the end of a text's room."""
        most, count = event[4], event[6]
        if room is None or (most is not None and most < room):
            return False
        if most is not None and most not in _WIDTHS:
            return True
        if any(self._stops_at(one, room) for one in event[10]) or self._tested(count, room):
            return False
        return not self.asked(count, room, exact=True) and not self._stops(count, room)

    def _stops_at(self, number: int, room: int) -> bool:
        value = self.terms.value(number)
        return self._ends(number, room) if value is None else _FEW <= value <= 2 * room

    def _tested(self, count: int, room: int) -> bool:
        """Whether an index is compared anywhere with a constant that is not much larger than the room."""
        constants = (constant for parts, constant in self.compared if len(parts) == len(self.among(parts, count)) == 1)
        return any(_FEW <= abs(one) <= 2 * room for one in constants)

    def _stops(self, count: int, room: int) -> bool:
        """Whether an index is compared, to see whether it is equal, with a number that is no larger than the room, or
        that nobody outside chooses.
        """
        for parts, constant in self._equalities:
            own = self.among(parts, count)
            if not sum(parts[one] for one in own):
                continue
            others = [one for one in parts if one not in own]
            if not others and room <= 2 * abs(constant) <= 4 * room:
                return True
            if others and all(not self.terms.open[one] and self._ends(one, room) for one in others):
                return True
        return False

    def _ends(self, number: int, room: int) -> bool:
        most = self.length(number, frozenset())
        if not self.tainted(number, 0) or (most is not None and most <= room):
            return True
        constants = (constant for parts, constant in self.compared if len(parts) == len(self.among(parts, number)) == 1)
        return any(room <= 2 * abs(one) <= 4 * room for one in constants)

    @cached_property
    def _equalities(self) -> list[tuple[dict[int, int], int]]:
        """What the program asks of words of memory, whether they are equal, as sums that are compared with nothing."""
        return [one for node in self._equal_tests() if (one := self.difference(node)) is not None]

    def _equal_tests(self) -> Iterator[tuple[Any, ...]]:
        for one in self.asked_for:
            node = self.terms.nodes[one] if one is not None else (None,)
            if node[0] == OP and node[1] in (EQ, NE):
                yield node


def letters(whole: "Whole") -> list[Event]:
    """The letters that a program puts at indices, as copies that end behind them."""
    events = [*whole.events, *whole.uncalled()]
    return [
        ("over", LETTERS, site, begin, most, content, count, facts, chain, (), stops, None, None, True, ONCE)
        for _, site, begin, count, most, _value, content, facts, stops, chain in (
            one for one in events if one[0] == LETTERS
        )
        if content.deps
    ]
