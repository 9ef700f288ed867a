"""Lines taken apart into words, in an array of pointers that handlers are given."""

from pathlib import Path

import pytest
from tests.firmware.program.build import ARCHITECTURES
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

DISPATCHED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int ping(int n, char **a) {
    char c[128];
    if (n < 3) return 0;
    for (int i = 1; i + 1 < n; i += 2) {
        if (CHECK) return -1;
        snprintf(c, sizeof c, "ping -c 1 %s", a[WORD]);
        system(c);
    }
    return 0;
}
static int stop(int n, char **a) { return puts("stopped"); }
static const struct { const char *name; int (*run)(int, char **); } verbs[] = {{"ping", ping}, {"stop", stop}};
int main(void) {
    char line[300], *words[16], *t; int s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    for (;;) {
        long n = recv(s, line, sizeof line - 1, 0);
        int count = 0;
        if (n <= 0) return 0;
        line[n] = 0;
        for (t = strtok(line, " "); t && count < 16; t = strtok(NULL, " ")) words[count++] = t;
        if (!count) continue;
        for (int i = 0; i < 2; i++) if (!strcmp(verbs[i].name, words[0])) verbs[i].run(count, words);
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("word", ["1", "i + 1"])
def test_a_word_of_a_line_is_found_in_the_vector_of_words(tmp_path: Path, architecture: str, word: str) -> None:
    text = DISPATCHED.replace("CHECK", "0").replace("WORD", word)
    flows = analyse(built(tmp_path, architecture, text)).flows
    assert {(flow.sink.split("@")[0], flow.command) for flow in flows} == {("system", "ping -c 1 %s")}


@pytest.mark.parametrize("architecture", ["x86-64", "armhf"])
@pytest.mark.parametrize("word", ["1", "i + 1"])
def test_a_word_that_was_checked_in_the_vector_is_no_flow(tmp_path: Path, architecture: str, word: str) -> None:
    text = DISPATCHED.replace("CHECK", 'strspn(a[WORD], "0123456789.") != strlen(a[WORD])').replace("WORD", word)
    assert analyse(built(tmp_path, architecture, text)).flows == ()
