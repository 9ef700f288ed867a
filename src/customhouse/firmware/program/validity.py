"""Texts that were checked where a word beside them says so: `cfg.valid = host_ok(cfg.host)` here, and
`if (cfg.valid) run(cfg.host)` there.

A test of such a word tells of the text when every store that gives the word a value which passes the test stored it
where the text was known to be harmless, and when nobody puts another text there and leaves the word as it was.
"""

import functools
import operator
from typing import TYPE_CHECKING

from . import quoting
from .fieldtests import HOLDS
from .nodes import both
from .outcomes import ALIKE, Outcomes, Test
from .passages import At, Passages
from .state import Content, Dep, Fact, bare
from .stored import Stored, Stores
from .summary import POINTED, Lacking
from .terms import GLOBAL, STACK, Location, overlap

if TYPE_CHECKING:
    from .resolve import Store

_LEVELS = 4
_END = 1 << 30
_FAR = 1 << 12
"""Bytes between a text and a word of the same object, at most."""


class Validity:
    """Answers for one state of the whole program's memory."""

    def __init__(self, store: "Store") -> None:
        self.store = store
        self.whole = store.whole
        self.terms = store.terms
        self.passages = Passages(store.whole)
        self.stores = Stores(store, self.passages)
        self.outcomes = Outcomes(store.terms, store.image)
        self._known: dict[tuple[Location, Test], int] = {}
        self._open: set[tuple[Location, Test]] = set()
        """Questions that are being answered, and in `_assumed` those of them that were asked again meanwhile."""
        self._assumed: set[tuple[Location, Test]] = set()

    def bits(self, place: Location, facts: frozenset[Fact]) -> int:
        """For which beginnings of a line the text at a place is safe, by tests of words beside it."""
        out = 0
        if not self.stores.judge:
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
        if place[2] != test.stride or abs(place[1] - test.offset) >= (test.stride or _FAR):
            return 0
        asked = (place, test)
        if asked in self._known:
            if asked in self._open:
                self._assumed.add(asked)
            return self._known[asked]
        self._open.add(asked)
        found = quoting.SAFE  # of what goes round only what comes in counts
        while True:
            before = dict(self._known)
            self._known[asked], guess = found, found
            found &= self._find(place, test)
            if found == guess or asked not in self._assumed:
                break
            self._known = before  # what was built on the guess is found out again
        self._open.discard(asked)
        self._known[asked] = found
        return found

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
        words = self._words(base, stride, test)
        out = quoting.SAFE
        place = (base, offset, stride)
        if self._poured(place, test):
            return 0
        for one in words:
            if self.stores.inner(one):
                continue  # told again: the function that stores it knows best
            out &= self._said(one, words, place, test)
            if not out:
                return 0
        if not self._all_known(base, offset, stride, test) or not any(self._passed(one, test) for one in words):
            return 0
        for one in self._texts(place):
            out &= self._written(one, words, place, test)
            if not out:
                return 0
        return out

    def _poured(self, place: Location, test: Test) -> bool:
        """Whether the word lies in a text that is written there from outside, and not with the object."""
        base, offset, stride = place
        return any(
            one.closed
            and one.event[0] == "text"
            and one.event[4].extent > (8 if one.event[4].grown else 0)  # bytes put together may be the word itself
            and one.event[4].deps
            and self.store.covers(base, test.offset, stride, one.offset, one.stride, one.event[4])
            and not self.store.covers(base, offset, stride, one.offset, one.stride, one.event[4])
            for one in self.stores.of(base)
        )

    def _words(self, base: int, stride: int, test: Test) -> list[Stored]:
        """The stores of the word that a test asks. Of a wider word what is put somewhere behind a place byte by byte is
        no part: that is a text which is written, and ended.
        """
        stores = [one for one in self.stores.of(base) if one.event[0] == "word"]
        found = [one for one in stores if self._is_in(base, one, test.offset, stride)]
        wide = any(one.event[4] > 1 and one.offset == test.offset for one in found)
        return [one for one in found if not wide or not _is_letter(one)]

    def _texts(self, place: Location) -> list[Stored]:
        """The stores of texts that lie at a place."""
        return [
            one
            for one in self.stores.of(place[0])
            if one.closed and one.event[0] == "text" and self.store.covers(*place, one.offset, one.stride, one.event[4])
        ]

    def _all_known(self, base: int, offset: int, stride: int, test: Test) -> bool:
        """Whether all that memory holds there was seen being stored: at least one text, and each of the words."""
        held = self.store.holding(base, offset, stride)
        texts = [one for one in self.stores.of(base) if one.event[0] == "text"]
        seen: dict[tuple[int, int], list[frozenset[Dep]]] = {(one.offset, one.stride): [] for one in texts}
        for one in texts:
            seen[one.offset, one.stride].append(bare(one.event[4]).deps)
        cells = self.store.words.get(base)
        words = [one for one in self.stores.of(base) if one.event[0] == "word"]
        values = {
            self.store.put(one.event) for one in words if self._is_in(base, one, test.offset, stride) or _is_letter(one)
        }
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
    def _said(self, one: Stored, words: list[Stored], place: Location, test: Test, level: int = 0) -> int:
        """What the store of a value that passes the test says of the text; if nothing, what it says for each caller."""
        out = quoting.SAFE
        for value, lacking in self.stores.verdicts(one):
            outcomes = {self.outcomes.outcome(one, each, test) for each in self.outcomes.values(value)}
            if outcomes <= {False, ALIKE}:
                continue
            out &= (
                self._copied(one, value, place[1], test)
                or quoting.kept(_mask(lacking, place[1] - test.offset, test))
                or self._handed_on(one, place)
            )
        if out or level > _LEVELS:
            return out
        out = quoting.SAFE
        callers = self.passages.callers.get(one.at[0], [])
        for at in callers:
            again = [other for other in words if other.at == at and other.event[4] == one.event[4]]
            for other in again:
                out &= self._said(other, words, place, test, level + 1)
            if not again:
                return 0
        return out if callers else 0

    def _handed_on(self, one: Stored, place: Location) -> int:
        """A word that is stored where a word beside it, or it itself, was tested: what that test says of the text, when
        nobody puts another text there in between.
        """
        out = 0
        for test in self._held(one):
            if (place[0], test.offset) not in self.stores.speaking:
                continue
            if out == quoting.SAFE:
                break
            said = self._tested(place, test)
            if said & ~out and not self._between(one, place, test):
                out |= said
        return out

    def _held(self, one: Stored) -> list[Test]:
        """The tests of words of the same object that held where something was stored in it."""
        return [
            Test(
                one.offset + fact[2] - one.event[2], one.stride if fact[3] == one.event[3] else int(fact[3]), *fact[4:]
            )
            for fact in one.held
            if fact[0] == HOLDS and fact[1] == one.event[1]
        ]

    def _between(self, one: Stored, place: Location, test: Test) -> bool:
        """Whether a text that is not known to be safe can be put to a place behind a test and before a store."""
        texts = [text for text in self._texts(place) if self._safe(text, place) != quoting.SAFE]
        return any(
            (text.at == own.at and text.order < own.order) or self.passages.open(text.at, own.at, frozenset((test.at,)))
            for outer in texts
            for text in self.stores.own(outer)
            for own in self.stores.own(one)
        )

    def _passed(self, one: Stored, test: Test) -> bool:
        """Whether a store may be what passed the test."""
        return not self._outcomes(one, test) <= {False, ALIKE}

    def _copied(self, one: Stored, value: int, offset: int, test: Test) -> int:
        """A word that is copied with its object says what it says there."""
        moved = self.terms.moved(value, one.event[4], 0)
        if moved is None or self.terms.nodes[moved[0]][0] == STACK:
            return 0
        there = (moved[0], moved[1] + offset - test.offset, moved[2])
        return self._tested(there, test._replace(offset=moved[1], stride=moved[2]))

    # -- stores of the text
    def _safe(self, one: Stored, place: Location) -> int:
        """For which beginnings a text that is put to a place is safe."""
        content: Content = one.event[4]
        out = quoting.SAFE
        for dep in content.deps:
            if dep[:4] != ("T", *place):
                out &= dep[4] & quoting.SAFE if not dep[4] & quoting.CHANGED else 0
        return out

    def _written(self, one: Stored, words: list[Stored], place: Location, test: Test) -> int:
        """For which beginnings a text that is put there is safe, or not said to be."""
        out = self._safe(one, place)
        if out == quoting.SAFE:
            return out
        base, offset, stride = place
        content: Content = one.event[4]
        whole = self._with_word(content, one, offset, test)
        if whole is not None:
            return whole
        if content.extent and self.store.covers(base, test.offset, stride, one.offset, one.stride, content):
            return 0  # the word is a part of the text
        return out if self._stale(one, words, base, test) else quoting.SAFE

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

    def _stale(self, one: Stored, words: list[Stored], base: int, test: Test) -> bool:
        """Whether the test can be made of a word that was left as it was when the text was stored."""
        closed = self._closed([word for word in words if self._decides(word, test)], test)
        for own in self.stores.own(one):
            here = [word for word in words if word.at == own.at and word.order > own.order]
            stored = any(self._decides(word, test) for word in here) and not any(map(self.outcomes.leaves, here))
            if stored or self._reset(own, words, base, test):
                continue
            if self._refused(one, own, words, test):
                continue
            if self.passages.open(own.at, test.at, closed):
                return True
        return False

    def _decides(self, word: Stored, test: Test) -> bool:
        """Whether a store decides the test on every way: one that sets another bit leaves it as it was, and so does one
        that is not always made.
        """
        return ALIKE not in self._outcomes(word, test) and not self.outcomes.leaves(word)

    def _outcomes(self, word: Stored, test: Test) -> set[bool | str | None]:
        """What the test says of the values that a store may put there."""
        values = {each for value, _ in self.stores.verdicts(word) for each in self.outcomes.values(value)}
        return {self.outcomes.outcome(word, each, test) for each in values}

    def _closed(self, words: list[Stored], test: Test) -> frozenset[At]:
        """The blocks behind which the word was stored anew; of a pass over an array, the head of the loop."""
        out: set[At] = set()
        for word in words:
            if self.stores.inner(word):
                continue
            out.add(word.at)
            head = self.passages.pass_over(word.at, test.at) if word.stride and test.stride else None
            if head is not None:
                out.add(head)
        return frozenset(out)

    def _refused(self, one: Stored, own: Stored, words: list[Stored], test: Test) -> bool:
        """Whether the text was only stored where the word had been found to be what does not pass the test, and was not
        stored anew since.
        """
        for held in self._held(one):
            if (held.offset, held.stride) != (test.offset, test.stride) or not self.outcomes.exclude(held, test):
                continue
            between = [word.at for word in words if self._passed(word, test)]
            if not any(self.passages.open(at, own.at, frozenset((held.at,))) for at in between):
                return True
        return False

    def _reset(self, one: Stored, words: list[Stored], base: int, test: Test) -> bool:
        """Whether the word was given a value that does not pass the test before the text is stored, on every way; what
        it is when the program begins counts.
        """
        seen: set[tuple[At, int]] = set()
        work = [(one.at, one.order)]
        while work:
            at, end = work.pop()
            function, address = at
            here = [word for word in words if word.at == at and word.order < end]
            settled = False
            for word in sorted(here, key=lambda word: -word.order):
                outcomes = self._outcomes(word, test)
                if not outcomes <= {False, ALIKE}:
                    return False
                # of several functions that are called there each may be the last
                settled = outcomes == {False} and not self.stores.inner(word)
                if settled:
                    break
            if settled:
                continue
            before: list[tuple[At, int]] = [
                ((function, other), _END) for other in self.passages.before(function, address)
            ]
            if not before or address == self.whole.code.function(function).order[0]:
                callers = self.passages.callers.get(function, [])
                if not callers and not self._fails_at_first(function, base, test):
                    return False
                before += [(other, 0) for other in callers]
                if any(word.at in callers and not self.stores.inner(word) for word in words):
                    return False  # before the call, or behind it
            work += [other for other in before if other not in seen]
            seen.update(before)
        return True

    def _fails_at_first(self, function: int, base: int, test: Test) -> bool:
        """Whether a function is where the program begins, and the word then does not pass the test."""
        if base != GLOBAL or not self.passages.begins(function):
            return False
        number = self.store.image.number(test.offset, test.size or self.terms.word // 2)
        return number is not None and self.outcomes.passes(number, test) is False


def _is_letter(one: Stored) -> bool:
    """Whether a store puts one byte somewhere behind a place."""
    return one.stride == 1 and one.event[4] == 1


def _mask(lacking: Lacking, distance: int, test: Test) -> int:
    """The bytes that a text so far from the word lacks; in an array, the one beside the word in its entry."""
    out = 0
    for at, mask in lacking:
        if at == distance or (test.stride and at != POINTED and (at - distance) % test.stride == 0):
            out |= mask
    return out
