"""What parameters were found to be where a function writes something: a caller that gives another word, or another
number, does not come there.
"""

from collections.abc import Callable

from .state import NUMBER, Fact, State
from .terms import PARAM, Terms

_INT = (1 << 32) - 1


def found(terms: Terms, state: State, facts: frozenset[Fact]) -> frozenset[Fact]:
    """The words and numbers that parameters and cells were found to be; `facts` are those of texts and cells."""
    nodes = terms.nodes
    numbers: set[Fact] = {
        (NUMBER, term, low) for term, (low, high) in state.ranges.items() if low == high and nodes[term][0] == PARAM
    }
    return frozenset(numbers).union(
        fact for fact in facts if fact[0] not in ("eq", NUMBER) or nodes[fact[1]][0] == PARAM
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
    values = [terms.value(one) for one in terms.flat(term)]
    return not values or any(one is None or not (one - number) & _INT for one in values)
