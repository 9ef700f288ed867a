"""Numbers that a program keeps in fields: what they are at most where it puts them there, by tests in force. So much
one is at most that is read there, by whatever function and however much later.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import bounds
from .state import State
from .terms import BYTE, CONST, GLOBAL, HEAP, LOAD, MERGE, PHI, STACK, UNKNOWN, Location, Terms

if TYPE_CHECKING:
    from .resolve import Store

_PLACE = 3
_NO_NUMBERS = frozenset((CONST, HEAP, STACK, UNKNOWN))


def chosen(terms: Terms, term: int) -> Iterator[tuple[int, bool]]:
    """What one of several numbers is, and whether it was put into a field to be it."""
    node = terms.nodes[term]
    for one in node[1] if node[0] == MERGE else (term,):
        slot = terms.nodes[one][3] if terms.nodes[one][0] == PHI else None
        put = (
            isinstance(slot, tuple)
            and len(slot) == _PLACE
            and isinstance(slot[0], int)
            and terms.nodes[slot[0]][0] != STACK
        )
        yield from ((part, put) for part in terms.flat(one) if part != term)


class Putting:
    """The numbers that one function puts into memory. `known` is what the whole program's are at most."""

    def __init__(self, terms: Terms, known: dict[int, int]) -> None:
        self.terms, self.known = terms, known
        self.given: dict[int, int] = {}
        """What numbers are at most that a callee's store puts into memory, while it is done for its caller."""

    def put(self, state: State, value: int) -> None:
        """A value is put into memory: each of the numbers that it may be."""
        flat = self.terms.flat(value)
        whole = self._whole(state, value) if len(flat) > 1 else None
        for one in flat:
            if self.terms.nodes[one][0] not in _NO_NUMBERS:
                most = bounds.lower(bounds.lower(self._limit(state, one), self.given.get(one)), whole)
                self.known[one] = max(self.known.get(one, 0), bounds.HUGE if most is None else most)

    def _limit(self, state: State, value: int) -> int | None:
        found = min(bounds.most(self.terms, value, state.ranges), bounds.part(self.terms, value, state.ranges))
        return found if 0 <= found < bounds.HUGE else None

    def _whole(self, state: State, value: int) -> int | None:
        """What one of several numbers is at most, whichever it is, by tests of it or of what it is more than."""
        base, plus = self.terms.based(value)
        spans = ((state.ranges.get(one), more) for one, more in ((value, 0), (base, plus)))
        return min((span[1] + more for span, more in spans if span is not None and span[1] < bounds.HUGE), default=None)

    def told(self, value: int, read: Callable[[int], int]) -> dict[int, int]:
        """What numbers are at most where a callee puts them into memory, `read` in its caller's words."""
        known = ((one, self.known.get(one, bounds.HUGE)) for one in self.terms.flat(value))
        return {read(one): most for one, most in known if most < bounds.HUGE}


class Held:
    """The numbers that are read from fields. `length` tells what a number is at most by itself; `asked` are places of
    which it is being asked what was put there.
    """

    def __init__(
        self, store: "Store", known: dict[int, int], length: Callable[[int], int | None], asked: set[Location]
    ) -> None:
        self.store, self.terms, self.known, self.length, self.asked = store, store.terms, known, length, asked

    def most(self, node: tuple[Any, ...]) -> int | None:
        """The largest of what the program puts where a number is read; None when that is not all that comes there."""
        places = [one for one in self._places(node) if one[0] != GLOBAL or one[1] >= self.terms.floor]
        if not places and self._is_letter(node):
            return 0
        return None if any(map(self._comes, places)) else bounds.greatest([self._put(one) for one in places])

    def _places(self, node: tuple[Any, ...]) -> list[Location]:
        if node[0] == LOAD:
            return self.store.bases(node[1], node[2], node[3])
        return [one for root, off, step in self.store.points(node[1]) for one in self.store.bases(root, off, step)]

    def _is_letter(self, node: tuple[Any, ...]) -> bool:
        """Whether a byte stands for the pointer that the number is read through: no way leads there with one."""
        root = self.terms.nodes[node[1 if node[0] == LOAD else 2]]
        return bool(root[0] == BYTE and root[5] < self.terms.word)

    def _comes(self, place: Location) -> bool:
        """Whether what lies at a place was received or copied there, with what lies around it. Bytes that are put there
        one by one are the number that the program puts there, or a text that ends before.
        """
        texts = [content for _, _, content in self.store.holding(*place) if not content.grown]
        return any(one.verbatim or self.store.origins(one) for one in texts)

    def _put(self, place: Location) -> int | None:
        """The largest of what is put at one place."""
        if place in self.asked:
            return 0  # as large as it was before
        self.asked.add(place)
        cells = self.store.words.get(place[0])
        stride = place[2]
        # words that are moved anywhere behind a place are those of a text
        values = cells.at(*place[1:], lambda _at, step, _value: step != 1 or stride == 1) if cells is not None else ()
        numbers = {one for value in values for one in self.terms.flat(value)}
        out = bounds.greatest([self._number(one) for one in numbers])
        self.asked.discard(place)
        return out

    def _number(self, value: int) -> int | None:
        known = self.known.get(value, bounds.HUGE)
        return bounds.lower(self.length(value), known if known < bounds.HUGE else None)
