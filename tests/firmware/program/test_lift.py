"""The lifter: what it saw in one program says nothing of the next, and calls are read in the right mode."""

import struct

from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lift import Block, Lifter

AT = 0x1000
NOP, IT_EQ, MOVS_R0_1, BX_LR = 0xBF00, 0xBF08, 0x2001, 0x4770


def thumb(*halfwords: int) -> Image:
    code = bytearray(struct.pack(f"<{len(halfwords)}H", *halfwords))
    return Image("arm", False, 4, AT | 1, segments=[Segment(AT, AT + len(code), code, True, False)])


def lifted(image: Image) -> list[Block]:
    return Lifter(image).block(AT, True)


def test_a_conditional_instruction_of_one_program_is_unconditional_at_the_same_address_of_the_next() -> None:
    plain = lifted(thumb(NOP, MOVS_R0_1, BX_LR))
    conditional = lifted(thumb(IT_EQ, MOVS_R0_1, BX_LR))
    assert [op[0] for op in conditional[0].ops] != [op[0] for op in plain[0].ops]
    assert lifted(thumb(NOP, MOVS_R0_1, BX_LR)) == plain


def test_many_programs_after_each_other_are_lifted_alike() -> None:
    first = lifted(thumb(NOP, MOVS_R0_1, BX_LR))
    for number in range(40):
        assert len(lifted(thumb(*[IT_EQ, MOVS_R0_1] * (number + 1), BX_LR))) >= 1
        assert lifted(thumb(NOP, MOVS_R0_1, BX_LR)) == first


def test_a_call_into_arm_code_at_the_end_of_what_is_lifted_at_once_is_still_a_call_of_arm_code() -> None:
    nops = [NOP] * 79  # the call begins 158 bytes in, the lifter reads 160
    image = thumb(*nops, 0xF000, 0xE802, *[NOP] * 8, BX_LR)
    calls = [one.exit for one in lifted(image) if one.exit.kind == "call"]
    assert [(one.target & 1, one.site) for one in calls] == [(0, AT + 158)]
