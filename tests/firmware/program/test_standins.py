"""Functions of the C library as they are answered in the emulator."""

import pytest

from customhouse.firmware.program import standins
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.ram import Fault, Ram

_HERE, _THERE = 0x1000, 0x1800


@pytest.fixture
def ram() -> Ram:
    made = Ram(Image("x86_64", False, 8, 0))
    made.reserve(0x1000, 0x2000)
    made.write(_HERE, b"a'b'c\0")
    made.write(_THERE, b"'x\0")
    return made


def answer(ram: Ram, name: str, *arguments: int) -> int:
    return standins.ANSWERS[name](ram, *(*arguments, 0, 0, 0)[:3])


def test_searches_give_where_a_byte_is_or_nothing(ram: Ram) -> None:
    assert answer(ram, "strchr", _HERE, ord("'")) == _HERE + 1
    assert answer(ram, "strrchr", _HERE, ord("'")) == _HERE + 3
    assert answer(ram, "strchr", _HERE, 0) == _HERE + 5
    assert answer(ram, "strchr", _HERE, ord("z")) == 0
    assert answer(ram, "memchr", _HERE, ord("b"), 2) == 0
    assert answer(ram, "strpbrk", _HERE, _THERE) == _HERE + 1
    assert answer(ram, "strcspn", _HERE, _THERE) == 1
    assert answer(ram, "strspn", _HERE, _THERE) == 0


def test_copies_leave_what_they_should(ram: Ram) -> None:
    assert answer(ram, "stpcpy", _HERE, _THERE) == _HERE + 2
    assert ram.text(_HERE) == b"'x"
    assert answer(ram, "strcat", _HERE, _THERE) == _HERE
    assert ram.text(_HERE) == b"'x'x"
    assert answer(ram, "strncat", _HERE, _THERE, 1) == _HERE
    assert ram.text(_HERE) == b"'x'x'"
    assert answer(ram, "mempcpy", _HERE + 8, _THERE, 3) == _HERE + 11


def test_a_copy_of_any_length_is_not_made(ram: Ram) -> None:
    with pytest.raises(Fault):
        answer(ram, "memcpy", _HERE, _THERE, 1 << 30)


def test_checked_variants_are_the_same_functions() -> None:
    assert standins.stands_in("__memcpy_chk")
    assert standins.stands_in("__ctype_b_loc")
    assert standins.stands_in("isalnum")
    assert not standins.stands_in("recv")
