"""Tags read one after the other into one structure, as ASN.1 and BACnet have them: a short length stands in the tag."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.analysis import analyse

TEXT = r"""
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
struct tag { uint8_t number, opens; uint32_t length; };
struct cursor { const uint8_t *p; size_t left; };
static int sock;
char kept[64];
__attribute__((noipa)) static int head(struct cursor *c, struct tag *t) {
    if (c->left < 1) return -1;
    uint8_t b = *c->p++;
    c->left--;
    t->number = b >> 4;
    t->opens = b >> 3 & 1;
    t->length = b & 7;
    if (t->number == 15) return -1;
    if (t->opens && t->length >= 6) { t->length = 0; return 1; }
    if (t->length == 5) {
        if (c->left < 1) return -1;
        t->length = *c->p++;
        c->left--;
    }
    return t->length > c->left ? -1 : 0;
}
static void rename_it(const uint8_t *p, uint32_t length) {
    char name[64];
    if (length < 2 TOO_LONG || p[0] != 0) return;
    p++;
    length--;
    memset(name, 0, sizeof name);
    memcpy(name, p, length);
    name[63] = 0;
    if (strcmp(kept, name)) memcpy(kept, name, sizeof kept);
}
static void take(char *packet, long n) {
    struct cursor c = { (uint8_t *)packet, n };
    struct tag t;
    if (head(&c, &t) != 1 || t.number != 3 || head(&c, &t) != 0) return;
    if (t.number == 7) rename_it(c.p, t.length);
}
"""


@pytest.mark.parametrize("architecture", ["x86-64", "armhf", "mips"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_the_second_tag_takes_the_place_of_the_first(tmp_path: Path, architecture: str, level: str) -> None:
    """What the first one was asked for says nothing of the second."""
    text = (TEXT + DATAGRAMS).replace("TOO_LONG", "")
    [flow] = analyse(built(tmp_path, architecture, text, level)).flows
    assert flow.kind == "overflow"


@pytest.mark.parametrize("architecture", ["x86-64", "armhf", "mips"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_length_that_is_one_of_two_has_the_bound_of_a_test(tmp_path: Path, architecture: str, level: str) -> None:
    text = (TEXT + DATAGRAMS).replace("TOO_LONG", "|| length > 64")
    assert analyse(built(tmp_path, architecture, text, level)).flows == ()
