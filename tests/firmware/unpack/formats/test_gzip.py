"""Gzip streams."""

import gzip
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.gzip import Gzip
from customhouse.model import Outcome

CHANCE = random.Random(4)
CONTENT = b"".join(b"Linux version 3.3.8 and more text\n" * 900 + CHANCE.randbytes(40_000) for _ in range(4))
PACKED = gzip.compress(CONTENT, mtime=0)


def test_the_content_comes_out_and_what_follows_is_left_alone() -> None:
    tree, ending = read(Gzip(), PACKED + b"something else" * 50)
    assert list(tree.files.values()) == [CONTENT]
    assert ending.outcome is Outcome.DONE
    extent = Gzip().probe(Window(PACKED + b"something else" * 50))
    assert extent is not None
    assert extent.size == len(PACKED)


def test_a_stream_that_is_cut_off_gives_what_is_left_and_says_so() -> None:
    tree, ending = read(Gzip(), PACKED[: len(PACKED) * 2 // 3])
    [content] = tree.files.values()
    assert CONTENT.startswith(content)
    assert len(content) > 10_000
    assert ending.outcome is Outcome.PARTIAL


def test_the_magic_alone_is_not_enough() -> None:
    assert Gzip().probe(Window(PACKED[:10] + b"no such stream " * 40)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Gzip(), PACKED[:10] + tail)
    survives(Gzip(), damaged(PACKED, seed))


def test_the_name_in_the_header_names_the_content() -> None:
    named = PACKED[:3] + b"\x08" + PACKED[4:10] + b"../dir/rootfs.cpio\0" + PACKED[10:]
    assert list(read(Gzip(), named)[0].files) == [b"rootfs.cpio"]


def test_the_time_in_the_header_is_told_when_there_is_one() -> None:
    extent = Gzip().probe(Window(gzip.compress(b"text" * 20, mtime=1_600_000_000)))
    assert extent is not None
    assert extent.detail == {"created": "1600000000"}
    assert "created" not in Gzip().probe(Window(PACKED)).detail  # type: ignore[union-attr]
