"""Bytes that are kept with a connection, with how many there are: each natural form and a broken sibling of it."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

PROGRAM = r"""
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
static u16 be16(const u8 *p) { return p[0] << 8 | p[1]; }
static u32 be32(const u8 *p) { return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
FORM
static struct conn *conns[16];
static void opened(int fd) {
    for (int i = 0; i < 16; i++)
        if (!conns[i]) {
            conns[i] = calloc(1, sizeof *conns[i]);
            if (!conns[i]) break;
            conns[i]->fd = fd;
            return;
        }
    close(fd);
}
int main(void) {
    struct sockaddr_in here = { AF_INET, htons(7300) };
    int s = socket(AF_INET, SOCK_STREAM, 0);
    bind(s, (void *)&here, sizeof here);
    listen(s, 8);
    for (;;) {
        fd_set set;
        int top = s;
        FD_ZERO(&set);
        FD_SET(s, &set);
        for (int i = 0; i < 16; i++)
            if (conns[i]) {
                FD_SET(conns[i]->fd, &set);
                if (conns[i]->fd > top) top = conns[i]->fd;
            }
        if (select(top + 1, &set, 0, 0, 0) < 0) continue;
        if (FD_ISSET(s, &set)) opened(accept(s, 0, 0));
        for (int i = 0; i < 16; i++)
            if (conns[i] && FD_ISSET(conns[i]->fd, &set) && readable(conns[i]) < 0) {
                close(conns[i]->fd);
                free(conns[i]);
                conns[i] = 0;
            }
    }
}
"""

LATER = r"""
        struct conn { int fd, state; u8 header[6]; char name[48]; u8 data[512], *to; unsigned want, got; };
        static void expect(struct conn *c, int state, void *to, unsigned want) {
            c->state = state; c->to = to; c->want = want; c->got = 0;
        }
        static int done(struct conn *c) {
            unsigned n = be16(c->header + 2);
            if (c->state) { expect(c, 0, c->header, 6); return 0; }
            if (c->header[0] != 0x55 || !n) return -1;
            if (c->header[1] == 1) { if (n > sizeof c->name) return -1; expect(c, 1, c->name, n); return 0; }
            if (TEST) return -1;
            expect(c, 2, c->data, n);
            return 0;
        }
        static int readable(struct conn *c) {
            ssize_t n;
            if (!c->to) expect(c, 0, c->header, 6);
            n = read(c->fd, c->to + c->got, c->want - c->got);
            if (n <= 0) return -1;
            c->got += n;
            return c->got < c->want ? 0 : done(c);
        }"""

FORMS = {
    "a line, letter by letter": (
        r"""
        struct conn { int fd; char line[200]; unsigned n; };
        static int letter(struct conn *c, char ch) {
            if (ch == '\n') { c->line[c->n] = 0; c->n = 0; return strcmp(c->line, "quit") ? 0 : -1; }
            if (TEST) c->line[c->n++] = ch;
            return 0;
        }
        static int readable(struct conn *c) {
            char in[512];
            int n = recv(c->fd, in, sizeof in, 0), i;
            if (n <= 0) return -1;
            for (i = 0; i < n; i++) if (letter(c, in[i])) return -1;
            return 0;
        }""",
        ("c->n < sizeof c->line - 1", "ch != '\\r'"),
    ),
    "a line, a letter each time": (
        r"""
        struct conn { int fd; char line[128]; int n; };
        static int readable(struct conn *c) {
            char ch;
            if (read(c->fd, &ch, 1) <= 0) return -1;
            if (ch == '\n') { c->line[c->n] = 0; c->n = 0; return c->line[0] == 'x' ? -1 : 0; }
            if (TEST) c->line[c->n++] = ch;
            return 0;
        }""",
        ("c->n < (int)sizeof c->line - 1", "c->line[0] != 'x'"),
    ),
    "a frame as long as it says": (
        r"""
        struct conn { int fd; u8 state, length, n, data[64]; };
        static int feed(struct conn *c, u8 b) {
            switch (c->state) {
            case 0: if (b == 0xaa) c->state = 1; break;
            case 1:
                if (TEST) { c->state = 0; break; }
                c->length = b; c->n = 0; c->state = 2; break;
            case 2: c->data[c->n++] = b; if (c->n == c->length) { c->state = 0; return c->data[0] == 1 ? -1 : 0; }
            }
            return 0;
        }
        static int readable(struct conn *c) {
            u8 in[256];
            int n = recv(c->fd, in, sizeof in, 0), i;
            if (n <= 0) return -1;
            for (i = 0; i < n; i++) if (feed(c, in[i])) return -1;
            return 0;
        }""",
        ("b > sizeof c->data", "!b"),
    ),
    "chunks that are read to their end": (
        r"""
        struct conn { int fd; char line[80]; u8 body[8192]; size_t n; };
        static int line(struct conn *c) {
            unsigned n = 0;
            u8 b;
            while (recv(c->fd, &b, 1, 0) == 1) {
                if (b == '\n') { c->line[n] = 0; return n; }
                if (n < sizeof c->line - 1) c->line[n++] = b;
            }
            return -1;
        }
        static int rest(struct conn *c, u8 *to, size_t n) {
            while (n) { ssize_t r = recv(c->fd, to, n, 0); if (r <= 0) return -1; to += r; n -= r; }
            return 0;
        }
        static int readable(struct conn *c) {
            c->n = 0;
            for (;;) {
                unsigned long n;
                if (line(c) <= 0) return -1;
                n = strtoul(c->line, 0, 16);
                if (!n) return 0;
                if (n > sizeof c->body TEST) return -1;
                if (rest(c, c->body + c->n, n)) return -1;
                c->n += n;
            }
        }""",
        ("- c->n", ""),
    ),
    "a length that is tested where it lies": (
        r"""
        struct conn { int fd; u8 packet[1024]; u16 length; char name[64]; };
        static int parse(struct conn *c, int n) {
            if (n < 4) return -1;
            c->length = be16(c->packet + 2);
            if (TEST) return -1;
            return c->length + 4 > n ? -1 : 0;
        }
        __attribute__((noinline)) static int apply(struct conn *c) {
            memcpy(c->name, c->packet + 4, c->length);
            return c->name[0] ? 0 : -1;
        }
        static int readable(struct conn *c) {
            int n = recv(c->fd, c->packet, sizeof c->packet, 0);
            return n <= 0 || parse(c, n) ? -1 : apply(c);
        }""",
        ("c->length > sizeof c->name", "c->packet[0] > sizeof c->name"),
    ),
    "a length that is cut to what there is room for": (
        r"""
        struct conn { int fd; u16 take; u8 whole[2048], out[256]; };
        static int readable(struct conn *c) {
            u8 r[4];
            u16 n;
            if (recv(c->fd, r, 4, MSG_WAITALL) != 4) return -1;
            n = be16(r + 2);
            c->take = n < TEST ? n : TEST;
            if (recv(c->fd, c->whole, n < sizeof c->whole ? n : sizeof c->whole, MSG_WAITALL) <= 0) return -1;
            memcpy(c->out, c->whole, c->take);
            return r[0] == 2 ? -1 : 0;
        }""",
        ("sizeof c->out", "sizeof c->whole"),
    ),
    "blocks by their number": (
        r"""
        struct conn { int fd; u8 image[16384]; };
        static int readable(struct conn *c) {
            u8 packet[516];
            int n = recv(c->fd, packet, sizeof packet, 0);
            unsigned block;
            if (n < 4) return -1;
            block = be16(packet + 2);
            if (TEST) return -1;
            memcpy(c->image + block * 512, packet + 4, n - 4);
            return 0;
        }""",
        ("block >= 32", "block >= 512"),
    ),
    "pieces by their place": (
        r"""
        struct conn { int fd; u8 message[4096]; };
        static int readable(struct conn *c) {
            u8 f[1400];
            int n = recv(c->fd, f, sizeof f, 0);
            u32 place, length;
            if (n < 8) return -1;
            place = be16(f + 2);
            length = be16(f + 4);
            if (length > n - 8 || TEST) return -1;
            memcpy(c->message + place, f + 8, length);
            return 0;
        }""",
        ("place + length > sizeof c->message", "length > sizeof c->message"),
    ),
    "entries as many as were said": (
        r"""
        struct entry { char name[24]; u32 address; u16 port, flags; };
        struct conn { int fd; u8 in[1400]; struct entry table[16]; u8 n; };
        static int readable(struct conn *c) {
            int r = recv(c->fd, c->in, sizeof c->in, 0), i;
            const u8 *p = c->in + 2;
            if (r < 2) return -1;
            c->n = c->in[1];
            if (TEST || 2 + c->n * 32 > r) return -1;
            for (i = 0; i < c->n; i++, p += 32) {
                memcpy(c->table[i].name, p, 24);
                memcpy(&c->table[i].address, p + 24, 4);
                c->table[i].port = be16(p + 28);
            }
            return 0;
        }""",
        ("c->n > 16", "!c->n"),
    ),
}


@pytest.mark.parametrize("architecture, level", [("armel", "-O2"), ("mips", "-Os"), ("x86-64", "-O2")])
@pytest.mark.parametrize("true", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_an_overrun_is_told_when_its_test_is_missing(
    tmp_path: Path, architecture: str, level: str, true: bool, form: str
) -> None:
    text, sides = FORMS[form]
    program = built(tmp_path, architecture, PROGRAM.replace("FORM", text.replace("TEST", sides[true])), level)
    flows = analyse(program).flows
    assert [(flow.kind, flow.port) for flow in flows] == [("overflow", 7300)] * len(flows)
    assert bool(flows) == true


@pytest.mark.parametrize("architecture", ["armel", "arm64", "x86-64"])
def test_what_is_read_later_is_asked_of_where_it_goes(tmp_path: Path, architecture: str) -> None:
    def found(test: str) -> list[str]:
        text = PROGRAM.replace("FORM", LATER.replace("TEST", test))
        return [flow.kind for flow in analyse(built(tmp_path, architecture, text, "-O2")).flows]

    assert found("n > sizeof c->data") == []
    assert found("n > 4096") == ["overflow"]
