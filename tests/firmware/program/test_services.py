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
    struct { struct pollfd watched; short more[3]; short mode; } peer;
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


CONNECTED = r"""
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
static int take(int fd) {
    char line[100];
    long n = read(fd, line, sizeof line - 1);
    if (n <= 0) return -1;
    line[n] = 0;
    system(line);
    return 0;
}
int main(void) {
    struct sockaddr_in broker = { .sin_family = AF_INET, .sin_port = htons(1883) };
    struct pollfd watched;
    for (;;) {
        watched.fd = OPENED;
        watched.events = POLLIN;
        if (watched.fd < 0 || connect(watched.fd, (struct sockaddr *)&broker, sizeof broker)) return 1;
        while (poll(&watched, 1, 500) <= 0 || take(watched.fd) == 0)
            ;
        close(watched.fd);
    }
}
"""


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_poll_leaves_the_descriptor_of_an_entry_as_it_was(tmp_path: Path, architecture: str) -> None:
    def flows(opened: str) -> int:
        return len(analyse(built(tmp_path, architecture, CONNECTED.replace("OPENED", opened))).flows)

    assert flows("socket(AF_INET, SOCK_STREAM, 0)") == 1
    assert flows('open("/etc/start", 0)') == 0
