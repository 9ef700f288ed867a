"""Texts that are checked in a copy: what the copy lacks, the text lacks from which it was made.

`memcpy(host, text, colon - text); host[colon - text] = 0; return host_ok(host) && number_ok(colon + 1);` says all of
`text`. `("copy", pointer term, other pointer term, count)`: at the first lies what begins at the other, so many bytes
of it, or all of the text (`TO_END`).
"""

from collections.abc import Iterable, Iterator

from . import bytesets, fold
from .lift import ADD, SUB
from .measured import Measured
from .searches import sought
from .state import COPY, UPTO, Fact, State
from .terms import BYTE, RESULT, Location, Terms

TO_END = -1
_MOST = 16
"""Copies that are known at one place."""


def made(terms: Terms, state: State, target: int, source: int, count: int = TO_END) -> None:
    """A copy was made of so many bytes, or of all of a text."""
    if target == source or len(copies(state.facts)) >= _MOST:
        return
    whole = count != TO_END and _is_length(terms, count, source)
    state.learn(frozenset({(COPY, target, source, TO_END if whole else count)}))


def stored(terms: Terms, state: State, address: int, spots: Iterable[Location], value: int | None, size: int) -> None:
    """A word, or a byte, is stored; `value` None when it is not known. A copy that it changes is none any more, unless
    it ends the copy there. A text that is cut off still lacks what it lacked.
    """
    ends = size == 1 and value is not None and terms.value(value) == 0
    for fact in copies(state.facts):
        _, target, source, _count = fact
        if _touches(terms, state, spots, target):
            at = _difference(terms, address, target)
            if ends and _is_behind(terms, at, fact):
                continue
            state.facts -= {fact}
            if ends:
                state.learn(frozenset(_parted(terms, state, fact, address, at)))
        elif not ends and _touches(terms, state, spots, source):
            state.facts -= {fact}


def written(terms: Terms, state: State, spots: Iterable[Location]) -> None:
    """Texts are written, or taken apart: what was a copy of what lay there is none any more, and so is what was made
    there.
    """
    for fact in copies(state.facts):
        if any(_touches(terms, state, spots, one) for one in fact[1:3]):
            state.facts -= {fact}


def completed(terms: Terms, state: State) -> frozenset[Fact]:
    """The copies that have all of a text, since it was found to be no longer than what was copied."""
    counted = [fact for fact in copies(state.facts) if fact[3] != TO_END]
    known = Measured(terms).limits(state) if counted else {}
    out: set[Fact] = set()
    for _, target, source, count in counted:
        number = terms.value(count)
        text, most = terms.based(_sum(terms, source, count)) if number is None else (source, number)
        if known.get(text, most + 2) <= most + 1:
            out.add((COPY, target, source, TO_END))
    return frozenset(out)


def part(terms: Terms, fact: Fact) -> tuple[int, int, int]:
    """Where what was copied begins in the text, where it ends, and the copy; it ends in the copy's own end when all of
    the text was copied.
    """
    _, target, source, count = fact
    return source, target if count == TO_END else _sum(terms, source, count), target


def copies(facts: Iterable[Fact]) -> list[Fact]:
    return sorted(fact for fact in facts if fact[0] == COPY)


def _touches(terms: Terms, state: State, spots: Iterable[Location], pointer: int) -> bool:
    """Whether something is stored in the text that lies at a place, or may lie there."""
    for root, offset, _ in terms.places(pointer):
        text = state.texts.get((root, offset, 0))
        end = offset + text.extent if text is not None and text.extent else 1 << 62
        if any(one == root and at < end and (step or at >= offset) for one, at, step in spots):
            return True
    return False


def _is_behind(terms: Terms, at: int, fact: Fact) -> bool:
    """Whether a NUL so far behind the start of a copy is where it ends, or behind that."""
    _, target, source, count = fact
    if count == TO_END:
        return _is_length(terms, at, source) or _is_length(terms, at, target)
    if terms.linear(at) == terms.linear(count):
        return True
    where, most = terms.value(at), terms.value(count)
    return where is not None and most is not None and terms.signed(where) >= most


def _parted(terms: Terms, state: State, fact: Fact, address: int, at: int) -> Iterator[Fact]:
    """The two copies that one becomes where a NUL is put into it, and what the byte was there."""
    _, target, source, count = fact
    place = _sum(terms, source, at)
    yield (COPY, target, source, at)
    rest = TO_END if count == TO_END else terms.add(_difference(terms, count, at), -1)
    yield (COPY, terms.add(address, 1), terms.add(place, 1), rest)
    mask = _byte(terms, state, address)
    if mask != bytesets.ALL:
        yield (UPTO, place, terms.add(place, 1), ~mask & bytesets.ALL)


def _byte(terms: Terms, state: State, place: int) -> int:
    """What the byte at a place can be, that was looked for or tested."""
    letter = sought(terms, place)
    if letter is not None:
        return 1 << letter
    out = bytesets.ALL
    for one, mask in state.masks.items():
        node = terms.nodes[abs(one)]
        if one > 0 and node[0] == BYTE and node[1] == place and node[5] == 1:
            out &= mask
    return out


def _is_length(terms: Terms, count: int, text: int) -> bool:
    """Whether a number is the length of a text, or more."""
    found, more = terms.linear(count)
    [(one, factor)] = found.items() if len(found) == 1 else [(count, 0)]
    node = terms.nodes[one]
    return bool(factor == 1 and more >= 0 and node[0] == RESULT and node[2] == "strlen" and node[3][:1] == (text,))


def _difference(terms: Terms, one: int, other: int) -> int:
    return fold.binary(terms, SUB, one, other, terms.word)


def _sum(terms: Terms, pointer: int, count: int) -> int:
    """A place in a text; `text + (colon - text)` is where the colon is."""
    whole = fold.binary(terms, ADD, pointer, count, terms.word)
    found, more = terms.linear(whole)
    return terms.add(next(iter(found)), more) if list(found.values()) == [1] else whole
