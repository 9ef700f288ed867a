"""What is said of bytes without a format."""

import random
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.unpack.gaps import describe, entropy, judge
from customhouse.model import Outcome

CHANCE = random.Random(5)


def kinds(data: bytes) -> list[tuple[str, Outcome]]:
    return [(gap.kind, gap.outcome) for gap in describe(memoryview(data), 0, len(data))]


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_look_encrypted(seed: int) -> None:
    assert kinds(random.Random(seed).randbytes(100_000)) == [("encrypted", Outcome.ENCRYPTED)]


def test_code_is_unknown_and_text_is_text() -> None:
    code = b"".join(bytes([0x24, 0x42, CHANCE.randrange(40), CHANCE.randrange(256)]) for _ in range(3000))
    assert kinds(code) == [("unknown", Outcome.UNKNOWN)]
    assert kinds(b"bootcmd=bootm 0x80060000\0bootdelay=2\0" * 9) == [("text", Outcome.DONE)]


def test_packed_bytes_are_never_called_understood() -> None:
    words = [b"alpha", b"beta", b"gamma", b"delta", b"epsilon"]
    packed = zlib.compress(b" ".join(CHANCE.choice(words) for _ in range(200_000)))
    assert judge(memoryview(packed))[1] in (Outcome.ENCRYPTED, Outcome.UNKNOWN)


def test_padding_is_cut_out() -> None:
    data = bytes(5000) + CHANCE.randbytes(100) + b"\xff" * 3000 + b"\xde\xad\xc0\xde" + b"\xff" * 40
    assert [kind for kind, _ in kinds(data)] == ["padding", "unknown", "padding", "padding", "padding"]


def test_entropy_is_in_bits_per_byte() -> None:
    assert entropy(b"") == 0.0
    assert entropy(b"aaaa") == 0.0
    assert entropy(bytes(range(256))) == 8.0


@given(st.binary(max_size=400), st.integers(0, 3000), st.binary(max_size=40))
def test_every_byte_is_in_exactly_one_gap(head: bytes, zeros: int, tail: bytes) -> None:
    data = head + bytes(zeros) + tail
    gaps = list(describe(memoryview(data), 0, len(data)))
    assert sum(gap.end - gap.start for gap in gaps) == len(data)
    assert all(one.end == two.start for one, two in pairwise(gaps))
