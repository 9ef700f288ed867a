"""Conditional moves: which of two values a branch leaves."""

from customhouse.firmware.program.choices import normal, settle
from customhouse.firmware.program.lift import BAND, BNOT, BOR, EQ, LE, LT, NE, SELECT
from customhouse.firmware.program.state import State
from customhouse.firmware.program.terms import OP, Terms


def made(terms: Terms, kind: int, *parts: int) -> int:
    return terms.make((OP, kind, *parts), *parts)


def higher(terms: Terms) -> int:
    """ARM's `hi`: carry and not zero."""
    carry = made(terms, LE, terms.const(9), terms.param(0))
    zero = made(terms, EQ, terms.param(0), terms.const(9))
    return made(terms, BAND, carry, made(terms, BNOT, zero, terms.zero))


def lower_or_same(terms: Terms) -> int:
    carry = made(terms, LE, terms.const(9), terms.param(0))
    zero = made(terms, EQ, terms.param(0), terms.const(9))
    return made(terms, BOR, made(terms, BNOT, carry, terms.zero), zero)


def test_a_condition_and_its_opposite_are_known_whichever_way_they_are_written() -> None:
    terms = Terms(4)
    assert normal(terms, higher(terms), False) == normal(terms, lower_or_same(terms), True)
    assert normal(terms, higher(terms), True) != normal(terms, lower_or_same(terms), True)
    less = made(terms, LT, terms.param(0), terms.param(1))
    assert normal(terms, less, False) == normal(terms, made(terms, LE, terms.param(1), terms.param(0)), True)
    same = made(terms, EQ, terms.param(0), terms.param(1))
    assert normal(terms, same, False) == normal(terms, made(terms, NE, terms.param(1), terms.param(0)), True)


def test_a_branch_on_the_same_condition_leaves_one_of_the_values_it_chose_between() -> None:
    terms = Terms(4)
    chosen = made(terms, SELECT, higher(terms), terms.zero, terms.const(1))
    for truth, left in ((True, terms.const(1)), (False, terms.zero)):
        state = State()
        state.registers = {7: chosen, 8: terms.param(2)}
        settle(terms, state, lower_or_same(terms), truth)
        assert state.registers == {7: left, 8: terms.param(2)}
