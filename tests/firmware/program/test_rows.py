"""Entries of constant tables and what tests of their fields leave of them."""

import struct

from customhouse.firmware.program import fold
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lift import AND, EQ, MUL
from customhouse.firmware.program.rows import Rows
from customhouse.firmware.program.state import State
from customhouse.firmware.program.terms import BYTE, GLOBAL, Terms

TABLE, STEP = 0x9000, 12
ENTRIES = ((0x8100, 1, 4), (0x8200, 3, 0), (0x8300, 0, 0), (0x8400, 2, 9))
"""A function, flags, a smallest length."""
FUNCTIONS = [entry[0] for entry in ENTRIES]


def setting() -> tuple[Terms, Rows, int]:
    image = Image("arm", False, 4, 0)
    data = bytearray(b"".join(struct.pack("<III", *entry) for entry in ENTRIES))
    image.segments = [Segment(TABLE, TABLE + len(data), data, False, False)]
    terms = Terms(4)
    return terms, Rows(terms, image), terms.unknown("pointer")


def field(terms: Terms, pointer: int, offset: int) -> int:
    address = terms.add(pointer, offset)
    return terms.make((BYTE, address, GLOBAL, TABLE + offset, STEP, 4), address)


def test_a_flag_of_an_entry_tells_which_functions_it_can_name() -> None:
    terms, rows, pointer = setting()
    state = State()
    state.ranges[fold.binary(terms, AND, field(terms, pointer, 4), terms.const(1), 4)] = (0, 0)
    assert rows.possible(state, field(terms, pointer, 0), FUNCTIONS) == [0x8300, 0x8400]
    state.ranges[fold.binary(terms, EQ, field(terms, pointer, 4), terms.zero, 4)] = (0, 0)
    assert rows.possible(state, field(terms, pointer, 0), FUNCTIONS) == [0x8400]


def test_the_flag_of_another_entry_tells_nothing() -> None:
    terms, rows, pointer = setting()
    state = State()
    state.ranges[field(terms, terms.unknown("other"), 4)] = (0, 0)
    assert rows.possible(state, field(terms, pointer, 0), FUNCTIONS) == FUNCTIONS


def test_a_test_with_more_unknowns_leaves_all_entries() -> None:
    terms, rows, pointer = setting()
    state = State()
    state.ranges[fold.binary(terms, EQ, field(terms, pointer, 8), terms.param(0), 4)] = (0, 0)
    assert rows.possible(state, field(terms, pointer, 0), FUNCTIONS) == FUNCTIONS


def test_functions_that_stand_nowhere_in_the_table_are_kept() -> None:
    terms, rows, pointer = setting()
    state = State()
    state.ranges[field(terms, pointer, 4)] = (7, 7)
    assert rows.possible(state, field(terms, pointer, 0), [0x8100, 0x9999]) == [0x8100, 0x9999]


def test_a_pointer_that_a_loop_moves_reads_one_entry_whatever_entry_it_began_at() -> None:
    terms, rows, pointer = setting()

    def moved(offset: int) -> int:
        address = terms.add(pointer, offset)
        places = [(BYTE, address, GLOBAL, TABLE + offset + start, STEP, 4) for start in (0, STEP)]
        return terms.merge({terms.make(one, address) for one in places})

    state = State()
    state.ranges[moved(4)] = (0, 0)
    assert rows.possible(state, moved(0), FUNCTIONS) == [0x8300]


def test_a_byte_that_chooses_an_entry_tells_which_it_is() -> None:
    terms, rows, _pointer = setting()
    byte = terms.make((BYTE, terms.param(0), terms.param(0), 0, 0, 1), terms.param(0))
    place = fold.binary(terms, MUL, byte, terms.const(STEP), 4)
    target = field(terms, place, 0)
    state = State()
    state.masks[byte] = 1 << 1 | 1 << 3
    assert rows.possible(state, target, FUNCTIONS) == [0x8200, 0x8400]


WORDS, WIDE = 0xA000, 24
"""A table of words with room for a text in each entry, as it lies in initialised data."""


def worded(kept: bool = True) -> tuple[Terms, Rows, int]:
    image = Image("arm", False, 4, 0)
    names = b"name\0port\0ntp\0"
    rows = [0x9000, 0x9005, 0x900A]
    data = bytearray(b"".join(struct.pack("<I", row) + bytes(WIDE - 4) for row in rows))
    image.segments = [
        Segment(0x9000, 0x9000 + len(names), bytearray(names), False, False),
        Segment(WORDS, WORDS + len(data), data, False, True),
    ]
    terms = Terms(4)
    pointer = terms.phi(0x100, 0x120, 3)
    terms.add_alternative(pointer, terms.const(WORDS))
    terms.add_alternative(pointer, terms.add(pointer, WIDE))
    return terms, Rows(terms, image, lambda _place, _step, _size: kept), pointer


def word(terms: Terms, pointer: int) -> int:
    return terms.make((BYTE, pointer, GLOBAL, WORDS, WIDE, 4), pointer)


def test_the_entry_of_a_word_is_known_by_the_word() -> None:
    terms, rows, pointer = worded()
    state = State()
    text = terms.add(pointer, 4)
    assert rows.entries(state, text) == ()
    state.facts = frozenset({("eq", word(terms, pointer), "ntp")})
    assert rows.entries(state, text) == ((GLOBAL, WORDS + 2 * WIDE + 4, 0),)


def test_words_that_are_written_over_tell_nothing() -> None:
    terms, rows, pointer = worded(kept=False)
    state = State()
    state.facts = frozenset({("eq", word(terms, pointer), "ntp")})
    assert rows.entries(state, terms.add(pointer, 4)) == ()


def test_a_word_that_is_read_ahead_belongs_to_the_entry_that_the_loop_comes_to() -> None:
    terms, rows, pointer = worded()
    after = terms.add(pointer, WIDE)
    ahead = terms.phi(0x100, 0x120, 4)
    read = terms.make((BYTE, after, GLOBAL, WORDS + WIDE, WIDE, 4), after)
    terms.edges[pointer] = (terms.const(WORDS), after)
    terms.edges[ahead] = (terms.load(GLOBAL, WORDS, 0, 4), read)
    terms.joined[0x100, 0x120] = {pointer: None, ahead: None}
    state = State()
    state.facts = frozenset({("eq", ahead, "port")})
    assert rows.entries(state, terms.add(pointer, 4)) == ((GLOBAL, WORDS + WIDE + 4, 0),)
