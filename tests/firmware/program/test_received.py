"""What a helper receives in rounds replaces what lay in the frame before, as far as its caller asked for."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

FRAMES = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
__attribute__((noipa)) static int take_all(int fd, void *to, unsigned n) {
    char *p = to;
    while (n > 0) {
        long r = recv(fd, p, n, 0);
        if (r <= 0) return -1;
        p += r;
        n -= (unsigned)r;
    }
    return 0;
}
static void serve(int fd) {
    unsigned char head[20] = {2, 1};
    char name[128];
    if (!take_all(fd, head, sizeof head)) {
        unsigned short kind;
        unsigned size;
        memcpy(&kind, head + 14, 2);
        memcpy(&size, head + 16, 4);
        if (size > MOST) return;
        if (kind == 77) {
            if (take_all(fd, name, size)) return;
            name[127] = 0;
            printf("open %s\n", name);
        } else {
            printf("kind %d\n", kind);
        }
    }
}
int main(void) {
    struct sockaddr_in me;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41235);
    if (bind(s, (struct sockaddr *)&me, sizeof me) || listen(s, 1)) return 1;
    for (;;) {
        int c = accept(s, 0, 0);
        if (c >= 0) serve(c);
        close(c);
    }
}
"""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_a_field_of_a_received_header_is_not_what_the_frame_held_before(
    tmp_path: Path, architecture: str, level: str
) -> None:
    def overflows(most: int) -> list[int | None]:
        text = FRAMES.replace("MOST", str(most))
        return [one.port for one in analyse(built(tmp_path, architecture, text, level)).flows if one.kind == "overflow"]

    assert overflows(4096) == [41235]
    assert overflows(128) == []


SESSIONS = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int dial(void) {
    struct addrinfo hint, *all, *one;
    int s = -1;
    memset(&hint, 0, sizeof hint);
    hint.ai_socktype = SOCK_STREAM;
    if (getaddrinfo("cms.example", "7000", &hint, &all)) return -1;
    for (one = all; one; one = one->ai_next) {
        s = socket(one->ai_family, one->ai_socktype, 0);
        if (s >= 0 && connect(s, one->ai_addr, one->ai_addrlen) == 0) break;
        s = -1;
    }
    return s;
}
static int take_all(int s, void *to, size_t n) {
    unsigned char *p = to;
    while (n) {
        ssize_t r = recv(s, p, n, 0);
        if (r <= 0) return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}
static void session(int s) {
    unsigned char head[12];
    unsigned size;
    while (take_all(s, head, sizeof head) == 0) {
        char text[128];
        memcpy(&size, head + 8, 4);
        size = ntohl(size);
        if (size > MOST || take_all(s, text, size)) return;
        printf("%.*s\n", (int)size, text);
    }
}
int main(void) {
    for (;;) {
        int s = dial();
        if (s >= 0) {
            session(s);
            close(s);
        }
        sleep(10);
    }
}
"""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_nor_what_another_scope_had_there(tmp_path: Path, architecture: str, level: str) -> None:
    for most, flows in (("65536", ["overflow"]), ("128", [])):
        found = analyse(built(tmp_path, architecture, SESSIONS.replace("MOST", most), level))
        assert sorted({one.kind for one in found.flows}) == flows
