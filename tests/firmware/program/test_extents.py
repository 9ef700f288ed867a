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


RELAY = """
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int tty;
static unsigned crc16(const unsigned char *p, int n) {
    unsigned c = 0xffff;
    for (int i = 0; i < n; i++) { c ^= p[i]; for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0xa001 : c >> 1; }
    return c;
}
static int ask(const unsigned char *request, int n, unsigned char *answer, int room) {
    unsigned short sum = crc16(request, n);
    int got = 0, r;
    if (write(tty, request, n) != n || write(tty, &sum, 2) != 2) return -1;
    while (got < room) { if ((r = read(tty, answer + got, room - got)) <= 0) break; got += r; }
    if (got < 4 || answer[got - 1] != (crc16(answer, got - 2) & 255)) return -1;
    return got - 2;
}
int main(void) {
    unsigned char request[256], answer[256], head[2];
    int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0), n;
    while (recv(s, head, 2, 0) == 2) {
        n = head[0] << 8 | head[1];
        if (n < 2 || n > MOST) break;
        request[0] = 1;
        if (recv(s, request + 1, n - 1, 0) < 0) break;
        n = ask(request, n, answer, sizeof answer);
        if (n > 0) send(s, answer, n, 0);
    }
}
"""


@pytest.mark.parametrize("architecture", ["armel", "armhf"])
def test_what_counts_on_from_the_end_of_another_loop_begins_where_its_buffer_does(
    tmp_path: Path, architecture: str
) -> None:
    for most, found in (("256", []), ("1024", ["overflow"])):
        flows = analyse(built(tmp_path, architecture, RELAY.replace("MOST", most))).flows
        assert [flow.kind for flow in flows] == found


MESSAGES = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
struct job { int op, a; char text[80]; };
__attribute__((noinline)) static int text(const char *from, const char *name, char *to, size_t room) {
    const char *begin = strstr(from, name), *end;
    if (!begin) return -1;
    begin += strlen(name);
    begin += strspn(begin, "\" :");
    end = strchr(begin, '"');
    if (!end || CHECK) return -1;
    memcpy(to, begin, end - begin);
    to[end - begin] = 0;
    return 0;
}
__attribute__((noinline)) static int login(const char *user) { return puts(user); }
int main(void) {
    char packet[1500];
    struct sockaddr_in here = { AF_INET, htons(7000) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    bind(s, (void *)&here, sizeof here);
    while ((n = recv(s, packet, sizeof packet - 1, 0)) > 0) {
        packet[n] = 0;
        if (packet[0] == 'L') {
            char user[92];
            if (!text(packet, "User", user, sizeof user)) login(user);
        } else {
            struct job job;
            char zone[80];
            memset(&job, 0, sizeof job);
            if (text(packet, "Zone", zone, sizeof zone)) continue;
            snprintf(job.text, sizeof job.text, "%s", zone);
            write(1, &job, sizeof job);
        }
    }
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "mips", "armhf"])
def test_a_distance_that_was_compared_with_the_size_of_a_buffer_fits_whatever_else_has_its_place(
    tmp_path: Path, architecture: str
) -> None:
    for check, found in (("(size_t)(end - begin) >= room", []), ("(size_t)(end - begin) >= 8 * room", ["overflow"])):
        flows = analyse(built(tmp_path, architecture, MESSAGES.replace("CHECK", check), "-Os")).flows
        assert [flow.kind for flow in flows] == found
