"""How far into an object a copy reaches that does not begin at the object's start.

`memcpy(buffer + used, piece, length)` stays inside when `used + length` does. A copy is told by where the object begins
and by the most bytes from there to its end; tests in force, and what a loop keeps as it goes round, say how many that
is.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from . import bounds, fold, lift
from .conditions import Conditions
from .state import State
from .terms import BYTE, CONST, HEAP, LOAD, MERGE, OP, PARAM, PHI, RESULT, STACK, Terms

_DEPTH = 5
_MOST_PARTS = 4
_WIDTH = 0xFFFF
"""What two bytes can hold: a bound that no test made, and a length that nothing bounds is not known to be as long."""
Parts = dict[int, int]
"""Unknowns of a sum, each with its factor."""


class Reach(NamedTuple):
    """`start` is where the object begins, `size` the most bytes from there to the copy's end. `moving` is what the
    pieces before have grown to, when the copy begins where they ended and nothing bounds it: then `size` is that of one
    piece.
    """

    start: int
    size: int
    moving: int | None = None


def of(
    terms: Terms, conditions: Conditions, state: State, target: int, size: int, limit: int | None = None
) -> Reach | None:
    """Where a copy really begins and how far it goes; None when it begins where it says, or when nothing is known.
    `limit` is what bounds its length elsewhere.
    """
    begun = _begin(terms, target)
    if begun is None:
        return None
    start, index, more = begun
    whole = _least(terms, state, index, more, size) if terms.nodes[size][0] == MERGE else None
    lengths = _cases(terms, conditions, state, size) if whole is None else []
    ends = {_least(terms, one, index, more, length) for one, length in lengths} or {whole}
    if None not in ends:
        numbers = [terms.signed(value) for one in ends if one is not None and (value := terms.value(one)) is not None]
        if len(numbers) == len(ends) and max(numbers) < _WIDTH:
            return Reach(start, terms.const(max(numbers)))
        if len(ends) == 1 and not numbers:
            return Reach(start, ends.pop() or terms.zero)
    if limit is not None:
        end = _end(terms, state, index, more + limit)
        bound = None if end is None else terms.value(end)
        if end is not None and bound is not None and bound < _WIDTH:
            return Reach(start, end)
    growing = None if _compared(terms, state, index) else next((one for one in index if _grows(terms, one)), None)
    return None if growing is None else Reach(start, size, growing)


def _cases(terms: Terms, conditions: Conditions, state: State, size: int) -> list[tuple[State, int]]:
    """A length that was chosen from several, each with what is known where it is."""
    node = terms.nodes[size]
    if node[0] == MERGE:
        return [(state, one) for one in node[1]]
    if node[0] != OP or node[1] != lift.SELECT:
        return [(state, size)]
    out = []
    for side, truth in ((node[3], True), (node[4], False)):
        probe = State()
        probe.masks, probe.ranges, probe.facts = dict(state.masks), dict(state.ranges), state.facts
        if conditions.refine(probe, node[2], truth):
            out.append((probe, side))
    return out


def _least(terms: Terms, state: State, index: Parts, more: int, size: int) -> int | None:
    """The least bound of where a copy ends: a number when there is one."""
    parts, length = terms.linear(size)
    ends = _ends(terms, state, _sum(index, parts, 1), more + length)
    found = [one for one in ends if one is not None and not terms.linear(one)[0].keys() & index.keys()]
    numbers = [terms.signed(value) for one in found if (value := terms.value(one)) is not None]
    return terms.const(min(numbers)) if numbers else found[0] if found else None


def _begin(terms: Terms, target: int) -> tuple[int, Parts, int] | None:
    """Where the object begins that a pointer goes into, and the rest of the pointer."""
    parts, constant = terms.linear(target)
    pointers = [one for one, factor in parts.items() if factor == 1 and terms.rank(one) >= 1]
    if not pointers:
        return (terms.const(constant), parts, 0) if parts and constant >= terms.floor else None
    pointer = max(pointers, key=terms.rank)
    if pointer in terms.edges:
        return _walking(terms, pointer, parts, constant)
    rest = {one: factor for one, factor in parts.items() if one != pointer}
    return (terms.add(pointer, constant), rest, 0) if rest and len(rest) <= _MOST_PARTS else None


def _walking(terms: Terms, pointer: int, parts: Parts, constant: int) -> tuple[int, Parts, int] | None:
    """A pointer that a loop moves on began somewhere."""
    leaves, phis = _leaves(terms, pointer)
    begun = {one for one in leaves if _is_place(terms, one)}
    if len(begun) != 1:
        return None
    start = begun.pop()
    before, first = terms.linear(start)
    if any(not terms.linear(one)[0].keys() & (phis | before.keys()) for one in leaves):
        return None
    return start, _sum(parts, before, -1), constant - first


def _is_place(terms: Terms, term: int) -> bool:
    """Whether the term is the address of one thing, with nothing but a constant added."""
    parts, constant = terms.linear(term)
    if not parts:
        return constant >= terms.floor
    return list(parts.values()) == [1] and terms.nodes[next(iter(parts))][0] in (STACK, HEAP, PARAM, RESULT, LOAD)


def _leaves(terms: Terms, phi: int) -> tuple[set[int], set[int]]:
    """The values of a phi through the phis of other joins, and all those phis."""
    out: set[int] = set()
    phis = {phi}
    work = [(one, 0) for one in _ways(terms, phi)]
    while work:
        one, level = work.pop()
        node = terms.nodes[one]
        if node[0] in (PHI, MERGE) and level < _DEPTH:
            if one not in phis:
                phis.add(one)
                work += [(other, level + 1) for other in (_ways(terms, one) if node[0] == PHI else node[1])]
        else:
            out.add(one)
    return out, phis


def _ways(terms: Terms, phi: int) -> Iterable[int]:
    """What a phi is on the ways to its join: all that it ever was includes what loops were first looked at with."""
    return terms.edges.get(phi) or terms.alternatives[phi]


def _sum(parts: Parts, other: Parts, factor: int) -> Parts:
    out = dict(parts)
    for one, count in other.items():
        out[one] = out.get(one, 0) + factor * count
    return {one: count for one, count in out.items() if count}


def _ends(terms: Terms, state: State, total: Parts, constant: int) -> Iterator[int | None]:
    """Bounds of a sum, as terms: by itself, and by each test of a sum that has a part in common with it."""
    yield _end(terms, state, total, constant)
    total = _wide(terms, total)
    kin = _akin(terms, total)
    for fact in state.facts:
        if fact[0] == "most":
            parts, more = terms.linear(fact[1])
            parts = _wide(terms, parts)
            if _akin(terms, parts) & kin:
                above, plus = terms.linear(fact[2])
                rest = _sum(_sum(total, parts, -1), _wide(terms, above), 1)
                if len(rest) <= _MOST_PARTS:
                    yield _end(terms, state, rest, constant - more + plus + fact[3])
    for term, (_low, high) in state.ranges.items():
        if high >= bounds.HUGE or (terms.nodes[term][0] != OP and term not in terms.edges):
            continue
        parts, more = terms.linear(term)
        parts = _wide(terms, parts)
        if (len(parts) > 1 or not parts.keys() <= total.keys()) and _akin(terms, parts) & kin:
            yield _end(terms, state, _sum(total, parts, -1), constant - more + high)


def _wide(terms: Terms, parts: Parts) -> Parts:
    """A sum without the masks of narrow numbers, which comparisons may do without."""
    out: Parts = {}
    for one, factor in parts.items():
        node = terms.nodes[one]
        if node[0] == OP and node[1] == lift.AND and terms.value(node[3]) in (0xFF, 0xFFFF):
            one = node[2]  # noqa: PLW2901 - the number itself
        out[one] = out.get(one, 0) + factor
    return out


def _akin(terms: Terms, parts: Parts) -> set[object]:
    """Unknowns of a sum, and the joins at which some of them are made: others of a join may say the same."""
    return {*parts, *(terms.nodes[one][1:3] for one in parts if one in terms.edges)}


def _end(terms: Terms, state: State, parts: Parts, constant: int) -> int | None:
    """The most that a sum can be, as a term in words of parameters; None when it has no bound here."""
    if len(parts) > _MOST_PARTS:
        return None
    parts, constant = _kept(terms, parts, constant)
    out = terms.zero
    for one, factor in parts.items():
        if factor < 0:
            if not _positive(terms, state, one):
                return None
            continue
        most = bounds.most(terms, one, state.ranges)
        if most < bounds.HUGE:
            constant += factor * most
        elif factor == 1 and terms.open[one] and _told_by_callers(terms, one):
            out = one if out == terms.zero else fold.binary(terms, lift.ADD, out, one, terms.word)
        else:
            return None
    return terms.add(out, constant)


def _told_by_callers(terms: Terms, term: int) -> bool:
    return terms.nodes[term][0] in (PARAM, LOAD)


def _positive(terms: Terms, state: State, term: int, level: int = 0) -> bool:
    """Whether a number cannot be negative."""
    node = terms.nodes[term]
    if state.ranges.get(term, (-1, 0))[0] >= 0 or (node[0] == CONST and terms.signed(node[1]) >= 0):
        return True
    if node[0] in (PHI, MERGE) and level < _DEPTH:
        return all(
            _positive(terms, state, one, level + 1) for one in (_ways(terms, term) if node[0] == PHI else node[1])
        )
    return bool((node[0] == LOAD and node[4] <= 2) or (node[0] == BYTE and node[5] <= 2))


def _kept(terms: Terms, parts: Parts, constant: int, seen: frozenset[object] = frozenset()) -> tuple[Parts, int]:
    """A sum of values that one join makes and that is the same on all ways to it, or the most that it is on any of
    them: `out += n; left -= n`. A way round a loop that leaves the sum as it was or makes it smaller says nothing else.
    """
    for block in {terms.nodes[one][1:3] for one in parts if one in terms.edges} - seen:
        mine = [one for one in parts if one in terms.edges and terms.nodes[one][1:3] == block]
        ways = {len(terms.edges[one]) for one in mine}
        if len(ways) != 1 or len(seen) > _DEPTH:
            continue
        told: list[tuple[Parts, int]] = []
        for way in range(ways.pop()):
            there, more = {one: factor for one, factor in parts.items() if one not in mine}, constant
            for one in mine:
                value, plus = terms.linear(terms.edges[one][way], parts[one])
                there, more = _sum(there, value, 1), more + plus
            there, more = _kept(terms, there, more, seen | {block})
            if not _lesser(terms, there, more, parts, constant):
                told.append((there, more))
        for rest, most in told:
            if all(_lesser(terms, *one, rest, most) for one in told):
                return _kept(terms, rest, most, seen | {block})
    return parts, constant


def _lesser(terms: Terms, parts: Parts, constant: int, other: Parts, more: int) -> bool:
    """Whether a sum is at most another one, whatever its unknowns are."""
    rest = _sum(parts, other, -1)
    return constant <= more and all(factor < 0 and _positive(terms, State(), one) for one, factor in rest.items())


def _compared(terms: Terms, state: State, index: Parts) -> bool:
    """Whether the index was compared with anything: with what we may not have understood."""
    for fact in state.facts:
        if fact[0] == "most" and terms.nodes[fact[2]][0] != CONST and terms.linear(fact[1])[0].keys() & index.keys():
            return True
    return any(state.ranges.get(one, (0, bounds.HUGE))[1] < bounds.HUGE for one in index)


def _grows(terms: Terms, term: int) -> bool:
    """Whether a loop adds something unknown to the value in its rounds."""
    if terms.nodes[term][0] != PHI:
        return False
    leaves, phis = _leaves(terms, term)
    for one in leaves:
        parts, _more = terms.linear(one)
        if parts.keys() & phis and any(factor > 0 for part, factor in parts.items() if part not in phis):
            return True
    return False
