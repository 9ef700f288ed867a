"""Copies of what was received as they are most often written, each with the slip that makes it too long."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

PROGRAM = r"""
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#define USE(b) asm volatile("" :: "r"(b) : "memory")
GLOBALS
ATTRIBUTE static int handle(char *s, int n, int fd) { BODY return 0; }
int main(void) {
    static char text[1500];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_STREAM, 0), fd, n;
    bind(s, (void *)&here, sizeof here);
    listen(s, 5);
    while ((fd = accept(s, 0, 0)) >= 0) {
        if ((n = recv(fd, text, sizeof text - 1, 0)) > 0) {
            text[n] = 0;
            handle(text, n, fd);
        }
        close(fd);
    }
}
"""
FORMS = {
    "a value that is taken out letter by letter, where others lie in the frame afterwards": (
        "static char g[48]; static int value(const char *p, char *d, int size) { int i = 0;"
        " if (!p || *p++ != '=') return 0;"
        " for (; *p && *p != ';'; p++) { if (i >= size - 1) return 0; d[i++] = *p; } d[i] = 0; return i; }",
        "int r = 4; { char b[48]; if (value(strchr(s, '='), b, SIZE)) { strcpy(g, b); USE(g); r = 2; } }"
        ' { char a[160]; snprintf(a, sizeof a, "HTTP/1.1 %d x", r * 100); send(fd, a, strlen(a), 0); }',
        "SIZE",
        ("sizeof b", "sizeof b * 8"),
    ),
    "a text whose received length was tested": (
        "static char g[128];",
        "if (n TEST) return 1; strcpy(g, s); USE(g);",
        "TEST",
        ("> 127", "< 12"),
    ),
    "a text that is cut where it is too long": (
        "static void set(char *d, const char *v) { strcpy(d, v); }",
        "char b[32]; if (strlen(s) > MOST) s[MOST] = 0; set(b, s); puts(b);",
        "MOST",
        ("31", "310"),
    ),
    "a line of any length": (
        "",
        'char b[64], *line = 0; size_t z = 0; FILE *f = fdopen(fd, "r"); ssize_t k;'
        "while ((k = getline(&line, &z, f)) > 0) { if (TEST) continue; memcpy(b, line, k + 1); puts(b); }",
        "TEST",
        ("k >= (ssize_t)sizeof b", "k < 3"),
    ),
    "a body that comes in pieces to a global": (
        "static char body[1024];",
        'char *h = strstr(s, "Content-Length:"); int got = 0, k, l = h ? atoi(h + 15) : 0; if (l <= 0 TEST) return 1;'
        "while (got < l && (k = recv(fd, body + got, l - got, 0)) > 0) got += k; USE(body);",
        "TEST",
        ("|| l >= (int)sizeof body", ""),
    ),
    "pieces that ask for the whole room each time": (
        "",
        "char b[256]; int used = 0, k; while ((k = recv(fd, b + used, sizeof b LESS, 0)) > 0) { used += k;"
        "if (memchr(b, '\\n', used)) break; } USE(b);",
        "LESS",
        ("- used", ""),
    ),
    "pieces that are put behind each other on the heap": (
        "",
        "char c[128], *b = malloc(256); int have = 0, k; while ((k = recv(fd, c, sizeof c, 0)) > 0) {"
        "TEST memcpy(b + have, c, k); have += k; } USE(b);",
        "TEST",
        ("if (have + k > 256) break;", ""),
    ),
    "pieces that a structure counts": (
        "struct conn { int fd; unsigned len; char buf[256]; };",
        "struct conn *c = calloc(1, sizeof *c); int k; c->fd = fd;"
        "while ((k = recv(c->fd, c->buf + c->len, 256 LESS, 0)) > 0) { c->len += k; if (c->len >= 2048) break; }"
        "USE(c->buf); free(c);",
        "LESS",
        ("- c->len", ""),
    ),
    "what an entry has left": (
        "struct conn { int fd, fill; char req[1024]; }; static struct conn conns[8];",
        "struct conn *c = &conns[fd & 7]; int k = MORE; if (k <= 0) return 1;"
        'c->fill += k; c->req[c->fill] = 0; if (strstr(c->req, "END")) { puts(c->req); c->fill = 0; }',
        "MORE",
        ("recv(fd, c->req + c->fill, 1023 - c->fill, 0)", "(memcpy(c->req + c->fill, s, n), n)"),
    ),
    "an offset that the packet tells": (
        "static unsigned char image[4096];",
        "unsigned at = ntohl(*(uint32_t *)s), l = n - 4; if (TEST) return 1; memcpy(image + at, s + 4, l); USE(image);",
        "TEST",
        ("at > sizeof image || l > sizeof image - at", "l > sizeof image"),
    ),
    "a slot that the packet names": (
        "static char names[8][32];",
        'unsigned i = (unsigned char)s[0]; TEST snprintf(names[i], sizeof names[i], "%s", s + 1); USE(names);',
        "TEST",
        ("if (i >= 8) return 1;", ""),
    ),
    "a slot that the caller tests": (
        "static char names[8][32];"
        "static void set(int i, const char *v) { strncpy(names[i], v, 31); names[i][31] = 0; }",
        "int i = atoi(s); TEST set(i, s + 2); USE(names);",
        "TEST",
        ("if (i < 0 || i > 7) return 1;", ""),
    ),
    "a row of a table": (
        "static char rows[4][64]; static int row;",
        "size_t l = strlen(s); CUT memcpy(rows[row], s, l); rows[row][l] = 0; row = (row + 1) % 4; USE(rows);",
        "CUT",
        ("if (l > 63) l = 63;", ""),
    ),
    "the name of an entry": (
        "struct e { char name[24]; int id; }; static struct e es[12];",
        "unsigned k = (unsigned char)s[0]; if (k >= 12) return 1; int l = n - 1; CUT"
        " memcpy(es[k].name, s + 1, l); USE(es);",
        "CUT",
        ("if (l > 23) l = 23;", ""),
    ),
    "a ring": (
        "static char ring[256]; static unsigned head;",
        "int i; for (i = 0; i < n; i++) ring[head++ MASK] = s[i]; USE(ring);",
        "MASK",
        ("& 255", ""),
    ),
    "a ring that begins anew at its end": (
        "static char ring[200]; static unsigned head;",
        "int i; for (i = 0; i < n; i++) { ring[head] = s[i]; head = head + 1; TURN } USE(ring);",
        "TURN",
        ("if (head == sizeof ring) head = 0;", ""),
    ),
    "a line that is flushed when it is full": (
        "static char line[64]; static int w;",
        "int i; for (i = 0; i < n; i++) { line[w++] = s[i];"
        "if (FULL s[i] == '\\n') { fwrite(line, 1, w, stdout); w = 0; } }",
        "FULL",
        ("w == 64 ||", ""),
    ),
    "letters to a global": (
        "static char g[64];",
        "int i = 0; char *p = s; while (*p TEST) g[i++] = *p++; g[i] = 0; puts(g);",
        "TEST",
        ("&& i < 63", ""),
    ),
    "entries that are counted": (
        "struct rec { uint32_t ip; uint16_t port, fl; };",
        "struct rec t[8], *r = (void *)(s + 4); int c = ntohs(*(uint16_t *)s), i; CUT"
        "for (i = 0; i < c; i++) t[i] = r[i]; USE(t);",
        "CUT",
        ("if (c > 8) return 1;", ""),
    ),
    "words from a first one on": (
        "static uint16_t regs[64];",
        "unsigned char *p = (void *)s; unsigned a = p[2] << 8 | p[3], c = p[4], i; if (a >= 64 TEST) return 1;"
        "for (i = 0; i < c; i++) regs[a + i] = p[5 + 2*i] << 8 | p[6 + 2*i]; USE(regs);",
        "TEST",
        ("|| a + c > 64", ""),
    ),
    "as much as a line has left": (
        "",
        'char b[128] = "", *t; for (t = strtok(s, ","); t; t = strtok(0, ","))'
        " strncat(b, t, ROOM - strlen(b) - 1); puts(b);",
        "ROOM",
        ("sizeof b", "256"),
    ),
    "a precision that the caller tests": (
        'static void show(const char *t, int l) { char b[64]; sprintf(b, "cmd: %.*s", l, t); puts(b); }',
        "if (n TEST) return 1; show(s, n);",
        "TEST",
        ("> 40", "< 4"),
    ),
}


@pytest.mark.parametrize("architecture, attribute", [("x86-64", "__attribute__((noinline))"), ("mips", "")])
@pytest.mark.parametrize("true", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_copy_is_told_when_its_test_is_missing(
    tmp_path: Path, architecture: str, attribute: str, true: bool, form: str
) -> None:
    globals_, body, word, sides = FORMS[form]
    text = (
        PROGRAM.replace("ATTRIBUTE", attribute)
        .replace("GLOBALS", globals_)
        .replace("BODY", body.replace(word, sides[true]))
    )
    flows = analyse(built(tmp_path, architecture, text)).flows
    assert [flow.kind for flow in flows] == ["overflow"] * len(flows)
    assert bool(flows) == true
