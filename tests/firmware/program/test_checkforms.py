"""Checks of a command's argument in the forms in which people write them, and forms that look alike and let it pass."""

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
static int check(const char *s) { BODY }
static void take(char *packet, long n) {
    char line[300];
    if (!check(packet)) return;
    snprintf(line, sizeof line, "tool %s", packet);
    system(line);
}
"""
HARMLESS = [
    "while (isdigit((unsigned char)*s)) s++; return *s == 0;",
    "if (*s == '+') s++; while (isdigit((unsigned char)*s)) s++; return *s == 0;",
    "const char *p = s; if (*p == '-') p++; if (!*p) return 0;"
    "while (*p) { if (*p < '0' || *p > '9') return 0; p++; } return 1;",
    'size_t n = strspn(s, "0123456789abcdef:"); return n == 17 && s[n] == 0;',
    "return strncmp(s, \"eth\", 3) == 0 && s[3] >= '0' && s[3] <= '9' && s[4] == 0;",
    "return isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]) && s[2] == ':' &&"
    "isdigit((unsigned char)s[3]) && isdigit((unsigned char)s[4]) && s[5] == 0;",
    'if (strcmp(s, "on") && strcmp(s, "off") && strcmp(s, "auto")) return 0; return 1;',
    "size_t n = strlen(s); if (n != 2 && n != 5) return 0; if (s[0] < 'a' || s[0] > 'z' || s[1] < 'a' || s[1] > 'z')"
    "return 0; return n == 2 || (s[2] == '-' && s[3] >= 'A' && s[3] <= 'Z' && s[4] >= 'A' && s[4] <= 'Z');",
    "const char *form = \"dddd-dd-dd dd:dd\"; for (; *form; form++, s++) { if (*form == 'd')"
    "{ if (!isdigit((unsigned char)*s)) return 0; } else if (*s != *form) return 0; } return *s == 0;",
]
HARMFUL = [
    "while (isdigit((unsigned char)*s)) s++; return *s == 0 || *s == ';';",
    "while (isdigit((unsigned char)*s)) s++; return *s != ';';",
    "if (*s == '+') s++; return isdigit((unsigned char)*s);",
    "if (*s == ';') s++; while (isdigit((unsigned char)*s)) s++; return *s == 0;",
    'size_t n = strspn(s, "0123456789abcdef:"); return n == 17;',
    "return strncmp(s, \"eth\", 3) == 0 && s[3] >= '0' && s[3] <= '9';",
    "return isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]) && s[2] == 58;",
    'if (strcmp(s, "on") && strcmp(s, "off") && strncmp(s, "auto", 4)) return 0; return 1;',
    "size_t n = strlen(s); if (n != 2 && n != 5) return 0; if (s[0] < 'a' || s[0] > 'z' || s[1] < 'a' || s[1] > 'z')"
    "return 0; return n == 2 || (s[2] == '-' && s[3] >= 'A' && s[3] <= 'Z');",
    "const char *form = \"dddd-dd-dd dd:dd\"; for (; *form; form++, s++) { if (*form == 'd')"
    "{ if (!isdigit((unsigned char)*s)) return 0; } else if (*s != *form) return 0; } return 1;",
    "const char *form = \"dddd-dd-dd;dd:dd\"; for (; *form; form++, s++) { if (*form == 'd')"
    "{ if (!isdigit((unsigned char)*s)) return 0; } else if (*s != *form) return 0; } return *s == 0;",
    'const char *form = "dddd-dd-dd"; for (; *form; form++, s++) if (!isdigit((unsigned char)*s)) return 0; return 1;',
]
BUILDS = [("x86-64", "-O2"), ("x86-64", "-Os"), ("arm64", "-O2"), ("mips", "-O2"), ("mips", "-Os"), ("armhf", "-Os")]
INLINED = ["", "__attribute__((noinline)) "]


def kinds(folder: Path, build: tuple[str, str], inlined: str, body: str) -> list[str]:
    text = HEAD.replace("static int check", inlined + "static int check").replace("BODY", body) + DATAGRAMS
    return [flow.kind for flow in analyse(built(folder, build[0], text, build[1])).flows]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("inlined", INLINED)
@pytest.mark.parametrize("body", HARMLESS)
def test_what_was_checked_to_its_end_is_harmless(
    tmp_path: Path, build: tuple[str, str], inlined: str, body: str
) -> None:
    assert kinds(tmp_path, build, inlined, body) == []


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("inlined", INLINED)
@pytest.mark.parametrize("body", HARMFUL)
def test_what_was_checked_in_part_is_not(tmp_path: Path, build: tuple[str, str], inlined: str, body: str) -> None:
    assert set(kinds(tmp_path, build, inlined, body)) == {"command"}


LAST = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static void take(char *packet, long n) {
    char line[300], *name = strrchr(packet, '/');
    name = name ? name + 1 : packet;
    for (char *p = name; CHECKED; p++) if (!isalnum((unsigned char)*p)) return;
    snprintf(line, sizeof line, "tool %s", name);
    system(line);
}
"""


@pytest.mark.parametrize("build", BUILDS)
def test_the_last_part_of_a_path_is_what_was_checked(tmp_path: Path, build: tuple[str, str]) -> None:
    for checked, expected in (("*p", []), ("*p && *p != '.'", ["command"])):
        text = LAST.replace("CHECKED", checked) + DATAGRAMS
        assert [flow.kind for flow in analyse(built(tmp_path, build[0], text, build[1])).flows] == expected, checked


SHARED = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static void take(char *packet, long n) {
    char rest[128];
    {
        char word[16];
        if (sscanf(packet, "%15s %127[^\n]", word, rest) != 2 || strcmp(word, "good")) return;
    }
    {
        char line[256];
        snprintf(line, sizeof line, "tool %s", rest);
        system(line);
    }
}
"""


@pytest.mark.parametrize("build", BUILDS)
def test_what_is_put_in_the_place_of_a_checked_text_is_not_checked(tmp_path: Path, build: tuple[str, str]) -> None:
    """Scopes share their place in a frame."""
    [flow] = analyse(built(tmp_path, build[0], SHARED + DATAGRAMS, build[1])).flows
    assert flow.kind == "command"
