"""Package databases: opkg, dpkg, apk and rpm as devices carry them, and nothing raised for broken ones."""

import sqlite3
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.link.files import files_of
from customhouse.firmware.link.package_databases import Package, packages, rpm_header, stanzas
from customhouse.model import Evidence, FileFacts, FileKind, FileNode, FileTree, ImagePath, NodeKind


def declared(device) -> list[tuple[str, str, str]]:
    facts = device.facts()
    return [(one.name, one.version, one.system) for one in packages(files_of(facts.tree, facts.facts))]


def test_dpkg_status_is_read_without_what_was_removed(device):
    device.file(
        "/var/lib/dpkg/status",
        "Package: curl\nStatus: install ok installed\nVersion: 7.88.1-10\nDescription: tool\n more\n\n"
        "Package: wget\nStatus: deinstall ok config-files\nVersion: 1.21\n",
    )
    assert declared(device) == [("curl", "7.88.1-10", "deb")]


def test_opkg_control_files_count_whatever_their_status_says(device):
    device.file(
        "/usr/lib/opkg/info/dropbear.control",
        "Package: dropbear\nVersion: 2011.54-2\nStatus: unknown ok not-installed\n",
    )
    assert declared(device) == [("dropbear", "2011.54-2", "opkg")]


def test_apk_is_read(device):
    device.file("/lib/apk/db/installed", "C:Q1abc\nP:busybox\nV:1.36.1-r2\nA:armhf\n\nP:musl\nV:1.2.4-r1\n")
    assert declared(device) == [("busybox", "1.36.1-r2", "apk"), ("musl", "1.2.4-r1", "apk")]


def header(name: str, version: str, release: str) -> bytes:
    texts = [(1000, name), (1001, version), (1002, release)]
    index, data = b"", b""
    for tag, text in texts:
        index += struct.pack(">IIII", tag, 6, len(data), 1)
        data += text.encode() + b"\0"
    return struct.pack(">II", len(texts), len(data)) + index + data


def test_rpm_is_read_from_its_sqlite_database(tmp_path):
    database = tmp_path / "rpmdb.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (header("openssl", "3.0.7", "16.el9"),))
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (b"rubbish",))
    node = FileNode(path=ImagePath("/var/lib/rpm/rpmdb.sqlite"), kind=NodeKind.FILE, digest="aa")
    facts = {"aa": FileFacts(digest="aa", size=1, kind=FileKind.DATA)}
    [openssl] = packages(files_of(FileTree(nodes=(node,)), facts), {"aa": database})
    assert (openssl.name, openssl.version, openssl.upstream) == ("openssl", "3.0.7-16.el9", "3.0.7")


def test_a_database_that_is_none_declares_nothing(tmp_path):
    database = tmp_path / "rpmdb.sqlite"
    database.write_bytes(b"not SQLite" * 100)
    node = FileNode(path=ImagePath("/var/lib/rpm/rpmdb.sqlite"), kind=NodeKind.FILE, digest="aa")
    facts = {"aa": FileFacts(digest="aa", size=1, kind=FileKind.DATA)}
    assert packages(files_of(FileTree(nodes=(node,)), facts), {"aa": database}) == ()


@pytest.mark.parametrize(
    ("system", "version", "upstream"),
    [
        ("opkg", "2011.54-2", "2011.54"),
        ("opkg", "3.3.8-1-d6597ebf6203328d3519ea3c3371a493", "3.3.8"),
        ("opkg", "2.0.10-4-3", "2.0.10-4"),
        ("opkg", "3.3.8+2014-05-22-1", "3.3.8"),
        ("opkg", "4.6-linaro-1", "4.6"),
        ("deb", "1:9.2p1-2+deb12u1", "9.2p1"),
        ("deb", "5.9.3+dfsg-2", "5.9.3"),
        ("apk", "1.36.1-r2", "1.36.1"),
        ("rpm", "3.0.7-16.el9", "3.0.7"),
    ],
)
def test_upstreams_part_of_a_version_is_told_from_the_packagers(system, version, upstream):
    package = Package(name="x", version=version, system=system, evidence=Evidence(path=ImagePath("/x")))
    assert package.upstream == upstream


@given(st.binary(max_size=200))
def test_any_header_is_read_or_not(blob):
    read = rpm_header(blob)
    assert read is None or len(read) == 2


@given(st.text(max_size=200))
def test_any_text_is_read_as_stanzas(text):
    assert all(fields for fields in stanzas(text))
