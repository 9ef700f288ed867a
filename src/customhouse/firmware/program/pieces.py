"""Texts that are checked piece by piece: a prefix and what follows it, the parts of a path, labels between dots.

`("upto", pointer term, other pointer term, mask of bytes)`: the bytes from the one to the other lack these.
"""

from collections.abc import Callable, Iterable

from . import bytesets, fold
from .lift import SUB
from .state import UPTO, Fact, State
from .terms import BYTE, DERIVED, RESULT, Terms

SPANS = frozenset(("strspn", "strcspn"))
_LONGEST = 32
"""Bytes of a beginning that is compared as numbers."""
_SEARCHES = frozenset(("strchr", "index", "memchr", "strrchr", "rindex", "strchrnul"))


def together(terms: Terms, facts: Iterable[Fact], big: bool) -> frozenset[Fact]:
    """What texts lack by what is known of their beginnings and of what follows those. `big`: numbers begin with their
    highest byte.
    """
    lacks: dict[int, int] = {}
    begun: list[tuple[int, int, int]] = []
    words: list[Fact] = []
    for fact in facts:
        if fact[0] == "lacks":
            lacks[fact[1]] = lacks.get(fact[1], 0) | fact[2]
        elif fact[0] == UPTO:
            begun.append(fact[1:])
        elif fact[0] == "eq" and fact[2]:
            word = bytesets.of(fact[2].lower() + fact[2].upper())
            begun.append((fact[1], terms.add(fact[1], len(fact[2])), ~word & bytesets.ALL))
        elif fact[0] == "word":
            words.append(fact)
    if lacks and words:
        begun += _words(terms, words, list(lacks), big)
    out: dict[int, int] = {}
    for start, end, mask in (*begun, *begun) if lacks else ():  # one that follows another may come first
        more = mask & lacks.get(end, 0) & ~lacks.get(start, 0)
        if more:
            out[start] = out.get(start, 0) | more
            lacks[start] = lacks.get(start, 0) | more
    return frozenset(("lacks", start, mask) for start, mask in out.items())


def _words(terms: Terms, words: list[Fact], ends: list[int], big: bool) -> list[tuple[int, int, int]]:
    """Beginnings that were compared as numbers, as compilers do it: from the place of each word up to one of `ends`."""
    known: dict[tuple[int, int], int] = {}
    for _, root, offset, size, value in words:
        raw = (value & ((1 << 8 * size) - 1)).to_bytes(size, "big" if big else "little")
        known.update(((root, offset + index), byte) for index, byte in enumerate(raw))
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
        node = self.terms.nodes[place]
        sought = self.terms.nodes[node[2]] if node[0] == DERIVED else node
        if sought[0] == RESULT and sought[2] in _SEARCHES and len(sought[3]) > 1:
            value = self.terms.value(sought[3][1])
            return None if value is None else 1 << (value & 255)
        found = [mask for one, mask in state.masks.items() if one > 0 and self._lies_at(one, place)]
        return found[0] if found else None

    def _lies_at(self, byte: int, place: int) -> bool:
        node = self.terms.nodes[byte]
        return bool(node[0] == BYTE and node[1] == place and node[5] == 1)
