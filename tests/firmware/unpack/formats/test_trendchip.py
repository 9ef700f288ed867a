"""The header of Trendchip/EcoNet firmware."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.trendchip import Trendchip

IMAGE = (b"2RDH" + struct.pack(">2I", 0x100, 3_500_000)).ljust(0x100, b"\0") + b"kernel" * 50


def test_the_header_is_explained_and_the_kernel_left_alone() -> None:
    extent = Trendchip().probe(Window(IMAGE))
    assert extent is not None
    assert (extent.size, extent.detail) == (0x100, {"length": "3500000"})
    assert read(Trendchip(), IMAGE)[0].files == {b"header": IMAGE[:0x100]}


def test_an_impossible_length_is_not_the_header() -> None:
    assert Trendchip().probe(Window(b"2RDH\0\0" + b"\xff" * 600)) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Trendchip(), IMAGE[:8] + tail)
    survives(Trendchip(), damaged(IMAGE, seed))
