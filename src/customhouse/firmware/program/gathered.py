"""Bytes that are gathered one at a time, at an index that was tested: `if (fill < sizeof line - 1) line[fill++] = c`.

The index is in memory from one call to the next, so that no loop tells how far the text grows; the test does.
"""

from . import bounds, fold
from .activation import Activation
from .lift import ADD
from .state import State
from .summary import FILLS, Event
from .terms import CONST, Location

_MOST = 1 << 16
_PARTS = 4


class Gathered:
    """The stores of one function that put a byte at an index."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.found: dict[int, Event | None] = {}
        """By the instruction that stores, as it was when it was last looked at."""

    def stored(self, state: State, address: int, value: int) -> None:
        """A byte goes to an address."""
        if self.terms.value(value) is not None:
            return
        found = self._fill(state, address)
        if found is not None and self.activation.memory.deps_of(state, value):
            self.found[self.activation.site] = found

    def events(self, copied: set[int]) -> list[Event]:
        """How far texts grow so, but by the stores of which a loop tells it."""
        return [event for site, event in self.found.items() if event is not None and site not in copied]

    def _fill(self, state: State, address: int) -> Event | None:
        parts, plus = self.terms.linear(address)
        counts = [one for one in parts if self._is_count(one)]
        if len(counts) != 1 or len(parts) > _PARTS or any(factor != 1 for factor in parts.values()):
            return None
        most = bounds.most(self.terms, counts[0], state.ranges)
        if not 0 < most < _MOST:
            return None
        begin = self.terms.const(plus)
        for one in parts:
            if one != counts[0]:
                begin = fold.binary(self.terms, ADD, one, begin, self.terms.word)
        return (FILLS, begin, most + 2)

    def _is_count(self, term: int) -> bool:
        return self.terms.rank(term) < 1 and self.terms.scale(term) == 1 and self.terms.nodes[term][0] != CONST


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
