"""Words as memory holds them when a program is loaded."""

from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.nodes import CONST
from customhouse.firmware.program.state import State
from customhouse.firmware.program.terms import Terms
from customhouse.firmware.program.words import Words

DATA = b"\x7fELF".ljust(0x1000, b"\x07")
IMAGE = Image("mips", True, 4, 0, segments=[Segment(0, len(DATA), DATA, True, False)])
TERMS = Terms(4, IMAGE.floor)


def test_constant_data_are_read_and_where_a_null_pointer_leads_nothing_is() -> None:
    words, state = Words(TERMS, IMAGE, 0x400), State()
    assert words.load(state, TERMS.const(0x800), 2) == TERMS.const(0x0707)
    assert TERMS.nodes[words.load(state, TERMS.const(2), 2)][0] != CONST  # the head of the file, read at address 0
