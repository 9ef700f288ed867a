"""Heap objects that only the function at hand can reach: what lies in them counts once others can reach them.

A record is often filled first, checked then, and only then linked into a list: the bytes that fail the check are
freed with it and nobody ever reads them. So what is written into such an object is set aside (`private`), and told
when a pointer to it is stored where others look (`shared`) – as it is then, with what checks say of it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .state import Fact, State
from .terms import GLOBAL, STACK, Terms

Event = tuple[Any, ...]


def born(state: State, heap: int) -> None:
    """A new object: nothing is in it, whatever was in one made here before."""
    state.private |= {heap}
    state.shared -= {heap}
    _empty(state, heap)


def within(terms: Terms, state: State, values: Iterable[int]) -> set[int]:
    """The private objects that pointers lead to, directly or through other private objects."""
    found: set[int] = set()
    work = [root for value in values for root, _, _ in terms.locate(value)]
    while work:
        root = work.pop()
        if root in state.private and root not in found:
            found.add(root)
            held = (state.words[key][1] for key in state.words.of(root))
            work += [inner for value in held for inner, _, _ in terms.locate(value)]
    return found


def elsewhere(terms: Terms, state: State, spots: Iterable[tuple[int, int, int]]) -> bool:
    """Whether a store may go where others look: not only into the own frame or private objects."""
    return any(root not in state.private and terms.nodes[root][0] != STACK for root, _, _ in spots)


def drop(terms: Terms, state: State, pointer: int) -> None:
    """An object is freed: nobody reads what is in it. Where it may be one of several (what a field held before) it is
    not known which, unless they have no other name: then each of them was made on a way of its own.
    """
    roots = {root for root, offset, _ in terms.locate(pointer) if root != GLOBAL or offset >= terms.floor}
    if len(roots) == 1 or alone(terms, state, roots, pointer):
        for root in roots & state.private:
            _empty(state, root)


def refused(state: State) -> None:
    """There is nothing in an object that could not be made."""
    for heap in state.private:
        if state.ranges.get(heap) == (0, 0):
            _empty(state, heap)


def alone(terms: Terms, state: State, roots: set[int], pointer: int) -> bool:
    """Whether private objects are known by no other pointer than this one, which may be any of them."""
    if not roots <= state.private:
        return False
    names = {value for _, value in state.words.values()} | set(state.registers.values())
    flat = terms.flat(pointer)
    return not any(
        terms.flat(one) != flat and any(root in roots for root, _, _ in terms.locate(one))
        for one in names
        if terms.rank(one) >= 1
    )


def leave(terms: Terms, state: State, value: int) -> None:
    """A function returns: what it handed to nobody, nobody reads."""
    for heap in state.private - within(terms, state, (value,)):
        _empty(state, heap)


def _empty(state: State, heap: int) -> None:
    for key in state.words.of(heap):
        del state.words[key]
    for key in state.texts.of(heap):
        del state.texts[key]


def met(states: list[State]) -> tuple[frozenset[int], frozenset[int]]:
    """Private and shared objects where paths meet: shared on one of them is shared."""
    shared = frozenset[int]().union(*(one.shared for one in states))
    return frozenset[int]().union(*(one.private for one in states)) - shared, shared


def settled(events: Mapping[Event, frozenset[Fact]], fresh: frozenset[int]) -> dict[Event, frozenset[Fact]]:
    """The events of a function, with what held each time: stores set aside are those of objects that it neither shared
    nor handed over (`fresh`).
    """
    told = {event[1] for event in events if event[0] == "shared"} | fresh
    out: dict[Event, frozenset[Fact]] = {}
    for event, facts in events.items():
        if event[0] == "private":
            if event[1][1] not in told:
                out[event[1]] = out.get(event[1], facts) & facts
        elif event[0] not in ("shared", "freed"):
            out[event] = out.get(event, facts) & facts
    return out
