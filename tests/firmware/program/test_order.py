"""The order in which blocks are read."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program.order import loop_order, natural_loops


def test_a_loop_is_read_to_its_end_before_what_comes_behind_it() -> None:
    # 1: outer head, 2: inner head whose first way leads out, 3: inner body, 4: behind it and round the outer loop
    ways = {0: (1,), 1: (2, 9), 2: (4, 3), 3: (2,), 4: (1,)}
    order = loop_order(0, {0, 1, 2, 3, 4, 9}, ways)
    assert order == [0, 1, 2, 3, 4, 9]
    assert natural_loops(ways, {one: index for index, one in enumerate(order)}) == {1: {1, 2, 3, 4}, 2: {2, 3}}


@given(st.dictionaries(st.integers(0, 12), st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=13))
def test_every_block_that_is_reached_is_read_once(ways: dict[int, tuple[int, int]]) -> None:
    reached = {0}
    while more := {one for at in reached for one in ways.get(at, ())} - reached:
        reached |= more
    order = loop_order(0, range(13), ways)
    assert order[0] == 0
    assert sorted(order) == sorted(reached)
