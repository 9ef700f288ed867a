"""What rehearsals show of commands that bytes from outside were traced to."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from .genomes import Genome
from .goals import Goal
from .mutations import NOT_WORDS
from .probing import Probe, Shown, sent_parts, slots
from .stage import Stage
from .trace import Trace
from .world import Ran

_PROBES = 5
"""Genomes that one text of a command is tried with, each of which led there another way."""
_AGAIN = 3
_OTHER = -1
"""The number of texts of commands that have another form than the template."""
_LOOKS = 200
"""Commands of one kind that are looked at in one search."""


@dataclass
class Tried:
    """What was found of one goal, text by text."""

    goal: Goal
    shown: dict[int, Shown] = field(default_factory=dict)
    probes: dict[int, int] = field(default_factory=dict)
    ways: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    others: dict[bytes, Shown] = field(default_factory=dict)
    """The same of commands of other forms that are run at the same place, by what stands before the text."""
    looks: int = 0
    unclear: dict[tuple[int, bytes], int] = field(default_factory=dict)
    """How often it was not seen where a text of a command comes from."""
    broke: bool = False
    """Whether what would be kept out ended a run before its time."""
    witness: Trace | None = None
    """The run that led to what comes through."""

    @property
    def verdict(self) -> Shown:
        """Of the command: that something comes through, or that each of its texts is kept out."""
        states = [*self.shown.values(), *self.others.values()]
        if Shown.THROUGH in states:
            return Shown.THROUGH
        kept = bool(self.shown) and not self.broke and all(one is Shown.KEPT_OUT for one in states)
        return Shown.KEPT_OUT if kept else Shown.UNCLEAR


class Judge:
    """Probes what a search finds of `goals`, until `end` (of the processor time)."""

    def __init__(self, stage: Stage, goals: list[Goal], end: float) -> None:
        self.stage, self.end = stage, end
        self.tried = [Tried(goal) for goal in goals]

    @property
    def verdicts(self) -> list[Shown]:
        """On the goals."""
        return [one.verdict for one in self.tried]

    def near(self, trace: Trace) -> float:
        """How near a run came to a command: 1 where it ran, and a part for the functions on the way there."""
        reached = {target for _, target in trace.ways}
        best = 0.0
        for one in self.tried:
            if one.verdict is Shown.THROUGH:
                continue
            if any(one.goal.command(ran) is not None for ran in trace.ran):
                return 1.0
            if one.goal.path:
                best = max(best, len(reached & one.goal.path) / len(one.goal.path) / 2)
        return best

    def told(self, genome: Genome, trace: Trace) -> bool:
        """Look at a run; whether all is found."""
        for tried in self.tried:
            if tried.verdict is not Shown.THROUGH and tried.looks < _LOOKS:
                for ran in trace.ran:
                    self._look(tried, genome, trace, ran)
        return all(one.verdict is Shown.THROUGH for one in self.tried)

    def _look(self, tried: Tried, genome: Genome, trace: Trace, ran: Ran) -> None:
        command = tried.goal.command(ran)
        if command is None:
            return
        probe = Probe(tried.goal, self.stage.mended, self.stage.constants, self._is_late)
        if not tried.goal.is_whole(command):
            self._look_at_parts(tried, probe, genome, trace, command)
            return
        for index, text in enumerate(tried.goal.texts(command)):
            tried.shown.setdefault(index, Shown.UNCLEAR)
            seen = tried.ways.setdefault(index, set())
            if tried.probes.get(index, 0) >= _PROBES or not trace.ways - seen or self._is_late():
                continue
            if tried.unclear.get((index, text.text), 0) > _AGAIN or next(slots(genome, text.text), None) is None:
                continue
            tried.looks += 1
            shown = probe.text(genome, index, text, lambda sent: _compared(trace, sent))
            tried.broke |= probe.broke
            if shown is Shown.UNCLEAR:
                tried.unclear[index, text.text] = tried.unclear.get((index, text.text), 0) + 1
                continue
            tried.probes[index] = tried.probes.get(index, 0) + 1
            seen |= trace.ways
            tried.shown[index] = shown
            if shown is Shown.THROUGH:
                tried.witness = trace
                return

    def _look_at_parts(self, tried: Tried, probe: Probe, genome: Genome, trace: Trace, command: bytes) -> None:
        """A command of another form that is run at the same place, by a wrapper that several functions use."""
        for one in sent_parts(genome, command, self.stage.constants):
            before = command[: one.at]
            if before in tried.others or self._is_late():
                continue
            key = (_OTHER, before)
            tried.unclear[key] = tried.unclear.get(key, 0) + 1
            if tried.unclear[key] <= _AGAIN:
                tried.looks += 1
                shown = probe.part(genome, command, one)
                tried.broke |= probe.broke
                if shown is not Shown.UNCLEAR:
                    tried.others[before] = shown
                if shown is Shown.THROUGH:
                    tried.witness = trace

    def _is_late(self) -> bool:
        return time.process_time() > self.end


def _compared(trace: Trace, sent: bytes) -> Iterator[bytes]:
    """The words that a text was compared with."""
    for _, kind, left, right in trace.comparisons:
        if kind not in NOT_WORDS and sent in (left, right):
            yield right if left == sent else left
