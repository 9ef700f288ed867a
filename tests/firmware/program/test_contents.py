"""Texts that lie beside others: fields of the entries of an array, and what stands before a buffer."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

MAPPINGS = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
struct row { int used; char proto[4]; char client[48]; char note[40]; };
static struct row rows[16];
__attribute__((noinline)) static int get(const char *text, const char *tag, char *to, size_t room) {
    const char *at = strstr(text, tag), *end;
    if (!at || !(end = strchr(at += strlen(tag), '<')) || (size_t)(end - at) >= room) return -1;
    memcpy(to, at, end - at);
    to[end - at] = 0;
    return 0;
}
__attribute__((noinline)) static struct row *find(int key) {
    for (int i = 0; i < 16; i++) if (rows[i].used == key) return &rows[i];
    return 0;
}
int main(void) {
    char text[800], line[300], client[48];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    struct in_addr host;
    struct row *e;
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, text, sizeof text - 1, 0)) > 0) {
        text[n] = 0;
        if (text[0] == 'A') {
            if (get(text, "<client>", client, sizeof client) || REFUSED || !(e = find(0))) continue;
            e->used = text[1];
            strcpy(e->proto, "tcp");
            strcpy(e->client, client);
            if (get(text, "<note>", e->note, sizeof e->note)) strcpy(e->note, "-");
        } else if ((e = find(text[1]))) {
            snprintf(line, sizeof line, "iptables -D -p %s --to %s", e->proto, e->client);
            system(line);
        }
    }
    return 0;
}
"""
COMMAND = """
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
__attribute__((noinline)) static int tables(const char *form, ...) {
    char line[320];
    va_list rest;
    strcpy(line, "iptables -t nat ");
    va_start(rest, form);
    vsnprintf(line + 16, sizeof line - 16, form, rest);
    va_end(rest);
    return system(line);
}
int main(void) {
    char text[200];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, text, sizeof text - 1, 0)) > 0) {
        text[n] = 0;
        tables(FORM);
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "armel", "mipsel"])
def test_a_text_of_the_next_field_is_not_in_this_one(tmp_path: Path, architecture: str) -> None:
    for level in ("-O2", "-Os"):
        text = MAPPINGS.replace("REFUSED", "inet_pton(AF_INET, client, &host) != 1")
        assert analyse(built(tmp_path, architecture, text, level)).flows == ()


@pytest.mark.parametrize("architecture", ["x86-64", "armel", "mipsel"])
def test_a_text_of_an_entry_is_in_its_own_field(tmp_path: Path, architecture: str) -> None:
    for level in ("-O2", "-Os"):
        flows = analyse(built(tmp_path, architecture, MAPPINGS.replace("REFUSED", "!client[0]"), level)).flows
        assert [flow.kind for flow in flows] == ["command"]


def test_numbers_that_lie_before_a_buffer_are_no_beginning_of_its_text(tmp_path: Path) -> None:
    for form, found in (('"-A INPUT -s %s", text', ["command"]), ('"-A INPUT -s %d", atoi(text)', [])):
        flows = analyse(built(tmp_path, "arm64", COMMAND.replace("FORM", form), "-Os")).flows
        assert [flow.kind for flow in flows] == found


UPDATE = """
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
static struct { int state; char place[200]; } update;
__attribute__((noinline)) static int put(const char *text) {
    if (strncmp(text, "http://", 7) || strlen(text) >= sizeof update.place) return -1;
    for (const char *p = text; *p; p++) if (!isalnum((unsigned char)*p) && !strchr(":/._-" MORE, *p)) return -1;
    memcpy(update.place, text, strlen(text) + 1);
    return 0;
}
int main(void) {
    char text[400], line[400];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, text, sizeof text - 1, 0)) > 0) {
        text[n] = 0;
        if (text[0] == 'U') put(text + 1);
        else { snprintf(line, sizeof line, "wget %s", update.place); system(line); }
    }
    return 0;
}
"""


def test_a_checked_text_that_is_copied_by_its_first_word_and_the_aligned_rest_is_checked(tmp_path: Path) -> None:
    for more, found in (('""', []), ('"`"', ["command"])):
        flows = analyse(built(tmp_path, "x86-64", UPDATE.replace("MORE", more))).flows
        assert [flow.kind for flow in flows] == found
