"""What a check counted or passed, and nothing behind it, is copied."""

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
static int sock;
static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static int taken(char *out, size_t size, char *in) { BODY }
static void take(char *packet, long n) {
    char line[300], out[100];
    if (!taken(out, sizeof out, packet)) return;
    snprintf(line, sizeof line, "tool %s", out);
    system(line);
}
"""
COPY = "if (n == 0 || n >= size) return 0; memcpy(out, in, n); out[n] = 0; return 1;"
HARMLESS = [
    "size_t n = strspn(in, LETTERS);" + COPY,
    'int n = 0; char name[40]; if (sscanf(in, "%39[a-z0-9]%n", name, &n) != 1 || in[n]) return 0;'
    'return snprintf(out, size, "%s", in) > 0;',
]
HARMFUL = [
    "size_t n = strspn(in, LETTERS); if (n > 60) return 0; memcpy(out, in, n + 4); out[n + 4] = 0; return 1;",
    'size_t n = strcspn(in, " \\r\\n");' + COPY,
    'int n = 0; char name[40]; if (sscanf(in, "%39[a-z0-9]%n", name, &n) != 1 || !in[n]) return 0;'
    'return snprintf(out, size, "%s", in) > 0;',
    'int n = 0; char name[40]; if (sscanf(in, "%39[^ ]%n", name, &n) != 1 || in[n]) return 0;'
    'return snprintf(out, size, "%s", in) > 0;',
]
BUILDS = [("x86-64", "-O2"), ("x86-64", "-Os"), ("mips", "-O2"), ("armhf", "-Os")]


def kinds(folder: Path, build: tuple[str, str], body: str) -> list[str]:
    text = HEAD.replace("BODY", body) + DATAGRAMS
    return [flow.kind for flow in analyse(built(folder, build[0], text, build[1])).flows]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", HARMLESS)
def test_what_was_counted_is_what_was_asked_for(tmp_path: Path, build: tuple[str, str], body: str) -> None:
    assert kinds(tmp_path, build, body) == []


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", HARMFUL)
def test_what_lies_behind_it_is_not(tmp_path: Path, build: tuple[str, str], body: str) -> None:
    assert set(kinds(tmp_path, build, body)) == {"command"}
