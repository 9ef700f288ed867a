"""Handlers that a program finds in its tables, by a search or by number."""

from pathlib import Path

import pytest
from tests.firmware.program.build import ARCHITECTURES
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse
from customhouse.model import Confidence

SEARCHED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static char line[300];
static void list(void) { system("ls /mnt"); }
static void look(void) { char c[400]; snprintf(c, sizeof c, "ls %s", line + 5); system(c); }
static void up(void) { system("ifconfig eth0 up"); }
static const struct verb { const char *name; void (*run)(void); int level; } verbs[] = {
    {"list", list, 0}, {"look", look, 1}, {"up", up, 0},
};
static int order(const void *a, const void *b) { return strcmp(a, ((const struct verb *)b)->name); }
int main(void) {
    int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        char word[6] = "";
        long n = recv(s, line, sizeof line - 1, 0);
        const struct verb *one;
        if (n <= 5) return 0;
        line[n] = 0;
        sscanf(line, "%5[a-z]", word);
        one = bsearch(word, verbs, sizeof verbs / sizeof *verbs, sizeof *verbs, order);
        if (one) one->run();
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_handler_found_by_binary_search_is_called(tmp_path: Path, architecture: str, level: str) -> None:
    facts = analyse(built(tmp_path, architecture, SEARCHED, level))
    assert [flow.command for flow in facts.flows if flow.confidence is Confidence.HIGH] == ["ls %s"]


SORTED = """
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <string.h>
#include <sys/socket.h>
static char line[300];
static int list(void) { return system("ls /mnt"); }
static int look(void) { char c[400]; snprintf(c, sizeof c, "ls %s", line + 5); return system(c); }
static int stop(void) { return puts("stop"); }
static int up(void) { return puts("up"); }
static const struct verb { char name[8]; int level; int (*run)(void); } verbs[] = {
    {"list", 0, list}, {"none", 1, stop}, {"stop", 1, stop}, {"take", 0, look}, {"up", 0, up}, {"view", 0, look},
};
int main(void) {
    int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        unsigned low = 0, high = sizeof verbs / sizeof *verbs;
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 5) return 0;
        line[4] = line[n] = 0;
        while (low < high) {
            unsigned middle = (low + high) >> 1;
            int order = strcasecmp(line, verbs[middle].name);
            if (!order) { verbs[middle].run(); break; }
            if (order < 0) high = middle; else low = middle + 1;
        }
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_the_entry_with_which_a_search_begins_is_not_the_end_of_the_table(
    tmp_path: Path, architecture: str, level: str
) -> None:
    facts = analyse(built(tmp_path, architecture, SORTED, level))
    assert {flow.command for flow in facts.flows if flow.confidence is Confidence.HIGH} == {"ls %s"}


NUMBERED = """
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
static unsigned char line[300];
static int hello(void) { return puts("hello"); }
static int run(void) { char c[400]; snprintf(c, sizeof c, "ls %s", (char *)line + 1); return system(c); }
static int bye(void) { return puts("bye"); }
static int (*const handlers[16])(void) = {[1] = hello, [3] = run, [14] = bye};
int main(void) {
    int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 1) return 0;
        line[n] = 0;
        if (handlers[line[0] >> 4]) handlers[line[0] >> 4]();
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_table_of_handlers_by_number_may_leave_some_out(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, NUMBERED))
    assert {flow.command for flow in facts.flows if flow.confidence is Confidence.HIGH} == {"ls %s"}


UNROLLED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
struct conn { int fd, fill; char line[300]; };
static struct conn conns[4];
static char *note;
static int show(struct conn *c, char *arg) { char s[400]; snprintf(s, sizeof s, "cat '%s'", note); return system(s); }
static int keep(struct conn *c, char *arg) { note = strdup(KEPT); return note ? c->fd : -1; }
static const struct { const char *verb; int (*run)(struct conn *, char *); } verbs[] = {
    {"SHOW ", show}, {"KEEP ", keep},
};
static int request(struct conn *c) {
    size_t i;
    for (i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strncmp(c->line, verbs[i].verb, strlen(verbs[i].verb)))
            return verbs[i].run(c, c->line + strlen(verbs[i].verb));
    return -1;
}
__attribute__((noinline)) static int take(struct conn *c) {
    int n = recv(c->fd, c->line + c->fill, sizeof c->line - 1 - c->fill, 0);
    if (n <= 0) return -1;
    c->fill += n;
    c->line[c->fill] = 0;
    return strchr(c->line, 10) ? request(c) : 0;
}
int main(void) {
    int i, s = socket(AF_INET, SOCK_STREAM, 0);
    for (;;) {
        for (i = 0; i < 4; i++) if (conns[i].fd && take(&conns[i]) < 0) memset(&conns[i], 0, sizeof conns[i]);
        for (i = 0; i < 4; i++) if (!conns[i].fd) conns[i].fd = accept(s, 0, 0);
    }
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "arm64", "mips"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_handlers_that_a_jump_chooses_at_the_end_are_called(tmp_path: Path, architecture: str, level: str) -> None:
    """A search that the compiler wrote out ends in one jump to what it found."""
    facts = analyse(built(tmp_path, architecture, UNROLLED, level, "-DKEPT=arg"))
    assert [flow.command for flow in facts.flows if flow.confidence is Confidence.HIGH] == ["cat '%s'"]
    facts = analyse(built(tmp_path, architecture, UNROLLED, level, '-DKEPT="motd"'))
    assert not facts.flows


FILLED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static unsigned char packet[300];
static int count;
static int (*handlers[128])(const unsigned char *, int);
static int show(const unsigned char *p, int n) { return printf("%d", p[1]); }
static int keep(const unsigned char *p, int n) { return count = p[1]; }
static int run(const unsigned char *p, int n) { char s[400]; sprintf(s, "ping %s", SHOWN); return system(s); }
static int none(const unsigned char *p, int n) { return puts("none"); }
static void fill(void) {
    handlers[0x03] = show; handlers[0x04] = show; handlers[0x06] = keep; handlers[0x10] = run; handlers[0x11] = none;
}
int main(void) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    fill();
    for (;;) {
        int n = recv(s, packet, sizeof packet - 1, 0);
        if (n < 8) continue;
        packet[n] = 0;
        if (packet[0] < 128 && handlers[packet[0]]) handlers[packet[0]](packet, n);
    }
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "armhf", "mips"])
def test_a_table_that_is_filled_entry_by_entry_is_one_table(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, FILLED, "-DSHOWN=p+2"))
    assert [flow.command for flow in facts.flows if flow.confidence is Confidence.HIGH] == ["ping %s"]
    assert not analyse(built(tmp_path, architecture, FILLED, '-DSHOWN="host"')).flows


BEHIND = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static struct { int fd; char line[512]; } peer;
int main(void) {
    char word[40];
    peer.fd = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        int at = 0;
        long n = recv(peer.fd, peer.line, sizeof peer.line - 1, 0);
        if (n <= 0) return 0;
        peer.line[n] = 0;
        if (sscanf(peer.line, "FORM", word, &at) != 1 || !at) continue;
        CHECK
        system(peer.line + at);
    }
}
"""


@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
def test_what_lies_behind_the_bytes_that_a_scan_took_is_of_the_text(tmp_path: Path, architecture: str) -> None:
    def flows(check: str) -> int:
        text = BEHIND.replace("FORM", "run %39s%n").replace("CHECK", check)
        return len(analyse(built(tmp_path, architecture, text)).flows)

    assert flows("") == 1
    assert flows('if (strpbrk(peer.line + at, ";|&`$\\n")) continue;') == 0
