"""Texts are taken apart as the C library does it."""

import ctypes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.rehearsal import scanning
from customhouse.firmware.program.rehearsal.scanning import scan

from .pretended import Desk

_C = ctypes.CDLL(None)
_PIECES = [" ", ":", "a", "ab:", "%%", "%d", "%i", "%u", "%x", "%3d", "%hhd", "%hx", "%ld", "%lld", "%o", "%c", "%3c"]
_PIECES += [
    "%s",
    "%2s",
    "%[a-c]",
    "%[^:]",
    "%2[^ ]",
    "%[]a]",
    "%n",
    "%*d",
    "%*s",
    "%*[ab]",
    "%*c",
    "%f",
    "%lf",
    "%[a-]",
]


@pytest.fixture
def desk() -> Desk:
    return Desk(scanning.ANSWERS)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(_PIECES), max_size=5).map("".join),
    st.lists(
        st.sampled_from([" ", ":", "a", "b", "c]", "-", "12", "0", "0x1f", "%", "1.5", "-7", "99999999999999999999"]),
        max_size=9,
    ).map("".join),
)
@example("%s%n", "")
@example("%d", "x")
@example("a%d", "")
@example(" %c", "  ")
def test_the_same_is_stored_as_by_the_library(template: str, text: str) -> None:
    desk = Desk(scanning.ANSWERS)
    buffers = [ctypes.create_string_buffer(b"\x55" * 256, 256) for _ in range(6)]
    expected = _C.sscanf(text.encode(), template.encode(), *buffers)
    places = [desk.put(b"\x55" * 256) for _ in range(6)]
    assert desk.signed("sscanf", text.encode(), template.encode(), *places) == expected
    assert [desk.ram.read(one, 256) for one in places] == [one.raw for one in buffers]


def test_what_the_template_says_and_the_text_does_not_is_told(desk: Desk) -> None:
    target = desk.put(bytes(8))
    assert desk.signed("sscanf", b"Host: a", b"Content-Length: %d", target) == 0
    assert desk.signed("sscanf", b"GET x", b"GET /%d", target) == 0
    assert desk.host.told == [("find", b"Host: a", b"Content-Length:"), ("find", b"x", b"/")]


def test_texts_may_get_memory_of_their_own(desk: Desk) -> None:
    target = desk.put(bytes(8))
    assert desk.signed("sscanf", b"key=value", b"key=%ms", target) == 1
    assert desk.text(desk.ram.word(target)) == b"value"
    assert desk.signed("sscanf", b"ab,c", b"%a[a-b]", target) == 1
    assert desk.text(desk.ram.word(target)) == b"ab"


def test_sizes_of_a_machine_of_32_bits() -> None:
    desk = Desk(scanning.ANSWERS, Image("mips", True, 4, 0))
    first, second = desk.put(b"....."), desk.put(b".........")
    assert desk.signed("sscanf", b"99999999999 -1", b"%ld %lld", first, second) == 2
    assert desk.ram.read(first, 5) == b"\x7f\xff\xff\xff."
    assert desk.ram.read(second, 9) == b"\xff" * 8 + b"."


def test_what_was_read_is_counted() -> None:
    found = scan(b"12 34;rest", b"%d %d;")
    assert (found.count, found.used) == (2, 6)
    assert [one.value for one in found.taken] == [12, 34]
