"""Bytes that are gathered one at a time, at an index that was tested: `if (fill < sizeof line - 1) line[fill++] = c`.

The index is in memory from one call to the next, so that no loop tells how far the text grows; the test does.
"""

from collections.abc import Callable, Iterable

from . import bounds, fold
from .activation import Activation
from .lift import ADD
from .state import State
from .summary import FILLS, Event
from .terms import GLOBAL, Location

_MOST = 1 << 16
_PARTS = 4


class Gathered:
    """The stores of one function that put a byte at an index."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.found: dict[int, list[tuple[int, Event]]] = {}
        """By the instruction that stores a byte, as it was when it was last looked at: for each number that is added to
        where the text begins.
        """
        self.counted: set[int] = set()
        """Numbers that are stored again as they are after one more byte."""

    def stored(self, state: State, address: int, value: int, size: int) -> None:
        """A value goes to an address."""
        base, more = self.terms.based(value)
        if more == 1:
            self.counted.add(base)
        if size == 1 and self.terms.value(value) is None:
            found = self._fills(state, address)
            if found and self.activation.memory.deps_of(state, value):
                self.found[self.activation.site] = found

    def events(self, copied: set[int]) -> list[Event]:
        """How far texts grow so, but by the stores of which a loop tells it."""
        found = [one for site, told in self.found.items() if site not in copied for one in told]
        return [event for count, event in found if count in self.counted]

    def _fills(self, state: State, address: int) -> list[tuple[int, Event]]:
        parts, plus = self.terms.linear(address)
        if not 0 < len(parts) <= _PARTS or any(factor != 1 for factor in parts.values()):
            return []
        found = ((one, bounds.most(self.terms, one, state.ranges)) for one in parts if self.terms.scale(one) == 1)
        return [(one, (FILLS, self._begin(parts, plus, one), most + 2)) for one, most in found if 0 < most < _MOST]

    def _begin(self, parts: Iterable[int], plus: int, count: int) -> int:
        """Where the text begins: all but the count."""
        begin = self.terms.const(plus)
        for one in parts:
            if one != count:
                begin = fold.binary(self.terms, ADD, one, begin, self.terms.word)
        return begin


def left(spot: Location, most: int, root: int, offset: int) -> int:
    """How many bytes of a text of so many, at a spot or in a row of a table there, lie behind a place; 0 when the place
    is not in it.
    """
    base, begin, step = spot
    before = offset - begin
    if base != root or before < -1:
        return 0
    before = max(before % step if step > 1 else before, 0)
    return max(most - before, 0)


def begun(events: Iterable[Event], points: Callable[[int], Iterable[Location]]) -> set[int]:
    """The globals in which texts are gathered, by where they begin."""
    return {at for _, begin, _ in events for root, at, _ in points(begin) if root == GLOBAL}
