"""What branches ask of single words of memory: `if (!cfg.valid)`, `if (job->state == READY)`, `if (flags & SET)`.

Where the text beside such a word was stored under a check, the test tells of that check again: see `validity`.
"""

from . import lift
from .state import Fact
from .terms import ADDR, BYTE, CONST, LOAD, MERGE, OP, PHI, STACK, UNKNOWN, Location, Terms

HOLDS = "holds"
_DEPTH = 6


def told(terms: Terms, term: int, truth: bool, at: tuple[int, int]) -> frozenset[Fact]:
    """What a condition that was found true or false tells of words in memory; `at`: the function and the block."""
    node = terms.nodes[term]
    if node[0] == OP and node[1] == lift.BNOT:
        return told(terms, node[2], not truth, at)
    if node[0] == OP and node[1] == (lift.BAND if truth else lift.BOR):
        return told(terms, node[2], truth, at) | told(terms, node[3], truth, at)
    word = deciding(terms, term)
    if word is None:
        return frozenset()
    return frozenset((HOLDS, *place, size, word, term, truth, at) for place, size in _places(terms, word))


def deciding(terms: Terms, term: int) -> int | None:
    """The one word whose value decides a condition; None when there are several, or none."""
    found: set[int] = set()
    work = [(term, 0)]
    while work and len(found) < 2:
        one, level = work.pop()
        node = terms.nodes[one]
        if node[0] == OP and level < _DEPTH:
            work += [(inner, level + 1) for inner in node[2:]]
        elif node[0] != CONST:
            found.add(one)
    return found.pop() if len(found) == 1 else None


def constants(terms: Terms, term: int, level: int = 0) -> set[int]:
    """The numbers that a condition is made with."""
    node = terms.nodes[term]
    if node[0] == CONST:
        return {node[1]}
    if node[0] == MERGE:
        return set[int]().union(*(constants(terms, one, level + 1) for one in node[1])) if level < _DEPTH else set()
    if node[0] == ADDR:
        return {-node[2] & terms.mask}
    if node[0] != OP or level > _DEPTH:
        return set()
    return set[int]().union(*(constants(terms, one, level + 1) for one in node[2:]))


def _places(terms: Terms, word: int) -> list[tuple[Location, int]]:
    """Where in memory a word may have been read, with its size, 0 when that is not known. What is read byte by byte out
    of a text is no word.
    """
    out: dict[tuple[Location, int], None] = {}
    seen: set[int] = set()
    work = [terms.based(word)[0]]
    while work:
        one = work.pop()
        if one in seen:
            continue
        seen.add(one)
        node = terms.nodes[one]
        places: tuple[Location, ...] = ()
        size = 0
        if node[0] == PHI and is_place(node[3]):
            places = (node[3],)
        elif node[0] == LOAD:
            places, size = (node[1:4],), node[4]
        elif node[0] == BYTE:
            places, size = terms.spread(node[1]), node[5]
        else:
            work += node[1] if node[0] == MERGE else terms.alternatives[one] if node[0] == PHI else ()
        out.update(((place, size), None) for place in places if place[2] != 1 and _is_shared(terms, place[0]))
    return list(out)


def is_place(slot: object) -> bool:
    """Whether a phi is of what lies in memory, and not of a register or a result."""
    return isinstance(slot, tuple) and len(slot) == 3 and all(isinstance(one, int) for one in slot)


def _is_shared(terms: Terms, root: int) -> bool:
    """Whether others can reach what lies under a root."""
    return not root or terms.nodes[root][0] not in (STACK, UNKNOWN)
