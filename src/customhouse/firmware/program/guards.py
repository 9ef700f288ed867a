"""What parameters were found to be where a function writes something: a caller that gives another word, or another
number, does not come there.
"""

from collections.abc import Callable
from typing import Any

from .state import ENTRY, NUMBER, Fact, State
from .summary import Event, Guards
from .terms import ADDR, MERGE, PARAM, PHI, Terms

_INT = (1 << 32) - 1
_MOST = 40
"""Values that are looked at to find what a number is made of."""


class Noted(dict[Event, frozenset[Fact]]):
    """What a block does, each with what held, as it was last looked at; and the guards of what it writes."""

    __slots__ = ("guards",)

    def __init__(self) -> None:
        super().__init__()
        self.guards: Guards = {}

    def guard(self, place: tuple[Any, ...], facts: frozenset[Fact]) -> None:
        """Something was written to a place where these hold."""
        self.guards[place] = self.guards.get(place, facts) & facts


def found(terms: Terms, state: State, facts: frozenset[Fact]) -> frozenset[Fact]:
    """The words and numbers that parameters and cells were found to be; `facts` are those of texts and cells."""
    nodes = terms.nodes
    numbers: set[Fact] = {
        (NUMBER, term, low) for term, (low, high) in state.ranges.items() if low == high and nodes[term][0] == PARAM
    }
    return frozenset(numbers).union(
        fact for fact in facts if fact[0] not in ("eq", NUMBER, ENTRY) or nodes[fact[1]][0] == PARAM
    )


def refuted(terms: Terms, text: Callable[[int], str | None], facts: frozenset[Fact]) -> bool:
    """Whether a constant text was found to be another word, or a number another one: that way is not taken for it."""
    return any(
        (fact[0] == "eq" and not _may_be(terms, text, fact[1], fact[2].casefold()))
        or (fact[0] == NUMBER and not _may_equal(terms, fact[1], fact[2]))
        for fact in facts
    )


def _may_be(terms: Terms, text: Callable[[int], str | None], term: int, word: str) -> bool:
    texts = [text(one) for one in terms.flat(term)]
    return not texts or any(one is None or one.casefold().startswith(word) for one in texts)


def _may_equal(terms: Terms, term: int, number: int) -> bool:
    if _counts(terms, term):
        return True
    values = [terms.value(one) for one in terms.flat(term)]
    return not values or any(one is None or not (one - number) & _INT for one in values)


def _counts(terms: Terms, term: int) -> bool:
    """Whether a loop adds to the number in its rounds."""
    seen, work = {term}, [term]
    while work and len(seen) < _MOST:
        node = terms.nodes[work.pop()]
        if node[0] not in (PHI, MERGE, ADDR):
            continue
        phi = terms.index[node]
        ways = node[1] if node[0] == MERGE else terms.alternatives[phi] if node[0] == PHI else node[1:2]
        if node[0] == PHI and any(terms.based(one)[0] == phi and one != phi for one in ways):
            return True
        fresh = set(ways) - seen
        seen |= fresh
        work += fresh
    return bool(work)
