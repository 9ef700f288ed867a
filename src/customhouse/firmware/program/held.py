"""Numbers that a program keeps in fields: what they are at most where it puts them there, by tests in force. So much
one is at most that is read there, by whatever function and however much later.

Many a number is put there first, and tested then: `c->length = be16(p); if (c->length > sizeof c->text) return -1;`. A
test counts that the way does not go on behind which is left where the number is too large, or on which another number
is put in its place.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import bounds
from .lift import SELECT
from .state import State
from .terms import ADDR, BYTE, CONST, GLOBAL, HEAP, LOAD, MERGE, OP, PHI, RESULT, STACK, UNKNOWN, Location, Terms

if TYPE_CHECKING:
    from .resolve import Store

_PLACE = 3
Put = tuple[Location, int]
"""A place, as the function names it that puts a number there, and the number."""
_Edges = Mapping[tuple[int, int], State]
_MADE = frozenset((OP, BYTE, ADDR, RESULT))
_WAYS = 2
_FEW = 16
_NO_NUMBERS = frozenset((CONST, HEAP, STACK, UNKNOWN))


def chosen(terms: Terms, term: int) -> Iterator[tuple[int, Location | None]]:
    """What one of several numbers is, and the field into which it was put to be it."""
    node = terms.nodes[term]
    for one in node[1] if node[0] == MERGE else (term,):
        slot = terms.nodes[one][3] if terms.nodes[one][0] == PHI else None
        put = (
            isinstance(slot, tuple)
            and len(slot) == _PLACE
            and isinstance(slot[0], int)
            and terms.nodes[slot[0]][0] != STACK
        )
        yield from ((part, slot if put else None) for part in terms.flat(one) if part != term)


def most(found: Mapping[int, Mapping[Put, int]]) -> dict[Put, int]:
    """What numbers are at most that are put somewhere, by what they are where each block, or function, does it."""
    out: dict[Put, int] = {}
    for puts in found.values():
        for one, limit in puts.items():
            out[one] = max(out.get(one, limit), limit)
    return out


class Putting:
    """The numbers that one function puts into memory."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.found: dict[int, dict[Put, int]] = {}
        """What they are at most, by the block that does it."""
        self.here: dict[Put, int] = {}
        self.among: dict[Put, int] = {}
        """The several numbers of which one of them is what is put there."""
        self.given: dict[int, int] = {}
        """What numbers are at most that a callee's store puts into memory, while it is done for its caller."""

    def begin(self, block: int) -> None:
        """A block is looked at, again or for the first time."""
        self.here = self.found[block] = {}

    def put(self, state: State, place: Location, value: int) -> None:
        """A value is put into memory: each of the numbers that it may be."""
        flat = self._parts(value)
        whole = self._whole(state, value) if len(flat) > 1 else None
        for one in flat:
            if self.terms.nodes[one][0] not in _NO_NUMBERS:
                known = bounds.lower(bounds.lower(self._limit(state, one), self.given.get(one)), whole)
                key = (place, one)
                self.among[key] = value
                self.here[key] = max(self.here.get(key, 0), bounds.HUGE if known is None else known)

    def _parts(self, value: int) -> frozenset[int]:
        """The numbers that one may be; of one that a condition chose, both sides."""
        node = self.terms.nodes[value]
        sides = node[3:5] if node[:2] == (OP, SELECT) else (value,)
        return frozenset[int]().union(*map(self.terms.flat, sides))

    def settled(self, edges: _Edges, position: Mapping[int, int]) -> dict[Put, int]:
        """What the numbers are at most, by the tests that come behind as well; `edges` are what is known on the ways of
        the function, `position` the order of its blocks.
        """
        out = most(self.found)
        for place, value in list(out):
            among = self.among[place, value]
            for one in self._parts(among):
                if (place, one) not in out and self.terms.nodes[one][0] not in _NO_NUMBERS:
                    out[place, one] = bounds.HUGE  # a loop brought it later
                    self.among[place, one] = among
        after: dict[int, list[int]] = {}
        for one, other in edges:
            after.setdefault(one, []).append(other)
        for (place, value), limit in out.items():
            if limit >= min(bounds.most(self.terms, value, {}), bounds.HUGE):
                puts = {block for block, found in self.found.items() if any(one[0] == place for one in found)}
                known = [
                    tested
                    for good, other, tested in self._tests((value, self.among[place, value]), edges, after)
                    if good not in _ahead(other, after, position, puts)
                ]
                out[place, value] = min(max(known, default=limit), limit)
        return out

    def _tests(
        self, values: tuple[int, int], edges: _Edges, after: Mapping[int, list[int]]
    ) -> Iterator[tuple[int, int, int]]:
        """Where tests lead of a number, or of the several of which it is one: the block behind which it is small
        enough, the other one, and what it is at most. Where that is a few, it is rather asked what to do with it: so do
        copies that the compiler wrote out.
        """
        width = bounds.most(self.terms, values[0], {})
        named = {*values, *(self.terms.based(one)[0] for one in values)}
        for (block, good), state in edges.items():
            if len(after[block]) != _WAYS or (named.isdisjoint(state.ranges) and named.isdisjoint(state.masks)):
                continue
            limit = self.known(state, *values)
            other = after[block][after[block][0] == good]
            wide = self.known(edges[block, other], *values) if other != good else limit
            if limit is not None and _FEW <= limit < width and (wide is None or wide > limit):
                yield good, other, limit

    def known(self, state: State, value: int, among: int) -> int | None:
        """What a number is at most that is one of several, by tests in force."""
        return bounds.lower(self._limit(state, value), self._whole(state, among) if among != value else None)

    def _limit(self, state: State, value: int) -> int | None:
        found = min(bounds.most(self.terms, value, state.ranges), bounds.part(self.terms, value, state.ranges))
        mask = state.masks.get(value, 0)
        found = min(found, mask.bit_length() - 1) if mask > 0 else found
        return found if 0 <= found < bounds.HUGE else None

    def _whole(self, state: State, value: int) -> int | None:
        """What one of several numbers is at most, whichever it is, by tests of it or of what it is more than."""
        base, plus = self.terms.based(value)
        spans = ((state.ranges.get(one), more) for one, more in ((value, 0), (base, plus)))
        known = [span[1] + more for span, more in spans if span is not None and span[1] < bounds.HUGE]
        chosen = self._limit(state, value) if self.terms.nodes[value][0] == OP else None
        return min(known, default=chosen)


def _ahead(block: int, after: Mapping[int, list[int]], position: Mapping[int, int], ends: Container[int]) -> set[int]:
    """The blocks that a way leads to without going round a loop, or past one of some others."""
    found, work = {block}, [block]
    while work:
        one = work.pop()
        for other in after.get(one, ()) if one not in ends else ():
            if other not in found and position.get(other, -1) > position.get(one, -1):
                found.add(other)
                work.append(other)
    return found


def told(
    terms: Terms, puts: Mapping[Put, int], place: Location, value: int, read: Callable[[int], int]
) -> dict[int, int]:
    """What numbers are at most where a callee puts them into memory, `read` in its caller's words."""
    known = ((one, puts.get((place, one), bounds.HUGE)) for one in terms.flat(value))
    return {read(one): limit for one, limit in known if limit < bounds.HUGE}


class Held:
    """The numbers that are read from fields, of which the program fills those that are `filled`. `length` tells what a
    number is at most by itself; `asked` are places of which it is being asked what was put there.
    """

    def __init__(
        self,
        store: "Store",
        known: Mapping[Put, int],
        filled: Container[Location],
        length: Callable[[int], int | None],
        asked: set[Location],
    ) -> None:
        self.store, self.terms, self.known, self.length, self.asked = store, store.terms, known, length, asked
        self.filled = filled

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
        found = [one for one in self.store.holding(*place) if not one[2].grown]
        if self._is_own(place):  # what lies at regular places behind a table's start may end before
            found = [one for one in found if one[1] in (0, place[2])]
        return any(content.verbatim or self.store.origins(content) for _, _, content in found)

    def _is_own(self, place: Location) -> bool:
        """Whether a number is put just there."""
        cells = self.store.words.get(place[0])
        return cells is not None and bool(cells.at(*place[1:], lambda at, step, _value: (at, step) == place[1:]))

    def _put(self, place: Location) -> int | None:
        """The largest of what is put at one place."""
        if place in self.asked:
            return 0  # as large as it was before
        self.asked.add(place)
        cells = self.store.words.get(place[0])
        stride = place[2]
        found: dict[tuple[int, int, int], None] = {}

        def fits(at: int, step: int, value: int) -> bool:
            # words that are moved anywhere behind a place are those of a text
            if step != 1 or stride == 1:
                found[at, step, value] = None
            return step != 1 or stride == 1

        values = set(cells.at(*place[1:], fits) if cells is not None else ())
        own = place[1:] in {one[:2] for one in found}  # what is put at regular places from elsewhere on may end before
        puts = [(place[0], *one) for one in found if one[2] in values and (not own or one[1] in (0, stride))]
        out = bounds.greatest([self._number(put, one) for put in puts for one in self.terms.flat(put[3])])
        self.asked.discard(place)
        return out

    def _number(self, put: tuple[int, int, int, int], value: int) -> int | None:
        """What one of the numbers is at most that are put at a place."""
        places = self.store.named.get(put, ())
        told = any((place, value) in self.known for place in places)
        if self.terms.nodes[value][0] in _MADE and not told and any(place in self.filled for place in places):
            return 0  # what loops were first looked at with
        known = max((self.known.get((place, value), bounds.HUGE) for place in places), default=bounds.HUGE)
        return bounds.lower(self.length(value), known if known < bounds.HUGE else None)
