"""Small writers of Espressif images."""

import hashlib
import struct
import zlib
from functools import reduce
from operator import xor

Segments = list[tuple[int, bytes]]


def _body(segments: Segments) -> bytes:
    return b"".join(struct.pack("<2I", address, len(data)) + data for address, data in segments)


def _checked(image: bytes, segments: Segments) -> bytes:
    value = reduce(xor, b"".join(data for _, data in segments), 0xEF)
    return image + bytes(15 - len(image) % 16) + bytes([value])


def descriptor(project: bytes = b"lamp", version: bytes = b"1.2.3", idf: bytes = b"v5.1.2") -> bytes:
    made = struct.pack("<4I", 0xABCD5432, 3, 0, 0) + version.ljust(32, b"\0") + project.ljust(32, b"\0")
    return made + b"12:00:00".ljust(16, b"\0") + b"Nov 22 2025".ljust(16, b"\0") + idf.ljust(32, b"\0") + bytes(32 + 80)


def esp32(chip: int = 5, segments: Segments | None = None, *, hashed: bool = True) -> bytes:
    """An application image; of chip 5, an ESP32-C3."""
    segments = segments or [(0x3C0A0020, descriptor() + b"strings " * 60), (0x40380000, b"code" * 100)]
    head = struct.pack("<4BI", 0xE9, len(segments), 2, 0x20, 0x40380100)
    head += struct.pack("<4BHB2H4xB", 0xEE, 0, 0, 0, chip, 0, 0, 99, hashed)
    image = _checked(head + _body(segments), segments)
    return image + (hashlib.sha256(image).digest() if hashed else b"")


def esp8266(segments: Segments | None = None) -> bytes:
    """Version 1, as an Arduino build or a boot loader has it."""
    segments = segments or [(0x40100000, b"code" * 50), (0x3FFE8000, b"data" * 20)]
    return _checked(struct.pack("<4BI", 0xE9, len(segments), 0, 0x40, 0x40100010) + _body(segments), segments)


def esp8266_user1() -> bytes:
    """Version 2: the flash-mapped part first, then the segments for memory, a checksum and a CRC."""
    irom = struct.pack("<4B3I", 0xEA, 4, 0, 1, 0x40100010, 0, 4096) + b"flash mapped program".ljust(4096, b"\0")
    segments: Segments = [(0x40100000, b"code" * 50), (0x3FFE8000, b"data" * 20)]
    inner = struct.pack("<4BI", 0xE9, len(segments), 0, 1, 0x40100010) + _body(segments)
    image = _checked(irom + inner, segments)
    crc = zlib.crc32(image)
    return image + struct.pack("<I", crc ^ 0xFFFFFFFF if crc & 0x80000000 else crc + 1)


def table(*partitions: tuple[bytes, int, int, int, int, int]) -> bytes:
    """A partition table of (label, type, subtype, offset, size, flags), with its MD5."""
    made = b"".join(
        struct.pack("<2s2B2I16sI", b"\xaa\x50", type_, subtype, offset, size, label, flags)
        for label, type_, subtype, offset, size, flags in partitions
    )
    digest = b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(made, usedforsecurity=False).digest()
    return (made + digest).ljust(0xC00, b"\xff")


def nvs(values: dict[tuple[bytes, bytes], bytes | int], *, wifi_blobs: bool = True) -> bytes:
    """One page; bytes become blobs where the key is one of Wi-Fi's, else strings."""
    spaces = sorted({space for space, _ in values})
    entries = b""
    for number, space in enumerate(spaces, 1):
        entries += _entry(0, 0x01, 1, space, bytes([number]))
    for (space, key), value in values.items():
        number = spaces.index(space) + 1
        if isinstance(value, int):
            entries += _entry(number, 0x14, 1, key, struct.pack("<i", value))
            continue
        kind = 0x42 if wifi_blobs and key.startswith(b"sta.") else 0x21
        data = value if kind == 0x42 else value + b"\0"
        span = 1 + -(-len(data) // 32)
        entries += _entry(number, kind, span, key, struct.pack("<HHI", len(data), 0xFFFF, zlib.crc32(data)))
        entries += data.ljust((span - 1) * 32, b"\xff")
    count = len(entries) // 32
    states = (1 << 256) - 1
    for entry in range(count):
        states &= ~(1 << (2 * entry))
    head = struct.pack("<2IB19s", 0xFFFFFFFE, 0, 0xFE, b"\xff" * 19)
    head += struct.pack("<I", zlib.crc32(head[4:28], 0xFFFFFFFF))
    return (head + states.to_bytes(32, "little") + entries).ljust(4096, b"\xff")


def _entry(space: int, kind: int, span: int, key: bytes, data: bytes) -> bytes:
    return struct.pack("<4BI16s", space, kind, span, 0, 0, key) + data.ljust(8, b"\xff")
