"""cpio archives, newc and odc."""

import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.cpio import Cpio
from customhouse.model import NodeKind, Outcome

MEMBERS = (
    (b"etc", stat.S_IFDIR | 0o755, b"", 1),
    (b"etc/passwd", stat.S_IFREG | 0o600, b"root::0:0\n", 1),
    (b"init", stat.S_IFLNK | 0o777, b"bin/busybox", 1),
    (b"dev/console", stat.S_IFCHR | 0o600, b"", 1),
)


def padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % 4)


def newc(name: bytes, mode: int, content: bytes, links: int, inode: int = 1) -> bytes:
    fields = (inode, mode, 1000, 100, links, 0, len(content), 0, 0, 5, 1, len(name) + 1, 0)
    return padded(b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0") + padded(content)


def odc(name: bytes, mode: int, content: bytes, links: int, inode: int = 1) -> bytes:
    head = b"070707" + b"".join(b"%06o" % field for field in (0, inode, mode, 1000, 100, links, 5 << 8 | 1))
    return head + b"%011o%06o%011o" % (0, len(name) + 1, len(content)) + name + b"\0" + content


def make(member: object = newc) -> bytes:
    assert callable(member)
    entries = b"".join(member(*entry, inode=number) for number, entry in enumerate(MEMBERS, 1))
    return bytes(entries + member(b"TRAILER!!!", 0, b"", 1))


@pytest.mark.parametrize("member", [newc, odc])
def test_both_headers_open(member: object) -> None:
    tree, ending = read(Cpio(), make(member) + b"what follows")
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files == {b"etc/passwd": b"root::0:0\n"}
    assert tree.links == {b"init": b"bin/busybox"}
    assert tree.specials == {b"dev/console": (NodeKind.CHARACTER_DEVICE, (5, 1))}
    assert (tree.metas[b"etc/passwd"].uid, tree.metas[b"etc/passwd"].mode) == (1000, 0o600)


def test_hard_links_find_their_content_with_the_last_name() -> None:
    image = newc(b"one", stat.S_IFREG, b"", 2, inode=9) + newc(b"two", stat.S_IFREG, b"shared", 2, inode=9)
    tree, _ = read(Cpio(), image + newc(b"TRAILER!!!", 0, b"", 1))
    assert tree.files[b"two"] == b"shared"
    assert tree.hard == {b"one": b"two"}


def test_an_archive_without_a_trailer_says_so() -> None:
    tree, _ = read(Cpio(), make()[:-124])
    assert any("trailer" in trouble for trouble in tree.troubles)


def test_digits_alone_are_not_cpio() -> None:
    assert Cpio().probe(Window(b"070701 is a telephone number" * 9)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Cpio(), make()[:110] + tail)
    survives(Cpio(), damaged(make(odc), seed))
