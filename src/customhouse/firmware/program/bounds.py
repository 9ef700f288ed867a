"""Upper bounds of numbers, from tests in force and from the widths of what they are made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from . import lift
from .state import Fact, State
from .terms import ADDR, BYTE, CONST, LOAD, MERGE, OP, PARAM, PHI, RECURSIVE, RESULT, Terms

HUGE = 1 << 40
_GROWING: dict[int, Callable[[int, int], int]] = {
    lift.ADD: lambda one, other: one + other,
    lift.MUL: lambda one, other: one * other,
    lift.SHL: lambda one, other: one << min(other, 64),
}
"""Operations whose result is no smaller than for smaller numbers."""
_UNBOUNDED = 1 << 62
_MAX_LOOPS = 3
_MOST_GIVEN = 6
_BITS = 64
_WIDTH = 0xFFFF
"""A bound that no test made, but the width of a number."""
_POSITIVE = 0x7FFF
"""The largest number of 16 bits with a sign."""
_SIGNED = frozenset(("swap4", "atoi", "atol", "strtol", "strtoul", "__isoc23_strtol", "__isoc23_strtoul", "number"))
"""Calls that give a number as someone outside wrote it, of the whole width of an int."""

Ranges = Mapping[int, tuple[int, int]]


class Walk(NamedTuple):
    """Where a bound is being asked for: the loops that lead there, and whether something was added on the way."""

    level: int = 0
    loops: frozenset[int] = frozenset()
    grows: bool = False

    def into(self, adds: bool = False) -> "Walk":
        return Walk(self.level + 1, self.loops, self.grows or adds)


def lower(a: int | None, b: int | None) -> int | None:
    """The lesser of two bounds, of which either may not be known."""
    return b if a is None else a if b is None else min(a, b)


def higher(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)


def greatest(found: list[int | None]) -> int | None:
    """The greatest of several numbers, None when one of them is not known."""
    known = [one for one in found if one is not None]
    return max(known) if found and len(known) == len(found) else None


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
        base, more = terms.based(term)
        if base in ranges and base != term:
            return ranges[base][1] + more
        # not `flat`, which leaves out what grows as a loop goes round
        return max((most(terms, one, ranges, walk.into()) for one in node[1]), default=HUGE)
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


def least(terms: Terms, state: State, term: int, level: int = 0) -> int | None:
    """The smallest value of a number, `-HUGE` when only its upper end was tested, as a signed number; None when nothing
    is known.
    """
    node = terms.nodes[term]
    if node[0] == CONST:
        return terms.signed(node[1])
    known = [
        one for one in (_lowest(terms, state, term, node, level), *_over(terms, state, term, level)) if one is not None
    ]
    return max(known, default=None)


def _lowest(terms: Terms, state: State, term: int, node: tuple[Any, ...], level: int) -> int | None:
    """The smallest value by tests of the number itself and by what it is made of."""
    mask = state.masks.get(term)
    if mask and (node[0], node[-1]) in ((BYTE, 1), (LOAD, 1)):
        return (mask & -mask).bit_length() - 1
    low, high = state.ranges.get(term, (-_UNBOUNDED, _UNBOUNDED))
    if low > -_UNBOUNDED:
        narrow = term not in terms.signed_halves and 0 <= most(terms, term, {}) <= 0xFFFF
        return max(low, 0) if node[0] == RESULT or narrow else low  # a failed call gives -1
    if node[0] == ADDR and not node[3] and level < 4:
        inner = least(terms, state, node[1], level + 1)
        return None if inner is None else inner + int(node[2])
    if node[0] == OP and node[1] == lift.SELECT and level < 4:
        sides = [least(terms, state, one, level + 1) for one in node[3:5]]
        return None if None in sides else min(one for one in sides if one is not None)
    if node[0] == OP and node[1] in _GROWING and level < 4 and most(terms, term, state.ranges) < HUGE:
        sides = [least(terms, state, one, level + 1) for one in node[2:4]]
        first, second = (-1 if one is None else one for one in sides)
        if first > 0 <= second or second > 0 <= first:
            return _GROWING[node[1]](first, second)
    if 0 <= most(terms, term, {}) <= 0xFFFF and (node[0] != RESULT or node[2] == "swap2"):
        if term not in terms.signed_halves or most(terms, term, {}) <= _POSITIVE:
            return 0
        return -HUGE if high <= _POSITIVE else None
    wide = (node[0] == LOAD and node[4] >= 4) or (node[0] == BYTE and node[5] >= 4)
    wide = wide or (node[0] == OP and _turned(terms, node))
    return -HUGE if high < HUGE and (wide or (node[0] == RESULT and node[2] in _SIGNED)) else None


def _turned(terms: Terms, node: tuple[Any, ...]) -> bool:
    """A number that is put together byte by byte, or from its halves."""
    sides = {terms.nodes[one][1] for one in node[2:] if terms.nodes[one][0] == OP}
    return bool(node[1] in (lift.OR, lift.XOR) or (node[1] == lift.ADD and sides == {lift.SHL, lift.SHR}))


def _over(terms: Terms, state: State, term: int, level: int) -> list[int | None]:
    """Lower ends from numbers that it is not below."""
    if level > 2:
        return []
    found = []
    for fact in state.facts:
        if fact[0] == "most" and fact[2] == term:
            inner = least(terms, state, fact[1], level + 2)
            found.append(None if inner is None else max(inner, 0) - fact[3])
    return found


def shifted_out(terms: Terms, term: int, bits: int) -> bool:
    """Whether a shift leaves nothing of bytes or halfwords that were read; the sign of wider ones others ask for."""
    return terms.nodes[term][0] in (LOAD, BYTE, MERGE) and bits <= 24 and not most(terms, term, {}) >> bits


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
    known = ranges.get(base, (-_UNBOUNDED, _UNBOUNDED))
    low = known[0] + more if known[0] > -_UNBOUNDED else known[0]
    if known[1] < _UNBOUNDED:
        return (low, known[1] + more)
    high = most(terms, term, ranges)
    # what is 0 at most is more often less: `-(strcmp(a, b) != 0)`
    return (min(max(low, 0), high), high) if 0 < high < HUGE else None


def ordered(terms: Terms, merged: int, sides: Sequence[tuple[int, State]]) -> frozenset[Fact]:
    """What a value is at most when it is one of several: what each of them is at most where it is chosen. A constant is
    at most what is no less there: `left > 80 ? 80 : left` is at most `left`.
    """
    if terms.nodes[merged][0] == MERGE and any(side == merged for side, _ in sides):
        return frozenset()  # what was one of several before is still any of them
    others = {terms.based(side)[0] for side, _ in sides}
    others = {one for one in others if terms.nodes[one][0] != CONST}
    if not others and not any(fact[0] == "most" for _, state in sides for fact in state.facts):
        return frozenset()
    common: dict[int, int] | None = None
    for side, state in sides:
        base, more = terms.based(side)
        if side in (merged, terms.zero) or base == merged:
            continue
        if terms.nodes[base][0] == CONST:
            value = terms.signed(terms.nodes[base][1])
            lows = {one: state.ranges[one][0] for one in others if one in state.ranges}
            above = {terms.zero: value, **{one: value - low for one, low in lows.items() if low >= value}}
        else:
            above = {base: more}
        for fact in state.facts:
            if fact[0] == "most" and fact[1] == base:
                above[fact[2]] = min(fact[3] + more, above.get(fact[2], HUGE))
        common = above if common is None else {one: max(common[one], above[one]) for one in common if one in above}
    return frozenset(("most", merged, one, more) for one, more in (common or {}).items() if one != merged)


def given(terms: Terms, ranges: Ranges) -> frozenset[Fact]:
    """Bounds of what callers give, as facts in their words: the number may be how much they received."""
    out = [
        ("most", term, terms.zero, high)
        for term, (_low, high) in ranges.items()
        if 0 < high < _WIDTH and terms.nodes[term][0] == PARAM
    ]
    return frozenset(out[:_MOST_GIVEN])


def between(terms: Terms, states: list[State], made: Mapping[tuple[int, ...], int], room: int) -> frozenset[Fact]:
    """What is at most another value on every way to a join is at most that value's phi: `length <= left`. `made` are
    the phis by their values on the ways.
    """
    bases = {values: [terms.based(one) for one in values] for values in made}
    lowers = [(other, bases[values]) for values, other in made.items()]
    below: dict[int, set[int]] = {}
    for state in states:
        for fact in state.facts:
            if fact[0] == "most":
                below.setdefault(fact[2], set()).add(fact[1])
    out: set[Fact] = set()
    for upper, phi in made.items():
        same = {one for base, _ in bases[upper] for one in below.get(base, ()) if terms.nodes[base][0] != CONST}
        for other, lower in [*lowers, *((one, [(one, 0)] * len(states)) for one in sorted(same))]:
            if phi == other or len(out) >= room:
                continue
            above = [_above(terms, state, *both) for state, *both in zip(states, lower, bases[upper], strict=True)]
            known = [one for one in above if one is not None]
            if len(known) == len(above):
                out.add(("most", other, phi, max(known)))
    return frozenset(out)


def left(terms: Terms, states: list[State], made: Mapping[tuple[int, ...], int]) -> frozenset[Fact]:
    """What is at most the rest of a room on every way to a join is at most the rest behind it: `n <= 1024 - used`,
    where one way has nothing used and a test of its own.
    """
    out: set[Fact] = set()
    for way, state in enumerate(states):
        for _, small, rest, more in (fact for fact in state.facts if fact[0] == "most"):
            node = terms.nodes[rest]
            size = terms.value(node[2]) if node[0] == OP and node[1] == lift.SUB else None
            if size is None:
                continue
            for values, phi in made.items():
                if values[way] == node[3] and all(
                    _fits(terms, other, small, value, node[2], more)
                    for other, value in zip(states, values, strict=True)
                ):
                    term = terms.make((OP, lift.SUB, node[2], phi), node[2], phi)
                    out.add(("most", small, term, more))
    return frozenset(out)


def _fits(terms: Terms, state: State, small: int, used: int, size: int, more: int) -> bool:
    """Whether a number and what is used are at most a size, and `more`."""
    rest = terms.index.get((OP, lift.SUB, size, used))
    if rest is not None and ("most", small, rest, more) in state.facts:
        return True
    known, most_used = span(terms, small, state.ranges), span(terms, used, state.ranges)
    return known is not None and most_used is not None and known[1] + most_used[1] <= (terms.value(size) or 0) + more


def _above(terms: Terms, state: State, lower: tuple[int, int], upper: tuple[int, int]) -> int | None:
    """The difference that a value is at most above another one; None when it is not known."""
    found = [fact[3] for fact in state.facts if fact[0] == "most" and fact[1:3] == (lower[0], upper[0])]
    limit = terms.value(upper[0])
    known = span(terms, lower[0], state.ranges) if limit is not None and not found else None
    if known is not None and known[1] < HUGE:
        found = [known[1] - terms.signed(limit or 0)]
    return min(found) + lower[1] - upper[1] if found else None


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
        ways = zip(node[3:5], (True, False), strict=True)
        return max(min(most(terms, way[0], ranges, walk.into()), _where(terms, node[2], *way)) for way in ways)
    inner = walk.into(kind in (lift.ADD, lift.OR, lift.XOR, lift.SHL, lift.MUL))
    left = most(terms, node[2], ranges, inner)
    right = most(terms, node[3], ranges, inner)
    if kind == lift.AND:
        return _common_bits(left, right, terms.nodes[node[3]][0] == CONST)
    if kind in (lift.OR, lift.XOR, lift.ADD):
        if kind == lift.OR and _swapped(terms, node):
            return 65535
        return min(left + right, HUGE)
    if kind == lift.SHL and 0 <= right < 32:
        return min(left << right, HUGE) if left >= 0 else HUGE
    if kind == lift.MUL:
        return min(left * right, HUGE)
    if kind == lift.SHR and (moved := _shifted_back(terms, node)) is not None:
        before = most(terms, moved[0], ranges, inner)
        if before < HUGE:
            return (before << moved[1]) >> right
    if kind in (lift.SHR, lift.SAR) and 0 <= right < 64:
        return left >> (right if terms.nodes[node[3]][0] == CONST else 0) if left < HUGE else HUGE
    if kind == lift.REM:
        return right - 1 if 0 < right < HUGE else HUGE
    if kind == lift.DIV and 0 < right < HUGE and left < HUGE and terms.nodes[node[3]][0] == CONST:
        return left // right
    return left if kind in (lift.SUB, lift.DIV) else HUGE


def _where(terms: Terms, condition: int, number: int, truth: bool, level: int = 0) -> int:
    """What a number is at most where a condition is (not) true: `n < 64 ? n : 64`."""
    node = terms.nodes[condition]
    if node[0] != OP or level > _MAX_LOOPS:
        return HUGE
    kind = node[1]
    if kind == lift.BNOT:
        return _where(terms, node[2], number, not truth, level + 1)
    if kind in (lift.BAND, lift.BOR):
        found = [_where(terms, one, number, truth, level + 1) for one in node[2:4]]
        return min(found) if (kind == lift.BAND) == truth else max(found)
    (base, off), strict = terms.based(number), kind in (lift.LT, lift.SLT)
    if kind in (lift.LT, lift.LE, lift.SLT, lift.SLE):
        (side, more), limit = terms.based(node[2 if truth else 3]), terms.value(node[3 if truth else 2])
        less = strict == truth
    else:
        (side, more), limit = terms.based(node[2]), terms.value(node[3]) if (kind == lift.EQ) == truth else None
        less = False
    return terms.signed(limit) - less - more + off if side == base and limit is not None else HUGE


def _shifted_back(terms: Terms, node: tuple[Any, ...]) -> tuple[int, int] | None:
    """What a number was before it was shifted up to be shifted down again, and how far up."""
    inner = terms.nodes[node[2]]
    up = terms.value(inner[3]) if inner[0] == OP and inner[1] == lift.SHL else None
    down = terms.value(node[3])
    return None if up is None or down is None or up > down or down >= _BITS else (inner[2], up)


def _common_bits(left: int, right: int, mask: bool) -> int:
    """The most that two numbers have in common: a mask leaves of a halfword what it has of its lower 16 bits."""
    if min(left, right) < 0:
        return max(left, right) if max(left, right) >= 0 else HUGE
    if mask and left < HUGE:
        right &= (1 << left.bit_length()) - 1
    return min(left, right)


def _swapped(terms: Terms, node: tuple[Any, ...]) -> bool:
    """`x << 8 | x >> 8` is made of a halfword, whatever width it was read with, and is one."""
    left, right = terms.nodes[node[2]], terms.nodes[node[3]]
    if left[0] != OP or right[0] != OP or {left[1], right[1]} != {lift.SHL, lift.SHR} or left[2] != right[2]:
        return False
    return terms.value(left[3]) == 8 == terms.value(right[3])
