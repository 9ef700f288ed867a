"""Bytes that are gathered one at a time, at an index that was tested: `if (fill < sizeof line - 1) line[fill++] = c`.

The index is in memory from one call to the next, so that no loop tells how far the text grows; the test does. Where
there is none, and nobody else compares the index with anything, the text has no end: see `filled`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from . import bounds, fold
from .growth import narrow
from .lift import ADD, AND
from .orders import COMPARED, is_condition
from .state import Content, Fact, State
from .summary import FILLS, LETTERS, Event
from .terms import ADDR, BYTE, CONST, GLOBAL, LOAD, OP, Location

if TYPE_CHECKING:
    from .activation import Activation
    from .copyloops import CopyLoops
    from .reading import Reading

_MOST = 1 << 16
_PARTS = 4
_CHAIN = 6
_WIDEST = 8
"""Bytes of the widest number."""


class _Letter(NamedTuple):
    """A byte that is put at an index: where the text begins, and the most that the index is, as far as tests say."""

    at: int
    begin: int
    most: int | None
    value: int
    content: Content
    facts: frozenset[Fact]


class Gathered:
    """The stores of one function that put a byte at an index."""

    def __init__(self, activation: "Activation") -> None:
        self.activation = activation
        self.terms = activation.terms
        self.found: dict[int, list[tuple[int, Event]]] = {}
        """By the instruction that stores a byte, as it was when it was last looked at: for each number that is added to
        where the text begins.
        """
        self.letters: dict[int, list[_Letter]] = {}
        """The same for all bytes that may come from outside, whether or not the index was tested."""
        self.counted: set[int] = set()
        """Numbers that are stored again as they are after one more byte."""

    def stored(self, state: State, address: int, value: int, size: int) -> None:
        """A value goes to an address."""
        base, more = self.terms.based(self._kept_of(value, size))
        if more == 1:
            self.counted.add(base)
        if size == 1 and self.terms.value(value) is None:
            deps = self.activation.memory.deps_of(state, value)
            found = self._fills(state, address) if deps else []
            if found:
                self.found[self.activation.site] = found
            if (deps or self.terms.open[value]) and not is_condition(self.terms, value):
                content = Content(deps, "%s", grown=True)
                self.letters[self.activation.site] = list(self._letters(state, address, value, content))

    def events(self, copies: "CopyLoops") -> list[Event]:
        """How far texts grow so, but by the stores of which a loop tells it."""
        copied = copies.walks()
        found = [one for site, told in self.found.items() if site not in copied for one in told]
        return [event for count, event in found if count in self.counted] + list(self._grown(copies))

    def _grown(self, copies: "CopyLoops") -> Iterator[Event]:
        """Letters of texts that may be longer than where they are put."""
        for site, letters in self.letters.items():
            for one in letters:
                if one.at in self.counted:
                    chain = ((self.activation.function.address, site),)
                    stops = tuple(sorted(self._stops(copies, one.at)))
                    told = (one.begin, one.at, one.most, one.value, one.content, one.facts, stops)
                    yield (LETTERS, site, *told, chain)

    def _stops(self, copies: "CopyLoops", index: int) -> Iterator[int]:
        """What the function compares an index with, anywhere."""
        own = self._same(index)
        for condition in copies.tests.values():
            for atom in copies.atoms(condition):
                node = self.terms.nodes[atom]
                if node[0] == OP and node[1] in COMPARED:
                    left, right = copies.sides(node)
                    parts, plus = self.terms.linear(narrow(self.terms, left))
                    more, constant = self.terms.linear(narrow(self.terms, right), -1)
                    for one, factor in more.items():
                        parts[one] = parts.get(one, 0) + factor
                    yield from self._stop(
                        {one: factor for one, factor in parts.items() if factor}, plus + constant, own
                    )

    def _stop(self, parts: dict[int, int], plus: int, own: set[int]) -> Iterator[int]:
        """What an index is compared with where a sum is compared with nothing that has the index among it."""
        for index, factor in parts.items():
            if abs(factor) == 1 and not own.isdisjoint(self._same(narrow(self.terms, index))):
                rest = [one for one in parts if one != index]
                if not rest:
                    yield self.terms.const(-factor * plus)
                elif len(rest) == 1 and parts[rest[0]] == -factor:
                    yield self.terms.add(rest[0], -factor * plus)

    def _same(self, term: int) -> set[int]:
        """The numbers in memory that a number may be, and itself."""
        found = {term, *self.terms.flat(term)}
        found |= {self.terms.nodes[one][1] for one in found if self.terms.nodes[one][0] == ADDR}
        return {one for one in found if one == term or self.terms.nodes[one][0] != CONST}

    def _kept_of(self, value: int, size: int) -> int:
        """A number without the mask that makes it as wide as the word that it is put into."""
        node = self.terms.nodes[value]
        return int(node[2]) if node[:2] == (OP, AND) and self.terms.value(node[3]) == (1 << 8 * size) - 1 else value

    def _letters(self, state: State, address: int, value: int, content: Content) -> Iterator[_Letter]:
        parts, plus = self.terms.linear(address)
        if not 0 < len(parts) <= _PARTS or any(factor != 1 for factor in parts.values()):
            return
        for one in parts:
            if self._is_kept(one):
                most = bounds.most(self.terms, one, state.ranges)
                tested = most if 0 <= most < bounds.HUGE else None
                yield _Letter(one, self._begin(parts, plus, one), tested, value, content, state.facts)

    def _is_kept(self, term: int) -> bool:
        """Whether a number is kept in memory, and may be one of several there."""
        kinds = [self.terms.nodes[one] for one in self._same(term)]
        return self.terms.scale(term) == 1 and any(node[0] in (LOAD, BYTE) and node[-1] <= _WIDEST for node in kinds)

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


def carried(reading: "Reading", event: Event) -> Event | None:
    """A letter that a callee puts at an index, in its caller's words."""
    kind, site, begin, count, most, value, content, facts, stops, chain = event
    held = reading.facts(facts)
    if len(chain) >= _CHAIN or reading.caller.refuted(held):
        return None
    begin, count, value = (reading.term(one) for one in (begin, count, value))
    deps = reading.content(content).deps | reading.memory.deps_of(reading.state, value)
    here = bounds.most(reading.terms, count, reading.state.ranges)
    tested = here if 0 <= here < bounds.HUGE else None
    step = ((reading.caller.function.address, reading.site), *chain)
    told = (bounds.lower(most, tested), value, content._replace(deps=deps), held | reading.state.facts)
    return (kind, site, begin, count, *told, tuple(map(reading.term, stops)), step)
