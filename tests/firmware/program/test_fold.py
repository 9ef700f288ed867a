"""Arithmetic on terms."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program import fold
from customhouse.firmware.program.lift import EQ, SHR, ZEROS
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
