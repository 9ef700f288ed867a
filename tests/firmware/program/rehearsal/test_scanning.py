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
    assert [one for one in desk.host.told if one[0] == "find"] == [
        ("find", b"Host: a", b"Content-Length:"),
        ("find", b"x", b"/"),
    ]


def test_a_text_that_is_not_taken_apart_is_told_with_one_that_is(desk: Desk) -> None:
    target = desk.put(bytes(8))
    assert desk.signed("sscanf", b"kz", b"n=%d;", target) == 0
    assert desk.signed("sscanf", b"n=3", b"n=%d;", target) == 1
    assert [one for one in desk.host.told if one[0] == "form"] == [("form", b"kz", b"n=7;"), ("form", b"n=3", b"n=7;")]
    told = len(desk.host.told)
    assert desk.signed("sscanf", b"n=3;", b"n=%d;", target) == 1
    assert desk.host.told[told:] == []


def test_texts_whose_length_no_template_says_are_kept_apart(desk: Desk) -> None:
    first, second, third, fourth = (desk.put(bytes(16)) for _ in range(4))
    assert desk.signed("sscanf", b"one two=x3", b"%s %8[^=]=%c%d", first, second, third, fourth) == 4
    assert desk.host.unlimited == {first}


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


_NUMBERS = ("%d", "%i", "%u", "%x", "%o", "%3d", "%hhu", "%hx", "%ld", "%lld", "%f", "%lf", "%*d")
_WORDS = (
    "%s",
    "%15s",
    "%*s",
    "%[a-z]",
    "%31[^,],",
    "%[0-9]",
    "%[0-9a-f:]",
    "%[^/]/",
    "%*[^ \n]",
    "%ms",
    "%a[a-z]",
    "%2s",
)
_OTHERS = ("%c", "%3c", "%*c", "%n", "%%", "GET", "a=", "[")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(_NUMBERS + _WORDS + _OTHERS), max_size=6),
    st.lists(st.sampled_from([" ", "\n", "  "]), min_size=6, max_size=6),
)
def test_an_example_is_taken_apart_to_its_end(parts: list[str], blanks: list[str]) -> None:
    template = "".join(part + blank for part, blank in zip(parts, blanks, strict=False)).encode()
    found = scan(scanning.example(template), template)
    assert found.is_whole
    assert found.count == sum("%" in one and "*" not in one and one not in ("%n", "%%") for one in parts)


@pytest.mark.parametrize(
    ("template", "taken"),
    [
        (b"GET /%s HTTP/%d.%d", [b"jxvbp\0", 7, 7]),
        (b"%[^=]=%[^&]&", [b"jxvbp\0", b"ghtfd\0"]),
        (b"%[^:]://%[^:/]:%d", [b"jxvbp\0", b"ghtfd\0", 7]),
        (b"%d.%d.%d.%d", [7, 7, 7, 7]),
        (b"<%*[a-z]>%[0-9]</", [b"012\0"]),
        (b"%2x:%2x %*[(]%[A-Z]", [0x11, 0x11, b"ABC\0"]),
        (b"%2s%3c|%n", [b"jx\0", b"kkk", 6]),
    ],
)
def test_an_example_has_what_stands_between_conversions(template: bytes, taken: list[bytes | int]) -> None:
    found = scan(scanning.example(template), template)
    assert found.is_whole
    assert [one.value for one in found.taken] == taken


@given(st.binary(max_size=20) | st.text("%*[]^-0123sdcn ", max_size=20).map(str.encode))
def test_any_template_has_an_example(template: bytes) -> None:
    found = scanning.example(template)
    scan(found, template)
    assert found == template or b"%" in template
