"""Checks of whole texts as programmers write them: piece by piece, through a table, in place, with a shared branch."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built, sided

PROGRAM = (
    r"""
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int hex(int c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }
static void decode(char *s) {
    char *d = s;
    while (*s) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            *d++ = hex(s[1]) << 4 | hex(s[2]);
            s += 3;
        } else
            *d++ = *s++;
    }
    *d = 0;
}
static int plain(const char *s) {
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-", *s)) return 0;
    return 1;
}
static int digits(const char *s) {
    for (; *s; s++)
        if (!isdigit((unsigned char)*s)) return 0;
    return 1;
}
CHECKS
static int sock;
static void take(char *packet, long n) {
    char command[1700];
    if (!allowed(packet)) return;
    snprintf(command, sizeof command, "/usr/bin/fetch %s", packet);
    system(command);
}
"""
    + DATAGRAMS
)
CHECKS = {
    "parts of a path, each of its letters": (
        """static int allowed(const char *s) {
            const char *end;
            while ((end = strchr(s, '/')) != NULL) {
                size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-");
                if (n == 0 || PIECE) return 0;
                s = end + 1;
            }
            return plain(s);
        }""",
        {"PIECE": ("s + n != end", "n > 20")},
    ),
    "labels between dots": (
        """static int allowed(const char *s) {
            for (;;) {
                size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");
                if (n == 0 || n > 63) return 0;
                s += n;
                if (!*s) return 1;
                if (END) return 0;
                s++;
            }
        }""",
        {"END": ("*s != '.'", "*s == ' '")},
    ),
    "a prefix and the rest": (
        """static int allowed(const char *s) {
            if (strncmp(s, "http://", 7) || strlen(s) > 180) return 0;
            return REST;
        }""",
        {
            "REST": (
                's[7 + strspn(s + 7, "abcdefghijklmnopqrstuvwxyz.:/_-")] == 0',
                'strpbrk(s + 7, " ;|") == NULL',
            )
        },
    ),
    "a table of checks": (
        """static const struct { const char *name; int (*check)(const char *); } rows[] = {
            { "host", plain }, { "port", digits }, { "user", plain } };
        static int allowed(char *s) {
            int i, row = -1;
            for (i = 0; i < 3; i++) if (s[0] == rows[i].name[0]) row = i;
            if (row < 0) return 0;
            BEFORE;
            if (!rows[row].check(s)) return 0;
            AFTER;
            return 1;
        }""",
        {"BEFORE": ("decode(s)", ""), "AFTER": ("", "decode(s)")},
    ),
    "what is not liked is left out, where the text lies": (
        """static int allowed(char *s) {
            char *from = s, *to = s;
            for (; *from; from++) {
                if (LEFT) continue;
                if ((unsigned char)*from >= 0x80) continue;
                *to++ = *from;
            }
            *to = 0;
            return 1;
        }""",
        {"LEFT": ('!isalnum((unsigned char)*from) && !strchr("-_. ", *from)', 'strchr(";|", *from)')},
    ),
    "what is not liked is replaced, by a switch": (
        """static int allowed(char *s) {
            for (; *s; s++) {
                switch (*s) {
                case ' ': case '.': case '-': case '_': case ',': case ':':
                    break;
                default:
                    if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || LAST)) *s = '_';
                    break;
                }
            }
            return 1;
        }""",
        {"LAST": ("(*s >= '0' && *s <= '9')", "(*s >= ' ' && *s <= '9')")},
    ),
}


def program(name: str, true: bool) -> str:
    return PROGRAM.replace("CHECKS", sided(*CHECKS[name], true))


CONDITIONAL = "what is not liked is left out, where the text lies"
"""On 32-bit ARM the store of this one is a conditional instruction, and its pointer moves in another: not followed."""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["x86-64", "mips", "arm64", "armhf"])
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_of_the_whole_text_keeps_it_harmless_and_one_of_a_part_does_not(
    tmp_path: Path, name: str, architecture: str, level: str
) -> None:
    if (name, architecture) == (CONDITIONAL, "armhf"):
        pytest.skip("conditional stores")
    assert not analyse(built(tmp_path, architecture, program(name, False), level)).flows
    [flow] = analyse(built(tmp_path, architecture, program(name, True), level)).flows
    assert flow.command == "/usr/bin/fetch %s"
