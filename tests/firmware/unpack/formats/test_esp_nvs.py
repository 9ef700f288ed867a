"""NVS, where Wi-Fi credentials lie."""

import struct
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.esp_maker import nvs
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.esp_nvs import EspNvs
from customhouse.model import Outcome

PAGE = nvs(
    {
        (b"nvs.net80211", b"sta.ssid"): struct.pack("<I", 6) + b"HomeAP".ljust(32, b"\0"),
        (b"nvs.net80211", b"sta.pswd"): b"correct horse".ljust(65, b"\0"),
        (b"app", b"server"): b"mqtt.example.net",
        (b"app", b"retries"): -3,
    }
)


def test_wifi_credentials_and_settings_come_out() -> None:
    tree, ending = read(EspNvs(), PAGE + b"\xff" * 4096)
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {
        b"nvs.net80211/sta.ssid": b"HomeAP",
        b"nvs.net80211/sta.pswd": b"correct horse",
        b"app/server": b"mqtt.example.net",
        b"app/retries": b"-3",
    }


def test_the_newest_page_wins() -> None:
    old, new = bytearray(nvs({(b"app", b"server"): b"old"})), bytearray(nvs({(b"app", b"server"): b"new"}))
    new[4:8] = struct.pack("<I", 5)
    new[28:32] = struct.pack("<I", zlib.crc32(bytes(new[4:28]), 0xFFFFFFFF))
    assert read(EspNvs(), bytes(new + old))[0].files == {b"app/server": b"new"}


def test_a_header_with_a_wrong_checksum_is_not_nvs() -> None:
    assert EspNvs().probe(Window(PAGE[:28] + bytes(4) + PAGE[32:])) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=4000), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(EspNvs(), (PAGE[:64] + tail).ljust(4096, b"\0"))
    survives(EspNvs(), damaged(PAGE, seed))
