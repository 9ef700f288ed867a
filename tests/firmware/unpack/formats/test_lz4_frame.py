"""LZ4 frames, current and legacy."""

import random
import struct

import lz4.block  # type: ignore[import-untyped]  # it ships no types
import lz4.frame  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.lz4_frame import Lz4
from customhouse.model import Outcome

CHANCE = random.Random(4)
CONTENT = b"".join(b"Linux version 3.3.8 and more text\n" * 900 + CHANCE.randbytes(40_000) for _ in range(4))
PACKED = lz4.frame.compress(CONTENT, block_size=lz4.frame.BLOCKSIZE_MAX64KB)


@pytest.mark.parametrize("image", [PACKED], ids=["frame"])
def test_the_content_comes_out_and_what_follows_is_left_alone(image: bytes) -> None:
    tree, ending = read(Lz4(), image + b"something else" * 50)
    assert list(tree.files.values()) == [CONTENT]
    assert ending.outcome is Outcome.DONE
    extent = Lz4().probe(Window(image + b"something else" * 50))
    assert extent is not None
    assert extent.size == len(image)


def test_a_stream_that_is_cut_off_gives_what_is_left_and_says_so() -> None:
    tree, ending = read(Lz4(), PACKED[: len(PACKED) * 2 // 3])
    [content] = tree.files.values()
    assert CONTENT.startswith(content)
    assert len(content) > 10_000
    assert ending.outcome is Outcome.PARTIAL


def test_the_magic_alone_is_not_enough() -> None:
    assert Lz4().probe(Window(PACKED[:7] + b"no such stream " * 40)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Lz4(), PACKED[:7] + tail)
    survives(Lz4(), damaged(PACKED, seed))


def test_the_legacy_frames_of_kernels_open() -> None:
    pieces = [(CONTENT * 100)[: 8 << 20], b"the end " * 1000]
    packed = [lz4.block.compress(piece, store_size=False) for piece in pieces]
    image = b"\x02\x21\x4c\x18" + b"".join(struct.pack("<I", len(piece)) + piece for piece in packed)
    tree, ending = read(Lz4(), image + bytes(8))
    assert list(tree.files.values()) == [b"".join(pieces)]
    assert ending.outcome is Outcome.DONE
