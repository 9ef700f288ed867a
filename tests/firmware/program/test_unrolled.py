"""Tables that say of each entry who checks a value and under which key it is kept."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.lift import Block, Exit
from customhouse.firmware.program.recovery import Function
from customhouse.firmware.program.unrolled import write_out

FORM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct item { struct item *next; char *value; char key[1]; };
static struct item *items;
static struct item *find(const char *key) {
    struct item *it;
    for (it = items; it; it = it->next) if (!strcmp(it->key, key)) return it;
    return NULL;
}
static void keep(const char *key, const char *value) {
    struct item *it = find(key);
    char *copy = strdup(value);
    if (!copy) return;
    if (it) { free(it->value); it->value = copy; return; }
    it = malloc(sizeof *it + strlen(key));
    if (!it) { free(copy); return; }
    strcpy(it->key, key);
    it->value = copy;
    it->next = items;
    items = it;
}
static const char *get(const char *key, const char *other) {
    struct item *it = find(key);
    return it && it->value[0] ? it->value : other;
}
static int text(const char *s) {
    for (; *s; s++) if ((unsigned char)*s < 32) return 0;
    return 1;
}
static int word(const char *s) { return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789")]; }
static int digits(const char *s) { return *s && !s[strspn(s, "0123456789")]; }
static const struct { const char *name, *key; int (*valid)(const char *); } fields[] = {
    { "name", "share.name", NAME },
    { "note", "share.note", NOTE },
    { "quota", "share.quota", digits },
};
int main(void) {
    static char body[2000];
    char command[300], *pair, *value;
    if (!getenv("REQUEST_METHOD")) return 1;
    body[fread(body, 1, sizeof body - 1, stdin)] = 0;
    for (pair = strtok(body, "&"); pair; pair = strtok(NULL, "&")) {
        if (!(value = strchr(pair, '='))) continue;
        *value++ = 0;
        for (size_t i = 0; i < 3; i++) {
            if (strcmp(pair, fields[i].name)) continue;
            if (!fields[i].valid(value)) return 1;
            keep(fields[i].key, value);
        }
    }
    printf("note: %s\n", get("share.note", ""));
    snprintf(command, sizeof command, "mkdir -p /srv/%s", get("share.name", "share"));
    return system(command);
}
"""


@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("mips", "-Os"), ("armhf", "-O2")])
def test_a_value_is_as_harmless_as_the_check_beside_its_key(tmp_path: Path, architecture: str, level: str) -> None:
    for name, note, flows in (("word", "text", 0), ("text", "word", 1)):
        program = built(tmp_path, architecture, FORM.replace("NAME", name).replace("NOTE", note), level)
        assert len(analyse(program).flows) == flows


def test_the_first_rounds_of_a_loop_get_blocks_of_their_own() -> None:
    """0x10 leads to a loop of 0x20 and 0x30, which is left for 0x40."""
    blocks = [
        Block(0x10, [], [], Exit("fall", next=0x20), 0x20),
        Block(0x20, [], [], Exit("cond", 1, 0x40, 0x30), 0x30),
        Block(0x30, [], [], Exit("call", target=0x20, next=0x20, site=0x3C), 0x40),
        Block(0x40, [], [], Exit("ret"), 0x50),
    ]
    after = {0x10: (0x20,), 0x20: (0x30, 0x40), 0x30: (0x20,), 0x40: ()}
    function = Function(0x10, {one.address: one for one in blocks}, [0x10, 0x20, 0x30, 0x40], dict(after))
    write_out(function, 0x20, {0x20, 0x30}, 2)
    first, second = (1 << 48), (2 << 48)
    assert function.successors[0x10] == (0x20 + first,)
    assert function.successors[0x20 + first] == (0x30 + first, 0x40)
    assert function.successors[0x30 + first] == (0x20 + second,)
    assert function.successors[0x30 + second] == (0x20,)
    assert {one: function.successors[one] for one in (0x20, 0x30)} == {one: after[one] for one in (0x20, 0x30)}
    assert function.blocks[0x10].exit.next == 0x20 + first
    assert function.blocks[0x20 + second].exit[2:4] == (0x40, 0x30 + second)
    assert function.blocks[0x30 + first].exit == Exit("call", target=0x20, next=0x20 + second, site=0x3C)
    assert sorted(function.order) == sorted(function.blocks)
