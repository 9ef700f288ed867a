"""Branches that several tests share."""

from customhouse.firmware.program.crossjumps import Registers, copied, joined
from customhouse.firmware.program.lift import EQ, LT, MOV, STORE, UNIQUE, Block, Exit

FLAG = 0x200


def block(address: int, leave: Exit, *ops: tuple[int, int, int, int, int, int]) -> Block:
    return Block(address, list(ops), [(address, 0)], leave, address + 4)


COMPARES = (LT, FLAG, 8, ~9, 1, 0)
FIRST = block(0x10, Exit("jump", target=0x30), COMPARES)
SECOND = block(0x20, Exit("fall", next=0x30), (EQ, FLAG, 8, ~32, 1, 0))
BRANCH = block(0x30, Exit("cond", UNIQUE, 0x40, 0x50, 0x30), (EQ, UNIQUE, FLAG, ~0, 1, 0x30))
AFTER = {0x10: (0x30,), 0x20: (0x30,), 0x30: (0x50, 0x40)}


def test_the_branch_that_two_tests_share_is_given_to_each() -> None:
    blocks = {one.address: one for one in (FIRST, SECOND, BRANCH)}
    assert copied(blocks, AFTER, [0x10, 0x20, 0x30]) == {0x10: 0x30, 0x20: 0x30}
    whole = joined(FIRST, BRANCH)
    assert whole.exit == BRANCH.exit
    assert whole.ops == FIRST.ops + BRANCH.ops
    assert whole.marks == [(0x10, 0), (0x30, 1)]


def test_a_block_that_does_more_than_branch_or_that_a_loop_goes_round_is_left() -> None:
    storing = block(0x30, BRANCH.exit, (STORE, 0, 8, 16, 4, 0x30), *BRANCH.ops)
    assert not copied({0x10: FIRST, 0x20: SECOND, 0x30: storing}, AFTER, [0x10, 0x20, 0x30])
    assert not copied({0x10: FIRST, 0x20: SECOND, 0x30: BRANCH}, AFTER, [0x10, 0x30, 0x20])


FLAGS = Registers(flags=frozenset((FLAG,)), arguments=(8, 16))
OUTCOME = block(0x30, Exit("fall", next=0x50), (EQ, 0, FLAG, ~0, 1, 0x30))


def test_what_makes_a_number_of_a_comparison_is_given_to_each() -> None:
    blocks = {one.address: one for one in (FIRST, SECOND, OUTCOME)}
    after = {0x10: (0x30,), 0x20: (0x30,), 0x30: (0x50,)}
    assert copied(blocks, after, [0x10, 0x20, 0x30], FLAGS) == {0x10: 0x30, 0x20: 0x30}
    assert not copied(blocks, after, [0x10, 0x20, 0x30])
    own = block(0x30, OUTCOME.exit, (LT, FLAG, 8, ~9, 1, 0x30), *OUTCOME.ops)
    assert not copied({**blocks, 0x30: own}, after, [0x10, 0x20, 0x30], FLAGS)


def test_a_call_is_given_to_each_that_chose_an_argument_for_it() -> None:
    call = block(0x30, Exit("call", target=0x90, next=0x50, site=0x30))
    first = block(0x10, Exit("jump", target=0x30), (MOV, 8, ~100, 0, 4, 0x10))
    second = block(0x20, Exit("fall", next=0x30), (MOV, 8, 24, 0, 4, 0x20))
    after = {0x10: (0x30,), 0x20: (0x30,), 0x30: (0x50,)}
    assert copied({0x10: first, 0x20: second, 0x30: call}, after, [0x10, 0x20, 0x30], FLAGS) == {0x10: 0x30, 0x20: 0x30}
    same = call._replace(ops=[(MOV, 8, 24, 0, 4, 0x30)])
    assert not copied({0x10: first, 0x20: second, 0x30: same}, after, [0x10, 0x20, 0x30], FLAGS)
