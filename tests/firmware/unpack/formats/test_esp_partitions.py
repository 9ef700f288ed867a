"""Partition tables of merged flash images."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.esp_maker import table
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.esp_partitions import EspPartitions
from customhouse.model import Outcome

TABLE = table(
    (b"nvs", 1, 2, 0x9000, 0x5000, 0),
    (b"otadata", 1, 0, 0xE000, 0x2000, 0),
    (b"app0", 0, 0x10, 0x10000, 0x140000, 1),
    (b"keys", 1, 4, 0x150000, 0x1000, 1),
)


def test_partitions_and_flash_encryption_are_told() -> None:
    extent = EspPartitions().probe(Window(TABLE + bytes(2000)))
    assert extent is not None
    assert extent.size == len(TABLE)
    assert extent.detail["app0"] == "app ota_0, 1310720 bytes at 0x10000, encrypted"
    assert extent.detail["nvs"] == "data nvs, 20480 bytes at 0x9000"
    assert extent.detail["flash encryption"] == "marked: app0, keys, a partition of NVS keys"
    tree, ending = read(EspPartitions(), TABLE)
    assert ending.outcome is Outcome.DONE
    assert b"otadata: data otadata" in tree.files[b"partitions.txt"]


def test_a_changed_table_is_told() -> None:
    _, ending = read(EspPartitions(), TABLE.replace(b"app0", b"appX"))
    assert ending.outcome is Outcome.PARTIAL


def test_one_entry_alone_is_not_a_table() -> None:
    assert EspPartitions().probe(Window(TABLE[:32] + bytes(500))) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(EspPartitions(), TABLE[:32] + tail)
    survives(EspPartitions(), damaged(TABLE, seed))
