"""Numbers that a program keeps in fields are no larger than what tests let it put there."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static int sock;
"""

WATCHERS = r"""
struct request { unsigned char type, code, length; const unsigned char *token; };
static struct watcher { int used; time_t until; unsigned char token[64], length; } watchers[4];
static int told;
__attribute__((noipa)) static void watch(const struct request *from) {
    for (int i = 0; i < 4; i++)
        if (!watchers[i].used) {
            memcpy(watchers[i].token, from->token, from->length);
            watchers[i].length = from->length;
            watchers[i].until = time(0) + 60;
            watchers[i].used = 1;
            return;
        }
}
__attribute__((noipa)) static void tell(void) {
    unsigned char out[12];
    char text[64];
    snprintf(text, sizeof text, "told %d times", told++);
    for (int i = 0; i < 4; i++) {
        struct watcher *one = &watchers[i];
        if (!one->used || time(0) > one->until) continue;
        out[0] = 0x40 | one->length;
        memcpy(out + 4, one->token, one->length);
        send(sock, out, 4 + one->length, 0);
        send(sock, text, strlen(text), 0);
    }
}
__attribute__((noipa)) static void take(char *packet, long n) {
    struct request one;
    memset(&one, 0, sizeof one);
    one.type = (packet[0] >> 4) & 3;
    one.length = packet[2] & 31;
    one.code = packet[1];
    one.token = (unsigned char *)packet + 4;
    if (one.type > 1 || one.length > MOST || n < 4 + one.length) return;
    if (one.code == 3) watch(&one);
    else tell();
}
"""


LINKS = r"""
struct link { unsigned short handle, want, have; unsigned char held[320]; time_t seen; unsigned frames; };
static struct link *links[8];
__attribute__((noipa)) static struct link *find(unsigned short handle) {
    int slot = -1;
    for (int i = 0; i < 8; i++) {
        if (!links[i]) slot = i;
        else if (links[i]->handle == handle) return links[i];
    }
    if (slot < 0 || !(links[slot] = calloc(1, sizeof *links[slot]))) return 0;
    links[slot]->handle = handle;
    return links[slot];
}
__attribute__((noipa)) static void deliver(struct link *one) {
    FILE *f = fopen("/tmp/frames", "a");
    if (!f) return;
    fwrite(one->held, 1, one->want, f);
    fclose(f);
    one->frames++;
}
__attribute__((noipa)) static void take(unsigned char *p, long n) {
    unsigned short length = n - 8;
    struct link *one = find(p[0] | p[1] << 8);
    if (!one) return;
    one->seen = time(0);
    if (p[2] == 1) {
        unsigned want = (p[8] | p[9] << 8) + 4u;
        if (want > sizeof one->held || length > want) return;
        one->want = want;
        memcpy(one->held, p + 8, length);
        one->have = length;
    } else {
        if (!one->want) return;
        if (MOST) {
            one->want = 0;
            return;
        }
        memcpy(one->held + one->have, p + 8, length);
        one->have += length;
    }
    if (one->have >= one->want) {
        deliver(one);
        one->want = one->have = 0;
    }
}
"""


def overflows(folder: Path, architecture: str, level: str, text: str, most: object) -> list[int | None]:
    program = built(folder, architecture, HEAD + text.replace("MOST", str(most)), level)
    return [one.port for one in analyse(program).flows if one.kind == "overflow"]


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["armel", "arm64", "mips", "x86-64"])
def test_a_small_field_is_no_larger_than_what_was_let_in(tmp_path: Path, architecture: str, level: str) -> None:
    text = WATCHERS + DATAGRAMS
    assert overflows(tmp_path, architecture, level, text, 28) == [41234]
    assert overflows(tmp_path, architecture, level, text, 8) == []


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["armel", "armhf", "mips", "x86-64"])
def test_what_is_missing_of_a_frame_is_bounded_by_what_was_let_in(
    tmp_path: Path, architecture: str, level: str
) -> None:
    text = LINKS + DATAGRAMS
    assert overflows(tmp_path, architecture, level, text, "length > sizeof one->held") == [41234]
    assert overflows(tmp_path, architecture, level, text, "length > one->want - one->have") == []
