"""ELF as the loader of the device sees it: segments with relocations applied, imports named.

Only program headers and the dynamic section are trusted, since firmware vendors strip sections; section headers are a
fallback for
static programs' symbol tables. Source: System V ABI with the processor supplements of ARM, AArch64, MIPS, x86-64 and
i386.
Imports get reserved addresses from `IMPORT_BASE` up, which are written where the dynamic loader would write the real
ones, so that a pointer
to an imported function is a constant like any other.
"""

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

IMPORT_BASE = 0xF8000000
IMPORT_STEP = 16

_MACHINES = {40: "arm", 183: "arm64", 8: "mips", 62: "x86_64", 3: "i386"}
_COMPRESSED = 0x06000000
"""EF_MIPS_ARCH_ASE_M16 and EF_MIPS_MICROMIPS."""
_MAX_SYMBOLS = 200_000
_MAX_SEGMENTS = 128


class NotAProgram(ValueError):
    """The bytes are no ELF that a device of a known architecture could run."""


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


class _Relocations(NamedTuple):
    """Relocation types by meaning."""

    absolute: frozenset[int]
    slot: frozenset[int]
    relative: frozenset[int]
    copy: frozenset[int]


_RELOCATIONS = {
    "arm": _Relocations(frozenset({2}), frozenset({21, 22}), frozenset({23}), frozenset({20})),
    "arm64": _Relocations(frozenset({257}), frozenset({1025, 1026}), frozenset({1027}), frozenset({1024})),
    "mips": _Relocations(frozenset({3, 2}), frozenset({51, 127}), frozenset(), frozenset({126})),
    "x86_64": _Relocations(frozenset({1}), frozenset({6, 7}), frozenset({8}), frozenset({5})),
    "i386": _Relocations(frozenset({1}), frozenset({6, 7}), frozenset({8}), frozenset({5})),
}


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
    interpreter: bool = False
    constant_ranges: list[tuple[int, int]] = field(default_factory=list)
    """Writable memory that the loader makes read-only after relocation, and MIPS' GOT."""
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
        """The lowest address that code or a string can have: a position-independent program is read at address 0."""
        low = min((one.start for one in self.segments), default=0)
        return low + 0x180 if low < 4096 else 4096

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


def load(data: bytes) -> Image:
    """Read an ELF program or shared library. Raises NotAProgram."""
    try:
        return _load(data)
    except (struct.error, IndexError, OverflowError) as error:
        raise NotAProgram(f"damaged ELF: {error}") from error


def _load(data: bytes) -> Image:
    if len(data) < 52 or data[:4] != b"\x7fELF":
        raise NotAProgram("no ELF magic")
    wide, big = data[4] == 2, data[5] == 2
    order = ">" if big else "<"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    architecture = _MACHINES.get(machine)
    if architecture is None or kind not in (2, 3):
        raise NotAProgram(f"machine {machine}, type {kind}")
    if wide != (architecture in ("arm64", "x86_64")):
        raise NotAProgram("word size does not fit the machine")
    layout = order + ("QQQIHHHHHH" if wide else "IIIIHHHHHH")
    entry, phoff, _shoff, flags, _ehsize, phentsize, phnum, *_ = struct.unpack_from(layout, data, 24)
    _refuse_encodings(architecture, big, flags)
    image = Image(architecture, big, 8 if wide else 4, entry)
    dynamic = _segments(image, data, order, wide, phoff, phentsize, min(phnum, _MAX_SEGMENTS))
    if not any(one.executable for one in image.segments):
        raise NotAProgram("no executable segment")
    image.movable = kind == 3
    if dynamic:
        _dynamic(image, dynamic, order)
    image.headers = (_placed(data, image, phoff), phentsize, phnum)
    linked = image.needed or image.interpreter or image.exports or image.import_address or image.soname
    image.static = not linked and image.executable(entry & ~1)
    _symbol_table(image, data, order, wide)
    return image


def _refuse_encodings(architecture: str, big: bool, flags: int) -> None:
    """Code that the lifter would take for other code: nothing would be found in it, which is not clean."""
    if architecture == "arm" and big:
        raise NotAProgram("big-endian ARM code is not read")
    if architecture == "mips" and flags & _COMPRESSED:
        raise NotAProgram("MIPS16 and microMIPS code is not read")


def _placed(data: bytes, image: Image, offset: int) -> int:
    """The address that a part of the file is loaded at, 0 when it is not."""
    part = data[offset : offset + 64]
    for one in image.segments:
        found = one.data.find(part, 0, 4096) if part else -1
        if found >= 0:
            return one.start + found
    return 0


def _segments(image: Image, data: bytes, order: str, wide: bool, phoff: int, size: int, count: int) -> bytes:
    dynamic = b""
    for index in range(count):
        at = phoff + index * size
        if wide:
            kind, flags, offset, address, _pa, filesz, memsz, _align = struct.unpack_from(order + "IIQQQQQQ", data, at)
        else:
            kind, offset, address, _pa, filesz, memsz, flags, _align = struct.unpack_from(order + "IIIIIIII", data, at)
        if kind == 1 and memsz < 1 << 30:
            part = bytearray(data[offset : offset + filesz])
            end = address + max(memsz, len(part))
            image.segments.append(Segment(address, end, part, bool(flags & 1), bool(flags & 2)))
        elif kind == 2:
            dynamic = data[offset : offset + filesz]
        elif kind == 3:
            image.interpreter = True
        elif kind == 0x70000000 and image.architecture == "mips" and not wide:
            image.gp = _register_info(data, order, offset)
        elif kind == 0x6474E552:
            image.constant_ranges.append((address, address + memsz))
    return dynamic


_PACKED = 36
"""DT_RELR: relocations as a bitmap, which we do not read."""


def _register_info(data: bytes, order: str, offset: int) -> int | None:
    """The global pointer of a MIPS program (PT_MIPS_REGINFO); a dynamic one's follows from its table anyway."""
    (found,) = struct.unpack_from(order + "I", data, offset + 20)
    return int(found) or None


def _dynamic(image: Image, raw: bytes, order: str) -> None:
    image.dynamic = True
    form = order + ("qQ" if image.word == 8 else "iI")
    tags: dict[int, int] = {}
    needed = []
    for tag, value in struct.iter_unpack(form, raw[: len(raw) // (2 * image.word) * 2 * image.word]):
        if tag == 0:
            break
        if tag == 1:
            needed.append(value)
        else:
            tags.setdefault(tag, value)
    image.movable = image.movable and _PACKED not in tags
    strings = image.bytes_at(tags.get(5, 0), min(tags.get(10, 0), 1 << 24))
    image.needed = tuple(_string(strings, at) for at in needed)
    image.soname = _string(strings, tags[14]) if 14 in tags else ""
    symbols = image.dynamic_symbols = _dynamic_symbols(image, tags, strings, order)
    for one in symbols:
        if one.defined and one.name and one.kind == 2 and one.value:
            image.exports[one.name] = one.value
            image.names.setdefault(_even(image, one.value), one.name)
    if image.architecture == "mips":
        _mips_got(image, tags, symbols)
    for table, length, addend in ((7, 8, True), (17, 18, False), (23, 2, tags.get(20) == 7)):
        if table in tags:
            _relocate(image, tags[table], tags.get(length, 0), addend, symbols, order)
    _got(image, tags)
    for array, length in ((25, 27), (26, 28), (32, 33)):
        for at in range(0, min(tags.get(length, 0), 4096), image.word):
            value = image.number(tags.get(array, 0) + at, image.word)
            if value and image.executable(_even(image, value)):
                image.initial.append(value)
    image.initial += [tags[tag] for tag in (12, 13) if tags.get(tag) and image.executable(_even(image, tags[tag]))]


def _got(image: Image, tags: dict[int, int]) -> None:
    """The global offset table keeps what relocation wrote, also where it is not made read-only."""
    start = tags.get(3)
    if start is None or image.architecture == "mips":
        return
    image.gp = start if image.architecture == "i386" else None
    end = start + 3 * image.word
    while end in image.places:
        end += image.word
    image.constant_ranges.append((start, end))


def _even(image: Image, value: int) -> int:
    return value & ~1 if image.architecture == "arm" else value


def _string(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at)
    return strings[at : max(end, at)].decode("latin-1") if 0 <= at < len(strings) else ""


def _dynamic_symbols(image: Image, tags: dict[int, int], strings: bytes, order: str) -> list[Symbol]:
    table = tags.get(6)
    if table is None:
        return []
    size = 24 if image.word == 8 else 16
    count = _symbol_count(image, tags, size)
    raw = image.bytes_at(table, count * size)
    return _symbols(raw, strings, order, image.word == 8)


def _symbol_count(image: Image, tags: dict[int, int], size: int) -> int:
    if 4 in tags:  # DT_HASH: nchain is the number of symbols
        count = image.number(tags[4] + 4, 4) or 0
    elif 0x70000011 in tags and image.architecture == "mips":  # DT_MIPS_SYMTABNO
        count = tags[0x70000011]
    elif tags.get(5, 0) > tags[6]:  # the string table follows the symbol table in every linker's output
        count = (tags[5] - tags[6]) // size
    else:
        count = 4096
    return min(count, _MAX_SYMBOLS)


def _symbols(raw: bytes, strings: bytes, order: str, wide: bool) -> list[Symbol]:
    size = 24 if wide else 16
    out = []
    form = order + ("IBBHQQ" if wide else "IIIBBH")
    for fields in struct.iter_unpack(form, raw[: len(raw) // size * size]):
        if wide:
            name, info, _other, index, value, length = fields
        else:
            name, value, length, info, _other, index = fields
        out.append(Symbol(_string(strings, name), value, length, info & 15, index != 0))
    return out


def _mips_got(image: Image, tags: dict[int, int], symbols: list[Symbol]) -> None:
    """MIPS keeps imports in the GOT without relocations: local entries, then one entry a symbol from DT_MIPS_GOTSYM
    on.
    """
    got = tags.get(3)
    if got is None:
        return
    image.gp = got + 0x7FF0
    local, first = tags.get(0x7000000A, 0), tags.get(0x70000013, 0)
    end = got + 4 * (local + max(0, len(symbols) - first))
    image.constant_ranges.append((got, end))
    for index, one in enumerate(symbols[first:]):
        value = one.value if one.defined else image.import_slot(one.name)
        if value:
            image.poke(got + 4 * (local + index), value)
            image.pointers.add(value)
    for index in range(2, min(local, 1 << 16)):
        value = image.number(got + 4 * index, 4)  # type: ignore[assignment]  # fields of a node are of any type
        if value:
            image.pointers.add(value)


def _relocate(image: Image, table: int, length: int, addend: bool, symbols: list[Symbol], order: str) -> None:
    wide = image.word == 8
    form = order + ("QQq" if addend else "QQ") if wide else order + ("IIi" if addend else "II")
    size = struct.calcsize(form)
    raw = image.bytes_at(table, min(length, 1 << 24))
    types = _RELOCATIONS[image.architecture]
    for fields in struct.iter_unpack(form, raw[: len(raw) // size * size]):
        place, info = fields[0], fields[1]
        kind, index = (info & 0xFFFFFFFF, info >> 32) if wide else (info & 0xFF, info >> 8)
        plus = fields[2] if addend else None
        symbol = symbols[index] if 0 < index < len(symbols) else None
        _apply(image, types, place, kind, symbol, plus)


def _apply(image: Image, types: _Relocations, place: int, kind: int, symbol: Symbol | None, plus: int | None) -> None:
    image.places.add(place)
    if kind in types.copy:
        if symbol is not None:
            image.data_imports[place] = symbol.name
        return
    before = plus if plus is not None else (image.number(place, image.word) or 0)
    if kind in types.relative or (symbol is None and kind in types.absolute):
        if plus is not None:
            image.poke(place, plus)
        image.pointers.add(before)
        return
    if symbol is None or kind not in types.absolute | types.slot:
        return
    base = symbol.value if symbol.defined else image.import_slot(symbol.name)
    value = base + before if kind in types.absolute else base
    image.poke(place, value)
    if symbol.defined:
        image.pointers.add(value)


def _symbol_table(image: Image, data: bytes, order: str, wide: bool) -> None:
    """Names from .symtab where a vendor forgot to strip, and the GOT of static MIPS programs."""
    form = order + ("Q" if wide else "I")
    (shoff,) = struct.unpack_from(form, data, 40 if wide else 32)
    shentsize, shnum, shstrndx = struct.unpack_from(order + "HHH", data, 58 if wide else 46)
    header = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    if not shoff or shentsize < struct.calcsize(header) or shoff + shnum * shentsize > len(data):
        return
    sections = [struct.unpack_from(header, data, shoff + index * shentsize) for index in range(shnum)]
    names = sections[shstrndx] if shstrndx < len(sections) else None
    for one in sections:
        if one[1] == 2 and one[6] < len(sections):
            strings = sections[one[6]]
            table = _symbols(
                data[one[4] : one[4] + one[5]][: 24 * _MAX_SYMBOLS],
                data[strings[4] : strings[4] + strings[5]],
                order,
                wide,
            )
            for symbol in table:
                if symbol.defined and symbol.kind in (2, 10) and symbol.value and symbol.name:
                    image.symbols.setdefault(symbol.name, symbol.value)
                    image.names.setdefault(_even(image, symbol.value), symbol.name)
        if names is not None and image.architecture == "mips" and not image.dynamic:
            title = _string(data[names[4] : names[4] + names[5]], one[0])
            if title == ".got":
                image.gp = one[3] + 0x7FF0
                image.constant_ranges.append((one[3], one[3] + one[5]))
