"""What is written at one end of a pipe and read at the other."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

HELPER = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
typedef struct { int kind, a, b; char text[80]; } job;
static int to_helper;
__attribute__((noinline)) static int post(const job *j) { return write(to_helper, j, sizeof *j) == sizeof *j; }
static void helper(int from) {
    job j;
    char line[160];
    while (read(from, &j, sizeof j) == sizeof j) {
        j.text[sizeof j.text - 1] = 0;
        snprintf(line, sizeof line, FORM);
        system(line);
    }
    _exit(0);
}
int main(void) {
    char text[200];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n, ends[2];
    if (pipe(ends)) return 1;
    if (!fork()) helper(ends[0]);
    to_helper = ends[1];
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, text, sizeof text - 1, 0)) > 0) {
        job j;
        text[n] = 0;
        memset(&j, 0, sizeof j);
        j.kind = 1;
        j.a = atoi(text);
        snprintf(j.text, sizeof j.text, "%s", text + 4);
        post(&j);
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "mips", "armhf"])
def test_a_text_in_a_structure_goes_through_a_pipe_that_another_function_writes(
    tmp_path: Path, architecture: str
) -> None:
    for form, found in (('"echo \\"%s\\" > /etc/TZ", j.text', ["command"]), ('"echo GMT%+d > /etc/TZ", j.a', [])):
        flows = analyse(built(tmp_path, architecture, HELPER.replace("FORM", form), "-Os")).flows
        assert [flow.kind for flow in flows] == found
