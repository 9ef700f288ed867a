"""Texts that are copied again and again on their way: what is still known of their lengths, letters and places."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built, sided

HEAD = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
"""

DUPLICATED = (
    HEAD
    + r"""
struct setting { struct setting *next; char *key, *value; };
static struct setting *settings;
static char *data;
static unsigned have;
static void put(const char *key, const char *value) {
    struct setting *s;
    for (s = settings; s; s = s->next)
        if (!strcmp(s->key, key)) break;
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s) return;
        s->key = strdup(key);
        s->next = settings;
        settings = s;
    }
    free(s->value);
    s->value = strdup(value);
}
static char *trim(char *s) {
    char *e;
    while (isspace((unsigned char)*s)) s++;
    e = s + strlen(s);
    while (e > s && isspace((unsigned char)e[-1])) *--e = 0;
    return s;
}
static void apply(void) {
    char address[64];
    struct setting *s;
    for (s = settings; s; s = s->next)
        if (!strcmp(s->key, "user") CHECK) {
            strcpy(address, "sip:");
            strcat(address, s->value);
            puts(address);
        }
}
static void take(char *packet, long n) {
    char *line, *rest, *more, *eq;
    if (have + n > 8000 || !(more = realloc(data, have + n + 1))) return;
    data = more;
    memcpy(data + have, packet, n);
    have += n;
    data[have] = 0;
    if (n == 512) return;
    for (line = strtok_r(data, "\r\n", &rest); line; line = strtok_r(0, "\r\n", &rest)) {
        line = trim(line);
        if (*line == '#' || !(eq = strchr(line, '='))) continue;
        *eq++ = 0;
        put(trim(line), trim(eq));
    }
    have = 0;
    apply();
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_duplicate_of_a_text_is_as_long_as_the_text(tmp_path: Path, architecture: str, level: str) -> None:
    def flows(check: str) -> int:
        return len(analyse(built(tmp_path, architecture, DUPLICATED.replace("CHECK", check), level)).flows)

    assert flows("") >= 1
    assert flows("&& strlen(s->value) < sizeof address - 4") == 0


UNESCAPED = (
    HEAD
    + r"""
static void take(char *packet, long n) {
    char name[48], command[160], *p, ch;
    unsigned long o = 0;
    for (p = packet + 8; *p && *p != '"'; p++) {
        ch = *p;
        if (ch == '\\') {
            ch = *++p;
            if (!ch) return;
            if (ch == 'n') ch = '\n';
            else if (ch == 't') ch = '\t';
            else if (ch == 'u') return;
        }
        if (o + 1 >= sizeof name) return;
        name[o++] = ch;
    }
    if (*p != '"') return;
    name[o] = 0;
    if (strncmp(name, "wlan", 4) != 0 && strncmp(name, "ath", 3) != 0) return;
    CHECK
    snprintf(command, sizeof command, "iwlist %s scanning", name);
    system(command);
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["armel", "armhf", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_the_first_letter_is_not_the_word_that_a_text_begins_with(
    tmp_path: Path, architecture: str, level: str
) -> None:
    def flows(check: str) -> int:
        return len(analyse(built(tmp_path, architecture, UNESCAPED.replace("CHECK", check), level)).flows)

    assert flows("") == 1
    assert flows('if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789")]) return;') == 0


ORDERED = (
    HEAD
    + r"""
struct job { struct job *next; unsigned when; char *rate; };
static struct job *list;
static int length;
static void add(struct job *j) {
    struct job **pp;
    if (length >= 32) return;
    for (pp = &list; *pp && (int)((*pp)->when - j->when) <= 0; pp = &(*pp)->next)
        ;
    j->next = *pp;
    *pp = j;
    length++;
}
static void due(void) {
    char width[12];
    int factor;
    struct job *j = list;
    if (!j) return;
    list = j->next;
    length--;
    if (sscanf(j->rate, "SF%2dBWWIDE", &factor, width) == 2) printf("%d %d\n", factor, atoi(width));
    free(j->rate);
    free(j);
}
static void take(char *packet, long n) {
    struct job *j = calloc(1, sizeof *j);
    if (!j) return;
    j->when = n;
    j->rate = strdup(packet + 8);
    add(j);
    due();
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["armel", "arm64", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_what_is_put_into_a_list_in_order_may_be_its_first_entry(tmp_path: Path, architecture: str, level: str) -> None:
    def flows(wide: str) -> int:
        return len(analyse(built(tmp_path, architecture, ORDERED.replace("WIDE", wide), level)).flows)

    assert flows("%s") == 1
    assert flows("%11s") == 0


DECODED = r"""
static char *decoded(const char *s) {
    char *text = malloc(strlen(s) + 1), *end = text;
    while (text && *s) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            char digits[3] = { s[1], s[2], 0 };
            *end++ = (char)strtol(digits, NULL, 16);
            s += 3;
        } else {
            *end++ = *s == '+' ? ' ' : *s;
            s++;
        }
    }
    if (text) *end = 0;
    return text;
}
static int check(const char *s) {
    const char *p;
    for (p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && strchr(OTHERS, *p) == NULL) return 0;
    return 1;
}
static void take(char *packet, long n) {
    char line[300];
    char *name = decoded(packet);
    if (name == NULL || !check(name)) return;
    snprintf(line, sizeof line, "mail %s", name);
    system(line);
    free(name);
}
"""


@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("x86-64", "-Os"), ("mips", "-O2")])
def test_a_decoded_text_is_checked_from_its_first_letter_on(tmp_path: Path, architecture: str, level: str) -> None:
    for true in (True, False):
        text = sided("#include <ctype.h>" + HEAD + DECODED + DATAGRAMS, {"OTHERS": ('"._+-@"', '"._+-@;"')}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["command"] if true else [])
