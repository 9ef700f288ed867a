"""Loops that quote or escape a text for the shell: what they leave harmless, and their twins that forget something."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

PROGRAM = r"""
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
LOOP
int main(void) {
    struct sockaddr_in me;
    char in[256], out[1100], line[1400];
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41236);
    if (bind(s, (struct sockaddr *)&me, sizeof me)) return 1;
    for (;;) {
        long n = recv(s, in, sizeof in - 1, 0);
        if (n <= 0) continue;
        in[n] = 0;
        quote(out, sizeof out, in);
        snprintf(line, sizeof line, "ls COMMAND", out);
        system(line);
    }
}
"""
BETWEEN_SINGLE = r"""
static void quote(char *o, size_t cap, const char *s) {
    char *end = o + cap - 8;
    *o++ = '\'';
    for (; *s && o < end; s++) { ROUND }
    *o++ = '\'';
    *o = 0;
}
"""
BETWEEN_DOUBLE = r"""
static void quote(char *o, size_t cap, const char *s) {
    size_t n = 0;
    o[n++] = '"';
    for (; *s && n + 4 < cap; s++) { if (ROUND) o[n++] = '\\'; o[n++] = *s; }
    o[n++] = '"';
    o[n] = 0;
}
"""
BARE = r"""
static void quote(char *o, size_t cap, const char *s) {
    char *end = o + cap - 8;
    while (*s && o < end) { ROUND }
    *o = 0;
}
"""
FORMS = {
    "written byte by byte": (
        BETWEEN_SINGLE,
        "%s",
        r"if (*s == '\'') { *o++ = '\''; *o++ = '\\'; *o++ = '\''; *o++ = '\''; } else *o++ = *s;",
        r"if (*s == '\'') { *o++ = '\\'; *o++ = '\''; } else *o++ = *s;",
    ),
    "written as one word": (
        BETWEEN_SINGLE,
        "%s",
        r"""if (*s == '\'') { memcpy(o, "'\\''", 4); o += 4; } else *o++ = *s;""",
        r"""if (*s == '\'') { memcpy(o, "\\'", 2); o += 2; } else *o++ = *s;""",
    ),
    "quoted in other quotes": (
        BETWEEN_SINGLE,
        "%s",
        r"""if (*s == '\'') { memcpy(o, "'\"'\"'", 5); o += 5; } else *o++ = *s;""",
        r"""if (*s == '\'') { memcpy(o, "'\"'", 3); o += 3; } else *o++ = *s;""",
    ),
    "left out": (BETWEEN_SINGLE, "%s", r"if (*s != '\'') *o++ = *s;", r"if (*s != '\"') *o++ = *s;"),
    "escaped in double quotes": (
        BETWEEN_DOUBLE,
        "%s",
        r"*s == '\"' || *s == '\\' || *s == '`' || *s == '$'",
        r"*s == '\"' || *s == '\\' || *s == '`'",
    ),
    "looked for": (BETWEEN_DOUBLE, "%s", r'strchr("\"\\`$", *s)', r'strchr("\"`$", *s)'),
    "run by run": (
        BARE,
        "'%s'",
        r"""while (*s && *s != '\'' && o < end) *o++ = *s++;
            if (*s == '\'') { o = stpcpy(o, "'\\''"); s++; }""",
        r"""while (*s && *s != '\'' && o < end) *o++ = *s++;
            if (*s == '\'') { o = stpcpy(o, "\\'"); s++; }""",
    ),
    "all but letters": (
        BARE,
        "%s",
        r"if (iscntrl((unsigned char)*s)) break; if (!isalnum((unsigned char)*s)) *o++ = '\\'; *o++ = *s++;",
        r"""if (*s == '\n') break; if (strchr(" ;|&<>'\"\\*?[]()#!", *s)) *o++ = '\\'; *o++ = *s++;""",
    ),
    "by the template's quotes": (
        BARE,
        "'%s'",
        r"""if (*s == '\'') { strcpy(o, "'\\''"); o += 4; s++; } else *o++ = *s++;""",
        r"if (*s == '\'' || *s == '\\') *o++ = '\\'; *o++ = *s++;",
    ),
}


def flows(folder: Path, architecture: str, loop: str, command: str) -> list[str]:
    text = PROGRAM.replace("LOOP", loop).replace("COMMAND", command)
    return [one.sink.partition("@")[0] for one in analyse(built(folder, architecture, text)).flows]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
def test_a_text_that_is_quoted_to_its_end_is_harmless_and_one_that_is_not_is_not(
    tmp_path: Path, architecture: str, form: str
) -> None:
    loop, command, harmless, wrong = FORMS[form]
    assert flows(tmp_path, architecture, loop.replace("ROUND", harmless), command) == []
    assert flows(tmp_path, architecture, loop.replace("ROUND", wrong), command) == ["system"]


@pytest.mark.parametrize("architecture", ["armhf", "x86-64"])
def test_what_is_quoted_for_one_place_is_not_for_another(tmp_path: Path, architecture: str) -> None:
    loop, _command, harmless, _wrong = FORMS["by the template's quotes"]
    loop = loop.replace("ROUND", harmless)
    assert flows(tmp_path, architecture, loop, "'%s'") == []
    assert flows(tmp_path, architecture, loop, "%s") == ["system"]
    assert flows(tmp_path, architecture, loop, '\\"%s\\"') == ["system"]


@pytest.mark.parametrize("architecture", ["armhf", "mipsel", "x86-64"])
def test_a_loop_that_quotes_only_while_a_variable_says_so_is_not_harmless(tmp_path: Path, architecture: str) -> None:
    round_ = r"""if (*s == '\''TEST) { memcpy(o, "'\\''", 4); o += 4; } else *o++ = *s;"""
    always, asked = (BETWEEN_SINGLE.replace("ROUND", round_.replace("TEST", one)) for one in ("", " && !raw"))
    assert flows(tmp_path, architecture, "int raw;" + always, "%s") == []
    assert flows(tmp_path, architecture, "int raw;" + asked, "%s") == ["system"]


@pytest.mark.parametrize("architecture", ["armel", "x86-64"])
def test_what_follows_behind_the_quote_is_seen(tmp_path: Path, architecture: str) -> None:
    round_ = r"if (*s == '\'') { *o++ = '\''; *o++ = '\\'; *o++ = '\''; } *o++ = *s;"
    loop = BETWEEN_SINGLE.replace("ROUND", round_)
    assert flows(tmp_path, architecture, loop, "%s") == []
    assert flows(tmp_path, architecture, loop.replace("*o = 0;", "while (*s) *o++ = *s++; *o = 0;"), "%s") == ["system"]
