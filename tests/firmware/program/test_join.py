"""Where paths meet."""

from customhouse.firmware.program import bytesets, fold
from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.join import Head, carried, join, shared
from customhouse.firmware.program.lift import ADD, AND, MUL, SHL
from customhouse.firmware.program.state import Content, State
from customhouse.firmware.program.terms import ADDR, BYTE, HEAP, PHI, Terms


def byte(terms: Terms, at: int) -> int:
    pointer = terms.add(terms.param(0), at)
    return terms.make((BYTE, pointer, terms.param(0), at, 0, 1), pointer, terms.param(0))


def test_what_is_computed_from_the_byte_of_each_way_is_computed_from_the_byte_where_they_meet() -> None:
    terms = Terms(4)
    states = []
    for at in (0, 1):
        state = State()
        read = byte(terms, at)
        state.registers = {1: read, 2: fold.binary(terms, AND, read, terms.const(0xDF), 4)}
        states.append(state)
    met = join(terms, 0x100, 0x120, states, frozenset(), {}).registers
    assert met[2] == fold.binary(terms, AND, met[1], terms.const(0xDF), 4)


def test_what_is_absent_on_both_ways_is_absent_where_they_meet() -> None:
    everything = ("lacks", 5, bytesets.ALL)
    some = ("lacks", 5, bytesets.SHELL)
    assert shared([frozenset({everything}), frozenset({some, ("eq", 5, "x")})]) == {some}
    assert shared([frozenset({everything}), frozenset()]) == frozenset()


def test_a_byte_that_no_register_holds_any_more_is_still_one_byte_behind_the_join() -> None:
    terms = Terms(4)
    states = []
    for number in range(2):
        pointer = terms.param(number)
        byte = terms.make((BYTE, pointer, pointer, 0, 0, 1), pointer)
        state = State()
        state.registers[8] = terms.add(byte, -48)
        states.append(state)
    joined = join(terms, 0x100, 0x120, states, frozenset(), {})
    kind, base, offset, _ = terms.nodes[joined.registers[8]]
    assert (kind, offset, terms.nodes[base][0]) == (ADDR, -48, PHI)
    assert {terms.nodes[one][0] for one in terms.alternatives[base]} == {BYTE}


def test_one_byte_in_two_registers_is_one_byte_behind_the_join() -> None:
    terms = Terms(4)
    states = []
    for at in (0, 1):
        state = State()
        state.registers = {1: byte(terms, at), 2: byte(terms, at), 3: terms.const(at), 4: terms.const(at)}
        states.append(state)
    met = join(terms, 0x100, 0x120, states, frozenset(), {}).registers
    assert met[1] == met[2]
    assert met[3] != met[4]


def holding(*values: tuple[int, int]) -> State:
    state = State()
    state.registers = dict(values)
    return state


def test_what_a_loop_lost_does_not_come_back_when_it_goes_round_again() -> None:
    terms = Terms(4)
    zero, other = terms.const(0), terms.const(7)
    entry = holding((1, zero), (2, other))
    before = Head(entry, holding((2, other)))  # register 1 was lost where the loop's ways met
    assert 1 not in carried(terms, 0x120, entry, holding((2, other)), before).registers


def test_what_the_loop_changed_in_an_earlier_round_stays_changed() -> None:
    terms = Terms(4)
    phi = terms.phi(0x100, 0x120, 1)
    entry = holding((1, terms.const(0)))
    before = Head(entry, holding((1, phi)))
    assert carried(terms, 0x120, entry, holding((1, phi)), before).registers == {1: phi}


def test_what_went_round_unchanged_is_what_the_loop_is_entered_with_now() -> None:
    terms = Terms(4)
    phi = terms.phi(0x100, 0x120, 1)
    before = Head(holding((1, terms.const(0))), holding((1, phi)))
    fresh = terms.const(5)
    assert carried(terms, 0x120, holding((1, fresh)), holding((1, phi)), before).registers == {1: fresh}


def test_a_field_written_on_one_path_is_not_as_long_as_the_object_copied_on_both() -> None:
    terms = Terms(4)
    heap = terms.make((HEAP, 0x400))
    copy = Content(frozenset({("T", terms.param(0), 0, 0, False)}), "%s", 284, True)
    label = Content(frozenset({("X", 9, 0, 0, False)}), "%s", 32)
    states = [State(), State()]
    states[0].texts[(heap, 0, 0)] = copy
    states[1].texts[(heap, 0, 0)] = label
    states[1].texts[(heap, 32, 0)] = Content(frozenset({("T", terms.param(0), 32, 0, False)}), "%s", 252, True)
    met = join(terms, 0x100, 0x120, states, frozenset(), {}).texts
    assert met[(heap, 0, 0)].extent == 32 and label.deps < met[(heap, 0, 0)].deps
    assert met[(heap, 32, 0)] == states[1].texts[(heap, 32, 0)]


def test_the_byte_read_ahead_is_the_byte_where_the_pointer_stands_behind_the_join() -> None:
    terms = Terms(4)
    states = []
    for at in (0, 1):
        state = State()
        state.registers = {1: byte(terms, at), 2: terms.add(terms.param(0), at)}
        states.append(state)
    met = join(terms, 0x100, 0x120, states, frozenset(), {}).registers
    assert terms.nodes[met[1]][:2] == (BYTE, met[2])


def test_the_byte_read_ahead_by_an_index_is_the_byte_where_the_index_stands_behind_the_join() -> None:
    terms = Terms(4)
    phi = terms.phi(0x100, 0x120, 2)
    states = []
    for index in (terms.zero, terms.add(phi, 1)):
        state = State()
        address = fold.binary(terms, ADD, terms.param(0), index, 4)
        state.registers = {1: terms.make((BYTE, address, terms.param(0), 0, 1, 1), address), 2: index}
        states.append(state)
    met = join(terms, 0x100, 0x120, states, frozenset(), {}).registers
    assert met[2] == phi
    assert terms.nodes[met[1]][:2] == (BYTE, fold.binary(terms, ADD, terms.param(0), phi, 4))


def test_the_entry_of_a_table_that_was_looked_up_before_the_loop_is_that_of_the_byte_in_the_loop() -> None:
    terms = Terms(4)
    table = terms.result(0x50, "__ctype_b_loc")
    states = []
    for at in (0, 1):
        state = State()
        scaled = fold.binary(terms, (SHL, MUL)[at], byte(terms, at), terms.const(at + 1), 4)
        address = fold.binary(terms, ADD, table, scaled, 4)
        entry = terms.make((BYTE, address, table, 0, 2, 2), address)
        state.registers = {2: terms.add(terms.param(0), at), 3: fold.binary(terms, AND, entry, terms.const(8), 4)}
        states.append(state)
    met = join(terms, 0x100, 0x120, states, frozenset(), {}).registers
    assert bytesets.ByteSets(terms, Image("arm", False, 4, 0)).variables(met[3]) == {terms.byte_at(met[2])}


def test_classes_asked_for_at_two_calls_are_one_class_of_one_byte() -> None:
    terms = Terms(4)
    states = []
    for at in (0, 1):
        state = State()
        state.registers = {1: byte(terms, at), 2: terms.result(0x200 + at, "isalnum", (byte(terms, at), terms.zero))}
        states.append(state)
    met = join(terms, 0x100, 0x120, states, frozenset(), {}).registers
    assert terms.nodes[met[2]][2:] == ("isalnum", (met[1],))


def test_a_pointer_that_was_found_to_be_null_leads_nowhere_behind_the_join() -> None:
    terms = Terms(4)
    entry, found = terms.make((HEAP, 1)), terms.make((HEAP, 2))
    for null in (True, False):
        states = [State(), State()]
        states[0].registers, states[1].registers = {1: entry}, {1: found}
        if null:
            states[0].ranges[entry] = (0, 0)
        met = join(terms, 0x100, 0x120 + null, states, frozenset(), {}).registers[1]
        assert terms.flat(met) == ({terms.zero, found} if null else {entry, found})
