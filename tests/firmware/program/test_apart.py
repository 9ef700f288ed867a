"""Things that lie or end in one place and are not the same: objects that a call did not give, buffers of calls that
share their end, entries of an array behind a setting, a flag that only some of the ways store.
"""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built, sided

from customhouse.firmware.program.analysis import analyse

HEADERS = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int sock;
static int clean(const char *s) {
    const char *p = s;
    for (; *p; p++) if (!isalnum((unsigned char)*p) && *p != '.') return 0;
    return p - s < 40;
}
"""
BUILDS = [("x86-64", "-Os"), ("x86-64", "-O2"), ("arm64", "-O2"), ("mips", "-Os"), ("armhf", "-Os")]

ALARMS = r"""
struct alarm { int due; char *tone; struct alarm *next; };
static struct alarm *alarms;
static char *member(const char *text, const char *name) {
    const char *at = strstr(text, name);
    char *out, *o;
    if (!at) return NULL;
    at += strlen(name);
    out = o = malloc(strlen(at) + 1);
    if (!out) return NULL;
    while (*at && *at != '"') *o++ = *at++;
    *o = 0;
    return out;
}
static void take(char *packet, long n) {
    char *tone = member(packet, "tone="), line[300];
    struct alarm *a;
    if (tone) {
        if (ASKED) {
            free(tone);
        } else if ((a = malloc(sizeof *a))) {
            a->due = n;
            a->tone = tone;
            a->next = alarms;
            alarms = a;
        }
    }
    for (a = alarms; a; a = a->next) {
        if (a->due != n) continue;
        snprintf(line, sizeof line, "aplay %s", a->tone);
        system(line);
    }
}
"""
ALARM_SIDES = {"ASKED": ('strcmp(tone, "bird") && strcmp(tone, "bell")', 'strcmp(tone, "bird") && strlen(tone) > 40')}

MOUNTS = r"""
static int mount_it(const char *from, int slot) {
    char source[200];
    snprintf(source, sizeof source, "%s:/share", from);
    RUN
    return slot;
}
static int release(int slot) {
    char line[64];
    snprintf(line, sizeof line, "umount -l /mnt/%d", slot);
    return system(line);
}
static void take(char *packet, long n) {
    int done = 0;
    switch (packet[0]) {
    case 'm': done = mount_it(packet + 1, packet[n - 1]); break;
    case 'u': done = release(packet[1]); break;
    case 'd': done = system("smartctl -a /dev/sda > /tmp/disk.txt"); break;
    }
    sendto(sock, &done, sizeof done, 0, NULL, 0);
}
"""
MOUNT_SIDES = {
    "RUN": (
        'char *given[] = { "mount", "--", source, NULL }; if (!fork()) { execv("/bin/mount", given); _exit(1); }',
        "if (system(source)) return -1;",
    )
}

CLIENTS = r"""
static struct { char server[64]; int every; } conf;
static struct client { int used, fill; char line[256]; } clients[4];
static void take(char *packet, long n) {
    struct client *c = &clients[packet[0] & 3];
    char line[300], *end, *value;
    if (!conf.every) { strcpy(conf.server, "pool.ntp.org"); conf.every = 60; }
    if (n > (long)sizeof c->line - 1 - c->fill) n = sizeof c->line - 1 - c->fill;
    memcpy(c->line + c->fill, packet, n);
    c->fill += n;
    c->line[c->fill] = 0;
    while ((end = memchr(c->line, '\n', c->fill))) {
        int used = end + 1 - c->line;
        *end = 0;
        value = strchr(c->line, '=');
        if (value && ASKED) strcpy(conf.server, value + 1);
        c->fill -= used;
        memmove(c->line, c->line + used, c->fill + 1);
    }
    snprintf(line, sizeof line, "ntpdate %s", conf.server);
    system(line);
}
"""
CLIENT_SIDES = {"ASKED": ("clean(value + 1)", "strlen(value + 1) < 40")}

FLAGGED = r"""
struct agent { char server[64]; unsigned flags; char ring[32]; };
static void set_server(struct agent *a, const char *v) {
    snprintf(a->server, sizeof a->server, "%s", v);
    if (clean(a->server)) a->flags |= 4;
    CLEARED
}
static void set_ring(struct agent *a, const char *v) { snprintf(a->ring, sizeof a->ring, "%s", v); }
static const struct { const char *key; void (*set)(struct agent *, const char *); } table[] = {
    { "server", set_server }, { "ring", set_ring },
};
static void take(char *packet, long n) {
    static struct agent agent;
    char line[300], *value = strchr(packet, '=');
    unsigned i;
    if (!value) {
        if (!(agent.flags & 4)) return;
        snprintf(line, sizeof line, "tool %s", agent.server);
        system(line);
        return;
    }
    *value++ = 0;
    for (i = 0; i < 2; i++) if (!strcmp(table[i].key, packet)) table[i].set(&agent, value);
}
"""
FLAG_SIDES = {"CLEARED": ("else a->flags &= ~4u;", "")}


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("text", "sides"),
    [(ALARMS, ALARM_SIDES), (MOUNTS, MOUNT_SIDES), (FLAGGED, FLAG_SIDES)],
    ids=["alarms", "mounts", "flagged"],
)
def test_what_is_not_the_same_is_kept_apart(
    tmp_path: Path, build: tuple[str, str], text: str, sides: dict[str, tuple[str, str]]
) -> None:
    for true, kinds in ((False, set()), (True, {"command"})):
        found = analyse(built(tmp_path, build[0], sided(HEADERS + text, sides, true) + DATAGRAMS, build[1])).flows
        assert {flow.kind for flow in found} == kinds


@pytest.mark.parametrize("build", BUILDS[:3])
def test_an_entry_of_an_array_is_no_part_of_a_setting_before_it(tmp_path: Path, build: tuple[str, str]) -> None:
    for true, kinds in ((False, set()), (True, {"command"})):
        text = sided(HEADERS + CLIENTS, CLIENT_SIDES, true) + DATAGRAMS
        assert {flow.kind for flow in analyse(built(tmp_path, build[0], text, build[1])).flows} == kinds


ANSWERS = r"""
struct answer { struct answer *next; char *id; long due; };
static struct answer *pending;
static char *member(const char *text, char mark) {
    const char *at = strchr(text, mark), *end = at ? strchr(at + 1, '<') : NULL;
    if (!at) return NULL;
    return end ? strndup(at + 1, end - at - 1) : strdup("");
}
static int is_id(const char *s) {
    int i;
    if (!strncmp(s, "urn:", 4)) s += 4;
    for (i = 0; i < 36; i++) if (s[i] != '-' && !isxdigit((unsigned char)s[i])) return 0;
    return ENDED;
}
static void take(char *packet, long n) {
    char line[64], *kind = member(packet, '#'), *id;
    struct answer *a;
    int ours = kind && strstr(kind, "Device");
    free(kind);
    if (!ours) return;
    id = member(packet, '>');
    if (!id || !is_id(id) || !(a = calloc(1, sizeof *a))) {
        free(id);
        return;
    }
    a->id = id;
    a->due = n;
    a->next = pending;
    pending = a;
    for (a = pending; a; a = a->next) {
        if (a->due != n) continue;
        strcpy(line, a->id);
        sendto(sock, line, strlen(line), 0, NULL, 0);
    }
}
"""


@pytest.mark.parametrize("build", BUILDS)
def test_how_long_a_text_is_stays_known_where_its_object_is_given_to_others(
    tmp_path: Path, build: tuple[str, str]
) -> None:
    for true, kinds in ((False, set()), (True, {"overflow"})):
        text = sided(HEADERS + ANSWERS, {"ENDED": ("s[36] == 0", "s[36] != 0")}, true) + DATAGRAMS
        assert {flow.kind for flow in analyse(built(tmp_path, build[0], text, build[1])).flows} == kinds
