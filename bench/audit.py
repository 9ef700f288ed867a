"""Wall and CPU time and peak memory of an audit, beside unblob's extraction alone with our readers plugged in.

For each image of the corpus, in one run: extraction alone (`bench/unblob_alone.py`), the first audit with an empty
cache, the repeat; then a sister image after its sibling. Reading programs is work that extraction has no peer for, so
its seconds stand in a column of their own and the ratio is given without them.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

COMMAND = Path(sys.executable).with_name("customhouse")
ALONE = Path(__file__).with_name("unblob_alone.py")
SIBLINGS = ("openwrt-tl-wr703n-v1-factory.bin", "openwrt-tl-mr3020-v1-factory.bin")


class Cost(NamedTuple):
    """Seconds of wall and CPU time; peak of the sum over the process tree, in MB; seconds of the programs stage."""

    wall: float
    cpu: float
    memory: float
    programs: float = 0.0


def images(corpus: Path) -> list[Path]:
    """Every image, a folder of partitions being one."""
    return sorted((corpus / "images").iterdir())


def cost_of(command: list[str], environment: dict[str, str]) -> tuple[Cost, bytes]:
    """Run it and account for the whole tree; memory is sampled every 20 ms (shared pages counted by share)."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    peak = [0.0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], sum(memory_of(pid) for pid in tree(process.pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stdout is not None
    output = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    over.set()
    watcher.join()
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak[0]), output


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found, queue = [], [pid]
    while queue:
        current = queue.pop()
        found.append(current)
        try:
            for task in Path(f"/proc/{current}/task").iterdir():
                queue += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def memory_of(pid: int) -> float:
    """Proportional share in MB, 0 for a process that has gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return 0.0


def audit(image: Path, cache: Path) -> Cost:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    cost, output = cost_of([str(COMMAND), "audit", "--quiet", "--format", "json", str(image)], environment)
    return cost._replace(programs=json.loads(output)["timing"].get("programs", 0.0))


def alone(image: Path) -> Cost:
    return cost_of([sys.executable, str(ALONE), str(image)], dict(os.environ))[0]


def main() -> int:
    corpus = Path(os.environ.get("CUSTOMHOUSE_CORPUS", ""))
    if not (corpus / "MANIFEST.tsv").is_file():
        print("skipped: CUSTOMHOUSE_CORPUS names no folder of real images")
        return 0
    rows = []
    heads = ("image", "alone s", "first s", "cpu s", "MB", "programs s", "ratio", "repeat s")
    print(("{:<44}" + "{:>11}" * 7).format(*heads))
    with tempfile.TemporaryDirectory() as scratch:
        for number, image in enumerate(images(corpus)):
            cache = Path(scratch, str(number))
            bare, first, again = alone(image), audit(image, cache), audit(image, cache)
            ratio = (first.wall - first.programs) / bare.wall
            rows.append((first.wall, ratio, again.wall, first.memory, first.wall - first.programs))
            figures = (bare.wall, first.wall, first.cpu, first.memory, first.programs, ratio, again.wall)
            print(f"{image.name:<44}" + "".join(f"{figure:>11.2f}" for figure in figures), flush=True)
        sister(corpus, Path(scratch, "sister"))
    walls, ratios, repeats, memories, bare_walls = zip(*rows, strict=True)
    print(
        f"median: first {statistics.median(walls):.2f} s, without programs {statistics.median(bare_walls):.2f} s,"
        f" ratio {statistics.median(ratios):.2f}; slowest repeat {max(repeats):.2f} s; peak {max(memories):.0f} MB"
    )
    print("targets: ratio at most 2, repeat under 1 s, median image under 10 s, under 1500 MB")
    return 0


def sister(corpus: Path, cache: Path) -> None:
    """An image of the same family, after its sibling filled the cache."""
    first, second = (audit(corpus / "images" / name, cache) for name in SIBLINGS)
    without = (second.wall - second.programs) / (first.wall - first.programs)
    print(
        f"sister image: first {first.wall:.2f} s, sister {second.wall:.2f} s: {second.wall / first.wall:.0%}"
        f" (without programs {without:.0%}; target at most 35 %)"
    )


if __name__ == "__main__":
    sys.exit(main())
