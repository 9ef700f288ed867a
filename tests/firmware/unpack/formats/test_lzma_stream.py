"""LZMA streams with their 13-byte header."""

import lzma
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.lzma_stream import LzmaStream
from customhouse.model import Outcome

CHANCE = random.Random(4)
CONTENT = b"".join(b"Linux version 3.3.8 and more text\n" * 900 + CHANCE.randbytes(40_000) for _ in range(4))
PACKED = lzma.compress(CONTENT, lzma.FORMAT_ALONE)


def with_size(packed: bytes) -> bytes:
    """The size instead of the mark for "unknown"; Python writes the latter."""
    return packed[:5] + len(CONTENT).to_bytes(8, "little") + packed[13:]


def vendor() -> bytes:
    """Properties that some makers choose, bare stream with a header by hand."""
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 1, "lp": 2, "pb": 2}]
    header = bytes([(2 * 5 + 2) * 9 + 1]) + (1 << 20).to_bytes(4, "little") + len(CONTENT).to_bytes(8, "little")
    return header + lzma.compress(CONTENT, lzma.FORMAT_RAW, filters=chain)


@pytest.mark.parametrize(
    "image", [PACKED, with_size(PACKED), vendor()], ids=["end mark", "size in the header", "lc=1 lp=2 pb=2"]
)
def test_the_content_comes_out_and_what_follows_is_left_alone(image: bytes) -> None:
    tree, ending = read(LzmaStream(), image + b"something else" * 50)
    assert list(tree.files.values()) == [CONTENT]
    assert ending.outcome is Outcome.DONE
    extent = LzmaStream().probe(Window(image + b"something else" * 50))
    assert extent is not None
    assert extent.size == len(image)


def test_a_stream_that_is_cut_off_gives_what_is_left_and_says_so() -> None:
    tree, ending = read(LzmaStream(), PACKED[: len(PACKED) * 2 // 3])
    [content] = tree.files.values()
    assert CONTENT.startswith(content)
    assert len(content) > 10_000
    assert ending.outcome is Outcome.PARTIAL


def test_the_magic_alone_is_not_enough() -> None:
    assert LzmaStream().probe(Window(PACKED[:13] + b"no such stream " * 40)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(LzmaStream(), PACKED[:13] + tail)
    survives(LzmaStream(), damaged(PACKED, seed))


def test_zeros_that_happen_to_decode_are_not_a_stream() -> None:
    """As in an empty file system: bytes 00 00 00 01 00 and zeros behind them."""
    assert LzmaStream().probe(Window(bytes.fromhex("0000000001002e2e00") + bytes(75_000))) is None
    assert LzmaStream().probe(Window(bytes.fromhex("5d00008000") + b"\xff" * 8 + bytes(75_000))) is None
