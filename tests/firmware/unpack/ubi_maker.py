"""Small writers of UBI and UBIFS."""

import stat
import struct
import zlib
from collections.abc import Callable

import zstandard

from customhouse.firmware.unpack.formats.ubi import crc

ERASE_BLOCK = 4096 * 4
LEB = ERASE_BLOCK - 128


def _header(body: bytes) -> bytes:
    return body + struct.pack(">I", crc(body))


def _erase_block(volume: int, number: int, content: bytes, *, static: bool = False, sequence: int = 0) -> bytes:
    counter = _header(b"UBI#\x01\0\0\0" + struct.pack(">Q3I", 1, 64, 128, 7) + bytes(32))
    identity = b"UBI!\x01" + bytes([2 if static else 1, 0, 0]) + struct.pack(">2I4x", volume, number)
    identity += struct.pack(">4I4xQ12x", len(content) if static else 0, 1, 0, crc(content) if static else 0, sequence)
    return (counter + _header(identity) + content).ljust(ERASE_BLOCK, b"\xff")


def _record(name: bytes) -> bytes:
    record = struct.pack(">3I2BH", 8, 1, 0, 1, 0, len(name)) + name.ljust(128, b"\0") + bytes(24)
    return record + struct.pack(">I", crc(record))


def ubi(volumes: dict[bytes, bytes], *, static: bool = False) -> bytes:
    """An image with the named volumes."""
    table = b"".join(_record(name) for name in volumes) + _header(bytes(168)) * (128 - len(volumes))
    image = _erase_block(0x7FFFEFFF, 0, table[:LEB]) + _erase_block(0x7FFFEFFF, 1, table[:LEB])
    for volume, content in enumerate(volumes.values()):
        for number, at in enumerate(range(0, len(content), LEB)):
            image += _erase_block(volume, number, content[at : at + LEB], static=static)
    return image + _header(b"UBI#\x01\0\0\0" + struct.pack(">Q3I", 1, 64, 128, 7) + bytes(32)).ljust(
        ERASE_BLOCK, b"\xff"
    )


def replaced(image: bytes, volume: int, number: int, content: bytes) -> bytes:
    """The image with a newer copy of one logical block."""
    return image + _erase_block(volume, number, content, sequence=99)


_COMPRESS: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    2: lambda raw: zlib.compress(raw, wbits=-15),
    3: lambda raw: zstandard.ZstdCompressor().compress(raw),
}


class Ubifs:
    """Nodes one after another; no index, which the reader does not need."""

    def __init__(self, compressor: int = 2) -> None:
        self.compressor, self.sequence, self.image = compressor, 0, b""
        super_ = struct.pack("<2x2B I 4I Q 8I", 0, 0, 0, 2048, LEB, 8, 8, 0, 1, 1, 1, 1, 1, 1, 4, 4)
        self._node(6, super_.ljust(4072, b"\0"))

    def _node(self, kind: int, body: bytes) -> None:
        self.sequence += 1
        rest = struct.pack("<QI2B2x", self.sequence, 24 + len(body), kind, 0) + body
        node = b"\x31\x18\x10\x06" + struct.pack("<I", crc(rest)) + rest
        self.image += node + bytes(-len(node) % 8)

    def inode(self, number: int, mode: int, *, size: int = 0, data: bytes = b"", links: int = 1) -> "Ubifs":
        body = struct.pack("<2I8x 2Q 3Q 3I 5I", number, 0, 0, size, 0, 0, 0, 0, 0, 0, links, 1000, 100, mode, 0)
        self._node(0, body + struct.pack("<I", len(data)) + bytes(44) + data)
        return self

    def name(self, parent: int, number: int, name: bytes) -> "Ubifs":
        key = zlib.crc32(name) & 0x1FFFFFFF | 2 << 29
        self._node(2, struct.pack("<2I8xQ2BHI", parent, key, number, 0, 0, len(name), 0) + name + b"\0")
        return self

    def content(self, number: int, content: bytes) -> "Ubifs":
        for block, at in enumerate(range(0, len(content), 4096)):
            raw = content[at : at + 4096]
            packed = _COMPRESS[self.compressor](raw)
            self._node(
                1, struct.pack("<2I8xI2H", number, block | 1 << 29, len(raw), self.compressor, len(packed)) + packed
            )
        return self

    def cut(self, number: int, size: int) -> "Ubifs":
        self._node(4, struct.pack("<I12x2Q", number, 1 << 20, size))
        return self

    def done(self) -> bytes:
        return self.image.ljust(LEB * 8, b"\xff")


def sample(compressor: int = 2, text: bytes = b"kept in flash\n" * 1000) -> bytes:
    """A file system with a file of several blocks, a link, a device node and a folder."""
    made = Ubifs(compressor).inode(1, stat.S_IFDIR | 0o755, links=2)
    made.name(1, 2, b"etc").inode(2, stat.S_IFDIR | 0o755)
    made.name(2, 3, b"config").inode(3, stat.S_IFREG | 0o640, size=len(text)).content(3, text)
    made.name(1, 4, b"link").inode(4, stat.S_IFLNK | 0o777, data=b"etc/config")
    made.name(1, 5, b"null").inode(5, stat.S_IFCHR | 0o666, data=struct.pack("<I", 1 << 8 | 3))
    return made.done()
