"""What functions of sockets and descriptors leave in memory."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

WATCHED = r"""
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
int main(void) {
    static char line[300];
    struct { struct pollfd watched; int mode; int more; } peer;
    int fd = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        peer.watched.fd = fd;
        peer.watched.events = POLLIN;
        peer.mode = 3;
        if (poll(&peer.watched, COUNT, 500) <= 0) continue;
        long n = recv(fd, line, sizeof line - 1, 0);
        if (n <= 0) return 0;
        line[n] = 0;
        if (peer.mode != 3) system(line);
    }
}
"""


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_poll_leaves_what_lies_behind_its_entries(tmp_path: Path, architecture: str) -> None:
    def flows(count: int) -> int:
        return len(analyse(built(tmp_path, architecture, WATCHED.replace("COUNT", str(count)))).flows)

    assert flows(1) == 0
    assert flows(2) == 1
