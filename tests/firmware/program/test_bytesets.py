"""Conditions over one byte, tried with all its values."""

from customhouse.firmware.program import bytesets, fold
from customhouse.firmware.program.bytesets import ByteSets
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.lift import ADD, AND, BAND, BOR, EQ, LE, SELECT, SHL, SHR, SLE, SLT
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


def test_the_sign_of_a_short_that_was_read_is_its_topmost_bit() -> None:
    """isgraph() on little-endian: the flag is bit 15, and compilers ask whether the number is negative."""
    terms, sets, byte = setting()
    flags = terms.result(0x1000, "__ctype_b_loc")
    table = terms.load(flags, 0, 0, 4)
    address = terms.make((OP, ADD, table, fold.binary(terms, SHL, byte, terms.const(1), 4)), table, byte)
    short = terms.make((BYTE, address, table, 0, 1, 2), address, table)
    graph = bytesets.CLASSES["isgraph"]
    for test in (
        fold.binary(terms, SLT, short, terms.zero, 4),
        fold.binary(terms, SLE, short, terms.const(-1), 4),
        fold.binary(terms, SHR, short, terms.const(31), 4),
    ):
        assert sets.holding(test) == [(byte, graph, ~graph & bytesets.ALL)]
    not_less = fold.binary(terms, SLE, terms.zero, short, 4)
    assert sets.holding(not_less) == [(byte, ~graph & bytesets.ALL, graph)]


def test_a_set_of_characters_in_one_constant_of_64_bits_is_that_set() -> None:
    terms = Terms(8)
    sets = ByteSets(terms, Image("x86", False, 8, 0))
    pointer = terms.param(0)
    byte = terms.make((BYTE, pointer, pointer, 0, 0, 1), pointer)
    place = fold.binary(terms, ADD, byte, terms.const(-39), 8)
    drawn = fold.binary(terms, SHR, terms.const(1 << 63 | 1 << 57 | 1 << 20 | 1), place, 8)
    inside = fold.binary(terms, LE, place, terms.const(63), 1)
    test = fold.binary(terms, BAND, inside, fold.binary(terms, AND, drawn, terms.const(1), 8), 1)
    [(variable, holds, _)] = sets.holding(test)
    assert variable == byte
    assert holds == bytesets.of("';`f")
