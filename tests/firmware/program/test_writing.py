"""Texts as they are written into the frame of a function."""

from customhouse.firmware.program.bytesets import ByteSets
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.state import Content, State
from customhouse.firmware.program.terms import Terms
from customhouse.firmware.program.writing import Writing

DATA = b"\x7fELF".ljust(0x1000, b"\x07")
IMAGE = Image("mips", True, 4, 0, segments=[Segment(0, len(DATA), DATA, True, False)])
TERMS = Terms(4, IMAGE.floor)


def given(parameter: int, extent: int = 0) -> Content:
    return Content(frozenset({("T", TERMS.param(parameter), 0, 0, 0)}), "%s", extent)


def test_what_is_written_letter_by_letter_behind_a_buffer_of_known_size_is_no_part_of_its_text() -> None:
    writing = Writing(TERMS, IMAGE, 0x400, lambda _event: None, ByteSets(TERMS, IMAGE))
    line, state = (writing.frame, -608, 0), State()
    writing.write_text(state, line, given(0, 256), sized=True)
    state.texts[line] = given(0)  # cut off where a newline was: how long it is, is not known any more
    inside, behind = state.copy(), state.copy()
    writing.write_text(inside, (writing.frame, -400, 1), given(1))
    assert inside.texts[line].deps == given(0).deps | given(1).deps
    writing.write_text(behind, (writing.frame, -352, 1), given(1))
    assert behind.texts[line] == given(0)
    assert behind.texts[writing.frame, -352, 0].deps == given(1).deps
