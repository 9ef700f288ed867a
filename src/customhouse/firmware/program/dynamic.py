"""The dynamic section of an ELF file: what is imported and exported, and relocations applied as the loader would.

Source: System V ABI with the processor supplements of ARM, AArch64, MIPS, x86-64 and i386.
"""

import struct
from typing import NamedTuple

from .elf import Image, Symbol
from .symbols import dynamic_symbols, string


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


_PACKED = 36
"""DT_RELR: relocations as a bitmap, which we do not read."""


def link(image: Image, raw: bytes, order: str) -> None:
    """Read the dynamic section `raw` and do to the image what the dynamic loader would."""
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
    image.needed = tuple(string(strings, at) for at in needed)
    image.soname = string(strings, tags[14]) if 14 in tags else ""
    symbols = image.dynamic_symbols = dynamic_symbols(image, tags, strings, order)
    for one in symbols:
        if one.defined and one.name and one.kind == 2 and one.value:
            image.exports[one.name] = one.value
            image.names.setdefault(image.even(one.value), one.name)
    if image.architecture == "mips":
        _mips_got(image, tags, symbols)
    for table, length, addend in ((7, 8, True), (17, 18, False), (23, 2, tags.get(20) == 7)):
        if table in tags:
            _relocate(image, tags[table], tags.get(length, 0), addend, symbols, order)
    _got(image, tags)
    image.linking = _tables_end(image, tags)
    for array, length in ((25, 27), (26, 28), (32, 33)):
        for at in range(0, min(tags.get(length, 0), 4096), image.word):
            value = image.number(tags.get(array, 0) + at, image.word)
            if value and image.executable(image.even(value)):
                image.initial.append(value)
    image.initial += [tags[tag] for tag in (12, 13) if tags.get(tag) and image.executable(image.even(tags[tag]))]


def _tables_end(image: Image, tags: dict[int, int]) -> int:
    """The end of the names and relocations that lie in front of the code; 0 when they lie elsewhere."""
    code = min(image.entry or tags.get(12, 0), tags.get(12, image.entry))
    ends = (tags[table] + tags.get(size, 0) for table, size in ((5, 10), (7, 8), (17, 18), (23, 2)) if table in tags)
    return max((end for end in ends if end <= code), default=0)


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
        known = image.number(got + 4 * index, 4)
        if known:
            image.pointers.add(known)


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
