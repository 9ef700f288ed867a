"""Numbers are read as the C library reads them."""

import ctypes
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.rehearsal import conversions
from customhouse.firmware.program.rehearsal.addresses import IPV4, IPV6, loose, strict, written
from customhouse.firmware.program.rehearsal.numerals import real

from .pretended import ERRNO, Desk

_C = ctypes.CDLL(None)
_NUMERAL = st.one_of(
    st.text("0123456789abxXzf+- ", max_size=6).map(str.encode),
    st.integers(-(1 << 70), 1 << 70).map(lambda one: str(one).encode()),
)
_ADDRESS = st.lists(st.sampled_from(["0", "1", "08", "077", "0x1f", "255", "256", "65536", "4294967295", "", "a", " "]))


@pytest.fixture
def desk() -> Desk:
    return Desk(conversions.ANSWERS)


@settings(max_examples=200, deadline=None)
@given(_NUMERAL, st.sampled_from([0, 1, 8, 10, 16, 36, 37]), st.sampled_from(["strtol", "strtoul", "strtoll"]))
def test_integers_are_read_as_the_library_reads_them(text: bytes, base: int, name: str) -> None:
    desk = Desk(conversions.ANSWERS)
    function = getattr(_C, name)
    function.restype = ctypes.c_uint64
    buffer, end = ctypes.create_string_buffer(text), ctypes.c_void_p()
    expected = function(buffer, ctypes.byref(end), base)
    place, kept = desk.put(text), desk.put(bytes(8))
    assert desk.call(name, place, kept, base) == expected
    if base in (0, *range(2, 37)):
        assert desk.ram.word(kept) - place == (end.value or 0) - ctypes.addressof(buffer)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text("0123456789.eExXpnaif+- ", max_size=8).map(str.encode),
        st.floats().map(lambda one: repr(one).encode()),
        st.floats().map(lambda one: one.hex().encode()),
    )
)
def test_reals_are_read_as_the_library_reads_them(text: bytes) -> None:
    function = _C.strtod
    function.restype = ctypes.c_double
    buffer, end = ctypes.create_string_buffer(text), ctypes.c_void_p()
    expected = function(buffer, ctypes.byref(end))
    value, used = real(text)
    assert used == (end.value or 0) - ctypes.addressof(buffer)
    assert value == expected or value != value


def test_numbers_that_were_read_are_told(desk: Desk) -> None:
    assert desk.signed("atoi", b" -12x") == -12
    desk.call("atof", b"1.5")
    assert desk.host.double == 1.5
    assert desk.host.told == [("number", b" -12x", b"-12"), ("number", b"1.5", b"1.5")]


def test_numbers_out_of_range_set_an_error(desk: Desk) -> None:
    desk.call("strtoul", b"-1", 0, 10)
    assert desk.ram.load(ERRNO, 4) == 0
    desk.call("strtol", b"9223372036854775808", 0, 10)
    assert desk.ram.load(ERRNO, 4) == 34


def test_machines_of_32_bits_give_wide_numbers_in_two_registers() -> None:
    desk = Desk(conversions.ANSWERS, Image("mips", True, 4, 0))
    assert desk.call("strtoll", b"-5", 0, 10) is None
    assert desk.host.wide == -5
    assert desk.call("strtol", b"9999999999", 0, 10) == 0x7FFFFFFF
    assert desk.call("htons", 0x11234) == 0x1234


@settings(max_examples=300, deadline=None)
@given(_ADDRESS, st.sampled_from(["", " ", " x", "x", "."]))
def test_addresses_are_read_loosely_and_strictly_as_the_library_does(parts: list[str], more: str) -> None:
    text = (".".join(parts) + more).encode()
    target = ctypes.create_string_buffer(4)
    assert loose(text) == (target.raw if _C.inet_aton(text, target) else None)
    for family in (IPV4, IPV6):
        target = ctypes.create_string_buffer(16)
        expected = target.raw[: 4 if family == IPV4 else 16] if _C.inet_pton(family, text, target) else None
        if expected is not None:
            expected = target.raw[: len(expected)]
        assert strict(text, family) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"\0\0", b"\xff\xff", b"\0\x01", b"\x12\x34"]), min_size=8, max_size=8).map(b"".join))
def test_addresses_are_written_as_the_library_does(packed: bytes) -> None:
    assert written(packed) == socket.inet_ntop(socket.AF_INET6, packed).encode()
    assert written(packed[:4]) == socket.inet_ntoa(packed[:4]).encode()
    assert strict(written(packed), IPV6) == packed


def test_addresses_lie_in_memory_in_the_order_of_the_network(desk: Desk) -> None:
    assert desk.call("inet_addr", b"1.2.3.4") == 0x04030201
    assert desk.call("inet_addr", b"nowhere") == 0xFFFFFFFF
    assert desk.text(desk.call("inet_ntoa", 0x04030201)) == b"1.2.3.4"
    assert desk.call("htonl", 0x01020304) == 0x04030201
    target = desk.put(bytes(20))
    assert desk.call("inet_pton", IPV4, b"10.0.0.1", target) == 1
    assert desk.call("inet_ntop", IPV4, target, target + 4, 16) == target + 4
    assert desk.text(target + 4) == b"10.0.0.1"
    assert desk.call("inet_ntop", IPV4, target, target + 4, 8) == 0
    assert ("address", b"nowhere", b"") in desk.host.told


def test_elements_are_sorted_and_found_by_the_programs_own_comparison(desk: Desk) -> None:
    def compare(left: int, right: int) -> int:
        return desk.ram.load(left, 1) - desk.ram.load(right, 1) & desk.ram.mask

    desk.host.functions[99] = compare
    place = desk.put(b"c3a1d4b2")
    desk.call("qsort", place, 4, 2, 99)
    assert desk.text(place) == b"a1b2c3d4"
    assert desk.call("bsearch", b"c", place, 4, 2, 99) == place + 4
    assert desk.call("bsearch", b"x", place, 4, 2, 99) == 0


def test_chance_is_the_same_each_time(desk: Desk) -> None:
    desk.call("srand", 7)
    first = [desk.signed("rand") for _ in range(3)]
    desk.call("srand", 7)
    assert [desk.signed("random") for _ in range(3)] == first
    assert len(set(first)) == 3
