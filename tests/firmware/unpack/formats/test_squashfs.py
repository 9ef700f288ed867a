"""Squashfs in all the shapes that makers of devices gave it."""

import bz2
import lzma
import os
import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import lz4.block  # type: ignore[import-untyped]  # it ships no types
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import Recorded, read
from tests.firmware.unpack.squashfs_maker import Compress, Device, Link, Tree
from tests.firmware.unpack.squashfs_maker import Squashfs as Maker

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.squashfs import Squashfs
from customhouse.firmware.unpack.formats.squashfs_layout import Cursor, read_inode, read_superblock
from customhouse.model import NodeKind, Outcome

TEXT = b"".join(b"line %d of a file that packs well\n" % number for number in range(700))


def device_tree() -> Tree:
    """A small root file system: tails, several blocks, a hole, a link, device nodes, an empty file and folder."""
    return {
        b"bin": {b"busybox": TEXT, b"sh": Link(b"busybox")},
        b"dev": {b"console": Device(5, 1), b"mtdblock0": Device(31, 0, block=True)},
        b"etc": {
            b"passwd": b"root:x:0:0:root:/root:/bin/sh\n",
            b"empty": b"",
            b"sparse": b"a" * 4096 + bytes(8192) + b"b",
        },
        b"tmp": {},
        b"noise": random.Random(7).randbytes(9000),
    }


def lzma_raw(properties: int, header: bytes = b"") -> Compress:
    position, rest = divmod(properties, 45)
    literal_position, context = divmod(rest, 9)
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": context, "lp": literal_position, "pb": position}]
    return lambda raw: header + lzma.compress(raw, lzma.FORMAT_RAW, filters=chain)


def xz_with_branch_filter(raw: bytes) -> bytes:
    chain = [{"id": lzma.FILTER_ARM}, {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    return lzma.compress(raw, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=chain)


def without_xz_magic(raw: bytes) -> bytes:
    return b"VENDOR" + lzma.compress(raw, lzma.FORMAT_XZ, lzma.CHECK_CRC32)[6:]


def lz4_block(raw: bytes) -> bytes:
    return bytes(lz4.block.compress(raw, store_size=False))


COMPRESSORS: dict[str, tuple[int, Compress]] = {
    "gzip": (1, zlib.compress),
    "bare deflate": (1, lambda raw: zlib.compress(raw, wbits=-15)),
    "lzma alone": (2, lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE)),
    "lzma without a header": (2, lzma_raw(93)),
    "lzma under the number of gzip": (1, lzma_raw(93)),
    "lzma with a five-byte header": (2, lzma_raw(93, b"\x5d\x00\x00\x01\x00")),
    "lzma lc=0 lp=0 pb=0": (2, lzma_raw(0)),
    "lzma lc=1 lp=2 pb=2, five-byte header": (2, lzma_raw(109, b"\x6d\x00\x00\x80\x00")),
    "lzma lc=4 lp=0 pb=3 without a header": (2, lzma_raw(3 * 45 + 4)),
    "lzma properties first, stream at 4": (2, lzma_raw(93, b"\x5d\x00\x00\x00")),
    "xz": (4, lambda raw: lzma.compress(raw, lzma.FORMAT_XZ)),
    "xz with an ARM filter": (4, xz_with_branch_filter),
    "xz under another magic": (4, without_xz_magic),
    "lz4": (5, lz4_block),
    "zstd": (6, zstandard.ZstdCompressor().compress),
}


def check(tree: Recorded) -> None:
    expected = device_tree()
    assert tree.troubles == []
    assert tree.files[b"bin/busybox"] == TEXT
    assert tree.files[b"noise"] == expected[b"noise"]
    assert tree.files[b"etc/passwd"].startswith(b"root:x:0")
    assert tree.files[b"etc/empty"] == b""
    assert tree.files[b"etc/sparse"] == b"a" * 4096 + bytes(8192) + b"b"
    assert tree.links == {b"bin/sh": b"busybox"}
    assert tree.specials[b"dev/console"] == (NodeKind.CHARACTER_DEVICE, (5, 1))
    assert tree.specials[b"dev/mtdblock0"] == (NodeKind.BLOCK_DEVICE, (31, 0))
    assert b"tmp" in tree.directories


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_every_compressor_and_dialect_opens(compressor: str) -> None:
    number, compress = COMPRESSORS[compressor]
    tree, ending = read(Squashfs(), Maker(compressor=number, compress=compress).make(device_tree()))
    check(tree)
    assert ending.outcome is Outcome.DONE


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("major", [1, 2, 3, 4])
@pytest.mark.parametrize("fragments", [True, False])
@pytest.mark.parametrize("extended", [True, False])
def test_every_version_and_byte_order_opens(major: int, order: str, fragments: bool, extended: bool) -> None:
    maker = Maker(major=major, order=order, fragments=fragments, extended=extended)
    tree, ending = read(Squashfs(), maker.make(device_tree()))
    check(tree)
    assert ending.outcome is Outcome.DONE


@pytest.mark.parametrize("magic", [b"shsq", b"qshs", b"tqsh"])
@pytest.mark.parametrize("major", [3, 4])
def test_vendors_magics_with_bare_lzma_open(magic: bytes, major: int) -> None:
    maker = Maker(major=major, order=">", magic=magic, compress=lzma_raw(93))
    check(read(Squashfs(), maker.make(device_tree()))[0])


def test_the_marker_byte_of_version_3_is_skipped() -> None:
    check(read(Squashfs(), Maker(major=3, check_data=True).make(device_tree()))[0])


def test_owners_modes_and_setuid_are_facts() -> None:
    tree, _ = read(Squashfs(), Maker(uid=1000, gid=100, mode=0o4755).make({b"su": b"program"}))
    assert (tree.metas[b"su"].uid, tree.metas[b"su"].gid, tree.metas[b"su"].mode) == (1000, 100, 0o4755)


def test_a_directory_of_more_than_64_kib_is_read_to_its_end() -> None:
    names: Tree = {b"a rather long name of a file, number %05d" % number: b"x" for number in range(2500)}
    tree, _ = read(Squashfs(), Maker().make(names))
    assert len(tree.files) == 2500


def test_names_that_are_not_utf_8_keep_their_bytes() -> None:
    assert b"caf\xe9\xff" in read(Squashfs(), Maker().make({b"caf\xe9\xff": b"x"}))[0].files


def test_an_unknown_compressor_is_named_unsupported() -> None:
    image = Maker(compressor=9, compress=lambda raw: bz2.compress(raw)).make({b"a": TEXT, b"b": TEXT})
    tree, ending = read(Squashfs(), image)
    assert ending.outcome is Outcome.UNSUPPORTED
    assert "number 9" in ending.reason
    assert tree.files == {}


def test_a_truncated_image_gives_what_is_left_and_says_so() -> None:
    image = Maker(fragments=False).make({b"a": TEXT, b"b": random.Random(1).randbytes(5000)})
    broken = bytearray(image)
    broken[200:3000] = random.Random(2).randbytes(2800)  # data of the first file, tables untouched
    tree, _ = read(Squashfs(), bytes(broken))
    assert tree.troubles
    assert len(tree.files[b"b"]) == 5000


def test_a_directory_that_contains_itself_ends() -> None:
    image = bytearray(Maker(compress=lambda raw: raw).make({b"d": {b"e": b"1"}}))
    super_root = image[32:40]
    # Point the entry of `d` at the root's own inode: the listing of the root is the last one written.
    at = image.rindex(b"\1\0\0\0d") - 4
    image[at : at + 2] = super_root[0:2]
    tree, _ = read(Squashfs(), bytes(image))
    assert any("contains itself" in trouble for trouble in tree.troubles)


def test_text_that_mentions_the_magic_is_not_squashfs() -> None:
    assert Squashfs().probe(Window(b"hsqs is how a squashfs starts" + b"." * 200)) is None


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"hsqs", b"sqsh", b"qshs"]))
def test_any_bytes_behind_the_magic_give_an_outcome(data: bytes, magic: bytes) -> None:
    window = Window(magic + data)
    extent = Squashfs().probe(window)
    if extent is not None:
        assert isinstance(Squashfs().unpack(window.part(0, extent.size), Recorded()).outcome, Outcome)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([2, 3, 4]))
def test_flipped_bytes_give_an_outcome(seed: int, major: int) -> None:
    chance = random.Random(seed)
    image = bytearray(Maker(major=major).make({b"a": TEXT[:5000], b"d": {b"e": b"1", b"l": Link(b"../a")}}))
    for _ in range(chance.randint(1, 6)):
        image[chance.randrange(len(image))] = chance.randrange(256)
    window = Window(bytes(image[: chance.randint(100, len(image))]))
    extent = Squashfs().probe(window)
    if extent is not None:
        assert isinstance(Squashfs().unpack(window.part(0, extent.size), Recorded()).outcome, Outcome)


@pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="mksquashfs is not installed")
@pytest.mark.parametrize("compressor", ["gzip", "lzma", "lzo", "lz4", "xz", "zstd"])
def test_what_mksquashfs_makes_opens(tmp_path: Path, compressor: str) -> None:
    source = tmp_path / "root"
    (source / "etc").mkdir(parents=True)
    (source / "etc/passwd").write_bytes(b"root::0:0::/:/bin/sh\n")
    (source / "big").write_bytes(TEXT * 20)
    (source / "sh").symlink_to("/bin/busybox")
    (source / "again").hardlink_to(source / "big")
    for number in range(300):
        (source / f"small-{number}").write_bytes(os.urandom(number))
    image = tmp_path / "image"
    subprocess.run(["mksquashfs", source, image, "-comp", compressor, "-no-progress", "-quiet"], check=True)
    tree, ending = read(Squashfs(), image.read_bytes())
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert {path: len(content) for path, content in tree.files.items() if path.startswith(b"small")} == {
        b"small-%d" % number: number for number in range(300)
    }
    assert {*tree.files, *tree.hard} >= {b"big", b"again"}
    assert TEXT * 20 in tree.files.values()
    assert tree.links == {b"sh": b"/bin/busybox"}


def test_the_time_of_making_is_told_when_there_is_one() -> None:
    image = bytearray(Maker().make({b"a": b"x"}))
    extent = Squashfs().probe(Window(bytes(image)))
    assert extent is not None
    assert "created" not in extent.detail
    image[8:12] = (1_600_000_000).to_bytes(4, "little")
    extent = Squashfs().probe(Window(bytes(image)))
    assert extent is not None
    assert extent.detail["created"] == "1600000000"


@pytest.mark.parametrize("order", "<>")
def test_version_1_keeps_owners_by_sixteens_and_fifos_by_a_kind_of_their_own(order: str) -> None:
    """Written out by hand: inode kinds 6 to 10 are kinds 1 to 5 of owners 16 to 31, kind 0 names another behind it."""

    def bits(*fields: tuple[int, int]) -> bytes:
        made, shift, width = 0, 0, sum(size for _, size in fields)
        for value, size in fields:
            made |= value << (shift if order == "<" else width - shift - size)
            shift += size
        return made.to_bytes(width // 8, "little" if order == "<" else "big")

    super_ = read_superblock(Window(Maker(major=1, order=order).make({b"a": b"x" * 5000})))
    assert (super_.major, super_.block_size, super_.fragments) == (1, 4096, 0)
    owners = tuple(range(100, 132))
    device = bits((6 + 4, 4), (0o600, 12), (2, 4), (15, 4)) + struct.pack(order + "H", 0x1F03)
    fifo = bits((0, 4), (0o644, 12), (1, 4), (0, 4)) + bits((6, 4), (0, 4))
    found = [read_inode(_Plain(raw, order), super_, owners, (7,)) for raw in (device, fifo)]
    assert [(node.kind.name, node.uid, node.gid, node.device) for node in found] == [
        ("CHARACTER", 118, 118, (31, 3)),
        ("FIFO", 101, 7, (0, 0)),
    ]


class _Plain(Cursor):
    """Reads from bytes at hand."""

    def __init__(self, raw: bytes, order: str) -> None:
        self._raw, self._order = raw, order

    def bytes(self, count: int) -> bytes:
        piece, self._raw = self._raw[:count], self._raw[count:]
        return piece


def nested() -> Tree:
    """More inodes and names than one block of metadata holds, in two levels of folders."""
    noise = random.Random(11)
    folders: Tree = {}
    for number in range(8):
        folders[b"folder-%d" % number] = {
            b"file-%d-%d" % (number, n): b"%d %d " % (number, n) + noise.randbytes(40) for n in range(150)
        }
    return {b"etc": {b"passwd": b"root::0:0:root:/:/bin/sh\n"}, b"usr": folders}


def damaged_table(major: int, *, inodes: bool) -> bytes:
    """The image with the last block of inodes (the root's is in it) or the first block of names overwritten."""
    image = bytearray(Maker(major=major).make(nested()))
    super_ = read_superblock(Window(bytes(image)))
    at = last = super_.inode_table if inodes else super_.directory_table
    while inodes and at < super_.directory_table:
        last, at = at, at + 2 + (int.from_bytes(image[at : at + 2], "little") & 0x7FFF)
    image[last + 2 : last + 42] = bytes(40)
    return bytes(image)


@pytest.mark.parametrize("major", [2, 3, 4])
def test_without_the_root_inode_folders_come_out_with_their_names(major: int) -> None:
    tree, _ending = read(Squashfs(), damaged_table(major, inodes=True))
    named = {
        path.rpartition(b"/")[2]: content
        for path, content in tree.files.items()
        if b"/folder-" in path and b"/file-" in path
    }
    assert len(named) > 400
    assert all(content.startswith(b"%d %d " % tuple(map(int, name.split(b"-")[1:]))) for name, content in named.items())
    assert tree.troubles


@pytest.mark.parametrize("major", [2, 3, 4])
def test_where_names_are_lost_the_files_come_out_without(major: int) -> None:
    tree, _ending = read(Squashfs(), damaged_table(major, inodes=False))
    assert len(tree.files) == 8 * 150 + 1
    assert sum(path.startswith(b"lost+found/file-") for path in tree.files) > 100
    assert tree.troubles
