"""Objects that only one function can reach yet."""

from customhouse.firmware.program import private, untold
from customhouse.firmware.program.state import Content, State
from customhouse.firmware.program.terms import GLOBAL, HEAP, Terms

RECEIVED = Content(frozenset({("X", 9, 0, 0, 0)}), "%s", 32)
TERMS = Terms(4)
RECORD = TERMS.make((HEAP, 0x400))
NAME = TERMS.make((HEAP, 0x440))


def made(*heaps: int) -> State:
    state = State()
    for heap in heaps:
        private.born(state, heap)
    return state


def settled(events: list[private.Event], fresh: frozenset[int]) -> list[private.Event]:
    return list(private.settled(dict.fromkeys(events, frozenset()), fresh))


def test_a_store_into_a_private_object_is_set_aside_and_one_elsewhere_is_not() -> None:
    state = made(RECORD)
    inside, outside = ("text", RECORD, 8, 0, RECEIVED), ("text", NAME, 0, 0, RECEIVED)
    assert untold.aside(TERMS, state, inside) == ("private", inside)
    assert untold.aside(TERMS, state, outside) == outside


def test_what_was_set_aside_counts_unless_the_object_was_shared_or_handed_over() -> None:
    store = ("text", RECORD, 8, 0, RECEIVED)
    later = ("text", RECORD, 8, 0, RECEIVED._replace(extent=8))
    none: frozenset[int] = frozenset()
    assert settled([("private", store)], none) == [store]
    assert settled([("private", store), ("shared", RECORD), later], none) == [later]
    assert settled([("private", store)], frozenset({RECORD})) == []
    assert settled([("private", store), ("shared", NAME), ("freed", 0)], none) == [store]


def test_what_held_when_an_object_was_private_and_when_it_was_not_is_what_held_both_times() -> None:
    store = ("text", RECORD, 8, 0, RECEIVED)
    ready, first = ("word", RECORD, 0, 4, 1), ("word", RECORD, 4, 4, 1)
    told = {("private", store): frozenset({ready, first}), store: frozenset({ready})}
    assert private.settled(told, frozenset()) == {store: frozenset({ready})}


def test_a_private_object_is_reached_through_another_one() -> None:
    state = made(RECORD, NAME)
    state.words[(RECORD, 4, 0)] = (4, NAME)
    assert private.within(TERMS, state, [RECORD]) == {RECORD, NAME}
    assert private.within(TERMS, state, [NAME]) == {NAME}
    state.private -= {RECORD}
    assert private.within(TERMS, state, [RECORD]) == set()


def test_a_new_object_holds_nothing_of_the_one_made_there_before_nor_does_a_freed_one() -> None:
    state = made(RECORD)
    state.texts[(RECORD, 8, 0)] = RECEIVED
    private.born(state, RECORD)
    assert not state.texts.of(RECORD)
    state.texts[(RECORD, 8, 0)] = RECEIVED
    private.drop(TERMS, state, RECORD)
    assert not state.texts.of(RECORD)


def test_freeing_what_others_can_reach_changes_nothing() -> None:
    state = State()
    state.texts[(RECORD, 8, 0)] = RECEIVED
    private.drop(TERMS, state, RECORD)
    assert state.texts[(RECORD, 8, 0)] == RECEIVED


def test_where_paths_meet_an_object_shared_on_one_of_them_is_shared() -> None:
    first, second = made(RECORD, NAME), made(RECORD)
    second.private, second.shared = frozenset(), frozenset({RECORD})
    assert private.met([first, second]) == (frozenset({NAME}), frozenset({RECORD}))


def test_a_store_to_a_global_is_where_others_look() -> None:
    state = made(RECORD)
    assert private.elsewhere(TERMS, state, [(GLOBAL, 0x8000, 0)])
    assert not private.elsewhere(TERMS, state, [(RECORD, 4, 0)])


def test_what_is_freed_by_a_pointer_that_may_be_another_object_stays() -> None:
    state = made(RECORD)
    state.texts[RECORD, 8, 0] = RECEIVED
    before = TERMS.load(GLOBAL, 0x8000, 0, 4)
    private.drop(TERMS, state, TERMS.merge({before, RECORD}))
    assert state.texts[RECORD, 8, 0] == RECEIVED
    private.drop(TERMS, state, TERMS.merge({TERMS.zero, RECORD}))
    assert (RECORD, 8, 0) not in state.texts
