"""Symbols of ELF files: the dynamic table, and the static one where a vendor forgot to strip it.

Source: System V ABI, chapters on object files and dynamic linking.
"""

import struct

from .elf import Image, Symbol

_MAX_SYMBOLS = 200_000


def string(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at)
    return strings[at : max(end, at)].decode("latin-1") if 0 <= at < len(strings) else ""


def dynamic_symbols(image: Image, tags: dict[int, int], strings: bytes, order: str) -> list[Symbol]:
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
        out.append(Symbol(string(strings, name), value, length, info & 15, index != 0))
    return out


def symbol_table(image: Image, data: bytes, order: str, wide: bool) -> None:
    """Names from .symtab where a vendor forgot to strip, the GOT of static MIPS programs, and constants with addresses
    in them, which not every linker has the loader protect.
    """
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
                    image.names.setdefault(image.even(symbol.value), symbol.name)
        title = string(data[names[4] : names[4] + names[5]], one[0]) if names is not None else ""
        if title == ".data.rel.ro":
            image.constant_ranges.append((one[3], one[3] + one[5]))
        elif title == ".got" and image.architecture == "mips" and not image.dynamic:
            image.gp = one[3] + 0x7FF0
            image.constant_ranges.append((one[3], one[3] + one[5]))
