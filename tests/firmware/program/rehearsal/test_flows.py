"""Flows rehearsed: what comes through is confirmed, what every run keeps out is not told any more."""

import random
from pathlib import Path

import msgspec
import pytest
from tests.firmware.program.build import ARCHITECTURES
from tests.firmware.program.compiled import built, sided

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.rehearsal.flows import can_be_rehearsed, rehearse, rehearsed
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.stage import Stage
from customhouse.model import Confidence, Flow, ProgramFacts, Rehearsed

SETTINGS = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
struct setting { char name[16], value[48]; int changed; } settings[] = { {"ntp", "a.example"}, {"log", "b.example"} };
static int fine(const char *s) {
    unsigned odd = 0;
    for (; *s; s++) odd += ((unsigned char)(*s | 32) - 'a' > 25u) && (unsigned char)(*s - '.') > 11u;
    return !odd;
}
static void set(char *name, char *value) {
    int i;
    if (strlen(value) > 40 || !CHECK) return;
    for (i = 0; i < 2; i++)
        if (!strcmp(settings[i].name, name)) { strcpy(settings[i].value, value); settings[i].changed = 1; }
}
static void apply(void) {
    char line[128];
    if (settings[0].changed) { snprintf(line, sizeof line, "ntpd -p %s", settings[0].value); system(line); }
    settings[0].changed = 0;
}
int main(void) {
    struct sockaddr_in me;
    char in[256], *word, *name, *value;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41237);
    if (bind(s, (struct sockaddr *)&me, sizeof me)) return 1;
    for (;;) {
        long n = recv(s, in, sizeof in - 1, 0);
        if (n <= 0) continue;
        in[n] = 0;
        if (!(word = strtok(in, " \r\n"))) continue;
        name = strtok(NULL, " \r\n");
        value = strtok(NULL, "\r\n");
        if (!strcmp(word, "set") && name && value) set(name, value);
        else if (!strcmp(word, "apply")) apply();
    }
}
"""
SIDES = {"CHECK": ("fine(value)", 'strpbrk(value, ";|&<>") == NULL')}
SECONDS = 12.0


def asked(data: bytes, command: str = "ntpd -p %s") -> ProgramFacts:
    """The facts of a program with one flow to be rehearsed, as it was traced."""
    facts = analyse(data)
    site = next(one.address for one in facts.constructed_commands if one.format == command)
    flow = Flow(
        program="",
        architecture="",
        source="recv@0x0",
        sink=f"system@{site:#x}",
        kind="command",
        port=41237,
        protocol="udp",
        command=command,
        confidence=Confidence.MEDIUM,
    )
    return msgspec.structs.replace(facts, flows=(flow,))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_incomplete_check_lets_something_through(tmp_path: Path, architecture: str) -> None:
    data = built(tmp_path, architecture, sided(SETTINGS, SIDES, true=True))
    (flow,) = rehearse(load(data), asked(data), SECONDS)
    assert (flow.rehearsed, flow.confidence) == (Rehearsed.CONFIRMED, Confidence.HIGH)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_strict_check_keeps_all_out(tmp_path: Path, architecture: str) -> None:
    data = built(tmp_path, architecture, sided(SETTINGS, SIDES, true=False))
    (flow,) = rehearse(load(data), asked(data), SECONDS)
    assert (flow.rehearsed, flow.confidence) == (Rehearsed.KEPT_OUT, Confidence.LOW)


def test_what_ends_a_run_before_its_time_is_not_kept_out(tmp_path: Path) -> None:
    """Whether the text would come through behind a function that has no answer here is not known."""
    asking = SETTINGS.replace("#include <stdio.h>", "#include <regex.h>\n#include <stdio.h>\nregex_t form;")
    sides = {"CHECK": ('(fine(value) || !regcomp(&form, ".", 0))', "1")}
    data = built(tmp_path, "x86-64", sided(asking, sides, true=False))
    (flow,) = rehearse(load(data), asked(data), SECONDS)
    assert (flow.rehearsed, flow.confidence) == (Rehearsed.NOT_REACHED, Confidence.MEDIUM)


def test_a_flow_that_nobody_traced_has_the_port_that_was_read(tmp_path: Path) -> None:
    data = built(tmp_path, "x86-64", sided(SETTINGS, SIDES, true=True))
    facts = msgspec.structs.replace(analyse(data), flows=())
    (flow,) = rehearsed(data, facts, SECONDS).flows
    assert (flow.rehearsed, flow.confidence) == (Rehearsed.CONFIRMED, Confidence.HIGH)
    assert (flow.port, flow.protocol, flow.port_certainty) == (41237, "udp", "exact")
    (flow,) = rehearsed(data, msgspec.structs.replace(facts, bound_ports=()), SECONDS).flows
    assert (flow.port, flow.protocol, flow.port_certainty) == (None, "", "unknown")


def test_what_is_not_reached_stays_as_it_was(tmp_path: Path) -> None:
    hidden = SETTINGS.replace('strcmp(word, "apply")', "memcmp(word, packed(in), 8)").replace(
        "static void apply", "static char *packed(char *s) { static char o[9]; int i; for (i = 0; i < 8; i++)"
        " o[i] = (s[i] * 7 + s[(i + 3) & 7] * 13 + i * 91) ^ 0x5c; return o; }\nstatic void apply"
    )  # fmt: skip
    data = built(tmp_path, "x86-64", sided(hidden, SIDES, true=True))
    (flow,) = rehearse(load(data), asked(data), 2.0)
    assert (flow.rehearsed, flow.confidence) == (Rehearsed.NOT_REACHED, Confidence.MEDIUM)


def test_one_of_two_texts_that_was_never_moved_leaves_it_open(tmp_path: Path) -> None:
    """The second text is set by a packet that the search does not find: what it would let through is not known."""
    both = SETTINGS.replace('"ntpd -p %s", settings[0].value', '"ntpd -p %s %s", settings[0].value, settings[1].value')
    both = both.replace('{"log", "b.example"}', '{"", "b.example"}')
    data = built(tmp_path, "x86-64", sided(both, SIDES, true=False))
    (flow,) = rehearse(load(data), asked(data, "ntpd -p %s %s"), 3.0)
    assert flow.rehearsed is Rehearsed.NOT_REACHED


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_damaged_programs_end_their_runs_and_nothing_else(tmp_path: Path, architecture: str) -> None:
    data = built(tmp_path, architecture, sided(SETTINGS, SIDES, true=True))
    whole = load(data)
    start = whole.entry & ~1
    chance = random.Random(5)
    for _ in range(12):
        damaged = load(data)
        segment = damaged.segment(start)
        assert segment is not None
        for _ in range(40):
            segment.data[chance.randrange(start - segment.start, len(segment.data))] = chance.randrange(256)
        stage = Stage(damaged, None, None)
        for message in (b"set ntp a;b\n", b"apply\n", bytes(range(256))):
            assert stage.play(Genome((message, message))).ended


def test_only_commands_of_programs_that_run_by_themselves_are_rehearsed(tmp_path: Path) -> None:
    data = built(tmp_path, "x86-64", sided(SETTINGS, SIDES, true=True))
    facts = analyse(data)
    assert can_be_rehearsed(load(data))
    assert rehearsed(data, facts, 0.0) == facts
    library = built(tmp_path, "x86-64", SETTINGS.replace("CHECK", "1"), "-shared", "-fPIC")
    assert not can_be_rehearsed(load(library))
