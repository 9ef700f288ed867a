"""ZIP archives."""

import errno
import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import Recorded, damaged, read, survives

from customhouse.firmware.unpack.format import Meta, Window
from customhouse.firmware.unpack.formats.zip_archive import ZipArchive
from customhouse.model import Outcome


def make(*, encrypted: bool = False) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/file.txt", "text " * 100)
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "folder/file.txt")
    image = bytearray(packed.getvalue())
    if encrypted:
        at = image.index(b"PK\x01\x02", image.index(b"PK\x01\x02") + 4)
        image[at + 8] |= 1
    return bytes(image)


def test_files_folders_and_links_come_out() -> None:
    tree, ending = read(ZipArchive(), make() + b"what follows")
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {b"folder/file.txt": b"text " * 100}
    assert tree.links == {b"link": b"folder/file.txt"}


def test_an_encrypted_entry_is_named() -> None:
    tree, ending = read(ZipArchive(), make(encrypted=True))
    assert ending.outcome is Outcome.PARTIAL
    assert "encrypted" in ending.reason
    assert b"folder/file.txt" not in tree.files


def test_a_local_header_without_a_directory_is_not_an_archive() -> None:
    assert ZipArchive().probe(Window(make()[:200])) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(ZipArchive(), make()[:30] + tail)
    survives(ZipArchive(), damaged(make(), seed) + make()[-22:])


def make_zip64() -> bytes:
    """The same archive with its directory told by the records of ZIP64."""
    image = make()
    end = image.index(b"PK\x05\x06")
    count, _, size, start = struct.unpack_from("<2H2I", image, end + 8)
    record = b"PK\x06\x06" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, count, count, size, start)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    return (
        image[:end] + record + locator + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, *[0xFFFF] * 2, *[2**32 - 1] * 2, 0)
    )


def test_an_archive_with_the_records_of_zip64_opens() -> None:
    tree, ending = read(ZipArchive(), make_zip64() + b"what follows")
    assert ending.outcome is Outcome.DONE
    assert tree.files == {b"folder/file.txt": b"text " * 100}
    broken = make_zip64().replace(b"PK\x06\x06", b"PK\x06\x05")
    assert ZipArchive().probe(Window(broken)) is None


class FullDisk(Recorded):
    """Writes nothing: there is no space."""

    def file(self, path: bytes, data: "Iterable[bytes | memoryview]", meta: Meta) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_no_fault_of_the_archive() -> None:
    with pytest.raises(OSError, match="No space left"):
        ZipArchive().unpack(Window(make()), FullDisk())


def with_link(target: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, target, method)
        archive.writestr("file.txt", "text")
    return bytearray(packed.getvalue())


def test_of_a_link_no_more_is_unpacked_than_a_target_can_be_long() -> None:
    image = bytes(with_link(b"\0" * (256 << 20)))
    tracemalloc.start()
    tree, ending = read(ZipArchive(), image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ending.outcome is Outcome.DONE
    assert tree.links == {b"link": b"\0" * 4096}
    assert peak < 64 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_link_that_does_not_unpack_costs_only_itself(method: int) -> None:
    image = with_link(b"folder/target " * 40, method)
    image[34 : 34 + 12] = b"\xff" * 12
    tree, _ending = read(ZipArchive(), bytes(image))
    assert tree.links == {}
    assert tree.troubles and "link" in tree.troubles[0]
    assert tree.files == {b"file.txt": b"text"}


def test_what_is_packed_in_a_way_that_is_not_known_is_not_called_damaged() -> None:
    image = with_link(b"folder/target")
    struct.pack_into("<H", image, 8, 97)
    struct.pack_into("<H", image, image.index(b"PK\x01\x02") + 10, 97)
    tree, _ending = read(ZipArchive(), bytes(image))
    assert tree.files == {b"file.txt": b"text"} and tree.links == {}
    assert len(tree.troubles) == 1 and "not read" in tree.troubles[0]
    struct.pack_into("<H", image, image.index(b"PK\x01\x02") + 6, 90)
    _tree, ending = read(ZipArchive(), bytes(image))
    assert ending.outcome is Outcome.UNSUPPORTED and ending.reason
