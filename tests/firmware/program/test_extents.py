"""Where things end that texts are put into."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

SETTINGS = """
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
static struct { char name[32]; char host[64]; int zone; } settings;
__attribute__((noinline)) static void preset(void) {
    strcpy(settings.name, "IPC");
    strcpy(settings.host, "time.windows.com");
    settings.zone = 8;
}
__attribute__((noinline)) static int put(const char *text) {
    size_t n = strlen(text);
    if (n == 0 || n >= LIMIT) return -1;
    memcpy(settings.host, text, n + 1);
    return 0;
}
int main(void) {
    char text[800];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    preset();
    while ((n = recv(s, text, sizeof text - 1, 0)) > 0) {
        text[n] = 0;
        if (put(text)) continue;
        printf("%s %s %d", settings.name, settings.host, settings.zone);
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "mipsel", "arm64"])
def test_the_pieces_of_a_constant_string_are_no_things_of_their_own(tmp_path: Path, architecture: str) -> None:
    for limit, found in (("sizeof settings.host", []), ("3 * sizeof settings.host", ["overflow"])):
        flows = analyse(built(tmp_path, architecture, SETTINGS.replace("LIMIT", limit), "-fno-builtin-memcpy")).flows
        assert [flow.kind for flow in flows] == found
