"""What tallies say of texts where ways meet: each way may have kept its own, and the ways that found a fault say
nothing. See `tallies`.
"""

from collections.abc import Sequence

from . import fold
from .lift import AND, OR, SELECT, SHR, XOR
from .state import FAULTS, GIVEN, HOLDS, Fact, State
from .terms import CONST, MERGE, OP, PHI, Terms

_LEVELS = 8

Told = frozenset[tuple[int, int, int]]
"""Texts of which tallies tell, each with what the tally has to be, and the loop's head."""


def told(states: Sequence[State]) -> Told:
    """What tallies tell of on the ways that meet."""
    return frozenset((fact[1], fact[4], fact[5]) for one in states for fact in one.facts if fact[0] == GIVEN)


def met(terms: Terms, phi: int, values: Sequence[int], states: Sequence[State], told: Told) -> frozenset[Fact]:
    """What is said if a value is what it has to be that is one of several here."""
    out: set[Fact] = set()
    for text, kind, head in told:
        lacks = -1
        for value, state in zip(values, states, strict=True):
            lacks &= _said(terms, state, value, text, kind)
        if lacks > 0:
            out.add((GIVEN, text, lacks, phi, kind, head))
    return frozenset(out)


def _said(terms: Terms, state: State, value: int, text: int, kind: int) -> int:
    """What a text lacks on one way, if the value there is what it has to be; all bits where it cannot be."""
    number = terms.value(value)
    if number is not None and kind in (FAULTS, HOLDS) and bool(number) != (kind == HOLDS):
        return -1
    found = 0
    for fact in state.facts:
        if (fact[0] == GIVEN and (fact[1], fact[3], fact[4]) == (text, value, kind)) or fact[:2] == ("lacks", text):
            found |= int(fact[2])
    return found


def is_flag(terms: Terms, term: int, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a tally is 1 or 0, and counts nothing."""
    node = terms.nodes[term]
    if term in seen or fold.is_truth(terms, term):
        return True
    if node[0] == CONST:
        return bool(node[1] <= 1)
    if len(seen) > _LEVELS:
        return False
    inside = seen | {term}
    if node[0] in (PHI, MERGE):
        parts = terms.alternatives[term] if node[0] == PHI else node[1]
        return all(is_flag(terms, one, inside) for one in parts)
    if node[0] != OP:
        return False
    parts = node[3:] if node[1] == SELECT else node[2:] if node[1] in (OR, XOR, AND) else ()
    return bool(parts) and all(is_flag(terms, one, inside) or _is_part(terms, one) for one in parts)


def _is_part(terms: Terms, term: int) -> bool:
    """Whether a number was made of bits of another one, as flags of letters are."""
    node = terms.nodes[term]
    return bool(node[0] == OP and node[1] in (AND, SHR, SELECT, XOR))
