"""Bounds of numbers: what comparisons of two unknowns tell, what sums and choices are at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program import bounds, fold
from customhouse.firmware.program.bytesets import ByteSets
from customhouse.firmware.program.conditions import Conditions
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.lift import ADD, EQ, LE, LT, SHL, SHR, SUB
from customhouse.firmware.program.state import State
from customhouse.firmware.program.terms import OP, Terms


@pytest.fixture
def terms() -> Terms:
    return Terms(4)


@pytest.fixture
def conditions(terms: Terms) -> Conditions:
    image = Image.__new__(Image)
    image.big = False
    return Conditions(terms, ByteSets(terms, image), lambda term: None, lambda term, size: None)


def compared(conditions: Conditions, kind: int, a: int, b: int, truth: bool) -> State:
    state = State()
    terms = conditions.terms
    assert conditions.refine(state, terms.make((OP, kind, a, b), a, b), truth)
    return state


def test_a_number_below_another_is_remembered_with_the_distance(terms: Terms, conditions: Conditions) -> None:
    length, room = terms.param(0), terms.param(1)
    assert ("most", length, room, -1) in compared(conditions, LT, length, room, True).facts
    assert ("most", room, length, 0) in compared(conditions, LT, length, room, False).facts
    assert ("most", length, room, -3) in compared(conditions, LE, terms.add(length, 3), room, True).facts


def test_equal_numbers_bound_each_other(terms: Terms, conditions: Conditions) -> None:
    difference = fold.binary(terms, SUB, terms.add(terms.param(0), 1), terms.param(1), 4)
    state = compared(conditions, EQ, difference, terms.zero, True)
    assert {("most", terms.param(0), terms.param(1), -1), ("most", terms.param(1), terms.param(0), 1)} <= state.facts


def test_a_choice_is_at_most_what_each_side_is_where_it_is_chosen(terms: Terms) -> None:
    length, room, cut = terms.param(0), terms.param(1), terms.unknown("cut")
    below = State()
    below.learn(frozenset({("most", length, room, -1)}))
    sides = [(length, below), (terms.add(room, -1), State())]
    assert ("most", cut, room, -1) in bounds.ordered(terms, cut, [*sides, (terms.zero, State())])
    assert not bounds.ordered(terms, cut, [sides[0], (terms.param(2), State())])


def test_a_choice_of_several_values_and_one_of_them_says_nothing_of_the_others(terms: Terms) -> None:
    kept, counter = terms.load(terms.param(0), 8, 0, 2), terms.param(1)
    either = terms.merge({kept, terms.add(counter, -1)})
    sides = [(terms.add(counter, -1), State()), (either, State())]
    assert not bounds.ordered(terms, either, sides)


def test_what_is_left_of_a_room_is_left_where_one_way_is_known_to_have_used_nothing(terms: Terms) -> None:
    length, kept, counted = terms.param(0), terms.load(terms.param(1), 8, 0, 4), terms.param(2)
    room, used = terms.const(1024), terms.phi(1, 2, "used")
    rest = fold.binary(terms, SUB, room, kept, 4)
    tested, begun = State(), State()
    tested.learn(frozenset({("most", length, rest, 0)}))
    tested.ranges[length] = begun.ranges[length] = (0, 512)
    made = {(kept, counted): used}
    assert not bounds.left(terms, [tested, begun], made)
    begun.ranges[counted] = (0, 0)
    left = terms.make((OP, SUB, room, used), room, used)
    assert ("most", length, left, 0) in bounds.left(terms, [tested, begun], made)


def test_a_constant_is_at_most_what_is_larger_where_it_is_chosen(terms: Terms) -> None:
    left, piece = terms.param(0), terms.unknown("piece")
    above = State()
    above.ranges[left] = (1401, 1 << 62)
    assert ("most", piece, left, 0) in bounds.ordered(terms, piece, [(terms.const(1400), above), (left, State())])
    assert not bounds.ordered(terms, piece, [(terms.const(1400), State()), (left, State())])


def test_what_two_paths_compared_holds_by_the_weaker_of_them(terms: Terms) -> None:
    a, b = terms.param(0), terms.param(1)
    paths = [frozenset({("most", a, b, -4), ("most", b, a, 0)}), frozenset({("most", a, b, 2)})]
    assert bounds.agreed(paths) == frozenset({("most", a, b, 2)})


def test_a_tested_sum_bounds_its_parts(terms: Terms) -> None:
    used, length = terms.param(0), terms.param(1)
    total = fold.binary(terms, ADD, used, length, 4)
    assert bounds.part(terms, terms.add(length, 4), {total: (0, 512)}) == 516
    assert bounds.part(terms, terms.param(2), {total: (0, 512)}) == bounds.HUGE


@given(st.integers(0, 200), st.integers(0, 4000), st.sampled_from([2, 3, 4]))
def test_the_constant_of_a_scaled_index_goes_outside(plus: int, index: int, shift: int) -> None:
    terms = Terms(4)
    found = fold.binary(terms, SHL, terms.add(terms.param(0), plus), terms.const(shift), 4)
    base, more = terms.based(found)
    assert more == plus << shift
    assert base == terms.make((OP, SHL, terms.param(0), terms.const(shift)), terms.param(0))
    assert bounds.most(terms, found, {terms.param(0): (0, index)}) == (index + plus) << shift


def test_what_a_loop_makes_smaller_keeps_its_bound(terms: Terms) -> None:
    left, got = terms.param(0), terms.param(1)
    again = terms.unknown("recursive")
    size = terms.merge({left, terms.make((OP, SUB, again, got), again, got)})
    assert bounds.most(terms, size, {left: (0, 256)}) == 256
    assert bounds.most(terms, fold.binary(terms, SHR, size, terms.const(2), 4), {left: (0, 256)}) == 64


def test_a_number_that_only_its_lower_end_was_tested_of_is_no_less(terms: Terms) -> None:
    first, second = (terms.load(terms.param(index), 0, 0, 1) for index in (0, 1))
    whole = fold.binary(terms, ADD, first, second, 4)
    rest = terms.add(whole, -2)
    assert bounds.span(terms, rest, {}) == (0, 508)
    assert bounds.span(terms, rest, {whole: (4, 1 << 62)}) == (2, 508)
    assert bounds.span(terms, rest, {whole: (-9, 1 << 62)}) == (0, 508)


def test_the_largest_of_several_bounds_is_known_when_all_are() -> None:
    assert bounds.greatest([3, 9, 4]) == 9
    assert bounds.greatest([3, None]) is None
    assert bounds.greatest([]) is None
