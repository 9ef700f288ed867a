"""Arithmetic on terms: constants are computed, pointers keep their form, the rest stays symbolic."""

from . import bounds, lift
from .lift import (
    ADD,
    AND,
    BAND,
    BNOT,
    BOR,
    BXOR,
    DIV,
    EQ,
    LE,
    LT,
    MOV,
    MUL,
    NE,
    NEG,
    NOT,
    OR,
    SAR,
    SEXT,
    SHL,
    SHR,
    SLE,
    SLT,
    SUB,
    TRUNC,
    XOR,
    ZEROS,
    ZEXT,
)
from .masks import low_part, masked
from .terms import ADDR, CONST, OP, Terms

UNARY = frozenset((NEG, NOT, BNOT, ZEROS))
_ADDRESS = 4
"""The rank of what is surely an address."""
BOOLEAN = frozenset((EQ, NE, LT, SLT, LE, SLE, BAND, BOR, BXOR, BNOT, lift.CARRY, lift.SCARRY, lift.SBORROW))


def _signed(value: int, size: int) -> int:
    sign = 1 << (8 * size - 1)
    return ((value & (2 * sign - 1)) ^ sign) - sign


def constant(kind: int, a: int, b: int, size: int) -> int | None:
    """The value of an operation on constants; `size` in bytes is that of the operands (of the result for
    arithmetic).
    """
    if size <= 0 or size > 16:
        return None
    mask = (1 << (8 * size)) - 1
    if kind == ADD:
        return (a + b) & mask
    if kind == SUB:
        return (a - b) & mask
    if kind == AND:
        return a & b
    if kind == OR:
        return a | b
    if kind == XOR:
        return a ^ b
    if kind == MUL:
        return (a * b) & mask
    if kind == SHL:
        return (a << b) & mask if b < 8 * size else 0
    if kind == SHR:
        return (a >> b) & mask if b < 128 else 0
    if kind == SAR:
        return (_signed(a, size) >> min(b, 127)) & mask
    return _compare(kind, a & mask, b & mask, size)


def _compare(kind: int, a: int, b: int, size: int) -> int | None:  # noqa: C901 - one case a kind; a table of functions would hide the order
    if kind == EQ:
        return int(a == b)
    if kind == NE:
        return int(a != b)
    if kind == LT:
        return int(a < b)
    if kind == LE:
        return int(a <= b)
    if kind == SLT:
        return int(_signed(a, size) < _signed(b, size))
    if kind == SLE:
        return int(_signed(a, size) <= _signed(b, size))
    if kind == BAND:
        return int(bool(a) and bool(b))
    if kind == BOR:
        return int(bool(a) or bool(b))
    if kind == BXOR:
        return int(bool(a) != bool(b))
    if kind == DIV:
        return a // b if b else None
    if kind == lift.REM:
        return a % b if b else None
    if kind == lift.CARRY:
        return int(a + b >= 1 << (8 * size))
    if kind in (lift.SCARRY, lift.SBORROW):
        total = _signed(a, size) + _signed(b, size) * (1 if kind == lift.SCARRY else -1)
        return int(not -(1 << (8 * size - 1)) <= total < 1 << (8 * size - 1))
    return None


def unary(terms: Terms, kind: int, a: int, size: int) -> int:
    """MOV, extensions, negations, leading zeros. For extensions and zeros `size` is that of the operand."""
    if kind in (MOV, ZEXT):
        return a
    node = terms.nodes[a]
    if kind == ZEROS:
        bits = 8 * size
        known = node[0] == CONST
        return terms.const(bits - node[1].bit_length()) if known else terms.make((OP, kind, a, terms.const(bits)), a)
    if node[0] == CONST:
        value = node[1]
        mask = (1 << (8 * size)) - 1
        if kind == SEXT:
            return terms.const(_signed(value, size))
        if kind == TRUNC:
            return terms.const(value & mask)
        if kind == NEG:
            return terms.const(-value & mask)
        if kind == NOT:
            return terms.const(~value & mask)
        if kind == BNOT:
            return terms.const(int(not value))
    if kind in (SEXT, TRUNC):
        if kind == SEXT and size == 2:
            terms.signed_halves.add(a)
        return a  # widths of symbolic values are not tracked
    if kind == BNOT and node[0] == OP and node[1] == BNOT:
        return int(node[2])
    return terms.make((OP, kind, a, terms.zero), a)


def _is_begun(terms: Terms, pointer: int) -> bool:
    """Whether a pointer whose low bits are cleared is one behind the first word of an object: a copy of a structure,
    written out, puts that word by itself and goes on where words are aligned. Objects are.
    """
    node = terms.nodes[pointer]
    behind = node[0] == ADDR and not node[3] and node[2] > 0 and node[2] % terms.word == 0
    return terms.rank(pointer) >= (1 if behind else _ADDRESS)


def binary(terms: Terms, kind: int, a: int, b: int, size: int) -> int:  # noqa: C901 - one case a kind; a table of functions would hide the order
    left, right = terms.nodes[a], terms.nodes[b]
    if left[0] == CONST and right[0] == CONST:
        value = constant(kind, left[1], right[1], size)
        if value is not None:
            return terms.const(value)
    if kind == ADD:
        if right[0] == CONST:
            return terms.add(a, _near(right[1], size, terms))
        if left[0] == CONST:
            return terms.add(b, _near(left[1], size, terms))
        for one, other in ((a, right), (b, left)):
            if other[:2] == (OP, SUB) and other[3] == one:
                return int(other[2])  # `x + (y - x)`: with a carry behind it, how Thumb code tells that x is 0
        return _multiple(terms, a, b, 1) or _sum(terms, a, b)
    if kind == SUB:
        if right[0] == CONST:
            # a comparison of bytes or halfwords subtracts an unsigned constant; the wrap of wider ones is a negative
            # number
            return terms.add(a, -(right[1] if size <= 2 else _near(right[1], size, terms)))
        if a == b:
            return terms.zero
        if left[0] == ADDR and not left[3] and left[1] == b:
            return terms.const(left[2])
        if left[0] == ADDR and right[0] == ADDR and left[1] == right[1] and not left[3] and not right[3]:
            return terms.const(left[2] - right[2])
        multiple = _multiple(terms, a, b, -1)
        if multiple is not None:
            return multiple
        return _difference(terms, a, b)
    if (
        kind in (SHL, MUL)
        and right[0] == CONST
        and right[1] < (24 if kind == SHL else 1 << 16)
        and _plain(terms, a) != a
    ):
        # the constant of an index goes outside: `(i + 2) * 16` and `i * 16 + 32` are one place of a table
        factor = 1 << right[1] if kind == SHL else right[1]
        return terms.add(binary(terms, kind, left[1], b, size), left[2] * factor)
    if kind in (SHL, MUL) and right[0] == CONST and _factor(terms, a)[1] != 1:
        base, factor = _factor(terms, a)
        return _times(terms, base, factor << right[1] if kind == SHL else factor * right[1])
    if kind == SHR and right[0] == CONST and left[:2] == (OP, ZEROS) and left[3] == terms.const(1 << (right[1] & 7)):
        return binary(terms, EQ, left[2], terms.zero, size)  # only nothing has as many zeros as there are bits
    if kind == AND and right[0] == CONST:
        if size == terms.word and right[1] == -size & terms.mask and _is_begun(terms, a):
            return a
        return masked(terms, a, right[1], size)
    if (kind == XOR and a == b) or (kind == SHR and right[0] == CONST and bounds.shifted_out(terms, a, right[1])):
        return terms.zero
    if kind in (OR, XOR, SHL, SHR, SAR) and right[0] == CONST and not right[1]:
        return a
    if (
        kind in (SHR, SAR)
        and right[0] == CONST
        and (part := low_part(terms, a, right[1], size, kind == SAR)) is not None
    ):
        return part
    if kind == OR and right[0] == CONST and right[1] == (1 << (8 * min(size, terms.word))) - 1:
        return b
    if kind == OR and left[0] == CONST and not left[1]:
        return b
    if kind == OR and right[0] == CONST and right[1] == 1 and is_truth(terms, a):
        return b
    if (kind in (AND, OR, BAND, BOR) and a == b) or (kind == MUL and right[0] == CONST and right[1] == 1):
        return a
    if kind in (EQ, NE):
        if a == b:
            return terms.const(int(kind == EQ))
        if left[0] == ADDR and right[0] == ADDR and left[1] == right[1] and not left[3] and not right[3]:
            return terms.const(int((kind == EQ) == (left[2] == right[2])))
        compared = _signed_order(terms, kind, a, b) or _flags_of_one_choice(terms, kind, a, b)
        if compared is not None:
            return compared
    elif kind == LT and right[0] == CONST and right[1] == 1:
        return binary(terms, EQ, a, terms.zero, size)  # below 1, unsigned: how MIPS code asks for 0
    elif kind == LT and left[0] == CONST and not left[1]:
        return binary(terms, NE, b, terms.zero, size)
    elif kind in (BAND, BOR):
        return _logic(terms, kind, a, b)
    elif kind == OR and (_is_sign(terms, a) or _is_sign(terms, b)):
        return b if _is_sign(terms, a) else a
    if left[0] == CONST and kind in (MUL, AND, OR, XOR, EQ, NE):
        a, b = b, a
    return terms.make((OP, kind, a, b), a, b)


def _is_sign(terms: Terms, term: int) -> bool:
    """The upper bits of a number that is extended with its sign (`(x >> 31 & 1) * -1` under a mask): widths of
    symbolic values are not tracked.
    """
    node = terms.nodes[term]
    if node[0] != OP or node[1] != AND or terms.nodes[node[3]][0] != CONST:
        return False
    inner = terms.nodes[node[2]]
    if inner[0] != OP or inner[1] != MUL or terms.value(inner[3]) != terms.mask:
        return False
    bit = terms.nodes[inner[2]]
    return bool(
        bit[0] == OP
        and ((bit[1] == AND and terms.value(bit[3]) == 1) or (bit[1] == SHR and terms.value(bit[3]) in (7, 15, 31)))
    )


def _factor(terms: Terms, term: int) -> tuple[int, int]:
    """A term as a multiple of another: `x << 2` is 4 times x."""
    node = terms.nodes[term]
    if node[0] == OP and node[1] in (SHL, MUL):
        value = terms.value(node[3])
        if value is not None and value < (24 if node[1] == SHL else 1 << 24):
            return node[2], 1 << value if node[1] == SHL else value
    return term, 1


def _times(terms: Terms, base: int, factor: int) -> int:
    return base if factor == 1 else terms.make((OP, MUL, base, terms.const(factor)), base)


def _multiple(terms: Terms, a: int, b: int, sign: int) -> int | None:
    """`a + b` or `a - b` of two multiples of one unknown: how compilers multiply by the size of a structure."""
    (base, one), (other, two) = _factor(terms, a), _factor(terms, b)
    factor = one + sign * two
    return _times(terms, base, factor) if base == other and factor > 0 and one + two > 2 else None


def _logic(terms: Terms, kind: int, a: int, b: int) -> int:
    for one, other in ((a, b), (b, a)):
        value = terms.value(one)
        if value is not None:
            if kind == BAND:
                return other if value else terms.zero
            return terms.const(1) if value else other
    return terms.make((OP, kind, a, b), a, b)


def is_truth(terms: Terms, term: int) -> bool:
    """Whether the value is 0 or 1."""
    node = terms.nodes[term]
    if node[0] == CONST:
        return bool(node[1] in (0, 1))
    if node[0] != OP:
        return False
    return node[1] in BOOLEAN or (node[1] == lift.SELECT and all(is_truth(terms, one) for one in node[3:5]))


def select(terms: Terms, condition: int, yes: int, no: int) -> int:
    """`condition ? yes : no`; what was chosen on the same condition before is decided."""
    before, after = terms.nodes[yes], terms.nodes[no]
    if before[:3] == (OP, lift.SELECT, condition):
        yes = before[3]
    if after[:3] == (OP, lift.SELECT, condition):
        no = after[4]
    return yes if yes == no else terms.make((OP, lift.SELECT, condition, yes, no), condition, yes, no)


def decided(terms: Terms, condition: int, yes: int, no: int) -> tuple[int, int]:
    """The sides of a choice; where a number was found to be a constant it is that (`x == 0 ? x : 1`)."""
    node = terms.nodes[condition]
    turned = node[:2] == (OP, BNOT)
    node = terms.nodes[node[2]] if turned else node
    if node[0] != OP or node[1] not in (EQ, NE) or terms.value(node[3]) is None:
        return yes, no
    equal = (node[1] == EQ) != turned
    return (node[3], no) if equal and yes == node[2] else (yes, node[3]) if not equal and no == node[2] else (yes, no)


def _signed_order(terms: Terms, kind: int, a: int, b: int) -> int | None:
    """`N != V` behind a comparison: less, as signed numbers."""
    for sign, overflow in ((terms.nodes[a], terms.nodes[b]), (terms.nodes[b], terms.nodes[a])):
        if overflow[0] == OP and overflow[1] == lift.SBORROW and sign[0] == OP and sign[1] == SLT:
            one, other = overflow[2:4]
            word = terms.word
            return binary(terms, SLT, one, other, word) if kind == NE else binary(terms, SLE, other, one, word)
    return None


def _flags_of_one_choice(terms: Terms, kind: int, a: int, b: int) -> int | None:
    """Two flags of a conditional compare (`c ? N : 0` against `c ? V : 0`): compared on either side."""
    for condition, yes, no in _choices(terms, a):
        for other, also, otherwise in _choices(terms, b):
            if condition != other:
                continue
            inner, outer = binary(terms, kind, yes, also, 1), binary(terms, kind, no, otherwise, 1)
            if terms.value(outer) is None:
                return select(terms, condition, inner, outer)
            if terms.value(outer):
                return binary(terms, BOR, unary(terms, BNOT, condition, 1), inner, 1)
            return binary(terms, BAND, condition, inner, 1)
    return None


def _choices(terms: Terms, flag: int) -> list[tuple[int, int, int]]:
    """A flag as `condition ? flag : other flag`, in the ways in which it can be read so."""
    node = terms.nodes[flag]
    if node[0] != OP or node[1] not in (BAND, BOR, lift.SELECT):
        return []
    if node[1] == lift.SELECT:
        return [(node[2], node[3], node[4])]
    sides = ((node[2], node[3]), (node[3], node[2]))
    if node[1] == BAND:
        return [(one, other, terms.zero) for one, other in sides]
    return [(unary(terms, BNOT, one, 1), other, terms.const(1)) for one, other in sides]


def _near(value: int, size: int, terms: Terms) -> int:
    return _signed(value, size if 0 < size <= 8 else terms.word)


def _sum(terms: Terms, a: int, b: int) -> int:
    """A sum of two unknowns keeps constant offsets outside, so that `p + i + 4` and `p + 4 + i` are one term."""
    offset = 0
    for one in (a, b):
        node = terms.nodes[one]
        if node[0] == ADDR and not node[3] and terms.nodes[node[1]][0] != CONST:
            offset += node[2]
    if offset:
        a, b = (_plain(terms, one) for one in (a, b))
    if a > b and terms.rank(a) <= terms.rank(b):
        a, b = b, a
    return terms.add(terms.make((OP, ADD, a, b), a, b), offset)


def _difference(terms: Terms, a: int, b: int) -> int:
    """A difference keeps constant offsets outside, as a sum does."""
    one, other = _plain(terms, a), _plain(terms, b)
    offset = (terms.nodes[a][2] if one != a else 0) - (terms.nodes[b][2] if other != b else 0)
    return terms.add(terms.make((OP, SUB, one, other), one, other), offset) if one != other else terms.const(offset)


def _plain(terms: Terms, term: int) -> int:
    node = terms.nodes[term]
    return int(node[1]) if node[0] == ADDR and not node[3] and terms.nodes[node[1]][0] != CONST else term
