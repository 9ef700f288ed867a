"""Constants of a block: what data read as code computes costs no memory."""

from customhouse.firmware.program.constants import run
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.lift import MOV, SHL


def test_a_shift_by_more_than_a_word_is_not_computed() -> None:
    image = Image("arm", False, 4, 0)
    known = run([(MOV, 0, ~1, ~0, 4, 0), (SHL, 4, 0, ~0xFFFFFFF0, 4, 0), (SHL, 8, 0, ~4, 4, 0)], {}, image)
    assert known == {0: 1, 8: 16}
