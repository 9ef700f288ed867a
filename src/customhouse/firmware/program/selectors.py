"""What a jump through a table tells of the number that selects: one value for each place that it leads to."""

from typing import Any

from .computed import computed
from .elf import Image
from .lift import ADD, AND, MUL, OR, SAR, SHL, SHR, SUB
from .terms import ADDR, BYTE, CONST, GLOBAL, OP, Terms

_MOVES = frozenset((ADD, SUB, MUL, SHL, SHR, SAR, AND, OR))
_MAX_VALUES = 512
_DEPTH = 10


def selected(
    terms: Terms, image: Image, target: int, places: tuple[int, ...]
) -> tuple[int, dict[int, list[int]]] | None:
    """The term that selects, and for each place the values with which the jump leads there; None when it is not such a
    jump.
    """
    leaf = leaf_of(terms, target)
    if leaf is None:
        return None
    for signed in (False, True):
        found: dict[int, list[int]] = {}
        for value in range(_MAX_VALUES):
            place = _place(terms, image, target, leaf, value, signed)
            if place is None or image.even(place) not in places:
                if found:
                    break  # the table ends
                continue
            found.setdefault(image.even(place), []).append(value)
        if found:
            return leaf, found
    return None


def _place(terms: Terms, image: Image, target: int, leaf: int, value: int, signed: bool) -> int | None:
    def given(term: int, node: tuple[Any, ...]) -> int | None:
        if term == leaf:
            return value
        if node[0] != BYTE:
            return None
        address = computed(terms, node[1], given)
        entry = image.number(address, node[5]) if address is not None and image.constant(address) else None
        if entry is not None and signed and entry >> (8 * node[5] - 1):
            entry -= 1 << (8 * node[5])
        return entry

    return computed(terms, target, given)


def leaf_of(terms: Terms, term: int, level: int = 0) -> int | None:
    """The one unknown that a place is computed from."""
    node = terms.nodes[term]
    if level > _DEPTH or node[0] == CONST:
        return None
    if node[0] == ADDR and not node[3]:
        return leaf_of(terms, node[1], level + 1)
    if node[0] == BYTE and node[4] > 0 and node[2] == GLOBAL:
        return leaf_of(terms, node[1], level + 1)
    if node[0] == OP and node[1] in _MOVES:
        leaves = {leaf_of(terms, one, level + 1) for one in node[2:]} - {None}
        return leaves.pop() if len(leaves) == 1 else None
    return term
