"""Copies of a block that compilers write out by its length: the first word, the last one, and those between them."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built, sided
from tests.firmware.program.test_objects import HEADERS as SOCKETS

from customhouse.firmware.program.analysis import analyse

FORM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct form { struct { char *name, *value; } field[16]; int n; };
static const char *get(struct form *form, const char *name) {
    for (int i = 0; i < form->n; i++) if (!strcmp(form->field[i].name, name)) return form->field[i].value;
    return "";
}
SAFE
static int take(char *to, size_t room, const char *text) {
    if (strlen(text) >= room || CHECK) return -1;
    memcpy(to, text, strlen(text) + 1);
    return 0;
}
int main(void) {
    struct form form = { .n = 0 };
    struct { char host[80], user[48]; } d;
    char body[2000], command[300], *p;
    BEGIN
    body[fread(body, 1, sizeof body - 1, stdin)] = 0;
    if (!getenv("REQUEST_METHOD")) return 1;
    for (p = strtok(body, "&"); p && form.n < 16; p = strtok(NULL, "&")) {
        char *value = strchr(p, '=');
        if (!value) continue;
        *value++ = 0;
        form.field[form.n].name = p;
        form.field[form.n++].value = value;
    }
    if (take(d.host, sizeof d.host, get(&form, "host")) < 0) return 1;
    if (take(d.user, sizeof d.user, get(&form, "user")) < 0) return 1;
    snprintf(command, sizeof command, "ddns --host %s --user %s", d.host, d.user);
    return system(command);
}
"""
LETTERS = '"abcdefghijklmnopqrstuvwxyz0123456789.-"'
SAFE = f"""
static int safe(const char *text) {{
    if (*text == 0 || *text == '-' || text[strspn(text, {LETTERS})]) return 0;
    return strstr(text, "..") == NULL;
}}
"""
HOW = {
    "in a function of its own": (SAFE, "memset(&d, 0, sizeof d);", ("!safe(text)", "!*text || !safe(text + 1)")),
    "where it is copied": ("", "", (f"!*text || text[strspn(text, {LETTERS})]", f"!strspn(text, {LETTERS})")),
}


@pytest.mark.parametrize("how", HOW)
def test_what_was_checked_stays_so_in_a_copy_that_is_made_piece_by_piece(tmp_path: Path, how: str) -> None:
    safe, begin, check = HOW[how]
    for true in (False, True):
        text = sided(FORM, {"SAFE": (safe, safe), "BEGIN": (begin, begin), "CHECK": check}, true)
        flows = analyse(built(tmp_path, "x86-64", text)).flows
        assert [flow.kind for flow in flows] == ["command"] * true


HEADERS = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
static inline void block(char *to, const char *from, size_t n) {
    size_t words = (n - 1) >> 3;
    __builtin_memcpy(to + n - 8, from + n - 8, 8);
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}
static int header(const char *from, const char *name, char *to, size_t room) {
    const char *at = strstr(from, name);
    size_t n;
    if (!at) { *to = 0; return -1; }
    for (at += strlen(name); *at == ' '; at++);
    n = strcspn(at, "\r\n");
    if (n > MOST) n = MOST;
    if (n < 8) return -1;
    block(to, at, n);
    to[n] = 0;
    return 0;
}
int main(void) {
    static char packet[3000];
    char via[256], peer[256], call[96];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, packet, sizeof packet - 1, 0)) > 0) {
        packet[n] = 0;
        header(packet, "Via:", via, sizeof via);
        header(packet, "From:", peer, sizeof peer);
        header(packet, "Call-ID:", call, sizeof call);
        printf("%s %s %s\n", via, peer, call);
    }
}
"""
"""With the last word moved first, as compilers write out copies that are not aligned."""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_copy_whose_last_word_is_moved_by_itself_is_as_long_as_its_length(tmp_path: Path, level: str) -> None:
    for most, found in (("(room - 1)", []), ("(4 * room)", ["overflow"])):
        flows = analyse(built(tmp_path, "x86-64", HEADERS.replace("MOST", most), level)).flows
        assert [flow.kind for flow in flows] == found


KEPT = r"""
static char kept[48];
__attribute__((noipa)) static int check(const char *s) {
    if (!*s) return 0;
    for (; *s; s++) if (!isalnum((unsigned char)*s) && *s != '-' && *s != '.') return 0;
    return 1;
}
static void take(char *packet, long n) {
    char line[128], text[400];
    size_t length;
    snprintf(text, sizeof text, "%s", packet);
    if (!check(PLACE) || (length = strlen(text)) >= sizeof kept) return;
    COPY
    snprintf(line, sizeof line, "echo %s > /tmp/zone", kept);
    system(line);
}
"""
COPIES = {
    "by the library": "strcpy(kept, text);",
    "by a loop": 'for (size_t i = 0; i <= length; i++) { kept[i] = text[i]; __asm__ volatile("" ::: "memory"); }',
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("x86-64", "-Os"), ("mips", "-O2")])
def test_a_measured_text_that_was_checked_stays_so_in_its_copy(
    tmp_path: Path, architecture: str, level: str, how: str
) -> None:
    for true in (True, False):
        words = {"COPY": (COPIES[how], COPIES[how]), "PLACE": ("text", "text + 1")}
        text = sided("#include <ctype.h>" + SOCKETS + KEPT + DATAGRAMS, words, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["command"] if true else [])
