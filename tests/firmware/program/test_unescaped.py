"""Texts that are changed where they lie after they were checked: what a name or a number stood for was not checked."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

PROGRAM = r"""
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
ATTRIBUTE static void change(char *s) { char *d = s; FORM *d = 0; }
static int harmless(const char *u) {
    for (; *u; u++) if (*u == '\'' || *u == '\\' || iscntrl((unsigned char)*u)) return 0;
    return 1;
}
int main(void) {
    static char text[500];
    char uri[400], command[700];
    int s = socket(AF_INET, SOCK_DGRAM, 0), n;
    while ((n = recv(s, text, 399, 0)) > 0) {
        text[n] = 0;
        strcpy(uri, text);
        ORDER
        snprintf(command, sizeof command, "play '%s'", uri);
        system(command);
    }
    return 0;
}
"""
TABLE = (
    "static const struct { const char *name; char c; } names[] = { { \"&amp;\", '&' }, { \"&lt;\", '<' },"
    " { \"&quot;\", '\"' }, { \"&apos;\", '\\'' } };"
)
FORMS = {
    "one name": "while (*s) { if (!strncmp(s, \"&apos;\", 6)) { *d++ = '\\''; s += 6; } else *d++ = *s++; }",
    "several names": "while (*s) { if (!strncmp(s, \"&amp;\", 5)) { *d++ = '&'; s += 5; }"
    " else if (!strncmp(s, \"&apos;\", 6)) { *d++ = '\\''; s += 6; } else *d++ = *s++; }",
    "a table of names": TABLE
    + "unsigned i; while (*s) { for (i = 0; i < 4; i++) if (!strncmp(s, names[i].name, strlen(names[i].name))) break;"
    " if (i < 4) { *d++ = names[i].c; s += strlen(names[i].name); } else *d++ = *s++; }",
    "numbers": "while (*s) { if (*s == '%' && s[1] && s[2]) { char h[3] = { s[1], s[2], 0 };"
    " *d++ = strtol(h, 0, 16); s += 3; } else *d++ = *s++; }",
    "blanks are left out": "while (*s) { if (*s == ' ') s++; else *d++ = *s++; }",
}


@pytest.mark.parametrize(
    "architecture, attribute", [("x86-64", "__attribute__((noinline))"), ("mips", ""), ("armel", "")]
)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_put_into_a_checked_text_was_not_checked(
    tmp_path: Path, form: str, architecture: str, attribute: str
) -> None:
    program = PROGRAM.replace("ATTRIBUTE", attribute).replace("FORM", FORMS[form])
    for order, true in (
        ("change(uri); if (!harmless(uri)) continue;", False),
        ("if (!harmless(uri)) continue; change(uri);", form != "blanks are left out"),
    ):
        found = analyse(built(tmp_path, architecture, program.replace("ORDER", order), "-Os"))
        assert bool(found.flows) == true, order
