"""Tests of words in memory, and what they say of a value that was stored there."""

from collections.abc import Iterable
from typing import NamedTuple

from . import cases, fieldtests, lift
from .elf import Image
from .fieldtests import is_place
from .passages import At
from .stored import Stored
from .terms import CONST, LOAD, OP, PHI, Terms

_LEVELS = 4
_BITWISE = frozenset((lift.AND, lift.OR, lift.XOR, lift.NOT, lift.ZEXT, lift.TRUNC))
ALIKE = "alike"
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


class Outcomes:
    """Tries tests on numbers."""

    def __init__(self, terms: Terms, image: Image) -> None:
        self.terms = terms
        self.image = image
        self._found: dict[tuple[object, ...], bool | str | None] = {}
        self._tried: dict[tuple[int, int, int, bool], bool | None] = {}

    def values(self, value: int) -> Iterable[int]:
        """What a value may be; what lay in memory before is one thing."""
        node = self.terms.nodes[value]
        return (value,) if node[0] == PHI and is_place(node[3]) else self.terms.flat(value)

    def leaves(self, one: Stored) -> bool:
        """Whether a store may leave the word as it was."""
        flat = (self.terms.nodes[value] for value in self.terms.flat(one.event[5]))
        return any(node[0] == LOAD and node[1:4] == one.event[1:4] for node in flat)

    def outcome(self, one: Stored, value: int, test: Test) -> bool | str | None:
        """Whether a stored value passes the test; None when that is not known."""
        asked = (value, one.event[1:5], one.offset, one.stride, test[:6])
        if asked not in self._found:
            self._found[asked] = self._outcome(one, value, test)
        return self._found[asked]

    def _outcome(self, one: Stored, value: int, test: Test) -> bool | str | None:
        number = self.terms.value(value)
        if number is not None:
            return self.passes(self._part(number, one, test), test)
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
                before.append(self.passes(word, test))
                after.append(None if number is None else self.passes(number, test))
        if None in before or None in after:
            return None
        if not any(after):
            return False
        return ALIKE if not any(now and not then for now, then in zip(after, before, strict=True)) else None

    def passes(self, number: int, test: Test) -> bool | None:
        """Whether a number passes the test."""
        asked = (number, test.word, test.condition, test.truth)
        if asked not in self._tried:
            self._tried[asked] = self._passes(number, test)
        return self._tried[asked]

    def _passes(self, number: int, test: Test) -> bool | None:
        more = self.terms.based(test.word)[1]
        found = cases.replaced(self.terms, test.condition, {test.word: self.terms.const(number + more)})
        known = self.terms.value(found)
        return None if known is None else bool(known) == test.truth

    def _part(self, number: int, one: Stored, test: Test) -> int:
        """Of a number that is stored, what the test reads."""
        size: int = one.event[4]
        skip = 0 if one.stride or test.stride else test.offset - one.offset
        read = min(test.size or size, size - skip)
        if self.image.big:
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

    def exclude(self, one: Test, other: Test) -> bool:
        """Whether no number passes both of two tests, by those that their constants are next to, and single bits."""
        known = {0, *(1 << bit for bit in range(8 * self.terms.word))}
        for condition in (one.condition, other.condition):
            known |= fieldtests.constants(self.terms, condition)
        near = {number + more & self.terms.mask for number in known for more in (-1, 0, 1)}
        return not any(
            self.passes(number, one) is not False and self.passes(number, other) is not False for number in near
        )
