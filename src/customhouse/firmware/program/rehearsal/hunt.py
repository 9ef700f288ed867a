"""One search with several who look at what it finds."""

import time
from collections.abc import Sequence
from typing import Protocol

from .genomes import Genome
from .probing import Shown
from .search import Search
from .stage import Stage
from .trace import Trace


class Watcher(Protocol):
    """Looks at the runs of a search."""

    @property
    def verdicts(self) -> Sequence[Shown]:
        """On what it watches for."""

    def told(self, genome: Genome, trace: Trace) -> bool:
        """Look at a run; whether all is found."""

    def near(self, trace: Trace) -> float:
        """How near a run came to what it watches for, up to 1."""


def hunt(
    stage: Stage,
    words: list[bytes],
    watchers: Sequence[Watcher],
    end: float,
    sure: float,
    patience: float | None = None,
    *,
    grows: bool = True,
) -> None:
    """Search until `end` (of the processor time), or until all is found; from `sure` on, until something can be said of
    all. It is over as well when nothing new was met for as long as `patience` says. If it `grows`, much longer messages
    are sent as well.
    """

    def told(genome: Genome, trace: Trace) -> bool:
        found = [one.told(genome, trace) for one in watchers]  # each of them is to be told
        return all(found)

    def is_over() -> bool:
        now = time.process_time()
        if patience is not None and now - search.met > patience:
            return True
        known = now > sure and all(shown is not Shown.UNCLEAR for one in watchers for shown in one.verdicts)
        return now > end or known

    search = Search(stage, words, told, lambda trace: max(one.near(trace) for one in watchers), grows=grows)
    search.run(is_over)
