"""The whole program: functions evaluated callees first, events gathered, indirect calls resolved and evaluated
again.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

from .bytesets import ByteSets
from .code import Code
from .elf import Image
from .evaluate import Evaluation
from .library import MODELS
from .lift import Lifter
from .resolve import Store
from .state import Content, Dep, Fact
from .summary import Event, Summary
from .terms import CONST, Terms

_MAX_EVENTS = 400
_NEST = 60


class Whole:
    """One program under analysis. `models` add functions of the image's own libraries to the C library's."""

    def __init__(self, image: Image, deadline: float, models: Mapping[str, list[Any]] | None = None) -> None:
        self.image = image
        self.arm = image.architecture == "arm"
        self.lifter = Lifter(image)
        self.code = Code(image, self.lifter)
        self.terms = Terms(image.word, image.floor)
        self.sets = ByteSets(self.terms, image)
        self.extra = models or {}
        self.deadline = deadline
        self.cut = False
        self.resolved: dict[tuple[int, int], tuple[int, ...]] = {}
        self.number_deps: dict[int, frozenset[Dep]] = {}
        self.proofs: dict[Content, frozenset[Fact]] = {}
        """Comparisons that held where a text was stored."""
        self.buffers: dict[int, set[int]] = {}
        self.summaries: dict[int, Summary | None] = {}
        self.events: dict[Event, None] = {}
        self.residual: dict[int, list[Event]] = {}
        self.depth = 0
        self.callers: dict[int, set[int]] = {}
        self.references: list[int] = []
        """Addresses in data that the code names, in order."""
        self.store = Store(self)

    def model(self, name: str) -> list[Any] | None:
        found = MODELS.get(name)
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
                learned = self.sets.learn(self.store.tables())
                if not (self._resolve() or learned) or self.expired():
                    break
                self.summaries.clear()
                self.events.clear()
                self.residual.clear()
                self._round(roots)
            self.store = Store(self)
        finally:
            sys.setrecursionlimit(limit)

    def _refer(self) -> None:
        image = self.image
        found = [node[1] for node in self.terms.nodes if node[0] == CONST and node[1] >= self.terms.floor]
        self.references = sorted({one for one in found if image.segment(one) is not None and not image.executable(one)})

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
        if address in self.summaries:
            return self.summaries[address]
        if self.depth > _NEST or self.expired():
            self.cut = True
            return None
        self.summaries[address] = None
        self.depth += 1
        try:
            found = self.summaries[address] = Evaluation(self, self.code.function(address)).run()
        finally:
            self.depth -= 1
        return found

    # -- events
    def record(self, event: Event, summary: Summary) -> None:
        """Keep an event: for callers when it speaks of parameters, for the whole program when it can be read
        without them.
        """
        if self._open(event):
            if event[0] in ("word", "text") and self._final(event, summary):
                return
            if len(summary.events) < _MAX_EVENTS:
                summary.events.append(event)
            if event[0] in ("sink", "over", "bind", "icall"):
                self.residual.setdefault(summary.function, []).append(event)
        else:
            self.events[event] = None

    def _final(self, event: Event, summary: Summary) -> bool:
        key = (event[1], event[2], event[3])
        if event[0] == "word":
            return summary.words.get(key) == (event[4], event[5])
        return summary.texts.get(key) == event[4]  # type: ignore[no-any-return]  # fields of a node are of any type

    def _open(self, event: Event) -> bool:
        kind = event[0]
        is_open = self.terms.open
        if kind == "sink":
            return self.open_content(event[3])
        if kind == "text":
            return is_open[event[1]] or self.open_content(event[4])
        if kind == "word":
            return is_open[event[1]] or is_open[event[5]]
        if kind == "over":
            return is_open[event[3]] or self.open_content(event[5])
        if kind == "bind":
            return any(is_open[one] for one in event[2:])
        if kind == "service":
            return is_open[event[2]]
        if kind == "out":
            return is_open[event[1]] or self.open_content(event[2])
        if kind == "put":
            return self.open_content(event[3])
        if kind == "dup2":
            return is_open[event[1]] or is_open[event[2]]
        if kind == "icall":
            return is_open[event[2]]
        return False

    def open_content(self, content: Content) -> bool:
        return any(dep[0] == "V" or (dep[1] is not None and self.terms.open[dep[1]]) for dep in content.deps)

    # -- indirect calls
    def _resolve(self) -> bool:
        """Name the targets of indirect calls; True when something new was found."""
        found = False
        pending: list[Event] = [event for event in self.events if event[0] == "icall"]
        pending += [event for events in self.residual.values() for event in events if event[0] == "icall"]
        for event in pending:
            targets = self.store.functions(event[2])
            key = (event[4], event[1])
            known = self.resolved.get(key, ())
            fresh = tuple(one for one in targets if one not in known)
            if fresh:
                self.resolved[key] = (*known, *fresh)
                found = True
        return found
