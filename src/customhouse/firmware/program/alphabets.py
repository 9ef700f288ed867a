"""Constant texts and tables that loops walk over: which entry a value is, and which letters it can be."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from . import bytesets
from .elf import Image
from .terms import BYTE, CONST, GLOBAL, MERGE, PHI, Terms

_LEVELS = 3
LONGEST = 256
"""Entries of such a table, at most."""


class Letter(NamedTuple):
    """An entry of a constant table: the phi that walks over it, where it is first, and its width in bytes."""

    walk: int
    start: int
    size: int


def letter(terms: Terms, image: Image, term: int, level: int = 0) -> Letter | None:
    """What walks over a constant table and reads the term there; None when nothing does."""
    node = terms.nodes[term]
    if node[0] in (MERGE, PHI) and level < _LEVELS:
        return _read(terms, image, node[1] if node[0] == MERGE else terms.alternatives[term], level)
    if node[0] != BYTE or node[2] != GLOBAL or node[5] not in (1, terms.word):
        return None
    parts, more = terms.linear(node[1])
    if len(parts) != 1:
        return None
    [(part, times)] = parts.items()
    walk, factor = terms.multiple(part)
    factor *= times
    if terms.nodes[walk][0] != PHI or factor not in (1, node[5]):
        return None
    begun = _begun(terms, walk, int(node[5]) // factor, frozenset())
    start = more + factor * begun if begun is not None else -1
    if begun is None or not image.constant(start) or image.segment(start) is None:
        return None
    return Letter(walk, start, int(node[5]))


def _read(terms: Terms, image: Image, ones: Iterable[int], level: int) -> Letter | None:
    """The same of one of several values: a letter that is read ahead, or the first one, which is known."""
    apart = [one for given in ones for one in (terms.nodes[given][1] if terms.nodes[given][0] == MERGE else (given,))]
    known = {value for one in apart if (value := terms.value(one)) is not None}
    found = [letter(terms, image, one, level + 1) for one in apart if terms.value(one) is None]
    read = [one for one in found if one is not None]
    if not read or len(read) < len(found) or len({(one.walk, one.size) for one in read}) != 1:
        return None
    first = min(read, key=lambda one: one.start)
    before = first.start - first.size
    if known and image.constant(before) and image.number(before, first.size) in known:
        return first._replace(start=before)
    return None if known else first


def _begun(terms: Terms, walk: int, step: int, seen: frozenset[int], apart: bool = False) -> int | None:
    """Where a walk begins that goes on by the same step; None when that is not known, or it goes otherwise, too. It may
    go as a counter goes that is `apart` from it.
    """
    found: list[int] = []
    for one in terms.alternatives[walk]:
        base, more = terms.based(one)
        node = terms.nodes[base]
        if node[0] == CONST:
            found.append(terms.signed(node[1]) + more)
        elif base == walk or base in seen:
            if more not in (0, step) or (apart and base != walk):
                return None
        elif node[0] == PHI and len(seen) < _LEVELS:
            inner = _begun(terms, base, step, seen | {walk}, apart or more not in (0, step))
            if inner is None:
                return None
            found.append(inner + more)
        else:
            return None
    return min(found, default=None)


def letters(terms: Terms, image: Image, term: int) -> int | None:
    """The bytes that an entry of a constant text can be, up to its end; None when it is no such entry."""
    found = letter(terms, image, term)
    if found is None or found.size != 1:
        return None
    text, end, _ = image.bytes_at(found.start, LONGEST).partition(b"\0")
    return bytesets.of(text) | bytesets.NUL if end else None


def length(image: Image, entry: Letter) -> int | None:
    """How many entries there are before the one that is nothing."""
    for index in range(LONGEST):
        if not image.number(entry.start + index * entry.size, entry.size):
            return index
    return None


def ended(terms: Terms, image: Image, parts: Mapping[int, int]) -> int | None:
    """The length of the constant text whose entry is compared with nothing; None when it is none. `parts` of a sum."""
    entry = letter(terms, image, next(iter(parts))) if len(parts) == 1 else None
    return None if entry is None else length(image, entry)
