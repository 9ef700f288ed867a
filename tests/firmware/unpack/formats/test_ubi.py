"""UBI images with several volumes."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives
from tests.firmware.unpack.ubi_maker import ERASE_BLOCK, LEB, replaced, ubi

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.ubi import Ubi
from customhouse.model import Outcome

KERNEL, ROOT = b"kernel " * 5000, b"root file system " * 3000


def test_every_volume_comes_out_under_its_name() -> None:
    tree, ending = read(Ubi(), ubi({b"kernel": KERNEL, b"rootfs": ROOT, b"data/1": b"x" * 10}, static=True))
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {b"kernel": KERNEL, b"rootfs": ROOT, b"data_1": b"x" * 10}


def test_of_two_copies_of_a_block_the_newer_one_counts() -> None:
    tree, _ = read(Ubi(), replaced(ubi({b"kernel": KERNEL}), 0, 0, b"N" * LEB))
    assert tree.files[b"kernel"].startswith(b"N" * LEB + KERNEL[LEB : LEB + 50])


def test_a_damaged_block_of_a_static_volume_is_told() -> None:
    image = bytearray(ubi({b"kernel": KERNEL}, static=True))
    image[2 * ERASE_BLOCK + 200] ^= 1
    assert any("damaged" in trouble for trouble in read(Ubi(), bytes(image))[0].troubles)


def test_a_header_with_a_wrong_checksum_is_not_ubi() -> None:
    assert Ubi().probe(Window(b"UBI#\x01" + bytes(5000))) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Ubi(), ubi({b"a": b"b"})[:64] + tail)
    survives(Ubi(), damaged(ubi({b"a": b"b" * 100}), seed))
