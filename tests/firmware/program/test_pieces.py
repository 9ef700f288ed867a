"""Pieces put one behind the other: what bounds each of them alone does not bound where the last one ends."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built
from tests.firmware.program.test_bounds import conditions, terms

from customhouse.firmware.program import bounds, fold
from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.conditions import Conditions
from customhouse.firmware.program.join import join
from customhouse.firmware.program.lift import ADD, BAND, EQ, LE, NE, OR, SELECT, SHL, SHR, SUB
from customhouse.firmware.program.state import State
from customhouse.firmware.program.terms import OP, STACK, Terms

__all__ = ["conditions", "terms"]

PROGRAM = r"""
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static uint8_t in[1400];
static char line[300];
static unsigned fill;
static int read_all(int s) { return recv(s, in, sizeof in, 0); }
TAKE
int main(void) {
    struct sockaddr_in me;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41234);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) return 1;
    for (;;) {
        int n = read_all(s);
        if (n > 300) take(in, n);
    }
}
"""
LABELS = r"""
static int labels(const uint8_t *p, unsigned left, char *out, unsigned cap) {
    unsigned n = 0;
    while (left > 1 && *p) {
        unsigned l = *p++;
        left--;
        if (l > left || %s) return -1;
        if (n) out[n++] = '/';
        memcpy(out + n, p, l);
        n += l; p += l; left -= l;
    }
    out[n] = 0;
    return n;
}
static void take(const uint8_t *p, int n) { char name[128]; if (labels(p, n, name, sizeof name) > 0) puts(name); }
"""
SHRINKING = r"""
static void take(const uint8_t *p, int left) {
    char out[256];
    int used = 0, room = sizeof out;
    while (left >= 2) {
        int l = p[0] << 8 | p[1], whole = l + 2;
        if (l > left - 2) return;
        if (l > 200) l = 200;
        %s
        memcpy(out + used, p + 2, l);
        used += l; left -= whole; p += whole;
    }
    write(1, out, used);
}
"""
FIELDS = r"""
static void take(const uint8_t *p, int n) {
    char out[64];
    unsigned i, used = 0;
    for (i = 0; i < %s; i++) {
        const uint8_t *f = p + 2 + i * 17;
        if (f[0] > 16) return;
        memcpy(out + used, f + 1, f[0]);
        used += f[0];
    }
    write(1, out, used);
}
"""
GLOBAL = r"""
__attribute__((noinline)) static void put(const uint8_t *p, unsigned l) {
    %s
    if (l > 64) l = 64;
    memcpy(line + fill, p, l);
    fill += l;
}
static void take(const uint8_t *p, int n) {
    int i = 0;
    fill = 0;
    while (i < n) {
        unsigned l = p[i];
        if (i + 1 + (int)l > n) break;
        put(p + i + 1, l);
        i += 1 + l;
    }
    write(1, line, fill);
}
"""
RECORDS = r"""
struct link { int fd; uint16_t fill; uint8_t frame[260]; };
static struct link links[4];
__attribute__((noinline)) static void record(const uint8_t *p, unsigned n) {
    uint8_t out[64];
    memset(out, 255, sizeof out);
    memcpy(out, p, n);
    write(1, out, sizeof out);
}
__attribute__((noinline)) static void frame(struct link *c) {
    unsigned len, bytes, off = 2, total;
    int n = recv(c->fd, c->frame + c->fill, sizeof c->frame - c->fill, 0);
    if (n <= 0) return;
    c->fill += n;
    len = c->frame[4] << 8 | c->frame[5];
    if (c->fill < len + 6 || len < 2) return;
    total = c->frame[8] + 2u;
    if (total > len - 1) return;
    while (off + 7 <= total) {
        const uint8_t *s = c->frame + 7 + off;
        bytes = (s[5] << 8 | s[6]) * 2u;
        if (bytes > total - off - 7 %s) return;
        record(s + 7, bytes);
        off += 7 + bytes;
    }
}
static void take(const uint8_t *p, int n) {
    int i;
    for (i = 0; i < 4; i++) if (links[i].fd == p[0]) frame(&links[i]);
}
"""
FORMS = {
    "each alone, or with what lies there already": (LABELS, "l + 2 > cap", "n + l + 2 > cap"),
    "cut down, or to the room that is left": (SHRINKING, "", "if (l > room) l = room; room -= l;"),
    "as many as the sender says, or four": (FIELDS, "p[1]", "4"),
    "records of a frame that came in pieces": (RECORDS, "", "|| bytes > 64"),
}
ARCHITECTURES = ("x86-64", "mips")


def kinds(program: bytes) -> set[str]:
    return {flow.kind for flow in analyse(program).flows}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("form", FORMS)
def test_pieces_pass_the_end_unless_what_lies_there_counts(tmp_path: Path, architecture: str, form: str) -> None:
    text, alone, together = FORMS[form]
    options = ("-Os", "-fno-builtin-memcpy")
    assert kinds(built(tmp_path, architecture, PROGRAM.replace("TAKE", text % alone), *options)) == {"overflow"}
    assert kinds(built(tmp_path, architecture, PROGRAM.replace("TAKE", text % together), *options)) == set()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_buffer_that_is_emptied_before_it_is_full_holds_one_more_piece(tmp_path: Path, architecture: str) -> None:
    text = GLOBAL % "if (fill + 64 > sizeof line) fill = 0;"
    assert kinds(built(tmp_path, architecture, PROGRAM.replace("TAKE", text))) == set()


def test_what_a_piece_is_at_most_on_each_way_it_is_behind_them(terms: Terms) -> None:
    """On one way it was compared with what is left of 64, on the other with 64."""
    length, used = terms.load(terms.param(0), 0, 0, 4), terms.load(terms.param(0), 4, 0, 4)
    left = fold.binary(terms, SUB, terms.const(64), used, 4)
    one, other = State(), State()
    one.registers, other.registers = {1: left}, {1: terms.const(64)}
    one.facts = frozenset({("most", length, left, 0)})
    other.ranges = {length: (0, 64)}
    behind = join(terms, 1, 2, [one, other], frozenset(), {})
    assert ("most", length, behind.registers[1], 0) in behind.facts
    del other.ranges[length]
    assert not join(terms, 1, 3, [one, other], frozenset(), {}).facts


def test_a_word_of_memory_is_known_when_every_way_knows_it(terms: Terms) -> None:
    place, used = (terms.make((STACK, 1)), -8, 0), terms.load(terms.param(0), 4, 0, 4)
    one, other = State(), State()
    one.words[place], other.words[place] = (4, used), (4, terms.zero)
    one.ranges = {used: (0, 236)}
    behind = join(terms, 1, 2, [one, other], frozenset(), {})
    assert behind.ranges[behind.words[place][1]] == (0, 236)


def test_bytes_that_change_places_make_a_halfword(terms: Terms) -> None:
    word = terms.load(terms.param(0), 0, 0, 4)
    turned = [fold.binary(terms, kind, word, terms.const(8), 4) for kind in (SHL, SHR)]
    number = fold.binary(terms, OR, *turned, 4)
    assert bounds.most(terms, number, {}) == 65535
    state = State()
    state.ranges[number] = (-(1 << 63), 47)
    assert bounds.least(terms, state, number) == 0


def test_a_choice_is_the_same_choice_with_a_constant_added(terms: Terms) -> None:
    length = terms.load(terms.param(0), 0, 0, 4)
    choice = terms.merge({length, terms.const(200)})
    assert terms.linear(terms.add(choice, -8)) == ({choice: 1}, -8)
    other = terms.merge({terms.add(terms.param(1), 1), terms.zero})
    assert terms.linear(other) == ({other: 1}, 0)
    assert terms.linear(fold.binary(terms, ADD, terms.add(choice, 2), terms.param(1), 4)) == (
        {choice: 1, terms.param(1): 1},
        2,
    )


def test_what_is_taken_from_a_small_number_is_no_pointer(terms: Terms) -> None:
    data, used = terms.load(terms.param(0), 8, 0, 4), terms.load(terms.param(0), 12, 0, 4)
    assert terms.rank(used) == terms.rank(data)
    fold.binary(terms, SUB, terms.const(4096), used, 4)
    assert terms.rank(used) < terms.rank(data)
    assert terms.locate(fold.binary(terms, ADD, used, data, 4)) == ((data, 0, 1),)


def test_a_shift_leaves_nothing_of_a_halfword(terms: Terms) -> None:
    half = terms.load(terms.param(0), 0, 0, 2)
    assert fold.binary(terms, SHR, half, terms.const(16), 4) == terms.zero
    either = terms.merge({half, terms.load(terms.param(1), 0, 0, 2)})
    assert fold.binary(terms, SHR, either, terms.const(24), 4) == terms.zero
    assert fold.binary(terms, SHR, half, terms.const(8), 4) != terms.zero
    assert fold.binary(terms, SHR, half, terms.const(31), 4) != terms.zero


def test_a_conditional_compare_holds_when_the_first_one_let_it_happen(terms: Terms, conditions: Conditions) -> None:
    """`n > 1024 ? n == 1024 : tag == 27`, as Thumb and AArch64 compare twice for one branch."""
    number, tag = terms.load(terms.param(0), 0, 0, 4), terms.load(terms.param(0), 4, 0, 4)
    above = fold.binary(terms, BAND, *(terms.make((OP, kind, *pair), *pair) for kind, pair in (
        (LE, (terms.const(1024), number)), (NE, (number, terms.const(1024))),
    )), 1)  # fmt: skip
    sides = [terms.make((OP, EQ, one, terms.const(two)), one) for one, two in ((number, 1024), (tag, 27))]
    chosen = terms.make((OP, SELECT, above, *sides), above, *sides)
    state = State()
    assert conditions.refine(state, terms.make((OP, EQ, chosen, terms.zero), chosen), False)
    assert state.ranges[number][1] == 1024
    assert state.ranges[tag] == (27, 27)
