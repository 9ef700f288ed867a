"""Checks whose outcome is a number: what the compiler makes of a comparison that is given back, and of its test."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

HEAD = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
__attribute__((noinline)) static int check(const char *s) { CHECK; }
int main(void) {
    char text[200], line[300];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, text, sizeof text - 1, 0)) > 0) {
        text[n] = 0;
        if (check(text) REFUSED) continue;
        snprintf(line, sizeof line, "tool %s", text);
        system(line);
    }
    return 0;
}
"""
HARMLESS = [
    ('return !strcmp(s, "TCP") || !strcmp(s, "UDP") ? 0 : -1', "< 0"),
    ('return !strcmp(s, "TCP") || !strcmp(s, "UDP") ? 0 : -1', "== -1"),
    ('return s[strspn(s, "0123456789.")] == 0 ? 5 : 2', "!= 5"),
    ('return -(strpbrk(s, ";|&`$\\n<>()\\\\ ") != NULL)', "< 0"),
    ('size_t n = strlen(s); return n > 0 && n < 40 && strspn(s, "0123456789abcdef") == n', "== 0"),
    ("return strchr(s, ' ') ? -1 : inet_addr(s)", "== -1"),
    ('struct in_addr a; return s[strcspn(s, " \\t\\n")] == 0 && inet_aton(s, &a)', "== 0"),
    ("struct in_addr a; return inet_pton(AF_INET, s, &a)", "!= 1"),
]
HARMFUL = [
    ('return !strcmp(s, "TCP") || s[0] == 85 ? 0 : -1', "< 0"),
    ('return s[strspn(s, "0123456789.")] != 0 ? 5 : 2', "!= 5"),
    ('return -(strpbrk(s, ";|&") != NULL)', "< 0"),
    ('size_t n = strlen(s); return n > 0 && n < 40 && strspn(s, "0123456789abcdef;") == n', "== 0"),
    ("return inet_addr(s)", "!= -1"),
    # glibc takes anything behind a blank: "1.2.3.4 ;reboot"
    ("return inet_addr(s)", "== -1"),
    ("struct in_addr a; return inet_aton(s, &a)", "== 0"),
    ("struct in_addr a; return inet_pton(AF_INET, s, &a)", "== 1"),
]


def flows(folder: Path, architecture: str, check: str, refused: str) -> list[str]:
    text = HEAD.replace("CHECK", check).replace("REFUSED", refused)
    return [flow.kind for flow in analyse(built(folder, architecture, text)).flows]


@pytest.mark.parametrize("architecture", ["x86-64", "arm64", "armhf", "mips"])
def test_a_number_that_is_made_of_a_comparison_tells_what_that_tells(tmp_path: Path, architecture: str) -> None:
    for check, refused in HARMLESS:
        assert flows(tmp_path, architecture, check, refused) == [], check


@pytest.mark.parametrize("architecture", ["x86-64", "arm64", "armhf", "mips"])
def test_a_number_of_a_comparison_that_lets_a_shell_in_tells_nothing(tmp_path: Path, architecture: str) -> None:
    for check, refused in HARMFUL:
        assert flows(tmp_path, architecture, check, refused) == ["command"], check
