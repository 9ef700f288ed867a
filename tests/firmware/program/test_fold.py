"""Arithmetic on terms."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program import fold
from customhouse.firmware.program.lift import ADD, AND, EQ, LT, NE, SHR, SUB, ZEROS
from customhouse.firmware.program.terms import Terms


def test_as_many_leading_zeros_as_there_are_bits_is_a_comparison_with_zero() -> None:
    terms = Terms(8)
    number = terms.param(0)
    for size, shift in ((4, 5), (8, 6)):
        zeros = fold.unary(terms, ZEROS, number, size)
        assert fold.binary(terms, SHR, zeros, terms.const(shift), size) == fold.binary(
            terms, EQ, number, terms.zero, size
        )
        assert fold.binary(terms, SHR, zeros, terms.const(shift - 1), size) != terms.zero


@given(st.integers(0, (1 << 32) - 1))
def test_leading_zeros_of_a_known_number_are_counted(value: int) -> None:
    terms = Terms(4)
    assert terms.value(fold.unary(terms, ZEROS, terms.const(value), 4)) == f"{value:032b}1".index("1")


def test_below_one_is_nothing() -> None:
    terms = Terms(4)
    number, one = terms.param(0), terms.const(1)
    assert fold.binary(terms, LT, number, one, 4) == fold.binary(terms, EQ, number, terms.zero, 4)
    assert fold.binary(terms, LT, terms.zero, number, 4) == fold.binary(terms, NE, number, terms.zero, 4)
    assert fold.binary(terms, LT, number, terms.const(2), 4) != fold.binary(terms, EQ, number, terms.zero, 4)


def test_a_number_and_what_is_left_beside_it_are_the_whole() -> None:
    terms = Terms(4)
    part, whole = terms.param(0), terms.param(1)
    left = fold.binary(terms, SUB, whole, part, 4)
    assert fold.binary(terms, ADD, part, left, 4) == fold.binary(terms, ADD, left, part, 4) == whole
    assert fold.binary(terms, ADD, whole, left, 4) != whole


def test_of_a_negated_truth_a_mask_takes_its_bits() -> None:
    terms = Terms(8)
    truth = fold.binary(terms, EQ, terms.param(0), terms.zero, 1)
    negated = fold.binary(terms, SUB, terms.zero, truth, 4)
    assert fold.binary(terms, AND, negated, terms.const(3), 4) != negated


def test_of_two_masks_what_both_leave_stays() -> None:
    terms = Terms(4)
    value = terms.unknown("value")
    wide = fold.binary(terms, AND, value, terms.const(0xFFE00001), 4)
    assert fold.binary(terms, AND, wide, terms.const(1), 4) == fold.binary(terms, AND, value, terms.const(1), 4)
    assert fold.binary(terms, AND, wide, terms.const(0xFFF00001), 4) == wide


def test_what_a_number_was_found_to_be_is_what_is_chosen() -> None:
    terms = Terms(4)
    number, one, seven = terms.param(0), terms.const(1), terms.const(7)
    for kind, sides, found in (
        (EQ, (number, one), (seven, one)),
        (EQ, (one, number), (one, number)),
        (NE, (one, number), (one, seven)),
        (NE, (number, one), (number, one)),
    ):
        assert fold.decided(terms, fold.binary(terms, kind, number, seven, 4), *sides) == found
    smaller = fold.binary(terms, LT, number, seven, 4)
    assert fold.decided(terms, smaller, number, one) == (number, one)
