"""Words that lead to a handler: by the row of a table, or by what a search found."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

TABLE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int ping(const char *arg) { char c[160]; snprintf(c, sizeof c, "ping -c 1 %s", arg); return system(c); }
static int list(const char *arg) { return puts("nothing"); }
static int stop(const char *arg) { return puts("stopped"); }
static const struct { ROW; int flags; int (*run)(const char *); } verbs[] = {
    {"list", 0, list}, {"reach", 2, ping}, {"stop", 0, stop}, {"halt", 1, stop}};
int main(void) {
    char line[100], word[12]; int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 12) return 0;
        line[n] = 0;
        memcpy(word, line, 11); word[11] = 0;
        for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
            if (!strcmp(verbs[i].name, word)) verbs[i].run(line + 12);
    }
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
@pytest.mark.parametrize("row", ["const char *name", "char name[12]"])
def test_the_word_of_the_row_whose_handler_runs_the_command(tmp_path: Path, architecture: str, row: str) -> None:
    flows = analyse(built(tmp_path, architecture, TABLE.replace("ROW", row))).flows
    assert [flow.magic for flow in flows] == ["reach"]


def test_a_table_of_handlers_without_words_has_none(tmp_path: Path) -> None:
    text = TABLE.replace("ROW", "int number").replace("!strcmp(verbs[i].name, word)", "verbs[i].number == word[0]")
    for number, name in enumerate(("list", "reach", "stop", "halt")):
        text = text.replace(f'{{"{name}",', f"{{{number + 40},")
    assert {flow.magic for flow in analyse(built(tmp_path, "x86-64", text)).flows} == {""}


SOUGHT = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
int main(void) {
    char line[300], c[400], *p; int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        if (n <= 0) return 0;
        line[n] = 0;
        p = strstr(line, "KEY");
        if (TEST) continue;
        snprintf(c, sizeof c, "logger %s", line + 9);
        system(c);
    }
}
"""


@pytest.mark.parametrize("key, test, magic", [("<Host>", "!p", "<Host>"), ("<Host>", "p", ""), ("</", "!p", "")])
def test_what_a_search_must_find_is_told_when_it_is_a_word(tmp_path: Path, key: str, test: str, magic: str) -> None:
    text = SOUGHT.replace("KEY", key).replace("TEST", test)
    assert [flow.magic for flow in analyse(built(tmp_path, "mips", text)).flows] == [magic]


def test_what_a_variable_must_begin_with_is_told_though_it_is_short(tmp_path: Path) -> None:
    text = """
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    int main(void) {
        char c[400];
        const char *query = getenv("QUERY_STRING");
        if (!query || strncasecmp(query, "h=", 2)) return 1;
        snprintf(c, sizeof c, "ping -c 1 %s", query + 2);
        return system(c);
    }
    """
    assert [flow.magic for flow in analyse(built(tmp_path, "mips", text)).flows] == ["h="]
