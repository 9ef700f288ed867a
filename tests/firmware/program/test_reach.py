"""How far copies reach: pieces put one behind the other, what bounds them, and lengths that can be negative."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built
from tests.firmware.program.test_bounds import compared, conditions, terms

from customhouse.firmware.program import bounds, fold, reach
from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.conditions import Conditions
from customhouse.firmware.program.lift import ADD, BAND, BOR, EQ, LE, NE, SBORROW, SELECT, SHL, SHR, SLE, SLT, SUB
from customhouse.firmware.program.state import Content, State, joined, literal
from customhouse.firmware.program.terms import GLOBAL, OP, STACK, Terms

__all__ = ["conditions", "terms"]


def pieces(terms: Terms) -> tuple[int, int, int, int]:
    """A buffer, where in it the next piece goes, the piece's length and the whole target."""
    buffer = terms.add(terms.make((STACK, 1)), -200)
    length = terms.load(terms.param(0), 0, 0, 4)
    used = terms.phi(1, 2, "used")
    for value in (terms.zero, fold.binary(terms, ADD, used, length, 4)):
        terms.add_alternative(used, value)
    terms.edges[used] = (terms.zero, fold.binary(terms, ADD, used, length, 4))
    return buffer, used, length, fold.binary(terms, ADD, buffer, used, 4)


def test_a_piece_compared_with_the_whole_buffer_goes_anywhere(terms: Terms, conditions: Conditions) -> None:
    buffer, used, length, target = pieces(terms)
    state = compared(conditions, LE, length, terms.const(200), True)
    assert reach.of(terms, conditions, state, target, length) == (buffer, length, used)


@pytest.mark.parametrize("kind", [LE, SLE])
def test_a_piece_compared_with_the_room_left_ends_in_the_buffer(
    terms: Terms, conditions: Conditions, kind: int
) -> None:
    buffer, used, length, target = pieces(terms)
    left = fold.binary(terms, SUB, terms.const(200), used, 4)
    state = compared(conditions, kind, length, left, True)
    assert reach.of(terms, conditions, state, target, length) == (buffer, terms.const(200), None)
    total = fold.binary(terms, ADD, used, length, 4)
    state = compared(conditions, kind, total, terms.const(200), True)
    assert reach.of(terms, conditions, state, target, length) == (buffer, terms.const(200), None)


def test_what_is_left_and_what_is_used_make_the_buffer_in_every_round(terms: Terms, conditions: Conditions) -> None:
    buffer, _used, length, target = pieces(terms)
    left = terms.phi(1, 2, "left")
    terms.edges[left] = (terms.param(1), fold.binary(terms, SUB, left, length, 4))
    state = compared(conditions, LE, length, left, True)
    assert reach.of(terms, conditions, state, target, length) == (buffer, terms.param(1), None)


def test_an_index_compared_with_something_unknown_is_believed(terms: Terms, conditions: Conditions) -> None:
    _buffer, used, length, target = pieces(terms)
    state = compared(conditions, LE, used, terms.unknown("limit"), True)
    assert reach.of(terms, conditions, state, target, length) is None


def test_a_length_that_was_only_tested_as_a_signed_number_can_be_negative(terms: Terms, conditions: Conditions) -> None:
    length = terms.load(terms.param(0), 0, 0, 4)
    limit = terms.const(200)
    assert bounds.least(terms, compared(conditions, SLE, length, limit, True), length) == -bounds.HUGE
    assert bounds.least(terms, compared(conditions, LE, length, limit, True), length) == 0
    state = compared(conditions, SLE, length, limit, True)
    assert conditions.refine(state, terms.make((OP, SLT, length, terms.zero), length), False)
    assert bounds.least(terms, state, length) == 0


def test_a_halfword_less_a_header_can_be_negative_unless_it_was_tested(terms: Terms, conditions: Conditions) -> None:
    length = terms.load(terms.param(0), 0, 0, 2)
    assert bounds.least(terms, State(), terms.add(length, -4)) == -4
    state = compared(conditions, LE, terms.const(4), length, True)
    assert bounds.least(terms, state, terms.add(length, -4)) == 0
    assert bounds.least(terms, State(), terms.add(terms.param(0), -4)) is None


def test_two_flags_of_a_conditional_compare_are_compared_on_either_side(terms: Terms) -> None:
    one, two, condition = (terms.make((OP, EQ, terms.param(n), terms.zero), terms.param(n)) for n in range(3))
    chosen = [fold.binary(terms, BAND, condition, flag, 1) for flag in (one, two)]
    different = fold.binary(terms, NE, one, two, 1)
    assert fold.binary(terms, NE, *chosen, 1) == fold.binary(terms, BAND, condition, different, 1)
    either = [fold.binary(terms, BOR, condition, flag, 1) for flag in (one, two)]
    assert terms.nodes[fold.binary(terms, NE, *either, 1)][1] == BAND


def test_behind_a_comparison_different_signs_and_overflow_say_less(terms: Terms) -> None:
    a, b = terms.param(0), terms.param(1)
    difference = fold.binary(terms, SUB, a, b, 4)
    sign = terms.make((OP, SLT, difference, terms.zero), difference)
    overflow = terms.make((OP, SBORROW, a, b), a, b)
    assert fold.binary(terms, NE, sign, overflow, 1) == fold.binary(terms, SLT, a, b, 4)
    assert fold.binary(terms, EQ, sign, overflow, 1) == fold.binary(terms, SLE, b, a, 4)


def test_a_choice_inside_a_choice_on_the_same_condition_is_decided(terms: Terms) -> None:
    condition, one, two, three = (terms.param(n) for n in range(4))
    inner = terms.make((OP, SELECT, condition, one, two), condition, one, two)
    assert fold.select(terms, condition, three, inner) == fold.select(terms, condition, three, two)
    assert fold.select(terms, condition, inner, three) == fold.select(terms, condition, one, three)


def test_texts_joined_are_as_long_as_both_and_texts_of_any_length_have_none() -> None:
    part = Content(frozenset({("T", 5, 0, 0, 0)}), "%s", 33)
    assert joined(literal("user="), part).extent == 5 + 33
    assert joined(literal("user="), part._replace(extent=0)).extent == 0


def test_a_bound_of_the_width_alone_is_no_size(terms: Terms, conditions: Conditions) -> None:
    buffer = terms.add(terms.make((STACK, 1)), -200)
    used, length = terms.load(terms.param(0), 0, 0, 2), terms.load(terms.param(1), 0, 0, 2)
    target = fold.binary(terms, ADD, buffer, used, 4)
    assert reach.of(terms, conditions, State(), target, length) == (buffer, length, used)
    state = compared(conditions, LE, used, terms.const(100), True)
    assert conditions.refine(state, terms.make((OP, LE, length, terms.const(120)), length), True)
    assert reach.of(terms, conditions, state, target, length) == (buffer, terms.const(220), None)


def test_a_word_of_the_object_that_is_written_to_is_no_place(terms: Terms, conditions: Conditions) -> None:
    used, length = terms.load(terms.param(0), 8, 0, 4), terms.param(2)
    target = terms.add(fold.binary(terms, ADD, terms.param(0), used, 4), 12)
    start = terms.add(terms.param(0), 12)
    assert reach.of(terms, conditions, State(), target, length) == (start, length, used)
    state = compared(conditions, LE, used, terms.unknown("limit"), True)
    found = reach.of(terms, conditions, state, target, length)
    assert found is None or found.moving is None


def test_what_is_added_to_an_address_is_an_index(terms: Terms, conditions: Conditions) -> None:
    used, length = terms.load(GLOBAL, 8192, 0, 4), terms.param(2)
    target = terms.add(used, 8196)
    assert reach.of(terms, conditions, State(), target, length) == (terms.const(8196), length, used)
    assert reach.of(terms, conditions, State(), terms.add(used, 4), length) is None  # a pointer and a field


RECORDS = """
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
static void join(int s, unsigned char *b, int n) {
    unsigned char out[100];
    int i = 0, filled = 0;
    while (i + 2 <= n) {
        int more = b[i + 1];
        if (i + 2 + more > n || CHECK) break;
        memcpy(out + filled, b + i + 2, more);
        filled += more;
        i += 2 + more;
    }
    send(s, out, filled, 0);
}
int main(void) {
    unsigned char b[600];
    int n, s = socket(AF_INET, SOCK_DGRAM, 0);
    while ((n = recv(s, b, sizeof b, 0)) > 0) join(s, b, n);
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "arm64", "mips", "x86-64"])
def test_pieces_that_are_joined_stay_inside_when_their_sum_does(tmp_path: Path, architecture: str) -> None:
    text = RECORDS.replace("CHECK", "filled + more > (int)sizeof out")
    assert analyse(built(tmp_path, architecture, text)).flows == ()


@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
def test_pieces_that_are_joined_pass_the_end_when_each_is_tested_alone(tmp_path: Path, architecture: str) -> None:
    flows = analyse(built(tmp_path, architecture, RECORDS.replace("CHECK", "more > 200"))).flows
    assert {flow.kind for flow in flows} == {"overflow"}


FRAGMENTS = """
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
static int get(int s, unsigned char *p, int n) {
    int done = 0, k;
    while (done < n) { if ((k = recv(s, p + done, n - done, 0)) <= 0) return -1; done += k; }
    return done;
}
int main(void) {
    unsigned char block[1024], head[4];
    int fill = 0, s = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);
    while (get(s, head, sizeof head) > 0) {
        int more = head[2] << 8 | head[3];
        if (head[0] & 1) fill = 0;
        if (more > LIMIT) return 1;
        if (more > 0 && get(s, block + fill, more) < 0) return 1;
        fill += more;
        if (head[0] & 2) { write(1, block, fill); fill = 0; }
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
@pytest.mark.parametrize("limit, kinds", [("1024 - fill", set()), ("1024", {"overflow"})])
def test_fragments_stay_inside_when_each_is_at_most_the_room_left(
    tmp_path: Path, architecture: str, limit: str, kinds: set[str]
) -> None:
    flows = analyse(built(tmp_path, architecture, FRAGMENTS.replace("LIMIT", limit))).flows
    assert {flow.kind for flow in flows} == kinds


def test_a_length_put_together_from_halves_bounds_what_a_pointer_kept_in_the_frame_fills(
    terms: Terms, conditions: Conditions
) -> None:
    buffer, _used, got, _target = pieces(terms)
    outer, inner, to, left = (terms.phi(1, block, name) for block, name in ((5, "a"), (6, "a"), (2, "b"), (2, "c")))
    word = terms.load(terms.param(1), 0, 0, 4)
    size = fold.binary(terms, ADD, *(fold.binary(terms, kind, word, terms.const(16), 4) for kind in (SHR, SHL)), 4)
    ways = {
        outer: (buffer, inner),
        inner: (outer, outer),
        to: (inner, fold.binary(terms, ADD, to, got, 4)),
        left: (size, fold.binary(terms, SUB, left, got, 4)),
    }
    for phi, values in ways.items():
        terms.edges[phi] = values
        for value in values:
            terms.add_alternative(phi, value)
    state = compared(conditions, LE, size, terms.const(200), True)
    assert reach.of(terms, conditions, state, to, left) == (buffer, terms.const(200), None)
    state = compared(conditions, LE, word, terms.const(200), True)
    assert reach.of(terms, conditions, state, to, left) == (buffer, left, to)
