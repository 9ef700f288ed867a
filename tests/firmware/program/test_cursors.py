"""Copies into buffers that a structure keeps account of."""

from customhouse.firmware.program.cursors import unaccounted
from customhouse.firmware.program.lift import ADD, SUB
from customhouse.firmware.program.summary import Event
from customhouse.firmware.program.terms import OP, Terms


def account(terms: Terms, compared: bool = True, less: bool = True) -> list[Event]:
    """`if (n > b->left) return; memcpy(b->next, data, n); b->next += n; b->left -= n`."""
    buffer, data, count = (terms.param(index) for index in range(3))
    following, left = terms.load(buffer, 0, 0, 8), terms.load(buffer, 8, 0, 4)
    facts = frozenset({("most", count, left, 0)} if compared else ())
    copy: Event = ("over", "memcpy", 0x100, following, None, None, count, facts, ((0x90, 0x100),), ((data, None),), 0)
    moved: list[Event] = [("word", buffer, 0, 0, 8, terms.make((OP, ADD, following, count), following, count))]
    if less:
        moved.append(("word", buffer, 8, 0, 4, terms.make((OP, SUB, left, count), left, count)))
    return [copy, *moved]


def copies(terms: Terms, events: list[Event]) -> int:
    return sum(event[0] == "over" for event in unaccounted(terms, events))


def test_a_copy_that_is_compared_with_what_is_left_and_taken_off_it_is_believed() -> None:
    terms = Terms(8)
    assert copies(terms, account(terms)) == 0


def test_a_copy_that_is_only_compared_or_only_taken_off_is_judged() -> None:
    terms = Terms(8)
    assert copies(terms, account(terms, compared=False)) == 1
    assert copies(terms, account(terms, less=False)) == 1
