"""What branches ask of words in memory."""

from customhouse.firmware.program import fold
from customhouse.firmware.program.fieldtests import HOLDS, deciding, told
from customhouse.firmware.program.lift import BNOT, BOR, EQ
from customhouse.firmware.program.terms import BYTE, GLOBAL, OP, STACK, Terms

TERMS = Terms(4)
HERE = (0x100, 0x120)
VALID = TERMS.load(GLOBAL, 0x20040, 0, 4)
READY = TERMS.load(TERMS.param(0), 8, 0, 4)


def equals(term: int, value: int) -> int:
    return fold.binary(TERMS, EQ, term, TERMS.const(value), 4)


def test_a_comparison_of_one_word_is_told_with_its_place_and_where_it_was_made() -> None:
    for truth in (True, False):
        [fact] = told(TERMS, equals(READY, 2), truth, HERE)
        assert fact[:5] == (HOLDS, TERMS.param(0), 8, 0, 4)
        assert fact[-2:] == (truth, HERE)


def test_both_sides_of_an_alternative_that_does_not_hold_are_told() -> None:
    either = TERMS.make((OP, BOR, equals(VALID, 0), equals(READY, 3)))
    assert {fact[1:3] for fact in told(TERMS, either, False, HERE)} == {(GLOBAL, 0x20040), (TERMS.param(0), 8)}
    assert not told(TERMS, either, True, HERE)
    assert told(TERMS, TERMS.make((OP, BNOT, either)), True, HERE) == told(TERMS, either, False, HERE)


def test_a_word_of_the_frame_and_a_letter_of_a_text_are_no_kept_answers() -> None:
    frame = TERMS.make((STACK, 0x100))
    assert not told(TERMS, equals(TERMS.load(frame, -8, 0, 4), 1), True, HERE)
    letter = TERMS.make((BYTE, TERMS.add(TERMS.param(0), 4, 1), TERMS.param(0), 4, 1, 1))
    assert not told(TERMS, equals(letter, 58), True, HERE)


def test_an_entry_of_an_array_is_one_place_with_the_later_ones() -> None:
    first, second = TERMS.add(TERMS.const(0x20000), 0, 80), TERMS.add(TERMS.const(0x20050), 0, 80)
    entry = TERMS.make((BYTE, TERMS.merge({first, second}), GLOBAL, 0x20000, 1, 1))
    [fact] = told(TERMS, equals(entry, 1), True, HERE)
    assert fact[1:5] == (GLOBAL, 0x20000, 80, 1)


def test_two_words_decide_nothing_alone() -> None:
    assert deciding(TERMS, fold.binary(TERMS, EQ, VALID, READY, 4)) is None
    assert deciding(TERMS, TERMS.const(1)) is None
