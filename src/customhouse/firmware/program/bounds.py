"""Upper bounds of numbers, from tests in force and from the widths of what they are made of."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import lift
from .state import Fact
from .terms import ADDR, BYTE, CONST, LOAD, MERGE, OP, PHI, RESULT, UNKNOWN, Terms

HUGE = 1 << 40
RECURSIVE = (UNKNOWN, "recursive")
"""What a value is made of as its loop goes round: where each round makes it smaller, it bounds nothing."""
_UNBOUNDED = 1 << 62
_MAX_LOOPS = 3

Ranges = Mapping[int, tuple[int, int]]


class Walk(NamedTuple):
    """Where a bound is being asked for: the loops that lead there, and whether something was added on the way."""

    level: int = 0
    loops: frozenset[int] = frozenset()
    grows: bool = False

    def into(self, adds: bool = False) -> "Walk":
        return Walk(self.level + 1, self.loops, self.grows or adds)


def most(terms: Terms, term: int, ranges: Ranges, walk: Walk | None = None) -> int:
    """The largest value of the term, `HUGE` when nothing is known."""
    walk = walk or Walk()
    node = terms.nodes[term]
    if node[0] == CONST:
        return terms.signed(node[1])
    span = ranges.get(term)
    best = span[1] if span is not None else HUGE
    if walk.level > 8:
        return best
    return min(best, HUGE, _made(terms, term, node, ranges, walk))


def _made(terms: Terms, term: int, node: tuple[Any, ...], ranges: Ranges, walk: Walk) -> int:
    """What follows from the parts of the term."""
    kind = node[0]
    if kind in (BYTE, LOAD):
        size = node[5] if kind == BYTE else node[4]
        return (1 << (8 * size)) - 1 if size <= 2 else HUGE
    if kind == ADDR and not node[3]:
        inner = most(terms, node[1], ranges, walk.into(node[2] > 0))
        return inner + node[2] if inner < HUGE else HUGE
    if kind == PHI:
        return _around(terms, term, ranges, walk)
    if kind == MERGE:
        return max((most(terms, one, ranges, walk.into()) for one in terms.flat(term) if one != term), default=HUGE)
    if kind == RESULT:
        return 65535 if node[2] == "swap2" else HUGE
    if kind == OP:
        return _operation(terms, node, ranges, walk)
    return 0 if node == RECURSIVE else HUGE


def _around(terms: Terms, phi: int, ranges: Ranges, walk: Walk) -> int:
    """A value that a loop carries round has no end when it grows there."""
    if phi in walk.loops:
        return HUGE if walk.grows else 0
    if len(walk.loops) > _MAX_LOOPS:
        return HUGE
    inner = Walk(walk.level + 1, walk.loops | {phi}, walk.grows)
    best = -HUGE
    for one in terms.alternatives[phi]:
        best = max(best, most(terms, one, ranges, inner))
        if best >= HUGE:
            break
    return best if best > -HUGE else HUGE


def part(terms: Terms, term: int, ranges: Ranges) -> int:
    """An upper bound from a test of a sum that the term is a part of: `used + n <= 512` bounds n too."""
    best = HUGE
    base, more = terms.based(term)
    for other, (_low, high) in ranges.items():
        if high < best and terms.nodes[other][0] == OP and summand(terms, base, other):
            best = min(best, high + more)
    return best


def summand(terms: Terms, term: int, total: int, level: int = 0) -> bool:
    """Whether `total` is a sum with the term in it."""
    node = terms.nodes[total]
    if node[0] == ADDR and not node[3]:
        return node[1] == term or (level < 4 and summand(terms, term, node[1], level + 1))
    if node[0] != OP or node[1] != lift.ADD or level > 4:
        return False
    return any(one == term or summand(terms, term, one, level + 1) for one in node[2:4])


def span(terms: Terms, term: int, ranges: Ranges) -> tuple[int, int] | None:
    """What tests tell of a value, or None when they tell nothing of its upper end."""
    value = terms.value(term)
    if value is not None:
        return (terms.signed(value),) * 2
    base, more = terms.based(term)
    known = ranges.get(base)
    if known is not None and known[1] < _UNBOUNDED:
        low = known[0] + more if known[0] > -_UNBOUNDED else known[0]
        return (low, known[1] + more)
    high = most(terms, term, ranges)
    return (0, high) if high < HUGE else None


def ordered(terms: Terms, merged: int, sides: list[tuple[int, frozenset[Fact]]]) -> frozenset[Fact]:
    """What a value is at most when it is one of several: what each of them is at most where it is chosen."""
    if not any(fact[0] == "most" for _side, facts in sides for fact in facts):
        return frozenset()
    common: dict[int, int] | None = None
    for side, facts in sides:
        base, more = terms.based(side)
        if side in (merged, terms.zero) or base == merged:
            continue
        above = {base: more} if terms.nodes[base][0] != CONST else {terms.zero: terms.signed(terms.nodes[base][1])}
        for fact in facts:
            if fact[0] == "most" and fact[1] == base:
                above[fact[2]] = min(fact[3] + more, above.get(fact[2], HUGE))
        common = above if common is None else {one: max(common[one], above[one]) for one in common if one in above}
    return frozenset(("most", merged, one, more) for one, more in (common or {}).items() if one != merged)


def agreed(sides: list[frozenset[Fact]]) -> frozenset[Fact]:
    """Comparisons that hold on every side, each by the weakest of them."""
    common: dict[tuple[int, int], int] | None = None
    for facts in sides:
        known: dict[tuple[int, int], int] = {}
        for fact in facts:
            if fact[0] == "most":
                key = (fact[1], fact[2])
                known[key] = min(fact[3], known.get(key, HUGE))
        common = known if common is None else {key: max(common[key], known[key]) for key in common if key in known}
        if not common:
            return frozenset()
    return frozenset(("most", *key, more) for key, more in (common or {}).items())


def _operation(terms: Terms, node: tuple[Any, ...], ranges: Ranges, walk: Walk) -> int:
    kind = node[1]
    if kind == lift.SELECT:
        return max(most(terms, one, ranges, walk.into()) for one in node[3:5])
    inner = walk.into(kind in (lift.ADD, lift.OR, lift.XOR, lift.SHL, lift.MUL))
    left = most(terms, node[2], ranges, inner)
    right = most(terms, node[3], ranges, inner)
    if kind == lift.AND:
        return min(one for one in (left, right) if one >= 0) if max(left, right) >= 0 else HUGE
    if kind in (lift.OR, lift.XOR, lift.ADD):
        if kind == lift.OR and _swapped(terms, node):
            return 65535
        return min(left + right, HUGE)
    if kind == lift.SHL and 0 <= right < 32:
        return min(left << right, HUGE) if left >= 0 else HUGE
    if kind == lift.MUL:
        return min(left * right, HUGE)
    if kind in (lift.SHR, lift.SAR) and 0 <= right < 64:
        return left >> (right if terms.nodes[node[3]][0] == CONST else 0) if left < HUGE else HUGE
    if kind == lift.REM:
        return right - 1 if 0 < right < HUGE else HUGE
    return left if kind in (lift.SUB, lift.DIV) else HUGE


def _swapped(terms: Terms, node: tuple[Any, ...]) -> bool:
    """`x << 8 | x >> 8` of a halfword is a halfword."""
    left, right = terms.nodes[node[2]], terms.nodes[node[3]]
    if left[0] != OP or right[0] != OP or {left[1], right[1]} != {lift.SHL, lift.SHR} or left[2] != right[2]:
        return False
    return terms.value(left[3]) == 8 == terms.value(right[3]) and most(terms, left[2], {}) <= 65535
