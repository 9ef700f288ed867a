"""What was asked before something is stored: in the function that stores it, and in those that it calls to have it
stored. Of those that call the function, see `Needed.entered`.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .asked import Words, both, common
from .needed import Needed
from .passages import At
from .stored import Stored
from .terms import Location

if TYPE_CHECKING:
    from .resolve import Store


Call = tuple[Any, ...]
"""The site of a call, and what is called."""


class Told(NamedTuple):
    """A store of a function."""

    block: int
    kind: str
    place: Location
    heard: bool
    """Whether it is not a constant text."""
    calls: frozenset[Call]
    """Those whose bytes are a part of the text."""


class Before:
    """Answers for one program."""

    def __init__(self, needed: Needed, store: "Store") -> None:
        self.needed = needed
        self.store = store
        self.whole = needed.whole
        self.terms = needed.terms
        self._known: dict[tuple[At, str, Location], Words | None] = {}
        self._places: dict[Location, frozenset[tuple[int, int]]] = {}

    def of(self, one: Stored) -> Words:
        """What was asked before something was stored, in the function that stored it and in those that called it."""
        inside = self._inside(one.at, one.event[0], one.event[1:4]) or {}
        return both(self.needed.entered(one.at[0]) or {}, self.needed.closed(inside))

    def _inside(self, at: At, kind: str, place: Location) -> Words | None:
        """The same in that function, and in those that it calls to have it stored; None while that is found out."""
        asked = (at, kind, place)
        if asked not in self._known:
            self._known[asked] = None
            self._known[asked] = self._find(*asked)
        return self._known[asked]

    def _find(self, at: At, kind: str, place: Location) -> Words:
        reading = self.needed.reading(at[0])
        if reading is None:
            return {}
        here = both(reading.at(at[1]) or {}, reading.taken(at[1], place))
        kept = [self._inside((at[0], block), kind, place) for block in self._kept(at, kind, place)]
        earlier = [words for words in kept if words is not None]
        here = both(common(earlier), here) if earlier else here
        ways: list[Words] = []
        for callee, arguments in self.callees(at):
            for block, inner in self._inner(callee, arguments, kind, place):
                there = self._inside((callee, block), kind, inner)
                if there is not None:
                    ways.append(both(self.needed.led(at, callee), self.needed.given.words(there, arguments)))
        return both(here, common(ways)) if ways else here

    def _kept(self, at: At, kind: str, place: Location) -> list[int]:
        """Where an object was filled that nobody else knew, when a block makes it known."""
        events = self.whole.sites[at[0]].events
        if ("shared", place[0]) not in events.get(at[1], ()):
            return []
        own = ((block, one[1]) for block, told in events.items() for one in told if one[0] == "private")
        found = {
            block for block, one in own if one[0] == kind and one[1:4] == place and (kind == "word" or one[4].deps)
        }
        return sorted(found - {at[1]})

    def callees(self, at: At) -> list[tuple[int, tuple[int, ...]]]:
        """The functions of the program that a block calls, or has called, with what it gives them."""
        reading = self.needed.reading(at[0])
        made = reading.trace.made.get(at[1], ()) if reading is not None else ()
        site = self.whole.code.function(at[0]).blocks[at[1]].exit.site
        handed = [(one, ()) for one in self.whole.handed.get((at[0], site), ())]
        return list(dict.fromkeys([*((one.target, one.arguments) for one in made if one.target), *handed]))

    def _inner(self, callee: int, arguments: Sequence[int], kind: str, place: Location) -> list[tuple[int, Location]]:
        """The stores of a function that are told again where it is called: into the same place, or, when there are
        none, into one that is not known.
        """
        told = [one for one in self.told.get(callee, ()) if one.kind == kind and one.heard]
        met = [(one, self._same(one.place, place, arguments)) for one in told]
        found = [one for one, same in met if same] or [one for one, same in met if same is None]
        return [(one.block, one.place) for one in found]

    def _same(self, inner: Location, outer: Location, arguments: Sequence[int]) -> bool | None:
        """Whether a place in words of a callee is one in words of its caller; None when that is not known."""
        if inner == outer:
            return True
        root = self.needed.given.term(inner[0], arguments)
        if root < 0:
            return None if inner[1:] == outer[1:] else False
        places = [(base, offset + inner[1], stride or inner[2]) for base, offset, stride in self.terms.locate(root)]
        if any(one[:2] == outer[:2] for one in places):
            return True
        if self.terms.open[outer[0]] or any(self.terms.open[one[0]] for one in places):
            return False
        return any(not self._bases(outer).isdisjoint(self._bases(one)) for one in places)

    def _bases(self, place: Location) -> frozenset[tuple[int, int]]:
        found = self._places.get(place)
        if found is None:
            found = self._places[place] = frozenset(one[:2] for one in self.store.bases(*place))
        return found

    @cached_property
    def told(self) -> dict[int, list[Told]]:
        """By function: what its blocks store."""
        out: dict[int, list[Told]] = {}
        for function, sites in self.whole.sites.items():
            found: dict[Told, None] = {}
            for block, events in sites.events.items():
                for event in events:
                    inner = event[1] if event[0] in ("private", "untold", "told") else event
                    if inner[0] in ("word", "text"):
                        deps = inner[4].deps if inner[0] == "text" else ()
                        calls = frozenset(self.terms.nodes[dep[1]][1:3] for dep in deps if dep[0] == "X")
                        found[Told(block, inner[0], inner[1:4], bool(deps) or inner[0] == "word", calls)] = None
            out[function] = list(found)
        return out
