"""Tables that packets fill part by part, and of which what was sent on is taken out at the front."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built

HEAD = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int sock;
"""
STAGED = (
    HEAD
    + r"""
struct entry { unsigned char card[7], reason; };
static struct { struct entry entry[150]; unsigned count; } staging, active;
__attribute__((noipa)) static int filled(void *to, unsigned long size) {
    unsigned long got = 0;
    while (got < size) {
        long n = recv(sock, (char *)to + got, size - got, 0);
        if (n <= 0) return -1;
        got += (unsigned long)n;
    }
    return 0;
}
__attribute__((noipa)) static int begin(unsigned count) { staging.count = 0; return (int)count; }
__attribute__((noipa)) static int part(unsigned count) {
    if (count == 0 || count > LEFT) return -1;
    if (filled(&staging.entry[staging.count], count * sizeof(struct entry)) < 0) return -1;
    staging.count += count;
    return 0;
}
__attribute__((noipa)) static int commit(unsigned count) {
    if (count != staging.count) { printf("%u of %u\n", staging.count, count); return 1; }
    active = staging;
    return 0;
}
static void take(char *packet, long n) {
    unsigned count = (unsigned)(unsigned char)packet[1] << 8 | (unsigned char)packet[2];
    if (packet[0] == 'B') begin(count);
    else if (packet[0] == 'P') part(count);
    else if (packet[0] == 'C') commit(count);
}
"""
    + DATAGRAMS
)
SENT = (
    HEAD
    + r"""
struct tap { unsigned char card[7], result; unsigned when; };
static struct tap taps[100];
static unsigned count;
static void take(char *packet, long n) {
    if (packet[0] == 'T' && n > 8 && count < 100) {
        memcpy(taps[count].card, packet + 1, 7);
        taps[count].when = (unsigned)n;
        count++;
        return;
    }
    unsigned wanted = (unsigned char)packet[1], some = count < wanted ? count : wanted;
    if (some && write(sock, taps, some * sizeof taps[0]) == (long)(some * sizeof taps[0])) {
        memmove(taps, taps + some, (count - some) * sizeof taps[0]);
        count -= some;
    }
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_part_of_a_table_is_bounded_by_what_is_left_of_it(tmp_path: Path, architecture: str, level: str) -> None:
    def flows(left: str) -> int:
        return len(analyse(built(tmp_path, architecture, STAGED.replace("LEFT", left), level)).flows)

    assert flows("150") == 1
    assert flows("150 - staging.count") == 0


@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_what_is_left_of_a_table_moves_down_by_as_much_as_was_written(
    tmp_path: Path, architecture: str, level: str
) -> None:
    assert not analyse(built(tmp_path, architecture, SENT, level)).flows
