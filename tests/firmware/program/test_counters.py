"""How many bytes a function of the program decoded, as a length that its caller copies by."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built

DECODER = (
    r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static int digit(int c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}
ATTRIBUTE static int decoded(const char *in, int length, unsigned char *out, int room) {
    unsigned bits = 0, waiting = 0;
    int i, n = 0;
    for (i = 0; i < length && in[i] != '='; i++) {
        int d = digit((unsigned char)in[i]);
        if (d < 0) return -1;
        bits = bits << 6 | (unsigned)d;
        waiting += 6;
        if (waiting >= 8) {
            waiting -= 8;
            if (n >= room) return -1;
            out[n++] = (unsigned char)(bits >> waiting);
        }
    }
    return n;
}
static struct { int size; unsigned char payload[256]; } frame;
static void take(char *packet, long n) {
    unsigned char raw[ROOM];
    char *end, *text = strstr(packet, "\"data\":");
    int size;
    if (!text || !(end = strchr(text += 8, '"'))) return;
    size = decoded(text, (int)(end - text), raw, sizeof raw);
    if (size < 0) return;
    TEST
    memcpy(frame.payload, raw, (unsigned long)size);
    frame.size = size;
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("attribute", ["", "__attribute__((noipa))"])
def test_what_a_decoder_wrote_is_as_long_as_its_text_and_its_room_let_it(
    tmp_path: Path, architecture: str, level: str, attribute: str
) -> None:
    def flows(room: int, test: str = "") -> int:
        text = DECODER.replace("ROOM", str(room)).replace("TEST", test).replace("ATTRIBUTE", attribute)
        return len(analyse(built(tmp_path, architecture, text, level)).flows)

    assert flows(700) == 1
    assert flows(256) == 0
    assert flows(700, "if (size > (int)sizeof frame.payload) return;") == 0
