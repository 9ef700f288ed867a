"""Texts that a function makes byte by byte for its caller: what the caller may then find in them."""

from pathlib import Path

import pytest

from customhouse.firmware.program.analysis import analyse

from .compiled import DATAGRAMS, built

PARAMETER = (
    r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
__attribute__((noipa)) static char *decoded(const char *p, const char *name, char *out, unsigned long size) {
    unsigned long length = strlen(name), n = 0;
    while (*p) {
        if (strncmp(p, name, length) == 0 && p[length] == '=') {
            p += length + 1;
            while (*p && *p != '&' && n < size - 1) {
                unsigned ch = (unsigned char)*p++;
                if (ch == '+') ch = ' ';
                STORE
            }
            out[n] = 0;
            return out;
        }
        p += strcspn(p, "&");
        if (*p) p++;
    }
    return 0;
}
static void take(char *packet, long n) {
    char name[64], command[128];
    if (!decoded(packet, "file", name, sizeof name) || !*name) return;
    snprintf(command, sizeof command, "aplay %s", name);
    system(command);
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_text_that_a_callee_makes_of_letters_is_not_always_empty(
    tmp_path: Path, architecture: str, level: str
) -> None:
    def flows(store: str) -> int:
        text = PARAMETER.replace("STORE", store)
        return len(analyse(built(tmp_path, architecture, text, level)).flows)

    assert flows("out[n++] = (char)ch;") == 1
    assert flows("if (ch >= 48 && ch <= 57) out[n++] = (char)ch;") == 0
