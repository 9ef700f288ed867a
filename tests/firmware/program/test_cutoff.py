"""Texts that are cut off with a mark (`strcpy(text + 36, "...")`), and buffers whose size is said beside them."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
"""
MARKED = r"""
__attribute__((noipa)) static void show(char *text) {
    char name[40];
    if (strlen(text) >= sizeof name) strcpy(text + sizeof name PLACE, "...");
    strcpy(name, text);
    puts(name);
}
static void take(char *packet, long n) { show(packet); }
"""
GIVEN = r"""
__attribute__((noipa)) static int element(const char *s, const char *tag, char *out, size_t size) {
    const char *begin = strstr(s, tag), *end;
    if (!begin) return 0;
    begin += strlen(tag);
    end = strchr(begin, '<');
    if (!end) return 0;
    size_t n = end - begin;
    if (n >= size) n = size - 1;
    memcpy(out, begin, n);
    out[n] = 0;
    return 1;
}
static void take(char *packet, long n) {
    char text[256];
    if (!element(packet, "<Name>", text, SIZE)) return;
    if (strlen(text) >= 40) strcpy(text + 36, "...");
    puts(text);
}
"""
BUILDS = [("x86-64", "-O2"), ("x86-64", "-Os"), ("mips", "-O2"), ("mips", "-Os"), ("armhf", "-O2"), ("armhf", "-Os")]


def kinds(folder: Path, build: tuple[str, str], text: str) -> set[str]:
    return {flow.kind for flow in analyse(built(folder, build[0], HEAD + text + DATAGRAMS, build[1])).flows}


@pytest.mark.parametrize("build", BUILDS)
def test_a_text_ends_where_a_mark_was_put(tmp_path: Path, build: tuple[str, str]) -> None:
    assert kinds(tmp_path, build, MARKED.replace("PLACE", "- 4")) == set()
    assert kinds(tmp_path, build, MARKED.replace("PLACE", "+ 9")) == {"overflow"}


@pytest.mark.parametrize("build", BUILDS)
def test_what_the_program_says_of_a_buffer_counts_though_it_is_the_width_of_a_number(
    tmp_path: Path, build: tuple[str, str]
) -> None:
    assert kinds(tmp_path, build, GIVEN.replace("SIZE", "sizeof text")) == set()
    assert kinds(tmp_path, build, GIVEN.replace("SIZE", "1000")) == {"overflow"}
