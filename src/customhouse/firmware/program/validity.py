"""Texts that were checked where a word beside them says so: `cfg.valid = host_ok(cfg.host)` here, and
`if (cfg.valid) run(cfg.host)` there.

A test of such a word tells of the text when every store that gives the word a value which passes the test stored it
where the text was known to be harmless, and when nobody puts another text there and leaves the word as it was.
"""

import functools
import operator
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from . import cases, lift, quoting
from .fieldtests import HOLDS, is_place
from .nodes import both
from .passages import At, Passages
from .state import Content, Dep, Fact, bare
from .summary import Event, Lacking, Verdicts
from .terms import CONST, GLOBAL, HEAP, LOAD, OP, PHI, STACK, Location, overlap

if TYPE_CHECKING:
    from .resolve import Store

_LEVELS = 4
_BITWISE = frozenset((lift.AND, lift.OR, lift.XOR, lift.NOT, lift.ZEXT, lift.TRUNC))
_ALIKE = "alike"
"""The outcome of a test of a value that passes it whenever the one before did."""


class Test(NamedTuple):
    """A condition on one word of memory, and where it was asked."""

    offset: int
    stride: int
    size: int
    word: int
    condition: int
    truth: bool
    at: At


class Stored(NamedTuple):
    """A store somewhere in the program, into a place of a known object."""

    at: At
    order: int
    event: Event
    offset: int
    stride: int
    closed: bool
    """Whether it needs no caller to be read."""


class Validity:
    """Answers for one state of the whole program's memory."""

    def __init__(self, store: "Store") -> None:
        self.store = store
        self.whole = store.whole
        self.terms = store.terms
        self.passages = Passages(store.whole)
        self._known: dict[tuple[Location, Test], int] = {}

    def bits(self, place: Location, facts: frozenset[Fact]) -> int:
        """For which beginnings of a line the text at a place is safe, by tests of words beside it."""
        out = 0
        if not self._judges:
            return out
        bases = self.store.bases(*place)
        for fact in facts:
            if fact[0] != HOLDS or out == quoting.SAFE:
                continue
            if fact[1] == place[0]:
                out |= self._tested(place, Test(*fact[2:]))
            elif bases and all(base[0] == fact[1] for base in bases):
                out |= functools.reduce(operator.and_, (self._tested(base, Test(*fact[2:])) for base in bases))
        return out

    def _tested(self, place: Location, test: Test) -> int:
        if place[2] != test.stride or (test.stride and abs(place[1] - test.offset) >= test.stride):
            return 0
        known = self._known.get((place, test))
        if known is None:
            self._known[place, test] = quoting.SAFE  # of copies that go round only what comes in counts
            known = self._known[place, test] = self._find(place, test)
        return known

    def _find(self, place: Location, test: Test) -> int:
        out = quoting.SAFE
        bases = self.store.bases(*place)
        for base, offset, stride in bases:
            node = self.terms.nodes[base]
            if base != GLOBAL and node[0] == STACK:
                return 0
            out &= self._beside(base, offset, stride, test._replace(offset=test.offset + offset - place[1]))
            if not out:
                break
        return out if bases else 0

    def _beside(self, base: int, offset: int, stride: int, test: Test) -> int:
        """The same in one object; `test` is of a word in it."""
        words = [
            one
            for one in self._stores.get(base, ())
            if one.event[0] == "word" and self._is_in(base, one, test.offset, stride)
        ]
        out = quoting.SAFE
        for one in words:
            out &= self._said(one, words, offset, test)
            if not out:
                return 0
        if not self._all_known(base, offset, stride, words, test) or not any(self._passed(one, test) for one in words):
            return 0
        for one in self._stores.get(base, ()):
            if (
                one.closed
                and one.event[0] == "text"
                and self.store.covers(base, offset, stride, one.offset, one.stride, one.event[4])
            ):
                out &= self._written(one, words, base, offset, stride, test)
                if not out:
                    return 0
        return out

    def _all_known(self, base: int, offset: int, stride: int, words: list[Stored], test: Test) -> bool:
        """Whether all that memory holds there was seen being stored: at least one text, and each of the words."""
        held = self.store.holding(base, offset, stride)
        texts = [one for one in self._stores.get(base, ()) if one.event[0] == "text"]
        seen: dict[tuple[int, int], list[frozenset[Dep]]] = {(one.offset, one.stride): [] for one in texts}
        for one in texts:
            seen[one.offset, one.stride].append(bare(one.event[4]).deps)
        cells = self.store.words.get(base)
        values = {one.event[5] for one in words}
        return (
            bool(held)
            and all(any(bare(text).deps <= one for one in seen.get((at, step), ())) for at, step, text in held)
            and (cells is None or all(value in values for value in cells.at(test.offset, stride)))
        )

    def _is_in(self, base: int, one: Stored, offset: int, stride: int) -> bool:
        """Whether a store may be one into a word, or a part of it."""
        if not one.stride and not stride:
            size: int = one.event[4]
            return one.offset <= offset < one.offset + size
        first, last = min(one.offset, offset), max(one.offset, offset)
        if base == GLOBAL and self.store.array_end(first, one.stride or stride) <= last:
            return False
        return overlap(offset, stride, one.offset, one.stride)

    # -- stores of the word
    def _said(self, one: Stored, words: list[Stored], offset: int, test: Test, level: int = 0) -> int:
        """What the store of a value that passes the test says of the text; if nothing, what it says for each caller."""
        out = quoting.SAFE
        for value, lacking in self._verdicts(one):
            outcomes = {self._outcome(one, each, test) for each in self._values(value)}
            if outcomes <= {False, _ALIKE}:
                continue
            out &= self._copied(one, value, offset, test) or quoting.kept(_mask(lacking, offset - test.offset, test))
        if out or level > _LEVELS:
            return out
        out = quoting.SAFE
        callers = self.passages.callers.get(one.at[0], [])
        for at in callers:
            again = [other for other in words if other.at == at and other.event[4] == one.event[4]]
            for other in again:
                out &= self._said(other, words, offset, test, level + 1)
            if not again:
                return 0
        return out if callers else 0

    def _values(self, value: int) -> Iterable[int]:
        """What a value may be; what lay in memory before is one thing."""
        node = self.terms.nodes[value]
        return (value,) if node[0] == PHI and is_place(node[3]) else self.terms.flat(value)

    def _passed(self, one: Stored, test: Test) -> bool:
        """Whether a store may be what passed the test."""
        values = {each for value, _ in self._verdicts(one) for each in self._values(value)}
        return any(self._outcome(one, each, test) in (True, None) for each in values)

    def _verdicts(self, one: Stored) -> Verdicts:
        return self.whole.sites[one.at[0]].verdicts[one.at[1]].get(one.event, frozenset({(one.event[5], frozenset())}))

    def _copied(self, one: Stored, value: int, offset: int, test: Test) -> int:
        """A word that is copied with its object says what it says there."""
        moved = self.terms.moved(value, one.event[4], 0)
        if moved is None or self.terms.nodes[moved[0]][0] == STACK:
            return 0
        there = (moved[0], moved[1] + offset - test.offset, moved[2])
        return self._tested(there, test._replace(offset=moved[1], stride=moved[2]))

    def _outcome(self, one: Stored, value: int, test: Test) -> bool | str | None:
        """Whether a stored value passes the test; None when that is not known."""
        number = self.terms.value(value)
        if number is not None:
            return self._passes(self._part(number, one, test), test)
        cells = self._cells(value, one)
        if not cells:
            return None
        # bits that are set or cleared: whether the test is one of them shows when each is tried
        before, after = [], []
        for bit in range(8 * self.terms.word):
            for word in (1 << bit, self.terms.mask ^ 1 << bit):
                number = self.terms.value(
                    cases.replaced(self.terms, value, dict.fromkeys(cells, self.terms.const(word)))
                )
                before.append(self._passes(word, test))
                after.append(None if number is None else self._passes(number, test))
        if None in before or None in after:
            return None
        if not any(after):
            return False
        return _ALIKE if not any(now and not then for now, then in zip(after, before, strict=True)) else None

    def _passes(self, number: int, test: Test) -> bool | None:
        """Whether a number passes the test."""
        more = self.terms.based(test.word)[1]
        found = cases.replaced(self.terms, test.condition, {test.word: self.terms.const(number + more)})
        known = self.terms.value(found)
        return None if known is None else bool(known) == test.truth

    def _part(self, number: int, one: Stored, test: Test) -> int:
        """Of a number that is stored, what the test reads."""
        size: int = one.event[4]
        skip = 0 if one.stride or test.stride else test.offset - one.offset
        read = min(test.size or size, size - skip)
        if self.store.image.big:
            skip = size - skip - read
        return (number >> 8 * skip) & ((1 << 8 * read) - 1)

    def _cells(self, value: int, one: Stored) -> list[int]:
        """Within a stored value: what the word itself held before, if only its bits were changed."""
        place = one.event[1:3]
        out: list[int] = []
        work = [(value, 0)]
        while work:
            term, level = work.pop()
            node = self.terms.nodes[term]
            if (node[0] == LOAD and node[1:3] == place) or (
                node[0] == PHI and is_place(node[3]) and node[3][:2] == place
            ):
                out.append(term)
            elif node[0] == OP and node[1] in _BITWISE and level < _LEVELS:
                work += [(inner, level + 1) for inner in node[2:]]
            elif node[0] != CONST:
                return []
        return out

    # -- stores of the text
    def _written(self, one: Stored, words: list[Stored], base: int, offset: int, stride: int, test: Test) -> int:
        """For which beginnings a text that is put there is safe, or not said to be."""
        content: Content = one.event[4]
        own = ("T", base, offset, stride)
        deps = [dep for dep in content.deps if dep[:4] != own]
        out = quoting.SAFE
        for dep in deps:
            out &= dep[4] & quoting.SAFE if not dep[4] & quoting.CHANGED else 0
        if out == quoting.SAFE:
            return out
        whole = self._with_word(content, one, offset, test)
        if whole is not None:
            return whole
        if content.extent and self.store.covers(base, test.offset, stride, one.offset, one.stride, content):
            return 0  # the word is a part of the text
        return out if self._stale(one, words, test) else quoting.SAFE

    def _with_word(self, content: Content, one: Stored, offset: int, test: Test) -> int | None:
        """A text that is copied with its object, and the word with it, is as safe as it is there."""
        if not content.verbatim or not content.extent or len(content.deps) != 1:
            return None
        kind, root, start, stride, _ = next(iter(content.deps))
        step = both(one.stride, test.stride)
        inside = (test.offset - one.offset) % step if step else test.offset - one.offset
        if kind != "T" or not 0 <= inside < content.extent or self.terms.nodes[root][0] == STACK:
            return None
        there = (root, start + inside + offset - test.offset, stride)
        return self._tested(there, test._replace(offset=start + inside, stride=stride))

    def _stale(self, one: Stored, words: list[Stored], test: Test) -> bool:
        """Whether the test can be made of a word that was left as it was when the text was stored."""
        words = [word for word in words if self._decides(word, test)]
        closed = self._closed(words, test)
        for own in self._own(one):
            here = [word for word in words if word.at == own.at]
            if any(word.order > own.order for word in here) or self._reset(own, words, test):
                continue
            if self.passages.open(own.at, test.at, closed):
                return True
        return False

    def _decides(self, word: Stored, test: Test) -> bool:
        """Whether a store decides the test on every way: one that sets another bit leaves it as it was."""
        values = {each for value, _ in self._verdicts(word) for each in self._values(value)}
        return all(self._outcome(word, each, test) != _ALIKE for each in values)

    def _closed(self, words: list[Stored], test: Test) -> frozenset[At]:
        """The blocks behind which the word was stored anew; of a pass over an array, the head of the loop."""
        out: set[At] = set()
        for word in words:
            if self._inner(word):
                continue
            out.add(word.at)
            head = self.passages.pass_over(word.at, test.at) if word.stride and test.stride else None
            if head is not None:
                out.add(head)
        return frozenset(out)

    def _inner(self, one: Stored) -> list[Stored]:
        """The stores into the same place by a function that is called there: they are what the caller tells again."""
        function = self.whole.code.function(one.at[0])
        callees = [
            *self.passages.callees(function, one.at[1]),
            *self.whole.handed.get((one.at[0], function.blocks[one.at[1]].exit.site), ()),
        ]
        place = (one.event[0], *one.event[1:4])
        return [other for callee in callees for other in self._places.get((callee, *place), ())]

    def _own(self, one: Stored, level: int = 0) -> list[Stored]:
        """The stores behind one that a caller tells again."""
        inner = self._inner(one) if level < 2 * _LEVELS else []
        return [own for other in inner for own in self._own(other, level + 1)] if inner else [one]

    def _reset(self, one: Stored, words: list[Stored], test: Test) -> bool:
        """Whether the word was given a value that does not pass the test before the text is stored, on every way."""
        function, block = one.at
        code = self.whole.code.function(function)
        before: dict[int, list[int]] = {}
        for address, after in code.successors.items():
            for other in after:
                before.setdefault(other, []).append(address)
        seen: set[int] = set()
        work = [(block, one.order)]
        while work:
            address, end = work.pop()
            here = [word for word in words if word.at == (function, address) and word.order < end]
            if here:
                last = max(here, key=lambda word: word.order)
                if any(self._outcome(last, value, test) is not False for value, _ in self._verdicts(last)):
                    return False
                continue
            if address == code.order[0] or not before.get(address):
                return False
            work += [(other, 1 << 30) for other in before[address] if other not in seen]
            seen.update(before[address])
        return True

    @cached_property
    def _all(self) -> list[Stored]:
        """All stores of words and texts under roots that mean the same everywhere."""
        out: list[Stored] = []
        for function, sites in self.whole.sites.items():
            told, summary = self.whole.closed.get(function, {}), self.whole.summaries.get(function)
            aside = {event[1] for events in sites.events.values() for event in events if event[0] == "shared"}
            aside |= summary.fresh if summary is not None else frozenset()
            for block, events in sites.events.items():
                for index, event in enumerate(events):
                    inner = event[1] if event[0] in ("private", "untold") else event
                    if inner[0] not in ("word", "text") or self.terms.open[inner[1]]:
                        continue
                    if event[0] != "private" or inner[1] not in aside:
                        known = inner in told or (event[0] == "untold" and not self.whole.is_open(inner))
                        out.append(Stored((function, block), index, inner, inner[2], inner[3], known))
        return out

    @cached_property
    def _judges(self) -> bool:
        """Whether any word of the program says anything of a text."""
        return any(lacking for one in self._all if one.event[0] == "word" for _, lacking in self._verdicts(one))

    @cached_property
    def _places(self) -> dict[tuple[object, ...], list[Stored]]:
        """The stores by function, kind and place."""
        out: dict[tuple[object, ...], list[Stored]] = {}
        for one in self._all:
            out.setdefault((one.at[0], one.event[0], *one.event[1:4]), []).append(one)
        return out

    @cached_property
    def _stores(self) -> dict[int, list[Stored]]:
        """The stores by the object."""
        out: dict[int, list[Stored]] = {}
        for one in self._all:
            for root, offset, stride in self._objects(one.event):
                out.setdefault(root, []).append(one._replace(offset=offset, stride=stride))
        return out

    def _objects(self, event: Event) -> list[Location]:
        if event[1] == GLOBAL or self.terms.nodes[event[1]][0] in (HEAP, STACK):
            return [event[1:4]]
        return self.store.bases(*event[1:4])


def _mask(lacking: Lacking, distance: int, test: Test) -> int:
    """The bytes that a text so far from the word lacks; in an array, the one beside the word in its entry."""
    out = 0
    for at, mask in lacking:
        if at == distance or (test.stride and (at - distance) % test.stride == 0):
            out |= mask
    return out
