"""ESP32 family images."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.esp_maker import descriptor, esp32
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.esp32 import Esp32
from customhouse.model import Outcome


@pytest.mark.parametrize(
    ("chip", "name"), [(0, "ESP32"), (2, "ESP32-S2"), (5, "ESP32-C3"), (9, "ESP32-S3"), (13, "ESP32-C6")]
)
def test_chip_version_and_idf_are_told(chip: int, name: str) -> None:
    image = esp32(chip)
    extent = Esp32().probe(Window(image + b"\xff" * 5000))
    assert extent is not None
    assert extent.size == len(image)
    assert extent.detail["chip"] == name
    assert extent.detail["IDF version"] == "v5.1.2"
    assert (extent.detail["project"], extent.detail["version"]) == ("lamp", "1.2.3")
    assert extent.detail["compiled"] == "Nov 22 2025 12:00:00"
    assert extent.detail["created"] == "1763812800"
    assert extent.detail["signature"] == "none"


def test_every_segment_comes_out_with_its_address() -> None:
    tree, ending = read(Esp32(), esp32())
    assert ending.outcome is Outcome.DONE
    assert list(tree.files) == [b"segment-0-drom-0x3c0a0020", b"segment-1-iram-0x40380000"]
    assert tree.files[b"segment-1-iram-0x40380000"] == b"code" * 100


def test_a_secure_boot_signature_is_seen() -> None:
    image = esp32()
    signed = image.ljust(4096, b"\xff") + b"\xe7\x02\0\0" + bytes(4092)
    extent = Esp32().probe(Window(signed))
    assert extent is not None
    assert extent.detail["signature"].startswith("secure boot version 2")
    assert extent.size == 8192


def test_a_changed_image_is_told() -> None:
    image = bytearray(esp32())
    image[600] ^= 1
    _, ending = read(Esp32(), bytes(image))
    assert (ending.outcome, "tampered" in ending.reason) == (Outcome.PARTIAL, True)


def test_bytes_that_look_like_a_header_are_not_an_image() -> None:
    wrong = esp32(segments=[(0x12340000, descriptor()), (0x40380000, b"code")])
    assert Esp32().probe(Window(wrong)) is None
    assert Esp32().probe(Window(esp32(chip=77))) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Esp32(), esp32()[:24] + tail)
    survives(Esp32(), damaged(esp32(), seed))
