"""Where the members of structures end: those of allocations, and of the entries of arrays.

Nothing in a program says how a structure is laid out, but its code names each member by its offset. A member ends where
the next one begins that is used as a thing of its own: a text that is both written and read from there, or written with
its size; a number that is both stored and loaded. What is only read may be a field of a packet that was received, and
what is only written one of a packet that is made.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from .extents import HEADER, OWN, Extents, is_field
from .state import Content
from .summary import SENT, Event
from .tables import table
from .terms import BYTE, GLOBAL, HEAP, LOAD, OP, RESULT, Location, Terms
from .views import view

_TEXTS = {"sink": 3, "feed": 3, "text": 4, "out": 2, "put": 3, "over": 5}
"""Where events have texts."""
_NAMES = table("libc.toml")["names"]
_READERS = frozenset(_NAMES["readers"])
_SIZED = frozenset(_NAMES["sized"])
_SHORT = 8
"""What a function that is told a smaller size writes may be a part of a text."""
_NEAR = 8
"""A bound this little below the end of something was meant for that."""
_DEEP = 4


@dataclass
class _Uses:
    """What a program does with the places of one object, by offset and step."""

    written: set[tuple[int, int]] = field(default_factory=set)
    read: set[tuple[int, int]] = field(default_factory=set)
    sized: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    """Texts, and the blocks whose length is a constant."""
    told: set[tuple[int, int]] = field(default_factory=set)
    """Texts that are written with their size."""
    stored: set[tuple[int, int, int]] = field(default_factory=set)
    loaded: set[tuple[int, int, int]] = field(default_factory=set)
    """Numbers, with their width."""

    @cached_property
    def begun(self) -> frozenset[tuple[int, int]]:
        """Where members begin."""
        numbers = {(at, step) for at, step, size in self.stored & self.loaded if not at % size}
        return frozenset((self.written & self.read) | self.told | numbers)

    @cached_property
    def all(self) -> frozenset[tuple[int, int]]:
        """Where anything begins."""
        numbers = {one[:2] for one in self.stored | self.loaded}
        return frozenset(self.written | self.read | self.told | numbers)


class Members:
    """The room that members of structures have, of one program."""

    def __init__(self, extents: Extents) -> None:
        self.extents = extents
        self.whole, self.terms, self.store = extents.whole, extents.terms, extents.store

    def room(self, target: int) -> int | None:
        """Bytes from where the pointer points to the end of the member that lies there; None when not known."""
        places = self._places(target)
        rooms = [self._at(one) for one in places] if all(map(self._may_be, places)) else []
        if not rooms or None in rooms:
            return None
        return max(one for one in rooms if one is not None)

    def agrees(self, target: int, most: int) -> bool:
        """Whether so many bytes end where something does that is used, so that a test may have meant just that."""
        return any(0 <= end - most <= _NEAR for place in self._places(target) for end in self._ends(place, begun=False))

    def within(self, target: int, sources: Iterable[int], room: int) -> bool:
        """Whether bytes may come from the member that they are moved to."""
        for place in self._places(target):
            for one in (spot for source in sources for spot in self._places(source)):
                if one[0] == place[0] and one[1] < place[1] + room and (one[1] >= place[1] or one[2] == 1):
                    return True
        return False

    def _places(self, pointer: int) -> list[Location]:
        return [view(self.terms, *one).place for one in self.extents.targets(pointer)]

    def _may_be(self, place: Location) -> bool:
        """Whether members of an object are told apart here: those of frames the extents know. A pointer that moved on
        may have left its member.
        """
        root, _offset, step = place
        if step and step < OWN:
            return False
        return root == GLOBAL or (self.terms.nodes[root][0] == HEAP and self.extents.size(root) is not None)

    def _at(self, place: Location) -> int | None:
        covers = self._covers(place)
        for end in sorted(self._ends(place, begun=True)):
            if not is_field(0, end) and not any(end < cover for cover in covers):
                return end
        return None

    def _ends(self, place: Location, begun: bool) -> Iterator[int]:
        """How far behind a place others are used: the beginnings of members, or all. The object's end is one too."""
        root, offset, step = place
        uses = self._uses.get(root, _Uses())
        for at, other in uses.begun if begun else uses.all:
            distance = self._distance(place, at, other)
            if distance > 0:
                yield distance
        if not begun and (root != GLOBAL or not step):
            yield step - offset % step if step else self.extents.at(place) or 0

    def _distance(self, place: Location, at: int, other: int) -> int:
        root, offset, step = place
        if not step:
            return at - offset
        if root == GLOBAL:  # what lies before it in the first entry does so behind it in the next one
            return (at - offset) % step if other == step and abs(at - offset) < step else 0
        return (at - offset) % step if other in (0, step) else 0

    def _covers(self, place: Location) -> list[int]:
        """How far blocks of constant length reach behind a place that begin there or before; not whole objects."""
        root, offset, step = place
        whole = step or self.extents.size(root) or 0
        out = []
        for (at, other), sizes in self._uses.get(root, _Uses()).sized.items():
            before = offset - at if not step or root == GLOBAL else (offset - at) % step
            if before >= 0 and other in (0, step):
                out += [size - before for size in sizes if size < whole - (0 if step else at)]
        return out

    @cached_property
    def _uses(self) -> dict[int, _Uses]:
        """Of each object, in a look at all that the program does."""
        out: dict[int, _Uses] = {}
        for event in [*self.whole.events, *self.whole.uncalled()]:
            if event[0] in ("text", "word"):
                self._written(out, event)
            elif event[0] == "over":
                self._copied(out, event)
            elif event[0] == SENT:
                for root, at, step in self._places(event[1]):
                    out.setdefault(root, _Uses()).sized.setdefault((at, step), set()).add(max(event[2], HEADER))
            if event[0] in _TEXTS:
                self._read(out, event[_TEXTS[event[0]]])
        self._awaited(out)
        for node in list(self.terms.nodes):
            if node[0] in (LOAD, BYTE):
                for place in self._seen(*node[-4:-1]):
                    out.setdefault(place[0], _Uses()).loaded.add((*place[1:], node[-1]))
            elif node[0] == RESULT and node[2] in _READERS:
                for place in (place for one in node[3] for place in self._places(one)):
                    out.setdefault(place[0], _Uses()).read.add(place[1:])
        return out

    def _awaited(self, out: dict[int, _Uses]) -> None:
        """Where something is to go that comes later."""
        for pointer in {one.pointer for pairs in self.whole.awaited.values() for one in pairs}:
            for root, at, step in self._places(pointer):
                if not step:
                    out.setdefault(root, _Uses()).told.add((at, step))

    def _written(self, out: dict[int, _Uses], event: Event) -> None:
        for root, at, step in self._seen(*event[1:4]):
            uses = out.setdefault(root, _Uses())
            if event[0] == "text":
                if not self._is_letter(event[4], step):
                    uses.written.add((at, step))
            elif event[4] > 1 and self._is_number(event):
                uses.stored.add((at, step, event[4]))

    def _is_letter(self, content: Content, step: int) -> bool:
        """Whether a text that is stored is a letter of one, or its end."""
        return (content.grown and not step) or not (content.deps or content.template)

    def _seen(self, root: int, offset: int, step: int) -> list[Location]:
        """Places in allocations and globals."""
        places = (view(self.terms, *one).place for one in self.store.bases(root, offset, step))
        return [one for one in places if one[0] == GLOBAL or self.terms.nodes[one[0]][0] == HEAP]

    def _copied(self, out: dict[int, _Uses], event: Event) -> None:
        name, target, size = event[1], event[3], event[6]
        value = self.terms.value(size) if size != -1 else None
        if value is None or not 0 < value < 1 << 20:
            return
        for root, at, step in self._places(target):
            uses = out.setdefault(root, _Uses())
            uses.sized.setdefault((at, step), set()).add(value)
            if name in _SIZED and value >= _SHORT:
                uses.told.add((at, step))

    def _read(self, out: dict[int, _Uses], content: Content) -> None:
        if content.verbatim:
            return  # a copy of an object
        for dep in content.deps:
            if dep[0] == "T":
                for place in self._seen(*dep[1:4]):
                    out.setdefault(place[0], _Uses()).read.add(place[1:])

    def _is_number(self, event: Event) -> bool:
        """Whether a word that is stored is a number of its own: no zeros, nothing that is moved, no piece of a text,
        and no number of a packet that is turned round where it lies.
        """
        _, root, at, step, size, value = event
        return any(
            not (self.terms.nodes[one][0] == LOAD or self.terms.value(one) == 0)
            and not self.extents.is_piece(one, size, ended=True)
            and not _turned(self.terms, one, (root, at, step))
            for one in self.terms.flat(value)
        )


def _turned(terms: Terms, value: int, place: Location) -> bool:
    """Whether a number is made of what lies in its place, and not by adding to it."""
    return any(_reads(terms, one, place, 0) and not _is(terms, one, place) for one in terms.linear(value)[0])


def _reads(terms: Terms, term: int, place: Location, level: int) -> bool:
    node = terms.nodes[term]
    parts = node[2:] if node[0] == OP else node[3] if node[0] == RESULT else ()
    return _is(terms, term, place) or (level < _DEEP and any(_reads(terms, one, place, level + 1) for one in parts))


def _is(terms: Terms, term: int, place: Location) -> bool:
    node = terms.nodes[term]
    return node[0] in (LOAD, BYTE) and node[-4:-1] == place
