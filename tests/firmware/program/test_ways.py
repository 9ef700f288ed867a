"""Words for the shell that are quoted by hand, letter by letter, in compiled programs."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

SENDER = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
static int quoted(const char *from, char *to, size_t size) {
    size_t n = 0;
    to[n++] = '\\'';
    to[n++] = '"';
    for (; *from; from++) {
        if (n + 7 > size) return -1;
        if (*from == ESCAPED) {
            memcpy(to + n, "'\\\\''", 4);
            n += 4;
        } else {
            to[n++] = *from;
        }
    }
    to[n++] = '"';
    to[n++] = '\\'';
    to[n] = 0;
    return 0;
}
int main(void) {
    char text[200], word[900], line[1000];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, text, sizeof text - 1, 0)) > 0) {
        text[n] = 0;
        if (quoted(text, word, sizeof word)) continue;
        snprintf(line, sizeof line, "wpa_cli set_network 0 ssid %s", word);
        system(line);
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "arm64", "x86-64"])
def test_an_escape_that_conditional_instructions_write_is_believed(tmp_path: Path, architecture: str) -> None:
    for level in ("-O2", "-Os"):
        for escaped, found in (("'\\''", []), ("'\"'", ["command"])):
            flows = analyse(built(tmp_path, architecture, SENDER.replace("ESCAPED", escaped), level)).flows
            assert [flow.kind for flow in flows] == found
