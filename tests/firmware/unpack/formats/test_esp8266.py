"""ESP8266 images."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.esp_maker import esp8266, esp8266_user1
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.esp8266 import Esp8266
from customhouse.model import Outcome


def test_version_1_gives_its_segments() -> None:
    tree, ending = read(Esp8266(), esp8266() + b"\xff" * 100)
    assert ending.outcome is Outcome.DONE
    assert tree.files == {
        b"segment-0-iram-0x40100000": b"code" * 50,
        b"segment-1-dram-0x3ffe8000": b"data" * 20,
    }


def test_user1_gives_the_flash_mapped_part_too() -> None:
    image = esp8266_user1()
    extent = Esp8266().probe(Window(image))
    assert extent is not None
    assert (extent.size, extent.detail["image version"], extent.detail["chip"]) == (len(image), "2", "ESP8266")
    tree, _ = read(Esp8266(), image)
    assert tree.files[b"segment-0-irom-0x00000000"].startswith(b"flash mapped program")
    assert len(tree.files) == 3


def test_a_changed_image_is_told_when_it_is_large_enough_to_be_one() -> None:
    image = bytearray(esp8266([(0x40100000, b"code" * 5000)]))
    image[300] ^= 1
    assert read(Esp8266(), bytes(image))[1].outcome is Outcome.PARTIAL


def test_a_small_block_with_a_wrong_checksum_is_not_an_image() -> None:
    assert Esp8266().probe(Window(esp8266()[:-1] + b"?")) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Esp8266(), esp8266()[:8] + tail)
    survives(Esp8266(), damaged(esp8266_user1(), seed))
