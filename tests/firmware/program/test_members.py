"""Members of structures: a copy that stays in the object may still pass the end of the member that it goes to."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static int sock;
"""

SESSION = r"""
struct session { int fd; unsigned count; time_t last; char user[32]; char mark[40]; int used; char line[1600]; };
static struct session *now;
static char owner[32] = "admin";
static void begin(void) {
    now = calloc(1, sizeof *now);
    now->fd = sock;
    now->last = time(0);
    sprintf(now->mark, "%08x", (unsigned)now->last);
}
__attribute__((noinline)) static int login(struct session *s, char *user) {
    COPY
    if (strcmp(s->user, owner)) return 0;
    s->used += strlen(s->mark);
    return 1;
}
__attribute__((noinline)) static void take(char *packet, long n) {
    char *user;
    if (!now) begin();
    memcpy(now->line, packet, n + 1);
    now->count++;
    user = strstr(now->line, "user=");
    if (!user) return;
    user += 5;
    user[strcspn(user, "\r\n")] = 0;
    if (login(now, user)) printf("%u %s %s %d\n", now->count, now->user, now->mark, now->used);
}
"""

COPIES = {
    "strcpy": ("strcpy(s->user, user);", "if (strlen(user) >= sizeof s->user) return 0; strcpy(s->user, user);"),
    "strncpy": (
        "strncpy(s->user, user, strlen(user));",
        "strncpy(s->user, user, sizeof s->user - 1); s->user[sizeof s->user - 1] = 0;",
    ),
    "sprintf": ('sprintf(s->user, "%s", user);', 'snprintf(s->user, sizeof s->user, "%s", user);'),
    "sscanf": ('sscanf(user, "%[^;]", s->user);', 'sscanf(user, "%31[^;]", s->user);'),
    "memcpy": (
        "size_t n = strlen(user); if (n >= 500) return 0; memcpy(s->user, user, n + 1);",
        "size_t n = strlen(user); if (n >= sizeof s->user) return 0; memcpy(s->user, user, n + 1);",
    ),
    "loop": (
        "int i; for (i = 0; user[i]; i++) s->user[i] = user[i]; s->user[i] = 0;",
        "int i; for (i = 0; user[i] && i < (int)sizeof s->user - 1; i++) s->user[i] = user[i]; s->user[i] = 0;",
    ),
}


def kinds(folder: Path, architecture: str, text: str, *options: str) -> set[str]:
    flows = analyse(built(folder, architecture, HEAD + text + DATAGRAMS, *options)).flows
    return {f"{one.confidence.value} {one.kind}" for one in flows}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("architecture", ["armhf", "arm64", "x86-64"])
def test_a_text_may_pass_the_end_of_a_member(tmp_path: Path, architecture: str, copy: str) -> None:
    true, benign = COPIES[copy]
    assert kinds(tmp_path, architecture, SESSION.replace("COPY", true)) == {"medium overflow"}
    assert kinds(tmp_path, architecture, SESSION.replace("COPY", benign)) == set()


FRAMES = r"""
struct link { int fd; unsigned frames; unsigned char in[512]; unsigned char out[512]; unsigned left; time_t seen; };
static struct link *now;
__attribute__((noinline)) static void answer(struct link *one, const unsigned char *text, unsigned n) {
    unsigned serial = htonl(one->frames), size = htonl(n);
    memcpy(one->out, "RSP1", 4);
    memcpy(one->out + 4, &serial, 4);
    memcpy(one->out + 8, &size, 4);
    strcpy((char *)one->out + 16, "ready");
    if (n > sizeof one->out - 32) return;
    memcpy(one->out + 32, text, n);
    send(one->fd, one->out, n + 32, 0);
}
__attribute__((noinline)) static void take(char *packet, long n) {
    unsigned size;
    if (!now) {
        now = calloc(1, sizeof *now);
        now->fd = sock;
    }
    size = (unsigned char)packet[2] << 8 | (unsigned char)packet[3];
    if (size > LIMIT) return;
    memcpy(now->in, packet + 4, size);
    now->frames++;
    now->left = *(unsigned *)(now->in + 4) + time(0);
    now->seen = now->left;
    if (!strcmp((char *)now->in + 12, "echo")) answer(now, now->in + 16, size - 16);
    else if (now->left > 4) memcpy(now->out, now->in, size), send(now->fd, now->out, size, 0);
    printf("%u %u %ld\n", now->frames, now->left, (long)now->seen);
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_the_fields_of_a_packet_in_a_member_are_no_members(tmp_path: Path, architecture: str) -> None:
    for limit in ("512", "500", "64"):
        assert kinds(tmp_path, architecture, FRAMES.replace("LIMIT", limit)) == set()


WHOLE = r"""
struct head { unsigned kind; char name[24]; unsigned size; char note[40]; unsigned sum; };
static struct head *last, *kept;
__attribute__((noinline)) static void take(char *packet, long n) {
    if (!last) {
        last = calloc(1, sizeof *last);
        kept = calloc(1, sizeof *kept);
    }
    if (n > (long)sizeof *last) n = sizeof *last;
    memcpy(last, packet, n);
    last->name[23] = 0;
    last->size = ntohl(last->size);
    last->sum += time(0);
    if (strcmp(last->name, "all")) return;
    memcpy(kept, last, sizeof *kept);
    snprintf(kept->note, sizeof kept->note, "%u", kept->size + kept->sum);
    printf("%s %s\n", kept->name, kept->note);
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_a_copy_of_a_whole_structure_is_no_copy_to_its_first_member(tmp_path: Path, architecture: str) -> None:
    assert kinds(tmp_path, architecture, WHOLE) == set()


DEFAULTS = r"""
struct map { struct map *next; unsigned short port; char proto[4]; char note[64]; time_t until; };
static struct map *maps;
__attribute__((noinline)) static int word(const char *text, const char *name, char *to, size_t room) {
    const char *begin = strstr(text, name), *end;
    if (!begin) return -1;
    begin += strlen(name);
    end = strchr(begin, ';');
    if (!end || end - begin >= (long)room) return -1;
    memcpy(to, begin, end - begin);
    to[end - begin] = 0;
    return 0;
}
__attribute__((noinline)) static void take(char *packet, long n) {
    struct map *one = calloc(1, sizeof *one);
    if (word(packet, "proto=", one->proto, sizeof one->proto)) strcpy(one->proto, "tcp");
    if (word(packet, "note=", one->note, sizeof one->note)) strcpy(one->note, "upnp");
    one->port = n;
    one->until = time(0) + 60;
    one->next = maps;
    maps = one;
    for (; one; one = one->next)
        if (one->until > 100 && strcmp(one->note, "upnp") && strcmp(one->proto, "udp"))
            printf("%u %s %s\n", one->port, one->proto, one->note);
}
"""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_the_end_of_a_constant_text_is_no_member(tmp_path: Path, architecture: str, level: str) -> None:
    assert kinds(tmp_path, architecture, DEFAULTS, level) == set()


ROWS = r"""
struct point { unsigned id; char name[32]; char unit[16]; unsigned short scale; };
static struct point *points;
__attribute__((noinline)) static void take(char *packet, long n) {
    struct point *one;
    if (!points) points = calloc(64, sizeof *points);
    one = &points[packet[0] & 63];
    one->id = packet[1] + n;
    one->scale = time(0) & 0xff;
    COPY
    if (!strcmp(one->name, "x")) snprintf(one->unit, sizeof one->unit, "%u", one->id);
    printf("%u %s %s %u\n", one->id, one->name, one->unit, one->scale);
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_the_members_of_the_entries_of_an_array_end_too(tmp_path: Path, architecture: str) -> None:
    fits = "if (strlen(packet + 8) >= sizeof one->name) return;"
    for check, found in (("", {"medium overflow"}), (fits, set())):
        text = ROWS.replace("COPY", f"{check} strcpy(one->name, packet + 8);")
        assert kinds(tmp_path, architecture, text) == found
