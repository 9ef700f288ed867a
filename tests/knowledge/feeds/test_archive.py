"""Archives of records: what is damage, what is something else, and what is the machine's fault."""

import errno
import io
import struct
import zipfile

import pytest

from customhouse.knowledge.feeds import archive
from customhouse.knowledge.feeds.errors import WrongSchema

RECORD = b'{"id": "CVE-2026-1000"}' * 40


def packed(method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        made.writestr("a/CVE-2026-1000.json", RECORD)
        made.writestr("README.txt", "not a record")
    return bytearray(out.getvalue())


def stored(tmp_path, content):
    path = tmp_path / "all.zip"
    path.write_bytes(content)
    return path


def test_members_of_a_kind_come_out(tmp_path):
    assert list(archive.members(stored(tmp_path, packed()))) == [("a/CVE-2026-1000.json", RECORD)]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_does_not_unpack_is_damage(method, tmp_path):
    content = packed(method)
    data = 30 + len("a/CVE-2026-1000.json")
    content[data : data + 12] = b"\xff" * 12
    with pytest.raises(WrongSchema, match="damaged archive"):
        list(archive.members(stored(tmp_path, content)))


def test_a_directory_that_points_outside_is_damage(tmp_path):
    content = packed()
    end = content.index(b"PK\x05\x06")
    content[end + 16 : end + 20] = struct.pack("<I", 0xFFFFFF00)
    with pytest.raises(WrongSchema, match="damaged archive"):
        list(archive.members(stored(tmp_path, content)))


def test_an_encrypted_member_and_an_unknown_method_are_not_called_damage(tmp_path):
    locked, odd = packed(), packed()
    directory = locked.index(b"PK\x01\x02")
    locked[directory + 8] |= 1
    for at in (8, directory + 10):
        odd[at : at + 2] = struct.pack("<H", 98)
    with pytest.raises(WrongSchema, match="is encrypted"):
        list(archive.members(stored(tmp_path, locked)))
    with pytest.raises(WrongSchema, match="not read"):
        list(archive.members(stored(tmp_path, odd)))


def test_a_file_that_cannot_be_read_is_not_called_a_damaged_archive(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        list(archive.members(tmp_path / "none.zip"))

    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    path = stored(tmp_path, packed())
    monkeypatch.setattr(zipfile.ZipFile, "read", broken)
    with pytest.raises(OSError, match="Input/output error"):
        list(archive.members(path))
