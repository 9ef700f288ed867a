"""uImages, single and multi-file."""

import struct
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.uimage import UImage
from customhouse.model import Outcome

KERNEL = b"a compressed kernel " * 50


def make(payload: bytes = KERNEL, kind: int = 2) -> bytes:
    fields = (0x27051956, 0, 1_600_000_000, len(payload), 0x80010000, 0x80010400, zlib.crc32(payload), 5, 5, kind, 3)
    header = struct.pack(">7I4B32s", *fields, b"MIPS Linux-3.10.14")
    return header[:4] + struct.pack(">I", zlib.crc32(header)) + header[8:] + payload


def test_the_payload_comes_out_and_the_header_is_told() -> None:
    tree, ending = read(UImage(), make() + b"what follows")
    assert (tree.files, ending.outcome) == ({b"payload": KERNEL}, Outcome.DONE)
    extent = UImage().probe(Window(make()))
    assert extent is not None
    assert extent.label == "MIPS Linux-3.10.14"
    assert extent.detail["architecture"] == "mips"
    assert extent.detail["compression"] == "lzma"
    assert extent.detail["load address"] == "0x80010000"


def test_every_file_of_a_multi_file_image_comes_out() -> None:
    payload = struct.pack(">3I", 5, 7, 0) + b"first" + bytes(3) + b"second!" + bytes(1)
    assert read(UImage(), make(payload, 4))[0].files == {b"payload-0": b"first", b"payload-1": b"second!"}


def test_a_changed_payload_is_told() -> None:
    _, ending = read(UImage(), make()[:-1] + b"?")
    assert ending.outcome is Outcome.PARTIAL
    assert "tampered" in ending.reason


def test_a_truncated_payload_is_told() -> None:
    _, ending = read(UImage(), make()[:-100])
    assert "truncated" in ending.reason


def test_a_header_that_makes_no_sense_is_not_a_uimage() -> None:
    assert UImage().probe(Window(b"\x27\x05\x19\x56" + b"text" * 40)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(UImage(), make()[:28] + tail)
    survives(UImage(), damaged(make(struct.pack(">3I", 5, 7, 0) + bytes(20), 4), seed))
