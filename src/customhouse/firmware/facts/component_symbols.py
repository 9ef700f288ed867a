"""The few facts of an ELF file that component rules ask for: SONAME and defined symbols, read straight from the bytes.

Works from the dynamic segment, so that files without section headers (`sstrip`, common in routers) are read too; the
full symbol table is added where it was left in. Source: System V ABI, chapters 4 and 5; MIPS supplement.
Hostile tables end the reading early; nothing is raised.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_DYNAMIC, _LOAD, _SYMTAB = 2, 1, 2
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME, _DT_MIPS_SYMTABNO = 4, 5, 6, 10, 14, 0x70000011
_MAX_SYMBOLS = 200_000
_MAX_ENTRIES = 512


@dataclass(frozen=True)
class Symbols:
    """`defined` maps each defined name to (file offset, size) of what it stands for; offset -1: not in the file."""

    soname: str = ""
    defined: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Layout:
    """Where things stand in a 32- or 64-bit file of either byte order."""

    order: str
    wide: bool

    def ints(self, data: bytes | memoryview, offset: int, form: str) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, data, offset)


def symbols_of(data: bytes | memoryview) -> Symbols:
    """SONAME and defined symbols; empty for what is not ELF or cannot be read."""
    if len(data) < 52 or bytes(data[:4]) != b"\x7fELF":
        return Symbols()
    layout = _Layout(">" if data[5] == 2 else "<", data[4] == 2)
    defined: dict[str, tuple[int, int]] = {}
    soname = ""
    try:
        segments = list(_segments(data, layout))
        soname = _dynamic(data, layout, segments, defined)
        _full_table(data, layout, segments, defined)
    except (struct.error, IndexError, ValueError):
        pass
    return Symbols(soname, defined)


def _segments(data: bytes | memoryview, layout: _Layout) -> Iterator[tuple[int, int, int, int]]:
    """(type, file offset, address, size in the file) of each segment."""
    if layout.wide:
        (start,) = layout.ints(data, 32, "Q")
        size, count = layout.ints(data, 54, "HH")
    else:
        (start,) = layout.ints(data, 28, "I")
        size, count = layout.ints(data, 42, "HH")
    for number in range(min(count, 64)):
        here = start + number * size
        if layout.wide:
            kind, _flags, offset, address, _physical, length = layout.ints(data, here, "IIQQQQ")
        else:
            kind, offset, address, _physical, length = layout.ints(data, here, "IIIII")
        yield kind, offset, address, length


def _at(segments: list[tuple[int, int, int, int]], address: int) -> int:
    """File offset of a virtual address, -1 when it is not in the file."""
    for kind, offset, start, size in segments:
        if kind == _LOAD and start <= address < start + size:
            return offset + address - start
    return -1


def _dynamic(
    data: bytes | memoryview,
    layout: _Layout,
    segments: list[tuple[int, int, int, int]],
    defined: dict[str, tuple[int, int]],
) -> str:
    entries = _dynamic_entries(data, layout, segments)
    table, names = _at(segments, entries.get(_DT_SYMTAB, -1)), _at(segments, entries.get(_DT_STRTAB, -1))
    if table < 0 or names < 0:
        return ""
    strings = bytes(data[names : names + min(entries.get(_DT_STRSZ, 0), 1 << 26)])
    width = 24 if layout.wide else 16
    count = entries.get(_DT_MIPS_SYMTABNO, 0)
    hashes = _at(segments, entries.get(_DT_HASH, -1))
    if not count and hashes >= 0:
        count = layout.ints(data, hashes, "II")[1]
    if not count:
        # Without a count the string table, which every linker puts right after the symbols, is their end.
        count = (names - table) // width if names > table else 0
    _add_symbols(data, layout, segments, (table, count, strings), defined)
    return _name(strings, entries[_DT_SONAME]) if _DT_SONAME in entries else ""


def _dynamic_entries(
    data: bytes | memoryview, layout: _Layout, segments: list[tuple[int, int, int, int]]
) -> dict[int, int]:
    entries: dict[int, int] = {}
    form, width = ("QQ", 16) if layout.wide else ("II", 8)
    for kind, offset, _address, size in segments:
        if kind != _DYNAMIC:
            continue
        for here in range(offset, offset + min(size, _MAX_ENTRIES * width), width):
            tag, value = layout.ints(data, here, form)
            if tag == 0:
                break
            entries.setdefault(tag, value)
    return entries


def _add_symbols(
    data: bytes | memoryview,
    layout: _Layout,
    segments: list[tuple[int, int, int, int]],
    table: tuple[int, int, bytes],
    defined: dict[str, tuple[int, int]],
) -> None:
    start, count, strings = table
    width = 24 if layout.wide else 16
    count = max(0, min(count, _MAX_SYMBOLS, (len(data) - start) // width))
    form = struct.Struct(layout.order + ("IBBHQQ" if layout.wide else "IIIBBH"))
    for fields in form.iter_unpack(data[start : start + count * width]):
        if layout.wide:
            name, info, _other, section, value, size = fields
        else:
            name, value, size, info, _other, section = fields
        # Functions and objects that other files can see; what is undefined (section 0) is merely used.
        if section and info & 15 in (1, 2, 10) and info >> 4 in (1, 2, 10) and name < len(strings):
            place = _at(segments, value) if info & 15 == 1 else -1
            defined.setdefault(_name(strings, name), (place, size))


def _full_table(
    data: bytes | memoryview,
    layout: _Layout,
    segments: list[tuple[int, int, int, int]],
    defined: dict[str, tuple[int, int]],
) -> None:
    if layout.wide:
        (start,) = layout.ints(data, 40, "Q")
        size, count = layout.ints(data, 58, "HH")
    else:
        (start,) = layout.ints(data, 32, "I")
        size, count = layout.ints(data, 46, "HH")
    if not start or not count or start + size * count > len(data):
        return
    form, at = ("IIQQQQII", 0) if layout.wide else ("IIIIIIII", 0)
    sections = [layout.ints(data, start + number * size + at, form) for number in range(min(count, 1000))]
    for section in sections:
        _n, kind, _f, _a, offset, length, link, _i = section
        if kind == _SYMTAB and link < len(sections):
            names = sections[link]
            strings = bytes(data[names[4] : names[4] + min(names[5], 1 << 26)])
            width = 24 if layout.wide else 16
            _add_symbols(data, layout, segments, (offset, length // width, strings), defined)


def _name(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    return strings[offset : end if end >= 0 else len(strings)].decode("latin-1")
