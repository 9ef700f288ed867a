"""Texts that are checked piece by piece: a prefix and what follows it, the parts of a path, labels between dots.

`("upto", pointer term, other pointer term, mask of bytes)`: the bytes from the one to the other lack these.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import bytesets, duplicates, fold
from .bytesets import ByteSets
from .lift import ADD, SELECT, SUB
from .searches import sought
from .state import COPY, UPTO, Fact, State
from .terms import BYTE, GLOBAL, OP, PHI, RESULT, Terms

SPANS = frozenset(("strspn", "strcspn"))
_LONGEST = 32
"""Bytes of a beginning that is compared as numbers."""
_PIECES = 20
"""Pieces that are put together, at most: each byte of a date may be one."""
_NO_MASKS: Mapping[int, int] = {}
_SKIPPED = 3
"""Bytes before what is checked, at most."""


def told(sets: ByteSets, state: State) -> frozenset[Fact]:
    """What texts lack by all that is known of their parts and of their lengths."""
    copied = duplicates.completed(sets.terms, state)
    return together(sets, state.facts | copied, state.masks) | measured(sets.terms, state) | copied


def measured(terms: Terms, state: State) -> frozenset[Fact]:
    """Texts that were measured and of which each byte up to the greatest length was tested, by its place."""
    ends: dict[int, int] = {}
    for term, (_low, high) in state.ranges.items():
        node = terms.nodes[term]
        if node[0] == RESULT and node[2] == "strlen" and 0 < high <= _LONGEST:
            ends[node[3][0]] = high
    if not ends:
        return frozenset()
    tested: dict[tuple[int, int], int] = {}
    for place, mask in _tested(terms, state.masks):
        spot = _split(terms, place)
        tested[spot] = tested.get(spot, bytesets.ALL) & mask
    out = set()
    for text, length in ends.items():
        base, first = _split(terms, text)
        passed = 0
        for at in range(first, first + length):
            passed |= tested.get((base, at), bytesets.ALL)
        if ~passed & bytesets.SHELL:
            out.add(("lacks", text, ~passed & bytesets.ALL))
    return frozenset(out)


def together(sets: ByteSets, facts: Iterable[Fact], masks: Mapping[int, int] = _NO_MASKS) -> frozenset[Fact]:
    """What texts lack by what is known of their beginnings and of what follows those, and of their copies; `masks` of
    single bytes.
    """
    terms, big = sets.terms, sets.image.big
    lacks: dict[int, int] = {}
    parts: list[tuple[int, int, int]] = []
    words: list[Fact] = []
    copied: list[tuple[int, int, int]] = []
    for fact in facts:
        if fact[0] == "lacks":
            lacks[fact[1]] = lacks.get(fact[1], 0) | fact[2]
        elif fact[0] == UPTO:
            parts.append(fact[1:])
        elif fact[0] == "eq" and fact[2]:
            word = bytesets.of(fact[2].lower() + fact[2].upper())
            parts.append((fact[1], terms.add(fact[1], len(fact[2])), ~word & bytesets.ALL))
        elif fact[0] == "word":
            words.append(fact)
        elif fact[0] == COPY:
            copied.append(duplicates.part(terms, fact))
    fixed = frozenset(_fixed(terms, words, big)) - lacks.keys() if words else frozenset()
    lacks.update((one, bytesets.ALL) for one in fixed)
    lacks.update((end, bytesets.ALL) for _, end, _ in parts if masks.get(end) == bytesets.NUL)
    if not lacks:
        return frozenset()
    tested = _tested(terms, masks)
    letters = [(end, sought(terms, end)) for _, end, _ in (*parts, *copied)]
    tested += [(end, 1 << letter) for end, letter in letters if letter is not None]
    parts += _words(terms, words, [*lacks, *(place for place, _ in tested)], big) if words else []
    ends = {*lacks, *(start for start, _, _ in parts)}
    parts += [one for end in ends for one in _counted(sets, end)]
    parts += _bytes(terms, tested, ends)
    out: dict[int, int] = dict.fromkeys(fixed, bytesets.ALL)
    for _ in range(_PIECES):
        grown = False
        for start, end, mask in (*parts, *((one, end, lacks.get(copy, 0)) for one, end, copy in copied)):
            more = mask & lacks.get(end, 0) & ~lacks.get(start, 0) & bytesets.ALL
            if more:
                out[start] = out.get(start, 0) | more
                lacks[start] = lacks.get(start, 0) | more
                grown = True
        if not grown:
            break
    return frozenset(("lacks", start, mask) for start, mask in out.items())


def _tested(terms: Terms, masks: Mapping[int, int]) -> list[tuple[int, int]]:
    """Bytes that tests tell something of: where each lies, and what it can be."""
    known = ((terms.nodes[one], mask) for one, mask in masks.items() if one > 0 and ~mask & bytesets.SHELL)
    return [(node[1], mask) for node, mask in known if node[0] == BYTE and node[5] == 1]


def led(terms: Terms, state: State, value: int) -> frozenset[Fact]:
    """The tested bytes before one that is compared: what tells of a text if its end is compared with."""
    node = terms.nodes[value]
    sides = [terms.nodes[one] for one in node[2:4]] if node[0] == OP and fold.is_truth(terms, value) else []
    tested = {_split(terms, place): (place, mask) for place, mask in _tested(terms, state.masks)} if sides else {}
    out: set[Fact] = set()
    for side in sides:
        if side[0] != BYTE or side[5] != 1:
            continue
        base, at = _split(terms, side[1])
        start, passed = side[1], 0
        while (base, at - 1) in tested:
            start, mask = tested[base, at - 1]
            at, passed = at - 1, passed | mask
        if start != side[1]:
            out.add((UPTO, start, side[1], ~passed & bytesets.ALL))
    return frozenset(out)


def _bytes(terms: Terms, tested: list[tuple[int, int]], ends: Iterable[int]) -> list[tuple[int, int, int]]:
    """Pieces of one byte each, one before the other or before one of `ends`."""
    behind = {_split(terms, one): one for one in (*ends, *(place for place, _ in tested))}
    out = []
    for place, mask in tested:
        base, at = _split(terms, place)
        if (base, at + 1) in behind:
            out.append((place, behind[base, at + 1], ~mask))
    return out


def _counted(sets: ByteSets, end: int) -> list[tuple[int, int, int]]:
    """The same of a pointer that is moved on by the outcome of a test: `s += (*s == '+')`."""
    terms = sets.terms
    moved, more = terms.based(end)
    node = terms.nodes[moved]
    out: list[tuple[int, int, int]] = []
    for start, condition, truth in _moves(terms, node):
        first = terms.add(start, more)
        for variable, holds, fails in sets.holding(condition):
            if _lies_at(terms, variable, *_split(terms, first)):
                out.append((first, end, ~(holds if truth else fails) & bytesets.ALL))
    return out


def _moves(terms: Terms, node: tuple[Any, ...]) -> Iterable[tuple[int, int, bool]]:
    """For a pointer that is one further on if a condition holds (or does not): where it is else, and the condition."""
    if node[:2] == (OP, ADD):
        for start, condition in ((node[2], node[3]), (node[3], node[2])):
            if fold.is_truth(terms, condition):
                yield start, condition, True
    elif node[:2] == (OP, SELECT):
        for side, other, truth in ((node[3], node[4], True), (node[4], node[3], False)):
            if terms.add(other, 1) == side:
                yield other, node[2], truth


def begun(facts: Iterable[Fact]) -> dict[tuple[int, int], int]:
    """The pieces that are known: from where to where each reaches, and what it lacks."""
    out: dict[tuple[int, int], int] = {}
    for fact in facts:
        if fact[0] == UPTO:
            out[fact[1:3]] = out.get(fact[1:3], 0) | int(fact[3])
    return out


def ahead(
    terms: Terms,
    phi: int,
    values: Sequence[int],
    states: Sequence[State],
    known: Sequence[Mapping[tuple[int, int], int]],
) -> frozenset[Fact]:
    """Of a pointer that ways moved over bytes that were tested there (`if (*s == '+') s++;`, or a loop), and others did
    not: what lies between where it was and where it is. The byte there may have been read, and the pointer forgotten.
    `known`: the pieces that each way knows of.
    """
    nodes = [terms.nodes[one] for one in values]
    if all(node[0] == BYTE and node[5] == 1 for node in nodes):
        values = [node[1] for node in nodes]
    lowest = min((_split(terms, one) for one in values), key=lambda one: one[1])
    starts = {start for pieces in known for start, end in pieces if end in values}
    if all(_split(terms, one)[0] == lowest[0] for one in values) and terms.rank(values[0]) >= 1:
        starts.add(terms.add(*lowest))
    out: set[Fact] = set()
    for start in starts - {phi}:
        lacks = bytesets.ALL
        for value, state, pieces in zip(values, states, known, strict=True):
            if value != start:
                lacks &= pieces.get((start, value), 0) or _over(terms, state, start, value)
        if lacks & bytesets.SHELL:
            out.add((UPTO, start, phi, lacks))
    return frozenset(out)


def _over(terms: Terms, state: State, start: int, end: int) -> int:
    """What bytes lack that were tested one by one."""
    (base, low), (other, high) = _split(terms, start), _split(terms, end)
    if base != other or not 0 < high - low <= _SKIPPED:
        return 0
    skipped = 0
    for at in range(low, high):
        skipped |= _values_at(terms, state, base, at)
    return ~skipped & bytesets.ALL


def values_at(terms: Terms, state: State, place: int) -> int:
    """The values that the byte at a place can have, by what was tested."""
    return _values_at(terms, state, *_split(terms, place))


def _values_at(terms: Terms, state: State, base: int, at: int) -> int:
    found = (mask for one, mask in state.masks.items() if _lies_at(terms, one, base, at))
    return functools.reduce(operator.and_, found, bytesets.ALL)


def _split(terms: Terms, pointer: int) -> tuple[int, int]:
    """A pointer as a start and a distance; of a constant address all is distance."""
    value = terms.value(pointer)
    return terms.based(pointer) if value is None else (terms.zero, value)


def _lies_at(terms: Terms, byte: int, start: int, at: int) -> bool:
    """Whether it is the byte at a distance from a pointer. Where ways meet, pointer and byte are chosen together."""
    if byte <= 0:
        return False
    node, place = terms.nodes[byte], terms.nodes[start]
    if node[0] == BYTE:
        return bool(node[5] == 1 and _split(terms, node[1]) == (start, at))
    if node[0] != PHI or place[0] != PHI or node[1:3] != place[1:3]:
        return False
    read, places = terms.edges.get(byte, ()), terms.edges.get(start, ())
    return 0 < len(read) == len(places) and all(
        terms.nodes[one][0] == BYTE and _lies_at(terms, one, *_split(terms, terms.add(other, at)))
        for one, other in zip(read, places, strict=True)
    )


def _known(words: Iterable[Fact], big: bool) -> dict[tuple[int, int], int]:
    """Bytes that were compared as numbers, by where they lie."""
    known: dict[tuple[int, int], int] = {}
    for _, root, offset, size, value in words:
        raw = (value & ((1 << 8 * size) - 1)).to_bytes(size, "big" if big else "little")
        known.update(((root, offset + index), byte) for index, byte in enumerate(raw))
    return known


def _fixed(terms: Terms, words: Sequence[Fact], big: bool) -> Iterable[int]:
    """Texts that were compared as numbers up to their ends: `strcmp(text, "off")`, as compilers do it."""
    known = _known(words, big)
    for _, root, offset, size, _value in words:
        at = offset
        while at < offset + _LONGEST and known.get((root, at), 0):
            at += 1
        if at > offset and size > 1 and known.get((root, at)) == 0:
            yield terms.const(offset) if root == GLOBAL else terms.add(root, offset)


def _words(terms: Terms, words: list[Fact], ends: list[int], big: bool) -> list[tuple[int, int, int]]:
    """Beginnings that were compared as numbers, as compilers do it: from the place of each word up to one of `ends`."""
    known = _known(words, big)
    out: list[tuple[int, int, int]] = []
    for end in ends:
        places = terms.locate(end)
        if len(places) != 1 or places[0][2]:
            continue
        root, last, _ = places[0]
        if (root, last - 1) not in known or known.get((root, last)) == 0:
            continue  # nothing follows: it was compared as a whole, and may be the beginning of a line that was cut up
        for start in {one[2] for one in words if one[1] == root and last - _LONGEST < one[2] < last}:
            text = [known.get((root, at), 0) for at in range(start, last)]
            if all(text):
                out.append((terms.add(end, start - last), end, ~bytesets.of(bytes(text)) & bytesets.ALL))
    return out


class Pieces:
    """Reads pieces off terms. `text` gives the constant string that a pointer term names, else None."""

    def __init__(self, terms: Terms, text: Callable[[int], str | None]) -> None:
        self.terms = terms
        self.text = text

    def lacking(self, count: int) -> int | None:
        """The bytes that are not among those that `strspn` or `strcspn` counted; None when it is no such result."""
        node = self.terms.nodes[count]
        if node[0] != RESULT or node[2] not in SPANS or len(node[3]) < 2:
            return None
        named = self.text(node[3][1])
        if named is None:
            return None
        return bytesets.of(named) if node[2] == "strcspn" else ~bytesets.of(named) & bytesets.ALL

    def equal(self, difference: dict[int, int]) -> frozenset[Fact]:
        """What it tells that a sum is nothing: `text + strspn(text, set) - end`."""
        if len(difference) != 3:
            return frozenset()
        for count, factor in difference.items():
            lacks = self.lacking(count)
            if lacks is None or abs(factor) != 1:
                continue
            text = self.terms.nodes[count][3][0]
            ends = [one for one, other in difference.items() if one not in (count, text) and other == -factor]
            if difference.get(text) == factor and len(ends) == 1:
                return frozenset({(UPTO, text, ends[0], lacks)})
        return frozenset()

    def between(self, state: State, start: int, size: int) -> int:
        """The bytes that are not among so many of a text's first ones: `memcpy(out, text, strspn(text, set))`, or as
        many as a walk came past.
        """
        terms = self.terms
        node = terms.nodes[size]
        if node[0] == RESULT and node[2] in SPANS and node[3][:1] == (start,):
            return self.lacking(size) or 0
        whole = terms.linear(size)
        for fact in state.facts:
            if fact[:2] == (UPTO, start):
                passed = terms.linear(fold.binary(terms, SUB, fact[2], start, terms.word))
                if passed == whole:
                    return int(fact[3])
        return 0

    def passed(self, state: State, start: int, after: int) -> int | None:
        """The bytes that may lie between two places of a text, of which the second is where a piece ends that begins at
        the first, or one byte behind that; None when it is not.
        """
        parts, plus = self.terms.linear(fold.binary(self.terms, SUB, after, start, self.terms.word))
        if len(parts) == 1 and 0 <= plus <= 1:
            [(count, factor)] = parts.items()
            lacks = self.lacking(count)
            if lacks is not None and factor == 1 and self.terms.nodes[count][3][0] == start:
                return self._and_skipped(state, lacks, self.terms.add(after, -plus), plus)
        for fact in state.facts:
            if fact[0] == UPTO and fact[1] == start:
                for more in (0, 1):
                    if self.terms.add(fact[2], more) == after:
                        return self._and_skipped(state, int(fact[3]), fact[2], more)
        return None

    def _and_skipped(self, state: State, lacks: int, end: int, more: int) -> int | None:
        """The bytes of a piece, with the one at its end."""
        skipped = self._at(state, end) if more else 0
        return None if skipped is None else ~lacks & bytesets.ALL | skipped

    def _at(self, state: State, place: int) -> int | None:
        """What the byte at a place can be: it was looked for, or tested."""
        letter = sought(self.terms, place)
        if letter is not None:
            return 1 << letter
        found = [mask for one, mask in state.masks.items() if one > 0 and self._lies_at(one, place)]
        return found[0] if found else None

    def _lies_at(self, byte: int, place: int) -> bool:
        node = self.terms.nodes[byte]
        return bool(node[0] == BYTE and node[1] == place and node[5] == 1)
