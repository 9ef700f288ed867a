"""The scanf family: texts taken apart by templates."""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

from ..ram import Ram
from .calls import Answer, Arguments, Call
from .comparing import span
from .forms import NAMES
from .numerals import BLANKS, clamped, integer, real

_CONVERSION = re.compile(
    rb"%(?P<skip>\*?)(?P<width>\d*)(?P<keep>m|a(?=[sS\[]))?(?P<size>hh|h|ll|l|q|j|z|t|L)?"
    rb"(?P<kind>\[\^?\]?[^\]]*\]|[a-zA-Z%])"
)
_SIZES = {b"hh": 1, b"h": 2, b"": 4, b"ll": 8, b"q": 8, b"j": 8, b"L": 8}
"""Bytes of the numbers; those of the other modifiers are a machine word."""
_BASES = {b"d": 10, b"i": 0, b"u": 10, b"x": 16, b"X": 16, b"o": 8, b"p": 16}
_FEW_DIGITS = 4
_Value = int | float | bytes


class Taken(NamedTuple):
    """What one conversion stores: a number of that many bytes, or bytes with the NUL behind them."""

    value: _Value
    size: int
    kept: bool
    """Whether memory is made for it."""
    limited: bool = True
    """Whether the template says how long it may be."""


@dataclass
class Scan:
    """What a template took from a text."""

    taken: list[Taken] = field(default_factory=list)
    count: int = 0
    """The function's result: how many conversions there were; -1 where the text ended before the first."""
    used: int = 0
    is_whole: bool = False
    """Whether the text is all that the template says."""
    mismatch: tuple[bytes, bytes] | None = None
    """The rest of the text where it is not what the template says, and what it says."""


class _Ended(Exception):
    """The text was over before something was found."""


class _Differs(Exception):
    """The text is not what the template says."""


class _Scanner:
    def __init__(self, text: bytes, word: int) -> None:
        self.text, self.word = text, word
        self.at = 0
        self.scan = Scan()

    def run(self, template: bytes) -> Scan:
        try:
            self._follow(template)
            self.scan.is_whole = True
        except _Differs:
            pass
        except _Ended:
            self.scan.count = self.scan.count or -1
        self.scan.used = self.at
        return self.scan

    def _follow(self, template: bytes) -> None:
        place = 0
        while place < len(template):
            if template[place] in BLANKS:
                self._blanks()
                place += 1
                continue
            found = _CONVERSION.match(template, place)
            if found is None:
                end = place + max(1, span(template[place:], lambda one: one not in BLANKS + b"%"))
                self._literal(template[place:end])
            else:
                end = found.end()
                self._convert(found)
            place = end

    def _blanks(self) -> None:
        self.at += span(self.text[self.at :], lambda one: one in BLANKS)

    def _literal(self, literal: bytes) -> None:
        rest = self.text[self.at :]
        if rest.startswith(literal):
            self.at += len(literal)
            return
        same = next((at for at, one in enumerate(literal) if rest[at : at + 1] != bytes((one,))), 0)
        self.scan.mismatch = rest, literal
        self.at += same
        raise _Ended if same == len(rest) else _Differs

    def _convert(self, found: re.Match[bytes]) -> None:
        kind = found["kind"]
        if kind == b"%":
            self._blanks()
            self._literal(b"%")
            return
        if kind == b"n":
            self._take(found, self.at)
            return
        if kind not in (b"c", b"C") and not kind.startswith(b"["):
            self._blanks()
        if self.at == len(self.text):
            raise _Ended
        width = int(found["width"][:9] or 0)
        self._take(found, self._value(kind, width))
        self.scan.count += not found["skip"]

    def _value(self, kind: bytes, width: int) -> _Value:
        """What stands here, as the conversion reads it."""
        if kind in _BASES:
            return self._number(_BASES[kind], width)
        rest = self.text[self.at :]
        if kind in (b"c", b"C"):
            return self._read(len(rest[: width or 1]), rest[: width or 1])
        rest = rest[: width or None]
        if kind in b"aAeEfFgG":
            value, used = real(rest)
            return self._read(used, value)
        used = span(rest, _members(kind))
        return self._read(used, rest[:used] + b"\0")

    def _read(self, used: int, value: _Value) -> _Value:
        """A value that takes so many bytes of the text."""
        if not used:
            raise _Differs
        self.at += used
        return value

    def _number(self, base: int, width: int) -> int:
        found = integer(self.text[self.at :][: width or None], base)
        self._read(found.used, found.value)
        return found.value

    def _take(self, found: re.Match[bytes], value: _Value) -> None:
        if found["skip"]:
            return
        size, kind = found["size"] or b"", found["kind"]
        if isinstance(value, float):
            bytes_taken = 8 if size else 4
        elif kind == b"p":
            bytes_taken = self.word
        else:
            bytes_taken = _SIZES.get(size, self.word)
        if isinstance(value, int):
            bits = 64 if bytes_taken == 8 else 8 * self.word
            value = clamped(value, bits, kind in b"din") & (1 << 8 * bytes_taken) - 1
        limited = bool(found["width"]) or kind in (b"c", b"C")
        self.scan.taken.append(Taken(value, bytes_taken, bool(found["keep"]), limited))


def _members(kind: bytes) -> Callable[[int], bool]:
    """Which bytes belong to a `%[set]`, or to `%s`."""
    if not kind.startswith(b"["):
        return lambda one: one not in BLANKS
    inside = kind[1:-1]
    negative = inside.startswith(b"^")
    inside = inside[negative:]
    members = set(inside[:1])
    at = 1
    while at < len(inside):
        if inside[at : at + 1] == b"-" and at + 1 < len(inside):
            members |= set(range(inside[at - 1], inside[at + 1] + 1))
        else:
            members.add(inside[at])
        at += 1
    return lambda one: (one in members) is not negative


def example(template: bytes) -> bytes:
    """A text that a template takes apart to its end."""
    names = cycle(NAMES)

    def filled(found: re.Match[bytes]) -> bytes:
        kind, width = found["kind"], int(found["width"][:4] or 0)
        if kind in _BASES or kind in b"aAeEfFgG":
            return b"1" * width if 1 < width <= _FEW_DIGITS else b"7"
        if kind in (b"c", b"C"):
            return b"k" * (width or 1)
        if kind in (b"n", b"%"):
            return b"" if kind == b"n" else b"%"
        name, belongs = next(names), _members(kind)
        fits = [one for one in (*name, *range(33, 127), *range(1, 33)) if belongs(one)]
        value = name if all(map(belongs, name)) else bytes(fits[:3])
        return value[: width or None]

    return _CONVERSION.sub(filled, template)


def scan(text: bytes, template: bytes, word: int = 8) -> Scan:
    """Take a text apart. `word` is the size of a machine word."""
    return _Scanner(text, word).run(template)


def store(call: Call, text: bytes, template: bytes, arguments: Arguments) -> tuple[int, int]:
    """Store what a template takes from a text where the arguments point to, and say what did not match. The function's
    result, and how many bytes were read.
    """
    found = scan(text, template, call.word_size)
    for one in found.taken:
        target = arguments.word()
        if one.kept and isinstance(one.value, bytes):
            made = int(call.host.allocate(len(one.value)))
            call.ram.store(target, made, call.word_size)
            target = made
        if isinstance(one.value, bytes) and not one.limited:
            call.host.unlimited.add(target)
        _put(call.ram, target, one)
    if found.mismatch is not None:
        call.compared("find", *found.mismatch)
    if not found.is_whole:
        call.compared("form", text, example(template))
    return found.count & call.ram.mask, found.used


def _put(ram: Ram, target: int, one: Taken) -> None:
    if isinstance(one.value, bytes):
        ram.write(target, one.value)
    elif isinstance(one.value, int):
        ram.store(target, one.value, one.size)
    else:
        ram.write(target, _packed(one.value, one.size, ram.image.big))


def _packed(value: float, size: int, big: bool) -> bytes:
    form = (">" if big else "<") + ("d" if size == 8 else "f")
    try:
        return struct.pack(form, value)
    except OverflowError:
        return struct.pack(form, float("inf") if value > 0 else float("-inf"))


def _passed(call: Call) -> int:
    return store(call, call.text(0), call.text(1), call.rest(2))[0]


def _listed(call: Call) -> int:
    return store(call, call.text(0), call.text(1), call.listed(call.number(2)))[0]


ANSWERS: dict[str, Answer] = {"sscanf": _passed, "vsscanf": _listed}
