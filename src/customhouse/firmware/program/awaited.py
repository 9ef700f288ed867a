"""Pointers and lengths that are put into one object together: where bytes are to go that come later, and how many.

`expect(c, c->name, n)` puts both; `read(c->fd, c->to + c->got, c->want - c->got)` is made elsewhere, for all of them.
Whether what was awaited fits is asked of each pair as it was put there.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from . import bounds
from .held import Put, Putting
from .resolve import Store
from .state import State
from .terms import BYTE, CONST, HEAP, LOAD, PHI, STACK, Location, Terms

_MOST = 64


class Awaited(NamedTuple):
    """A pointer and a number that were put into one object, by the places as they were named, and what the number is at
    most.
    """

    to: Location
    pointer: int
    how_many: Location
    number: int
    most: int


def awaited(putting: Putting, edges: Mapping[tuple[int, int], State]) -> list[Awaited]:
    """The pairs that one function puts somewhere, in one block or in one and the next."""
    out: dict[Awaited, None] = {}
    for puts in putting.found.values():
        for one in _pairs(putting.terms, puts, puts):
            out.update(dict.fromkeys(_apart(putting, one, edges)))
    for (before, block), state in edges.items():
        for one in _pairs(putting.terms, putting.found.get(before, {}), putting.found.get(block, {})):
            most = putting.known(state, one.number, putting.among[one.how_many, one.number])
            pointers = putting.among[one.to, one.pointer]
            out[one._replace(pointer=pointers, most=one.most if most is None else min(one.most, most))] = None
    return list(out)


def _pairs(terms: Terms, first: Mapping[Put, int], then: Mapping[Put, int]) -> Iterator[Awaited]:
    pointers = [put for put in first if _is_pointer(terms, put[1])]
    for to, pointer in pointers if len(pointers) < _MOST else ():
        for (place, number), most in then.items():
            if place[0] == to[0] and place != to and not _is_pointer(terms, number):
                yield Awaited(to, pointer, place, number, most)


def _is_pointer(terms: Terms, value: int) -> bool:
    if terms.nodes[value][0] == CONST:
        return bool(terms.nodes[value][1] >= terms.data)
    return terms.nodes[value][0] in (HEAP, STACK) or terms.rank(value) >= 1


def _apart(putting: Putting, one: Awaited, edges: Mapping[tuple[int, int], State]) -> Iterator[Awaited]:
    """A pair as it is on each of the ways that met before it was put there."""
    terms = putting.terms
    pointers, numbers = putting.among[one.to, one.pointer], putting.among[one.how_many, one.number]
    node, other = terms.nodes[pointers], terms.nodes[numbers]
    if node[0] != PHI or other[:3] != node[:3]:
        yield one._replace(pointer=pointers)  # whichever has the most room
        return
    for (_before, block), state in edges.items():
        if block == node[2]:
            pointer, number = state.registers.get(node[3]), state.registers.get(other[3])
            if pointer is not None and number is not None:
                most = putting.known(state, one.number, number)
                if one.pointer in terms.flat(pointer) and one.number in terms.flat(number):
                    yield one._replace(pointer=pointer, most=min(one.most, bounds.HUGE if most is None else most))


def found(store: Store, pairs: list[Awaited], targets: Iterable[int], size: int) -> list[Awaited]:
    """The pairs that a copy's target, which is one of some numbers or their sum, and its length may be read from."""
    if not pairs:
        return []
    to, how_many = set[Location]().union(*(_names(store, one) for one in targets)), _names(store, size)
    return [one for one in pairs if one.to in to and one.how_many in how_many] if to and how_many else []


def _names(store: Store, term: int) -> set[Location]:
    """The places from which a number is read, or what it is the rest of, as those name them that put it there."""
    terms = store.terms
    parts = {part for value in terms.flat(term) for part, factor in terms.linear(value)[0].items() if factor > 0}
    values = {value for part in parts for value in (part, *terms.flat(part))}
    loads = {one for value in values for one in terms.linear(value)[0] if terms.nodes[one][0] in (BYTE, LOAD)}
    places = {place for one in loads for place in store.bases(*terms.nodes[one][-4:-1])}
    return {name for place in places for name in store.names.get(place, ())}
