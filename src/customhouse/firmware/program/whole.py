"""The whole program: functions evaluated callees first, events gathered, indirect calls resolved and evaluated
again.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

from . import library
from .awaited import Awaited
from .bytesets import ByteSets
from .code import Code
from .columns import keep_keys
from .cursors import unaccounted
from .elf import Image
from .evaluate import Evaluation
from .held import Put
from .lifter import Lifter
from .prefilter import feeds
from .readplaces import ReadPlaces
from .resolve import Store
from .state import Content, Dep, Fact
from .summary import LETTERS, Event, Sites, Summary
from .terms import ADDR, BYTE, CONST, GLOBAL, LOAD, OP, PARAM, Location, Terms
from .traces import Trace
from .unrolled import fork, release, tables, unroll

_MAX_STORES = 60
"""Stores of one function that its callers hear of; what writes more has lost track of where it writes."""
_MAX_COPIES = 40
_NEST = 60
_NO_FACTS: frozenset[Fact] = frozenset()
_TERMS = {
    "feed": (6,),
    "start": (3, 4),
    "text": (1,),
    "word": (1, 5),
    "over": (3,),
    "fills": (1,),
    LETTERS: (2, 3, 5),
    "sent": (1,),
    "bind": (2, 3, 4),
    "service": (2,),
    "out": (1,),
    "dup2": (1, 2),
    "icall": (2,),
}
_CONTENTS = {"sink": 3, "feed": 3, "text": 4, "out": 2, "put": 3, LETTERS: 6}
"""Where events have terms and texts that may speak of parameters."""


class Whole:
    """One program under analysis. `models` add functions of the image's own libraries to the C library's."""

    def __init__(self, image: Image, deadline: float, models: Mapping[str, list[Any]] | None = None) -> None:
        self.image = image
        self.arm = image.architecture == "arm"
        self.lifter = Lifter(image)
        self.code = Code(image, self.lifter)
        self.terms = Terms(image.word, image.floor)
        self.terms.data = image.data_floor
        self.sets = ByteSets(self.terms, image)
        self.extra = models or {}
        self.deadline = deadline
        self.cut = False
        self.resolved: dict[tuple[int, int], tuple[int, ...]] = {}
        self.chosen: dict[tuple[int, int], dict[int, None]] = {}
        """What a function and a site call on any way there; and those of several that were looked at for that."""
        self.forked: set[tuple[int, int]] = set()
        self.tables: set[tuple[int, int]] = set()
        """Tables that were looked at."""
        self.rows: dict[tuple[int, int], int] = {}
        """How many entries tables have at least, by a place in the first one and the step: those whose loops were
        written out, and those with keys.
        """
        self.kept: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        """Fields of tables in memory that may be written to, which nobody writes to: where they lie."""
        self.number_deps: dict[int, frozenset[Dep]] = {}
        self.counters: dict[int, int] = {}
        """Counters of loops that copy, each with how many bytes that is."""
        self.proofs: dict[Content | Event, frozenset[Fact]] = {}
        """Comparisons that held where a text was stored."""
        self.puts: dict[int, dict[Put, int]] = {}
        """What numbers are at most that each function puts into memory, by tests."""
        self.awaited: dict[int, list[Awaited]] = {}
        """What each function puts into objects together."""
        self.buffers: dict[int, dict[int, set[int]]] = {}
        self.objects: dict[int, set[tuple[int, int]]] = {}
        self.saved: dict[int, set[int]] = {}
        self.key_fields: set[Location] = set()
        self.summaries: dict[int, Summary | None] = {}
        self.events: dict[Event, None] = {}
        self.closed: dict[int, dict[Event, frozenset[Fact]]] = {}
        """Of each function: its events that need no caller to be read, with the comparisons that held each time."""
        self.sites: dict[int, Sites] = {}
        """Of each function: what its blocks do."""
        self.traces: dict[int, Trace] = {}
        """Of each function: what was tested and called on which ways."""
        self.called: dict[tuple[int, int], dict[int, None]] = {}
        """Functions of the program by the function and the site that call them."""
        self.asked: dict[tuple[int, int], frozenset[Fact]] = {}
        """Tests of words in memory that hold where a function and a site call functions of the program."""
        self.waiting: set[tuple[int, int]] = set()
        """The functions and sites that call what lets time pass, or lets others look at memory."""
        self.handed: dict[tuple[int, int], dict[int, None]] = {}
        """The same of functions that a library is given there, to call them."""
        self.residual: dict[int, list[Event]] = {}
        self.evaluating: list[int] = []
        self.recursive: set[int] = set()
        """Functions that were met again while they were evaluated."""
        self.early: set[int] = set()
        """Functions that asked for a table before it was known what is written where."""
        self.columns: set[tuple[int, int, int]] = set()
        """Columns of tables that were asked for, by the first place, the step and the size of what stands there."""
        self.callers: dict[int, set[int]] = {}
        """Functions whose evaluation asked for a function's summary."""
        self.concurrent = not image.dynamic or bool(library.CONCURRENT & image.import_address.keys())
        """Whether other code of the program may run while a function waits."""
        self.references: list[int] = []
        """Addresses in data that the code names, in order."""
        self.walked: list[int] = []
        """Addresses at which the code reads or writes with an index, in order."""
        self.read_places = ReadPlaces()
        """Where texts were read, by number."""
        self.feeds = feeds(image)
        """Whether what the program writes may be read by a shell."""
        self.store = Store(self)

    def prove(self, what: Content | Event, facts: frozenset[Fact]) -> None:
        """Comparisons that held where a text was stored, or where one was written to a stream."""
        self.proofs[what] = self.proofs.get(what, frozenset()) | facts

    def model(self, name: str) -> list[Any] | None:
        found = library.MODELS.get(name)
        return found if found is not None else self.extra.get(name)

    def expired(self) -> bool:
        return time.process_time() > self.deadline

    # -- driving
    def run(self, roots: list[int]) -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 20000))
        try:
            self._round(roots)
            for _ in range(3):
                self._refer()
                self.store = Store(self)
                learned = self.sets.learn(self.store.tables()) | release(self)
                before = len(self.kept)
                keyed = keep_keys(self)
                calling = self._resolve()
                early, self.early = self.early, set()
                if not (calling or early or learned or keyed) or self.expired():
                    break
                self._outdate(set(early), afresh=True)  # more is known of what they read
                constant = keyed or len(self.kept) > before
                self._outdate(set(self.summaries) if learned or constant else calling, afresh=constant)
                self._round(roots)
            self.store = Store(self)
            if release(self) | keep_keys(self):
                self._outdate(set(self.summaries))
                self._round(roots)
                self.store = Store(self)
        finally:
            sys.setrecursionlimit(limit)

    def _outdate(self, functions: set[int], afresh: bool = False) -> None:
        """Forget what is known of functions, and of those that built on it; with `afresh` also what their results and
        the numbers of their loops may be, which may be less now.
        """
        work = list(functions)
        while work:
            for one in self.callers.pop(work.pop(), ()):
                if one not in functions:
                    functions.add(one)
                    work.append(one)
        for one in functions:
            self.summaries.pop(one, None)
            self.residual.pop(one, None)
            self.closed.pop(one, None)
            if afresh:
                self.terms.forget(one)
        self.events = {event: None for events in self.closed.values() for event in events}

    def _refer(self) -> None:
        image = self.image
        found = [node[1] for node in self.terms.nodes if node[0] == CONST and node[1] >= self.terms.floor]
        named = {one for one in found if image.segment(one) is not None and not image.executable(one)}
        self.references = sorted(named)
        self.walked = sorted(self._walked())

    def _walked(self) -> set[int]:
        """Where arrays begin that the code walks: what lies there is reached with an index."""
        out = set[int]()
        for node in self.terms.nodes:
            if node[0] == BYTE and node[2] == GLOBAL and node[4]:
                out.add(node[3])
            elif node[0] == ADDR and node[2] >= self.terms.floor:
                out.add(node[2])
        return out

    def _round(self, roots: list[int]) -> None:
        for root in roots:
            for address in self._bottom_up(root):
                self.summary(address)

    def _bottom_up(self, root: int) -> list[int]:
        """The functions that `root` calls directly, callees before callers."""
        out: list[int] = []
        seen: set[int] = set()
        stack = [(root, False)]
        while stack:
            address, done = stack.pop()
            if done:
                out.append(address)
                continue
            if address in seen or self.code.name(address) is not None:
                continue
            seen.add(address)
            stack.append((address, True))
            function = self.code.function(address)
            for _, target in function.calls:
                stack.append((target, False))
            for target in function.tails.values():
                stack.append((target, False))
            if self.expired():
                self.cut = True
                break
        return out

    def summary(self, address: int) -> Summary | None:
        """The function's summary; None while it is being evaluated (recursion)."""
        if self.evaluating:
            self.callers.setdefault(address, set()).add(self.evaluating[-1])
        if address in self.summaries:
            return self.summaries[address]
        if len(self.evaluating) > _NEST or self.expired():
            self.cut = True
            return None
        self.summaries[address] = None
        self.evaluating.append(address)
        try:
            found = self.summaries[address] = Evaluation(self, self.code.function(address)).run()
        finally:
            self.evaluating.pop()
        return found

    # -- events
    def held(self) -> dict[Event, frozenset[Fact]]:
        """The comparisons that held whenever a text was stored, in whatever function."""
        out: dict[Event, frozenset[Fact]] = {}
        for told in self.closed.values():
            out.update((event, out.get(event, facts) & facts) for event, facts in told.items() if event[0] == "text")
        return out

    def record(self, events: Mapping[Event, frozenset[Fact]], summary: Summary) -> None:
        """Keep events: for callers when they speak of parameters, for the whole program when they can be read
        without them.
        """
        closed = self.closed[summary.function] = {}
        stores: list[Event] = []
        copies = 0
        for event in unaccounted(self.terms, events):
            kind = event[0]
            if not self.is_open(event):
                closed[event] = events.get(event, _NO_FACTS)
            elif kind in ("word", "text"):
                if not self._final(event, summary):
                    stores.append(event)
                if self._is_entry(event):
                    self.residual.setdefault(summary.function, []).append(event)
            else:
                copies += kind == "over"
                if kind != "over" or copies <= _MAX_COPIES:
                    summary.events.append(event)
                if kind in ("sink", "feed", "over", LETTERS, "bind", "icall"):
                    self.residual.setdefault(summary.function, []).append(event)
        if len(stores) > _MAX_STORES:
            stores.sort(key=lambda event: event[3] != 0)  # those of known places first
        summary.events += stores[:_MAX_STORES]
        closed.update((event, _NO_FACTS) for event in stores[_MAX_STORES:] if self._is_entry(event))
        self.events.update(dict.fromkeys(closed))

    def _is_entry(self, event: Event) -> bool:
        """Whether all but the index is known of a text that is put into an entry of an array."""
        return event[0] == "text" and self.terms.nodes[event[1]][0] == OP and not self.open_content(event[4])

    def _final(self, event: Event, summary: Summary) -> bool:
        key = (event[1], event[2], event[3])
        if event[0] == "word":
            return summary.words.get(key) == (event[4], event[5])
        return summary.texts.get(key) == event[4]  # type: ignore[no-any-return]  # fields of a node are of any type

    def uncalled(self) -> list[Event]:
        """Events that speak of parameters of functions which nothing is known to call: no caller will tell more."""
        return [
            event
            for function, events in self.residual.items()
            if not self.callers.get(function, set()) - {function}
            for event in events
        ]

    def is_open(self, event: Event) -> bool:
        """Whether an event speaks of parameters."""
        kind = event[0]
        is_open = self.terms.open
        if any(is_open[event[at]] for at in _TERMS.get(kind, ())):
            return True
        if kind in _CONTENTS:
            return self.open_content(event[_CONTENTS[kind]])
        if kind == "shell":
            return any(one != -1 and (is_open[one] or self._is_input(one)) for one in event[1:4])
        if kind == "over":
            return (
                (event[6] != -1 and is_open[event[6]])
                or any(is_open[one] for one, _ in event[9])
                or any(fact[0] == "most" and is_open[fact[2]] for fact in event[7])
                or self.open_content(event[5])
                or self.is_given(event)
            )
        return False

    def is_given(self, event: Event) -> bool:
        """Whether a number was compared that a caller gives, where texts are copied: it may be how long one is."""
        return event[6] == -1 and any(
            fact[0] == "most" and self.terms.nodes[fact[1]][0] == PARAM and fact[2] == self.terms.zero
            for fact in event[7]
        )

    def _is_input(self, term: int) -> bool:
        """Whether a term is what stood for the standard input when a function was called."""
        node = self.terms.nodes[term]
        return node[0] == LOAD and node[1:3] == (GLOBAL, library.STANDARD_INPUT)

    def open_content(self, content: Content) -> bool:
        return any(dep[0] == "V" or (dep[1] is not None and self.terms.open[dep[1]]) for dep in content.deps)

    # -- indirect calls
    def _resolve(self) -> set[int]:
        """Name the targets of indirect calls; the functions for which something new was found."""
        found: set[int] = set()
        pending: list[Event] = [event for event in self.events if event[0] == "icall"]
        pending += [event for events in self.residual.values() for event in events if event[0] == "icall"]
        for event in pending:
            targets = self.store.functions(event[2])
            key = (event[4], event[1])
            known = self.resolved.get(key, ())
            fresh = tuple(one for one in targets if one not in known)
            if fresh:
                if not known:
                    found |= unroll(self, event)
                self.resolved[key] = (*known, *fresh)
                found.add(event[4])
        found |= tables(self, self.tables)
        for key, chosen in self.chosen.items():
            if len(chosen) > 1 and key not in self.forked:
                self.forked.add(key)
                if fork(self, *key, set(chosen)):
                    found.add(key[0])
        return found
