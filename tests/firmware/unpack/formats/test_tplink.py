"""TP-Link's firmware header."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.tplink import TpLink
from customhouse.model import Outcome


def make(kernel_size: int = 900_000) -> bytes:
    head = struct.pack(">4s24s36s3I", b"\1\0\0\0", b"TP-LINK Technologies", b"ver. 1.0", 0x08410011, 1, 0)
    places = (0x80060000, 0x80060000, 0x3C0000, 0x200, kernel_size, 0x100000, 0x2C0000, 0, 0)
    head += struct.pack(">16sI16sI9I3H", bytes(16), 0, bytes(16), 0, *places, 3, 16, 9)
    return head.ljust(512, b"\0") + b"kernel" * 200


def test_the_header_is_explained() -> None:
    tree, ending = read(TpLink(), make())
    extent = TpLink().probe(Window(make()))
    assert extent is not None
    assert (extent.size, ending.outcome) == (512, Outcome.DONE)
    assert extent.detail["vendor"] == "TP-LINK Technologies"
    assert extent.detail["firmware version"] == "3.16.9"
    assert extent.detail["hardware"] == "0x08410011 revision 1"
    assert list(tree.files) == [b"header"]


def test_text_behind_a_number_is_not_the_header() -> None:
    assert TpLink().probe(Window(b"\1\0\0\0" + b"Some vendor that is none " * 40)) is None
    assert TpLink().probe(Window(make(kernel_size=1 << 30))) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(TpLink(), make()[:28] + tail)
    survives(TpLink(), damaged(make(), seed))
