"""Makes small ELF files, byte by byte, so that the reader is tested without a compiler."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

BASE = 0x400000


@dataclass
class ElfMaker:
    """`symbols` are (name, defined) pairs of .dynsym; `tags` further dynamic entries."""

    bits: int = 32
    big_endian: bool = False
    machine: int = 8
    type: int = 2
    flags: int = 0
    interpreter: str = ""
    needed: Sequence[str] = ()
    soname: str = ""
    symbols: Sequence[tuple[str, bool]] = ()
    tags: Sequence[tuple[int, int]] = ()
    segments: Sequence[tuple[int, int]] = ()
    """Further program headers: (type, flags)."""
    sections: dict[str, bytes] = field(default_factory=dict)
    build_id: bytes = b""

    def _pack(self, layout: str, *values: int) -> bytes:
        return struct.pack((">" if self.big_endian else "<") + layout, *values)

    def file(self) -> bytes:
        strings = bytearray(b"\0")
        index = {
            name: _add(strings, name) for name in (*self.needed, self.soname, *(n for n, _ in self.symbols)) if name
        }
        wide = self.bits == 64
        header, stride = (64, 56) if wide else (52, 32)
        names = [1, 2, *((6,) if self.needed or self.symbols or self.soname else ())]
        body = bytearray()
        start = header + stride * (len(self.segments) + 4)

        def place(data: bytes) -> int:
            body.extend(b"\0" * (-len(body) % 8))
            at = start + len(body)
            body.extend(data)
            return at

        symbols = self._symbol(0, 0, False) + b"".join(self._symbol(index[n], 1, d) for n, d in self.symbols)
        table = place(symbols)
        string_at = place(bytes(strings))
        hashes = place(self._pack("II", 1, len(self.symbols) + 1))
        entries = [(1, index[name]) for name in self.needed]
        if self.soname:
            entries.append((14, index[self.soname]))
        entries += [
            (4, BASE + hashes),
            (5, BASE + string_at),
            (6, BASE + table),
            (10, len(strings)),
            *self.tags,
            (0, 0),
        ]
        dynamic = b"".join(self._pack("QQ" if wide else "II", tag, value) for tag, value in entries)
        dynamic_at = place(dynamic)
        interpreter = self.interpreter.encode() + b"\0"
        interpreter_at = place(interpreter)
        note = self._pack("III", 4, len(self.build_id), 3) + b"GNU\0" + self.build_id if self.build_id else b""
        note_at = place(note)
        section_headers, section_at, section_names = self._sections(place)
        total = start + len(body)
        rows = [(1, 5, 0, BASE, total), (4, 4, note_at, BASE + note_at, len(note))]
        rows.append(
            (2, 6, dynamic_at, BASE + dynamic_at, len(dynamic)) if names[2:] or self.soname else (0, 0, 0, 0, 0)
        )
        rows.append((3, 4, interpreter_at, BASE, len(interpreter)) if self.interpreter else (0, 0, 0, 0, 0))
        rows += [(kind, flags, 0, 0, 0) for kind, flags in self.segments]
        program = b"".join(self._segment(*row) for row in rows)
        ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if self.big_endian else 1, 1]) + bytes(9)
        fixed = self._pack(
            "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH",
            self.type, self.machine, 1, BASE, header, section_at, self.flags, header, stride, len(rows),
            64 if wide else 40, section_headers, section_names,
        )  # fmt: skip
        return ident + fixed + program + bytes(body)

    def _symbol(self, name: int, section: int, defined: bool) -> bytes:
        where = section if defined else 0
        if self.bits == 64:
            return self._pack("IBBHQQ", name, 0x12, 0, where, BASE, 0)
        return self._pack("IIIBBH", name, BASE, 0, 0x12, 0, where)

    def _segment(self, kind: int, flags: int, offset: int, address: int, size: int) -> bytes:
        if self.bits == 64:
            return self._pack("IIQQQQQQ", kind, flags, offset, address, 0, size, size, 1)
        return self._pack("IIIIIIII", kind, offset, address, 0, size, size, flags, 1)

    def _sections(self, place: object) -> tuple[int, int, int]:
        """(count, offset of headers, index of the name table)."""
        if not self.sections:
            return 0, 0, 0
        names = bytearray(b"\0")
        named = {name: _add(names, name) for name in (*self.sections, ".shstrtab")}
        rows = [(named[name], 1, place(data), len(data)) for name, data in self.sections.items()]  # type: ignore[operator]
        rows.append((named[".shstrtab"], 3, place(bytes(names)), len(names)))  # type: ignore[operator]
        layout = "IIQQQQIIQQ" if self.bits == 64 else "IIIIIIIIII"
        table = self._pack(layout, *(0,) * 10)
        for name, kind, at, size in rows:
            table += self._pack(layout, name, kind, 0, 0, at, size, 0, 0, 1, 0)
        return len(rows) + 1, place(table), len(rows)  # type: ignore[operator]


def _add(strings: bytearray, name: str) -> int:
    at = len(strings)
    strings.extend(name.encode() + b"\0")
    return at
