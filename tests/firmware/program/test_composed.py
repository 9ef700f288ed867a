"""Numbers put together from bytes: what a comparison of the number says of the bytes."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program import composed, lift
from customhouse.firmware.program.lift import AND, OR, SHL, SHR, XOR
from customhouse.firmware.program.terms import LOAD, OP, Terms


def operation(terms: Terms, kind: int, a: int, b: int) -> int:
    return terms.make((OP, kind, a, b), a, b)


def byte(terms: Terms, offset: int) -> int:
    pointer = terms.param(0)
    return terms.make((LOAD, pointer, offset, 0, 1), pointer)


@given(st.permutations([0, 1, 2, 3]), st.binary(min_size=4, max_size=4), st.sampled_from([OR, lift.ADD, XOR]))
def test_bytes_shifted_into_their_places_are_those_of_the_number(order: list[int], raw: bytes, joining: int) -> None:
    terms = Terms(4)
    number = terms.zero
    for offset, place in enumerate(order):
        part = operation(terms, SHL, byte(terms, offset), terms.const(8 * place))
        number = part if number == terms.zero else operation(terms, joining, number, part)
    value = sum(raw[offset] << 8 * place for offset, place in enumerate(order))
    told = {(fact[2], fact[4]) for fact in composed.of_bytes(terms, number, value, big=False)}
    assert told == {(offset, raw[offset]) for offset in range(4)}


def test_a_word_turned_round_with_rotations_and_exclusive_ors_is_read() -> None:
    """`eor t, x, x, ror #16; bic t, t, #0xff0000; ror x, x, #8; eor x, x, t, lsr #8`, as ARM does before version 6."""
    terms = Terms(4)
    pointer = terms.param(0)
    word = terms.make((LOAD, pointer, 8, 0, 4), pointer)

    def rotated(by: int) -> int:
        low = operation(terms, SHR, word, terms.const(by))
        return operation(terms, OR, low, operation(terms, SHL, word, terms.const(32 - by)))

    mixed = operation(terms, AND, operation(terms, XOR, word, rotated(16)), terms.const(0xFF00FFFF))
    turned = operation(terms, XOR, rotated(8), operation(terms, SHR, mixed, terms.const(8)))
    told = sorted((fact[2], fact[4]) for fact in composed.of_bytes(terms, turned, 0x51425437, big=False))
    assert told == [(8, 0x51), (9, 0x42), (10, 0x54), (11, 0x37)]


def test_a_number_that_cannot_have_the_value_tells_nothing() -> None:
    terms = Terms(4)
    high = operation(terms, SHL, byte(terms, 0), terms.const(8))
    assert composed.of_bytes(terms, high, 0x0101, big=True) == frozenset()


def test_sums_that_may_carry_tell_nothing() -> None:
    terms = Terms(4)
    total = operation(terms, lift.ADD, byte(terms, 0), byte(terms, 1))
    assert composed.of_bytes(terms, total, 0x41, big=False) == frozenset()
