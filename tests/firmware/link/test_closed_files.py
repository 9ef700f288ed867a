"""Configuration that nobody can read is said not to have been read."""

import random
import zlib

from tests.firmware.conftest import MadeDevice

CHANCE = random.Random(9)


def _told(device: MadeDevice) -> list[str]:
    return [gap.what for gap in device.facts().not_examined if "packed or encrypted" in gap.why]


def test_an_encrypted_default_configuration_is_named(device: MadeDevice) -> None:
    device.file("/etc/defaultcfg.xml", CHANCE.randbytes(20_000))
    device.file("/etc/model.xml", "<config><password>admin</password></config>" * 50)
    assert _told(device) == ["/etc/defaultcfg.xml"]


def test_files_that_are_dense_by_nature_are_not(device: MadeDevice) -> None:
    device.file("/lib/firmware/wifi.bin", CHANCE.randbytes(20_000))
    device.file("/etc/small.cfg", CHANCE.randbytes(100))
    device.file("/usr/share/table.conf", zlib.compress(b"x") + bytes(4000))
    assert _told(device) == []


def test_of_very_many_the_list_ends_with_a_word(device: MadeDevice) -> None:
    for number in range(30):
        device.file(f"/etc/{number:02}.xml", CHANCE.randbytes(2_000))
    assert _told(device) == [*(f"/etc/{number:02}.xml" for number in range(20)), "further files"]
