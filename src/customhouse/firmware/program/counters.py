"""Counters of loops that copy bytes or decode them: how many bytes a function wrote, which it gives to its caller.

Such a counter is a number of the loop and has no end by itself. What it comes to is told by the text that the loop
reads, and by what the loop compares it with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .copyloops import CopyLoops
from .lift import ADD
from .names import WRITTEN
from .summary import Event
from .terms import ADDR, MERGE, OP, PHI, RESULT, Terms

_LIMIT, _SOURCES, _STEPS = 4, 9, 10
_MOST = 40
"""Terms that are looked at to find what a number may be."""
_JOINS = 4
"""Joins through which a counter goes round its loop."""
Length = Callable[[int], int | None]


def told(copies: CopyLoops, events: Iterable[Event]) -> Iterator[tuple[int, int]]:
    """The counters of the loops that copy, each with how many bytes it says were written."""
    terms = copies.terms
    for event in events:
        read, written = event[_STEPS]
        sources = event[_SOURCES]
        if len(sources) != 1 or not read or not 0 < written <= read:
            continue
        counter = copies.counter(event[2])
        if counter is not None:
            above = [*counter[1], *(terms.const(one) for one in (event[_LIMIT],) if one is not None and one > 0)]
            arguments = (sources[0][0], terms.const(read), terms.const(written), *dict.fromkeys(above))
            yield counter[0], terms.make((RESULT, event[2], WRITTEN, arguments), *arguments)


def parts(terms: Terms, counters: Mapping[int, int], term: int) -> frozenset[int] | None:
    """What a number may be that is such a counter, or where ways meet on some of which it is one: how many bytes were
    written, in place of the counter. None when it is none.
    """
    if not counters:
        return None
    out: set[int] = set()
    seen, work, found = {term}, [term], False
    while work and len(seen) < _MOST:
        one = work.pop()
        node = terms.nodes[one]
        # before the last byte was counted, or behind it
        written = counters.get(node[1] if node[0] == ADDR and node[2:] == (1, 0) else one)
        if written is not None:
            found = True
            out.add(written)
        elif node[0] in (PHI, MERGE):
            new = (terms.alternatives[one] if node[0] == PHI else node[1]) - seen
            seen |= new
            work += new
        else:
            out.add(one)
    return frozenset(out) if found and not work else None


def is_written(node: tuple[Any, ...]) -> bool:
    """Whether a number is how many bytes a loop wrote."""
    return bool(node[0] == RESULT and node[2] == WRITTEN)


def most(terms: Terms, node: tuple[Any, ...], held: Length, length: Length) -> int | None:
    """The most bytes that a loop wrote: of the text that it read, and of what it compared with."""
    source, read, written, *above = node[3]
    text = held(source)
    known = [] if text is None else [max(text - 1, 0) // (terms.value(read) or 1) * (terms.value(written) or 1)]
    for one in above:
        most_of = length(one)
        if most_of is None:
            return None  # compared with what we do not know: believed
        known.append(most_of)
    return min(known, default=None)


def goes_round(terms: Terms, term: int) -> bool:
    """Whether the term is a counter of a loop, or what one came to: that a length is below it tells how the loop
    ended.
    """
    top = terms.nodes[term]
    if top[0] == OP and top[1] == ADD:  # what is added to as the loop goes round
        rounds = [one for one in top[2:] if terms.nodes[one][0] == PHI]
        return any(term in terms.alternatives[one] or goes_round(terms, one) for one in rounds)
    joins = [term] if top[0] == PHI else []
    for one in joins:
        node = terms.nodes[one]
        for value in terms.alternatives[one] if node[0] == PHI else node[1]:
            base, more = terms.based(value)
            kind = terms.nodes[base][0]
            if kind == OP or (base in joins and (more or base == one == term)):
                return True
            if kind in (PHI, MERGE) and base not in joins and len(joins) < _JOINS:
                joins.append(base)
    return False
