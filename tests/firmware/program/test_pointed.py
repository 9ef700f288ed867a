"""Pointers that are kept in lists, to texts that were checked before they were put there."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

FORM = r"""
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct field { char *name, *value; struct field *next; };
static struct field *form;
__attribute__((noinline)) static void decode(char *s) {
    char *d = s;
    while (*s) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            *d++ = (s[1] & 15) << 4 | (s[2] & 15);
            s += 3;
        } else *d++ = *s++;
    }
    *d = 0;
}
__attribute__((noinline)) static int good(const char *s) {
    for (; *s; s++) if (!isalnum((unsigned char)*s) && *s != '.' && *s != '%') return 0;
    return 1;
}
__attribute__((noinline)) static void add(char *name, char *value) {
    struct field *f;
    BEFORE
    if (!(f = malloc(sizeof *f))) return;
    f->name = name;
    f->value = value;
    f->next = form;
    form = f;
    AFTER
}
static const char *get(const char *name) {
    struct field *f;
    for (f = form; f; f = f->next) if (!strcmp(f->name, name)) return f->value;
    return NULL;
}
__attribute__((noinline)) static int ping(void) {
    char command[200];
    const char *host = get("host");
    if (!host || strlen(host) > 64) return 1;
    snprintf(command, sizeof command, "ping -c 1 %s", host);
    return system(command);
}
int main(void) {
    static char body[2000];
    char *rest = body, *pair, *value;
    if (!getenv("REQUEST_METHOD")) return 1;
    body[fread(body, 1, sizeof body - 1, stdin)] = 0;
    while ((pair = strsep(&rest, "&")) != NULL) {
        if (!(value = strchr(pair, '='))) continue;
        *value++ = 0;
        CALLER
        add(pair, value);
    }
    return ping();
}
"""
HARMLESS = {
    "checked once it is decoded": ("decode(value); if (!good(value)) return;", "", ""),
    "checked by who adds it": ("", "", "decode(value); if (!good(value)) continue;"),
}
HARMFUL = {
    "checked before it is decoded": ("if (!good(value)) return; decode(value);", "", ""),
    "decoded where it is kept": ("if (!good(value)) return;", "for (f = form; f; f = f->next) decode(f->value);", ""),
    "not checked when it is long": ("decode(value); if (strlen(value) < 9 && !good(value)) return;", "", ""),
    "the name checked by who adds it": ("", "", "decode(value); if (!good(pair)) continue;"),
}
BUILDS = [("x86-64", "-O2"), ("mips", "-Os"), ("armhf", "-O2")]


def found(folder: Path, architecture: str, level: str, before: str, after: str, caller: str) -> set[str]:
    text = FORM.replace("BEFORE", before).replace("AFTER", after).replace("CALLER", caller)
    return {flow.kind for flow in analyse(built(folder, architecture, text, level)).flows}


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize("how", HARMLESS)
def test_a_list_of_checked_texts_is_harmless(tmp_path: Path, architecture: str, level: str, how: str) -> None:
    assert found(tmp_path, architecture, level, *HARMLESS[how]) == set()


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize("how", HARMFUL)
def test_a_list_of_texts_that_change_behind_their_check_is_not(
    tmp_path: Path, architecture: str, level: str, how: str
) -> None:
    assert found(tmp_path, architecture, level, *HARMFUL[how]) == {"command"}
