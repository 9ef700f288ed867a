"""Reading an ELF file's headers, dynamic segment and symbols; every number in it is taken for a lie until it fits.

Written here rather than taken from a library because firmware holds files without section headers (`sstrip`), with
damaged ones, and hostile ones: each table is cut to the file and to a limit, so no content costs more than its size.
Source: System V ABI, "Object Files"; GNU symbol versioning and .gnu.hash as in LSB Core.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

_MOST_SYMBOLS: Final = 100_000
_MOST_DYNAMIC: Final = 4096
_MOST_HEADERS: Final = 2048
_NAME_MOST: Final = 512

PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_LOAD = 2, 3, 4, 1
PT_GNU_STACK, PT_GNU_RELRO = 0x6474E551, 0x6474E552
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_SONAME, DT_BIND_NOW = 1, 4, 5, 6, 10, 11, 14, 24
DT_FLAGS, DT_GNU_HASH, DT_FLAGS_1, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = (
    30,
    0x6FFFFEF5,
    0x6FFFFFFB,
    0x6FFFFFFC,
    0x6FFFFFFD,
    0x6FFFFFFE,
    0x6FFFFFFF,
)
DT_MIPS_SYMTABNO = 0x70000011
SHT_SYMTAB, SHT_DYNSYM, SHT_NOBITS = 2, 11, 8


class Malformed(Exception):
    """The file says ELF and is not one that can be read."""


class Header(msgspec.Struct, frozen=True):
    bits: int
    big_endian: bool
    type: int
    machine: int
    flags: int
    entry: int


class Segment(msgspec.Struct, frozen=True):
    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int


class Section(msgspec.Struct, frozen=True):
    name: str
    type: int
    address: int
    offset: int
    size: int
    link: int


class Symbol(msgspec.Struct, frozen=True):
    name: str
    value: int
    size: int
    binding: int
    kind: int
    section: int

    @property
    def defined(self) -> bool:
        return self.section != 0


class ElfFile:
    """One parsed file. Attributes are tuples in file order; what could not be read is left out."""

    def __init__(self, data: bytes) -> None:
        """Raises `Malformed` when the ELF header itself is broken."""
        if len(data) < 52 or data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (1, 2):
            raise Malformed("no ELF header")
        self.data = data
        self._order = ">" if data[5] == 2 else "<"
        wide = data[4] == 2
        if wide and len(data) < 64:
            raise Malformed("ELF header is cut off")
        layout = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
        (kind, machine, _, entry, program, section, flags, _, psize, pcount, ssize, scount, names) = struct.unpack_from(
            self._order + layout, data, 16
        )
        self.header = Header(64 if wide else 32, data[5] == 2, kind, machine, flags, entry)
        self.segments = tuple(self._read_segments(program, psize, min(pcount, _MOST_HEADERS)))
        self.sections = self._read_sections(section, ssize, min(scount, _MOST_HEADERS), names)
        self.dynamic = tuple(self._read_dynamic())

    def _table(self, layout: str, offset: int, stride: int, count: int) -> Iterator[tuple[int, ...]]:
        """`count` records of `layout`, cut to the file."""
        size = struct.calcsize(self._order + layout)
        if stride < size or offset <= 0:
            return
        record = struct.Struct(self._order + layout)
        for index in range(count):
            at = offset + index * stride
            if at + size > len(self.data):
                return
            yield record.unpack_from(self.data, at)

    def _read_segments(self, offset: int, stride: int, count: int) -> Iterator[Segment]:
        if self.header.bits == 64:
            for kind, flags, at, address, _, size, memory, _ in self._table("IIQQQQQQ", offset, stride, count):
                yield Segment(kind, flags, at, address, size, memory)
        else:
            for kind, at, address, _, size, memory, flags, _ in self._table("IIIIIIII", offset, stride, count):
                yield Segment(kind, flags, at, address, size, memory)

    def _read_sections(self, offset: int, stride: int, count: int, names: int) -> tuple[Section, ...]:
        layout = "IIQQQQIIQQ" if self.header.bits == 64 else "IIIIIIIIII"
        rows = list(self._table(layout, offset, stride, count))
        base, size = (rows[names][4], rows[names][5]) if names < len(rows) else (0, 0)
        return tuple(
            Section(self._text(base, size, row[0]) if size else "", row[1], row[3], row[4], row[5], row[6])
            for row in rows
        )

    def _read_dynamic(self) -> Iterator[tuple[int, int]]:
        segment = next((s for s in self.segments if s.type == PT_DYNAMIC), None)
        if segment is None:
            return
        stride = 16 if self.header.bits == 64 else 8
        count = min(segment.file_size // stride, _MOST_DYNAMIC)
        for tag, value in self._table("QQ" if stride == 16 else "II", segment.offset, stride, count):
            if tag == 0:
                return
            yield tag, value

    def tag(self, number: int) -> int | None:
        """First value of a dynamic tag."""
        return next((value for tag, value in self.dynamic if tag == number), None)

    def offset_of(self, address: int) -> int | None:
        """Where in the file a virtual address lies."""
        for segment in self.segments:
            if segment.type == PT_LOAD and segment.address <= address < segment.address + segment.file_size:
                return segment.offset + address - segment.address
        return None

    def section(self, name: str) -> bytes:
        """Content of the first section of that name; empty when it is not there."""
        for section in self.sections:
            if section.name == name and section.type != SHT_NOBITS:
                return self.data[section.offset : section.offset + section.size]
        return b""

    def dynamic_string(self, index: int) -> str:
        table = self.tag(DT_STRTAB)
        base = self.offset_of(table) if table is not None else None
        return "" if base is None else self._text(base, self.tag(DT_STRSZ) or 0, index)

    def dynamic_symbols(self) -> list[Symbol]:
        """Of .dynsym, found through the dynamic segment, else through the section headers."""
        table, strings = self.tag(DT_SYMTAB), self.tag(DT_STRTAB)
        start = self.offset_of(table) if table is not None else None
        base = self.offset_of(strings) if strings is not None else None
        if start is None or base is None or table is None or strings is None:
            return self.symbols(SHT_DYNSYM)
        count = self._symbol_count(table, strings)
        return list(self._read_symbols(start, count, base, self.tag(DT_STRSZ) or 0))

    def symbols(self, kind: int = SHT_SYMTAB) -> list[Symbol]:
        """Of the symbol tables that the section headers name."""
        found: list[Symbol] = []
        for section in self.sections:
            if section.type == kind and section.link < len(self.sections):
                strings = self.sections[section.link]
                count = min(section.size // self._symbol_size, _MOST_SYMBOLS)
                found.extend(self._read_symbols(section.offset, count, strings.offset, strings.size))
        return found

    @property
    def _symbol_size(self) -> int:
        return 24 if self.header.bits == 64 else 16

    def _symbol_count(self, table: int, strings: int) -> int:
        """No tag says it: DT_HASH's chain count does, MIPS has its own tag, .gnu.hash must be walked; else the string
        table is taken to follow the symbols, as linkers lay them out."""
        hashes = self.tag(DT_HASH)
        at = self.offset_of(hashes) if hashes is not None else None
        if at is not None:
            for _, chains in self._table("II", at, 8, 1):
                return min(chains, _MOST_SYMBOLS)
        mips = self.tag(DT_MIPS_SYMTABNO) if self.header.machine == 8 else None
        if mips is not None:
            return min(mips, _MOST_SYMBOLS)
        walked = self._gnu_hash_count()
        if walked:
            return walked
        return min(max(0, strings - table) // self._symbol_size, _MOST_SYMBOLS)

    def _gnu_hash_count(self) -> int:
        hashes = self.tag(DT_GNU_HASH)
        at = self.offset_of(hashes) if hashes is not None else None
        if at is None:
            return 0
        for buckets, first, bloom, _ in self._table("IIII", at, 16, 1):
            start = at + 16 + bloom * (self.header.bits // 8)
            heads = [head for (head,) in self._table("I", start, 4, min(buckets, _MOST_SYMBOLS))]
            last = max(heads, default=0)
            if last < first:
                return min(first, _MOST_SYMBOLS)
            chain = start + 4 * buckets + 4 * (last - first)
            for step, (value,) in enumerate(self._table("I", chain, 4, _MOST_SYMBOLS)):
                if value & 1:
                    return min(last + step + 1, _MOST_SYMBOLS)
        return 0

    def _read_symbols(self, start: int, count: int, base: int, size: int) -> Iterator[Symbol]:
        stride = self._symbol_size
        layout = "IBBHQQ" if stride == 24 else "IIIBBH"
        strings = self.data[base : base + size]
        for row in self._table(layout, start, stride, min(count, _MOST_SYMBOLS)):
            if stride == 24:
                name, info, _, section, value, extent = row
            else:
                name, value, extent, info, _, section = row
            yield Symbol(_cut(strings, name), value, extent, info >> 4, info & 15, section)

    def _text(self, base: int, size: int, index: int) -> str:
        if index >= size:
            return ""
        return _cut(self.data[base + index : base + min(size, index + _NAME_MOST)], 0)

    def needed_versions(self) -> Iterator[str]:
        """Versions required of other objects (.gnu.version_r)."""
        for _, auxiliary, start in self._version_chain(DT_VERNEED, DT_VERNEEDNUM):
            at = start
            for _ in range(auxiliary):
                row = next(self._table("IHHII", at, 16, 1), None)
                if row is None:
                    break
                yield self.dynamic_string(row[3])
                if row[4] == 0:
                    break
                at += row[4]

    def defined_versions(self) -> Iterator[str]:
        """Versions that this object defines (.gnu.version_d), its own name left out."""
        for flags, _, at in self._version_chain(DT_VERDEF, DT_VERDEFNUM):
            row = next(self._table("II", at, 8, 1), None)
            if row is not None and not flags & 1:
                yield self.dynamic_string(row[0])

    def _version_chain(self, tag: int, count_tag: int) -> Iterator[tuple[int, int, int]]:
        """(second half-word, number of auxiliary entries, where they start) for each entry of a version table."""
        table = self.tag(tag)
        at = self.offset_of(table) if table is not None else None
        for _ in range(min(self.tag(count_tag) or 0, _MOST_DYNAMIC)):
            if at is None:
                return
            needed = tag == DT_VERNEED
            row = next(self._table("HHIII" if needed else "HHHHIII", at, 16 if needed else 20, 1), None)
            if row is None:
                return
            auxiliary = row[-2]
            yield row[1], min(row[1 if needed else 3], _MOST_DYNAMIC), at + auxiliary
            if row[-1] == 0:
                return
            at += row[-1]


def _cut(strings: bytes, index: int) -> str:
    """The string that starts at `index`, at most `_NAME_MOST` bytes of it."""
    if index >= len(strings):
        return ""
    end = strings.find(b"\0", index, index + _NAME_MOST)
    return strings[index : end if end >= 0 else index + _NAME_MOST].decode("utf-8", "replace")
