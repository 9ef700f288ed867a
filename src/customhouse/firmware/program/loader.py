"""Reads an ELF program or shared library as the loader of the device would.

Only program headers and the dynamic section are trusted, since firmware vendors strip sections; section headers are a
fallback for static programs' symbol tables.
"""

import struct

from .dynamic import link
from .elf import Image, Segment
from .symbols import symbol_table

_MACHINES = {40: "arm", 183: "arm64", 8: "mips", 62: "x86_64", 3: "i386"}
_COMPRESSED = 0x06000000
"""EF_MIPS_ARCH_ASE_M16 and EF_MIPS_MICROMIPS."""
_MAX_SEGMENTS = 128


class NotAProgram(ValueError):
    """The bytes are no ELF that a device of a known architecture could run."""


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
        link(image, dynamic, order)
    image.headers = (_placed(data, image, phoff), phentsize, phnum)
    linked = image.needed or image.interpreter or image.exports or image.import_address or image.soname
    image.static = not linked and image.executable(entry & ~1)
    symbol_table(image, data, order, wide)
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


def _register_info(data: bytes, order: str, offset: int) -> int | None:
    """The global pointer of a MIPS program (PT_MIPS_REGINFO); a dynamic one's follows from its table anyway."""
    (found,) = struct.unpack_from(order + "I", data, offset + 20)
    return int(found) or None
