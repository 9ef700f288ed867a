"""What was asked on the ways through one function.

Read from what is left of the function's evaluation, see `traces`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from . import cases
from .answers import COMPARING, FINDERS, SCANS
from .asked import IS, Words, both, common, told
from .compared import Compared, Tried
from .given import Given
from .lift import SELECT, Block
from .state import Content
from .terms import ADDR, DERIVED, OP, PHI, RESULT, Location
from .traces import Made, Trace

_ROUNDS = 40
_LEVELS = 5
_DEPTH = 6
_MOST_WAYS = 40


class Asking:
    """What one function asked, block by block."""

    def __init__(
        self, trace: Trace, blocks: Mapping[int, Block], given: Given, callee: Callable[[int], "Asking | None"]
    ) -> None:
        self.trace = trace
        self.blocks = blocks
        self.given = given
        self.terms = given.terms
        self.callee = callee
        self.known: dict[int, Words] = {}
        self._edges: dict[tuple[int, int], Words | None] = {}
        self._open: set[tuple[int, int]] = set()
        self._replaced: dict[tuple[int, int, int], int] = {}
        self._made_of: dict[int, list[int]] = {}
        self._told = {way: told(edge.told) for way, edge in trace.edges.items()}
        self._before: dict[int, list[int]] = {}
        for before, after in trace.edges:
            self._before.setdefault(after, []).append(before)
        self.results: dict[int, list[Made]] = {}
        texts: dict[int, tuple[Content | None, ...]] = {}
        for calls in trace.made.values():
            for one in calls:
                if one.result is not None and one.target:
                    self.results.setdefault(one.result, []).append(one)
                elif one.result is not None and one.texts:
                    texts[one.result] = one.texts
        self.compared = Compared(given, texts)
        self._returned: list[tuple[int, Words]] | None = None

    def block(self, site: int) -> int | None:
        """The block of an instruction."""
        for address, block in self.blocks.items():
            if block.exit.site == site:
                return address
        return next((address for address, block in self.blocks.items() if block.address <= site < block.end), None)

    def before(self, block: int) -> Sequence[int]:
        """The blocks from which control comes to a block."""
        return self._before.get(block, ())

    def at(self, block: int | None) -> Words | None:
        """What was asked on all ways to a block; None when none leads there."""
        return {} if block is None else self.known.get(block)

    def solve(self) -> None:
        """Every block, until nothing changes: what is not asked on a way back to a block was not asked there."""
        order = self.trace.order
        self.known = {order[0]: {}} if order else {}
        for _ in range(_ROUNDS):
            self._edges.clear()
            met = [self._met(block) for block in order[1:]]
            if not any(met):
                return
        self.known = {block: {} for block in order}
        self._edges.clear()

    def _met(self, block: int) -> bool:
        ways = [self._edge(one, block) for one in self._before.get(block, ())]
        there = [one for one in ways if one is not None]
        if not there:
            return False
        old = self.known.get(block)
        new = common(there if old is None else [*there, old])
        self.known[block] = new
        return old is None or old.keys() != new.keys()

    def _edge(self, before: int, after: int) -> Words | None:
        """What was asked when control went from one block to another; None when it never does."""
        way = (before, after)
        if way in self._edges:
            return self._edges[way]
        known = self.known.get(before)
        if known is None or way in self._open:
            return known
        self._open.add(way)
        edge = self.trace.edges[way]
        out: Words | None = both(known, self._called(before))
        if edge.tested is not None and out is not None:
            asked = self._asked(edge.tested, edge.values, frozenset(), 0)
            out = None if asked is None else both(out, asked)
        if out is not None:
            out = both(out, self._told[way])
        self._open.discard(way)
        self._edges[way] = out
        return out

    def _called(self, block: int) -> Words:
        """What was asked by the function that a block calls, however it returns."""
        calls = self.trace.made.get(block, ())
        ways = []
        for call in calls:
            returns = self._returns_of(call)
            ways.append(common([words for _, words in returns]) if returns else {})
        return common(ways) if ways else {}

    def _returns_of(self, call: Made) -> list[tuple[int, Words]]:
        """The values that a call may give, in words of the callee, each with what was asked, in words of this one."""
        reading = self.callee(call.target) if call.target else None
        if reading is None:
            return []
        return [(value, self.given.words(words, call.arguments)) for value, words in reading.returned()]

    # -- what a test tells
    def _asked(self, term: int, values: frozenset[int] | None, over: frozenset[int], level: int) -> Words | None:
        """What was asked when a term is one of these values; None when it cannot be."""
        passed = self._passes(term, values)
        if passed is not None:
            return {} if passed else None
        out: Words = {}
        leaves = self._leaves(term) if level < _LEVELS else []
        for leaf in leaves:
            node = self._answer(leaf)
            found: Words | None = {}
            tried = partial(self._tried, term, values, leaf)
            if node[0] == RESULT and node[2] in COMPARING:
                found = self._compared(leaf, node, tried)
            elif node[0] == RESULT and node[2] in SCANS and len(node[3]) > 1:
                found = self.compared.scanned(node, tried)
            elif leaf in self.results:
                found = self._given(term, values, leaf, len(leaves) == 1, level)
            elif leaf in self.trace.joins and leaf not in over:
                found = self._chosen(term, values, leaf, over, level)
            if found is None:
                return None
            out = both(out, found)
        return out

    def _passes(self, term: int, values: frozenset[int] | None) -> bool | None:
        number = self.terms.value(term)
        if number is None:
            return None
        if values is None:
            return bool(number)
        return number in values or (number & 0xFFFFFFFF) in values

    def _tried(self, term: int, values: frozenset[int] | None, leaf: int, value: int) -> bool | None:
        return self._passes(self._with(term, leaf, value), values)

    def _with(self, term: int, leaf: int, value: int) -> int:
        """A term with one of the things that it is made of replaced."""
        asked = (term, leaf, value)
        if asked not in self._replaced:
            self._replaced[asked] = cases.replaced(self.terms, term, {leaf: value})
        return self._replaced[asked]

    def _leaves(self, term: int) -> list[int]:
        """Results and alternatives that a value is made of."""
        if term not in self._made_of:
            self._made_of[term] = self._find_leaves(term)
        return self._made_of[term]

    def _find_leaves(self, term: int) -> list[int]:
        out: dict[int, None] = {}
        work = [(term, 0)]
        while work:
            one, level = work.pop()
            node = self.terms.nodes[one]
            if node[0] in (RESULT, PHI, DERIVED) or one in self.results:
                out[one] = None
            elif node[0] == OP and level < _DEPTH:
                work += [(part, level + 1) for part in reversed(node[2:])]
            elif node[0] == ADDR and level < _DEPTH:
                work.append((node[1], level + 1))
        return list(out)

    def _answer(self, leaf: int) -> tuple[Any, ...]:
        """The call behind a value; of a pointer into a text, the search that gave it."""
        node = self.terms.nodes[leaf]
        return self.terms.nodes[node[2]] if node[0] == DERIVED else node

    def _compared(self, leaf: int, node: tuple[Any, ...], tried: Tried) -> Words:
        """What a comparison of texts found, and what was asked by the functions that gave them."""
        out: Words = {}
        for pointer, parts in self.compared.sides(leaf, node, tried):
            out = both(out, self._found(pointer, parts))
            if parts:
                out = both(out, {(IS, *parts): frozenset((leaf if node[2] in FINDERS else pointer,))})
        return out

    def taken(self, block: int, place: Location | None) -> Words:
        """The words that a text must have for the scan that a block ends with to fill a place, see `Compared`."""
        return self.compared.taken(self.trace.made.get(block, ()), place)

    def _found(self, pointer: int, parts: tuple[str | int, ...]) -> Words:
        """What was asked by the function that gave a text which turned out to be this word: what it gives where it
        finds nothing is another one. `parts` is empty where it is some word of a table.
        """
        ways: list[Words] = []
        for call in self.results.get(pointer, ()):
            for value, words in self._returns_of(call):
                fixed = self.given.text(value)
                if fixed is None and self.terms.value(value) is None:
                    ways.append(words)
                elif fixed is not None and (fixed if not parts else parts == (fixed,)):
                    return {}
        return common(ways) if ways else {}

    def _given(self, term: int, values: frozenset[int] | None, leaf: int, alone: bool, level: int) -> Words | None:
        """What was asked by a function of the program whose result is tested."""
        ways: list[Words] = []
        for call in self.results[leaf]:
            reading = self.callee(call.target)
            returns = reading.returned() if reading is not None else []
            if reading is None or not returns:
                return {}
            for value, words in returns:
                now = self._with(term, leaf, value)
                passed = self._passes(now, values)
                more: Words | None = {}
                if passed is None and alone and value != leaf:
                    more = reading._asked(now, values, frozenset(), level + 1)
                if passed is not False and more is not None:
                    ways.append(self.given.words(both(words, more), call.arguments))
        return common(ways) if ways else None

    def _chosen(
        self, term: int, values: frozenset[int] | None, leaf: int, over: frozenset[int], level: int
    ) -> Words | None:
        """What was asked on those ways to a join on which a value became what it is tested for."""
        block, sides = self.trace.joins[leaf]
        ways: list[Words] = []
        for before, value in sides.items():
            if value == leaf or value in over:
                continue
            now = self._with(term, leaf, value)
            more = self._asked(now, values, over | {leaf}, level + 1)
            here = self._edge(before, block) if more is not None else None
            if here is not None and more is not None:
                ways.append(both(here, more))
        return common(ways) if ways else {}

    # -- what it gives
    def returned(self) -> list[tuple[int, Words]]:
        """The values that are returned, with what was asked on the ways to each."""
        if self._returned is None:
            self._returned = []
            out: list[tuple[int, Words]] = []
            for block, value in self.trace.returned.items():
                known = self.known.get(block)
                if known is not None:
                    out += self._apart(value, both(known, self._called(block)), frozenset())
            self._returned = out if len(out) <= _MOST_WAYS else [(-1, common([words for _, words in out]))]
            if len(out) > _MOST_WAYS:
                self._returned = [(self.terms.unknown("many"), self._returned[0][1])]
        return self._returned

    def _apart(self, value: int, words: Words, over: frozenset[int]) -> list[tuple[int, Words]]:
        node = self.terms.nodes[value]
        out: list[tuple[int, Words]] = []
        if value in self.trace.joins and value not in over and len(over) < _LEVELS:
            block, sides = self.trace.joins[value]
            for before, one in sides.items():
                here = self._edge(before, block)
                if here is not None and one not in (value, *over):
                    out += self._apart(one, both(here, words), over | {value})
        elif node[:2] == (OP, SELECT):
            for side, chosen in ((None, node[3]), (frozenset((0,)), node[4])):
                asked = self._asked(node[2], side, frozenset(), 0)
                if asked is not None:
                    out.append((chosen, both(words, asked)))
        return out or [(value, words)]
