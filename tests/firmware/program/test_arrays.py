"""Arrays of arguments and of functions, alphabets, and room in a frame that is made to measure."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built, sided
from tests.firmware.program.test_objects import EVERYWHERE, HEADERS

from customhouse.firmware.program.analysis import analyse

LINES = r"""
__attribute__((noipa)) static int run(char *const argv[]) {
    char line[512] = "";
    int n = 0;
    for (int i = 0; argv[i] && n < (int)sizeof line; i++)
        n += snprintf(line + n, sizeof line - n, "%s ", argv[i]);
    if (n >= (int)sizeof line - 32) return -1;
    strcat(line, ">/dev/null");
    return system(line);
}
static void take(char *packet, long n) {
    char *argv[] = {"update", "-i", "eth1", "-h", GIVEN, "-d", NULL};
    run(argv);
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
def test_a_line_is_made_of_all_arguments_of_an_array(tmp_path: Path, architecture: str, level: str) -> None:
    for true in (True, False):
        text = sided(HEADERS + LINES + DATAGRAMS, {"GIVEN": ('"localhost"', "packet")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["command"] if true else [])


TABLE = r"""
static void first(const char *text) {
    char line[300];
    snprintf(line, sizeof line, "first %s", text);
    RUN(line);
}
static void second(const char *text) { puts("second"); }
static const struct { const char *name; void (*run)(const char *); } rows[] = {
    { "first.cgi", first }, { "second.cgi", second }, { NULL, NULL },
};
static void take(char *packet, long n) {
    int i;
    char *rest = strchr(packet, ' ');
    if (!rest) return;
    *rest++ = 0;
    for (i = 0; rows[i].name; i++)
        if (!strcmp(rows[i].name, packet)) break;
    sleep(1);
    if (rows[i].name) rows[i].run(rest);
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
def test_the_first_row_is_called_too(tmp_path: Path, architecture: str, level: str) -> None:
    for true in (True, False):
        text = sided(HEADERS + TABLE + DATAGRAMS, {"RUN": ("puts", "system")}, true)
        flows = [one.command for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert flows == (["first %s"] if true else [])


MEASURED = r"""
#include <alloca.h>
static void take(char *packet, long n) {
    char *path = strchr(packet, '/'), fixed[64];
    if (!path) return;
    unsigned long length = strlen(path) + 1;
    char *copy = ROOM;
    memcpy(copy, path, length);
    puts(copy);
    puts(fixed);
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
def test_room_that_is_made_to_measure_is_large_enough(tmp_path: Path, architecture: str, level: str) -> None:
    for true in (True, False):
        text = sided(HEADERS + MEASURED + DATAGRAMS, {"ROOM": ("alloca(length)", "fixed")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["overflow"] if true else [])


DECODED = r"""
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
__attribute__((noipa)) static int decode(const char *in, char *out, int most) {
    unsigned bits = 0;
    int have = 0, n = 0;
    for (; *in && *in != '='; in++) {
        const char *at = strchr(alphabet, *in);
        if (!at) return -1;
        bits = bits << 6 | (unsigned)(at - alphabet);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (n >= most) return -1;
        out[n++] = bits >> have;
    }
    return n;
}
static void take(char *packet, long n) {
    char plain[256], word[32];
    int length = decode(packet, plain, sizeof plain - 1);
    if (length < 0) return;
    plain[length] = 0;
    if (TOO_LONG) return;
    strcpy(word, plain);
    puts(word);
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_letters_that_are_looked_up_in_an_alphabet_are_decoded(tmp_path: Path, architecture: str) -> None:
    for true in (True, False):
        text = sided(HEADERS + DECODED + DATAGRAMS, {"TOO_LONG": ("strlen(plain) >= sizeof word", "length < 3")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text)).flows]
        assert kinds == (["overflow"] if true else [])


NUMBERED = r"""
static struct { char numbers[4][24]; int used; } dialled = { { "100" }, 1 };
static inline void keep(int slot, const char *number) {
    unsigned long length = strlen(number);
    if (slot < 1 || slot > 4 || length < 3 || length > 20 || CHECK) return;
    strcpy(dialled.numbers[slot - 1], number);
}
static void take(char *packet, long n) {
    char command[128];
    int i;
    keep(atoi(packet), packet + 8);
    for (i = 0; i < 4; i++) {
        if (!dialled.numbers[i][0]) continue;
        snprintf(command, sizeof command, "dial %s", dialled.numbers[i]);
        system(command);
        dialled.used++;
    }
}
"""


@pytest.mark.parametrize("architecture", ["armel", "armhf"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_an_array_whose_entries_are_counted_from_one_holds_what_is_put_there(
    tmp_path: Path, architecture: str, level: str
) -> None:
    for true in (True, False):
        check = ('number[strspn(number, "+0123456789")]', "number[0] == '.'")
        text = sided(HEADERS + NUMBERED + DATAGRAMS, {"CHECK": check}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["command"] if true else [])


SHARED = r"""
__attribute__((noipa)) static void wanted(long *hints) { hints[1] = hints[1] + 1; }
__attribute__((noipa)) static void run(int count, char **words) {
    char line[200];
    if (count < 3 || strlen(words[2]) > 80) return;
    CHECK
    snprintf(line, sizeof line, "fetch %s", words[2]);
    system(line);
}
static void take(char *packet, long n) {
    if (packet[0] == '?') {
        long hints[8];
        memset(hints, 0, sizeof hints);
        hints[0] = hints[2] = 2;
        wanted(hints);
    }
    CLEARED
    int count = 0;
    for (char *word = strtok(packet, ","); count < 8 && word; word = strtok(NULL, ",")) words[count++] = word;
    run(count, words);
}
"""


@pytest.mark.parametrize(("architecture", "level"), EVERYWHERE)
@pytest.mark.parametrize("cleared", ["char *words[8];", "char *words[8] = {0};"])
def test_an_array_is_filled_where_something_else_was_cleared(
    tmp_path: Path, architecture: str, level: str, cleared: str
) -> None:
    check = "for (char *c = words[2]; *c; c++) if ((*c < '0' || *c > '9') && *c != '.') return;"
    for true in (True, False):
        text = sided(HEADERS + SHARED.replace("CLEARED", cleared) + DATAGRAMS, {"CHECK": (check, "")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["command"] if true else [])


BEHIND = r"""
static struct { int state; long until; char numbers[4][24]; int used; } panel;
static int keep(int slot, const char *number) {
    unsigned long length = strlen(number);
    if (slot < 0 || slot > 3 || length < 3 || length > LONGEST) return -1;
    panel.until = time(0) + 30;
    strcpy(panel.numbers[slot], number);
    return panel.state++;
}
static void take(char *packet, long n) {
    if (keep(atoi(packet) - 1, packet + 8) >= 0 && panel.until > 99) panel.used++;
}
"""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["x86-64", "mips"])
def test_rows_that_are_counted_from_one_begin_where_the_first_one_does(
    tmp_path: Path, architecture: str, level: str
) -> None:
    for true in (True, False):
        text = sided(HEADERS + BEHIND + DATAGRAMS, {"LONGEST": ("20", "200")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert kinds == (["overflow"] if true else [])


WATCHED = r"""
#include <sys/select.h>
static struct conn { int fd; unsigned long have; char buf[1024]; } conns[6];
__attribute__((noipa)) static int quote(const char *s, char *out, unsigned long size) {
    unsigned long n = 0;
    out[n++] = '\'';
    for (; *s; s++) {
        if (n + 6 > size) return -1;
        if (*s == QUOTE) { memcpy(out + n, "'\\'", 3); n += 3; }
        out[n++] = *s;
    }
    out[n++] = '\'';
    out[n] = 0;
    return 0;
}
static void take(struct conn *c) {
    char word[300], line[400];
    long n = recv(c->fd, c->buf + c->have, sizeof c->buf - 1 - c->have, 0);
    if (n <= 0) { close(c->fd); c->fd = -1; return; }
    c->have += n;
    c->buf[c->have] = 0;
    if (quote(c->buf, word, sizeof word) < 0) return;
    snprintf(line, sizeof line, "join %s", word);
    system(line);
}
int main(void) {
    struct sockaddr_in me;
    int sock = socket(AF_INET, SOCK_STREAM, 0), i;
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41234);
    if (bind(sock, (struct sockaddr *)&me, sizeof me) < 0 || listen(sock, 5)) return 1;
    for (i = 0; i < 6; i++) conns[i].fd = -1;
    for (;;) {
        fd_set set;
        int max = sock;
        FD_ZERO(&set);
        FD_SET(sock, &set);
        for (i = 0; i < 6; i++) {
            if (conns[i].fd < 0) continue;
            FD_SET(conns[i].fd, &set);
            if (conns[i].fd > max) max = conns[i].fd;
        }
        if (select(max + 1, &set, 0, 0, 0) <= 0) continue;
        for (i = 0; i < 6; i++) if (conns[i].fd >= 0 && FD_ISSET(conns[i].fd, &set)) take(&conns[i]);
        if (FD_ISSET(sock, &set)) {
            int fd = accept(sock, 0, 0);
            for (i = 0; i < 6 && conns[i].fd >= 0; i++);
            if (fd >= 0 && i < 6) { conns[i].fd = fd; conns[i].have = 0; }
        }
    }
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "armel"])
def test_the_bits_of_a_set_of_sockets_are_no_letters(tmp_path: Path, architecture: str) -> None:
    for true in (True, False):
        text = sided(HEADERS + WATCHED, {"QUOTE": ("'\\''", "'?'")}, true)
        kinds = [one.kind for one in analyse(built(tmp_path, architecture, text, "-O2")).flows]
        assert kinds == (["command"] if true else [])
