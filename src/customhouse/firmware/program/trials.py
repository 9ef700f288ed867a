"""Operations on terms that are tried with all 256 values of a byte at once."""

from typing import NamedTuple

import numpy as np

from .lift import (
    ADD,
    AND,
    BAND,
    BNOT,
    BOR,
    BXOR,
    EQ,
    LE,
    LT,
    MUL,
    NE,
    NEG,
    NOT,
    OR,
    SAR,
    SELECT,
    SHL,
    SHR,
    SLE,
    SLT,
    SUB,
    XOR,
)


class Tried(NamedTuple):
    """A term tried with all values of a byte: its value for each, and where that value is known."""

    values: np.ndarray
    known: np.ndarray


ALWAYS = np.ones(256, dtype=bool)
UNTOLD = Tried(np.zeros(256, dtype=np.int64), np.zeros(256, dtype=bool))


def operate(kind: int, parts: list[Tried]) -> Tried:
    """An operation, known where its operands are or where one of them settles it."""
    a = parts[0]
    b = parts[1] if len(parts) > 1 else a
    if kind == SELECT:
        yes, no = parts[1], parts[2]
        taken = np.where(a.values != 0, yes.values, no.values)
        chosen = a.known & np.where(a.values != 0, yes.known, no.known)
        alike = ~a.known & yes.known & no.known & (yes.values == no.values)
        return Tried(np.where(alike, yes.values, taken), chosen | alike)
    values = _compute(kind, a.values, b.values)
    if values is None:
        return UNTOLD
    known = a.known & b.known
    if kind in (AND, BAND, MUL):
        zero = (a.known & (a.values == 0)) | (b.known & (b.values == 0))
        return Tried(np.where(zero, 0, values), known | zero)
    if kind == BOR:
        one = (a.known & (a.values != 0)) | (b.known & (b.values != 0))
        return Tried(np.where(one, 1, values), known | one)
    return Tried(values, known)


def _compute(kind: int, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    word = 0xFFFFFFFF
    if kind == BNOT:
        return (a == 0).astype(np.int64)  # type: ignore[no-any-return]  # numpy
    if kind in (LT, LE):
        left, right = a & word, b & word
        return (left < right if kind == LT else left <= right).astype(np.int64)
    if kind in (EQ, NE):
        same = (a & word) == (b & word)
        return (same if kind == EQ else ~same).astype(np.int64)  # type: ignore[no-any-return]  # numpy
    if kind in (SLT, SLE):
        left, right = _narrow(a), _narrow(b)
        return (left < right if kind == SLT else left <= right).astype(np.int64)
    if kind in (SHL, SHR, SAR):
        b = np.clip(b, 0, 63)
        return a << b if kind == SHL else (a & word) >> b if kind == SHR else a >> b  # type: ignore[no-any-return]  # numpy
    table = {
        ADD: lambda: a + b,
        SUB: lambda: a - b,
        AND: lambda: a & b,
        OR: lambda: a | b,
        XOR: lambda: a ^ b,
        MUL: lambda: a * b,
        BAND: lambda: ((a != 0) & (b != 0)).astype(np.int64),
        BOR: lambda: ((a != 0) | (b != 0)).astype(np.int64),
        BXOR: lambda: ((a != 0) ^ (b != 0)).astype(np.int64),
        NEG: lambda: -a,
        NOT: lambda: ~a,
    }
    action = table.get(kind)
    return action() if action else None  # type: ignore[no-untyped-call]  # numpy


def drawn(constant: int, place: Tried) -> Tried:
    """A constant of 64 bits shifted to the right: a set of characters that is tested bit by bit."""
    value = np.full(256, constant, dtype=np.uint64)
    return Tried((value >> (place.values & 63).astype(np.uint64)).view(np.int64), place.known)


def asks_sign(kind: int, bits: int, left: int | None, right: int | None) -> bool:
    """Whether a comparison with a constant, or a shift by one, says something of so many bits only if the topmost one
    is their sign.
    """
    if kind in (SHR, SAR):
        return right is not None and right >= bits
    if kind == SLT:
        return right == 0 or left == -1
    return kind == SLE and (right == -1 or left == 0)


def signed(one: Tried, bits: int) -> Tried:
    """The same bits, the topmost of which is the sign."""
    half = 1 << (bits - 1)
    return Tried(((one.values & (2 * half - 1)) ^ half) - half, one.known)


def _narrow(values: np.ndarray) -> np.ndarray:
    return ((values & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
