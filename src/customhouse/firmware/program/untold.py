"""Texts in memory that others can reach, before anybody else had the time to read them.

A field is often filled first and checked where it lies: what fails the check is cleared again, and the function goes
on. So a text that is written there is set aside (`State.untold`), and told as it is when others may look: where the
function returns, waits, or calls what may read it. That another thread reads it in between is a race, which we do not
count.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import quoting
from .state import Content, Fact, State, bare, kept
from .terms import BYTE, GLOBAL, HEAP, LOAD, STACK, Location, Terms

Event = tuple[Any, ...]
Look = tuple[int, int, int, int]
"""A place whose text is read: root, offset, stride, and how many bytes when that is known, else 0."""
Looks = frozenset[Look] | None
"""Places that a function reads, None when it may read any."""

NOTHING: frozenset[Look] = frozenset()
_ROOM = 4096
_MOST_LOOKS = 60
_TEXTS = {"sink": 3, "feed": 3, "over": 5, "out": 2, "put": 3, "text": 4, "service": 3}
"""Where events have the text that they speak of."""


def aside(terms: Terms, state: State, event: Event) -> Event:
    """The event of a store, set aside when it goes into a private object or is a text that a check may yet clear."""
    if event[1] in state.private:
        return ("private", event)
    if event[0] != "text" or event[3] or terms.nodes[event[1]][0] == STACK:
        return event
    place, content = event[1:4], event[4]
    held = state.texts.get(place)
    if held is None or not content.deps <= held.deps or all(dep[4] & quoting.SAFE for dep in content.deps):
        return event
    state.untold |= {place}
    return ("untold", event)


def met(states: list[State], new: State) -> frozenset[Location]:
    """The places where paths meet, with those of the fields that copies of whole objects were cut into there."""
    out = frozenset[Location]().union(*(one.untold for one in states))
    if not out:
        return out
    copies = [
        (root, at, content.extent)
        for one in states
        for root, at, _ in one.untold
        if (content := one.texts.get((root, at, 0))) is not None and content.verbatim and content.extent
    ]
    return out | {key for root, at, size in copies for key in new.texts.of(root) if at < key[1] < at + size}


def settled(events: Mapping[Event, frozenset[Fact]], heard: Callable[[Event], bool]) -> dict[Event, frozenset[Fact]]:
    """The events of a function, with the texts that it set aside and that nobody read: no command is made of them, but
    how long they are, and that they come from outside, counts as ever. Of some its callers have `heard`.
    """
    known = {_plain(event) for event in events}
    told = {(*event[1:4], bare(event[4])) for event in known if event[0] == "text"}
    out: dict[Event, frozenset[Fact]] = {}
    for event, facts in events.items():
        if event[0] != "untold":
            plain = _plain(event)
            out[plain] = out.get(plain, facts) & facts
            continue
        place, content = event[1][1:4], event[1][4]
        if (*place, bare(content)) not in told and not heard(event[1]):
            unread = ("text", *place, content._replace(deps=kept(content.deps, quoting.SAFE)))
            out[unread] = out.get(unread, facts) & facts
    return out


def read(events: Iterable[Event]) -> frozenset[Location]:
    """The places of texts of which others were told."""
    return frozenset(one[1:4] for one in map(_plain, events) if one[0] == "text")


def _plain(event: Event) -> Event:
    return event[1] if event[0] == "told" else event


def seen(terms: Terms, state: State, looks: Looks) -> list[Location]:
    """The texts set aside that somebody may read who looks at these places."""
    if not state.untold or looks == NOTHING:
        return []
    return sorted(place for place in state.untold if looks is None or _sees(terms, state, place, looks))


def _sees(terms: Terms, state: State, place: Location, looks: frozenset[Look]) -> bool:
    root, at, _ = place
    content = state.texts.get(place)
    room = (content.extent if content is not None else 0) or _ROOM
    for other, offset, stride, size in looks:
        if other != root:
            if not (_apart(terms, root) and _apart(terms, other)):
                return True
        elif (offset <= at and (stride or at < offset + size)) or at <= offset < at + room:
            return True
    return False


def _apart(terms: Terms, root: int) -> bool:
    """Whether no other root is the same object by another name."""
    return root == GLOBAL or terms.nodes[root][0] == HEAP


def told(place: Location, held: Content, stored: Iterable[Content]) -> list[tuple[Content, Content | None]]:
    """What is told of a place that holds a text: of what was stored there what is still in it, as long as it was then,
    each with what was stored; and what else is there.
    """
    out: list[tuple[Content, Content | None]] = []
    rest = {dep for dep in held.deps if dep[:4] != ("T", *place)}
    for content in stored:
        parts = {dep[:4] for dep in content.deps}
        left = frozenset(dep for dep in held.deps if dep[:4] in parts)
        if left:
            out.append((content._replace(deps=left), content))
            rest -= left
    return [*out, (held._replace(deps=frozenset(rest)), None)] if rest else out


def looked(terms: Terms, events: Iterable[Event]) -> Looks:
    """The places outside of its frame, and of what its callers give it, that a function reads texts at."""
    out: set[Look] = set()
    for event in events:
        if event[0] == "start":
            return None
        found = _read(terms, event)
        if found is None:
            return None
        out |= found
    return frozenset(out) if len(out) <= _MOST_LOOKS else None


def _read(terms: Terms, event: Event) -> set[Look] | None:
    if event[0] == "word":
        node = terms.nodes[event[5]]
        if node[0] == LOAD:
            return _outside(terms, (node[1], node[2], node[3], node[4]))
        return _outside(terms, (node[2], node[3], node[4], node[5])) if node[0] == BYTE else set()
    if event[0] not in _TEXTS:
        return set()
    content: Content = event[_TEXTS[event[0]]]
    out: set[Look] = set()
    for kind, root, *rest in content.deps:
        if kind == "V" and not terms.open[root]:
            return None
        if kind == "T":
            out |= _outside(terms, (root, rest[0], rest[1], content.extent if content.verbatim else 0))
    return out


def _outside(terms: Terms, look: Look) -> set[Look]:
    return set() if terms.open[look[0]] or terms.nodes[look[0]][0] == STACK else {look}


def both(a: Looks, b: Looks) -> Looks:
    """What two functions read between them."""
    if a is None or b is None or len(a | b) > _MOST_LOOKS:
        return None
    return a | b
