"""A switch over a number that a row of a table holds, found by a loop: all its cases are read, not the first row's."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

VERBS = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
enum { NONE, STATUS, LABEL, TIME, PING, COUNT };
static const struct { const char *word; int code; } verbs[] = {
    {"STATUS ", STATUS}, {"LABEL ", LABEL}, {"TIME ", TIME}, {"PING ", PING}, {"COUNT ", COUNT},
};
static char label[40];
static int counted, since;
static int code_of(const char *line) {
    for (int i = 0; i < 5; i++)
        if (!strncmp(line, verbs[i].word, strlen(verbs[i].word))) return verbs[i].code;
    return NONE;
}
static void say(const char *text) { send(sock, text, strlen(text), 0); }
static void take(char *line, long n) {
    char command[1600];
    const char *rest = strchr(line, ' ');
    rest = rest ? rest + 1 : line;
    switch (code_of(line)) {
    case STATUS: say(label); break;
    case LABEL: snprintf(label, sizeof label, "%.30s", rest); say("+"); break;
    case TIME: since = atoi(rest); break;
    case PING: ACT; break;
    case COUNT: counted++; say("counted"); break;
    default: say("?");
    }
}
"""
TRUE = 'snprintf(command, sizeof command, "ping -c1 %s", rest); system(command)'
HARMLESS = 'snprintf(command, sizeof command, "ping -c1 10.0.0.%d", atoi(rest)); system(command)'


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["armel", "armhf", "mips", "x86-64"])
def test_a_case_behind_the_number_of_a_verb_is_reached(tmp_path: Path, architecture: str, level: str) -> None:
    def commands(act: str) -> list[str]:
        text = VERBS.replace("ACT", act) + DATAGRAMS
        return [flow.command for flow in analyse(built(tmp_path, architecture, text, level)).flows]

    assert commands(TRUE) == ["ping -c1 %s"]
    assert commands(HARMLESS) == []


NUMBERED = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock, done, light;
static struct { long at; int kind; } job;
static char name[33];
static void take(char *packet, long n) {
    char command[700];
    unsigned char kind = (unsigned char)packet[0];
    int answer = 0;
    job.kind = kind;
    switch (kind) {
    case 1: answer = done; break;
    case 2: if (packet[1] != 'K' || n > 600) return; GIVEN; done++; break;
    case 3: light = packet[1]; answer = 3; break;
    case 4: snprintf(name, sizeof name, "%s", packet + 1); answer = 4; break;
    case 5: name[0] = 0; light = 1; answer = 7; break;
    default: answer = 9;
    }
    char text[40];
    snprintf(text, sizeof text, "%c%c", kind | 0x80, answer);
    send(sock, text, 2, 0);
}
"""


@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_table_begins_with_the_number_that_is_left_of_an_index(tmp_path: Path, architecture: str, level: str) -> None:
    for given, found in (('"tool %s", packet + 1', 1), ('"tool %d", light', 0)):
        act = f"snprintf(command, sizeof command, {given}); system(command)"
        text = NUMBERED.replace("GIVEN", act) + DATAGRAMS
        assert len(analyse(built(tmp_path, architecture, text, level)).flows) == found
