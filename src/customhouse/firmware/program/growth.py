"""Numbers that grow: those that a loop adds to as it goes round, and those that are kept in memory and added to there.

Where a copy goes to where such a number leads, the pieces before say nothing of where it ends unless something was
compared with the number.
"""

from collections.abc import Iterable

from . import lift
from .orders import is_condition
from .state import State
from .terms import LOAD, MERGE, OP, PHI, Terms

_DEPTH = 5
_LINKS = 8
"""Numbers that one is made of, one in the other."""
WIDTH = 0xFFFF
"""What two bytes can hold: a bound that no test made, and a length that nothing bounds is not known to be as long."""
_WIDEST = 16
"""Bits that tell how wide an entry is, at most."""
Parts = dict[int, int]
"""Unknowns of a sum, each with its factor."""


def grows(terms: Terms, state: State, term: int, function: int | None) -> bool:
    """Whether a loop adds something unknown to the value in its rounds, and nothing was compared with what it has grown
    to: not even in a way that we may not have understood.
    """
    found = growing(terms, term)
    joins = {terms.nodes[one][1] for walk in found for one in walk if terms.nodes[one][0] == PHI}
    if function is not None and joins != {function}:
        return False
    return bool(found) and not any(_compared(terms, state, walk | {term}) for walk in found)


def lasts(terms: Terms, state: State, term: int, index: Parts) -> bool:
    """Whether a number was kept in memory from one call to the next, and nothing was compared with it here."""
    loads = loads_of(terms, term)
    begun = {one for one, factor in index.items() if factor < 0}  # where a pointer among them began
    return bool(loads) and begun.isdisjoint(terms.flat(term)) and not _compared(terms, state, loads | {term})


def stays(terms: Terms, moving: int) -> bool:
    """Whether what a copy's place moves on by is kept in memory, rather than added to by a loop."""
    loads = loads_of(terms, moving)
    sums = [terms.linear(one)[0] for one in terms.flat(moving)]
    added = any(len(parts) > 1 and parts.keys() & loads for parts in sums)
    return bool(loads) and not added and not growing(terms, moving)


def loads_of(terms: Terms, term: int) -> frozenset[int]:
    """The words of memory that a number may be."""
    parts = (part for one in {term, *terms.flat(term)} for part in terms.linear(one)[0])
    counted = (entries(terms, one)[0] for one in parts)
    return frozenset(one for one in counted if terms.nodes[one][0] == LOAD)


def entries(terms: Terms, term: int) -> tuple[int, int]:
    """A number of bytes as a number of entries of so many bytes; of one byte when it is not written as that."""
    node = terms.nodes[term]
    factor = terms.value(node[3]) if node[0] == OP and node[1] in (lift.SHL, lift.MUL) else None
    if factor is None or factor >= (_WIDEST if node[1] == lift.SHL else 1 << _WIDEST):
        return term, 1
    return int(node[2]), 1 << factor if node[1] == lift.SHL else factor


def growing(terms: Terms, term: int) -> list[frozenset[int]]:
    """The joins of loops, loop by loop, at which something unknown has been added to the value."""
    return [walk for walk in _walks(terms, term) if _adds(terms, walk)]


def _walks(terms: Terms, term: int) -> list[frozenset[int]]:
    """The joins that a value goes through again and again as loops go round, loop by loop."""
    after = {term: _joined(terms, term)}
    work = [term]
    while work:
        for one in after[work.pop()]:
            if one not in after and len(after) < _LINKS * _LINKS:
                after[one] = _joined(terms, one)
                work.append(one)
    reached = {one: _reached(after, one) for one in after}
    loops = {frozenset(other for other in reached[one] if one in reached.get(other, ())) for one in after}
    return [loop for loop in loops if loop]


def _joined(terms: Terms, term: int) -> frozenset[int]:
    """The joins that a value is made of."""
    values, phis = leaves(terms, term) if terms.nodes[term][0] in (PHI, MERGE) else ({term}, set())
    parts = {part for one in values for part in terms.linear(one)[0] if terms.nodes[part][0] in (PHI, MERGE)}
    return frozenset((parts | phis) - {term} if term not in parts else parts | phis)


def _reached(after: dict[int, frozenset[int]], term: int) -> set[int]:
    out: set[int] = set()
    work = [term]
    while work:
        fresh = after.get(work.pop(), frozenset()) - out
        out |= fresh
        work += fresh
    return out


def _adds(terms: Terms, walk: frozenset[int]) -> bool:
    """Whether something unknown is added on the way round."""
    for phi in walk:
        for one in leaves(terms, phi)[0]:
            parts, _more = terms.linear(one)
            if parts.keys() & walk and any(factor > 0 for part, factor in parts.items() if part not in walk):
                return True
    return False


def _compared(terms: Terms, state: State, walk: frozenset[int]) -> bool:
    """Whether any number of a walk was compared, alone or in a sum, or what it leaves of another one."""
    tested = [fact[1] for fact in state.facts if fact[0] == "most" and not _own(terms, fact[2], walk)]
    tested += [one for one, (_low, high) in state.ranges.items() if high < WIDTH and not is_condition(terms, one)]
    left = [terms.linear(fact[2])[0] for fact in state.facts if fact[0] == "most"]
    return any(terms.linear(one)[0].keys() & walk for one in tested) or any(
        parts.get(one, 0) < 0 for parts in left for one in walk
    )


def _own(terms: Terms, term: int, walk: frozenset[int]) -> bool:
    """Whether a number is a constant or made of a walk: that another of the walk is at most as much, joins tell."""
    parts = terms.linear(term)[0]
    return not parts or any(factor > 0 and one in walk for one, factor in parts.items())


def leaves(terms: Terms, phi: int) -> tuple[set[int], set[int]]:
    """The values of a phi through the phis of other joins, and all those phis."""
    out: set[int] = set()
    phis = {phi}
    work = [(one, 0) for one in ways(terms, phi)]
    while work:
        one, level = work.pop()
        node = terms.nodes[one]
        if node[0] in (PHI, MERGE) and level < _DEPTH:
            if one not in phis:
                phis.add(one)
                work += [(other, level + 1) for other in ways(terms, one)]
        else:
            out.add(one)
    return out, phis


def ways(terms: Terms, phi: int) -> Iterable[int]:
    """What a phi is on the ways to its join: all that it ever was includes what loops were first looked at with."""
    node = terms.nodes[phi]
    return node[1] if node[0] == MERGE else terms.edges.get(phi) or terms.alternatives[phi]


def narrow(terms: Terms, term: int) -> int:
    """A number without the mask that makes it a narrow one."""
    node = terms.nodes[term]
    masked = node[0] == OP and node[1] == lift.AND and terms.value(node[3]) in (0xFF, 0xFFFF)
    return int(node[2]) if masked else term
