"""Blocks that are compiled do what their operations do one by one: registers, memory, and what is recorded."""

from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.firmware.program.compiled import built

from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lifter import Lifter
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.process import STACK
from customhouse.firmware.program.rehearsal.noting import Noting
from customhouse.firmware.program.rehearsal.run import Run, stage
from customhouse.firmware.program.rehearsal.turns import Process, Thread
from customhouse.firmware.program.rehearsal.watched import Watched

CODE = r"""
typedef unsigned char u8; typedef signed char s8; typedef unsigned short u16; typedef short s16;
typedef unsigned int u32; typedef int s32; typedef unsigned long long u64; typedef long long s64;
u8 bytes[512]; u64 wide[8];

long widths(long a, long b, long c) {
    u8 x = a + b; s8 y = a - c; u16 z = a * b; s16 w = (s16)(b ^ c) >> 3; u32 v = (u32)a << (c & 31);
    bytes[0] = x; *(s16 *)(bytes + 2) = w; *(u32 *)(bytes + 4) = v; wide[0] = (u64)a * (u32)b;
    return x + y * 3 + z - w + (s32)v + ((s32)a >> (b & 31)) + ((u32)c >> (a & 31)) + ~a - (-b);
}
long unsigned_order(u32 a, u32 b, u32 c) { return (a < b) + 2 * (a <= c) + 4 * (b > c) + 8 * (a == b) + 16 * (c != 0); }
long signed_order(s32 a, s32 b, s32 c) {
    long out = a < b ? 1 : 7;
    if (a <= c) out += b; else out -= b;
    if (b > 0 && c >= -5) out ^= 0x55;
    if (a - b < 0) out += 3;
    return out + (b < 0 ? c : a);
}
long small_order(s8 a, u8 b, s16 c, u16 d) {
    return (a < 3) + 2 * (b > 200) + 4 * (c < a) + 8 * (d > b) + 16 * (c == d);
}
u64 wider(u32 a, u32 b, u32 c, u32 d) {
    u64 x = (u64)a << 32 | b, y = (u64)c << 32 | d;
    u64 sum = x + y, less = x - y, product = x * y;
    wide[1] = sum; wide[2] = less; wide[3] = (s64)x >> (d & 63); wide[4] = x << (b & 63); wide[5] = y >> (a & 63);
    if ((s64)x < (s64)y) product ^= sum;
    return x < y ? product + 1 : product - less;
}
long divided(s32 a, s32 b, u32 c) {
    s32 d = (b | 1) == -1 ? 3 : b | 1;
    return a / d + a % d * 5 + c / ((u32)b | 1) + c % ((u32)a | 1);
}
long turned(u32 a, u32 b) {
    return (a << 7 | a >> 25) ^ __builtin_bswap32(b) ^ __builtin_popcount(a) ^ __builtin_clz(b | 1);
}
long chosen(u32 a, long b) {
    switch (a % 11) {
    case 0: return b + 1; case 1: return b * 3; case 2: return ~b; case 3: return b - 9; case 4: return b ^ 77;
    case 5: return b << 2; case 6: return b >> 1; case 7: return 5; case 8: return -b;
    }
    return b & 15;
}
long summed(u32 a, u32 b) {
    u32 sum = a;
    for (u32 at = 0; at < 40; at++) { bytes[at] = b + at; sum = sum * 31 + bytes[at ^ 3]; if (sum & 1) sum ^= b; }
    return sum;
}
long texts(u32 a, u32 b) {
    u8 *at = bytes + 100, *other = bytes + 200;
    for (u32 one = 0; one < 20; one++) {
        at[one] = 'a' + (a >> (one & 31)) % 26;
        other[one] = one == b % 20 ? 'Z' : at[one];
    }
    at[19] = 0;
    u32 same = 0, length = 0;
    while (at[length]) length++;
    while (same < 20 && at[same] == other[same]) same++;
    return length * 100 + same + (at[same] < other[same]);
}
static long plus(long a, long b) { return a + b; }
static long minus(long a, long b) { return a - b; }
long (*volatile ways[2])(long, long) = {plus, minus};
long pointed(u32 a, long b) { return ways[a & 1](a, b) + ways[b & 1](b, 3); }
long nested(s32 a, s32 b, s32 c) {
    s32 low = a < b ? a : b, high = a < b ? b : a;
    if (c < low) c = low; else if (c > high) c = high;
    if (a == 3) c += 2;
    if (a > 7 || b == 2) c -= b;
    return c < 0 ? -c : c;
}
double floating(s32 a, s32 b) { return (double)a * 0.5 + (float)b / 3.0f - (a > b ? 1.25 : 0); }
int main(void) { return 0; }
"""
NAMES = ("widths", "unsigned_order", "signed_order", "small_order", "wider", "divided", "turned", "chosen", "summed")
NAMES += ("texts", "pointed", "nested", "floating")
KINDS = {
    "armel": ("armel", "-marm"), "armhf": ("armhf", "-mthumb"), "armhf-arm": ("armhf", "-marm"), "arm64": ("arm64",),
    "mips": ("mips",), "mipsel": ("mipsel",), "x86-64": ("x86-64",), "i386": ("i386",),
}  # fmt: skip
WORDS = st.one_of(
    st.integers(0, 12),
    st.sampled_from([0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFB]),
    st.integers(0, 0xFFFFFFFF),
)
OPERANDS = st.tuples(WORDS, WORDS, WORDS, WORDS)
NEVER = 1 << 60


class State(NamedTuple):
    ended: str
    registers: bytes
    memory: dict[int, bytes]
    pc: int
    thumb: bool
    operations: int
    ways: set[tuple[int, int]]
    pairs: tuple[tuple[int, int, int, int], ...]


@cache
def image_of(kind: str) -> Image:
    with TemporaryDirectory() as folder:
        architecture, *options = KINDS[kind]
        return load(built(Path(folder), architecture, CODE, "-rdynamic", *options))


class Side:
    """A machine that compiles blocks after some runs."""

    def __init__(self, image: Image, often: int) -> None:
        lifter, ram = Lifter(image), Noting(image)
        self.machine = Watched(lifter, ram)
        self.machine.often = often
        stage(ram)
        self.run = Run(lifter, ram, self.machine, {})
        self.run.thread = Thread(1, Process(1, ram.written, {}), self.run.standing())
        self.calls: list[tuple[int, int]] = []
        self.machine.called = lambda target, site: self.calls.append((target, site))

    def call(self, function: int, operands: tuple[int, ...], limit: int = 20_000) -> State:
        machine = self.machine
        machine.file[:] = bytes(len(machine.file))
        machine.set(self.run.convention.stack, STACK - 8192)
        self.run.enter(function, operands)
        ended = machine.run(limit)
        memory = {number: bytes(page) for number, page in machine.ram.written.items()}
        registers, pc, thumb = bytes(machine.file), machine.pc, machine.thumb
        if ended.startswith("fault"):  # where it stands then is not told
            registers, pc, thumb = b"", 0, False
        recorded = set(machine.ways), tuple(machine.pairs)
        return State(ended, registers, memory, pc, thumb, machine.operations, *recorded)


def compared(image: Image, function: int, operands: list[tuple[int, ...]]) -> Side:
    plain, made = Side(image, NEVER), Side(image, 0)
    for _ in range(3):
        for one in operands:
            assert plain.call(function, one) == made.call(function, one)
        plain.machine.watch()
        made.machine.watch()
    assert plain.calls == made.calls
    assert not plain.machine._works
    return made


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=3, deadline=None)
@given(st.lists(OPERANDS, min_size=2, max_size=4))
@example([(0, 0, 0, 0), (0xFFFFFFFF, 1, 0x80000000, 0x7FFFFFFF), (3, 2, 9, 200), (0x80000000, 0xFFFFFFFF, 5, 31)])
def test_functions_do_the_same_when_they_are_compiled(kind: str, operands: list[tuple[int, ...]]) -> None:
    image = image_of(kind)
    for name in NAMES:
        made = compared(image, image.exports[name], operands)
        assert made.machine._works or name == "floating"  # of vectors not all is known


def test_a_run_ends_at_the_same_operation() -> None:
    image = image_of("x86-64")
    plain, made = Side(image, NEVER), Side(image, 0)
    for limit in (50, 200, 333, 700, 701, 20_000, 400):
        one, other = (side.call(image.exports["summed"], (5, 6), limit) for side in (plain, made))
        assert one == other
        assert one.ended == ("limit" if limit < 20_000 else "return")


AT = 0x1000


def assembled(big: bool, architecture: str, thumb: bool, *words: int) -> Image:
    size = 2 if thumb else 4
    code = bytearray().join(word.to_bytes(size, "big" if big else "little") for word in words)
    return Image(architecture, big, 4, AT | thumb, segments=[Segment(AT, AT + len(code), bytearray(code), True, False)])


@pytest.mark.parametrize(
    "thumb, words",
    [
        # cmp r0, r1; ite lt; addlt r2, #1; subge r2, #2; cmp r2, #0; itt eq; moveq r3, #7; bxeq lr; eor r3, r0; bx lr
        (True, (0x4288, 0xBFB4, 0x3201, 0x3A02, 0x2A00, 0xBF04, 0x2307, 0x4770, 0x4043, 0x4770)),
        # cmp r0, r1; addlt r2, #1; subsge r2, #2; ldrhi r3, [sp, #-4]; moveq r3, #7; bxeq lr; eor r3, r0; bx lr
        (False, (0xE1500001, 0xB2822001, 0xA2522002, 0x851D3004, 0x03A03007, 0x012FFF1E, 0xE0233000, 0xE12FFF1E)),
    ],
)
@settings(max_examples=30, deadline=None)
@given(OPERANDS)
def test_conditional_instructions_of_arm(thumb: bool, words: tuple[int, ...], operands: tuple[int, ...]) -> None:
    made = compared(assembled(False, "arm", thumb, *words), AT | thumb, [operands, (1, 2, 0, 0), (2, 2, 2, 0)])
    assert {pc for _, pc, _ in made.machine._works.values()} >= {AT}


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=24, max_size=80), st.sampled_from(["x86_64", "arm", "arm64", "mips", "i386"]), st.booleans())
def test_any_code_ends_alike(code: bytes, architecture: str, big: bool) -> None:
    """Code that makes no sense, from two entries: with each it ends as it does when it is not compiled."""
    big = big and architecture == "mips"
    word = 8 if "64" in architecture else 4
    image = Image(
        architecture, big, word, AT, segments=[Segment(AT, AT + 4096, bytearray(code.ljust(4096, b"\0")), True, True)]
    )
    plain, made = Side(image, NEVER), Side(image, 0)
    for at in range(6):
        one, other = (side.call(AT, (AT + 64 * at, 3, STACK - 9000, at), 900) for side in (plain, made))
        assert one == other


def test_few_numbers_are_kept_of_a_comparison() -> None:
    image = image_of("arm64")
    plain, made = Side(image, NEVER), Side(image, 0)
    for number in range(12):
        one, other = (side.call(image.exports["summed"], (number, 7, 0, 0)) for side in (plain, made))
        assert one == other
    assert 0 in made.machine.left
    assert max(Counter(pair[0] for pair in other.pairs).values()) <= 24
