"""Kernels whose LZMA header someone took away."""

import bz2
import lzma
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.conftest import Unpack
from tests.firmware.unpack.recording import Recorded
from tests.firmware.unpack.squashfs_maker import Squashfs as Maker

from customhouse.firmware.unpack.bare_lzma import Bare, BareLzma, find_bare_lzma
from customhouse.firmware.unpack.format import Window
from customhouse.model import Outcome

CHANCE = random.Random(8)
WORDS = [CHANCE.randbytes(CHANCE.randint(3, 9)) for _ in range(1000)]
KERNEL = b"Linux version 2.6.31 (builder)" + b"".join(CHANCE.choice(WORDS) for _ in range(90_000))
PACKED = lzma.compress(KERNEL, lzma.FORMAT_ALONE)


@pytest.mark.parametrize("header", [b"", PACKED[:5], b"KRNL" + PACKED[:5], b"VENDOR\1\2" * 16 + PACKED[:9]])
def test_a_stream_is_found_behind_any_header(header: bytes) -> None:
    found = find_bare_lzma(memoryview(header + PACKED[13:]))
    assert found == Bare(len(header), 0x5D)


def test_unusual_properties_are_read_from_a_short_header() -> None:
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 1, "lp": 2, "pb": 1}]
    packed = bytes([(1 * 5 + 2) * 9 + 1]) + bytes([0, 0, 16, 0]) + lzma.compress(KERNEL, lzma.FORMAT_RAW, filters=chain)
    assert find_bare_lzma(memoryview(packed)) == Bare(5, 64)


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_hold_no_stream(seed: int) -> None:
    assert find_bare_lzma(memoryview(random.Random(seed).randbytes(200_000))) is None


@pytest.mark.parametrize("data", [b"\xff" * 100_000, bytes(100_000), zlib.compress(KERNEL), bz2.compress(KERNEL)])
def test_other_dense_or_empty_bytes_hold_no_stream(data: bytes) -> None:
    assert find_bare_lzma(memoryview(data)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_bytes_give_an_outcome(data: bytes, properties: int) -> None:
    ending = BareLzma(properties).unpack(Window(data or b"x"), Recorded())
    assert isinstance(ending.outcome, Outcome)


def test_the_kernel_of_an_image_comes_out(unpacked: Unpack) -> None:
    result = unpacked(b"vendor header, 32 bytes of it..." + PACKED[13:] + Maker().make({b"a": b"text " * 100}))
    assert any(path.read_bytes().startswith(b"Linux version 2.6.31") for path in result.contents.values())
    assert [extent.kind for extent in result.coverage.extents] == ["unknown", "lzma-bare", "squashfs"]
