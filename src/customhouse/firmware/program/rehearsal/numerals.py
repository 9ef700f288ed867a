"""Numbers as texts: what the C library reads from them."""

import re
from typing import NamedTuple

from .comparing import span

BLANKS = b" \t\n\v\f\r"
_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz"
_DECIMAL = re.compile(rb"[+-]?(?:inf(?:inity)?|nan(?:\(\w*\))?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.I)
_HEXADECIMAL = re.compile(rb"[+-]?0x(?:[\da-f]+\.?[\da-f]*|\.[\da-f]+)(?:p[+-]?\d+)?", re.I)


class Parsed(NamedTuple):
    """A number at the begin of a text, and how many bytes it takes; no bytes where there is none."""

    value: int
    used: int


def integer(text: bytes, base: int) -> Parsed:
    """A number as `strtol` reads it, of any size."""
    start = len(text) - len(text.lstrip(BLANKS))
    at = start + (text[start : start + 1] in (b"+", b"-"))
    if base in (0, 16) and re.match(rb"0[xX][0-9a-fA-F]", text[at : at + 3]):
        base, at = 16, at + 2
    elif base == 0:
        base = 8 if text[at : at + 1] == b"0" else 10
    if not 2 <= base <= 36:
        return Parsed(0, 0)
    digits = _DIGITS[:base] + _DIGITS[:base].upper()
    end = at + span(text[at:], lambda one: one in digits)
    if end == at:
        return Parsed(0, 0)
    value = _value(text[at:end], base)
    return Parsed(-value if text[start : start + 1] == b"-" else value, end)


def _value(digits: bytes, base: int) -> int:
    """Of no more digits than a number of 64 bits can have."""
    digits = digits.lstrip(b"0")
    return int(digits, base) if 0 < len(digits) <= 80 else (1 << 70 if digits else 0)


def real(text: bytes) -> tuple[float, int]:
    """A number as `strtod` reads it, and how many bytes it takes."""
    start = len(text) - len(text.lstrip(BLANKS))
    found = _HEXADECIMAL.match(text, start)
    if found is not None:
        return _from_hexadecimal(found[0].decode()), found.end()
    found = _DECIMAL.match(text, start)
    if found is None:
        return 0.0, 0
    return float(found[0].partition(b"(")[0]), found.end()


def _from_hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return float("-inf" if text.startswith("-") else "inf")


def clamped(value: int, bits: int, with_sign: bool) -> int:
    """A number of a certain size: the largest or smallest where it is none; unsigned ones wrap below zero."""
    if with_sign:
        return max(-1 << bits - 1, min(value, (1 << bits - 1) - 1))
    return value % (1 << bits) if abs(value) < 1 << bits else (1 << bits) - 1
