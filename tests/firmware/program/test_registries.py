"""Handlers that a program registers as it starts, and those that it chooses by what a table holds."""

from pathlib import Path

import pytest
from tests.firmware.program.build import ARCHITECTURES
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

REGISTERED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
struct agent { int socket, unlocked; struct entry *entries; };
struct entry { unsigned char type, locked; int (*run)(struct agent *, const char *); struct entry *next; };
static int unlock(struct agent *a, const char *text) { return a->unlocked = !strcmp(text, "sesame"); }
static int about(struct agent *a, const char *text) { return puts("2.4"); }
static int run(struct agent *a, const char *text) { return CALL; }
static __attribute__((noinline))
void add(struct agent *a, int type, int locked, int (*f)(struct agent *, const char *)) {
    struct entry *e = calloc(1, sizeof *e);
    if (!e) abort();
    e->type = type; e->locked = locked; e->run = f; e->next = a->entries; a->entries = e;
}
int main(void) {
    struct agent *a = calloc(1, sizeof *a);
    char line[256];
    add(a, 1, 0, unlock); add(a, 7, 1, run); add(a, 9, 1, about);
    a->socket = socket(AF_INET, SOCK_DGRAM, 0);
    for (;;) {
        long n = recv(a->socket, line, sizeof line - 1, 0);
        if (n < 2) continue;
        line[n] = 0;
        for (struct entry *e = a->entries; e; e = e->next)
            if (e->type == line[0]) { if (!e->locked || a->unlocked) e->run(a, line + 1); break; }
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("call, sinks", [("system(text)", {"system"}), ('system(*text ? "reboot" : "sync")', set())])
def test_handlers_of_a_list_that_one_function_fills_are_all_called(
    tmp_path: Path, architecture: str, call: str, sinks: set[str]
) -> None:
    flows = analyse(built(tmp_path, architecture, REGISTERED.replace("CALL", call))).flows
    assert {flow.sink.split("@")[0] for flow in flows} == sinks


CHOSEN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static const struct { const char *word; unsigned kind; } words[] = {
    {"OPTIONS", 0}, {"SETUP", 1}, {"PLAY", 2}, {"PAUSE", 3}, {"TEARDOWN", 4}, {"RUN", 5}};
int main(void) {
    char line[256]; int i, s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 0) return 0;
        line[n] = 0;
        for (i = 0; i < 6; i++) if (!strncmp(line, words[i].word, strlen(words[i].word))) break;
        if (i == 6) continue;
        switch (words[i].kind) {
        case 0: puts("Public: all"); break;
        case 1: send(s, "track", 5, 0); break;
        case 2: remove("/tmp/paused"); break;
        case 3: rename("/tmp/a", "/tmp/paused"); break;
        case 4: return 0;
        case 5: system(line + 4); break;
        }
    }
}
"""


@pytest.mark.parametrize("architecture", ["arm64", "x86-64"])
def test_a_switch_over_what_a_table_holds_goes_to_all_its_cases(tmp_path: Path, architecture: str) -> None:
    assert [flow.sink.split("@")[0] for flow in analyse(built(tmp_path, architecture, CHOSEN)).flows] == ["system"]
    assert analyse(built(tmp_path, architecture, CHOSEN.replace("line + 4", '"reboot"'))).flows == ()
