"""UBIFS: the newest node of every key counts."""

import stat
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives
from tests.firmware.unpack.ubi_maker import Ubifs as Maker
from tests.firmware.unpack.ubi_maker import sample

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.ubifs import Ubifs
from customhouse.model import NodeKind, Outcome

TEXT = b"kept in flash\n" * 1000


@pytest.mark.parametrize("compressor", [0, 2, 3])
def test_every_compressor_opens(compressor: int) -> None:
    tree, ending = read(Ubifs(), sample(compressor))
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {b"etc/config": TEXT}
    assert tree.links == {b"link": b"etc/config"}
    assert tree.specials == {b"null": (NodeKind.CHARACTER_DEVICE, (1, 3))}
    assert (tree.metas[b"etc/config"].uid, tree.metas[b"etc/config"].mode) == (1000, 0o640)


def test_deleted_and_shortened_files_are_seen_as_they_are_now() -> None:
    made = Maker().inode(1, stat.S_IFDIR | 0o755)
    made.name(1, 2, b"gone").inode(2, stat.S_IFREG, size=5).content(2, b"gone!").name(1, 0, b"gone")
    made.name(1, 3, b"short").inode(3, stat.S_IFREG, size=9000).content(3, b"a" * 9000)
    made.cut(3, 100).inode(3, stat.S_IFREG, size=5000)
    assert read(Ubifs(), made.done())[0].files == {b"short": b"a" * 4096 + bytes(904)}


def test_a_directory_that_contains_itself_ends() -> None:
    made = Maker().inode(1, stat.S_IFDIR | 0o755).name(1, 1, b"loop")
    assert any("contains itself" in trouble for trouble in read(Ubifs(), made.done())[0].troubles)


def test_damaged_nodes_are_told() -> None:
    image = bytearray(sample(0))
    image[image.index(b"kept in flash") + 3] ^= 1
    assert any("damaged" in trouble for trouble in read(Ubifs(), bytes(image))[0].troubles)


def test_a_superblock_with_a_wrong_checksum_is_not_ubifs() -> None:
    assert Ubifs().probe(Window(b"\x31\x18\x10\x06" + bytes(16) + b"\x06\0\0\0" + struct.pack("<I", 9) * 2000)) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Ubifs(), sample()[:4096] + tail)
    survives(Ubifs(), damaged(sample(), seed))
