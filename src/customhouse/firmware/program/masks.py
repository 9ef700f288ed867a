"""Low parts of numbers: masks, and the shifts up and down again that stand for them."""

from typing import Any

from . import bounds
from .lift import AND, OR, SHL, SHR
from .terms import BYTE, CONST, MERGE, OP, Terms


def low_part(terms: Terms, a: int, count: int, size: int, signed: bool) -> int | None:
    """The byte or halfword that a shift down by `count` leaves of what was shifted up as far, where there is no
    instruction for it; None when it was not, or leaves another part.
    """
    base, more = terms.based(a)
    node = terms.nodes[base]
    if node[:2] != (OP, SHL) or terms.value(node[3]) != count or more & ((1 << count) - 1) or size > terms.word:
        return None
    number = terms.add(node[2], more >> count)
    bits = 8 * size - count
    if bits not in (8, 16):
        return None
    if not signed:
        return masked(terms, number, (1 << bits) - 1, size)
    if bits == 16:
        terms.signed_halves.add(number)
    return number


def masked(terms: Terms, a: int, mask: int, size: int) -> int:
    """A number under a mask, as far as that changes it; `size` in bytes is the number's width."""
    node = terms.nodes[a]
    if node[0] == MERGE and all(terms.nodes[one][0] == CONST for one in node[1]):
        return terms.merge({terms.const(terms.nodes[one][1] & mask) for one in node[1]})
    if node[0] == OP and node[1] == OR:
        shifted = _rotated(terms, node, mask)
        if shifted is not None:
            return masked(terms, shifted, mask, size)
    if node[0] == OP and node[1] == SHL:
        shift = terms.value(node[3])
        if shift is not None and 0 < shift < 24 and mask >> shift << shift == mask:
            inner = masked(terms, node[2], mask >> shift, size)
            return terms.make((OP, SHL, inner, node[3]), inner)
    full = (1 << (8 * min(size, terms.word))) - 1
    if mask == full:
        return a
    low = ~mask & full
    if low < 16 and not low & (low + 1) and not _is_small(terms, a):
        return a  # alignment, or the mode bit of a code pointer
    if not mask & (mask + 1) and 0 < bounds.most(terms, a, {}) <= mask:
        return a
    if node[0] == OP and node[1] == AND and terms.nodes[node[3]][0] == CONST:
        known = terms.nodes[node[3]][1]
        return a if mask & known == known else masked(terms, node[2], mask & known, size)
    return terms.make((OP, AND, a, terms.const(mask)), a)


def _is_small(terms: Terms, term: int) -> bool:
    """Whether the term is a byte or two, or a constant away from one: no pointer, and each of its bits counts."""
    node = terms.nodes[terms.based(term)[0]]
    return bool(node[0] == BYTE and node[5] <= 2) or 0 <= bounds.most(terms, term, {}) < 1 << 16


def _rotated(terms: Terms, node: tuple[Any, ...], mask: int) -> int | None:
    """A shift that the lifter wrote as a rotation under a mask (bit-field moves of AArch64)."""
    sides = {terms.nodes[one][1]: terms.nodes[one] for one in node[2:] if terms.nodes[one][0] == OP}
    if SHL not in sides or SHR not in sides or sides[SHL][2] != sides[SHR][2]:
        return None
    left, right = terms.value(sides[SHL][3]), terms.value(sides[SHR][3])
    if left is None or right is None or left + right not in (32, 64):
        return None
    if not mask & ((1 << left) - 1):
        return terms.make((OP, SHL, sides[SHL][2], sides[SHL][3]), sides[SHL][2])
    if mask < 1 << (left + right - right):
        return terms.make((OP, SHR, sides[SHR][2], sides[SHR][3]), sides[SHR][2])
    return None
