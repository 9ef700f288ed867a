"""One search for several who look at its runs: when it is over, and how near they say that it came."""

import time
from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.loader import load
from customhouse.firmware.program.rehearsal.assay import Assay, Weighed
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.hunt import hunt
from customhouse.firmware.program.rehearsal.overruns import Overrun
from customhouse.firmware.program.rehearsal.probing import Shown
from customhouse.firmware.program.rehearsal.stage import Stage
from customhouse.firmware.program.rehearsal.trace import Trace

ECHO = r"""
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
static int sock;
static void __attribute__((noipa)) take(char *in, long n) {
    char field[40];
    if (strncmp(in, "name ", 5)) return;
    strcpy(field, in + 5);
    send(sock, field, strlen(field), 0);
}
"""
LATE = 8.0
"""Seconds of processor time that nothing here takes."""


class Watcher:
    """Says that all is found from some run on."""

    def __init__(self, runs: int | None = None, *verdicts: Shown) -> None:
        self.runs, self.verdicts = runs, verdicts
        self.genomes: list[Genome] = []

    def told(self, genome: Genome, trace: Trace) -> bool:
        self.genomes.append(genome)
        return self.runs is not None and len(self.genomes) >= self.runs

    def near(self, trace: Trace) -> float:
        return 0.0


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(load(built(tmp_path, "x86-64", ECHO + DATAGRAMS, "-fno-builtin")), 41234, True)


def hunted(stage: Stage, *watchers: Watcher, sure: float = LATE, end: float = LATE, patience: float = LATE) -> float:
    """How many seconds a search takes."""
    begin = time.process_time()
    hunt(stage, [], watchers, begin + end, begin + sure, patience)
    return time.process_time() - begin


def test_a_search_is_over_when_all_is_found(stage: Stage) -> None:
    first, second = Watcher(2), Watcher(9)
    assert hunted(stage, first, second) < LATE / 2
    assert first.genomes == second.genomes
    assert len(second.genomes) == 9


def test_a_search_is_over_when_something_is_known_of_all_and_it_is_time(stage: Stage) -> None:
    assert 0.3 < hunted(stage, Watcher(None, Shown.KEPT_OUT), Watcher(None, Shown.THROUGH), sure=0.3) < LATE / 2
    assert hunted(stage, Watcher(None, Shown.KEPT_OUT, Shown.UNCLEAR), sure=0.1, end=0.6) > 0.5


def test_a_search_that_meets_nothing_new_is_over_when_patience_is(stage: Stage) -> None:
    assert hunted(stage, Watcher(None, Shown.UNCLEAR), end=0.8) > 0.7
    assert hunted(stage, Watcher(None, Shown.UNCLEAR), end=0.8, patience=0.0) < 0.5


def test_a_run_is_near_by_the_functions_on_the_way(stage: Stage) -> None:
    trace = stage.play(Genome((b"name jxvbp",)))
    (copy,) = (one for one in trace.copied if one.name == "strcpy")
    reached = max(end for _, end in trace.ways)
    end = time.process_time() + LATE
    assert Assay(stage, [Overrun("strcpy", copy.site, 40)], end).near(trace) == 1.0
    assert Assay(stage, [Overrun("strcpy", copy.site, 40)], end).near(stage.play(Genome((b"other words",)))) == 0.0
    path = frozenset((reached, 0x2))
    assert Assay(stage, [Overrun("strcpy", 0x2, 40, path)], end).near(trace) == 0.25
    assert Assay(stage, [Overrun("strcpy", 0x2, 40)], end).near(trace) == 0.0


def test_what_was_found_is_no_longer_near(stage: Stage) -> None:
    genome = Genome((b"name " + b"k" * 200,))
    trace = stage.play(genome)
    site = next(one.site for one in trace.copied if one.name == "strcpy")
    assay = Assay(stage, [Overrun("strcpy", site, 40), Overrun("strcat", 0x2, 40)], time.process_time() + LATE)
    assert not assay.told(genome, trace)
    assert assay.verdicts == [Shown.THROUGH, Shown.UNCLEAR]
    assert assay.weighed[0].witness is trace
    assert assay.near(trace) == 0.0


def test_a_copy_is_made_longer_than_it_was_sent(stage: Stage) -> None:
    genome = Genome((b"name jxvbp",))
    trace = stage.play(genome)
    site = next(one.site for one in trace.copied if one.name == "strcpy")
    late = Assay(stage, [Overrun("strcpy", site, 40)], time.process_time())
    assert not late.told(genome, trace)
    assert late.verdicts == [Shown.UNCLEAR]
    assay = Assay(stage, [Overrun("strcpy", site, 40)], time.process_time() + LATE)
    assert assay.told(genome, trace)
    witness = assay.weighed[0].witness
    assert witness is not None
    assert max(len(one.data) for one in witness.copied if one.name == "strcpy") > 40


def test_what_one_way_keeps_out_is_open_when_another_one_broke_off() -> None:
    weighed = Weighed(Overrun("strcpy", 0x1234, 32), Shown.KEPT_OUT)
    assert weighed.verdict is Shown.KEPT_OUT
    weighed.broke = True
    assert weighed.verdict is Shown.UNCLEAR
    weighed.shown = Shown.THROUGH
    assert weighed.verdict is Shown.THROUGH
