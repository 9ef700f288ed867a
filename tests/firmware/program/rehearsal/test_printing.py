"""Templates are filled as the C library fills them."""

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.rehearsal import printing

from .pretended import HERE, SIZE, Desk, Given

_C = ctypes.CDLL(None)
_WIDTH = st.sampled_from(["", "1", "3", "8", "20"])
_PRECISION = st.sampled_from(["", ".", ".0", ".1", ".3", ".12"])
_FLAGS = st.text("-+ #0", max_size=3)


@pytest.fixture
def desk() -> Desk:
    return Desk(printing.ANSWERS)


def printed(template: str, *values: object) -> bytes:
    buffer = ctypes.create_string_buffer(4096)
    _C.snprintf(buffer, 4096, template.encode(), *values)
    return buffer.value


def filled(desk: Desk, template: str, *values: int | float) -> bytes:
    return printing.format(template.encode(), Given(list(values)), desk.ram, desk.text)


@settings(max_examples=300, deadline=None)
@given(
    _FLAGS,
    _WIDTH,
    _PRECISION,
    st.sampled_from(["", "hh", "h", "l", "ll", "z", "j"]),
    st.sampled_from("diuxXo"),
    st.one_of(st.sampled_from([0, 1, 7, 128, 255]), st.integers(0, (1 << 64) - 1)),
)
def test_whole_numbers(flags: str, width: str, precision: str, size: str, kind: str, value: int) -> None:
    template = f"<%{flags}{width}{precision}{size}{kind}>"
    assert filled(Desk({}), template, value) == printed(template, ctypes.c_uint64(value))


@settings(max_examples=300, deadline=None)
@given(_FLAGS, _WIDTH, _PRECISION, st.sampled_from("fFeEgGaA"), st.floats())
def test_reals(flags: str, width: str, precision: str, kind: str, value: float) -> None:
    template = f"<%{flags}{width}{precision}{kind}>"
    assert filled(Desk({}), template, value) == printed(template, ctypes.c_double(value))


@settings(max_examples=100, deadline=None)
@given(st.text("-", max_size=1), _WIDTH, _PRECISION, st.sampled_from([b"", b"a", b"abcdefghijklmnop"]))
def test_texts(flags: str, width: str, precision: str, value: bytes) -> None:
    template = f"%%<%{flags}{width}{precision}s>%c"
    desk = Desk({})
    expected = printed(template, ctypes.c_char_p(value), ord("!"))
    assert filled(desk, template, desk.put(value), ord("!")) == expected


def test_widths_among_the_arguments(desk: Desk) -> None:
    for width, precision in ((6, 2), (-6, 2), (6, -1)):
        expected = printed("%*.*d|", width, precision, 5)
        assert filled(desk, "%*.*d|", width & 0xFFFFFFFF, precision & 0xFFFFFFFF, 5) == expected


def test_pointers_that_are_null(desk: Desk) -> None:
    assert filled(desk, "%s %.3s %p %p", 0, 0, 0, 255) == printed(
        "%s %.3s %p %p", None, None, None, ctypes.c_void_p(255)
    )


def test_a_precision_bounds_what_is_read(desk: Desk) -> None:
    desk.ram.write(HERE + SIZE - 2, b"ab")
    assert filled(desk, "%.2s", HERE + SIZE - 2) == b"ab"


def test_what_is_no_conversion_stands(desk: Desk) -> None:
    assert filled(desk, "5%! of 7%") == b"5%! of 7%"


def test_numbers_of_a_machine_of_32_bits() -> None:
    desk = Desk({}, Image("mips", True, 4, 0))
    assert filled(desk, "%ld %lld %zu", 0xFFFFFFFF, 1 << 40, 0xFFFFFFFF) == b"-1 1099511627776 4294967295"


def test_the_result_is_written_as_far_as_there_is_room(desk: Desk) -> None:
    target = desk.put(b"." * 12)
    assert desk.call("snprintf", target, 4, b"%s=%d", desk.put(b"abc"), 5) == 5
    assert desk.text(target) == b"abc"
    assert desk.call("snprintf", 0, 0, b"%d", 12345) == 5
    assert desk.call("__sprintf_chk", target, 1, 12, b"%d", 7) == 1
    assert desk.text(target) == b"7"
    assert desk.call("__snprintf_chk", target, 12, 1, 12, b"%x", 255) == 2
    assert desk.text(target) == b"ff"
    assert desk.call("asprintf", target, b"<%s>", desk.put(b"x")) == 3
    assert desk.text(desk.ram.word(target)) == b"<x>"


def test_arguments_that_lie_in_a_list() -> None:
    desk = Desk(printing.ANSWERS, Image("mips", True, 4, 0))
    target, text = desk.put(bytes(20)), desk.put(b"abc")
    desk.at = (desk.at + 3) & ~3
    listed = desk.put(text.to_bytes(4, "big") + (9).to_bytes(4, "big"))
    assert desk.call("vsprintf", target, b"%s:%d", listed) == 5
    assert desk.text(target) == b"abc:9"
    assert desk.call("__vsnprintf_chk", target, 3, 1, 20, b"%s:%d", listed) == 5
    assert desk.text(target) == b"ab"
