"""Texts that a loop prints piece by piece, where another buffer had its place before."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

PROGRAM = (
    r"""
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static void take(char *s, long n) {
    char command[200];
    long i;
    {
        char reply[256];
        snprintf(reply, sizeof reply, "got %s", s);
        send(sock, reply, strlen(reply), 0);
    }
    {
        char id[256];
        size_t length = strlen(s + 8);
        BEGIN
        for (i = FIRST; i < length && i < 32; i++) snprintf(id + 2 * i, 3, "%02x", (unsigned char)s[8 + i]);
        snprintf(command, sizeof command, "wpa_cli set_network 0 ssid %s", id);
    }
    system(command);
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-Os"), ("mips", "-O2"), ("armhf", "-Os")])
def test_what_lay_in_the_frame_is_no_part_of_a_text_that_is_printed_from_its_start(
    tmp_path: Path, architecture: str, level: str
) -> None:
    for begin, first, found in (("", "0", 0), ('snprintf(id, sizeof id, "%s", s);', "4", 1)):
        text = PROGRAM.replace("BEGIN", begin).replace("FIRST", first)
        assert len(analyse(built(tmp_path, architecture, text, level)).flows) == found
