"""Loops that copy bytes into a buffer on the stack: what only the bytes read can end is a copy without a bound."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built

PROGRAM = (
    r"""
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static void take(char *s, long n) {
    char field[FIELD];
    long i = 0;
    char *to = field, c;
    LOOP
    puts(field);
}
"""
    + DATAGRAMS
)
UNBOUNDED = {
    "a pointer": "while (*s && *s != ';') *to++ = *s++; *to = 0;",
    "an index": "for (; s[i] && s[i] != '='; i++) field[i] = tolower((unsigned char)s[i]); field[i] = 0;",
    "some bytes left out": "for (; *s && *s != '\\n'; s++) if (*s != '\\r') *to++ = *s; *to = 0;",
    "byte after byte from a socket": "while (recv(sock, &c, 1, 0) == 1 && c != '\\n') field[i++] = c; field[i] = 0;",
    "a bound that is too large": "for (; i < 512 && s[i] && s[i] != ' '; i++) field[i] = s[i]; field[i] = 0;",
    "the length of the packet": "for (; i < n; i++) field[i] = s[i] ^ 0x55;",
    "escapes": (
        "for (; *s; s++) if (*s == '<') { *to++ = '&'; *to++ = 'l'; *to++ = 't'; *to++ = ';'; } else *to++ = *s;"
        "*to = 0;"
    ),
    "letters changed on the way": (
        "for (; *s; s++) *to++ = isalnum((unsigned char)*s) ? tolower((unsigned char)*s) : '_'; *to = 0;"
    ),
    "three bytes for one": (
        "if (n < 64) for (; i < n; i++) { *to++ = '%'; *to++ = 'a' + (s[i] >> 4 & 15); *to++ = s[i]; }"
    ),
}
BOUNDED = {
    "a pointer": "while (*s && *s != ';' && to < field + sizeof field - 1) *to++ = *s++; *to = 0;",
    "a pointer and a class of bytes": (
        "while (*s && !isspace((unsigned char)*s) && to < field + sizeof field - 1) *to++ = *s++; *to = 0;"
    ),
    "an index": "for (; i < 31 && s[i] && s[i] != '='; i++) field[i] = tolower((unsigned char)s[i]); field[i] = 0;",
    "some bytes left out": "for (; *s && *s != '\\n'; s++) if (*s != '\\r' && to - field < 31) *to++ = *s; *to = 0;",
    "byte after byte from a socket": "for (; i < 31 && recv(sock, &c, 1, 0) == 1; i++) field[i] = c; field[i] = 0;",
    "a number that is counted down": "for (n = 32; --n > 0 && *s && *s != ';';) *to++ = *s++; *to = 0;",
    "the length of the packet": "if (n > 32) n = 32; for (; i < n; i++) field[i] = s[i] ^ 0x55;",
    "escapes": "for (; *s && i + 2 < 32; s++) { if (*s == '\"') field[i++] = '\\\\'; field[i++] = *s; } field[i] = 0;",
    "a test on each way": (
        "while (*s) { c = *s++; if (c == '\\\\') { c = *s; if (!c) return; s++; if (c == 'n') c = '\\n'; }"
        " if (i + 1 >= 32) return; field[i++] = c; } field[i] = 0;"
    ),
    "a piece of the text": (
        "char *e = strchr(s, '>'); if (!e || e - s >= 32) return; for (; s + i < e; i++) field[i] = s[i]; field[i] = 0;"
    ),
    "three bytes for one": (
        "if (n < 11) for (; i < n; i++) { *to++ = '%'; *to++ = 'a' + (s[i] >> 4 & 15); *to++ = s[i]; }"
    ),
    "a length measured before": (
        "if (strlen(s + 1) < 32) { for (s++; *s; s++) *to++ = tolower((unsigned char)*s); *to = 0; }"
    ),
    "letters changed where they lie": (
        "if (n > 31) n = 31; memcpy(field, s, n); field[n] = 0;"
        " for (; *to; to++) if (isalnum((unsigned char)*to)) *to = tolower((unsigned char)*to); else *to = '_';"
    ),
    "bytes moved inside of the text": "for (to = s; *s; s++) if (*s != '%') *to++ = *s; *to = 0; field[0] = 0;",
}
BUILDS = [("armhf", "-O2"), ("mips", "-Os"), ("x86-64", "-O2"), ("arm64", "-Os")]


def copies(folder: Path, architecture: str, level: str, loop: str) -> set[str]:
    text = PROGRAM.replace("LOOP", loop).replace("FIELD", "32")
    return {flow.kind for flow in analyse(built(folder, architecture, text, level)).flows}


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize("form", UNBOUNDED)
def test_a_loop_that_only_its_text_ends_overruns(tmp_path: Path, architecture: str, level: str, form: str) -> None:
    assert copies(tmp_path, architecture, level, UNBOUNDED[form]) == {"overflow"}


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize("form", BOUNDED)
def test_a_loop_that_tests_the_room_fits(tmp_path: Path, architecture: str, level: str, form: str) -> None:
    assert copies(tmp_path, architecture, level, BOUNDED[form]) == set()
