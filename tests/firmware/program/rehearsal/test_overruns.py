"""Copies rehearsed to which a flow was traced: one that passes its buffer is confirmed, what a check keeps is not."""

from pathlib import Path

import msgspec
import pytest
from tests.firmware.program.build import ARCHITECTURES

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.rehearsal.flows import rehearsed
from customhouse.model import Confidence, ProgramFacts, Rehearsed

from .copying import CONFIRMED, FIELD, KEPT_OUT, LOOP, NOT_REACHED, PORT, RIGHT, ROOM, asked, program, shown

COUNTED = r"""
APART take(char *in, long n) {
    char field[40];
    unsigned size = (unsigned char)in[4];
    if (memcmp(in, "name", 4) || size < 1 || CHECK) return;
    memcpy(field, in + 5, size);
    field[size - 1] = 0;
    answer(field);
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_copy_without_a_check_is_confirmed(tmp_path: Path, architecture: str) -> None:
    data = program(tmp_path, architecture, FIELD)
    facts = analyse(data)
    (flow,) = facts.flows
    assert (flow.kind, flow.rehearsed, flow.port) == ("overflow", Rehearsed.NOT_RUN, PORT)
    unsure = msgspec.structs.replace(facts, flows=(msgspec.structs.replace(flow, confidence=Confidence.MEDIUM),))
    sure = msgspec.structs.replace(flow, confidence=Confidence.HIGH, rehearsed=Rehearsed.CONFIRMED)
    assert rehearsed(data, unsure, 3.0).flows == (sure,)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_right_check_keeps_all_out(tmp_path: Path, architecture: str) -> None:
    data = program(tmp_path, architecture, FIELD, RIGHT)
    assert shown(data, asked(data)) == KEPT_OUT


@pytest.mark.parametrize("architecture", ["armel", "x86-64"])
def test_a_limit_that_is_one_byte_too_large_is_confirmed(tmp_path: Path, architecture: str) -> None:
    data = program(tmp_path, architecture, FIELD, RIGHT.replace(">=", ">"))
    assert shown(data, asked(data)) == CONFIRMED


def test_nothing_is_kept_out_of_a_buffer_of_unknown_size(tmp_path: Path) -> None:
    data = program(tmp_path, "x86-64", FIELD, RIGHT)
    assert shown(data, asked(data, room=None), 1.0) == NOT_REACHED


@pytest.mark.parametrize(
    "breaks",
    [
        "regex_t form; if (strlen(in + 5) >= sizeof field) { regcomp(&form, in, 0); return; }",
        "if (strlen(in + 5) >= sizeof field) for (;;) answer(in);",
    ],
)
def test_a_run_that_breaks_off_keeps_nothing_out(tmp_path: Path, breaks: str) -> None:
    """A function has no answer here, or never ends: what would be copied behind it is not known."""
    data = program(tmp_path, "arm64", FIELD, breaks)
    assert shown(data, asked(data), 1.5) == NOT_REACHED


def test_what_is_not_reached_stays_as_it_was(tmp_path: Path) -> None:
    hidden = "if ((*(unsigned *)(in + 5) * 2654435761u ^ n * 40503u) != 0x1badb002) return;"
    data = program(tmp_path, "x86-64", FIELD, hidden)
    (flow,) = analyse(data).flows
    assert (
        shown(data, ProgramFacts(flows=(msgspec.structs.replace(flow, confidence=Confidence.MEDIUM),)), 1.0)
        == NOT_REACHED
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("in + 5, note", NOT_REACHED), ('in + 5, "note"', KEPT_OUT), ("in + 5, in + 5", CONFIRMED)]
)
def test_a_text_that_was_never_sent_may_be_longer(
    tmp_path: Path, text: str, expected: tuple[Rehearsed, Confidence]
) -> None:
    """Something else sets it, which the search does not find."""
    printed = FIELD.replace("strcpy(field, in + 5)", f'sprintf(field, "%s %s", {text})').replace(
        "CHECK", "CHECK note[0] = *in;"
    )
    data = program(tmp_path, "x86-64", "static char note[64];" + printed, "if (strlen(in + 5) > 30) return;")
    assert shown(data, asked(data, "sprintf"), 1.5) == expected


@pytest.mark.parametrize("architecture", ["mips", "arm64"])
@pytest.mark.parametrize("check", ["0", "size > n - 5", "size > sizeof field + 1 || size > n - 5"])
def test_a_length_byte_that_is_believed_is_confirmed(tmp_path: Path, architecture: str, check: str) -> None:
    data = program(tmp_path, architecture, COUNTED, check)
    assert shown(data, asked(data, "memcpy", b"name\5jxvbp")) == CONFIRMED


@pytest.mark.parametrize("architecture", ["mips", "arm64"])
@pytest.mark.parametrize("check", ["size > sizeof field", "size > sizeof field || size > n - 5"])
def test_a_length_byte_that_is_checked_is_never_confirmed(tmp_path: Path, architecture: str, check: str) -> None:
    data = program(tmp_path, architecture, COUNTED, check)
    assert shown(data, asked(data, "memcpy", b"name\5jxvbp"), 1.5) in (KEPT_OUT, NOT_REACHED)


@pytest.mark.parametrize("architecture", ["armhf", "x86-64"])
def test_a_loop_that_copies_is_measured_as_a_function_is(tmp_path: Path, architecture: str) -> None:
    wrong, right = (program(tmp_path, architecture, LOOP.replace("MOST", most)) for most in ("200", "39"))
    facts = analyse(wrong)
    (flow,) = facts.flows
    assert flow.sink.startswith("copy loop@")
    flow = msgspec.structs.replace(flow, room=ROOM, confidence=Confidence.MEDIUM)
    facts = msgspec.structs.replace(facts, flows=(flow,))
    assert shown(wrong, facts) == CONFIRMED
    assert len(wrong) == len(right)  # so that the loop stands at the same place
    assert shown(right, facts, 3.0) == KEPT_OUT


def test_a_helper_is_measured_for_the_caller_that_was_traced(tmp_path: Path) -> None:
    """The other one hands it a buffer that is larger."""
    text = r"""
    APART copy(char *to, const char *text) { strcpy(to, text); answer(to); }
    APART large(const char *text) { char field[1600]; copy(field, text); }
    APART small(const char *text) { char field[40]; if (strlen(text) < LIMIT) copy(field, text); }
    APART take(char *in, long n) {
        if (!strncmp(in, "name ", 5)) small(in + 5);
        if (!strncmp(in, "line ", 5)) large(in + 5);
    }
    """
    wrong, right = (program(tmp_path, "arm64", text.replace("LIMIT", limit)) for limit in ("60", "40"))
    (flow,) = (one for one in analyse(wrong).flows if one.room == ROOM)
    facts = ProgramFacts(flows=(msgspec.structs.replace(flow, confidence=Confidence.MEDIUM),))
    assert shown(wrong, facts) == CONFIRMED
    assert len(wrong) == len(right)
    assert shown(right, facts) == KEPT_OUT
