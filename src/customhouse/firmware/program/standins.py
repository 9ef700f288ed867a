"""The C library's functions on texts and characters, for code of a program that is run in the emulator without it."""

from collections.abc import Callable

from . import bytesets, calling
from .emulator import Machine
from .machine import Convention
from .ram import Fault, Ram

TABLES = 0x5F000000
"""Where the tables of characters lie."""
TABLES_SIZE = 1 << 14
_FIRST = -128
"""The tables are asked for characters with a sign too."""
_LONGEST = 4096
_POINTERS = {"__ctype_b_loc": 0, "__ctype_tolower_loc": 1, "__ctype_toupper_loc": 2}
"""Functions that give where the pointer to a table lies: which table."""
_UCLIBC = frozenset(("libc.so.0", "libc.so.1"))
_Answer = Callable[[Ram, int, int, int], int]


class StandIns:
    """Answers calls of functions that the machine's program imports."""

    def __init__(self, machine: Machine, convention: Convention) -> None:
        self.machine = machine
        self.ram = machine.ram
        self.convention = convention
        place_tables(self.ram)

    def call(self, name: str) -> None:
        """Do what the function does, and go back to who called it."""
        plain = _plain(name)
        if plain in _POINTERS:
            result = table_pointer(self.ram, plain)
        elif plain in bytesets.CLASSES:
            result = bytesets.CLASSES[plain] >> (self._argument(0) & 0xFF) & 1
        elif plain in ANSWERS:
            result = ANSWERS[plain](self.ram, *map(self._argument, range(3)))
        else:
            raise Fault(f"{name} has no stand-in")
        self.machine.set(self.convention.result, result)
        calling.go_back(self.machine, self.convention)

    def _argument(self, index: int) -> int:
        return calling.argument(self.machine, self.convention, index)


def place_tables(ram: Ram) -> None:
    """Put the tables of characters into memory.

    uClibc numbers the flags from the lowest bit in either byte order, and its letters take two bytes.
    """
    uclibc = not _UCLIBC.isdisjoint(ram.image.needed)
    ram.reserve(TABLES, TABLES_SIZE)
    flags = [int(one) for one in bytesets.ctype_table(ram.image.big or uclibc)]
    lower, upper = ([turned(one, name) for one in range(256)] for name in ("tolower", "toupper"))
    letter = 2 if uclibc else 4
    at = TABLES
    tables = ((flags, 2), (lower, letter), (upper, letter))
    for name, (table, size) in zip(_POINTERS, tables, strict=True):
        raw = b"".join(table[one & 255].to_bytes(size, ram.order) for one in range(_FIRST, 256))
        ram.write(at, raw)
        ram.store(table_pointer(ram, name), at - _FIRST * size, ram.image.word)
        at += len(raw)


def table_pointer(ram: Ram, name: str) -> int:
    """Where the pointer to a table lies, behind the tables: what a function like `__ctype_b_loc` gives."""
    return TABLES + TABLES_SIZE - 64 + _POINTERS[name] * ram.image.word


def stands_in(name: str) -> bool:
    """Whether there is an answer for a function."""
    plain = _plain(name)
    return plain in _POINTERS or plain in bytesets.CLASSES or plain in ANSWERS


def _plain(name: str) -> str:
    return name.removeprefix("__").removesuffix("_chk") if name.endswith("_chk") else name


def turned(one: int, name: str) -> int:
    """A letter as `tolower` or `toupper` gives it."""
    letter = chr(one)
    if one > 127:
        return one
    return ord(letter.lower() if name == "tolower" else letter.upper())


def _text(ram: Ram, address: int) -> bytes:
    found = ram.text(address, _LONGEST)
    if found is None:
        raise Fault(f"no text at {address:#x}")
    return found


def _find(ram: Ram, where: int, sought: int, _: int) -> int:
    at = (_text(ram, where) + b"\0").find(sought & 0xFF)
    return where + at if at >= 0 else 0


def _find_last(ram: Ram, where: int, sought: int, _: int) -> int:
    at = (_text(ram, where) + b"\0").rfind(sought & 0xFF)
    return where + at if at >= 0 else 0


def _find_within(ram: Ram, where: int, sought: int, size: int) -> int:
    at = ram.read(where, min(size, _LONGEST)).find(sought & 0xFF)
    return where + at if at >= 0 else 0


def _span(ram: Ram, where: int, letters: int, _: int) -> int:
    text = _text(ram, where)
    return len(text) - len(text.lstrip(_text(ram, letters)))


def _span_without(ram: Ram, where: int, letters: int, _: int) -> int:
    text, stops = _text(ram, where), _text(ram, letters)
    return next((index for index, one in enumerate(text) if one in stops), len(text))


def _any_of(ram: Ram, where: int, letters: int, _: int) -> int:
    at = _span_without(ram, where, letters, 0)
    return where + at if at < len(_text(ram, where)) else 0


def _copy(ram: Ram, target: int, source: int, size: int) -> int:
    if size > _LONGEST:
        raise Fault("a copy without an end")
    ram.write(target, ram.read(source, size))
    return target


def _copy_text(ram: Ram, target: int, source: int, _: int) -> int:
    ram.write(target, _text(ram, source) + b"\0")
    return target


def _append(ram: Ram, target: int, source: int, _: int) -> int:
    ram.write(target + len(_text(ram, target)), _text(ram, source) + b"\0")
    return target


def _append_some(ram: Ram, target: int, source: int, size: int) -> int:
    ram.write(target + len(_text(ram, target)), _text(ram, source)[: min(size, _LONGEST)] + b"\0")
    return target


ANSWERS: dict[str, _Answer] = {
    "strchr": _find,
    "index": _find,
    "strrchr": _find_last,
    "rindex": _find_last,
    "memchr": _find_within,
    "strlen": lambda ram, where, _, __: len(_text(ram, where)),
    "strspn": _span,
    "strcspn": _span_without,
    "strpbrk": _any_of,
    "tolower": lambda _, one, __, ___: turned(one & 0xFF, "tolower"),
    "toupper": lambda _, one, __, ___: turned(one & 0xFF, "toupper"),
    "memcpy": _copy,
    "memmove": _copy,
    "mempcpy": lambda ram, target, source, size: _copy(ram, target, source, size) + size,
    "strcpy": _copy_text,
    "stpcpy": lambda ram, target, source, _: _copy_text(ram, target, source, 0) + len(_text(ram, source)),
    "strcat": _append,
    "strncat": _append_some,
}
