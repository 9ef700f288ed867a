"""Loops that copy a block of memory."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program.lift import ADD, LOAD, NE, STORE, UNIQUE, Block, Exit, Op
from customhouse.firmware.program.wordcopies import word_copy

SOURCE, TARGET, END = 16, 20, 24
FIRST, SECOND, PLACE, TEST = UNIQUE, UNIQUE + 8, UNIQUE + 16, UNIQUE + 24
MOVED: list[Op] = [
    (LOAD, FIRST, SOURCE, ~0, 4, 0),
    (ADD, PLACE, SOURCE, ~4, 4, 4),
    (LOAD, SECOND, PLACE, ~0, 4, 4),
    (ADD, SOURCE, SOURCE, ~8, 4, 8),
    (STORE, 0, TARGET, FIRST, 4, 12),
    (ADD, TARGET, TARGET, ~8, 4, 16),
    (ADD, PLACE, TARGET, ~0xFFFFFFFC, 4, 20),
]
LAST: list[Op] = [(STORE, 0, PLACE, SECOND, 4, 20), (NE, TEST, SOURCE, END, 4, 24)]


def loop(ops: list[Op]) -> Block:
    return Block(0x100, ops, [], Exit("cond", TEST, 0x100, 0x120, 24), 0x120)


def test_a_loop_that_moves_words_from_one_pointer_to_another_is_a_copy() -> None:
    found = word_copy(loop(MOVED + LAST))
    assert found is not None
    assert (found.source, found.target, found.step) == (SOURCE, TARGET, 8)
    assert (found.counter, found.pace, found.end) == (SOURCE, 8, END)


def test_a_loop_that_leaves_a_word_out_or_puts_it_elsewhere_is_no_copy() -> None:
    assert word_copy(loop(MOVED + LAST[1:])) is None
    assert word_copy(loop([*MOVED, (STORE, 0, PLACE, FIRST, 4, 20), *LAST[1:]])) is None


def test_a_loop_that_is_left_when_it_goes_on_is_no_copy() -> None:
    block = loop(MOVED + LAST)
    assert word_copy(block._replace(exit=Exit("cond", TEST, 0x120, 0x100, 24))) is None


operands = st.sampled_from((SOURCE, TARGET, END, FIRST, SECOND, PLACE, ~0, ~4, ~8, ~0xFFFFFFFC))
operations = st.tuples(st.integers(0, 36), operands, operands, operands, st.sampled_from((1, 2, 4, 8, 16)), st.just(0))


@given(st.lists(operations, max_size=12), st.integers(0, 12))
def test_whatever_a_loop_does_besides_is_taken_or_refused(more: list[Op], at: int) -> None:
    ops = MOVED + LAST
    found = word_copy(loop([*ops[:at], *more, *ops[at:]]))
    assert found is None or (found.step > 0 and found.pace != 0)
