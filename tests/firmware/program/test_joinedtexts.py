"""Texts that are put one behind the other, each by an instruction of its own: together they may be too long."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built

OVERLAY = (
    r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
struct overlay { time_t since; char plate[40]; char lane[40]; int changed; };
static int sock;
static struct overlay *shown;
__attribute__((noinline)) static void render(int both) {
    char line[ROOM];
    strftime(line, sizeof line, "%d.%m. ", localtime(&shown->since));
    PUT
    puts(line);
}
static void take(char *packet, long n) {
    if (!shown) shown = calloc(1, sizeof *shown);
    if (packet[0] == 'P') snprintf(shown->plate, sizeof shown->plate, "%s", packet + 1);
    if (packet[0] == 'L') snprintf(shown->lane, sizeof shown->lane, "%s", packet + 1);
    render(packet[0] == 'B');
}
"""
    + DATAGRAMS
)
BOTH = 'strcat(line, shown->plate); if (both) { strcat(line, " / "); strcat(line, shown->lane); }'
ONE = "if (both) strcat(line, shown->plate); else strcat(line, shown->lane);"


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_fields_that_are_put_behind_each_other_are_as_long_as_all_of_them(
    tmp_path: Path, architecture: str, level: str
) -> None:
    def flows(room: int, put: str) -> int:
        text = OVERLAY.replace("ROOM", str(room)).replace("PUT", put)
        return len(analyse(built(tmp_path, architecture, text, level)).flows)

    assert flows(64, BOTH) >= 1
    assert flows(120, BOTH) == 0
    assert flows(64, ONE) == 0
