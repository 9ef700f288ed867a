"""How much room a buffer has that is overrun, where that is known for sure."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

HEADERS = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static void __attribute__((noinline)) answer(const char *text) { send(sock, text, strlen(text), 0); }
static void __attribute__((noinline)) put(char *to, const char *text) { strcpy(to, text); }
static struct setting { char name[16], value[24]; int changed; } setting;
static void __attribute__((noinline)) take(char *in, long n) {
    DO
}
"""


def rooms(folder: Path, architecture: str, text: str) -> set[int | None]:
    """The rooms of a program's flows past buffers."""
    flows = analyse(built(folder, architecture, HEADERS.replace("DO", text) + DATAGRAMS, "-fno-builtin")).flows
    assert flows
    return {one.room for one in flows if one.kind == "overflow"}


@pytest.mark.parametrize("architecture", ["arm64", "mipsel"])
@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("char kept[24]; strcpy(kept, in + 5); answer(kept);", 24),
        ("char *kept = malloc(24); strcpy(kept, in + 5); answer(kept);", 24),
        ("char *kept = malloc(24); kept[0] = '/'; strcpy(kept + 1, in + 5); answer(kept);", 23),
        ("strcpy(setting.value, in + 5); setting.changed = 1; answer(setting.value);", 24),
        ("strcpy(setting.name, in + 5); setting.value[0] = 1; setting.changed = 1; answer(setting.value);", 40),
        ("char kept[24], more[40]; strcpy(*in == 'a' ? kept : more, in + 5); answer(kept); answer(more);", None),
        ("static char rows[8][24]; strcpy(rows[*in & 7], in + 5); answer(rows[2]);", None),
    ],
)
def test_the_room_of_a_buffer_is_told_where_there_is_but_one(
    tmp_path: Path, architecture: str, text: str, room: int | None
) -> None:
    assert rooms(tmp_path, architecture, text) == {room}


def test_a_copy_into_buffers_of_several_callers_has_no_room(tmp_path: Path) -> None:
    text = "static char kept[24], more[40]; if (*in == 'a') put(kept, in + 5); else put(more, in + 5); answer(kept);"
    assert rooms(tmp_path, "arm64", text + "answer(more);") == {None}


def test_a_command_has_no_room(tmp_path: Path) -> None:
    text = 'char line[2000]; snprintf(line, sizeof line, "ping %s", in); system(line);'
    (flow,) = analyse(built(tmp_path, "x86-64", HEADERS.replace("DO", text) + DATAGRAMS)).flows
    assert (flow.kind, flow.room) == ("command", None)
