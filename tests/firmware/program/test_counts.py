"""Checks that count: how many entries of a list a text is, how many of its letters are wrong."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock, asked;
static const char *const names[] = { "logread", "dmesg", "free", "df -h" };
__attribute__((noipa)) static void run(const char *argument) {
    char line[300];
    unsigned long i, known = 0;
    CHECK
    snprintf(line, sizeof line, "%s", argument);
    system(line);
}
static void take(char *packet, long n) { run(packet); }
"""
EVERY = "for (i = 0; i < 4; i++) if (strcmp(argument, names[i]) == 0) known++;"
HARMLESS = [
    EVERY + "if (known == 0) return;",
    EVERY + "if (known < 1) return;",
    EVERY + "asked += known; if (!known) { asked--; return; }",
]
HARMFUL = [
    EVERY + "if (known != 0) return;",
    EVERY + "known++; if (known == 0) return;",
    EVERY.replace("strcmp(argument, names[i])", "strncmp(argument, names[i], strlen(names[i]))")
    + "if (!known) return;",
    EVERY + "asked += known; if (!asked) return;",
    "for (i = 0; argument[i]; i++) if (isalnum((unsigned char)argument[i])) known++; if (known == 0) return;",
    'if (!strcmp(argument, "on")) known++; if (argument[0] == 111) known += 2; if (!known) return;',
]


@pytest.mark.parametrize("architecture", ["x86-64", "arm64", "armel", "mips"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("check", HARMLESS)
def test_what_was_counted_is_one_of_the_list(tmp_path: Path, architecture: str, level: str, check: str) -> None:
    assert analyse(built(tmp_path, architecture, HEAD.replace("CHECK", check) + DATAGRAMS, level)).flows == ()


@pytest.mark.parametrize("architecture", ["x86-64", "arm64", "armel", "mips"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("check", HARMFUL)
def test_a_count_of_something_else_says_nothing(tmp_path: Path, architecture: str, level: str, check: str) -> None:
    [flow] = analyse(built(tmp_path, architecture, HEAD.replace("CHECK", check) + DATAGRAMS, level)).flows
    assert flow.kind == "command"
