"""What lies beside a text: other buffers of the program, members of a cleared object, functions in the same table."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built, sided

from customhouse.firmware.program.analysis import analyse

EVERYWHERE = [(a, o) for a in ("armhf", "mips", "x86-64") for o in ("-O2", "-Os")]
HEADERS = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int sock;
"""

DATES = r"""
static struct { char raw[600], day[64]; int due; } state;
__attribute__((noipa)) static void set_day(const char *text) {
    int y, m, d;
    if (sscanf(text, "%d-%d-%d", &y, &m, &d) != 3) return;
    snprintf(state.day, sizeof state.day, WRITTEN);
    state.due = 1;
}
__attribute__((noipa)) static void forget(const char *text) { state.due = 0; }
static const struct { const char *name; void (*run)(const char *); } pages[] = {
    { "setday ", set_day }, { "forget ", forget },
};
static void take(char *packet, long n) {
    char line[128];
    strncpy(state.raw, packet, sizeof state.raw - 1);
    for (int i = 0; i < 2; i++)
        if (!strncmp(state.raw, pages[i].name, 7)) pages[i].run(state.raw + 7);
    if (!state.due) return;
    state.due = 0;
    snprintf(line, sizeof line, "date -s %s", state.day);
    system(line);
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
def test_a_buffer_ends_where_the_program_names_the_next_one(tmp_path: Path, architecture: str, level: str) -> None:
    for true in (True, False):
        text = sided(HEADERS + DATES + DATAGRAMS, {"WRITTEN": ('"%04d-%02d-%02d", y, m, d', '"%s", text')}, true)
        flows = [one.command for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert flows == (["date -s %s"] if true else [])


SESSIONS = r"""
struct session { int fd, unlocked, bad; char line[200]; };
__attribute__((noipa)) static void say(struct session *s, const char *text) {
    if (send(s->fd, text, strlen(text), 0) < 0) s->bad = 99;
}
static void take(char *packet, long n) {
    struct session s = { .fd = sock };
    char command[300];
    say(&s, "> ");
    if (s.bad > 9) return;
    strncpy(s.line, packet, sizeof s.line - 1);
    WORK;
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
def test_members_of_a_cleared_object_are_nothing_until_they_are_set(
    tmp_path: Path, architecture: str, level: str
) -> None:
    work = {"WORK": ('puts("no")', 'snprintf(command, sizeof command, "trace %s", s.line), system(command)')}
    for true in (True, False):
        text = sided(HEADERS + SESSIONS + DATAGRAMS, work, true)
        flows = [one.command for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert flows == (["trace %s"] if true else [])


SYMBOLS = r"""
struct symbol { struct symbol *next; char *name; void *value; };
static struct symbol *forms[8], *vars[8];
static unsigned hash(const char *s) {
    unsigned h = 0;
    while (*s) h = h * 31 + (unsigned char)*s++;
    return h % 8;
}
__attribute__((noipa)) static void *look_up(struct symbol **table, const char *name) {
    for (struct symbol *s = table[hash(name)]; s; s = s->next)
        if (!strcmp(s->name, name)) return s->value;
    return NULL;
}
__attribute__((noipa)) static void enter(struct symbol **table, const char *name, void *value) {
    struct symbol *s = malloc(sizeof *s);
    s->name = strdup(name);
    s->value = value;
    s->next = table[hash(name)];
    table[hash(name)] = s;
}
static void add(void) {
    char rule[128];
    const char *name = look_up(vars, "host");
    if (!name || ASKED) return;
    sprintf(rule, "%s,%d;", name, sock);
    puts(rule);
}
static void list(void) { puts("none"); }
static void take(char *packet, long n) {
    char *value = strchr(packet, '=');
    if (!forms[0]) enter(forms, "add", add), enter(forms, "list", list);
    if (!value) return;
    *value++ = 0;
    enter(vars, packet, strdup(value));
    void (*form)(void) = look_up(forms, packet);
    if (form) form();
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
def test_a_text_from_a_table_that_holds_functions_too_is_as_long_as_it_was_made(
    tmp_path: Path, architecture: str, level: str
) -> None:
    for true in (True, False):
        text = sided(HEADERS + SYMBOLS + DATAGRAMS, {"ASKED": ("strlen(name) > 32", "!*name")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["overflow"] if true else [])


PIECES = r"""
static void serve(int fd) {
    unsigned char head[20], body[2048];
    unsigned total, got = 0, want;
    if (recv(fd, head, sizeof head, 0) != sizeof head) return;
    total = head[16] | head[17] << 8 | head[18] << 16 | (unsigned)head[19] << 24;
    if (total >= MOST) return;
    while (got < total) {
        want = total - got;
        if (want > 1024) want = 1024;
        long r = recv(fd, body + got, want, 0);
        if (r <= 0) return;
        got += r;
    }
    fwrite(body, 1, got, stdout);
}
int main(void) {
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(41236) };
    sock = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(sock, (struct sockaddr *)&me, sizeof me) || listen(sock, 1)) return 1;
    for (;;) {
        int c = accept(sock, 0, 0);
        if (c >= 0) serve(c);
        close(c);
    }
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
@pytest.mark.parametrize("most", ["65536", "sizeof body * 4"])
def test_pieces_make_together_what_was_announced(tmp_path: Path, architecture: str, level: str, most: str) -> None:
    for true in (True, False):
        text = HEADERS + PIECES.replace("MOST", most if true else "sizeof body")
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["overflow"] if true else [])


NAMED = r"""
#include <ctype.h>
static struct waiting { char *id; int due; } *waiting;
static int is_id(const char *s) {
    for (int i = 0; i < 36; i++)
        if (i % 9 == 8 ? s[i] != '-' : !isxdigit((unsigned char)s[i])) return 0;
    return ENDED;
}
static int valid(const char *id) {
    if (!strncmp(id, "urn:", 4)) id += 4;
    return !strncmp(id, "uuid:", 5) && is_id(id + 5);
}
__attribute__((noipa)) static void answer(const char *id) {
    char line[64];
    strcpy(line, id);
    puts(line);
}
static void take(char *packet, long n) {
    char *id = strdup(packet);
    if (!valid(id)) {
        free(id);
        return;
    }
    NEXT;
}
"""
STORED = (
    "waiting = calloc(1, sizeof *waiting); waiting->id = id; waiting->due = 1;"
    "if (waiting->due) { answer(waiting->id); free(waiting->id); waiting = 0; }"
)


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
@pytest.mark.parametrize("then", ["answer(id)", STORED], ids=["at once", "stored"])
def test_a_text_ends_where_a_check_found_its_end(tmp_path: Path, architecture: str, level: str, then: str) -> None:
    for true in (True, False):
        text = sided(HEADERS + NAMED + DATAGRAMS, {"ENDED": ("s[36] == 0", "s[36] != '-'"), "NEXT": (then, then)}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["overflow"] if true else [])
