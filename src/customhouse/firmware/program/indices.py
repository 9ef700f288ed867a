"""Places in tables and buffers that someone outside chooses: an index, or an offset, that nothing was compared with, or
a constant that may be too large.

Where it is not compared by the function that copies, its callers may have done it; they say it in their words.
"""

from collections.abc import Callable

from . import bounds, lift
from .orders import is_condition
from .state import Fact, State
from .terms import ADDR, BYTE, HEAP, LOAD, MERGE, OP, PARAM, PHI, RESULT, STACK, Terms

LOOSE = "loose"
"""The kind of a fact: nothing was compared with a number that is added to where a copy goes."""
WHOLE = "whole"
"""The kind of a fact: a copy ends at the most where it does because its length is at most so much."""
_LEAVES = frozenset((BYTE, LOAD, PARAM, RESULT))
_DEEP = 8
_MOST = 3


def untested(terms: Terms, state: State, target: int) -> frozenset[Fact]:
    """The numbers that are added to where a copy goes, and with which nothing was compared here but constants."""
    return _loose(terms, state, [(one, target) for one in _added(terms, target)])


def carried(
    terms: Terms, state: State, facts: frozenset[Fact], read: Callable[[int], int], size: int
) -> frozenset[Fact]:
    """The same of a callee's copy, in its caller's words (`read`), and what bounded the lengths there and here."""
    told = [(read(fact[1]), read(fact[2])) for fact in facts if fact[0] == LOOSE]
    whole = frozenset((WHOLE, read(fact[1]), fact[2]) for fact in facts if fact[0] == WHOLE)
    return whole | _loose(terms, state, told) | (_parts(terms, state, read(size)) if size != -1 else frozenset())


def _added(terms: Terms, target: int) -> list[int]:
    """The numbers that are added to the address of a thing of its own to be a pointer."""
    parts, constant = terms.linear(target)
    begun = {one for one in parts if terms.nodes[one][0] in (STACK, HEAP)}
    if not begun and constant < terms.data:
        begun = {one for one, factor in parts.items() if factor == 1 and terms.rank(one) >= 1}
        if len(begun) != 1:
            return []
    added = [one for one, factor in parts.items() if factor > 0 and one not in begun]
    return added if len(added) <= _MOST else []


def _loose(terms: Terms, state: State, added: list[tuple[int, int]]) -> frozenset[Fact]:
    """Those of some numbers, each with the pointer that it is a part of, with which nothing was compared here."""
    loose = [one for one in added if _is_loose(terms, state, one[0])]
    known = ((terms.based(number), bounds.most(terms, number, state.ranges)) for number, _ in loose)
    most = {("most", base, terms.zero, high - more) for (base, more), high in known if 0 <= high < bounds.HUGE}
    return frozenset({*((LOOSE, *one) for one in loose), *most})


def bounded(terms: Terms, state: State, size: int, whole: int, limit: int | None) -> frozenset[Fact]:
    """What bounds a length of which a constant became by where the copy begins, or another constant: a row of a table.
    Not that of what is left of a room. Of a length that is one of several, what bounds each of them.
    """
    left = any(factor < 0 for factor in terms.linear(size)[0].values())
    constant = not left and whole != size and terms.value(whole) is not None
    told = frozenset({(WHOLE, size, limit)}) if constant and limit is not None else frozenset[Fact]()
    return told | _parts(terms, state, size)


def _parts(terms: Terms, state: State, size: int) -> frozenset[Fact]:
    if terms.nodes[size][0] not in (PHI, MERGE):
        return frozenset()
    flat, found = terms.flat(size), set[Fact]()
    for one, (_low, high) in state.ranges.items():
        some = terms.flat(one) if terms.nodes[one][0] in (PHI, MERGE) else {one}
        if 0 <= high < bounds.HUGE and flat >= some and one != size:
            found |= {("most", part, terms.zero, high) for part in some}
    return frozenset(found)


def _is_loose(terms: Terms, state: State, number: int) -> bool:
    parts = _leaves(terms, number)
    if not parts or None in parts or any(_is_kept(terms, one) for one in parts if one is not None):
        return False
    if 0 <= bounds.most(terms, number, state.ranges) < bounds.most(terms, number, {}):
        return True  # it is known how large it is
    tested = [
        one
        for one, (_low, high) in state.ranges.items()
        if high < bounds.most(terms, one, {}) and not is_condition(terms, one)
    ]
    tested += state.masks
    tested += [one for fact in state.facts if fact[0] == "most" for one in fact[1:3]]
    return not any(parts & _leaves(terms, one) for one in tested)


def _is_kept(terms: Terms, leaf: int) -> bool:
    """Whether a number is read from an object that was found in memory: who put it there may have compared it."""
    node = terms.nodes[leaf]
    root = node[2] if node[0] == BYTE else node[1] if node[0] == LOAD else leaf
    return root != leaf and terms.nodes[root][0] in (LOAD, PHI, MERGE)


def _leaves(terms: Terms, number: int, level: int = 0) -> set[int | None]:
    """What a number is computed from; None among them when it is of another kind."""
    node = terms.nodes[number]
    if node[0] in _LEAVES:
        return {number}
    if terms.value(number) is not None:
        return set()
    if level > _DEEP or node[0] not in (OP, ADDR):
        return {None}
    parts = node[1:2] if node[0] == ADDR else node[2:4] if node[1] != lift.SELECT else ()
    return {leaf for one in parts for leaf in _leaves(terms, one, level + 1)} or {None}
