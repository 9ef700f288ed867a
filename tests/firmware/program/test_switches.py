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
