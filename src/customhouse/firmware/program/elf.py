"""A program in memory as the loader of the device leaves it: segments with relocations applied, imports named.

Imports get reserved addresses from `IMPORT_BASE` up, which are written where the dynamic loader would write the real
ones, so that a pointer to an imported function is a constant like any other. `loader` reads the file.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

IMPORT_BASE = 0xF8000000
IMPORT_STEP = 16


class Symbol(NamedTuple):
    """A dynamic or static symbol; `value` is a virtual address (bit 0 says Thumb on ARM)."""

    name: str
    value: int
    size: int
    kind: int
    defined: bool


@dataclass
class Segment:
    """A loaded segment; `end` includes zero-filled memory behind `data`."""

    start: int
    end: int
    data: bytearray
    executable: bool
    writable: bool


@dataclass
class Image:
    """A program in memory, before its first instruction."""

    architecture: str
    big: bool
    word: int
    entry: int
    segments: list[Segment] = field(default_factory=list)
    imports: dict[int, str] = field(default_factory=dict)
    """Reserved address -> name."""
    import_address: dict[str, int] = field(default_factory=dict)
    data_imports: dict[int, str] = field(default_factory=dict)
    """Where the loader copies a library's variable (`stdin`)."""
    exports: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    """Symbols of functions that were not stripped, by address."""
    symbols: dict[str, int] = field(default_factory=dict)
    """The same by name, all of them, and with bit 0 for Thumb."""
    needed: tuple[str, ...] = ()
    soname: str = ""
    pointers: set[int] = field(default_factory=set)
    """Values that relocations or tables put into memory (candidates for function addresses)."""
    initial: list[int] = field(default_factory=list)
    """Constructors and destructors."""
    gp: int | None = None
    dynamic: bool = False
    linking: int = 0
    """The end of the tables in front of the code that only the dynamic loader reads."""
    interpreter: bool = False
    constant_ranges: list[tuple[int, int]] = field(default_factory=list)
    """Writable memory that the loader makes read-only after relocation, and MIPS' GOT."""
    keys: dict[int, str] = field(default_factory=dict)
    """Texts in writable memory, or pointers to some there, that the program looks for and does not change."""
    headers: tuple[int, int, int] = (0, 0, 0)
    """Where the program headers lie in memory, the size of one, and their number."""
    static: bool = False
    """A program that brings its own C library, position-independent or not."""
    places: set[int] = field(default_factory=set)
    """Where relocations wrote."""
    movable: bool = False
    """Loaded at any address: each address that initialised data holds has a relocation."""
    dynamic_symbols: list[Symbol] = field(default_factory=list)

    @property
    def floor(self) -> int:
        """The lowest address that code or a string can have: a position-independent program is read at address 0, and
        begins with headers and with what the dynamic loader reads.
        """
        low = min((one.start for one in self.segments), default=0)
        return max(low + 0x180, self.linking) if low < 4096 else 4096

    @property
    def data_floor(self) -> int:
        """The lowest address of memory that may be written to."""
        return min((one.start for one in self.segments if one.writable), default=self.floor)

    def even(self, address: int) -> int:
        """A code address without the bit that says Thumb."""
        return address & ~1 if self.architecture == "arm" else address

    @property
    def musl(self) -> bool:
        """Whether the program was linked with musl: glibc's library is called libc.so.6, and uClibc's libc.so.0."""
        return any(one == "libc.so" or one.startswith("libc.musl-") for one in self.needed)

    @property
    def order(self) -> str:
        return ">" if self.big else "<"

    def segment(self, address: int) -> Segment | None:
        for one in self.segments:
            if one.start <= address < one.end:
                return one
        return None

    def executable(self, address: int) -> bool:
        return any(one.executable and one.start <= address < one.start + len(one.data) for one in self.segments)

    def constant(self, address: int) -> bool:
        """Whether memory at the address keeps its initial value."""
        for low, high in self.constant_ranges:
            if low <= address < high:
                return True
        for one in self.segments:
            if one.start <= address < one.end:
                return not one.writable
        return False

    def varies(self, address: int) -> bool:
        """Whether there is memory at the address that may be written to."""
        segment = self.segment(address)
        return segment is not None and segment.writable and not self.constant(address)

    def bytes_at(self, address: int, size: int) -> bytes:
        """Initial bytes, shorter than `size` at the segment's end."""
        one = self.segment(address)
        if one is None:
            return b""
        offset = address - one.start
        found = bytes(one.data[offset : offset + size])
        if len(found) < size:
            found += bytes(max(0, min(size - len(found), one.end - address - len(found))))
        return found

    def number(self, address: int, size: int) -> int | None:
        found = self.bytes_at(address, size)
        return int.from_bytes(found, "big" if self.big else "little") if len(found) == size else None

    def text(self, address: int, limit: int = 512) -> str | None:
        """A NUL-terminated string of printable characters in initial memory, else None."""
        found = self.bytes_at(address, limit)
        if not found and self.segment(address) is None:
            return None
        end = found.find(b"\0")
        if end < 0:
            return None
        found = found[:end]
        if all(32 <= c < 127 or c in (9, 10, 13, 27) for c in found):
            return found.decode("ascii")
        try:
            text = found.decode("utf-8")
        except UnicodeDecodeError:
            return None
        return text if text.isprintable() else None

    def poke(self, address: int, value: int) -> None:
        one = self.segment(address)
        if one is None or address - one.start + self.word > len(one.data):
            return
        offset = address - one.start
        raw = (value & ((1 << (8 * self.word)) - 1)).to_bytes(self.word, "big" if self.big else "little")
        one.data[offset : offset + self.word] = raw

    def import_slot(self, name: str) -> int:
        address = self.import_address.get(name)
        if address is None:
            address = IMPORT_BASE + IMPORT_STEP * len(self.imports)
            self.imports[address] = name
            self.import_address[name] = address
        return address

    def import_name(self, value: int) -> str | None:
        return self.imports.get(value) if value >= IMPORT_BASE else None
