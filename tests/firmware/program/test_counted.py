"""How much of a text was looked at, and how long it is, by what a program counted."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from tests.firmware.program.build import ARCHITECTURES
from tests.firmware.program.compiled import built, sided
from tests.firmware.program.test_objects import HEADERS

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.lift import MUL
from customhouse.firmware.program.loops import Loops
from customhouse.firmware.program.moving import Moving
from customhouse.firmware.program.nodes import MAX_DEPTH
from customhouse.firmware.program.terms import OP, Terms
from customhouse.model import Confidence

COUNTED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int quoted(const char *p, char *out, size_t room) {
    size_t n = 0;
    if (*p++ != '"') return -1;
    for (; *p && *p != '"'; p++) { if (n + 1 >= room) return -1; out[n++] = *p; }
    out[n] = 0;
    return (int)n;
}
int main(void) {
    char line[300], key[65], c[200]; int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 0) return 0;
        line[n] = 0;
        if (quoted(line, key, sizeof key) != 64 || CHECK) continue;
        snprintf(c, sizeof c, "wpa_cli set_network 0 psk %s", key);
        system(c);
    }
}
"""


@pytest.mark.parametrize("check, flows", [('strspn(key, "0123456789abcdef") != 64', 0), ('strspn(key, "0123") < 4', 1)])
def test_a_text_as_long_as_its_first_bytes_that_are_of_a_set_is_of_the_set(
    tmp_path: Path, check: str, flows: int
) -> None:
    facts = analyse(built(tmp_path, "x86-64", COUNTED.replace("CHECK", check), "-Os", "-fno-inline"))
    assert len([flow for flow in facts.flows if flow.confidence is Confidence.HIGH]) == flows


PIECES = """
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
static int take(int s, void *to, size_t length) {
    uint8_t *p = to;
    while (length > 0) {
        ssize_t n = recv(s, p, length > 1400 ? 1400 : length, 0);
        if (n <= 0) return -1;
        p += n; length -= (size_t)n;
    }
    return 0;
}
int main(void) {
    int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0); int32_t length; uint8_t record[128];
    while (take(s, &length, 4) == 0) {
        if (CHECK) return 1;
        if (take(s, record, (size_t)length) < 0) return 2;
        send(s, record, 16, 0);
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_read_piece_by_piece_is_as_long_as_was_asked_for(tmp_path: Path, architecture: str) -> None:
    fits = analyse(built(tmp_path, architecture, PIECES.replace("CHECK", "(uint32_t)length > 128"), "-fno-inline"))
    assert not fits.flows
    negative = analyse(built(tmp_path, architecture, PIECES.replace("CHECK", "length > 128"), "-fno-inline"))
    assert {flow.kind for flow in negative.flows} == {"overflow"}


FIRST_BYTES = r"""
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int fine(const char *s) { CHECK }
int main(void) {
    char line[300], c[400]; int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 0) return 0;
        line[n] = 0;
        if (!fine(line)) continue;
        snprintf(c, sizeof c, "date -s %s", line);
        system(c);
    }
}
"""
_STEP = "if (!isalnum((unsigned char)s[i])) return 0;"


@pytest.mark.parametrize(
    "check, flows",
    [
        (f"int i; for (i = 0; i < 32 && s[i]; i++) {_STEP} return 1;", 1),
        (f"int i; if (strlen(s) < 6) return 0; for (i = 0; i < 6; i++) {_STEP} return 1;", 1),
        (f"int i; if (strlen(s) != 6) return 0; for (i = 0; i < 6; i++) {_STEP} return 1;", 0),
        (f"int i; for (i = 0; i < 6; i++) {_STEP} return s[6] == 0;", 0),
        ("const char *e = s + strlen(s); for (; s < e; s++) if (!isalnum((unsigned char)*s)) return 0; return 1;", 0),
    ],
)
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_loop_with_a_fixed_end_checks_so_many_bytes(tmp_path: Path, check: str, flows: int, level: str) -> None:
    facts = analyse(built(tmp_path, "x86-64", FIRST_BYTES.replace("CHECK", check), level))
    assert len([flow for flow in facts.flows if flow.confidence is Confidence.HIGH]) == flows


RECEIVED = """
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
static __attribute__((noinline)) void take(char *b, int n) {
    char path[128], *end = strchr(b, ':');
    BODY
    unlink(path);
}
int main(void) {
    char b[1501];
    int n, s = socket(AF_INET, SOCK_DGRAM, 0);
    while ((n = recv(s, b, sizeof b - 1, 0)) > 4) { b[n] = 0; take(b, n); }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
@pytest.mark.parametrize(
    "body, flows",
    [
        ('if (n > 100) return; sprintf(path, "/tmp/%s.cfg", b + 4);', 0),
        ('if (n > 1000) return; sprintf(path, "/tmp/%s.cfg", b + 4);', 1),
        ("if (!end || end - b > 127) return; memcpy(path, b, end - b); path[end - b] = 0;", 0),
        ("if (!end) return; memcpy(path, b, end - b); path[end - b] = 0;", 1),
    ],
)
def test_a_text_is_as_long_as_what_was_received_or_what_was_found_in_it(
    tmp_path: Path, architecture: str, body: str, flows: int
) -> None:
    found = analyse(built(tmp_path, architecture, RECEIVED.replace("BODY", body))).flows
    assert len({flow.sink for flow in found}) == flows


BACKWARDS = """
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int fine(const char *text) {
    size_t left = strlen(text);
    if (left < 3) return 0;
    while (left--) if (TEST) return 0;
    return 1;
}
int main(void) {
    char line[200], c[300]; int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 0) return 0;
        line[n] = 0;
        if (!fine(line)) continue;
        snprintf(c, sizeof c, "ping -c 1 %s", line);
        system(c);
    }
}
"""


@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
@pytest.mark.parametrize(
    "test, flows",
    [
        ("!isdigit((unsigned char)text[left]) && text[left] != '.'", 0),
        ("text[left] == ';' || text[left] == '|'", 1),
    ],
)
def test_a_loop_that_goes_back_from_the_end_has_looked_at_every_byte(
    tmp_path: Path, architecture: str, test: str, flows: int
) -> None:
    found = analyse(built(tmp_path, architecture, BACKWARDS.replace("TEST", test))).flows
    assert len({flow.sink for flow in found}) == flows


def test_a_loop_that_goes_back_to_a_separator_has_not(tmp_path: Path) -> None:
    text = BACKWARDS.replace(
        "if (TEST) return 0;", "{ if (text[left] == '/') return 1; if (!isdigit((unsigned char)text[left])) return 0; }"
    )
    assert len(analyse(built(tmp_path, "mips", text)).flows) == 1


def test_rounds_that_have_no_name_are_no_more_than_what_the_counter_is_compared_with() -> None:
    terms = Terms(4)
    head, counter = 0x120, terms.phi(0x100, 0x120, 3)
    terms.edges[counter] = (terms.zero, terms.add(counter, 1))
    loops = SimpleNamespace(
        function=0x100, bodies={head: frozenset()}, heads_of=lambda term: {head} if term == counter else frozenset()
    )
    moving = Moving(terms, cast(Loops, loops))
    end = terms.param(0)
    assert moving.rounds({end: 1, counter: -1}, 1, {counter: 1}, head) == [terms.add(end, 1)]
    while terms.depth[end] < MAX_DEPTH:
        end = terms.make((OP, MUL, end, terms.param(1)), end, terms.param(1))
    assert moving.rounds({end: 1, counter: -1}, 1, {counter: 1}, head) == [end]


BLOCKS = r"""
__attribute__((noipa)) static int get_bytes(int c, char *dst, size_t want)
{
    size_t n = 0;
    while (n < want) {
        ssize_t r = read(c, dst + n, want - n);
        if (r <= 0) return -1;
        n += (size_t)r;
    }
    return 0;
}
int main(void)
{
    char line[64];
    int s = socket(AF_INET, SOCK_STREAM, 0), c;
    struct sockaddr_in a = {0};
    a.sin_family = AF_INET; a.sin_port = htons(5093);
    bind(s, (void *)&a, sizeof a); listen(s, 4);
    while ((c = accept(s, 0, 0)) >= 0) {
        char block[1024];
        unsigned long left;
        int n = read(c, line, sizeof line - 1);
        if (n <= 0) continue;
        line[n] = 0;
        left = strtoul(line, 0, 16); if (left > 65536) break;
        while (left > 0) {
            size_t n = left;
            if (n > LONGEST) n = LONGEST;
            if (get_bytes(c, block, n) < 0 || write(1, block, n) != n) break;
            left -= n;
        }
    }
}
"""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["mips", "x86-64"])
def test_a_comparison_that_is_made_before_the_jump_back_is_one_of_what_is_left(
    tmp_path: Path, architecture: str, level: str
) -> None:
    for true in (True, False):
        text = sided(HEADERS + BLOCKS, {"LONGEST": ("sizeof block", "2048")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["overflow"] if true else [])
