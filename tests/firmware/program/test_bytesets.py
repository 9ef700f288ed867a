"""Conditions over one byte, tried with all its values."""

from customhouse.firmware.program import bytesets, fold
from customhouse.firmware.program.bytesets import ByteSets
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.lift import ADD, BAND, BOR, EQ, LE, SELECT, SLT
from customhouse.firmware.program.terms import BYTE, OP, Terms


def setting() -> tuple[Terms, ByteSets, int]:
    terms = Terms(4)
    sets = ByteSets(terms, Image("arm", False, 4, 0))
    pointer = terms.param(0)
    return terms, sets, terms.make((BYTE, pointer, pointer, 0, 0, 1), pointer)


def test_a_range_test_after_subtraction_gives_the_digits() -> None:
    terms, sets, byte = setting()
    test = fold.binary(terms, LE, fold.binary(terms, ADD, byte, terms.const(-48), 4), terms.const(9), 4)
    digits = bytesets.CLASSES["isdigit"]
    assert sets.holding(test) == [(byte, digits, ~digits & bytesets.ALL)]


def test_a_library_class_is_the_class() -> None:
    terms, sets, byte = setting()
    call = terms.result(0x1000, "isalnum", (byte,))
    [(variable, holds, _fails)] = sets.holding(call)
    assert variable == byte
    assert holds == bytesets.CLASSES["isalnum"]
    assert not holds & bytesets.SHELL


def test_two_bytes_in_one_condition_tell_nothing() -> None:
    terms, sets, byte = setting()
    other = terms.make((BYTE, terms.param(1), terms.param(1), 0, 0, 1), terms.param(1))
    assert sets.holding(fold.binary(terms, EQ, byte, other, 1)) == []


def test_what_else_a_condition_depends_on_is_unknown() -> None:
    """A hyphen counts only behind the first place: whatever the place is, no other byte passes by it."""
    terms, sets, byte = setting()
    place = terms.make((OP, SLT, terms.zero, terms.param(1)), terms.param(1))
    hyphen = fold.binary(terms, EQ, byte, terms.const(45), 1)
    letter = terms.result(0x1000, "isalnum", (byte,))
    [(_, holds, fails)] = sets.holding(fold.binary(terms, BOR, letter, fold.binary(terms, BAND, hyphen, place, 1), 1))
    assert holds == bytesets.CLASSES["isalnum"] | bytesets.of("-")
    assert fails == ~bytesets.CLASSES["isalnum"] & bytesets.ALL


def test_a_byte_is_known_however_deep_the_condition_is() -> None:
    terms, sets, byte = setting()
    test = fold.binary(terms, LE, fold.binary(terms, ADD, byte, terms.const(-48), 4), terms.const(9), 4)
    for level in range(7):
        other = terms.make((OP, SELECT, test, terms.const(level + 1), terms.zero), test)
        test = terms.make((OP, SELECT, other, test, terms.zero), other, test)
    digits = bytesets.CLASSES["isdigit"]
    assert sets.holding(test) == [(byte, digits, ~digits & bytesets.ALL)]
    assert sets.variables(test) == {byte}
