"""Dumps of NAND flash, page by page with the spare bytes of each."""

import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.conftest import Unpack
from tests.firmware.unpack.recording import Recorded
from tests.firmware.unpack.squashfs_maker import Squashfs as Maker
from tests.firmware.unpack.ubi_maker import ubi

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.nand_dump import Layout, NandDump, nand_layout
from customhouse.model import NodeKind, Outcome

NOISE = random.Random(6)


def dumped(image: bytes, page: int, spare: int, pages: int = 512) -> bytes:
    """The image on a chip of `pages` pages: behind each written one a good mark and some error correction."""
    made = b""
    for number in range(pages):
        content = image[number * page : (number + 1) * page].ljust(page, b"\xff")
        written = content.strip(b"\xff")
        made += content + (b"\xff\xff" + NOISE.randbytes(spare - 2) if written else b"\xff" * spare)
    return made


def files() -> dict[bytes, bytes]:
    return {b"file-%d" % number: NOISE.randbytes(9000) for number in range(20)}


@pytest.mark.parametrize(("page", "spare"), [(2048, 64), (4096, 224), (512, 16)])
def test_what_lies_in_the_pages_is_found(unpacked: Unpack, page: int, spare: int) -> None:
    expected = files()
    result = unpacked(dumped(Maker().make(dict(expected)), page, spare))
    assert [volume.kind for volume in result.tree.volumes][:2] == ["nand-dump", "squashfs"]
    found = {result.contents[node.digest].read_bytes() for node in result.tree.nodes if node.digest in result.contents}
    assert set(expected.values()) <= found
    assert {extent.outcome for extent in result.coverage.extents} == {Outcome.DONE}


def test_volumes_of_ubi_in_a_dump_come_out(unpacked: Unpack) -> None:
    image = ubi({b"rootfs": Maker().make({b"a": NOISE.randbytes(60_000)})})
    result = unpacked(dumped(image, 2048, 64))
    assert {"nand-dump", "ubi", "squashfs"} <= {volume.kind for volume in result.tree.volumes}
    assert any(node.path.endswith("/a") and node.kind is NodeKind.FILE for node in result.tree.nodes)


@pytest.mark.parametrize(
    "data",
    [
        NOISE.randbytes(2112 * 64),
        b"\xff" * (2112 * 64),
        bytes(2112 * 64),
        (zlib.compress(NOISE.randbytes(100_000)) + b"\xff" * 200_000)[: 2112 * 64],
        dumped(NOISE.randbytes(256 * 2048), 2048, 64)[:-1],
    ],
    ids=["noise", "erased", "zero", "image", "odd size"],
)
def test_other_bytes_are_no_dump(data: bytes) -> None:
    assert nand_layout(memoryview(data)) is None


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.sampled_from([(512, 16), (2048, 64)]))
def test_any_bytes_give_an_outcome(data: bytes, sizes: tuple[int, int]) -> None:
    assert nand_layout(memoryview(data)) is None
    tree = Recorded()
    assert NandDump(Layout(*sizes)).unpack(Window(data), tree).outcome is Outcome.DONE
    assert len(tree.files[b"pages"]) <= len(data)
