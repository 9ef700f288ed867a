"""Programs whose connection is their standard input, because inetd starts them."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse
from customhouse.model import Confidence

SESSION = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
int main(void) {
    char line[200], c[300];
    struct sockaddr_in peer; socklen_t size = sizeof peer;
    BEGIN;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\\r\\n")] = 0;
        snprintf(c, sizeof c, "lp -t %s", line);
        if (system(c)) fprintf(stderr, "failed\\n");
    }
    return 0;
}
"""


@pytest.mark.parametrize(
    "begin",
    [
        'openlog("lpd", LOG_PID, LOG_DAEMON)',
        "getpeername(0, (void *)&peer, &size)",
        "setsockopt(0, SOL_SOCKET, SO_KEEPALIVE, &size, sizeof size)",
        'printf("+OK ready\\r\\n%s\\r\\n", line); alarm(300)',
    ],
)
def test_what_a_service_of_inetd_reads_is_from_outside(tmp_path: Path, begin: str) -> None:
    flows = analyse(built(tmp_path, "mips", SESSION.replace("BEGIN", begin))).flows
    assert [(flow.source.split("@")[0], flow.confidence) for flow in flows] == [("fgets(stdin)", Confidence.MEDIUM)]


@pytest.mark.parametrize(
    "begin", ["setvbuf(stdout, 0, _IOLBF, 0)", "alarm(300)", 'printf("usage: %s FILE\\r\\n", line)']
)
def test_what_a_filter_of_the_command_line_reads_is_not(tmp_path: Path, begin: str) -> None:
    assert analyse(built(tmp_path, "mips", SESSION.replace("BEGIN", begin))).flows == ()
