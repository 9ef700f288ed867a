"""200 real images, cut off and with bits flipped: nothing hangs, nothing grows, and each ends in outcomes.

A batch is one process under the isolation that a user's run has (the host is read-only to it), and the readers run in
that process, which spares each case the start of an interpreter. Some cases go through the whole command besides.
"""

import json
import os
import sys
from pathlib import Path

import pytest
from bench.audit import cost_of
from tests.firmware.unpack.damage_run import QUOTA, damaged_copy

from customhouse.host.deadline import Deadline
from customhouse.host.isolation import available, run_isolated
from customhouse.model import Outcome

pytestmark = [pytest.mark.corpus]

CASES, BATCH = 200, 25
PEAK = 1500 << 20
GRACE = 10.0
ROOT = Path(__file__).parents[3]
FOUND = {outcome.value for outcome in Outcome}


def images(corpus: Path) -> list[Path]:
    return sorted(path for path in corpus.rglob("*") if path.is_file() and path.name != "MANIFEST.tsv")


@pytest.mark.parametrize("first", range(0, CASES, BATCH))
def test_damaged_real_images_end_in_outcomes_within_time_and_memory(corpus: Path, tmp_path: Path, first: int) -> None:
    work = tmp_path / "work"
    work.mkdir()
    paths = images(corpus)
    ended = run_isolated(
        [sys.executable, "-P", str(Path(__file__).with_name("damage_run.py")), str(work), str(first),
         str(first + BATCH), *map(str, paths)],
        writable=work,
        readable=[corpus.resolve(), ROOT],
        deadline=Deadline.after(240),
        isolate=available(),
        environment={"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert ended.status == 0, ended.messages
    cases = [json.loads(line) for line in (work / "cases").read_text().splitlines()]
    assert [case["case"] for case in cases] == list(range(first, first + BATCH))
    for case in cases:
        assert case["accounted"] == case["size"], case
        assert case["outcomes"] and set(case["outcomes"]) <= FOUND, case
        assert set(case["outcomes"]) == {"done"} or case["gaps"] or "unknown" in case["outcomes"], case
        assert case["seconds"] < QUOTA.seconds + GRACE, case
        assert case["peak"] < PEAK, case
        assert case["left"] == ["contents", "image", "journal"], case
    assert sorted(entry.name for entry in work.iterdir()) == ["cases", "messages.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 50, 77, 101, 124])
def test_a_damaged_real_image_gives_a_dossier_or_one_clear_line(corpus: Path, tmp_path: Path, number: int) -> None:
    """The whole command within its budget, with the memory of its whole process tree."""
    paths = images(corpus)
    image = tmp_path / "image.bin"
    image.write_bytes(damaged_copy(paths[number % len(paths)].read_bytes(), number))
    work = tmp_path / "work"
    work.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(work)}
    command = [sys.executable, "-m", "customhouse", "audit", "--quiet", "--no-cache", "--format", "json"]
    command += ["--budget", "15s", *([] if available() else ["--no-isolation"]), str(image)]
    cost, output = cost_of(command, environment)
    dossier = json.loads(output)
    assert dossier["coverage"]["bytes"] == image.stat().st_size
    assert {extent["outcome"] for extent in dossier["coverage"]["extents"]} <= FOUND
    assert dossier["verdict"]["decision"] in ("refuse", "inconclusive")
    assert cost.wall < 15 + GRACE
    assert cost.memory * 1e6 < PEAK
    assert list(work.iterdir()) == []
