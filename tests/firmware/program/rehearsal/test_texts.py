"""Functions on texts and characters give and tell what the C library's do."""

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.ram import Fault
from customhouse.firmware.program.rehearsal import characters, comparing, texts
from customhouse.firmware.program.rehearsal.texts import plain

from .pretended import HERE, SIZE, Desk

_C = ctypes.CDLL(None)
_SHORT = st.text("abA:, ", max_size=6).map(str.encode)


@pytest.fixture
def desk() -> Desk:
    return Desk(texts.ANSWERS)


@settings(max_examples=150, deadline=None)
@given(_SHORT, _SHORT, st.integers(0, 8))
def test_comparisons_and_spans_are_those_of_the_library(left: bytes, right: bytes, size: int) -> None:
    desk = Desk(texts.ANSWERS)
    for name in ("strcmp", "strcasecmp", "strspn", "strcspn"):
        assert _sign(desk.signed(name, left, right), name) == _sign(getattr(_C, name)(left, right), name)
    for name in ("strncmp", "strncasecmp"):
        assert _sign(desk.signed(name, left, right, size), name) == _sign(getattr(_C, name)(left, right, size), name)


@settings(max_examples=150, deadline=None)
@given(_SHORT, _SHORT)
def test_searches_are_those_of_the_library(hay: bytes, needle: bytes) -> None:
    desk = Desk(texts.ANSWERS)
    place = desk.put(hay)
    given_hay = ctypes.create_string_buffer(hay)
    for name in ("strstr", "strcasestr", "strpbrk"):
        function = getattr(_C, name)
        function.restype = ctypes.c_void_p
        real = function(given_hay, needle)
        expected = place + real - ctypes.addressof(given_hay) if real else 0
        told = len(desk.host.told)
        assert desk.call(name, place, needle) == expected
        sought = comparing.separator(needle) if name == "strpbrk" else needle
        assert desk.host.told[told:] == ([] if real else [("find", hay, sought)])


@settings(max_examples=100, deadline=None)
@given(_SHORT, _SHORT)
def test_tokens_are_those_of_the_library(text: bytes, letters: bytes) -> None:
    desk = Desk(texts.ANSWERS)
    function = _C.strtok
    function.restype = ctypes.c_char_p
    buffer = ctypes.create_string_buffer(text)
    expected = [function(buffer, letters)]
    while expected[-1] is not None:
        expected.append(function(None, letters))
    kept = desk.put(bytes(8))
    for name, more in (("strtok", ()), ("strtok_r", (kept,))):
        found = [desk.call(name, text, letters, *more)]
        while found[-1]:
            found.append(desk.call(name, 0, letters, *more))
        assert [desk.text(one) if one else None for one in found] == expected


def test_what_was_compared_is_told(desk: Desk) -> None:
    desk.call("strcmp", b"one", b"one")
    desk.call("strncmp", b"GET /", b"GET", 4)
    desk.call("memcmp", b"ab\0c", b"ab\0d", 4)
    desk.call("strcasecmp", b"Host", b"host")
    desk.call("strncasecmp", b"Host: x", b"host:", 5)
    desk.call("strchr", b"text", ord("="))
    desk.call("strchr", b"text", ord("e"))
    assert desk.host.told == [
        ("text", b"one", b"one"),
        ("prefix", b"GET ", b"GET"),
        ("prefix", b"ab\0c", b"ab\0d"),
        ("case", b"Host", b"host"),
        ("case prefix", b"Host:", b"host:"),
        ("find", b"text", b"="),
    ]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [(b" =", b"="), (b"\r\n;", b";"), (b"\t \n", b"\t"), (b",;", b","), (b"\n", b"\n"), (b"", b"")],
)
def test_of_letters_that_part_words_one_that_is_seen_is_put_in(letters: bytes, expected: bytes) -> None:
    assert comparing.separator(letters) == expected


def test_that_no_letter_ended_a_part_is_told(desk: Desk) -> None:
    rest = desk.put(bytes(8))
    kept = desk.put(desk.put(b"one;two").to_bytes(8, "little"))
    for name, arguments, told in (
        ("strcspn", (b"one", b" ="), [("find", b"one", b"=")]),
        ("strcspn", (b"one=", b" ="), []),
        ("strpbrk", (b"one", b"\r\n&"), [("find", b"one", b"&")]),
        ("strpbrk", (b"o&e", b"\r\n&"), []),
        ("strtok", (b",one;two", b",;"), []),
        ("strtok", (0, b",;"), [("find", b"two", b",")]),
        ("strtok", (0, b",;"), []),
        ("strtok_r", (b"one", b"|", rest), [("find", b"one", b"|")]),
        ("strsep", (kept, b"\n;"), []),
        ("strsep", (kept, b"\n;"), [("find", b"two", b";")]),
        ("strsep", (kept, b"\n;"), []),
        ("strspn", (b"one", b"xyz"), []),
    ):
        desk.host.told.clear()
        desk.call(name, *arguments)
        assert desk.host.told == told, (name, arguments)


def test_bytes_are_found_from_either_end(desk: Desk) -> None:
    place = desk.put(b"a.b.c")
    assert desk.call("strchr", place, ord(".")) == place + 1
    assert desk.call("strchr", place, 0) == place + 5
    assert desk.call("strrchr", place, ord(".")) == place + 3
    assert desk.call("strchrnul", place, ord("x")) == place + 5
    assert desk.call("memchr", place, ord("c"), 4) == 0
    assert desk.call("memchr", place, ord("b"), (1 << 64) - 1) == place + 2
    assert desk.call("memrchr", place, ord("."), 3) == place + 1
    assert desk.call("rawmemchr", place, ord("c")) == place + 4
    assert desk.call("memmem", place, 5, b"b.", 2) == place + 2


def test_copies_end_where_they_should(desk: Desk) -> None:
    target = desk.put(b"." * 16)
    assert desk.call("strncpy", target, b"abc", 2) == target
    assert desk.text(target) == b"ab" + b"." * 14
    assert desk.call("stpcpy", target, b"abc") == target + 3
    assert desk.call("strcat", target, b"de") == target
    assert desk.call("strncat", target, b"fgh", 1) == target
    assert desk.text(target) == b"abcdef"
    assert desk.call("strlcpy", target, b"12345", 4) == 5
    assert desk.call("strlcat", target, b"67", 5) == 5
    assert desk.text(target) == b"1236"
    assert desk.call("mempcpy", target, b"xy", 2) == target + 2
    assert desk.call("memccpy", target, b"ab:c", ord(":"), 4) == target + 3
    assert desk.call("memccpy", target, b"abc", ord(":"), 3) == 0
    assert desk.text(target) == b"abc6"
    assert desk.call("memset", target, ord("z"), 3) == target
    assert desk.text(target) == b"zzz6"
    assert desk.text(desk.call("strndup", b"abcdef", 3)) == b"abc"
    with pytest.raises(Fault):
        desk.call("memcpy", target, target, 1 << 21)


def test_a_length_that_is_given_is_not_read_beyond(desk: Desk) -> None:
    end = HERE + SIZE
    desk.ram.write(end - 2, b"ab")
    assert desk.call("strnlen", end - 2, 2) == 2
    assert desk.signed("strncmp", end - 2, b"abc", 2) == 0
    with pytest.raises(Fault):
        desk.call("strlen", end - 2)


def test_parts_may_be_empty(desk: Desk) -> None:
    kept = desk.put(desk.put(b"a,,b").to_bytes(8, "little"))
    found = [desk.call("strsep", kept, b",") for _ in range(4)]
    assert [desk.text(one) for one in found[:3]] == [b"a", b"", b"b"]
    assert found[3] == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("__strcpy_chk", "strcpy"),
        ("__isoc99_sscanf", "sscanf"),
        ("__isoc23_strtol", "strtol"),
        ("__strdup", "strdup"),
        ("__snprintf_chk", "__snprintf_chk"),
        ("__stack_chk_fail", "__stack_chk_fail"),
        ("__ctype_b_loc", "__ctype_b_loc"),
        ("fgets_unlocked", "fgets"),
        ("strlen", "strlen"),
    ],
)
def test_variants_of_a_function_have_its_name(name: str, expected: str) -> None:
    assert plain(name) == expected


def test_kinds_of_characters_are_those_of_the_library() -> None:
    desk = Desk(characters.ANSWERS)
    for name in ("isalpha", "isdigit", "isxdigit", "isspace", "ispunct", "isprint", "iscntrl", "isblank", "isascii"):
        expected = [bool(getattr(_C, name)(one)) for one in range(-1, 256)]
        assert [bool(desk.signed(name, one)) for one in range(-1, 256)] == expected, name
    for name in ("tolower", "toupper"):
        assert [desk.signed(name, one) for one in range(-1, 256)] == [getattr(_C, name)(one) for one in range(-1, 256)]


@pytest.mark.parametrize(("needed", "alpha"), [(("libc.so.6",), 1 << 10), (("libc.so.0",), 1 << 2)])
def test_tables_have_the_flags_of_the_library(needed: tuple[str, ...], alpha: int) -> None:
    desk = Desk(characters.ANSWERS, Image("arm", False, 4, 0, needed=needed))
    characters.place(desk.ram)
    table = desk.ram.word(desk.call("__ctype_b_loc") or 0)
    letters = [one for one in range(256) if desk.ram.load(table + 2 * one, 2) & alpha]
    assert bytes(letters).isalpha()
    assert len(letters) == 52
    size = 4 if needed == ("libc.so.6",) else 2
    lower = desk.ram.word(desk.call("__ctype_tolower_loc") or 0)
    assert desk.ram.load(lower + size * ord("Q"), size) == ord("q")


def _sign(value: int, name: str) -> int:
    return (value > 0) - (value < 0) if "cmp" in name else value
