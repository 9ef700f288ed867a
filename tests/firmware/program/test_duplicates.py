"""Texts of which a copy is checked, whole or cut in two; and copies that are the text no longer when that is done."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static int host_ok(const char *s) {
    size_t n = 0;
    for (; *s; s++, n++)
        if (!isalnum((unsigned char)*s) && *s != '-' && *s != '.') return 0;
    return n > 0 && n < 64;
}
static int port_ok(const char *s) {
    size_t n = strlen(s);
    return n > 0 && n < 6 && strspn(s, "0123456789") == n;
}
INLINED static int check(const char *s) { BODY }
static void take(char *packet, long n) {
    char line[300];
    if (!check(packet)) return;
    snprintf(line, sizeof line, "tool %s", packet);
    system(line);
}
"""
PARTED = (
    "char host[64]; const char *c = strchr(s, ':'); if (!c) return host_ok(s);"
    "if ((size_t)(c - s) >= sizeof host) return 0;"
)
HARMLESS = [
    f"{PARTED} memcpy(host, s, c - s); host[c - s] = 0; return host_ok(host) && port_ok(c + 1);",
    f'{PARTED} snprintf(host, sizeof host, "%.*s", (int)(c - s), s); return host_ok(host) && port_ok(c + 1);',
    "char all[64]; if (strlen(s) >= 40) return 0; strncpy(all, s, 63); all[63] = 0; return host_ok(all);",
    'char all[64]; if (snprintf(all, sizeof all, "%s", s) >= (int)sizeof all) return 0; return host_ok(all);',
    "char *all = strdup(s); int ok; if (!all) return 0; ok = host_ok(all); free(all); return ok;",
    "char all[64], *c; struct in_addr a; if (strlen(s) > 60) return 0; strcpy(all, s); c = strchr(all, '/');"
    "if (!c) return 0; *c++ = 0; return inet_pton(AF_INET, all, &a) == 1 && port_ok(c);",
    f"{PARTED} memcpy(host, s, c - s); host[c - s] = 0; for (const char *h = host; *h; h++)"
    "if (!isalnum((unsigned char)*h)) return 0;"
    "for (c++; *c; c++) if (!isdigit((unsigned char)*c)) return 0; return 1;",
]
HARMFUL = [
    f"{PARTED} memcpy(host, s, c - s); host[c - s] = 0; return host_ok(host) && c[1];",
    f"{PARTED} memcpy(host, s, c - s); host[c - s] = 0; return port_ok(c + 1);",
    f"{PARTED} memcpy(host, s, c - s); host[c - s] = 0; host[3] = 0; return host_ok(host) && port_ok(c + 1);",
    f"{PARTED} memcpy(host, s, c - s - 1); host[c - s - 1] = 0; return host_ok(host) && port_ok(c + 1);",
    'char all[64]; snprintf(all, sizeof all, "%s", s); return host_ok(all);',
    "char all[64]; if (strlen(s) >= 100) return 0; strncpy(all, s, 63); all[63] = 0; return host_ok(all);",
    "char *all = strndup(s, 8); return all && host_ok(all);",
    "char all[256], *c; strcpy(all, s); c = strchr(all, ' '); if (c) *c = 0; return host_ok(all);",
    'char all[256]; strcpy(all, s); return strtok(all, " ;") && host_ok(all);',
    "char all[256]; strcpy(all, s); for (char *h = all; *h; h++) if (*h == ';') *h = '.'; return host_ok(all);",
    'char all[256]; strcpy(all, s); sprintf(all, "%d", atoi(s)); return host_ok(all);',
    f"{PARTED} memcpy(host, s, c - s); host[c - s] = 0; for (const char *h = host; *h; h++)"
    "if (!isalnum((unsigned char)*h)) return 0; for (c++; *c; c++) if (!isdigit((unsigned char)*c)) break; return 1;",
]
BUILDS = [("x86-64", "-Os"), ("arm64", "-O2"), ("mips", "-Os")]
INLINED = ["", "__attribute__((noinline))"]


def kinds(folder: Path, build: tuple[str, str], inlined: str, body: str) -> list[str]:
    text = HEAD.replace("INLINED", inlined).replace("BODY", body) + DATAGRAMS
    return [flow.kind for flow in analyse(built(folder, build[0], text, build[1])).flows]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("inlined", INLINED)
@pytest.mark.parametrize("body", HARMLESS)
def test_what_a_check_found_of_a_copy_is_so_of_the_text(
    tmp_path: Path, build: tuple[str, str], inlined: str, body: str
) -> None:
    assert kinds(tmp_path, build, inlined, body) == []


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("inlined", INLINED)
@pytest.mark.parametrize("body", HARMFUL)
def test_what_was_not_copied_or_is_no_copy_is_not(
    tmp_path: Path, build: tuple[str, str], inlined: str, body: str
) -> None:
    assert "command" in kinds(tmp_path, build, inlined, body)


FIELDS = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
struct request { char *body; char *given[8]; int count; };
static char *field(struct request *r, const char *name) {
    char *at = strstr(r->body, name), *value;
    size_t n;
    if (!at || r->count >= 8) return NULL;
    at += strlen(name);
    n = strcspn(at, "&");
    value = malloc(n + 1);
    if (!value) return NULL;
    memcpy(value, at, n);
    value[n] = 0;
    r->given[r->count++] = value;
    return value;
}
static int clean(const char *s) {
    for (; *s; s++) if (!isalnum((unsigned char)*s)) return 0;
    return 1;
}
static void take(char *packet, long n) {
    struct request r = { packet };
    char line[300], *host, *user;
    host = field(&r, "host=");
    if (!host || !clean(host)) return;
    user = field(&r, "user=");
    if (!user || ASKED) return;
    snprintf(line, sizeof line, "tool %s", USED);
    system(line);
}
"""


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("asked", "used", "found"),
    [
        ("!clean(user)", "host", []),
        ("!*user", "host", []),
        ("!clean(user)", "user", []),
        ("!*user", "user", ["command"]),
    ],
)
def test_what_one_call_made_stays_checked_when_another_makes_its_own(
    tmp_path: Path, build: tuple[str, str], asked: str, used: str, found: list[str]
) -> None:
    text = FIELDS.replace("ASKED", asked).replace("USED", used) + DATAGRAMS
    assert [flow.kind for flow in analyse(built(tmp_path, build[0], text, build[1])).flows] == found


PLACED = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
struct settings { char label[32]; char zone[40]; char clock[64]; char log[64]; };
static struct settings *current;
static void put(char *out, size_t room, const char *text) {
    size_t n = strlen(text);
    if (n >= room) n = room - 1;
    memcpy(out, text, n);
    out[n] = 0;
}
static int set_label(struct settings *s, const char *v) { put(s->label, sizeof s->label, v); return 0; }
static int set_clock(struct settings *s, const char *v) {
    struct in_addr a;
    if (ASKED) return -1;
    put(s->clock, sizeof s->clock, v);
    return 0;
}
static int set_log(struct settings *s, const char *v) { put(s->log, sizeof s->log, v); return 0; }
static const struct { const char *key; int (*set)(struct settings *, const char *); } table[] = {
    { "label=", set_label }, { "clock=", set_clock }, { "log=", set_log },
};
static void take(char *packet, long n) {
    char line[300];
    struct settings *fresh = calloc(1, sizeof *fresh);
    for (unsigned i = 0; fresh && i < sizeof table / sizeof table[0]; i++) {
        char *at = strstr(packet, table[i].key), *value = at ? strdup(at + strlen(table[i].key)) : NULL;
        if (!value) continue;
        value[strcspn(value, "\n")] = 0;
        table[i].set(fresh, value);
        free(value);
    }
    free(current);
    current = fresh;
    if (!current) return;
    snprintf(line, sizeof line, "ntpdate %s", current->clock);
    system(line);
}
"""


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("asked", "found"), [("inet_pton(AF_INET, v, &a) != 1", []), ("inet_pton(AF_INET, v, &a) == -1", ["command"])]
)
def test_a_text_copied_by_its_length_is_the_text(
    tmp_path: Path, build: tuple[str, str], asked: str, found: list[str]
) -> None:
    text = PLACED.replace("ASKED", asked) + DATAGRAMS
    assert [flow.kind for flow in analyse(built(tmp_path, build[0], text, build[1])).flows] == found
