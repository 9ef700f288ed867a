"""Stores of words and texts of a whole program by the object that they go to, and how functions tell them again."""

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from .passages import At, Passages
from .state import Fact
from .summary import POINTED, Event, Verdicts
from .terms import GLOBAL, HEAP, STACK, Location

if TYPE_CHECKING:
    from .resolve import Store

_LEVELS = 8


class Stored(NamedTuple):
    """A store somewhere in the program, into a place of a known object."""

    at: At
    order: int
    event: Event
    offset: int
    stride: int
    closed: bool
    """Whether it needs no caller to be read."""
    held: frozenset[Fact]
    """The comparisons that held each time."""


class Stores:
    """All stores under roots that mean the same everywhere."""

    def __init__(self, store: "Store", passages: Passages) -> None:
        self.store = store
        self.whole = store.whole
        self.terms = store.terms
        self.passages = passages

    def of(self, base: int) -> list[Stored]:
        """The stores into an object."""
        return self._by_object.get(base, [])

    def verdicts(self, one: Stored) -> Verdicts:
        """What the store of a word says of the texts beside it, by the value that it stores."""
        return self.whole.sites[one.at[0]].verdicts[one.at[1]].get(one.event, frozenset({(one.event[5], frozenset())}))

    def inner(self, one: Stored) -> list[Stored]:
        """The stores into the same place by a function that is called there: they are what the caller tells again."""
        function = self.whole.code.function(one.at[0])
        callees = [
            *self.passages.callees(function, one.at[1]),
            *self.whole.handed.get((one.at[0], function.blocks[one.at[1]].exit.site), ()),
        ]
        place = (one.event[0], *one.event[1:4])
        return [other for callee in callees for other in self._places.get((callee, *place), ())]

    def own(self, one: Stored, level: int = 0) -> list[Stored]:
        """The stores behind one that a caller tells again."""
        inner = self.inner(one) if level < _LEVELS else []
        return [own for other in inner for own in self.own(other, level + 1)] if inner else [one]

    @cached_property
    def judge(self) -> bool:
        """Whether any word of the program says anything of a text beside it."""
        return any(self._speaks(one) for one in self._all)

    @cached_property
    def pointing(self) -> bool:
        """Whether any word was stored that points to a checked text."""
        words = (one for one in self._all if one.event[0] == "word")
        return any(at == POINTED for one in words for _, lacking in self.verdicts(one) for at, _ in lacking)

    def _speaks(self, one: Stored) -> bool:
        told = self.verdicts(one) if one.event[0] == "word" else ()
        return any(at != POINTED for _, lacking in told for at, _ in lacking)

    @cached_property
    def speaking(self) -> frozenset[tuple[int, int]]:
        """Words by their objects and offsets of which some store says something of a text."""
        return frozenset(
            (base, one.offset) for base, stores in self._by_object.items() for one in stores if self._speaks(one)
        )

    @cached_property
    def _all(self) -> list[Stored]:
        out: list[Stored] = []
        for function, sites in self.whole.sites.items():
            told, summary = self.whole.closed.get(function, {}), self.whole.summaries.get(function)
            aside = {event[1] for events in sites.events.values() for event in events if event[0] == "shared"}
            aside |= summary.fresh if summary is not None else frozenset()
            for block, events in sites.events.items():
                for index, (event, held) in enumerate(events.items()):
                    inner = event[1] if event[0] in ("private", "untold") else event
                    if inner[0] not in ("word", "text") or self.terms.open[inner[1]]:
                        continue
                    if event[0] != "private" or inner[1] not in aside:
                        known = inner in told or (event[0] == "untold" and not self.whole.is_open(inner))
                        out.append(Stored((function, block), index, inner, inner[2], inner[3], known, held))
        return out

    @cached_property
    def _places(self) -> dict[tuple[object, ...], list[Stored]]:
        """The stores by function, kind and place."""
        out: dict[tuple[object, ...], list[Stored]] = {}
        for one in self._all:
            out.setdefault((one.at[0], one.event[0], *one.event[1:4]), []).append(one)
        return out

    @cached_property
    def _by_object(self) -> dict[int, list[Stored]]:
        out: dict[int, list[Stored]] = {}
        for one in self._all:
            for root, offset, stride in self._objects(one.event):
                out.setdefault(root, []).append(one._replace(offset=offset, stride=stride))
        return out

    def _objects(self, event: Event) -> list[Location]:
        if event[1] == GLOBAL or self.terms.nodes[event[1]][0] in (HEAP, STACK):
            return [event[1:4]]
        return self.store.bases(*event[1:4])
