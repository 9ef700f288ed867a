"""Texts that grow letter by letter, an index in memory telling how far: what tests of the index say of their length."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import built

LINES = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
struct client { int fd; unsigned fill; char line[128]; };
struct port { int number; int unsaved; char alias[24]; };
static struct client clients[4];
static struct port *port;
static void said(struct client *c) {
    if (strncmp(c->line, "alias ", 6)) return;
    CHECK
    strcpy(port->alias, c->line + 6);
    port->unsaved = 1;
}
static void hear(struct client *c) {
    char part[64];
    long i, n = recv(c->fd, part, sizeof part, 0);
    if (n <= 0) { close(c->fd); c->fd = -1; return; }
    for (i = 0; i < n; i++) {
        if (part[i] == '\n') {
            c->line[c->fill] = 0;
            c->fill = 0;
            said(c);
        } else if (c->fill < LIMIT) {
            c->line[c->fill++] = part[i];
        }
    }
}
int main(void) {
    struct sockaddr_in me;
    int i, s = socket(AF_INET, SOCK_STREAM, 0);
    port = calloc(1, sizeof *port);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(2300);
    if (bind(s, (struct sockaddr *)&me, sizeof me) || listen(s, 1)) return 1;
    for (;;) {
        for (i = 0; i < 4; i++)
            if (clients[i].fd > 0) hear(&clients[i]);
            else clients[i].fd = accept(s, 0, 0);
        printf("%.20s\n", port->alias);
    }
}
"""


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_line_is_as_long_as_the_test_of_its_index_lets_it_grow(tmp_path: Path, architecture: str, level: str) -> None:
    def flows(limit: str, check: str) -> int:
        text = LINES.replace("LIMIT", limit).replace("CHECK", check)
        return len(analyse(built(tmp_path, architecture, text, level)).flows)

    assert flows("sizeof c->line - 1", "") == 1
    assert flows("22", "") == 0
    assert flows("sizeof c->line - 1", "if (strlen(c->line + 6) >= sizeof port->alias) return;") == 0
