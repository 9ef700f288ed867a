"""Cramfs, made here for both byte orders, and by mkfs.cramfs where it is installed."""

import lzma
import shutil
import stat
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.cramfs import Cramfs
from customhouse.model import NodeKind, Outcome

TEXT = b"some text in a camera\n" * 600
ENTRIES = (
    (b"busybox", stat.S_IFREG | 0o4755, TEXT),
    (b"console", stat.S_IFCHR | 0o600, (5, 1)),
    (b"hole", stat.S_IFREG | 0o644, bytes(4096) + b"end"),
    (b"sh", stat.S_IFLNK | 0o777, b"busybox"),
)


def inode(order: str, mode: int, size: int, length: int, offset: int) -> bytes:
    pairs = ((mode, 16, 7), (size, 24, 9), (length // 4, 6, offset // 4))
    words = [first | rest << bits if order == "<" else first << (32 - bits) | rest for first, bits, rest in pairs]
    return struct.pack(order + "3I", *words)


def blocks(order: str, content: bytes, at: int, compress: Callable[[bytes], bytes]) -> bytes:
    pieces = [content[n : n + 4096] for n in range(0, len(content), 4096)]
    packed = [b"" if not piece.strip(b"\0") else compress(piece) for piece in pieces]
    pointers, end = b"", at + 4 * len(pieces)
    for piece in packed:
        end += len(piece)
        pointers += struct.pack(order + "I", end)
    return pointers + b"".join(packed)


def make(order: str = "<", compress: Callable[[bytes], bytes] = zlib.compress, pad: int = 0) -> bytes:
    """A root directory with a program, a device node, a file with a hole and a link. `pad` bytes stood before it."""
    names = [name.ljust(-(-len(name) // 4) * 4, b"\0") for name, _, _ in ENTRIES]
    listing = sum(12 + len(name) for name in names)
    at, bodies, directory = pad + 76 + listing, b"", b""
    for name, (_, mode, value) in zip(names, ENTRIES, strict=True):
        if not isinstance(value, bytes):
            directory += inode(order, mode, value[0] << 8 | value[1], len(name), 0) + name
            continue
        body = blocks(order, value, at + len(bodies), compress)
        directory += inode(order, mode, len(value), len(name), at + len(bodies)) + name
        bodies += body + bytes(-len(body) % 4)
    size = at + len(bodies)
    magic = struct.pack(order + "I", 0x28CD3D45)
    root = inode(order, stat.S_IFDIR | 0o755, listing, 0, pad + 76)
    rest = struct.pack(order + "3I", 0, 1, len(ENTRIES) + 1) + b"Camera".ljust(16, b"\0") + root + directory + bodies
    head = magic + struct.pack(order + "3I", size, 3, 0) + b"Compressed ROMFS"
    crc = zlib.crc32(head + bytes(4) + rest)
    return head + struct.pack(order + "I", crc) + rest


@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders_open(order: str) -> None:
    tree, ending = read(Cramfs(), make(order))
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {b"busybox": TEXT, b"hole": bytes(4096) + b"end"}
    assert tree.links == {b"sh": b"busybox"}
    assert tree.specials == {b"console": (NodeKind.CHARACTER_DEVICE, (5, 1))}
    assert (tree.metas[b"busybox"].mode, tree.metas[b"busybox"].uid, tree.metas[b"busybox"].gid) == (0o4755, 7, 9)


@pytest.mark.parametrize("order", "<>")
def test_an_image_with_room_for_a_boot_sector_opens(order: str) -> None:
    image = make(order, pad=512)
    tree, ending = read(Cramfs(), b"\0" * 512 + image + b"\xff" * 700, 512)
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {b"busybox": TEXT, b"hole": bytes(4096) + b"end"}
    extent = Cramfs().probe(Window(image))
    assert extent is not None
    assert extent.size == len(image)


def test_blocks_packed_with_lzma_open() -> None:
    tree, _ = read(Cramfs(), make(compress=lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE)))
    assert tree.files[b"busybox"] == TEXT


def test_a_changed_byte_is_told() -> None:
    image = bytearray(make())
    image[-2] ^= 1
    _, ending = read(Cramfs(), bytes(image))
    assert ending.outcome is Outcome.PARTIAL


def test_the_magic_without_the_signature_is_not_cramfs() -> None:
    assert Cramfs().probe(Window(make()[:16] + bytes(200))) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Cramfs(), make()[:64] + tail)
    survives(Cramfs(), damaged(make(">"), seed))


@pytest.mark.skipif(shutil.which("mkfs.cramfs") is None, reason="mkfs.cramfs is not installed")
@pytest.mark.parametrize("order", ["little", "big"])
def test_what_mkfs_cramfs_makes_opens(tmp_path: Path, order: str) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/passwd").write_bytes(b"root::0:0::/:/bin/sh\n")
    (tmp_path / "root/big").write_bytes(TEXT * 3)
    subprocess.run(["mkfs.cramfs", "-N", order, tmp_path / "root", tmp_path / "image"], check=True, capture_output=True)
    tree, ending = read(Cramfs(), (tmp_path / "image").read_bytes())
    assert ending.outcome is Outcome.DONE
    assert tree.files == {b"etc/passwd": b"root::0:0::/:/bin/sh\n", b"big": TEXT * 3}
