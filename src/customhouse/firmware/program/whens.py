"""What a check made for one key only says behind it: `if (!strcmp(key, "host") && !valid(value)) return;` leaves
a value that is harmless when the key is that word.

The ways that meet behind such a check have nothing in common but this. Where the value is put under the key, each word
is looked at by itself.
"""

from collections.abc import Iterable, Sequence

from .bytesets import ALL
from .state import WHEN, Case, Fact

_MOST = 6
"""Words that are looked at by themselves."""
_NONE = "\0"
"""In front of each of several words: any but these."""


def shared(ways: Sequence[frozenset[Fact]]) -> frozenset[Fact]:
    """What holds on all the ways: `("when", text, mask of bytes, key, word)`, the text lacks the bytes when the key is
    the word; or, of several words, when it is none of them.
    """
    others = {(fact[1], fact[2]) for way in ways for fact in way if fact[0] == "ne"}
    if not others:
        return frozenset()
    none = {key: _NONE + _NONE.join(sorted(word for one, word in others if one == key)) for key, _ in others}
    found: set[Fact] = set()
    for way in ways:
        words = {(fact[1], fact[2]) for fact in way if fact[0] == "eq"} & others
        words |= {(key, word) for key, word in none.items() if _is_other(way, key, word)}
        lacking = [fact for fact in way if fact[0] == "lacks"]
        found.update((WHEN, *fact[1:3], *one) for one in words for fact in lacking if fact[1] != one[0])
        found.update(fact for fact in way if fact[0] == WHEN)
    return frozenset(one for one in found if all(_holds(one, way) for way in ways))


def _is_other(way: frozenset[Fact], key: int, word: str) -> bool:
    """Whether a key is no word, or none of several."""
    words = word.split(_NONE)[1:] if word.startswith(_NONE) else [word]
    return all(("ne", key, one) in way for one in words)


def _is_told(way: frozenset[Fact], key: int, word: str) -> bool:
    """Whether a key is one that a fact does not speak of: another word, or of several one of them."""
    if ("lacks", key, ALL) not in way:
        return False
    known = {fact[2] for fact in way if fact[:2] == ("eq", key)}
    return not known.isdisjoint(word.split(_NONE)) if word.startswith(_NONE) else bool(known - {word})


def _holds(one: Fact, way: frozenset[Fact]) -> bool:
    _, text, mask, key, word = one
    if one in way or (not word.startswith(_NONE) and ("ne", key, word) in way) or _is_told(way, key, word):
        return True
    return any(
        fact[0] in ("lacks", WHEN) and fact[1] == text and not mask & ~fact[2]
        for fact in way
        if fact[0] == "lacks" or fact[3:] == (key, word)
    )


def ways(facts: Iterable[Fact], texts: Iterable[int]) -> tuple[Case, ...]:
    """The cases of which such facts about some texts tell: each word, and any other one."""
    told = [fact for fact in facts if fact[0] == WHEN and fact[1] in set(texts)]
    words = sorted({fact[3:] for fact in told if not fact[4].startswith(_NONE)})
    if not 0 < len(words) <= _MOST:
        return ()
    other = frozenset(("ne", *one) for one in words)
    rest = {("lacks", *fact[1:3]) for fact in told if fact[4].startswith(_NONE) and _is_other(other, *fact[3:])}
    out = [other | rest]
    for key, word in words:
        lacks = {("lacks", *fact[1:3]) for fact in told if fact[3:] == (key, word)}
        out.append(frozenset({("eq", key, word), ("lacks", key, ALL), *lacks}))
    return tuple(Case({}, one, {}, {}) for one in out)
