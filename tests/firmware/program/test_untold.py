"""Texts that nobody else had the time to read yet."""

from customhouse.firmware.program import quoting, untold
from customhouse.firmware.program.state import EMPTY, Content, State, literal
from customhouse.firmware.program.terms import GLOBAL, HEAP, STACK, Terms

TERMS = Terms(4)
HOST = (GLOBAL, 0x8040, 0)
NAME = (GLOBAL, 0x8080, 0)
HEARD = Content(frozenset({("X", 9, 0, 0, 0)}), "%s", 32)
CHECKED = Content(frozenset({("X", 9, 0, 0, quoting.SAFE)}), "%s", 32)
NONE: frozenset[tuple[object, ...]] = frozenset()


def stored(*held: tuple[tuple[int, int, int], Content]) -> State:
    state = State()
    for place, content in held:
        state.texts[place] = content
        untold.aside(TERMS, state, ("text", *place, content))
    return state


def test_a_text_that_a_check_may_yet_clear_is_set_aside() -> None:
    state = stored((HOST, HEARD))
    assert state.untold == {HOST}
    assert untold.aside(TERMS, state, ("text", *HOST, HEARD)) == ("untold", ("text", *HOST, HEARD))


def test_what_is_safe_or_lies_anywhere_or_in_a_frame_is_told_at_once() -> None:
    frame = (TERMS.make((STACK, 0x400)), -32, 0)
    assert not stored((HOST, CHECKED), (frame, HEARD), (NAME, literal("clock"))).untold
    state = State()
    state.texts[(GLOBAL, 0x8040, 0)] = HEARD
    assert untold.aside(TERMS, state, ("text", GLOBAL, 0x8040, 1, HEARD)) == ("text", GLOBAL, 0x8040, 1, HEARD)


def test_only_who_looks_there_reads_a_text() -> None:
    state = stored((HOST, HEARD))
    assert untold.seen(TERMS, state, None) == [HOST]
    assert untold.seen(TERMS, state, untold.NOTHING) == []
    assert untold.seen(TERMS, state, frozenset({(GLOBAL, 0x8040, 0, 0)})) == [HOST]
    assert untold.seen(TERMS, state, frozenset({(GLOBAL, 0x8080, 0, 0)})) == []
    assert untold.seen(TERMS, state, frozenset({(GLOBAL, 0x8000, 0, 0x60)})) == [HOST]  # a copy of the whole object
    assert untold.seen(TERMS, state, frozenset({(GLOBAL, 0x8000, 4, 0)})) == [HOST]  # somewhere behind
    record = TERMS.make((HEAP, 0x500))
    assert untold.seen(TERMS, state, frozenset({(record, 0, 0, 0)})) == []
    assert untold.seen(TERMS, state, frozenset({(TERMS.load(GLOBAL, 0x9000, 0, 4), 0, 0, 0)})) == [HOST]  # it may be


def test_what_is_told_is_what_was_stored_as_checks_left_it() -> None:
    other = Content(frozenset({("X", 11, 0, 0, 0)}), "%s", 8)
    before = ("T", *HOST, 0)
    held = Content(CHECKED.deps | {before}, "%s")
    assert untold.told(HOST, held, [HEARD, other]) == [(CHECKED, HEARD)]
    assert untold.told(HOST, held, []) == [(held._replace(deps=CHECKED.deps), None)]
    assert untold.told(HOST, EMPTY, [HEARD]) == []


def test_a_text_that_nobody_read_counts_for_sizes_only() -> None:
    store = ("text", *HOST, HEARD)
    unread = ("text", *HOST, CHECKED)
    assert list(untold.settled({("untold", store): NONE}, lambda _: False)) == [unread]
    assert list(untold.settled({("untold", store): NONE}, lambda _: True)) == []
    assert list(untold.settled({("untold", store): NONE, ("told", store): NONE}, lambda _: False)) == [store]
    assert untold.read([("untold", store)]) == frozenset()
    assert untold.read([("untold", store), ("told", store)]) == {HOST}


def test_a_function_looks_where_its_events_have_texts_from() -> None:
    line = Content(frozenset({("T", *HOST, 0)}), "ping %s")
    given = Content(frozenset({("T", TERMS.param(0), 4, 0, 0)}), "ping %s")
    sink = ("sink", "system", 0x400, line, frozenset(), (), "")
    assert untold.looked(TERMS, [sink]) == {(*HOST, 0)}
    assert untold.looked(TERMS, [("sink", "system", 0x400, given, frozenset(), (), "")]) == untold.NOTHING
    assert untold.looked(TERMS, [("word", *NAME, 4, TERMS.load(*HOST, 4))]) == {(*HOST, 4)}
    assert untold.looked(TERMS, [("start", "execv", 0x400, 0, 0, frozenset(), ())]) is None


def test_fields_that_a_copy_was_cut_into_where_paths_meet_are_set_aside_too() -> None:
    copy = Content(frozenset({("T", TERMS.param(0), 0, 0, 0)}), "%s", 64, True)
    state, new = stored((HOST, copy)), State()
    field = (GLOBAL, 0x8060, 0)
    new.texts[HOST], new.texts[field] = copy._replace(extent=32), copy._replace(extent=32)
    assert untold.met([state, State()], new) == {HOST, field}
