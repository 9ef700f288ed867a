"""xz streams."""

import lzma
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.xz import Xz
from customhouse.model import Outcome

CHANCE = random.Random(4)
CONTENT = b"".join(b"Linux version 3.3.8 and more text\n" * 900 + CHANCE.randbytes(40_000) for _ in range(4))
PACKED = lzma.compress(CONTENT)


@pytest.mark.parametrize(
    "image",
    [PACKED, lzma.compress(CONTENT, filters=[{"id": lzma.FILTER_ARM}, {"id": lzma.FILTER_LZMA2}])],
    ids=["plain", "ARM filter"],
)
def test_the_content_comes_out_and_what_follows_is_left_alone(image: bytes) -> None:
    tree, ending = read(Xz(), image + b"something else" * 50)
    assert list(tree.files.values()) == [CONTENT]
    assert ending.outcome is Outcome.DONE
    extent = Xz().probe(Window(image + b"something else" * 50))
    assert extent is not None
    assert extent.size == len(image)


def test_a_stream_that_is_cut_off_gives_what_is_left_and_says_so() -> None:
    tree, ending = read(Xz(), PACKED[: len(PACKED) * 2 // 3])
    [content] = tree.files.values()
    assert CONTENT.startswith(content)
    assert len(content) > 10_000
    assert ending.outcome is Outcome.PARTIAL


def test_the_magic_alone_is_not_enough() -> None:
    assert Xz().probe(Window(PACKED[:12] + b"no such stream " * 40)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Xz(), PACKED[:12] + tail)
    survives(Xz(), damaged(PACKED, seed))
