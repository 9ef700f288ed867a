"""JFFS2 with every compressor, in both byte orders, written as the kernel would."""

import lzma
import stat
import struct
import zlib
from collections.abc import Callable

import lzallright
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.jffs2 import Jffs2, crc
from customhouse.model import NodeKind, Outcome

TEXT = b"wpa_supplicant configuration\n" * 100


def lzma_bare(raw: bytes, context: int, position: int, pb: int) -> bytes:
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": 0x2000, "lc": context, "lp": position, "pb": pb}]
    return lzma.compress(raw, lzma.FORMAT_RAW, filters=chain)


def rtime(raw: bytes) -> bytes:
    """Run lengths against the place behind the last occurrence of a value."""
    places, made, at = [0] * 256, b"", 0
    while at < len(raw):
        value = raw[at]
        at += 1
        back, places[value], run = places[value], at, 0
        if back < at:
            while run < 255 and at + run < len(raw) and raw[back + run] == raw[at + run]:
                run += 1
        made += bytes([value, run])
        at += run
    return made


COMPRESSORS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, lambda raw: raw),
    "rtime": (2, rtime),
    "zlib": (6, zlib.compress),
    "lzo": (7, lambda raw: bytes(lzallright.LZOCompressor().compress(raw))),
    "lzma as OpenWrt": (8, lambda raw: lzma_bare(raw, 0, 0, 0)),
    "lzma lc=3 pb=2": (8, lambda raw: lzma_bare(raw, 3, 0, 2)),
}


class Maker:
    def __init__(self, order: str = "<", compressor: str = "zlib") -> None:
        self.order, self.image, self.version = order, b"", 0
        self.number, self.compress = COMPRESSORS[compressor]
        self._node(0x2003, b"")

    def _node(self, kind: int, body: bytes) -> None:
        header = struct.pack(self.order + "2HI", 0x1985, kind, 12 + len(body))
        node = header + struct.pack(self.order + "I", crc(header)) + body
        self.image += node + b"\xff" * (-len(node) % 4)

    def name(self, parent: int, inode: int, name: bytes) -> "Maker":
        self.version += 1
        body = struct.pack(self.order + "4I4B", parent, self.version, inode, 0, len(name), 0, 0, 0)
        header = struct.pack(self.order + "2HI", 0x1985, 0xE001, 40 + len(name))
        whole = header + struct.pack(self.order + "I", crc(header)) + body
        self._node(0xE001, body + struct.pack(self.order + "2I", crc(whole), crc(name)) + name)
        return self

    def piece(self, inode: int, mode: int, content: bytes = b"", offset: int = 0, size: int | None = None) -> "Maker":
        self.version += 1
        packed = self.compress(content) if content else b""
        size = offset + len(content) if size is None else size
        body = struct.pack(self.order + "3I2HI3I", inode, self.version, mode, 1000, 100, size, 0, 0, 0)
        kind = self.number if content else 0
        body += struct.pack(self.order + "3I2BH", offset, len(packed), len(content), kind, 0, 0)
        header = struct.pack(self.order + "2HI", 0x1985, 0xE002, 68 + len(packed))
        whole = header + struct.pack(self.order + "I", crc(header)) + body
        self._node(0xE002, body + struct.pack(self.order + "2I", crc(packed), crc(whole)) + packed)
        return self

    def done(self) -> bytes:
        return self.image + b"\xff" * (-len(self.image) % 4096)


def flash(order: str = "<", compressor: str = "zlib") -> bytes:
    maker = Maker(order, compressor)
    maker.name(1, 2, b"etc").piece(2, stat.S_IFDIR | 0o755)
    maker.name(2, 3, b"wpa.conf").piece(3, stat.S_IFREG | 0o600, TEXT)
    maker.name(1, 4, b"link").piece(4, stat.S_IFLNK | 0o777, b"etc/wpa.conf")
    maker.name(1, 5, b"ttyS0").piece(5, stat.S_IFCHR | 0o660, struct.pack(order + "H", 4 << 8 | 64))
    return maker.done()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_every_compressor_opens(order: str, compressor: str) -> None:
    tree, ending = read(Jffs2(), flash(order, compressor))
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {b"etc/wpa.conf": TEXT}
    assert tree.links == {b"link": b"etc/wpa.conf"}
    assert tree.specials == {b"ttyS0": (NodeKind.CHARACTER_DEVICE, (4, 64))}
    assert (tree.metas[b"etc/wpa.conf"].uid, tree.metas[b"etc/wpa.conf"].mode) == (1000, 0o600)


def test_the_newest_version_of_each_byte_wins() -> None:
    maker = Maker().name(1, 2, b"file").piece(2, stat.S_IFREG, b"a" * 3000)
    maker.piece(2, stat.S_IFREG, b"b" * 1000, offset=1000, size=3000)
    maker.piece(2, stat.S_IFREG, size=2500)
    assert read(Jffs2(), maker.done())[0].files == {b"file": b"a" * 1000 + b"b" * 1000 + b"a" * 500}


def test_a_deleted_name_is_gone_and_a_renamed_one_moved() -> None:
    maker = Maker().name(1, 2, b"old").piece(2, stat.S_IFREG, b"x").name(1, 0, b"old").name(1, 2, b"new")
    assert list(read(Jffs2(), maker.done())[0].files) == [b"new"]


def test_damaged_data_is_told_and_the_rest_is_read() -> None:
    maker = Maker(compressor="none").name(1, 2, b"bad").piece(2, stat.S_IFREG, b"B" * 500)
    image = bytearray(maker.name(1, 3, b"good").piece(3, stat.S_IFREG, b"G" * 500).done())
    image[image.index(b"BBBB") + 9] = 0
    tree, _ = read(Jffs2(), bytes(image))
    assert tree.files[b"good"] == b"G" * 500
    assert any("damaged" in trouble for trouble in tree.troubles)


def test_damage_between_nodes_is_searched_over() -> None:
    first = Maker().name(1, 2, b"one").piece(2, stat.S_IFREG, b"1").done()
    second = Maker().name(1, 3, b"two").piece(3, stat.S_IFREG, b"2").done()
    tree, _ = read(Jffs2(), first + b"garbage!" * 40 + second)
    assert set(tree.files) == {b"one", b"two"}


def test_a_directory_that_contains_itself_ends() -> None:
    maker = Maker().name(1, 2, b"loop").piece(2, stat.S_IFDIR | 0o755).name(2, 2, b"again")
    assert any("contains itself" in trouble for trouble in read(Jffs2(), maker.done())[0].troubles)


def test_the_magic_with_a_wrong_checksum_is_not_jffs2() -> None:
    assert Jffs2().probe(Window(b"\x85\x19\x01\xe0" + b"\x30\0\0\0" + b"nope" * 40)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Jffs2(), b"\x85\x19\x01\xe0" + tail)
    survives(Jffs2(), damaged(flash(), seed))


def test_a_file_packed_with_rubin_is_named_and_the_others_are_read() -> None:
    maker = Maker(compressor="none").name(1, 2, b"good").piece(2, stat.S_IFREG, b"G" * 500)
    maker.number = 5
    tree, _ = read(Jffs2(), maker.name(1, 3, b"rubin").piece(3, stat.S_IFREG, b"R" * 500).done())
    assert tree.files == {b"good": b"G" * 500}
    assert any("dynamic rubin" in trouble for trouble in tree.troubles)
