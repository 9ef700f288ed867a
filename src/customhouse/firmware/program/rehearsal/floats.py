"""Floating point numbers as printf writes them."""

import math
import re


def written(value: float, kind: bytes, plus: bytes, point: bool, precision: int | None) -> tuple[bytes, bytes, bool]:
    """What stands in front of zeros that fill a number up, what behind, and whether zeros may. `plus` is the sign of a
    number that is not negative; `point` asks for a decimal point in any case.
    """
    sign = b"-" if math.copysign(1, value) < 0 else plus
    value = abs(value)
    upper = kind.isupper()
    if not math.isfinite(value):
        body = b"nan" if math.isnan(value) else b"inf"
        return sign, body.upper() if upper else body, False
    if kind in b"aA":
        body = _hexadecimal(value, precision, point)
        return sign + (b"0X" if upper else b"0x"), body.upper() if upper else body, True
    places = 6 if precision is None else precision
    return sign, (f"%{'#' if point else ''}.{places}{kind.decode()}" % value).encode(), True


def _hexadecimal(value: float, precision: int | None, point: bool) -> bytes:
    """Behind the 0x, rounded to a number of digits."""
    found = re.fullmatch(r"0x([01])\.([0-9a-f]*)p([+-]\d+)", value.hex())
    if found is None:
        return b"0p+0"
    digits, exponent = int(found[1] + found[2], 16), found[3]
    size = len(found[2])
    if precision is not None and precision < size:
        cut = 4 * (size - precision)
        digits, rest = digits >> cut, digits & (1 << cut) - 1
        half = 1 << cut - 1
        digits += rest > half or (rest == half and digits & 1)
        size = precision
    whole, fraction = digits >> 4 * size, f"{digits & (1 << 4 * size) - 1:0{size}x}" if size else ""
    fraction = fraction.rstrip("0") if precision is None else fraction.ljust(precision, "0")
    return f"{whole:x}{'.' if fraction or point else ''}{fraction}p{exponent}".encode()
