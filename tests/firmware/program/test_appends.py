"""Pieces that sum up to more than their target: texts that loops append, and buffers filled from packet to packet."""

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

STREAMS = r"""
int main(void) {
    struct sockaddr_in me;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41234);
    if (bind(s, (struct sockaddr *)&me, sizeof me) || listen(s, 1)) return 1;
    for (;;) {
        int c = accept(s, 0, 0);
        if (c >= 0) serve(c);
        close(c);
    }
}
"""

LABELS = (
    r"""
struct query { int kind; char name[64]; int flags; };
__attribute__((noinline)) static int label(struct query *q, const unsigned char *p, unsigned len) {
    char part[260];
    CHECK return -1;
    memcpy(part, p, len);
    part[len] = '.';
    part[len + 1] = 0;
    strcat(q->name, part);
    return 0;
}
static void take(char *packet, long n) {
    struct query q;
    unsigned char *p = (unsigned char *)packet + 8, *end = (unsigned char *)packet + n;
    unsigned total = 0, rounds = 0;
    memset(&q, 0, sizeof q);
    while (p < end && *p) {
        unsigned len = *p++;
        if (len > end - p) return;
        ROUND
        if (label(&q, p, len)) return;
        p += len;
    }
    sendto(sock, q.name, strlen(q.name), 0, 0, 0);
}
"""
    + DATAGRAMS
)
"""Labels of one packet, put behind one another by a helper."""

SEGMENTS = (
    r"""
static struct { int state; unsigned used; char buf[512]; int tail; } inbox;
static void done(void) { sendto(sock, inbox.buf, inbox.used, 0, 0, 0); inbox.used = 0; }
static void take(char *packet, long n) {
    unsigned len = (unsigned char)packet[1] << 8 | (unsigned char)packet[2];
    if (len > n - 4) return;
    if (packet[0] == 1) { inbox.used = 0; inbox.state = 1; }
    if (!inbox.state) return;
    CHECK
    memcpy(inbox.buf + inbox.used, packet + 4, len);
    inbox.used += len;
    ROUND
    if (packet[3] & 1) done();
}
"""
    + DATAGRAMS
)
"""Segments of several packets, kept in one buffer."""

SESSIONS = (
    r"""
struct conn { int fd; int kind; unsigned short have; char line[400]; struct conn *next; };
static struct conn *conns;
__attribute__((noinline)) static struct conn *find(int id) {
    struct conn *c;
    for (c = conns; c; c = c->next) if (c->fd == id) return c;
    c = calloc(1, sizeof *c);
    c->fd = id;
    c->next = conns;
    conns = c;
    return c;
}
__attribute__((noinline)) static void put(struct conn *c, const char *p, unsigned n) {
    if (n > sizeof c->line) return;
    memcpy(c->line + c->have, p, n);
    c->have += n;
}
static void take(char *packet, long n) {
    struct conn *c = find(packet[0]);
    unsigned len = (unsigned char)packet[1] << 8 | (unsigned char)packet[2];
    if (len > n - 3) return;
    CHECK
    put(c, packet + 3, len);
    if (packet[n - 1] == '\n') { sendto(sock, c->line, c->have, 0, 0, 0); c->have = 0; }
}
"""
    + DATAGRAMS
)
"""Pieces of lines by connection, which a helper puts into an object of the heap."""

REQUEST = (
    r"""
static void serve(int fd) {
    char request[2048], chunk[512];
    long n, total = 0;
    request[0] = 0;
    while ((n = recv(fd, chunk, sizeof chunk - 1, 0)) > 0) {
        chunk[n] = 0;
        CHECK
        strcat(request, chunk);
        if (strstr(request, "\r\n\r\n")) break;
    }
    send(fd, request, strlen(request), 0);
}
"""
    + STREAMS
)
"""A request that is received in chunks, each shorter than the whole."""

PEERS = (
    r"""
struct peer { struct peer *next; char name[32]; char room[32]; };
static struct peer *peers;
static void add(const char *name) {
    struct peer *p = calloc(1, sizeof *p);
    if (!p) return;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->next = peers;
    peers = p;
}
static void show(void) {
    char line[256], item[48];
    struct peer *p;
    int i = 0;
    strcpy(line, "peers:");
    for (p = peers; p; p = p->next) {
        snprintf(item, sizeof item, " %s;", p->name);
        CHECK
        strcat(line, item);
    }
    sendto(sock, line, strlen(line), 0, 0, 0);
}
static void take(char *packet, long n) {
    if (packet[0] == 'a') add(packet + 1);
    else show();
}
"""
    + DATAGRAMS
)
"""Entries of a list in one line."""

PRINTED = PEERS.replace("int i = 0;", "int i = 6;").replace(
    'snprintf(item, sizeof item, " %s;", p->name);\n        CHECK\n        strcat(line, item);',
    'CHECK\n        i += sprintf(line + i, " %s;", p->name);',
)

CASES = {
    "labels, each by itself": (LABELS, "if (len > 62)", "", True),
    "labels, the whole": (LABELS, "if (strlen(q->name) + len + 2 > sizeof q->name)", "", False),
    "labels, what is left": (LABELS, "if (len > sizeof q->name - 2 - strlen(q->name))", "", False),
    "labels, counted": (LABELS, "if (len > 62)", "total += len + 1; if (total >= sizeof q.name) return;", False),
    "three labels": (LABELS, "if (len > 20)", "if (rounds++ == 2) return;", False),
    "labels, begun anew": (LABELS, "if (len > 62)", "q.name[0] = 0;", False),
    "segments, each by itself": (SEGMENTS, "if (len > 256) return;", "", True),
    "segments, what is left": (SEGMENTS, "if (len > sizeof inbox.buf - inbox.used) return;", "", False),
    "segments, the sum": (SEGMENTS, "if (len + inbox.used > sizeof inbox.buf) return;", "", False),
    "segments, one": (SEGMENTS, "inbox.used = 0; if (len > sizeof inbox.buf) return;", "", False),
    "segments, sent in time": (SEGMENTS, "if (len > 100) return;", "if (inbox.used > 412) done();", False),
    "sessions": (SESSIONS, "", "", True),
    "sessions, tested by the caller": (SESSIONS, "if (c->have + len > sizeof c->line) return;", "", False),
    "sessions, begun anew": (SESSIONS, "c->have = 0;", "", False),
    "chunks": (REQUEST, "", "", True),
    "chunks, the whole": (REQUEST, "if (strlen(request) + n >= sizeof request) break;", "", False),
    "three chunks": (REQUEST, "if (total++ == 3) break;", "", False),
    "entries, each by itself": (PEERS, "if (strlen(item) >= sizeof line) break;", "", True),
    "entries, the whole": (PEERS, "if (strlen(line) + strlen(item) >= sizeof line) break;", "", False),
    "entries, sent in time": (PEERS, "if (strlen(line) > 200) { send(sock, line, 9, 0); line[0] = 0; }", "", False),
    "entries printed": (PRINTED, "", "", True),
    "entries printed, the whole": (PRINTED, "if (i + strlen(p->name) + 3 > sizeof line) break;", "", False),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("architecture", "level"), [("mips", "-Os"), ("x86-64", "-O2")])
def test_pieces_that_sum_up_pass_the_end_unless_their_sum_is_bounded(
    tmp_path: Path, name: str, architecture: str, level: str
) -> None:
    text, check, each_round, overflows = CASES[name]
    text = HEAD + text.replace("CHECK", check).replace("ROUND", each_round)
    flows = analyse(built(tmp_path, architecture, text, level)).flows
    assert [one.kind for one in flows] == ["overflow"] * overflows
