"""Constant propagation over one block: enough to name PLT stubs, to see what a register call calls, and to read
jump tables.
"""

from typing import NamedTuple

from .elf import Image
from .lift import (
    ADD,
    AND,
    LOAD,
    MOV,
    MUL,
    NEG,
    OR,
    REPEAT,
    SAR,
    SELECT,
    SEXT,
    SHL,
    SHR,
    STORE,
    SUB,
    TRUNC,
    WEAK_STORE,
    XOR,
    ZEXT,
    Op,
)


class Scaled(NamedTuple):
    """`base + index * scale`, where the index is unknown."""

    base: int
    scale: int


class Entry(NamedTuple):
    """`plus + scale * memory[table + index * stride]`, an entry of `size` bytes."""

    table: int
    stride: int
    size: int
    signed: bool
    scale: int
    plus: int


class Frame(NamedTuple):
    """A place in the function's own frame, in bytes from the stack pointer at its entry."""

    offset: int


Known = int | Scaled | Entry | Frame

SLOTS = 1 << 52
"""Keys from here up are places in the frame: what the compiler keeps there because registers ran out."""
_SMALL = 4096
"""A number below it is no address, and more than what an index is moved by before it is looked up."""
_MIDDLE = 1 << 50


def _slot(place: Frame) -> int:
    return SLOTS + _MIDDLE + place.offset


def run(ops: list[Op], registers: dict[int, Known], image: Image, lasting: int | None = None) -> dict[int, Known]:
    """Registers and temporaries with known values behind `ops`; `registers` is changed in place and returned.

    No unknown value overwrites `lasting`: the global pointer of MIPS, which functions reload from their frames.
    """
    mask = (1 << (8 * image.word)) - 1
    for kind, out, a, b, size, _at in ops:
        if kind == SELECT:
            registers.pop(out, None)
            continue
        if kind in (WEAK_STORE, REPEAT):
            continue
        left = ~a if a < 0 else registers.get(a)
        right = ~b if b < 0 else registers.get(b)
        if kind == STORE:
            _store(registers, left, right, size, image)
            continue
        if kind == LOAD and isinstance(left, Frame):
            value = registers.get(_slot(left)) if size == image.word else None
        else:
            value = _value(kind, left, right, size, image, mask)
        if out == lasting and not isinstance(value, int):
            continue
        if value is None:
            registers.pop(out, None)
        else:
            registers[out] = value
    return registers


def _store(registers: dict[int, Known], place: Known | None, value: Known | None, size: int, image: Image) -> None:
    if not isinstance(place, Frame):
        return
    if value is None or size != image.word:
        registers.pop(_slot(place), None)
    else:
        registers[_slot(place)] = value


def _value(kind: int, left: Known | None, right: Known | None, size: int, image: Image, mask: int) -> Known | None:  # noqa: C901 - one case a kind; a table of functions would hide the order
    if kind in (MOV, ZEXT, TRUNC):
        return left
    if kind == SEXT:
        if isinstance(left, int):
            sign = 1 << (8 * size - 1)
            return ((left & (2 * sign - 1)) ^ sign) - sign & mask
        return left._replace(signed=True) if isinstance(left, Entry) else left
    if kind == LOAD:
        return _load(left, size, image)
    if kind == ADD:
        return _add(left, right, mask)
    if kind in (SHL, MUL):
        return _scale(kind, left, right, mask)
    if kind == NEG and isinstance(left, int):
        return -left & mask
    if kind == SUB and isinstance(left, Frame) and isinstance(right, int):
        return Frame(left.offset - _near(right, mask))
    if kind == AND and isinstance(left, int):
        left, right = right, left
    if kind == AND and right in (mask, mask - 1) and not isinstance(left, int):
        return left  # the mode bit of a jump's target
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    if kind == SUB:
        return (left - right) & mask
    if kind == AND:
        return left & right
    if kind == OR:
        return left | right
    if kind == XOR:
        return left ^ right
    if kind in (SHR, SAR):
        return left >> right if right < 64 else 0
    return None


def _load(address: Known | None, size: int, image: Image) -> Known | None:
    if isinstance(address, int):
        value = image.number(address, size)
        # a lazily bound GOT is writable, but what it will hold is known
        return value if value is not None and (image.constant(address) or image.import_name(value)) else None
    if isinstance(address, Scaled) and address.base:
        return Entry(address.base, address.scale, size, False, 1, 0)
    if isinstance(address, Entry) and address.scale > 1:  # what one table holds is the index of another
        return Entry(address.plus, address.scale, size, False, 1, 0)
    return None


def _add(left: Known | None, right: Known | None, mask: int) -> Known | None:
    if isinstance(left, int) and isinstance(right, int):
        return (left + right) & mask
    if isinstance(right, int):
        left, right = right, left
    if not isinstance(left, int):
        return None
    if isinstance(right, Frame):
        return Frame(right.offset + _near(left, mask))
    if right is None:
        return Scaled(left, 1)
    if isinstance(right, Scaled):
        return Scaled((right.base + left) & mask, right.scale)
    if isinstance(right, Entry):
        return right._replace(plus=(right.plus + left) & mask)
    return None


def _near(value: int, mask: int) -> int:
    """A constant as the signed number that is added to a pointer."""
    value &= mask
    return value - mask - 1 if value > mask >> 1 else value


def _scale(kind: int, left: Known | None, right: Known | None, mask: int) -> Known | None:
    if not isinstance(right, int) or (kind == SHL and right >= 64):
        return None
    factor = 1 << right if kind == SHL else right
    if isinstance(left, int):
        return (left * factor) & mask
    if isinstance(left, Entry):  # what was added or taken away before makes it an index that begins at 0
        return left._replace(scale=left.scale * factor, plus=0)
    if isinstance(left, Scaled) and left.scale == 1 and -_SMALL < _near(left.base, mask) < _SMALL:
        return Scaled(0, factor)  # nor is the number that one was taken from: what is compared is what is left of it
    if isinstance(left, Scaled):
        return Scaled(left.base * factor, left.scale * factor)
    return Scaled(0, factor)
