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
