"""Numbers that a program compares are solved for, by what single bytes make of them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program.rehearsal.genomes import Genome, Repair, balanced
from customhouse.firmware.program.rehearsal.influence import Sought, solved
from customhouse.firmware.program.rehearsal.trace import Trace

SITE, WORD = 0x1234, 4
NOTHING = Trace(frozenset(), (), (), (), frozenset(), "idle", 0)
Pairs = Callable[[bytes], list[tuple[int, int]]]
"""The numbers that a program compares, told by a message."""


class Program:
    """Compares numbers at one place."""

    def __init__(self, pairs: Pairs, size: int = WORD) -> None:
        self.pairs, self.size = pairs, size
        self.runs = 0

    def play(self, genome: Genome) -> Trace:
        self.runs += 1
        mask = (1 << 8 * self.size) - 1
        pairs = self.pairs(b"".join(value for _, value in genome.pieces()))
        return NOTHING._replace(pairs=tuple((SITE, one & mask, two & mask, self.size) for one, two in pairs))

    def solved(self, genome: Genome, sought: Sought | None = None) -> list[Genome]:
        return list(solved(genome, self.play(genome), self.play, {} if sought is None else sought))


def sent(pairs: Pairs, message: bytes) -> list[bytes]:
    return [one.messages[0] for one in Program(pairs).solved(Genome((message,)))]


def test_a_byte_becomes_what_it_is_compared_with_and_what_is_next_to_that() -> None:
    found = sent(lambda message: [(message[3], 77)], b"name")
    assert found[:3] == [b"nam\x4d", b"nam\x4e", b"nam\x4c"]


def test_the_second_number_is_solved_for_as_well() -> None:
    assert b"\x4dame" in sent(lambda message: [(77, message[0])], b"name")


def test_bytes_of_a_number_are_found_in_any_order() -> None:
    number = b"\x12\x34"
    assert any(one[1:3] == number for one in sent(lambda m: [(m[1] << 8 | m[2], 0x1234)], b"kwmqz"))
    assert any(one[3:0:-2] == number for one in sent(lambda m: [(m[3] << 8 | m[1], 0x1234)], b"kwmqz"))


@given(
    st.binary(min_size=4, max_size=8),
    st.dictionaries(st.integers(0, 3), st.sampled_from([1, -1]), min_size=1),
    st.integers(-900, 900),
    st.booleans(),
)
def test_sums_are_solved_for(message: bytes, signs: dict[int, int], shall: int, is_second: bool) -> None:
    def total(one: bytes) -> int:
        return sum(one[at] * sign for at, sign in signs.items())

    found = sent(lambda one: [(shall, total(one)) if is_second else (total(one), shall)], message)
    lowest, highest = (sum(255 for sign in signs.values() if sign == one) * one for one in (-1, 1))
    is_possible = lowest <= shall <= highest and total(message) != shall
    assert (shall in map(total, found)) is is_possible


def test_a_number_that_is_cut_to_a_byte_may_be_larger() -> None:
    found = Program(lambda one: [(one[0] + one[1] & 0xFF, 5)]).solved(Genome((b"\xf0\x07kw",)))
    assert any(sum(one.messages[0][:2]) & 0xFF == 5 for one in found)


def test_values_of_the_environment_count_as_well() -> None:
    genome = Genome((b"k",), (("QUERY_STRING", b"ab"),), cgi=True)
    found = Program(lambda one: [(one[2], 77)]).solved(genome)
    assert any(dict(one.environment) == {"QUERY_STRING": b"aM"} for one in found)


@pytest.mark.parametrize(
    "pairs",
    [
        lambda message: [(7, 9)],  # no byte counts
        lambda message: [(message[0], message[1])],  # no number stays as it is
        lambda message: [(7, 9)] * (message[0] + 1),  # as often as a byte says
    ],
)
def test_what_no_byte_tells_is_not_solved_for(pairs: Pairs) -> None:
    assert sent(pairs, b"\x05\x06ab") == []


def test_the_same_is_not_sought_again_and_again() -> None:
    program, sought = Program(lambda message: [(message[0], 77)]), Sought()
    counts = [len(program.solved(Genome((b"kwmqz",)), sought)) for _ in range(4)]
    assert counts[0] == counts[1] > 0
    assert counts[2:] == [0, 0]


def test_bytes_in_the_middle_of_a_long_message_are_not_tried() -> None:
    program = Program(lambda message: [(message[-1], 77), (message[150], 78)])
    found = {one.messages[0] for one in program.solved(Genome((b"k" * 300,)))}
    assert program.runs < 60
    assert b"k" * 299 + b"\x4d" in found
    assert all(one[150] == ord("k") for one in found)


def test_nothing_is_solved_for_when_time_is_over() -> None:
    program = Program(lambda message: [(message[0], 77)])
    genome = Genome((b"kwmqz",))
    assert list(solved(genome, program.play(genome), lambda _: None, {})) == []


# -- checksums
@pytest.mark.parametrize(
    ("balance", "check"),
    [
        ("added", lambda message: sum(message) & 0xFF),
        ("subtracted", lambda message: -sum(message) & 0xFF),
        ("xor", lambda message: message[0] ^ message[1] ^ message[2] ^ message[3] ^ message[4] ^ message[5]),
    ],
)
@pytest.mark.parametrize("is_second", [False, True])
def test_a_number_that_all_bytes_go_into_is_balanced_by_the_last_one(
    balance: str, check: Callable[[bytes], int], is_second: bool
) -> None:
    def pairs(message: bytes) -> list[tuple[int, int]]:
        return [(0x5A, check(message)) if is_second else (check(message), 0x5A)]

    right = [one for one in Program(pairs).solved(Genome((b"kwmqzj",))) if check(one.messages[0]) == 0x5A]
    assert Repair(0, -1, 1, "big", SITE, is_second, balance) in [repair for one in right for repair in one.repairs]
    assert all(one.messages[0][:-1] == b"kwmqz" for one in right)


def test_a_checksum_that_is_right_is_left_alone() -> None:
    assert sent(lambda message: [(sum(message) & 0xFF, sum(b"kwmqzj") & 0xFF)], b"kwmqzj") == []


@given(st.binary(min_size=1), st.integers(0, 255), st.booleans())
def test_a_byte_that_balances_makes_both_numbers_the_same(message: bytes, shall: int, is_second: bool) -> None:
    def xor(data: bytes) -> int:
        total = 0
        for one in data:
            total ^= one
        return total

    for balance, check in (
        ("added", lambda data: sum(data) & 0xFF),
        ("subtracted", lambda data: -sum(data) & 0xFF),
        ("xor", xor),
    ):
        repair = Repair(0, -1, 1, "big", SITE, is_second, balance)
        pair = (shall, check(message)) if is_second else (check(message), shall)
        assert check(message[:-1] + balanced(message[-1], *pair, repair)) == shall
