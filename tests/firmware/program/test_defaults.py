"""Texts that were checked, or else are the program's own: a getter's default, NULL where the check failed."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built, sided

from customhouse.firmware.program.analysis import analyse

VALUES = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int sock, count;
static struct { char *name, *value; } pairs[9];
KEPT static char *get(const char *name) {
    for (int i = 0; i < count; i++)
        if (!strcmp(pairs[i].name, name)) return pairs[i].value;
    return "";
}
"""
GETTER = (
    VALUES
    + r"""
__attribute__((noipa)) static const char *host(void) {
    const char *a = get("host");
    struct in_addr v4;
    struct in6_addr v6;
    if (CHECK) return ELSE;
    return a;
}
static void take(char *packet, long n) {
    char line[400];
    for (count = 0; count < 9; count++) {
        if (!(pairs[count].name = strtok(count ? 0 : packet, "="))) break;
        pairs[count].value = strtok(0, "&");
    }
    const char *who = host();
    int times = atoi(get("times"));
    if (!who) return;
    snprintf(line, sizeof line, "probe -n %d %s", times, who);
    system(line);
}
"""
    + DATAGRAMS
)
CHECKS = {
    "one": ("inet_pton(2, a, &v4) != 1", 'strcmp(a, "none") == 0'),
    "either": ("inet_pton(2, a, &v4) != 1 && inet_pton(10, a, &v6) != 1", "inet_pton(2, a, &v4) == 1 && *a"),
}


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("otherwise", ["0", '"localhost"'])
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("kept", ["", "__attribute__((noipa))"])
@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_what_a_getter_gives_by_default_needs_no_check(
    tmp_path: Path, architecture: str, kept: str, check: str, otherwise: str, level: str
) -> None:
    for true in (True, False):
        text = sided(GETTER, {"CHECK": CHECKS[check]}, true).replace("ELSE", otherwise).replace("KEPT", kept)
        flows = [one.command for one in analyse(built(tmp_path, architecture, text, level)).flows]
        assert flows == (["probe -n %d %s"] if true else [])


COPIES = (
    r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int sock;
static struct job { char url[256]; long due; int pending; } *job;
__attribute__((noipa)) static int between(const char *b, const char *e, char *out, int most) {
    int n = 0;
    while (b < e && n < most - 1) out[n++] = *b++;
    out[n] = 0;
    return n;
}
static int fine(const char *u) {
    for (; *u; u++)
        if (TEST) return 0;
    return 1;
}
__attribute__((noipa)) static void start(struct job *j) {
    char line[400];
    snprintf(line, sizeof line, "fetch %s", j->url);
    system(line);
}
static void take(char *packet, long n) {
    char url[256], *e = strstr(packet, "</u>");
    if (!job) job = calloc(1, sizeof *job);
    if (!e || !job) return;
    TAKEN;
    if (!fine(url)) return;
    PUT;
    job->due = n;
    start(job);
}
"""
    + DATAGRAMS
)
TAKEN = (
    "between(packet, e, url, sizeof url)",
    "if (e - packet > 100) return; memcpy(url, packet, e - packet); url[e - packet] = 0",
)
PUT = ("memcpy(job->url, url, sizeof url)", "strcpy(job->url, url)")


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize(("taken", "put"), [(TAKEN[0], PUT[0]), (TAKEN[0], PUT[1]), (TAKEN[1], PUT[1])])
@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_a_part_of_a_text_that_is_copied_out_and_checked(
    tmp_path: Path, architecture: str, taken: str, put: str, level: str
) -> None:
    """Its first byte may be the NUL that was put behind it: the check looks at the byte that lies there."""
    for true in (True, False):
        test = {"TEST": ("!isalnum((unsigned char)*u)", "!isprint((unsigned char)*u)")}
        text = sided(COPIES, test, true).replace("TAKEN", taken).replace("PUT", put)
        flows = [one.command for one in analyse(built(tmp_path, architecture, text, level)).flows if one.command]
        assert flows == (["fetch %s"] if true else [])
