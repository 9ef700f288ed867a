"""The printf family: templates filled with arguments."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..ram import Fault, Ram
from . import floats
from .calls import Answer, Arguments, Call, signed
from .comparing import MOST, bounded, text_within
from .texts import duplicate

_CONVERSION = re.compile(
    rb"%(?P<flags>[-+ #0'I]*)(?P<width>\*|\d*)(?P<dot>\.(?P<precision>\*|-?\d*))?(?P<size>hh|h|ll|l|q|j|z|Z|t|L)?"
    rb"(?P<kind>[a-zA-Z%])",
)
_BITS = {b"hh": 8, b"h": 16, b"": 32, b"ll": 64, b"q": 64, b"j": 64, b"L": 64}
"""Sizes of numbers; those of the other modifiers are a machine word."""
_TextAt = Callable[[int], bytes]


@dataclass
class _Field:
    """What one conversion asks for."""

    flags: bytes
    width: int
    precision: int | None
    size: bytes
    kind: bytes

    def padded(self, body: bytes, sign: bytes = b"", zeros: bool = False) -> bytes:
        """As wide as it is to be; the sign, or the prefix, stands in front of zeros."""
        short = self.width - len(sign) - len(body)
        if short <= 0:
            return sign + body
        if b"-" in self.flags:
            return sign + body + b" " * short
        return sign + b"0" * short + body if zeros and b"0" in self.flags else b" " * short + sign + body

    @property
    def plus(self) -> bytes:
        """What stands in front of a number that is not negative."""
        return b"+" if b"+" in self.flags else b" " if b" " in self.flags else b""


class _Printer:
    """One template that is filled."""

    def __init__(self, arguments: Arguments, ram: Ram, text_at: _TextAt) -> None:
        self.arguments, self.ram, self.text_at = arguments, ram, text_at

    def filled(self, found: re.Match[bytes]) -> bytes:
        field = self._field(found)
        kind = field.kind
        if kind == b"%":
            return b"%"
        if kind in b"di":
            return self._signed(field)
        if kind in b"uxXo":
            return self._unsigned(field)
        if kind in b"fFeEgGaA":
            value, point = self.arguments.double(), b"#" in field.flags
            sign, body, zeros = floats.written(value, kind, field.plus, point, field.precision)
            return field.padded(body, sign, zeros)
        return self._other(field, found[0])

    def _other(self, field: _Field, whole: bytes) -> bytes:
        kind = field.kind
        if kind == b"c":
            return field.padded(bytes((self.arguments.word() & 0xFF,)))
        if kind == b"s":
            return field.padded(self._text(field))
        if kind == b"p":
            value = self.arguments.word()
            return field.padded(b"%#x" % value if value else b"(nil)")
        if kind == b"m":
            return field.padded(b"Success")
        if kind == b"n":
            self.arguments.word()
            return b""
        return whole

    def _field(self, found: re.Match[bytes]) -> _Field:
        flags = found["flags"]
        width = self._number(found["width"]) or 0
        if width < 0:
            flags, width = flags + b"-", -width
        precision = (self._number(found["precision"]) or 0) if found["dot"] else None
        if max(width, precision or 0) > MOST:
            raise Fault("a field without an end")
        return _Field(flags, width, precision if (precision or 0) >= 0 else None, found["size"] or b"", found["kind"])

    def _number(self, written: bytes) -> int | None:
        if written == b"*":
            return signed(self.arguments.word(), 32)
        return int(written[:9]) if written not in (b"", b"-") else None

    def _whole(self, field: _Field) -> tuple[int, int]:
        """An argument that is a number, and how many bits of it count."""
        bits = _BITS.get(field.size, 8 * self.ram.image.word)
        value = self.arguments.wide() if bits == 64 else self.arguments.word()
        return value & (1 << bits) - 1, bits

    def _signed(self, field: _Field) -> bytes:
        value = signed(*self._whole(field))
        return self._digits(field, b"%d" % abs(value), b"-" if value < 0 else field.plus)

    def _unsigned(self, field: _Field) -> bytes:
        value, _ = self._whole(field)
        form = {b"u": b"%d", b"x": b"%x", b"X": b"%X", b"o": b"%o"}[field.kind]
        digits, prefix = form % value, b""
        if b"#" in field.flags and field.kind in b"xX" and value:
            prefix = b"0" + field.kind
        if b"#" in field.flags and field.kind == b"o" and len(digits) >= (field.precision or 0) and value:
            digits = b"0" + digits
        if value == 0 and field.precision == 0 and field.kind == b"o" and b"#" in field.flags:
            return field.padded(b"0")
        return self._digits(field, digits, prefix)

    @staticmethod
    def _digits(field: _Field, digits: bytes, sign: bytes) -> bytes:
        if field.precision is None:
            return field.padded(digits, sign, zeros=True)
        digits = b"" if digits == b"0" and field.precision == 0 else digits.rjust(field.precision, b"0")
        return field.padded(digits, sign)

    def _text(self, field: _Field) -> bytes:
        """A text, of which no more is read than the precision says."""
        address = self.arguments.word()
        if address == 0:
            return b"(null)" if field.precision is None or field.precision >= 6 else b""
        return self.text_at(address) if field.precision is None else text_within(self.ram, address, field.precision)


def format(template: bytes, arguments: Arguments, ram: Ram, text_at: _TextAt) -> bytes:
    """The template with its conversions filled. What is no conversion stands as it is."""
    printed = _CONVERSION.sub(_Printer(arguments, ram, text_at).filled, template)
    bounded(len(printed))
    return printed


def passed(call: Call, template: int) -> bytes:
    """What is printed by a function whose template is that argument, and what fills it those behind."""
    return format(call.text(template), call.rest(template + 1), call.ram, _noting(call))


def listed(call: Call, template: int) -> bytes:
    """The same where a `va_list` follows the template."""
    return format(call.text(template), call.listed(call.number(template + 1)), call.ram, _noting(call))


def _noting(call: Call) -> _TextAt:
    """Texts as they are read, noted with their places."""

    def text_at(address: int) -> bytes:
        text = call.text_at(address)
        call.host.printed.append((address, text))
        return text

    return text_at


_Printed = Callable[[Call, int], bytes]


def _whole(printed: _Printed, template: int) -> Answer:
    """sprintf and its like."""

    def answer(call: Call) -> int:
        made = printed(call, template)
        call.ram.write(call.number(0), made + b"\0")
        return len(made)

    return answer


def _cut(printed: _Printed, template: int) -> Answer:
    """snprintf and its like: the result is how long all of it is."""

    def answer(call: Call) -> int:
        made, size = printed(call, template), call.number(1)
        if size:
            call.ram.write(call.number(0), made[: size - 1] + b"\0")
        return len(made)

    return answer


def _allocated(printed: _Printed, template: int) -> Answer:
    """asprintf and its like."""

    def answer(call: Call) -> int:
        made = printed(call, template)
        place = duplicate(call, made)
        call.ram.store(call.number(0), place, call.word_size)
        return len(made) if place else call.ram.mask

    return answer


ANSWERS: dict[str, Answer] = {
    "sprintf": _whole(passed, 1),
    "vsprintf": _whole(listed, 1),
    "__sprintf_chk": _whole(passed, 3),
    "__vsprintf_chk": _whole(listed, 3),
    "snprintf": _cut(passed, 2),
    "vsnprintf": _cut(listed, 2),
    "__snprintf_chk": _cut(passed, 4),
    "__vsnprintf_chk": _cut(listed, 4),
    "asprintf": _allocated(passed, 1),
    "vasprintf": _allocated(listed, 1),
    "__asprintf_chk": _allocated(passed, 2),
    "__vasprintf_chk": _allocated(listed, 2),
}
