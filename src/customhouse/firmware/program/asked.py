"""What was asked: the words that texts were compared with, in the order in which that was done."""

from collections.abc import Iterable, Sequence
from typing import Any

from .state import Fact

IS, WORD = "is", "word"
Key = tuple[Any, ...]
"""`("is", part, ...)`: a text was compared with these parts, one behind the other: texts, and terms of parameters that
point to one. `("word", root, offset, size, value)` as in `state.Fact`."""
Words = dict[Key, frozenset[int]]
"""What was asked, in this order, with the terms that pointed to what was looked at."""
NOBODY: frozenset[int] = frozenset()


def told(facts: Iterable[Fact]) -> Words:
    """What texts, and words in memory, are known to be."""
    out: Words = {}
    for fact in sorted((one for one in facts if one[0] in ("eq", WORD)), key=str):
        if fact[0] == WORD:
            out[tuple(fact)] = NOBODY
        elif fact[2]:
            out[(IS, str(fact[2]))] = out.get((IS, str(fact[2])), NOBODY) | {fact[1]}
    return out


def common(ways: Sequence[Words]) -> Words:
    """What was asked on each of several ways."""
    first, *others = ways
    return {
        key: pointers.union(*(one[key] for one in others))
        for key, pointers in first.items()
        if all(key in one for one in others)
    }


def both(before: Words, after: Words) -> Words:
    """What was asked first, and what then."""
    if not after:
        return before
    out = dict(before)
    for key, pointers in after.items():
        out[key] = out.get(key, NOBODY) | pointers
    return out


def merged(parts: Iterable[Any]) -> list[str | int]:
    """Texts that lie side by side as one."""
    out: list[str | int] = []
    for one in parts:
        if out and isinstance(one, str) and isinstance(out[-1], str):
            out[-1] += one
        else:
            out.append(one)
    return out
