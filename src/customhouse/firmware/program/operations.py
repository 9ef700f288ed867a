"""The meaning of p-code operations on whole numbers and floats, as makers of functions for given sizes.

Source: Ghidra's p-code reference manual. Every maker takes the sizes in bytes of the first and second operand
and of the result, and what it makes gives numbers that fit the result.
"""

import math
import struct
from collections.abc import Callable

import pypcode

from .ram import Fault

_O = pypcode.OpCode
Unary = Callable[[int], int]
Binary = Callable[[int, int], int]


def _mask(size: int) -> int:
    return (1 << (8 * size)) - 1


def _sign(size: int) -> int:
    return 1 << (8 * size - 1)


def _signed(size: int) -> Unary:
    sign = _sign(size)
    return lambda a: (a ^ sign) - sign


# -- one operand
def _copy(_a: int, _b: int, out: int) -> Unary:
    mask = _mask(out)
    return lambda a: a & mask


def _extend(size: int, _b: int, out: int) -> Unary:
    sign, mask = _sign(size), _mask(out)
    return lambda a: ((a ^ sign) - sign) & mask


def _negative(_a: int, _b: int, out: int) -> Unary:
    mask = _mask(out)
    return lambda a: -a & mask


def _complement(_a: int, _b: int, out: int) -> Unary:
    mask = _mask(out)
    return lambda a: ~a & mask


def _not(_a: int, _b: int, _out: int) -> Unary:
    return lambda a: a ^ 1


def _leading(size: int, _b: int, _out: int) -> Unary:
    bits = 8 * size
    return lambda a: bits - a.bit_length()


def _float(value: int, size: int) -> float:
    if size not in (4, 8):
        raise Fault("a float of an unknown size")
    found: float = struct.unpack("<f" if size == 4 else "<d", value.to_bytes(size, "little"))[0]
    return found


def _number(value: float, size: int) -> int:
    if size not in (4, 8):
        raise Fault("a float of an unknown size")
    try:
        return int.from_bytes(struct.pack("<f" if size == 4 else "<d", value), "little")
    except OverflowError:
        return int.from_bytes(struct.pack("<f", math.inf if value > 0 else -math.inf), "little")


def _float_unary(work: Callable[[float], float]) -> Callable[[int, int, int], Unary]:
    def make(size: int, _b: int, out: int) -> Unary:
        return lambda a: _number(work(_float(a, size)), out)

    return make


def _is_nan(size: int, _b: int, _out: int) -> Unary:
    return lambda a: int(math.isnan(_float(a, size)))


def _to_float(size: int, _b: int, out: int) -> Unary:
    signed = _signed(size)
    return lambda a: _number(float(signed(a)), out)


def _truncated(size: int, _b: int, out: int) -> Unary:
    mask = _mask(out)

    def work(a: int) -> int:
        value = _float(a, size)
        return int(value) & mask if math.isfinite(value) else 0

    return work


def _plain(value: float) -> float:
    return value


UNARY: dict[pypcode.OpCode, Callable[[int, int, int], Unary]] = {
    _O.COPY: _copy,
    _O.INT_ZEXT: _copy,
    _O.INT_SEXT: _extend,
    _O.INT_2COMP: _negative,
    _O.INT_NEGATE: _complement,
    _O.BOOL_NEGATE: _not,
    _O.POPCOUNT: lambda _a, _b, _out: lambda a: a.bit_count(),
    _O.LZCOUNT: _leading,
    _O.FLOAT_NEG: _float_unary(lambda a: -a),
    _O.FLOAT_ABS: _float_unary(abs),
    _O.FLOAT_FLOAT2FLOAT: _float_unary(_plain),
    _O.FLOAT_NAN: _is_nan,
    _O.FLOAT_INT2FLOAT: _to_float,
    _O.FLOAT_TRUNC: _truncated,
}


# -- two operands
def _wrapping(work: Binary) -> Callable[[int, int, int], Binary]:
    def make(_a: int, _b: int, out: int) -> Binary:
        mask = _mask(out)
        return lambda a, b: work(a, b) & mask

    return make


def _add(_a: int, _b: int, out: int) -> Binary:
    mask = _mask(out)
    return lambda a, b: (a + b) & mask


def _subtract(_a: int, _b: int, out: int) -> Binary:
    mask = _mask(out)
    return lambda a, b: (a - b) & mask


def _left(_a: int, _b: int, out: int) -> Binary:
    mask, bits = _mask(out), 8 * out
    return lambda a, b: (a << b) & mask if b < bits else 0


def _right(size: int, _b: int, _out: int) -> Binary:
    bits = 8 * size
    return lambda a, b: a >> b if b < bits else 0


def _arithmetic(size: int, _b: int, _out: int) -> Binary:
    bits, sign, mask = 8 * size, _sign(size), _mask(size)
    return lambda a, b: (((a ^ sign) - sign) >> min(b, bits)) & mask


def _signed_compare(work: Callable[[int, int], bool]) -> Callable[[int, int, int], Binary]:
    def make(size: int, _b: int, _out: int) -> Binary:
        sign = _sign(size)
        return lambda a, b: int(work(a ^ sign, b ^ sign))

    return make


def _carry(size: int, _b: int, _out: int) -> Binary:
    mask = _mask(size)
    return lambda a, b: int(a + b > mask)


def _overflow(work: Binary) -> Callable[[int, int, int], Binary]:
    def make(size: int, _b: int, _out: int) -> Binary:
        signed, sign = _signed(size), _sign(size)
        return lambda a, b: int(not -sign <= work(signed(a), signed(b)) < sign)

    return make


def _piece(_a: int, low: int, _out: int) -> Binary:
    bits = 8 * low
    return lambda a, b: a << bits | b


def _part(_a: int, _b: int, out: int) -> Binary:
    mask = _mask(out)
    return lambda a, b: (a >> (8 * b)) & mask


def _quotient(a: int, b: int) -> int:
    if b == 0:
        raise Fault("division by zero")
    found = abs(a) // abs(b)
    return found if (a < 0) == (b < 0) else -found


def _signed_result(work: Binary) -> Callable[[int, int, int], Binary]:
    def make(size: int, _b: int, out: int) -> Binary:
        signed, mask = _signed(size), _mask(out)
        return lambda a, b: work(signed(a), signed(b)) & mask

    return make


def _float_binary(work: Callable[[float, float], float]) -> Callable[[int, int, int], Binary]:
    def make(size: int, _b: int, out: int) -> Binary:
        return lambda a, b: _number(work(_float(a, size), _float(b, size)), out)

    return make


def _float_compare(work: Callable[[float, float], bool]) -> Callable[[int, int, int], Binary]:
    def make(size: int, _b: int, _out: int) -> Binary:
        return lambda a, b: int(work(_float(a, size), _float(b, size)))

    return make


def _float_divide(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if not a else math.copysign(math.inf, a)


BINARY: dict[pypcode.OpCode, Callable[[int, int, int], Binary]] = {
    _O.INT_ADD: _add,
    _O.INT_SUB: _subtract,
    _O.INT_MULT: _wrapping(lambda a, b: a * b),
    _O.INT_AND: _wrapping(lambda a, b: a & b),
    _O.INT_OR: _wrapping(lambda a, b: a | b),
    _O.INT_XOR: _wrapping(lambda a, b: a ^ b),
    _O.INT_LEFT: _left,
    _O.INT_RIGHT: _right,
    _O.INT_SRIGHT: _arithmetic,
    _O.INT_EQUAL: _wrapping(lambda a, b: int(a == b)),
    _O.INT_NOTEQUAL: _wrapping(lambda a, b: int(a != b)),
    _O.INT_LESS: _wrapping(lambda a, b: int(a < b)),
    _O.INT_LESSEQUAL: _wrapping(lambda a, b: int(a <= b)),
    _O.INT_SLESS: _signed_compare(lambda a, b: a < b),
    _O.INT_SLESSEQUAL: _signed_compare(lambda a, b: a <= b),
    _O.INT_CARRY: _carry,
    _O.INT_SCARRY: _overflow(lambda a, b: a + b),
    _O.INT_SBORROW: _overflow(lambda a, b: a - b),
    _O.INT_DIV: _wrapping(_quotient),
    _O.INT_REM: _wrapping(lambda a, b: a - b * _quotient(a, b)),
    _O.INT_SDIV: _signed_result(_quotient),
    _O.INT_SREM: _signed_result(lambda a, b: a - b * _quotient(a, b)),
    _O.BOOL_AND: _wrapping(lambda a, b: a & b),
    _O.BOOL_OR: _wrapping(lambda a, b: a | b),
    _O.BOOL_XOR: _wrapping(lambda a, b: a ^ b),
    _O.PIECE: _piece,
    _O.SUBPIECE: _part,
    _O.FLOAT_ADD: _float_binary(lambda a, b: a + b),
    _O.FLOAT_SUB: _float_binary(lambda a, b: a - b),
    _O.FLOAT_MULT: _float_binary(lambda a, b: a * b),
    _O.FLOAT_DIV: _float_binary(_float_divide),
    _O.FLOAT_EQUAL: _float_compare(lambda a, b: a == b),
    _O.FLOAT_NOTEQUAL: _float_compare(lambda a, b: a != b),
    _O.FLOAT_LESS: _float_compare(lambda a, b: a < b),
    _O.FLOAT_LESSEQUAL: _float_compare(lambda a, b: a <= b),
}
