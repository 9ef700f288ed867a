"""Copies rehearsed: what passes the end of its buffer is confirmed or found, what a right check keeps out is not."""

from pathlib import Path

import msgspec
import pytest
from tests.firmware.program.build import ARCHITECTURES
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.rehearsal.copies import Copy
from customhouse.firmware.program.rehearsal.flows import found, rehearse, rehearsed
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.stage import Stage
from customhouse.model import Confidence, Flow, ProgramFacts, Rehearsed

PORT, ROOM = 41234, 40
HEADERS = r"""
#include <alloca.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#define APART static void __attribute__((noipa))
static int sock;
APART answer(const char *text) { send(sock, text, strlen(text), 0); }
"""
"""The begin of each program: functions stay apart, and call what they say."""
FIELD = r"""
APART take(char *in, long n) {
    char field[40];
    if (strncmp(in, "name ", 5)) return;
    CHECK
    strcpy(field, in + 5);
    answer(field);
}
"""
RIGHT = "if (strlen(in + 5) >= sizeof field) return;"
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
LOOP = r"""
APART copy(const char *from, int most) {
    char field[40];
    int i;
    for (i = 0; i < most && from[i] && from[i] != '\n'; i++) field[i] = from[i];
    field[i] = 0;
    answer(field);
}
APART take(char *in, long n) {
    if (!strncmp(in, "name ", 5)) copy(in + 5, MOST);
    answer(in);
}
"""
CONFIRMED = (Rehearsed.CONFIRMED, Confidence.HIGH)
KEPT_OUT = (Rehearsed.KEPT_OUT, Confidence.LOW)
NOT_REACHED = (Rehearsed.NOT_REACHED, Confidence.MEDIUM)


def program(folder: Path, architecture: str, text: str, check: str = "") -> bytes:
    return built(folder, architecture, HEADERS + text.replace("CHECK", check) + DATAGRAMS, "-fno-builtin", "-pthread")


def asked(data: bytes, name: str = "strcpy", message: bytes = b"name jxvbp", room: int | None = ROOM) -> ProgramFacts:
    """The facts of a program with one flow to be rehearsed, as one may be traced to what a harmless packet leads to."""
    copies = Stage(load(data), PORT, True).play(Genome((message,))).copied
    (site,) = {one.site for one in copies if one.name == name}
    flow = Flow(
        program="",
        architecture="",
        source="recv@0x0",
        sink=f"{name}@{site:#x}",
        kind="overflow",
        port=PORT,
        protocol="udp",
        room=room,
        confidence=Confidence.MEDIUM,
    )
    return ProgramFacts(flows=(flow,))


def shown(data: bytes, facts: ProgramFacts, seconds: float = 2.0) -> tuple[Rehearsed, Confidence]:
    """What is told of the one flow of a program."""
    (flow,) = rehearse(load(data), facts, seconds)
    return flow.rehearsed, flow.confidence


def untraced(data: bytes, seconds: float = 1.5) -> list[Flow]:
    """What is found in a program of which nothing was traced but its port."""
    return found(load(data), ProgramFacts(bound_ports=((PORT, "udp", "exact"),)), seconds)


# -- flows that were traced
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


# -- flows that nobody traced
@pytest.mark.parametrize("architecture", ["armel", "mipsel"])
def test_a_copy_that_nobody_traced_has_the_port_that_was_read(tmp_path: Path, architecture: str) -> None:
    data = program(tmp_path, architecture, FIELD)
    facts = asked(data)
    (flow,) = untraced(data)
    assert (flow.sink, flow.kind, flow.rehearsed) == (facts.flows[0].sink, "overflow", Rehearsed.CONFIRMED)
    assert (flow.port, flow.protocol, flow.port_certainty) == (PORT, "udp", "exact")
    assert (flow.confidence, flow.magic, flow.source.partition("@")[0]) == (Confidence.HIGH, "name ", "recv")


def test_a_copy_that_passes_its_end_stands_for_what_was_read_of_it(tmp_path: Path) -> None:
    """However little sure reading was, and whatever other runs kept out."""
    data = program(tmp_path, "arm64", FIELD)
    (known,) = asked(data).flows
    doubted = msgspec.structs.replace(known, confidence=Confidence.LOW)
    (flow,) = found(load(data), ProgramFacts(flows=(doubted,), bound_ports=((PORT, "udp", "exact"),)), 1.5)
    assert (flow.sink, flow.rehearsed, flow.confidence) == (known.sink, *CONFIRMED)


def test_a_copy_that_was_seen_while_another_was_looked_for_is_told_as_well(tmp_path: Path) -> None:
    data = program(tmp_path, "x86-64", FIELD)
    (known,) = asked(data).flows
    other = msgspec.structs.replace(known, sink="strcpy@0x2")
    first, second = rehearse(load(data), ProgramFacts(flows=(other,)), 1.0)
    assert (first.sink, first.rehearsed) == (other.sink, Rehearsed.NOT_REACHED)
    assert (second.sink, second.rehearsed, second.confidence) == (known.sink, *CONFIRMED)


PARTS = r"""
APART take(char *in, long n) {
    char line[96], *word;
    *line = 0;
    for (word = strtok(in, ","); word; word = strtok(NULL, ",")) strncat(line, word, LIMIT);
    answer(line);
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "x86-64"])
def test_parts_that_add_up_are_found(tmp_path: Path, architecture: str) -> None:
    data = program(tmp_path, architecture, PARTS.replace("LIMIT", "sizeof line - 1"))
    sinks = {one.sink for one in untraced(data)}
    assert asked(data, "strncat").flows[0].sink in sinks


def test_parts_for_which_there_is_room_are_not_found(tmp_path: Path) -> None:
    data = program(tmp_path, "x86-64", PARTS.replace("LIMIT", "sizeof line - 1 - strlen(line)"))
    assert asked(data, "strncat").flows
    assert untraced(data) == []


KEPT = r"""
APART take(char *in, long n) {
    char *kept = malloc(SIZE);
    strcpy(kept, in);
    answer(kept);
    free(kept);
}
"""


@pytest.mark.parametrize("architecture", ["arm64", "mips"])
def test_an_allocation_that_is_overrun_is_found(tmp_path: Path, architecture: str) -> None:
    data = program(tmp_path, architecture, KEPT.replace("SIZE", "24"))
    assert [one.sink for one in untraced(data)] == [asked(data, room=None).flows[0].sink]
    assert shown(data, asked(data, room=None)) == CONFIRMED
    right = program(tmp_path, architecture, KEPT.replace("SIZE", "strlen(in) + 1"))
    assert untraced(right) == []


@pytest.mark.parametrize("architecture", ["armhf", "mipsel", "x86-64"])
def test_a_loop_that_overwrites_where_a_function_goes_back_to_is_found(tmp_path: Path, architecture: str) -> None:
    (flow,) = untraced(program(tmp_path, architecture, LOOP.replace("MOST", "2000")))
    assert (flow.sink.partition("@")[0], flow.kind, flow.rehearsed) == ("return", "overflow", Rehearsed.CONFIRMED)
    assert (flow.port, flow.protocol) == (PORT, "udp")


def test_a_loop_that_ends_in_time_is_not_found(tmp_path: Path) -> None:
    assert untraced(program(tmp_path, "x86-64", LOOP.replace("MOST", "39"))) == []


HELPED = r"""
APART told(const char *text) {
    char own[64];
    snprintf(own, sizeof own, "<%s>", text);
    answer(own);
}
APART take(char *in, long n) {
    char *copy;
    told(in);
    copy = ROOM;
    strcpy(copy, in);
    told(copy);
    strcpy(copy, in);
    answer(copy);
}
"""


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_frames_that_were_left_are_not_overrun(tmp_path: Path, architecture: str) -> None:
    """The memory that is taken from the stack lies where a function that was called before had its own buffer."""
    assert untraced(program(tmp_path, architecture, HELPED.replace("ROOM", "alloca(strlen(in) + 1)"))) == []


def test_memory_from_the_stack_that_is_too_small_is_found(tmp_path: Path) -> None:
    data = program(tmp_path, "x86-64", HELPED.replace("ROOM", "alloca(32)"))
    assert {one.sink.partition("@")[0] for one in untraced(data)} == {"strcpy"}


@pytest.mark.parametrize(
    "text",
    [
        # a buffer of a function that called another one which has its own
        r"""
        APART fill(char *to, const char *text) { char own[24]; strcpy(own, "own"); answer(own); strcpy(to, text); }
        APART take(char *in, long n) { char whole[1600]; fill(whole, in); answer(whole); }
        """,
        # a function that calls itself, and goes on behind that
        r"""
        APART deep(const char *text, int left) {
            char own[300];
            if (!left || strlen(text) > 250) return;
            strcpy(own, text);
            deep(own + 1, left - 1);
            strcat(own, text);
            answer(own);
        }
        APART take(char *in, long n) { if (n < 140) deep(in, 5); }
        """,
        # a thread with a stack of its own
        r"""
        static void *work(void *text) { char own[1600]; strcpy(own, text); answer(own); free(text); return NULL; }
        APART take(char *in, long n) {
            pthread_t one;
            pthread_create(&one, NULL, work, strdup(in));
            pthread_join(one, NULL);
        }
        """,
        # a template that says how long its texts may be
        r"""
        APART take(char *in, long n) {
            char name[16], value[32];
            if (sscanf(in, "%15s %31[^\n]", name, value) == 2) { answer(name); answer(value); }
        }
        """,
    ],
)
def test_where_nothing_is_overrun_nothing_is_found(tmp_path: Path, text: str) -> None:
    data = program(tmp_path, "arm64", text)
    assert Stage(load(data), PORT, True).play(Genome((b"jxvbp ghtfd",))).copied
    assert untraced(data, 2.0) == []


SCANNED = r"""
APART take(char *in, long n) {
    char name[16], value[32];
    CHECK
    if (sscanf(in, "%15s %s", name, value) == 2) { answer(name); answer(value); }
}
"""


def test_a_template_that_does_not_say_how_long_a_text_may_be_is_found(tmp_path: Path) -> None:
    data = program(tmp_path, "x86-64", SCANNED)
    facts = asked(data, "sscanf", b"jxvbp ghtfd", 32)
    assert [one.sink for one in untraced(data)] == [facts.flows[0].sink]
    assert shown(data, facts) == CONFIRMED


def test_texts_that_a_template_limits_are_not_those_that_are_looked_for(tmp_path: Path) -> None:
    data = program(tmp_path, "arm64", SCANNED, "if (n >= 32) return;")
    assert shown(data, asked(data, "sscanf", b"jxvbp ghtfd", 32)) == KEPT_OUT


# -- what is told of a copy
def copies(folder: Path, text: str, message: bytes, name: str) -> list[Copy]:
    stage = Stage(load(program(folder, "x86-64", text)), PORT, True)
    return [one for one in stage.play(Genome((message,))).copied if one.name == name]


def test_what_is_appended_belongs_to_the_text_before_it(tmp_path: Path) -> None:
    found = copies(tmp_path, PARTS.replace("LIMIT", "sizeof line - 1"), b"one,two,three", "strncat")
    assert [one.data for one in found] == [b"one\0", b"two\0", b"three\0"]
    assert {one.target for one in found} == {found[0].end - 4}
    assert [one.end - found[0].target for one in found] == [4, 7, 12]


def test_the_functions_that_led_to_a_copy_are_those_of_its_thread(tmp_path: Path) -> None:
    text = r"""
    static void *work(void *text) { char own[1600]; strcpy(own, text); answer(own); return NULL; }
    APART fill(char *in) { char own[1600]; strcpy(own, in); answer(own); }
    APART take(char *in, long n) {
        pthread_t one;
        pthread_create(&one, NULL, work, in);
        pthread_join(one, NULL);
        fill(in);
    }
    """
    threads, own = copies(tmp_path, text, b"jxvbp ghtfd", "strcpy")
    assert threads.chain == (0,)
    assert len(own.chain) > 2
    assert 0 not in own.chain[:2]
