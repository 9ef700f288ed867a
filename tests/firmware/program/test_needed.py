"""Words that hold on all ways to a command, and such as hold on some of them only."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
static int sock;
static char host[64];
static void run(const char *text) { char c[200]; snprintf(c, sizeof c, "ping -c 1 %s", text); system(c); }
static __attribute__((noinline)) int field(const char *text, const char *name, char *out, unsigned size) {
    char mark[40];
    const char *p;
    unsigned n = 0;
    snprintf(mark, sizeof mark, "\"%s\":\"", name);
    p = strstr(text, mark);
    if (!p) return 0;
    for (p += strlen(mark); *p && *p != '"' && n + 1 < size; p++) out[n++] = *p;
    out[n] = 0;
    return *p == '"';
}
static __attribute__((noinline)) int number(const char *word) {
    if (!strcmp(word, "reach")) return 3;
    if (!strcmp(word, "stop")) return 4;
    if (!strcmp(word, "halt")) return 4;
    return -1;
}
"""
TAKES = {
    "what a key leads to": (
        'char v[60]; if (!field(s, "host", v, sizeof v)) return; run(v);',
        '"host":"',
    ),
    "one key or another": (
        'char v[60]; if (!field(s, "host", v, sizeof v) && !field(s, "name", v, sizeof v)) return; run(v);',
        "",
    ),
    "a number that one word gave": ("switch (number(s)) { case 3: run(s + 8); break; case 4: puts(s); }", "reach"),
    "a number that two words gave": ("switch (number(s)) { case 4: run(s + 8); break; case 3: puts(s); }", ""),
    "a number that is kept": (
        'int op = 0; if (!strncmp(s, "reach", 5)) op = 3; else if (!strncmp(s, "stop", 4)) op = 4; '
        "if (n < 12) op = 0; puts(s); if (op == 3) run(s + 8);",
        "reach",
    ),
    "a number that is kept for both": (
        'int op = 0; if (!strncmp(s, "reach", 5)) op = 3; else if (!strncmp(s, "stop", 4)) op = 4; '
        "if (n < 12) op = 0; puts(s); if (op) run(s + 8);",
        "",
    ),
    "words in their order": (
        'if (strncmp(s, "login", 5)) return; if (!strstr(s, "token=")) return; if (strcmp(s + 30, "run")) return; '
        "run(s + 40);",
        "login … token= … run",
    ),
    "a text that is overwritten": (
        'char w[8]; memcpy(w, s, 7); w[7] = 0; if (strcmp(w, "wake")) return; memset(w, 0, sizeof w); '
        "recv(sock, w, 7, 0); run(w);",
        "wake",
    ),
    "what a scan must find": ('char v[60]; if (sscanf(s, "host=%59s", v) != 1) return; run(v);', "host="),
    "what a scan may miss": ('char v[60] = "a"; sscanf(s, "%*d host=%59s", v); run(s + 3);', ""),
    "the first bytes": ("if (s[0] != 0x0c || s[1] != 0x15) return; run(s + 8);", "\x0c\x15"),
    "one of two first bytes": ("if (s[0] != 0x0c && s[0] != 0x0d) return; run(s + 8);", ""),
    "a word of the program's own": (
        'if (!host[0]) strcpy(host, "ready"); if (strcmp(host, "ready")) return; run(s + 8);',
        "",
    ),
}


@pytest.mark.parametrize("architecture", ["mips", "x86-64"])
@pytest.mark.parametrize("case", TAKES)
def test_words_that_hold_on_all_ways_are_told(tmp_path: Path, architecture: str, case: str) -> None:
    body, magic = TAKES[case]
    text = f"{HEAD}static void take(char *s, long n) {{ {body} }}{DATAGRAMS}"
    assert {flow.magic for flow in analyse(built(tmp_path, architecture, text)).flows} == {magic}
