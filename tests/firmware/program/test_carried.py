"""Words that were asked where a text was stored that becomes a command later."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int sock, due;
static char server[64];
static struct entry { char key[16], value[64]; } entries[8];
static int count;
static void tick(int sig) { due = 1; }
static void run(const char *text) { char c[200]; snprintf(c, sizeof c, "ntpdate %s", text); system(c); }
static __attribute__((noinline)) void set(const char *key, const char *value) {
    int i;
    for (i = 0; i < count; i++) if (!strcmp(entries[i].key, key)) break;
    if (i == 8) return;
    if (i == count) { count++; snprintf(entries[i].key, 16, "%s", key); }
    snprintf(entries[i].value, 64, "%s", value);
}
static __attribute__((noinline)) const char *get(const char *key) {
    for (int i = 0; i < count; i++) if (!strcmp(entries[i].key, key)) return entries[i].value;
    return "";
}
static void load(void) {
    char line[80], *p;
    FILE *f = fopen("/etc/time.conf", "r");
    if (!f) return;
    while (fgets(line, sizeof line, f))
        if ((p = strchr(line, '=')) && (*p++ = 0, !strcmp(line, "timeserver"))) snprintf(server, 64, "%s", p);
    fclose(f);
}
"""
MAIN = r"""
int main(void) {
    static char packet[400];
    struct sockaddr_in me;
    load();
    signal(SIGALRM, tick);
    alarm(60);
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41234);
    if (bind(sock, (struct sockaddr *)&me, sizeof me) < 0) return 1;
    for (;;) {
        long n = recv(sock, packet, sizeof packet - 1, 0);
        if (n > 8) { packet[n] = 0; take(packet, n); }
        if (due) { due = 0; RUN }
    }
}
"""
CASES = {
    "one command that stores": (
        'if (!strncmp(s, "SETNTP ", 7)) strncpy(server, s + 7, 63);',
        "run(server);",
        "SETNTP ",
    ),
    "two that store": (
        'if (!strncmp(s, "SETNTP ", 7)) strncpy(server, s + 7, 63); else if (!strncmp(s, "INIT ", 5)) '
        "strncpy(server, s + 9, 63);",
        "run(server);",
        "",
    ),
    "two that store behind one word": (
        'if (memcmp(s, "QBT7", 4)) return; if (!strncmp(s + 4, "SETNTP ", 7)) strncpy(server, s + 11, 63); '
        'else if (!strncmp(s + 4, "INIT ", 5)) strncpy(server, s + 13, 63);',
        "run(server);",
        "QBT7",
    ),
    "an entry by its name": (
        "char *v = strchr(s, '='); if (strncmp(s, \"SET \", 4) || !v) return; *v++ = 0; set(s + 4, v);",
        'run(get("time.server"));',
        "SET  … time.server",
    ),
}


@pytest.mark.parametrize("architecture", ["mips", "x86-64"])
@pytest.mark.parametrize("case", CASES)
def test_words_of_all_that_store_a_text_are_told(tmp_path: Path, architecture: str, case: str) -> None:
    body, use, magic = CASES[case]
    text = f"{HEAD}static void take(char *s, long n) {{ {body} }}{MAIN.replace('RUN', use)}"
    assert {flow.magic for flow in analyse(built(tmp_path, architecture, text)).flows} == {magic}


HELPER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void helper(int fd) {
    char line[200], c[300];
    FILE *f = fdopen(fd, "r");
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "ZONE ", 5)) continue;
        snprintf(c, sizeof c, "settz %s", line + 5);
        system(c);
    }
}
int main(void) {
    static char packet[150];
    char line[200];
    int p[2], s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    if (pipe(p)) return 1;
    if (!fork()) { helper(p[0]); return 0; }
    for (;;) {
        long n = recv(s, packet, sizeof packet - 1, 0);
        if (n <= 8) return 0;
        packet[n] = 0;
        if (strncmp(packet, "timezone ", 9)) continue;
        n = snprintf(line, sizeof line, "ZONE %s\n", packet + 9);
        write(p[1], line, n);
    }
}
"""


@pytest.mark.parametrize("architecture", ["mips", "x86-64"])
def test_what_a_program_writes_to_its_helper_is_no_word_of_a_packet(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, HELPER))
    assert {flow.magic for flow in facts.flows} == {"timezone "}
