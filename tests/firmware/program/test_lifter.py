"""The lifter: what it saw in one program says nothing of the next, and calls are read in the right mode."""

import struct
import subprocess
import sys

from customhouse.firmware.program import lift
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lift import Block
from customhouse.firmware.program.lifter import Lifter

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


def test_data_that_reads_as_loads_of_too_many_registers_does_not_end_the_process() -> None:
    """In a process of its own: what is tested against is a segmentation fault."""
    words = [0x5C91EA5F, 0xEC910A5F, 0xECF1FA40, 0xEC91FB42, 0xED3CEA00, 0x0CDCEA5F]
    script = (
        "from customhouse.firmware.program.elf import Image, Segment\n"
        "from customhouse.firmware.program.lifter import Lifter\n"
        f"for word in {words}:\n"
        "    for thumb in (False, True):\n"
        "        raw = bytearray(word.to_bytes(4, 'little') if not thumb else (word >> 16).to_bytes(2, 'little')\n"
        "                        + (word & 0xFFFF).to_bytes(2, 'little')) + bytes(60)\n"
        "        image = Image('arm', False, 4, 0x1000, segments=[Segment(0x1000, 0x1040, raw, True, False)])\n"
        "        print(len(Lifter(image).block(0x1000, thumb)) >= 1)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.split()) == (0, ["True"] * 2 * len(words))


LWL, LWR, SWL, SWR = 0x22, 0x26, 0x2A, 0x2E


def mips(big: bool, *words: int) -> Image:
    order = ">" if big else "<"
    words = (*words, 0x03E00008, 0)  # jr ra, and nothing in its delay slot
    code = bytearray(struct.pack(f"{order}{len(words)}I", *words))
    return Image("mips", big, 4, AT, segments=[Segment(AT, AT + len(code), code, True, False)])


def test_a_word_at_any_address_is_read_and_written_as_one_on_mips() -> None:
    for big in (False, True):
        low, high = (LWL, LWR) if big else (LWR, LWL)
        low_store, high_store = (SWL, SWR) if big else (SWR, SWL)
        words = [
            code << 26 | base << 21 | 2 << 16 | offset
            for code, base, offset in ((low, 4, 5), (high, 4, 8), (low_store, 5, 1), (high_store, 5, 4))
        ]
        [block] = Lifter(mips(big, *words)).block(AT, False)
        kinds = [(op[0], op[4]) for op in block.ops]
        assert kinds[:4] == [(lift.ADD, 4), (lift.LOAD, 4), (lift.ADD, 4), (lift.STORE, 4)]
        assert [~op[3] for op in block.ops[:4] if op[0] == lift.ADD] == [5, 1]


def test_a_word_that_is_written_at_any_address_in_a_delay_slot_is_written_as_one() -> None:
    for big in (False, True):
        first, second = (SWL, SWR) if big else (SWR, SWL)
        order = ">" if big else "<"
        store, other = (code << 26 | 5 << 21 | 2 << 16 | at for code, at in ((first, 1), (second, 4)))
        code = bytearray(struct.pack(f"{order}4I", other, 0x03E00008, store, 0))
        image = Image("mips", big, 4, AT, segments=[Segment(AT, AT + len(code), code, True, False)])
        [block] = Lifter(image).block(AT, False)
        assert [(op[0], op[4]) for op in block.ops if op[0] == lift.STORE] == [(lift.STORE, 4)]
        assert block.exit.kind == "ret"


def test_the_counter_that_is_taken_from_the_stack_is_a_return() -> None:
    for words, is_thumb in (((0xE49DF004,), False), ((0xE49DF008,), False), ((0xFB04F85D,), True)):
        code = bytearray(struct.pack(f"<{len(words)}I", *words)) + bytes(16)
        image = Image("arm", False, 4, AT, segments=[Segment(AT, AT + len(code), code, True, False)])
        assert Lifter(image).block(AT, is_thumb)[0].exit.kind == "ret"
    code = bytearray(struct.pack("<I", 0xE493F004)) + bytes(16)  # from where another register points
    image = Image("arm", False, 4, AT, segments=[Segment(AT, AT + len(code), code, True, False)])
    assert Lifter(image).block(AT, False)[0].exit.kind == "ijump"


def test_an_instruction_is_read_whole_wherever_it_lies_in_a_long_block() -> None:
    """`mov 0x180(%rax), %rax` and `ldr.w r0, [r1, #0x234]`, at every distance from the block's begin."""
    for padding in range(140, 170):
        wide, rest = divmod(padding, 9)
        fill = bytes.fromhex("660f1f840000000000") * wide + b"\x90" * rest
        code = bytearray(fill + bytes.fromhex("488b8080010000c3"))
        image = Image("x86_64", False, 8, AT, segments=[Segment(AT, AT + len(code), code, True, False)])
        [block] = Lifter(image).block(AT, False)
        assert [~op[3] for op in block.ops if op[0] == lift.ADD and op[5] == AT + padding] == [0x180]
    for padding in range(140, 170, 2):
        wide, rest = divmod(padding, 4)
        fill = struct.pack("<2H", 0xF3AF, 0x8000) * wide + struct.pack("<H", 0xBF00) * (rest // 2)
        code = bytearray(fill + struct.pack("<3H", 0xF8D1, 0x0234, 0x4770))
        image = Image("arm", False, 4, AT, segments=[Segment(AT, AT + len(code), code, True, False)])
        [block] = Lifter(image).block(AT, True)
        assert [~op[3] for op in block.ops if op[0] == lift.ADD and op[5] == AT + padding] == [0x234]
