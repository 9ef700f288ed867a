"""tar archives as Python and GNU tar write them."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.tar import Tar
from customhouse.model import NodeKind, Outcome

LONG = "folder/" * 30 + "file"


def make(form: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for name, kind, content in (
            ("./etc", tarfile.DIRTYPE, b""),
            ("./etc/passwd", tarfile.REGTYPE, b"root::0:0\n"),
            (LONG, tarfile.REGTYPE, b"long" * 300),
            ("./dev/console", tarfile.CHRTYPE, b""),
            ("./pipe", tarfile.FIFOTYPE, b""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.mode, entry.uid, entry.gid = kind, len(content), 0o4755, 1000, 100
            entry.devmajor, entry.devminor = (5, 1) if kind == tarfile.CHRTYPE else (0, 0)
            archive.addfile(entry, io.BytesIO(content))
        for name, kind, target in (("sh", tarfile.SYMTYPE, LONG), ("again", tarfile.LNKTYPE, "etc/passwd")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    return packed.getvalue()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_opens(form: int) -> None:
    tree, ending = read(Tar(), make(form) + b"\xffrest" * 100)
    assert (ending.outcome, tree.troubles) == (Outcome.DONE, [])
    assert tree.files[b"./etc/passwd"] == b"root::0:0\n"
    assert tree.files[LONG.encode()] == b"long" * 300
    assert tree.links == {b"sh": LONG.encode()}
    assert tree.hard == {b"again": b"etc/passwd"}
    assert tree.specials == {b"./dev/console": (NodeKind.CHARACTER_DEVICE, (5, 1)), b"./pipe": (NodeKind.FIFO, None)}
    assert (tree.metas[b"./etc/passwd"].mode, tree.metas[b"./etc/passwd"].uid) == (0o4755, 1000)


def test_an_archive_that_is_cut_off_says_so() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("big")
        entry.size = 5000
        archive.addfile(entry, io.BytesIO(b"x" * 5000))
    tree, _ = read(Tar(), packed.getvalue()[:3000])
    assert tree.troubles


def test_the_magic_with_a_wrong_checksum_is_not_tar() -> None:
    assert Tar().probe(Window(b"name".ljust(257, b"\0") + b"ustar\0" + bytes(300))) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Tar(), make()[:512] + tail)
    survives(Tar(), damaged(make(tarfile.PAX_FORMAT), seed))
