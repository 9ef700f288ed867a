"""Operations of p-code as Python expressions, for code that is compiled. What has no formula here is called."""

from collections.abc import Callable
from typing import NamedTuple

import pypcode

from . import operations

_O = pypcode.OpCode


class Term(NamedTuple):
    """An operand or a result: its text, and how many bits it may have. Operands are atoms."""

    text: str
    bits: int
    number: int | None = None


def literal(number: int) -> Term:
    return Term(str(number), number.bit_length(), number)


Sizes = tuple[int, int, int]
"""In bytes: of the operands and of the result."""
Unary = Callable[[Term, Sizes], Term | None]
Binary = Callable[[Term, Term, Sizes], Term | None]


def _mask(size: int) -> int:
    return (1 << (8 * size)) - 1


def _cut(text: str, bits: int, size: int) -> Term:
    """Limited to what fits."""
    return Term(text, bits) if bits <= 8 * size else Term(f"({text}) & {_mask(size)}", 8 * size)


def _flag(condition: str) -> Term:
    return Term(f"1 if {condition} else 0", 1)


def _moved(one: Term, size: int) -> str:
    """A signed number, moved up so that none is negative."""
    sign = 1 << (8 * size - 1)
    return str(one.number ^ sign) if one.number is not None else f"({one.text} ^ {sign})"


def _signed(one: Term, size: int) -> str:
    return f"({one.text} ^ {1 << (8 * size - 1)}) - {1 << (8 * size - 1)}"


# -- one operand
def _copy(a: Term, sizes: Sizes) -> Term:
    return _cut(a.text, a.bits, sizes[2]) if a.number is None else literal(a.number & _mask(sizes[2]))


def _extend(a: Term, sizes: Sizes) -> Term:
    if a.bits < 8 * sizes[0]:
        return _copy(a, sizes)
    return _cut(_signed(a, sizes[0]), 8 * sizes[2] + 1, sizes[2])


def _negative(a: Term, sizes: Sizes) -> Term:
    return _cut(f"-{a.text}", 8 * sizes[2] + 1, sizes[2])


def _complement(a: Term, sizes: Sizes) -> Term | None:
    return Term(f"{a.text} ^ {_mask(sizes[2])}", 8 * sizes[2]) if sizes[0] == sizes[2] else None


def _not(a: Term, sizes: Sizes) -> Term | None:
    return Term(f"{a.text} ^ 1", max(a.bits, 1)) if sizes[0] == sizes[2] else None


def _count(a: Term, sizes: Sizes) -> Term | None:
    return Term(f"{a.text}.bit_count()", 8) if sizes[0] < 32 else None


# -- two operands
def _add(a: Term, b: Term, sizes: Sizes) -> Term:
    if b.number is not None and b.number >> (8 * sizes[2] - 1) and sizes[1] == sizes[2]:
        return _cut(f"{a.text} - {(1 << (8 * sizes[2])) - b.number}", 8 * sizes[2] + 1, sizes[2])
    return _cut(f"{a.text} + {b.text}", max(a.bits, b.bits) + 1, sizes[2])


def _subtract(a: Term, b: Term, sizes: Sizes) -> Term:
    return _copy(a, sizes) if b.number == 0 else _cut(f"{a.text} - {b.text}", 8 * sizes[2] + 1, sizes[2])


def _multiply(a: Term, b: Term, sizes: Sizes) -> Term:
    return _cut(f"{a.text} * {b.text}", a.bits + b.bits, sizes[2])


def _and(a: Term, b: Term, sizes: Sizes) -> Term:
    if a.text == b.text:
        return _copy(a, sizes)
    for one, other in ((a, b), (b, a)):
        if other.number is not None and not (other.number + 1) & other.number and one.bits <= other.bits:
            return _copy(one, sizes)
    return _cut(f"{a.text} & {b.text}", min(a.bits, b.bits), sizes[2])


def _or(a: Term, b: Term, sizes: Sizes) -> Term:
    if a.number == 0 or a.text == b.text:
        return _copy(b, sizes)
    return _copy(a, sizes) if b.number == 0 else _cut(f"{a.text} | {b.text}", max(a.bits, b.bits), sizes[2])


def _xor(a: Term, b: Term, sizes: Sizes) -> Term:
    return literal(0) if a.text == b.text else _cut(f"{a.text} ^ {b.text}", max(a.bits, b.bits), sizes[2])


def _left(a: Term, b: Term, sizes: Sizes) -> Term | None:
    if b.number is None:
        width = 8 * sizes[2]
        return Term(f"({a.text} << {b.text}) & {_mask(sizes[2])} if {b.text} < {width} else 0", width)
    if b.number >= 8 * sizes[2]:
        return literal(0)
    return _cut(f"{a.text} << {b.number}", a.bits + b.number, sizes[2])


def _right(a: Term, b: Term, sizes: Sizes) -> Term | None:
    if sizes[0] != sizes[2]:
        return None
    if b.number is None:
        return Term(f"{a.text} >> {b.text} if {b.text} < {8 * sizes[0]} else 0", a.bits)
    if b.number >= a.bits:
        return literal(0)
    return Term(f"{a.text} >> {b.number}", a.bits - b.number) if b.number else _copy(a, sizes)


def _arithmetic(a: Term, b: Term, sizes: Sizes) -> Term | None:
    if sizes[0] != sizes[2]:
        return None
    width = 8 * sizes[0]
    shift = str(min(b.number, width)) if b.number is not None else f"({b.text} if {b.text} < {width} else {width})"
    return _cut(f"({_signed(a, sizes[0])}) >> {shift}", width + 1, sizes[2])


def _compare(sign: str) -> Binary:
    return lambda a, b, sizes: _flag(f"{a.text} {sign} {b.text}")


def _signed_compare(sign: str) -> Binary:
    def make(a: Term, b: Term, sizes: Sizes) -> Term | None:
        if sizes[0] != sizes[1]:
            return None
        if sign == "<" and b.number == 0:
            return _right(a, literal(8 * sizes[0] - 1), (sizes[0], 4, sizes[0]))
        return _flag(f"{_moved(a, sizes[0])} {sign} {_moved(b, sizes[0])}")

    return make


def _carry(a: Term, b: Term, sizes: Sizes) -> Term:
    return _flag(f"{a.text} + {b.text} > {_mask(sizes[0])}")


def _scarry(a: Term, b: Term, sizes: Sizes) -> Term | None:
    if sizes[0] != sizes[1]:
        return None
    sign = 1 << (8 * sizes[0] - 1)
    return Term(f"0 if {sign} <= {_moved(a, sizes[0])} + {_moved(b, sizes[0])} < {3 * sign} else 1", 1)


def _sborrow(a: Term, b: Term, sizes: Sizes) -> Term | None:
    if sizes[0] != sizes[1]:
        return None
    if b.number == 0:
        return literal(0)
    sign = 1 << (8 * sizes[0] - 1)
    return Term(f"0 if {-sign} <= {_moved(a, sizes[0])} - {_moved(b, sizes[0])} < {sign} else 1", 1)


def _piece(a: Term, b: Term, sizes: Sizes) -> Term | None:
    width = 8 * sizes[1]
    return Term(f"{a.text} << {width} | {b.text}", a.bits + width) if sizes[0] + sizes[1] == sizes[2] else None


def _part(a: Term, b: Term, sizes: Sizes) -> Term | None:
    if b.number is None:
        return None
    if 8 * b.number >= a.bits:
        return literal(0)
    text = f"{a.text} >> {8 * b.number}" if b.number else a.text
    return _cut(text, a.bits - 8 * b.number, sizes[2])


UNARY: dict[pypcode.OpCode, Unary] = {
    _O.COPY: _copy,
    _O.INT_ZEXT: _copy,
    _O.INT_SEXT: _extend,
    _O.INT_2COMP: _negative,
    _O.INT_NEGATE: _complement,
    _O.BOOL_NEGATE: _not,
    _O.POPCOUNT: _count,
}
BINARY: dict[pypcode.OpCode, Binary] = {
    _O.INT_ADD: _add,
    _O.INT_SUB: _subtract,
    _O.INT_MULT: _multiply,
    _O.INT_AND: _and,
    _O.INT_OR: _or,
    _O.INT_XOR: _xor,
    _O.INT_LEFT: _left,
    _O.INT_RIGHT: _right,
    _O.INT_SRIGHT: _arithmetic,
    _O.INT_EQUAL: _compare("=="),
    _O.INT_NOTEQUAL: _compare("!="),
    _O.INT_LESS: _compare("<"),
    _O.INT_LESSEQUAL: _compare("<="),
    _O.INT_SLESS: _signed_compare("<"),
    _O.INT_SLESSEQUAL: _signed_compare("<="),
    _O.INT_CARRY: _carry,
    _O.INT_SCARRY: _scarry,
    _O.INT_SBORROW: _sborrow,
    _O.BOOL_AND: _and,
    _O.BOOL_OR: _or,
    _O.BOOL_XOR: _xor,
    _O.PIECE: _piece,
    _O.SUBPIECE: _part,
}


def formula(op: pypcode.PcodeOp, terms: list[Term]) -> Term | None:
    """What an operation gives, None where it must be called."""
    assert op.output is not None
    sizes = (op.inputs[0].size, op.inputs[1].size if len(op.inputs) > 1 else 0, op.output.size)
    if op.opcode not in UNARY and op.opcode not in BINARY:
        return None
    numbers = [one.number for one in terms if one.number is not None]
    if len(numbers) == len(terms):
        return literal(_computed(op.opcode, numbers, sizes))
    if op.opcode in UNARY:
        return UNARY[op.opcode](terms[0], sizes)
    return BINARY[op.opcode](terms[0], terms[1], sizes)


def _computed(code: pypcode.OpCode, numbers: list[int], sizes: Sizes) -> int:
    if code in UNARY:
        return operations.UNARY[code](*sizes)(numbers[0])
    return operations.BINARY[code](*sizes)(numbers[0], numbers[1])
