"""Ways that met and are kept apart while they tell different things."""

from customhouse.firmware.program import bytesets, fold
from customhouse.firmware.program.bytesets import ByteSets
from customhouse.firmware.program.cases import MAX_CASES, answered, few, settled
from customhouse.firmware.program.conditions import Conditions
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.join import join
from customhouse.firmware.program.lift import EQ
from customhouse.firmware.program.narrowing import Narrowing
from customhouse.firmware.program.state import Case, Fact, State
from customhouse.firmware.program.terms import Terms

TERMS = Terms(4)
CONDITIONS = Conditions(TERMS, ByteSets(TERMS, Image("arm", False, 4, 0)), lambda term: None, lambda term, size: None)
NARROWING = Narrowing(TERMS, CONDITIONS)
TEXT, NUMBER = TERMS.param(0), TERMS.param(1)
CHECKED: Fact = ("lacks", TEXT, bytesets.ALL)


def equals(term: int, value: int) -> int:
    return fold.binary(TERMS, EQ, term, TERMS.const(value), 1)


def met(*states: State) -> State:
    return join(TERMS, 0x100, 0x120, list(states), frozenset(), {})


def checked_unless(number: int) -> State:
    """Behind `if (NUMBER != number && !valid(TEXT)) return;`."""
    asked, free = State(), State()
    assert NARROWING.refine(free, equals(NUMBER, number), True)
    assert NARROWING.refine(asked, equals(NUMBER, number), False)
    asked.learn(frozenset({CHECKED}))
    return met(asked, free)


def test_a_check_for_some_numbers_is_believed_where_the_number_is_one_of_them() -> None:
    behind = checked_unless(3)
    assert CHECKED not in behind.facts
    other, same = behind.copy(), behind.copy()
    assert NARROWING.refine(other, equals(NUMBER, 5), True)
    assert CHECKED in other.facts
    assert NARROWING.refine(same, equals(NUMBER, 3), True)
    assert CHECKED not in same.facts


def test_a_branch_that_no_way_can_take_is_not_taken() -> None:
    behind = checked_unless(3)
    assert NARROWING.refine(behind, equals(NUMBER, 3), True)
    assert not behind.cases
    twice = checked_unless(3)
    twice.cases = tuple(one._replace(ranges={NUMBER: (7, 7)}) for one in twice.cases)
    assert not NARROWING.refine(twice, equals(NUMBER, 8), True)


def test_a_flag_that_was_set_beside_a_check_tells_of_it() -> None:
    good, bad = State(), State()
    good.registers, bad.registers = {1: TERMS.const(1)}, {1: TERMS.zero}
    good.learn(frozenset({CHECKED}))
    behind = met(good, bad)
    assert NARROWING.refine(behind, equals(behind.registers[1], 0), False)
    assert CHECKED in behind.facts
    assert behind.registers[1] == TERMS.const(1)


def test_what_a_function_returned_tells_by_exclusion() -> None:
    state = State()
    result = TERMS.unknown("result")
    none: frozenset[Fact] = frozenset()
    returns = [(TERMS.const(-1), none), (TERMS.zero, frozenset({CHECKED})), (TERMS.const(2), none)]
    state.cases = answered(state, result, returns)
    for value in (-1, 2):
        assert CHECKED not in state.facts
        assert NARROWING.refine(state, equals(result, value), False)
    assert CHECKED in state.facts


def test_ways_that_tell_the_same_are_not_kept_apart() -> None:
    one, other = State(), State()
    one.registers, other.registers = {1: TERMS.const(1)}, {1: TERMS.zero}
    assert met(one, other).cases == ()
    for state in (one, other):
        state.learn(frozenset({CHECKED}))
    assert met(one, other).cases == ()


def test_too_many_ways_are_one_for_what_they_tell() -> None:
    ways = [Case({NUMBER: TERMS.const(one)}, frozenset({CHECKED} if one & 1 else ()), {}, {}) for one in range(20)]
    left = few(ways)
    assert len(left) == 2
    assert len(left) <= MAX_CASES
    assert {CHECKED in one.facts for one in left} == {True, False}
    assert all(not one.values for one in left)


def test_a_state_in_one_case_has_the_values_of_that_way() -> None:
    text, default = State(), State()
    text.registers, default.registers = {0: TEXT}, {0: TERMS.const(0x8000)}
    text.learn(frozenset({CHECKED}))
    behind = met(text, default)
    found = {
        (settled(TERMS, behind, case).registers[0], CHECKED in settled(TERMS, behind, case).facts)
        for case in behind.cases
    }
    assert found == {(TEXT, True), (TERMS.const(0x8000), False)}


def test_both_outcomes_of_a_condition_are_told_in_each_case_that_allows_them() -> None:
    behind = checked_unless(3)
    three = {(truth, CHECKED in known.facts) for truth, _, known in NARROWING.sides(behind, equals(NUMBER, 3))}
    assert three == {(True, False), (False, True)}
