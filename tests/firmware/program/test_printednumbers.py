"""What is printed as a number, an address or one of two letters carries nothing of the text that it was made from."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
static struct { struct in_addr probe; char text[64]; } state;
int main(void) {
    char line[200], name[INET_ADDRSTRLEN], command[300], *end;
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    long rate;
    while ((n = recv(s, line, sizeof line - 1, 0)) > 0) {
        line[n] = 0;
        rate = strtol(line + 1, &end, 10);
        if (*end || rate < 950 || rate > 12750) rate = 950;
        BODY
        system(command);
    }
    return 0;
}
"""
FORMS = {
    "an address": (
        "if (inet_pton(AF_INET, line, &state.probe) != 1) continue;"
        " inet_ntop(AF_INET, &state.probe, name, sizeof name);"
        ' snprintf(command, sizeof command, "ping -c 1 %s", name);',
        False,
    ),
    "the text of what should be one": (
        "if (strlen(line) >= sizeof state.text) continue; strcpy(state.text, line);"
        ' snprintf(command, sizeof command, "ping -c 1 %s", state.text);',
        True,
    ),
    "one of two letters": (
        """snprintf(command, sizeof command, "tune %ld %c", rate, line[0] == 'v' || line[0] == 'V' ? 'V' : 'H');""",
        False,
    ),
    "the letter that was received": ('snprintf(command, sizeof command, "tune %ld %c", rate, line[0]);', True),
}


@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("mips", "-Os"), ("armel", "-O2")])
@pytest.mark.parametrize("form", FORMS)
def test_only_texts_carry_what_they_hold(tmp_path: Path, form: str, architecture: str, level: str) -> None:
    body, true = FORMS[form]
    found = analyse(built(tmp_path, architecture, PROGRAM.replace("BODY", body), level))
    assert [one.kind for one in found.flows] == ["command"] * true
