"""Words as memory holds them when a program is loaded."""

from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.nodes import BYTE, CONST, LOAD
from customhouse.firmware.program.state import Content, State
from customhouse.firmware.program.terms import Terms
from customhouse.firmware.program.words import Words

DATA = b"\x7fELF".ljust(0x1000, b"\x07")
IMAGE = Image("mips", True, 4, 0, segments=[Segment(0, len(DATA), DATA, True, False)])
TERMS = Terms(4, IMAGE.floor)


def test_constant_data_are_read_and_where_a_null_pointer_leads_nothing_is() -> None:
    words, state = Words(TERMS, IMAGE, 0x400), State()
    assert words.load(state, TERMS.const(0x800), 2) == TERMS.const(0x0707)
    assert TERMS.nodes[words.load(state, TERMS.const(2), 2)][0] != CONST  # the head of the file, read at address 0


def test_a_word_where_a_text_begins_that_was_written_letter_by_letter_is_not_its_first_letter() -> None:
    words, state = Words(TERMS, IMAGE, 0x400), State()
    letter = TERMS.merge({TERMS.zero, words.load(state, TERMS.param(0), 1)})
    place = (words.frame, -64, 0)
    state.words[place] = (1, letter)
    at = TERMS.add(words.frame, -64)
    assert words.load(state, at, 4) == letter  # a narrow number
    state.texts[place] = Content(frozenset({("T", TERMS.param(0), 0, 1, 0)}), "%s", grown=True)
    whole = TERMS.nodes[words.load(state, at, 4)]
    assert whole[0] == LOAD and whole[1:] == (words.frame, -64, 0, 4)
    byte = TERMS.nodes[words.load(state, at, 1)]  # where it may be the end of an empty text, a test tells of the text
    assert byte[0] in (BYTE, LOAD) and byte[-4:] == (words.frame, -64, 0, 1)
