"""Heap objects that only the function at hand can reach: what lies in them counts once others can reach them.

A record is often filled first, checked then, and only then linked into a list: the bytes that fail the check are
freed with it and nobody ever reads them. So what is written into such an object is set aside (`private`), and told
when a pointer to it is stored where others look (`shared`) – as it is then, with what checks say of it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .state import Fact, State
from .terms import ADDR, DERIVED, GLOBAL, MERGE, OP, PHI, STACK, Terms

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


def refused(terms: Terms, state: State) -> None:
    """There is nothing in an object that could not be made, or that a call would have given which gave NULL."""
    for one in [one for one, span in state.ranges.items() if span == (0, 0)] if state.private else ():
        given = terms.flat(one) & state.private if terms.is_new(one) else ()
        for heap in (one,) if one in state.private else (made for made in given if _made_by(terms, made, one)):
            _empty(state, heap)


def _made_by(terms: Terms, heap: int, result: int) -> bool:
    """Whether an object is one that a call made for nobody but its caller."""
    by = terms.nodes[heap][1]
    return isinstance(by, tuple) and by[0] == terms.nodes[result][2]


def alone(terms: Terms, state: State, roots: set[int], pointer: int) -> bool:
    """Whether private objects are known by no other pointer than this one, which may be any of them, and by what is
    made of it.
    """
    if not roots <= state.private:
        return False
    names = {value for _, value in state.words.values()} | set(state.registers.values())
    flat = terms.flat(pointer)
    return not any(
        terms.flat(one) != flat and any(root in roots for root, _, _ in terms.locate(one))
        for one in names
        if terms.rank(one) >= 1 and _leads(terms, one, roots, pointer)
    )


def _leads(terms: Terms, name: int, roots: set[int], but: int) -> bool:
    """Whether a name leads to one of some objects otherwise than by a pointer to them."""
    seen = {but}
    work = [name]
    while work:
        one = work.pop()
        if one in roots:
            return True
        if one not in seen:
            seen.add(one)
            node = terms.nodes[one]
            if node[0] in (PHI, MERGE):
                work += terms.alternatives[one] if node[0] == PHI else node[1]
            elif node[0] in (ADDR, DERIVED):
                work.append(node[1])
            elif node[0] == OP:
                work += node[2:]
    return False


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
