"""The word that packets begin with, however a program compares it."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .test_analysis import built

PROGRAM = r"""
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
struct head { uint32_t magic; int op; char word[100]; };
static uint32_t number(const unsigned char *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static __attribute__((noinline)) int parse(const char *s, long n, struct head *h) {
    uint32_t first;
    if (n < 12) return -1;
    memcpy(&first, s, 4);
    h->magic = ntohl(first);
    h->op = s[5];
    snprintf(h->word, sizeof h->word, "%s", s + 8);
    return 0;
}
static void take(char *s, long n) {
    struct head h;
    char line[200], *key;
    CHECK
    snprintf(line, sizeof line, "act %s", s + 12);
    system(line);
}
int main(void) {
    static char packet[1500];
    struct sockaddr_in me;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41234);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) return 1;
    for (;;) {
        long n = recv(s, packet, sizeof packet - 1, 0);
        if (n <= 8) continue;
        packet[n] = 0;
        take(packet, n);
    }
}
"""
CHECKS = {
    "bytes put together": "if (number((unsigned char *)s) != 0x51425437) return;",
    "a word at any address": "uint32_t m; memcpy(&m, s, 4); if (ntohl(m) != 0x51425437) return;",
    "a structure that was filled from the packet": "if (parse(s, n, &h) < 0 || h.magic != 0x51425437) return;",
    "a comparison of memory, before one further in": 'if (memcmp(s, "QBT7", 4) || strncmp(s + 5, "status", 6)) return;',
}


@pytest.mark.parametrize(("architecture", "level"), [("armhf", "-O2"), ("mips", "-O2"), ("x86-64", "-Os")])
@pytest.mark.parametrize("check", CHECKS)
def test_what_the_packet_begins_with_is_its_magic(tmp_path: Path, architecture: str, level: str, check: str) -> None:
    facts = analyse(built(tmp_path, architecture, PROGRAM.replace("CHECK", CHECKS[check]), level))
    assert {flow.magic for flow in facts.flows} == {"QBT7 … status" if "further in" in check else "QBT7"}
