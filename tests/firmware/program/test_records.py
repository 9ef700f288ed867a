"""Records with fields: what is put into them, copied with them, checked of them and how much room they have."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built, sided

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
"""

RING = r"""
struct task { int kind; char url[96]; char version[24]; int delay; };
static struct { unsigned head, tail; struct task slot[4]; } queue;
__attribute__((noipa)) static int put(const struct task *t) {
    if (queue.tail - queue.head == 4) return 0;
    queue.slot[queue.tail++ % 4] = *t;
    return 1;
}
static void run(void) {
    char line[200];
    while (queue.head != queue.tail) {
        struct task t = queue.slot[queue.head++ % 4];
        snprintf(line, sizeof line, "curl -o /tmp/fw \"%s\"", t.FIELD);
        system(line);
    }
}
static void take(char *packet, long n) {
    struct task t;
    memset(&t, 0, sizeof t);
    t.kind = packet[0];
    snprintf(t.url, sizeof t.url, "%s", packet + 8);
    snprintf(t.version, sizeof t.version, "1.%d", packet[1]);
    put(&t);
    run();
}
"""
LEASES = r"""
struct lease { struct lease *next; unsigned char kind; char client[40]; };
static struct lease *leases;
__attribute__((noipa)) static int tag(const char *body, const char *name, char *out, unsigned size) {
    const char *v = strstr(body, name), *e;
    unsigned n;
    out[0] = 0;
    if (!v || !(v = strchr(v, '>')) || !(e = strchr(++v, '<'))) return 0;
    n = e - v;
    if (n > size - 1) n = size - 1;
    memcpy(out, v, n);
    out[n] = 0;
    return n > 0;
}
static void expire(void) {
    char line[160];
    for (struct lease *l = leases; l; l = l->next) {
        snprintf(line, sizeof line, "iptables -D IGD -d %s", l->client);
        system(line);
    }
}
static void take(char *packet, long n) {
    struct in_addr a;
    struct lease *l = calloc(1, sizeof *l);
    if (!l) return;
    l->kind = packet[0];
    if (!tag(packet, "<Client", l->client, sizeof l->client) CHECK) {
        free(l);
        return;
    }
    l->next = leases;
    leases = l;
    expire();
}
"""
CHANNELS = r"""
struct channel { char name[256]; int motion; void (*on_event)(int); };
static struct channel *channels[8];
static void count(int which) { printf("%d\n", which); }
static void fill(void) {
    for (int i = 0; i < 8; i++) {
        channels[i] = calloc(1, sizeof(struct channel));
        if (!channels[i]) exit(1);
        channels[i]->on_event = count;
    }
}
static void take(char *packet, long n) {
    unsigned which = (unsigned char)packet[0], size = (unsigned char)packet[1] << 8 | (unsigned char)packet[2];
    if (!channels[0]) fill();
    if (which >= 8 || size > MOST) return;
    memcpy(channels[which]->name, packet + 3, size);
    channels[which]->on_event(which);
}
"""
ROWS = r"""
struct device { int used; char id[32]; char label[60]; long seen; };
static struct device devices[16];
static void take(char *packet, long n) {
    struct device *d = 0;
    char *label = strchr(packet, ';');
    if (!label) return;
    *label++ = 0;
    for (int i = 0; i < 16 && !d; i++)
        if (!devices[i].used || !strcmp(devices[i].id, packet)) d = &devices[i];
    if (!d) return;
    d->used = 1;
    snprintf(d->id, sizeof d->id, "%s", packet);
    PRINT;
    printf("%s\n", d->label);
}
"""
SIZES = r"""
struct point { short kind; char name[32]; char text[48]; int value; };
static struct point point;
__attribute__((noipa)) static int put(char *field, unsigned size, const unsigned char *p, unsigned left) {
    unsigned n;
    if (left < 4) return -1;
    n = p[0] << 8 | p[1];
    if (n > left - 2) return -1;
    CLAMP
    memcpy(field, p + 2, n);
    field[n < size ? n : size - 1] = 0;
    return 0;
}
static void take(char *packet, long n) {
    char field[32], longer[48];
    int second = packet[0] == 'T';
    if (!put(second ? longer : field, second ? sizeof longer : sizeof field, (unsigned char *)packet + 1, n - 1))
        puts(second ? longer : field);
}
"""
ARM_AND_MIPS = ("armhf", "mips")
EVERY = (*ARM_AND_MIPS, "x86-64")
FORMS = {
    "a record that a helper puts into a ring": (RING, {"FIELD": ("version", "url")}, EVERY),
    "a record that is checked when it is filled": (
        LEASES,
        {"CHECK": ("|| inet_pton(AF_INET, l->client, &a) != 1", "|| l->client[0] == '-'")},
        EVERY,
    ),
    "a table of records on the heap": (CHANNELS, {"MOST": ("256", "1024")}, ARM_AND_MIPS),
    "a text in a row of a table": (
        ROWS,
        {"PRINT": ('snprintf(d->label, sizeof d->label, "%s", label)', 'sprintf(d->label, "%s", label)')},
        ARM_AND_MIPS,
    ),
    "one of two fields with its size": (SIZES, {"CLAMP": ("if (n >= size) n = size - 1;", "")}, EVERY),
}


CASES = [(form, one, level) for form, (*_, known) in FORMS.items() for one in known for level in ("-O2", "-Os")]


@pytest.mark.parametrize(("form", "architecture", "level"), CASES)
def test_a_record_is_judged_by_its_fields(tmp_path: Path, form: str, architecture: str, level: str) -> None:
    text, words, _ = FORMS[form]

    def found(true: bool) -> bool:
        program = HEAD + sided(text, words, true) + DATAGRAMS
        return bool(analyse(built(tmp_path, architecture, program, level)).flows)

    assert (found(True), found(False)) == (True, False)
