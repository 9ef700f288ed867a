"""Jumps through tables, and the number that selects."""

import struct

from customhouse.firmware.program import fold
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lift import ADD, SHL
from customhouse.firmware.program.selectors import selected
from customhouse.firmware.program.terms import BYTE, GLOBAL, Terms

TABLE = 0x9000


def image(table: bytes) -> Image:
    out = Image("arm", False, 4, 0)
    out.segments = [Segment(TABLE, TABLE + len(table), bytearray(table), False, False)]
    return out


def test_branches_in_a_row_are_selected_by_their_number() -> None:
    terms = Terms(4)
    number = terms.param(0)
    target = fold.binary(terms, ADD, terms.const(0x8010), fold.binary(terms, SHL, number, terms.const(2), 4), 4)
    places = (0x8010, 0x8014, 0x8018)
    assert selected(terms, image(b""), target, places) == (number, {0x8010: [0], 0x8014: [1], 0x8018: [2]})


def test_places_in_a_table_of_distances_are_selected_by_the_values_that_lead_there() -> None:
    terms = Terms(4)
    letter = terms.param(0)
    index = fold.binary(terms, SHL, terms.add(letter, -97), terms.const(2), 4)
    address = fold.binary(terms, ADD, terms.const(TABLE), index, 4)
    entry = terms.make((BYTE, address, GLOBAL, TABLE, 4, 4), address)
    target = fold.binary(terms, ADD, terms.const(TABLE), entry, 4)
    table = struct.pack("<iiii", -0x100, -0x80, -0x100, -0x40)
    found = selected(terms, image(table), target, (TABLE - 0x100, TABLE - 0x80, TABLE - 0x40))
    assert found == (letter, {TABLE - 0x100: [97, 99], TABLE - 0x80: [98], TABLE - 0x40: [100]})


def test_a_jump_that_two_unknowns_select_tells_nothing() -> None:
    terms = Terms(4)
    target = fold.binary(terms, ADD, terms.param(1), fold.binary(terms, SHL, terms.param(0), terms.const(2), 4), 4)
    assert selected(terms, image(b""), target, (0x8010,)) is None
