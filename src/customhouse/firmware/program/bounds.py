"""Upper bounds of numbers, from tests in force and from the widths of what they are made of."""

from collections.abc import Mapping
from typing import Any

from . import lift
from .terms import ADDR, BYTE, CONST, LOAD, MERGE, OP, PHI, RESULT, Terms

HUGE = 1 << 40


def most(terms: Terms, term: int, ranges: Mapping[int, tuple[int, int]], level: int = 0) -> int:
    """The largest value of the term, `HUGE` when nothing is known."""
    node = terms.nodes[term]
    kind = node[0]
    if kind == CONST:
        return terms.signed(node[1])
    span = ranges.get(term)
    if span is not None and span[1] < HUGE:
        return span[1]
    if level > 8:
        return HUGE
    if kind in (BYTE, LOAD):
        size = node[5] if kind == BYTE else node[4]
        return (1 << (8 * size)) - 1 if size <= 2 else HUGE
    if kind == ADDR and not node[3]:
        inner = most(terms, node[1], ranges, level + 1)
        return inner + node[2] if inner < HUGE else HUGE
    if kind in (PHI, MERGE):
        return max((most(terms, one, ranges, level + 1) for one in terms.flat(term) if one != term), default=HUGE)
    if kind == RESULT:
        return 65535 if node[2] == "swap2" else HUGE
    if kind == OP:
        return _operation(terms, node, ranges, level)
    return HUGE


def _operation(terms: Terms, node: tuple[Any, ...], ranges: Mapping[int, tuple[int, int]], level: int) -> int:
    left = most(terms, node[2], ranges, level + 1)
    right = most(terms, node[3], ranges, level + 1)
    kind = node[1]
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
    return left if kind == lift.SUB else HUGE


def _swapped(terms: Terms, node: tuple[Any, ...]) -> bool:
    """`x << 8 | x >> 8` of a halfword is a halfword."""
    left, right = terms.nodes[node[2]], terms.nodes[node[3]]
    return left[0] == OP and right[0] == OP and {left[1], right[1]} == {lift.SHL, lift.SHR} and left[2] == right[2]
