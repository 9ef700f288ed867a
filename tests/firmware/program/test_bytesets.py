"""Conditions over one byte, tried with all its values."""

from customhouse.firmware.program import bytesets, fold
from customhouse.firmware.program.bytesets import ByteSets
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.lift import ADD, EQ, LE
from customhouse.firmware.program.terms import BYTE, Terms


def setting() -> tuple[Terms, ByteSets, int]:
    terms = Terms(4)
    sets = ByteSets(terms, Image("arm", False, 4, 0))
    pointer = terms.param(0)
    return terms, sets, terms.make((BYTE, pointer, pointer, 0, 0, 1), pointer)


def test_a_range_test_after_subtraction_gives_the_digits() -> None:
    terms, sets, byte = setting()
    test = fold.binary(terms, LE, fold.binary(terms, ADD, byte, terms.const(-48), 4), terms.const(9), 4)
    assert sets.holding(test) == (byte, bytesets.CLASSES["isdigit"])


def test_a_library_class_is_the_class() -> None:
    terms, sets, byte = setting()
    call = terms.result(0x1000, "isalnum", (byte,))
    held = sets.holding(call)
    assert held is not None
    assert held[1] == bytesets.CLASSES["isalnum"]
    assert not held[1] & bytesets.SHELL


def test_two_bytes_in_one_condition_tell_nothing() -> None:
    terms, sets, byte = setting()
    other = terms.make((BYTE, terms.param(1), terms.param(1), 0, 0, 1), terms.param(1))
    assert sets.holding(fold.binary(terms, EQ, byte, other, 1)) is None
