"""Texts in memory where paths meet."""

from customhouse.firmware.program import bytesets, quoting
from customhouse.firmware.program.fields import checked, remembered
from customhouse.firmware.program.state import Content, Fact, State
from customhouse.firmware.program.terms import GLOBAL, STACK, Terms

RECEIVED = Content(frozenset({("X", 9, 0, 0, 0)}), "%s", 32)
TERMS = Terms(4)
FRAME = TERMS.make((STACK, 0x400))
PLACE = (FRAME, -64, 0)


def path(*facts: Fact) -> State:
    state = State()
    state.texts[PLACE] = RECEIVED
    state.facts = frozenset(facts)
    return state


def test_what_one_path_checked_stays_checked_behind_the_join() -> None:
    fact = ("lacks", TERMS.add(FRAME, -64), bytesets.ALL)
    state = path(fact)
    [dep] = checked(TERMS, state, frozenset())[PLACE].deps
    assert dep[4] == quoting.SAFE
    assert state.texts[PLACE] == RECEIVED, "the path itself is left alone"


def test_what_all_paths_know_or_what_another_text_lacks_changes_nothing() -> None:
    here, there = (("lacks", TERMS.add(FRAME, at), bytesets.ALL) for at in (-64, -32))
    assert checked(TERMS, path(here), frozenset({here}))[PLACE] == RECEIVED
    assert checked(TERMS, path(there), frozenset())[PLACE] == RECEIVED


def test_a_check_of_one_of_several_texts_checks_none_of_them() -> None:
    either = TERMS.merge({TERMS.add(FRAME, -64), TERMS.add(FRAME, -32)})
    assert checked(TERMS, path(("lacks", either, bytesets.ALL)), frozenset())[PLACE] == RECEIVED


def test_what_a_loop_puts_where_others_see_it_is_asked_of_memory_at_its_head() -> None:
    place, local = (GLOBAL, 0x20000, 0), (FRAME, -64, 0)
    entry, head = State(), State()
    head.texts[place] = head.texts[local] = RECEIVED
    remembered(TERMS, entry, head)
    assert place not in head.texts
    assert head.texts[local] == RECEIVED
    entry.texts[place] = Content(frozenset(), "none", 5)
    head.texts[place] = RECEIVED
    remembered(TERMS, entry, head)
    assert head.texts[place].deps == {("T", *place, False)}


def test_what_is_put_together_in_a_loop_is_followed_as_it_grows() -> None:
    place = (GLOBAL, 0x20000, 0)
    for text in (RECEIVED._replace(grown=True), RECEIVED._replace(template="ping %s")):
        head = State()
        head.texts[place] = text
        remembered(TERMS, State(), head)
        assert head.texts[place] == text
