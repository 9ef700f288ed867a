"""What rehearsals show of copies that bytes from outside were traced to: whether one passes the end of its buffer."""

import time
from dataclasses import dataclass, field

from .copies import Copy
from .genomes import Genome
from .overruns import Overrun, led_astray
from .probing import Shown
from .stage import Stage
from .stretching import Stretch
from .trace import Trace

_LOOKS = 5
"""Genomes that one copy is tried with, each of which led there another way."""
_TRIES = 12
"""The same with those of which nothing could be said."""


@dataclass
class Weighed:
    """What was found of one goal."""

    goal: Overrun
    shown: Shown = Shown.UNCLEAR
    ways: set[tuple[int, int]] = field(default_factory=set)
    holes: dict[int, bool] = field(default_factory=dict)
    """Of the texts that are printed into the copy, whether any run showed that they can be sent."""
    broke: bool = False
    """Whether what would be kept out ended a run before its time."""
    looks: int = 0
    tries: int = 0
    witness: Trace | None = None
    """The run in which the copy passes its end."""

    @property
    def verdict(self) -> Shown:
        """Of the copy, on whatever way it was led to: a run that breaks off keeps nothing out."""
        return Shown.UNCLEAR if self.broke and self.shown is Shown.KEPT_OUT else self.shown


class Assay:
    """Makes copies longer to which a search leads, until `end` (of the processor time)."""

    def __init__(self, stage: Stage, goals: list[Overrun], end: float) -> None:
        self.stage, self.end = stage, end
        self.weighed = [Weighed(goal) for goal in goals]
        stage.run.machine.spots.update(one.site for one in goals)

    @property
    def verdicts(self) -> list[Shown]:
        """On the goals."""
        return [one.verdict for one in self.weighed]

    def _is_late(self) -> bool:
        return time.process_time() > self.end

    def near(self, trace: Trace) -> float:
        """How near a run came to a copy: 1 where it was made, and a part for the functions on the way there."""
        reached = {target for _, target in trace.ways}
        best = 0.0
        for one in self.weighed:
            if one.shown is not Shown.THROUGH:
                if any(True for _ in one.goal.copies(trace, self.stage.run.functions)):
                    return 1.0
                if one.goal.path:
                    best = max(best, len(reached & one.goal.path) / len(one.goal.path) / 2)
        return best

    def told(self, genome: Genome, trace: Trace) -> bool:
        """Look at a run; whether all is found."""
        for one in self.weighed:
            if one.shown is not Shown.THROUGH:
                self._look(one, genome, trace)
        return all(one.shown is Shown.THROUGH for one in self.weighed)

    def _look(self, one: Weighed, genome: Genome, trace: Trace) -> None:
        functions, word = self.stage.run.functions, self.stage.run.image.word
        copies = list(one.goal.copies(trace, functions))
        inside = functions.around(one.goal.site)
        went = led_astray(genome, trace, word) is not None and any(
            functions.around(at) == inside for _, at in trace.ways
        )
        if one.goal.passes(copies) or went:
            one.shown, one.witness = Shown.THROUGH, trace
            return
        _fill(one.holes, genome, copies)
        if not copies or one.looks >= _LOOKS or one.tries >= _TRIES or not trace.ways - one.ways or self._is_late():
            return
        stretch = Stretch(one.goal, functions, word, self.stage.mended, self.stage.constants, self._is_late)
        if not stretch.can_grow(genome, copies):
            return
        one.tries += 1
        shown = stretch.shown(genome, copies)
        one.ways |= trace.ways
        one.broke |= stretch.broke
        if shown is Shown.THROUGH and stretch.passed:
            one.shown, one.witness = shown, stretch.passed[1]
        elif shown is Shown.KEPT_OUT and all(one.holes.values()):
            one.looks += 1
            one.shown = shown


def _fill(holes: dict[int, bool], genome: Genome, copies: list[Copy]) -> None:
    """Note which of the texts in a copy were sent. Of one that never was nobody knows how long it can be."""
    for copy in copies:
        for index, text in enumerate(copy.texts):
            sent = len(text) > 1 and any(text in piece for _, piece in genome.pieces())
            holes[index] = holes.get(index, False) or sent
