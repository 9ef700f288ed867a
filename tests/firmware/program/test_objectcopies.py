"""Structures that are copied whole, as compilers write such copies out."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built

QUEUE = (
    r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
struct task { int kind; int retries; char start[64]; char place[256]; int one; };
static int sock;
static struct task ring[8];
static unsigned head, tail;
__attribute__((noinline)) static void push(const struct task *t) {
    if (head - tail < 8) ring[head++ % 8] = *t;
}
static void work(void) {
    struct task t;
    char command[512];
    if (head == tail) return;
    t = ring[tail++ % 8];
    snprintf(command, sizeof command, "curl -T /tmp/log \"%s\"", t.place);
    system(command);
}
static void take(char *packet, long n) {
    struct task t = { 1, 3, "now", "ftp://here/" };
    CHECK
    snprintf(t.place, sizeof t.place, "%s", packet + 8);
    push(&t);
    work();
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_structure_in_a_ring_holds_what_was_put_into_it(tmp_path: Path, architecture: str, level: str) -> None:
    def flows(check: str) -> int:
        return len(analyse(built(tmp_path, architecture, QUEUE.replace("CHECK", check), level)).flows)

    assert flows("") == 1
    assert flows('if (packet[8 + strspn(packet + 8, "abcdefgh:/.")]) return;') == 0
