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


PRESSED = (
    r"""
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int sock;
static char chime[64] = "dingdong";
static void ring(void) {
    char command[128];
    snprintf(command, sizeof command, "aplay %s", chime);
    system(command);
}
static void *button(void *arg) {
    int last = 0;
    for (;;) {
        char c = '0';
        int fd = open("/sys/class/gpio/gpio5/value", O_RDONLY);
        if (fd >= 0) {
            if (read(fd, &c, 1) != 1) c = '0';
            WRITTEN
            close(fd);
        }
        if (c == '1' && !last) ring();
        last = c == '1';
        usleep(50000);
    }
    return 0;
}
static void take(char *packet, long n) {
    static pthread_t thread;
    if (!thread) pthread_create(&thread, 0, button, 0);
    strncpy(chime, packet + 8, sizeof chime - 1);
}
"""
    + DATAGRAMS
)


@pytest.mark.parametrize("architecture", ["armel", "armhf", "x86-64"])
def test_a_byte_that_was_read_stays_where_a_store_is_not_made(tmp_path: Path, architecture: str) -> None:
    def flows(written: str) -> int:
        return len(analyse(built(tmp_path, architecture, PRESSED.replace("WRITTEN", written), "-lpthread")).flows)

    assert flows("") == 1
    assert flows("c = '0';") == 0
