"""Buffers that a structure keeps account of: a pointer to what is free, and beside it how much that is.

Where a copy is compared with what is left, and moves the pointer on and makes what is left less by its length, the
program itself knows how far it may write.
"""

from collections.abc import Iterable

from . import lift
from .summary import Event
from .terms import OP, Terms

_TARGET, _SIZE, _FACTS = 3, 6, 7


def unaccounted(terms: Terms, events: Iterable[Event]) -> list[Event]:
    """The events of a function without copies that are kept account of."""
    events = list(events)
    moved = {(event[1], event[2], event[5]) for event in events if event[0] == "word"}
    return [event for event in events if event[0] != "over" or not _tracked(terms, event, moved)]


def _tracked(terms: Terms, event: Event, moved: set[tuple[int, int, int]]) -> bool:
    target, size = event[_TARGET], event[_SIZE]
    if size == -1:
        return False
    further = {terms.index.get((OP, lift.ADD, *pair)) for pair in ((target, size), (size, target))}
    accounts = {root for root, _, value in moved if value in further}
    for fact in event[_FACTS] if accounts else ():
        less = terms.index.get((OP, lift.SUB, fact[2], size)) if fact[0] == "most" and fact[1] == size else None
        if any(root in accounts and value == less for root, _, value in moved):
            return True
    return False
