"""Texts that a word beside them says were checked: the word is handed on, taken back, and asked somewhere else."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import built, sided

PROGRAM = r"""
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#define KEEP __attribute__((noinline))
static struct record { char host[64]; int valid; int due; } cfg;
KEEP static int plain(const char *s) {
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '.' && *s != '-') return 0;
    return 1;
}
KEEP static void run(void) {
    char command[160];
    snprintf(command, sizeof command, "/usr/sbin/setname %s", cfg.host);
    system(command);
}
HANDLERS
int main(void) {
    static char packet[1500];
    struct timeval wait = { 1, 0 };
    struct sockaddr_in me;
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41234);
    if (bind(sock, (struct sockaddr *)&me, sizeof me) < 0) return 1;
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    for (;;) {
        long n = recv(sock, packet, sizeof packet - 1, 0);
        if (n > 0) {
            packet[n] = 0;
            take(packet);
        }
        tick();
    }
}
"""
HANDLERS = {
    "a word is set where another says that the text was checked": (
        """KEEP static void stage(const char *s) {
            if (cfg.due) return;
            TAKEN
            snprintf(cfg.host, sizeof cfg.host, "%s", s);
        }
        KEEP static void verify(void) { if (plain(cfg.host)) cfg.valid = 1; }
        KEEP static void commit(void) { if (cfg.valid) cfg.due = (int)time(NULL) + 2; }
        KEEP static void take(const char *s) {
            if (*s == 's') stage(s + 1);
            else if (*s == 'v') verify();
            else if (*s == 'c') commit();
        }
        KEEP static void tick(void) {
            if (!cfg.due || time(NULL) < cfg.due) return;
            cfg.due = 0;
            cfg.valid = 0;
            run();
        }""",
        {"TAKEN": ("cfg.valid = 0;", "")},
    ),
    "a state goes on from one that says that the text was checked": (
        """enum { NONE, NEW, CHECKED, ACTIVE, GONE };
        KEEP static int checked(void) {
            unsigned a, b, c, d;
            if (sscanf(cfg.host, "%3u.%3u.%3u.%3u", &a, &b, &c, &d) != 4) return 0;
            PRINTED
            cfg.valid = CHECKED;
            return 1;
        }
        KEEP static void take(const char *s) {
            if (*s == 'd') { if (cfg.valid == ACTIVE) cfg.valid = GONE; return; }
            if (cfg.valid != NONE) return;
            snprintf(cfg.host, sizeof cfg.host, "%s", s + 1);
            cfg.valid = NEW;
            if (!checked()) cfg.valid = NONE;
        }
        KEEP static void tick(void) {
            if (cfg.valid == CHECKED) cfg.valid = ACTIVE;
            else if (cfg.valid == GONE) { cfg.valid = NONE; run(); }
        }""",
        {"PRINTED": ('snprintf(cfg.host, sizeof cfg.host, "%u.%u.%u.%u", a, b, c, d);', "")},
    ),
    "what was checked elsewhere is copied beside the word": (
        """KEEP static void take(const char *s) {
            char word[64];
            snprintf(word, sizeof word, "%s", s + 1);
            if (*s == 'x') {
                strcpy(cfg.host, word);
                cfg.valid = 0;
            } else if (CHECK) {
                strcpy(cfg.host, word);
                cfg.valid = 1;
            }
        }
        KEEP static void tick(void) { if (cfg.valid) run(); }""",
        {"CHECK": ("plain(word)", "!plain(word)")},
    ),
}


def program(name: str, true: bool) -> str:
    return PROGRAM.replace("HANDLERS", sided(*HANDLERS[name], true))


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["x86-64", "mips"])
@pytest.mark.parametrize("name", HANDLERS)
def test_a_word_that_says_it_keeps_the_text_harmless_and_one_that_does_not_is_no_help(
    tmp_path: Path, name: str, architecture: str, level: str
) -> None:
    assert not analyse(built(tmp_path, architecture, program(name, False), level)).flows
    [flow] = analyse(built(tmp_path, architecture, program(name, True), level)).flows
    assert flow.command == "/usr/sbin/setname %s"
