"""The sweep: calls found in machine words, and which function a call lies in."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.program.build import build, compiler, pairs

from customhouse.firmware.program.callers import callers
from customhouse.firmware.program.code import Code
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lifter import Lifter
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.sweep import direct_calls, heads

AT = 0x1000


def image(architecture: str, code: bytes, big: bool = False) -> Image:
    word = 8 if architecture in ("arm64", "x86_64") else 4
    return Image(architecture, big, word, AT, segments=[Segment(AT, AT + len(code), bytearray(code), True, False)])


@pytest.mark.parametrize(
    ("architecture", "code", "calls"),
    [
        (
            "arm64",
            struct.pack("<3I", 0xD503201F, 0x97FFFFFF, 0x14000001),
            [(AT + 4, AT, True), (AT + 8, AT + 12, False)],
        ),
        ("arm", struct.pack("<3I", 0xE1A00000, 0xEBFFFFFD, 0xFAFFFFFC), [(AT + 4, AT, True), (AT + 8, AT + 1, True)]),
        ("x86_64", b"\x90\xe8\xfa\xff\xff\xff\x90", [(AT + 1, AT, True)]),
    ],
)
def test_calls_are_found_with_their_targets(architecture: str, code: bytes, calls: list[tuple[int, int, bool]]) -> None:
    found = direct_calls(image(architecture, code + bytes(16)))
    assert [one for one in found if one[0] in {one[0] for one in calls}] == calls


def test_thumb_calls_stay_in_thumb_and_blx_goes_to_arm() -> None:
    code = struct.pack("<8H", 0xBF00, 0xBF00, 0xF7FF, 0xFFFC, 0xF7FF, 0xEFFA, 0xBF00, 0xBF00)
    assert direct_calls(image("arm", code)) == [(AT + 4, AT | 1, True), (AT + 8, AT, True)]


def test_a_site_belongs_to_the_nearest_start_before_it() -> None:
    assert heads([0x20, 0x5F, 0x60], [0x11, 0x40, 0x61], arm=True) == {0x11: [0x20], 0x40: [0x5F], 0x61: [0x60]}
    assert heads([0x8], [0x10], arm=False) == {}


@given(st.sampled_from(["arm", "arm64", "x86_64", "i386"]), st.binary(max_size=64), st.booleans())
def test_any_code_has_calls_only_into_the_code(architecture: str, code: bytes, big: bool) -> None:
    swept = image(architecture, code, big and architecture == "arm")
    assert all(swept.executable(target & ~1) for _, target, _ in direct_calls(swept))


@pytest.mark.parametrize("architecture", ["armel", "armhf", "arm64", "mipsel", "mips", "x86-64"])
def test_the_function_that_runs_a_command_is_found_without_following_calls(architecture: str) -> None:
    if compiler(architecture) is None:
        pytest.skip(f"no compiler for {architecture}")

    pair = next(one for one in pairs() if one.name == "tcp_accept")
    program = load(build(pair, "true", architecture).program.read_bytes())
    names = {"system", "popen", "execl", "execv", "execve", "execvp", "execlp"}
    found = callers(Code(program, Lifter(program)), names, [program.entry])
    code = Code(program, Lifter(program))
    assert any(names & code.function(one).named for one in found)
