"""Entries of a store named by the keys under which they are found or made."""

from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.keys import TEXT, Keys
from customhouse.firmware.program.state import Content, State
from customhouse.firmware.program.terms import GLOBAL, HEAP, KEYED, STACK, Terms

ENTRY, STORED, CODE = 1, 2, 3
"""Registers."""
HEAD, TABLE = 0x9000, 0x9100
TERMS = Terms(4)
KEY = TERMS.param(0)
COPY = Content(frozenset({("T", KEY, 0, 0, 0)}), "%s")


def keys() -> Keys:
    image = Image("arm", False, 4, 0)
    image.segments = [Segment(HEAD, HEAD + 0x800, bytearray(0x800), False, True)]
    return Keys(TERMS, image)


def walk() -> int:
    """A pointer that walks over a list."""
    pointer = TERMS.phi(1, 2, "walk")
    first = TERMS.load(GLOBAL, HEAD, 0, 4)
    for one in (first, TERMS.load(first, 0, 0, 4)):
        TERMS.add_alternative(pointer, one)
    return pointer


def field(offset: int) -> int:
    """What the entries of the list have in one field."""
    return TERMS.merge({TERMS.load(root, at + offset, 0, 4) for root, at, _ in TERMS.locate(walk())})


def test_an_entry_gets_the_key_that_its_field_was_compared_with() -> None:
    known, state = keys(), State()
    state.registers = {ENTRY: walk(), STORED: TERMS.param(1)}
    known.found(state, frozenset({("same", field(4), KEY)}))
    entry = TERMS.add(TERMS.keyed(TERMS.add(walk(), 4), KEY), -4)
    assert state.registers == {ENTRY: entry, STORED: TERMS.param(1)}
    assert known.is_field((TERMS.make((HEAP, 1)), 4, 0))


def test_a_text_that_is_neither_constant_nor_a_callers_is_no_key() -> None:
    known, state = keys(), State()
    state.registers = {ENTRY: walk()}
    known.found(state, frozenset({("same", field(4), TERMS.make((STACK, 1)))}))
    assert state.registers == {ENTRY: walk()}
    received = TERMS.add(TERMS.make((STACK, 1)), 8)
    assert known.place(walk(), received) == walk()
    assert known.heap(TERMS.made_for(TERMS.make((HEAP, 1)), KEY, 4), received) == TERMS.make((HEAP, 1))


def test_a_key_is_a_text_in_the_words_of_a_caller_that_gives_a_constant() -> None:
    known = keys()
    known.text = lambda term: "Server" if term == TERMS.const(0x8000) else None
    place = TERMS.nodes[known.place(walk(), TERMS.const(0x8000))]
    assert place == (KEYED, walk(), TERMS.result(TEXT, "server"))


def test_a_new_element_gets_the_key_that_is_written_into_it() -> None:
    known, state = keys(), State()
    element = TERMS.add(TERMS.const(TABLE), 0, 160)
    state.registers = {ENTRY: element}
    known.written(state, element, COPY)
    assert state.registers == {ENTRY: element}
    known.fields.add((GLOBAL, TABLE % 160, 160))
    known.written(state, element, COPY)
    assert state.registers == {ENTRY: TERMS.keyed(element, KEY)}


def test_a_new_object_gets_the_key_that_was_put_into_it() -> None:
    known, state = keys(), State()
    heap = TERMS.make((HEAP, 0x400))
    known.fields.add((-1, 8, 0))
    state.private = frozenset({heap})
    state.texts[(heap, 8, 0)] = COPY
    state.registers = {ENTRY: TERMS.add(heap, 8), STORED: TERMS.zero}
    assert known.of_object(state, heap, lambda _state, _term: COPY) == (KEY, 8)
    named = TERMS.made_for(heap, KEY, 8)
    assert known.rename(state, heap, named, heap) == named
    assert state.registers[ENTRY] == TERMS.add(named, 8)
    assert list(state.texts) == [(named, 8, 0)]
    assert state.private == {named}


def test_what_is_put_into_entries_of_one_key_belongs_to_it() -> None:
    known = keys()
    found = TERMS.keyed(walk(), KEY)
    made = TERMS.made_for(TERMS.make((HEAP, 0x400)), KEY, 4)
    assert known.owner(State(), [(found, 8, 0), (made, 8, 0)], lambda _state, _term: COPY) == KEY
    assert known.owner(State(), [(found, 8, 0), (walk(), 8, 0)], lambda _state, _term: COPY) is None
