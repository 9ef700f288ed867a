"""What the store of a word says of the texts beside it."""

from customhouse.firmware.program import bytesets, fold
from customhouse.firmware.program.bytesets import ByteSets
from customhouse.firmware.program.conditions import Conditions
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.lift import SUB
from customhouse.firmware.program.state import Fact, State
from customhouse.firmware.program.terms import GLOBAL, OP, Terms
from customhouse.firmware.program.verdicts import Judging

TERMS = Terms(4)
CONDITIONS = Conditions(TERMS, ByteSets(TERMS, Image("arm", False, 4, 0)), lambda term: None, lambda term, size: None)
JUDGING = Judging(TERMS, CONDITIONS)
CHECKED: Fact = ("lacks", TERMS.const(0x20000), bytesets.ALL)
WORD = (GLOBAL, 0x20040, 0)
NONE, BESIDE = frozenset[tuple[int, int]](), frozenset({(-0x40, bytesets.ALL)})
ONE = TERMS.const(1)


def answer() -> int:
    """The result of a check: 1 when the text was found to be harmless."""
    found = TERMS.phi(0x100, 0x120, 0)
    CONDITIONS.implied[found] = ((ONE, frozenset({CHECKED})), (TERMS.zero, frozenset()))
    return found


def test_a_constant_says_what_is_known_where_it_is_stored() -> None:
    state = State()
    assert JUDGING.of(state, WORD, ONE) == {(ONE, NONE)}
    state.learn(frozenset({CHECKED}))
    assert JUDGING.of(state, WORD, ONE) == {(ONE, BESIDE)}


def test_the_result_of_a_check_says_it_for_the_value_that_tells() -> None:
    assert JUDGING.of(State(), WORD, answer()) == {(ONE, BESIDE), (TERMS.zero, NONE)}


def test_a_number_that_is_made_of_the_result_says_the_same() -> None:
    other = TERMS.make((OP, SUB, TERMS.const(2), answer()))
    told = dict(JUDGING.of(State(), WORD, other))
    assert told[fold.binary(TERMS, SUB, TERMS.const(2), ONE, 4)] == BESIDE
    assert told[TERMS.const(2)] == NONE


def test_texts_of_other_objects_are_not_beside_the_word() -> None:
    assert JUDGING.lacking([CHECKED], (TERMS.param(0), 0x20040, 0)) == NONE
