"""The sweep: calls found in machine words, and which function a call lies in."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.program.build import build, compiler, pairs

from customhouse.firmware.program.callers import callers, towards
from customhouse.firmware.program.code import Code
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lifter import Lifter
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.sweep import behind_padding, direct_calls, heads, starts

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


def test_functions_of_mips_begin_where_bal_goes_and_where_the_global_pointer_is_made() -> None:
    words = [0x04110002, 0, 0, 0x03E00008, 0, 0x3C1C0002, 0x279C8010, 0x0399E021, 0x03E00008, 0]
    swept = image("mips", struct.pack(f"<{len(words)}I", *words))
    assert starts(swept, direct_calls(swept)) == {AT + 12, AT + 20}


def test_what_is_called_is_a_start_and_what_is_jumped_to_is_none() -> None:
    swept = image("arm64", struct.pack("<4I", 0x94000002, 0x14000002, 0xD65F03C0, 0xD65F03C0))
    assert starts(swept, direct_calls(swept)) == {AT + 8}


def test_padding_is_skipped_up_to_the_next_multiple_of_sixteen_and_code_is_not() -> None:
    nops = image("arm64", struct.pack("<5I", 0xD65F03C0, *[0xD503201F] * 4))
    assert behind_padding(nops, AT + 4) == AT + 16
    assert behind_padding(nops, AT) == AT
    assert behind_padding(image("x86_64", b"\xc3\x66\x90" + bytes(30)), AT + 1) == AT + 16
    assert behind_padding(image("x86_64", b"\xc3\x55\x90" + bytes(30)), AT + 1) == AT + 1


@given(st.sampled_from(["arm", "arm64", "mips", "x86_64", "i386"]), st.binary(max_size=64), st.integers(0, 64))
def test_starts_and_ends_of_padding_stay_in_and_near_the_code(architecture: str, code: bytes, at: int) -> None:
    swept = image(architecture, code)
    assert all(swept.executable(swept.even(one)) for one in starts(swept, direct_calls(swept)))
    assert AT + at <= behind_padding(swept, AT + at) < AT + at + 16


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


@pytest.mark.parametrize("architecture", ["armel", "arm64"])
def test_towards_a_command_the_nearest_functions_come_first_and_then_what_calls_those(architecture: str) -> None:
    if compiler(architecture) is None:
        pytest.skip(f"no compiler for {architecture}")

    pair = next(one for one in pairs() if one.name == "camera_control")
    program = load(build(pair, "true", architecture).program.read_bytes())
    code = Code(program, Lifter(program))
    names = {"recv", "recvfrom", "read"}
    nearest, found = callers(code, names, [program.entry]), towards(code, names, [program.entry])
    assert nearest
    assert found[: len(nearest)] == nearest
    for one in found[len(nearest) :]:
        function = code.function(one)
        assert ({target for _, target in function.calls} | {*function.tails.values()}) & {*found}
