"""Terms: pointers keep their form, loops become strides, sums of constants are computed."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program import bounds, fold
from customhouse.firmware.program.lift import ADD, AND, BOR, EQ, LT, MUL, OR, SELECT, SHL, SHR, SUB, ZEROS
from customhouse.firmware.program.nodes import MAX_DEPTH
from customhouse.firmware.program.terms import BYTE, GLOBAL, OP, STACK, UNKNOWN, Terms


def test_a_pointer_that_a_loop_moves_points_anywhere_behind_its_start() -> None:
    terms = Terms(4)
    frame = terms.make((STACK, 0x100))
    phi = terms.phi(0x100, 0x120, 3)
    terms.add_alternative(phi, terms.add(frame, -64))
    terms.add_alternative(phi, terms.add(phi, 4))
    assert terms.locate(phi) == ((frame, -64, 4),)


def test_a_scaled_index_into_a_constant_table_keeps_the_step() -> None:
    terms = Terms(4)
    index = terms.make((BYTE, terms.param(0), terms.param(0), 0, 0, 1), terms.param(0))
    scaled = fold.binary(terms, SHL, index, terms.const(3), 4)
    assert terms.locate(fold.binary(terms, ADD, scaled, terms.const(0x11000), 4)) == ((GLOBAL, 0x11000, 8),)


def test_an_entry_that_a_parameter_chooses_is_a_place_of_its_own() -> None:
    terms = Terms(4)
    scaled = fold.binary(terms, SHL, terms.param(0), terms.const(6), 4)
    entry = fold.binary(terms, ADD, scaled, terms.const(0x11000), 4)
    assert terms.places(entry) == ((scaled, 0x11000, 0),)
    assert terms.places(terms.add(entry, 8)) == ((scaled, 0x11008, 0),)
    inside = fold.binary(terms, ADD, terms.param(1), scaled, 4)
    assert terms.places(terms.add(inside, 4)) == ((inside, 4, 0),)


def test_an_entry_that_a_loop_comes_to_is_one_of_all() -> None:
    terms = Terms(4)
    index = terms.phi(0x100, 0x120, 3)
    terms.add_alternative(index, terms.param(0))
    terms.add_alternative(index, terms.add(index, 1))
    entry = fold.binary(terms, ADD, terms.param(1), fold.binary(terms, SHL, index, terms.const(6), 4), 4)
    assert terms.places(entry) == terms.locate(entry) == ((terms.param(1), 0, 64),)


def test_the_objects_far_behind_in_a_list_are_one() -> None:
    terms = Terms(4)
    chain = [terms.param(0)]
    for _ in range(6):
        chain.append(terms.load(chain[-1], 8, 0, 4))
    assert len(set(chain)) == 4
    assert chain[-1] == chain[3]


def test_fields_of_different_things_that_lie_alike_are_different() -> None:
    terms = Terms(4)
    verb = terms.load(terms.param(0), 4, 0, 4)
    assert terms.load(verb, 4, 0, 4) != verb


def test_a_masked_number_is_bounded_by_the_mask() -> None:
    terms = Terms(4)
    assert bounds.most(terms, fold.binary(terms, AND, terms.param(0), terms.const(0x3F), 4), {}) == 0x3F


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_sums_and_differences_of_constants_wrap_as_the_machine_does(a: int, b: int) -> None:
    terms = Terms(4)
    total = fold.binary(terms, ADD, terms.const(a), terms.const(b), 4)
    assert terms.value(total) == (a + b) % 2**32
    assert terms.value(fold.binary(terms, SUB, total, terms.const(b), 4)) == a


def test_the_step_of_a_loop_is_not_that_of_what_else_a_pointer_may_be() -> None:
    terms = Terms(4)
    entry = terms.phi(0x100, 0x120, 3)
    terms.add_alternative(entry, terms.const(0x21000))
    terms.add_alternative(entry, terms.add(entry, 160))
    found = terms.merge({terms.add(entry, 32), terms.const(0x11000)})
    assert set(terms.locate(found)) == {(GLOBAL, 0x21020, 160), (GLOBAL, 0x11000, 0)}


def test_a_sum_of_numbers_is_an_index_into_a_global_buffer() -> None:
    terms = Terms(4)
    got = [terms.result(at, "recv", ()) for at in (0x10, 0x20)]
    total = fold.binary(terms, ADD, got[0], got[1], 4)
    [(root, offset, stride)] = terms.locate(fold.binary(terms, ADD, total, terms.const(0x20000), 4))
    assert (root, offset, bool(stride)) == (GLOBAL, 0x20000, True)


def test_a_block_that_shrinks_as_it_moves_on_lies_in_one_buffer() -> None:
    terms = Terms(4)
    got = terms.result(0x10, "recv", ())
    frame = terms.make((STACK, 0x100))
    left = fold.binary(terms, SUB, terms.const(1023), got, 4)
    assert terms.reach(fold.binary(terms, ADD, terms.add(frame, -2048), got, 4), left) == (
        terms.add(frame, -2048),
        1023,
    )
    assert terms.reach(terms.add(frame, -2048), left) is None
    assert terms.reach(fold.binary(terms, ADD, terms.add(frame, -2048), got, 4), terms.const(512)) is None


def test_a_sign_spread_over_the_upper_half_of_an_index_is_dropped() -> None:
    terms = Terms(8)
    index = terms.load(GLOBAL, 0x20118, 0, 4)
    sign = fold.binary(terms, AND, fold.binary(terms, SHR, index, terms.const(31), 8), terms.const(1), 8)
    upper = fold.binary(terms, AND, fold.binary(terms, MUL, sign, terms.const(terms.mask), 8), terms.const(~0xFFFF), 8)
    low = fold.binary(terms, SHL, index, terms.const(4), 8)
    assert fold.binary(terms, OR, upper, low, 8) == low


def test_the_step_of_an_array_is_seen_through_shifts_and_sums() -> None:
    terms = Terms(4)
    index = terms.result(0x10, "atoi", ())
    nine = fold.binary(terms, ADD, fold.binary(terms, SHL, index, terms.const(3), 4), index, 4)
    whole = fold.binary(terms, SHL, nine, terms.const(2), 4)
    assert terms.locate(fold.binary(terms, ADD, terms.const(0x20000), whole, 4)) == ((GLOBAL, 0x20000, 36),)
    seven = fold.binary(terms, SUB, fold.binary(terms, SHL, index, terms.const(3), 4), index, 4)
    assert terms.scale(seven) == 7


def test_a_constant_shifted_by_an_unknown_is_bounded_by_itself() -> None:
    terms = Terms(4)
    amount = fold.binary(terms, AND, terms.param(0), terms.const(0x1F), 4)
    assert bounds.most(terms, fold.binary(terms, SHR, terms.const(0x5001), amount, 4), {}) == 0x5001


def test_the_sign_bit_alone_spread_over_the_upper_bits_is_left_out_too() -> None:
    terms = Terms(8)
    index = terms.param(0)
    sign = fold.binary(terms, MUL, fold.binary(terms, SHR, index, terms.const(31), 8), terms.const(terms.mask), 8)
    scaled = fold.binary(terms, SHL, index, terms.const(4), 8)
    upper = fold.binary(terms, AND, sign, terms.const(0xFFFFFFF000000000), 8)
    assert fold.binary(terms, OR, upper, scaled, 8) == scaled


def test_a_factor_that_is_loaded_on_a_condition_is_the_step_of_the_array() -> None:
    terms = Terms(4)
    index, test = terms.result(0x10, "atoi", ()), terms.param(1)
    factor = terms.make((OP, SELECT, test, terms.const(36), terms.zero), test)
    assert terms.scale(fold.binary(terms, MUL, factor, index, 4)) == 36


def test_leading_zeros_shifted_until_only_their_whole_number_is_left_ask_whether_a_number_is_zero() -> None:
    terms = Terms(4)
    counted = fold.unary(terms, ZEROS, terms.param(0), 4)
    asked = fold.binary(terms, SHR, counted, terms.const(5), 4)
    assert asked == fold.binary(terms, EQ, terms.param(0), terms.zero, 4)
    assert fold.unary(terms, ZEROS, terms.const(1), 4) == terms.const(31)


def test_a_counter_in_steps_is_no_pointer() -> None:
    terms = Terms(4)
    counter = terms.add(terms.const(1), 0, 1)
    assert terms.rank(counter) < terms.rank(terms.param(1))
    assert terms.rank(terms.add(terms.const(0x20000), 0, 4)) > terms.rank(terms.param(1))


def test_a_walk_over_a_buffer_begins_where_its_pointer_or_its_index_first_is() -> None:
    terms = Terms(4)
    pointer = terms.phi(0x100, 0x120, 1)
    for one in (terms.param(0), terms.add(pointer, 1), terms.add(pointer, 2)):
        terms.add_alternative(pointer, one)
    assert terms.begins(terms.add(pointer, 1)) == (terms.param(0), 0)
    index = terms.phi(0x100, 0x120, 2)
    for one in (terms.const(3), terms.add(index, 1)):
        terms.add_alternative(index, one)
    assert terms.begins(fold.binary(terms, ADD, terms.param(0), index, 4)) == (terms.param(0), 3)
    assert terms.begins(terms.param(0)) is None
    measured = terms.result(0x200, "strlen", (terms.param(0),))
    assert terms.begins(fold.binary(terms, ADD, terms.param(0), measured, 4)) is None


def test_one_of_several_terms_is_as_deep_as_they_are() -> None:
    terms = Terms(4)
    chains = []
    for parameter in (0, 1):
        one = terms.param(parameter)
        while terms.depth[one] < MAX_DEPTH:
            one = terms.load(one, 4 * terms.depth[one], 0, 4)
        chains.append(one)
    assert terms.flat(terms.merge(set(chains))) == set(chains)


def test_a_length_in_the_other_byte_order_is_an_index_into_the_packet() -> None:
    terms = Terms(4)
    read = terms.load(GLOBAL, 0x20000, 0, 2)
    high, low = (fold.binary(terms, kind, read, terms.const(8), 4) for kind in (SHL, SHR))
    length = fold.binary(terms, OR, high, low, 4)
    (place,) = terms.locate(terms.add(length, 0x20002))
    assert place[:2] == (GLOBAL, 0x20002)


def test_an_entry_that_a_binary_search_comes_to_is_three_times_its_half() -> None:
    terms = Terms(8)
    both_ends = fold.binary(terms, ADD, terms.param(0), terms.param(1), 8)
    middle = fold.binary(terms, SHR, both_ends, terms.const(1), 8)
    index = fold.binary(terms, ADD, fold.binary(terms, AND, both_ends, terms.const(~1), 8), middle, 8)
    assert terms.scale(fold.binary(terms, SHL, index, terms.const(3), 8)) == 24
    twice, once = terms.phi(0x100, 0x140, 2), terms.phi(0x100, 0x140, 3)
    ways = (middle, fold.binary(terms, SHR, terms.param(2), terms.const(1), 8))
    terms.edges[once] = ways
    terms.edges[twice] = tuple(fold.binary(terms, SHL, one, terms.const(1), 8) for one in ways)
    assert terms.scale(fold.binary(terms, ADD, twice, once, 8)) == 3
    terms.edges[twice] = (terms.edges[twice][0], terms.param(3))
    assert terms.scale(fold.binary(terms, ADD, twice, once, 8)) == 1


def test_a_choice_of_two_pointers_points_where_either_does() -> None:
    terms = Terms(4)
    frame = terms.make((STACK, 0x100))
    sides = terms.add(frame, -64), terms.add(terms.param(0), 8)
    chosen = terms.make((OP, SELECT, terms.param(1), *sides), terms.param(1), *sides)
    assert set(terms.locate(chosen)) == {(frame, -64, 0), (terms.param(0), 8, 0)}


def test_a_test_of_a_number_has_a_name_when_the_number_has() -> None:
    terms = Terms(4)
    number = terms.param(0)
    while terms.depth[number] < MAX_DEPTH:
        number = terms.make((OP, MUL, number, terms.param(1)), number, terms.param(1))
    equal, less = (fold.binary(terms, kind, number, terms.const(9), 4) for kind in (EQ, LT))
    either = fold.binary(terms, BOR, equal, less, 4)
    assert (UNKNOWN, "deep") not in [terms.nodes[one] for one in (equal, less, either)]
    assert terms.nodes[fold.binary(terms, LT, number, terms.param(1), 4)] == (UNKNOWN, "deep")


def test_what_a_function_joined_before_it_was_read_in_another_form_is_forgotten() -> None:
    terms = Terms(8)
    one, other = terms.phi(0x100, 0x120, 3), terms.phi(0x100, 0x120, 4)
    for phi in (one, other):
        terms.edges[phi] = (terms.const(1), terms.param(0))
        terms.joined.setdefault((0x100, 0x120), {})[phi] = None
    assert terms.linear(one) == terms.linear(other)
    terms.forget(0x100)
    terms.edges[other] = (terms.const(2), terms.param(1))
    terms.joined.setdefault((0x100, 0x120), {})[other] = None
    assert terms.linear(other) == ({other: 1}, 0)


def test_the_row_and_the_count_of_a_global_table_are_no_pointers() -> None:
    terms = Terms(8)
    client = terms.phi(0x100, 0x120, 3)
    terms.add_alternative(client, terms.zero)
    terms.add_alternative(client, terms.add(client, 1))
    fill = terms.make((BYTE, terms.param(0), terms.param(0), 8, 0, 4), terms.param(0))
    counts = terms.merge({terms.add(fill, 24), terms.add(terms.make((BYTE, client, client, 8, 0, 4), client), 24)})
    row = fold.binary(terms, MUL, client, terms.const(152), 8)
    for index in (fold.binary(terms, ADD, counts, row, 8), fold.binary(terms, ADD, row, counts, 8)):
        [(root, _, step)] = terms.locate(terms.add(index, 0x4140))
        assert root == GLOBAL
        assert step


def test_places_that_few_pointers_lead_to_come_first() -> None:
    terms = Terms(8)
    head = 0x20000
    phi = terms.phi(0x100, 0x120, 3)
    entry = terms.load(GLOBAL, head, 0, 8)
    entries = []
    for _ in range(4):
        entries.append(entry)
        entry = terms.load(entry, 0, 0, 8)
    for one in (*reversed(entries), terms.const(head)):
        assert terms.add_alternative(phi, one)
    assert [root for root, _, _ in terms.locate(phi)] == [GLOBAL, *entries]
