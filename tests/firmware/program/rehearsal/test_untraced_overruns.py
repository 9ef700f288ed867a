"""Copies that nobody traced: those that pass an end are found, others are not."""

from pathlib import Path

import msgspec
import pytest

from customhouse.firmware.program.loader import load
from customhouse.firmware.program.rehearsal.copies import Copy
from customhouse.firmware.program.rehearsal.flows import found, rehearse
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.stage import Stage
from customhouse.model import Confidence, ProgramFacts, Rehearsed

from .copying import CONFIRMED, FIELD, KEPT_OUT, LOOP, PORT, asked, program, shown, untraced


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


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_a_structure_that_is_passed_lies_in_one_piece(tmp_path: Path, architecture: str) -> None:
    """On 32-bit ARM its first words come in registers, and are put below those that come over the stack."""
    text = r"""
    struct big { char text[1600]; };
    APART show(struct big one) { struct big two = one; strcpy(one.text, two.text + 1); answer(one.text); }
    APART take(char *in, long n) { struct big one; strcpy(one.text, in); show(one); }
    """
    assert untraced(program(tmp_path, architecture, text), 2.0) == []


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
