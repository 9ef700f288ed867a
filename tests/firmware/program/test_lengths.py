"""How long texts are that a copy reads: as much as a loop put there, no more than what was cut off."""

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
static const char *word(const char *s, char *out, size_t most) {
    size_t i;
    while (*s == ' ') s++;
    for (i = 0; s[i] && s[i] != ' ' && s[i] != '\r' && i < most - 1; i++) out[i] = s[i];
    out[i] = 0;
    return s + i;
}
static void line(char *to, int most) {
    char c;
    int i = 0;
    while (recv(sock, &c, 1, 0) == 1 && c != '\n') if (i < most - 1) to[i++] = c;
    to[i] = 0;
}
static int digit(int c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}
static int base64(const char *s, char *to) {
    unsigned all = 0;
    int bits = 0, n = 0, v;
    for (; *s && *s != '='; s++) {
        if ((v = digit((unsigned char)*s)) < 0) continue;
        all = all << 6 | v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[n++] = all >> bits;
            all &= (1u << bits) - 1;
        }
    }
    return n;
}
static char *between(char *s, size_t *length) {
    char *p = strstr(s, "<id>"), *q;
    if (!p || !(q = strstr(p + 4, "</"))) return 0;
    *length = q - (p + 4);
    return p + 4;
}
static void take(char *s, long n) {
    char a[64], w[SIZE], *p, *q = 0;
    size_t i, k;
    BODY
    puts(a);
    puts(w);
}
"""
    + DATAGRAMS
)
PIECE = (
    "word(word(s, w, sizeof w), w, sizeof w);"
    "if ((p = strstr(w, \"id:\")) && (q = strchr(p, ';')) TEST) { memcpy(a, p, q - p); a[q - p] = 0; }"
)
LINE = "line(w, sizeof w); TEST if (!(q = strchr(w, ' '))) return; memcpy(a, w, q - w); a[q - w] = 0;"
VALUE = "w[0] = 0; if (!(p = strchr(s, ':'))) return; p++; while (*p == ' ') p++; TEST strcpy(a, p);"
FOUND = "w[0] = 0; if (!(p = between(s, &k))) return; TEST memcpy(a, p, k); a[k] = 0;"
OVERRUN = {
    "digits of six bits": (8, "w[0] = 0; i = base64(s, a); a[i] = 0;"),
    "digits of six bits, of a longer text": (8, "w[0] = 0; if (strlen(s) > 400) return; i = base64(s, a); a[i] = 0;"),
    "what was found between two words": (8, FOUND.replace("TEST", "")),
    "what was found between two words, cut down too little": (8, FOUND.replace("TEST", "if (k > 500) k = 500;")),
    "a piece of a word": (512, PIECE.replace("TEST", "")),
    "a word": (256, "word(s, w, sizeof w); strcpy(a, w);"),
    "a line that came byte by byte": (300, LINE.replace("TEST", "")),
    "capitals": (
        200,
        "for (i = 0; s[i] && i < sizeof w - 1; i++) w[i] = toupper((unsigned char)s[i]); w[i] = 0; strcpy(a, w);",
    ),
    "a text that is cut too late": (8, VALUE.replace("TEST", "if (strlen(p) >= 256) p[255] = 0;")),
    "another text that is cut": (8, VALUE.replace("TEST", "q = strchr(s, ';'); if (q && strlen(q) >= 64) q[63] = 0;")),
    "a text whose length was asked before it was cut": (
        8,
        "w[0] = 0; if (!(p = strchr(s, ':'))) return; i = strlen(p); if (i > 63) p[63] = 0; puts(p); memcpy(a, p, i);",
    ),
    "a buffer that is filled after it was cut": (
        512,
        "w[63] = 0; puts(w); if (recv(sock, w, sizeof w - 1, 0) <= 0) return; w[511] = 0; strcpy(a, w);",
    ),
}
FITS = {
    "digits of six bits, of a short text": (8, "w[0] = 0; if (strlen(s) > 80) return; i = base64(s, a); a[i] = 0;"),
    "digits of six bits that were counted": (
        8,
        "w[0] = 0; if (strlen(s) * 3 / 4 >= sizeof a) return; i = base64(s, a); a[i] = 0;",
    ),
    "what was found between two words, cut down": (8, FOUND.replace("TEST", "if (k >= sizeof a) k = sizeof a - 1;")),
    "what was found between two words, when it is short": (8, FOUND.replace("TEST", "if (!k || k > 63) return;")),
    "a piece of a word": (512, PIECE.replace("TEST", "&& q - p < sizeof a")),
    "a word": (64, "word(s, w, sizeof w); strcpy(a, w);"),
    "a line that came byte by byte": (300, LINE.replace("TEST", "if (strlen(w) >= sizeof a) return;")),
    "capitals": (
        60,
        "for (i = 0; s[i] && i < sizeof w - 1; i++) w[i] = toupper((unsigned char)s[i]); w[i] = 0; strcpy(a, w);",
    ),
    "a text that is cut when it is too long": (8, VALUE.replace("TEST", "if (strlen(p) >= 64) p[63] = 0;")),
    "a text that is cut in any case": (8, VALUE.replace("TEST", "p[63] = 0;")),
    "a buffer that is cut": (
        512,
        "if (recv(sock, w, sizeof w - 1, 0) <= 0) return; w[511] = 0; if (strlen(w) > 63) w[63] = 0; puts(w);"
        "strcpy(a, w);",
    ),
}


def _said(folder: Path, architecture: str, size: int, body: str) -> bool:
    program = PROGRAM.replace("BODY", body).replace("SIZE", str(size))
    return any(flow.kind == "overflow" for flow in analyse(built(folder, architecture, program)).flows)


@pytest.mark.parametrize("architecture", ["x86-64", "mips"])
@pytest.mark.parametrize("form", OVERRUN)
def test_a_text_that_can_be_longer_than_its_target_is_told(tmp_path: Path, architecture: str, form: str) -> None:
    assert _said(tmp_path, architecture, *OVERRUN[form])


@pytest.mark.parametrize("architecture", ["x86-64", "armel", "mips"])
@pytest.mark.parametrize("form", FITS)
def test_a_text_that_fits_is_not_told(tmp_path: Path, architecture: str, form: str) -> None:
    assert not _said(tmp_path, architecture, *FITS[form])
