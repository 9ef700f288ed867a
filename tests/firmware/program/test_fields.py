"""Texts in memory where paths meet."""

from customhouse.firmware.program import bytesets, quoting
from customhouse.firmware.program.fields import checked
from customhouse.firmware.program.state import Content, Fact, State
from customhouse.firmware.program.terms import STACK, Terms

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
