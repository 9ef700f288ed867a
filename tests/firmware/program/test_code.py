"""Functions are followed through the jumps that compilers make of a switch."""

import struct

from customhouse.firmware.program.code import Code
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lifter import Lifter

AT, TABLE = 0x1000, 0x11000
RETURN_ARM, RETURN_MIPS, NOP = 0xE12FFF1E, 0x03E00008, 0


def function(image: Image) -> Code:
    code = Code(image, Lifter(image))
    code.function(AT)
    return code


def test_an_arm_jump_into_a_table_of_branches_reaches_each_of_them_and_what_stands_before_them() -> None:
    words = [
        0xE3500002,  # cmp r0, #2
        0x908FF100,  # addls pc, pc, r0, lsl #2
        0xEA000002,  # b the first return
        0xEA000002,  # three entries: b to the second, third and fourth
        0xEA000002,
        0xEA000002,
        *[RETURN_ARM] * 4,
    ]
    raw = bytearray(struct.pack(f"<{len(words)}I", *words))
    image = Image("arm", False, 4, AT, segments=[Segment(AT, AT + len(raw), raw, True, False)])
    reached = set(function(image).functions[AT].order)
    assert {AT + 4 * index for index in range(2, 10)} <= reached


def test_a_mips_jump_through_a_table_of_addresses_reaches_each_of_them() -> None:
    words = [
        0x2C830003,  # sltiu v1, a0, 3
        0x10600006,  # beqz v1, the last return
        0x00042080,  # sll a0, a0, 2
        0x3C020001,  # lui v0, 1
        0x00441021,  # addu v0, v0, a0
        0x8C421000,  # lw v0, 0x1000(v0)
        0x00400008,  # jr v0
        NOP,
        RETURN_MIPS,
        NOP,
        RETURN_MIPS,
        NOP,
    ]
    raw = bytearray(struct.pack(f"<{len(words)}I", *words))
    entries = bytearray(struct.pack("<3I", AT + 32, AT + 40, AT + 32))
    segments = [
        Segment(AT, AT + len(raw), raw, True, False),
        Segment(TABLE, TABLE + len(entries), entries, False, False),
    ]
    reached = set(function(Image("mips", False, 4, AT, segments=segments)).functions[AT].order)
    assert {AT + 32, AT + 40} <= reached


def test_a_call_in_front_of_another_function_does_not_come_back() -> None:
    words = [0x94000003, 0xD503201F, 0xD503201F, 0xD65F03C0]  # bl to the return, two nops, ret
    raw = bytearray(struct.pack("<4I", *words))
    code = Code(_image(raw), Lifter(_image(raw)))
    assert code.function(AT).successors[AT] == (AT + 4,)
    known = Code(_image(raw), Lifter(_image(raw)))
    known.look_for_starts()
    assert known.function(AT).successors[AT] == ()


def test_a_jump_to_a_function_that_others_call_is_a_tail_call() -> None:
    raw = bytearray(struct.pack("<4I", 0x14000002, 0x94000001, 0xD65F03C0, 0xD65F03C0))  # b and bl to the first ret
    code = Code(_image(raw), Lifter(_image(raw)))
    code.look_for_starts()
    assert code.function(AT).tails == {AT: AT + 8}


def _image(raw: bytearray) -> Image:
    return Image("arm64", False, 8, AT, segments=[Segment(AT, AT + len(raw), raw, True, False)])


def test_a_mips_function_that_ends_in_a_call_with_other_arguments_is_no_stub() -> None:
    words = [
        0x3C190001,  # lui t9, 1
        0x8F391000,  # lw t9, 0x1000(t9)
        0x03200008,  # jr t9
        NOP,
        0x3C190001,
        0x8F391000,
        0x03200008,
        0x24840004,  # addiu a0, a0, 4
    ]
    raw = bytearray(struct.pack(f"<{len(words)}I", *words))
    cell = bytearray(4)
    code_, data = Segment(AT, AT + len(raw), raw, True, False), Segment(TABLE, TABLE + 4, cell, False, True)
    image = Image("mips", False, 4, AT, segments=[code_, data])
    image.dynamic = True
    cell[:] = struct.pack("<I", image.import_slot("system"))
    code = Code(image, Lifter(image))
    assert code.name(AT) == "system"
    assert code.name(AT + 16) is None
