"""Which stores into the entries of an array or a list are seen by who asks for one by its key."""

from customhouse.firmware.program import views
from customhouse.firmware.program.keys import TEXT
from customhouse.firmware.program.state import literal
from customhouse.firmware.program.terms import GLOBAL, HEAP, Terms

TABLE, STEP = 0x9000, 160
TERMS = Terms(4)
ENTRY = TERMS.make((HEAP, 0x400))
SERVER, TITLE = TERMS.result(TEXT, "server"), TERMS.result(TEXT, "title")


def element(key: int, offset: int = 0) -> views.View:
    """A place in the element of the table that holds a key."""
    root, at, step = views.narrowed(TERMS, (GLOBAL, TABLE + offset, STEP), key)
    return views.view(TERMS, root, at + 32, step)


def test_the_place_of_a_value_is_that_of_every_element_and_has_the_key_of_one() -> None:
    place, keys = element(SERVER)
    assert place == (GLOBAL, TABLE + 32, STEP)
    assert keys == {((GLOBAL, TABLE, STEP), "server")}
    assert views.view(TERMS, ENTRY, 8, 0) == ((ENTRY, 8, 0), frozenset())


def test_a_key_that_is_no_constant_narrows_nothing() -> None:
    assert views.narrowed(TERMS, (ENTRY, 4, 0), TERMS.param(0)) == (ENTRY, 4, 0)


def test_an_object_made_for_a_key_is_the_one_that_is_found_by_it() -> None:
    place, made = views.view(TERMS, TERMS.made_for(ENTRY, SERVER, 4), 8, 0)
    found = views.view(TERMS, *views.narrowed(TERMS, (ENTRY, 4, 0), SERVER)).keys
    assert place == (ENTRY, 8, 0)
    assert made == found == {((ENTRY, 4, 0), "server")}


def test_what_was_stored_under_another_key_is_not_seen_and_what_was_stored_under_none_is() -> None:
    keeping = views.Keeping()
    text, plain = (GLOBAL, TABLE + 32, STEP, literal("a")), (GLOBAL, TABLE + 32, STEP, literal("b"))
    assert keeping.add(text, element(TITLE).keys)
    assert not keeping.add(text, element(TITLE).keys)
    keeping.add(plain, views.NO_KEYS)
    asked = element(SERVER, STEP).keys  # the walk over the table begins at its second element
    assert not keeping.meet(asked, text)
    assert keeping.meet(asked, plain)
    assert keeping.meet(element(TITLE).keys, text)
    keeping.add(text, element(SERVER).keys)
    assert keeping.meet(asked, text)


def test_keys_of_different_fields_say_nothing_of_each_other() -> None:
    keeping = views.Keeping()
    text = (GLOBAL, TABLE + 64, STEP, literal("a"))
    keeping.add(text, element(TITLE).keys)
    assert keeping.meet(element(SERVER, 16).keys, text)
