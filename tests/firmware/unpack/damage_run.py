"""Unpacks damaged copies of one image after another; run in a process of its own by `test_damage.py`.

    python damage_run.py WORK FIRST LAST IMAGE...      prints one JSON line a case

Case N is made of image N modulo their number by a random generator seeded with N: odd cases are cut off somewhere, all
but every tenth have up to 50 bits flipped, and every fourth has a whole block overwritten.
"""

import json
import random
import resource
import shutil
import sys
import time
from pathlib import Path

from customhouse.firmware.unpack.contents import Budget, ContentStore
from customhouse.firmware.unpack.engine import Engine
from customhouse.firmware.unpack.journal import ExtentLine, GapLine, Journal, NodeLine, read_journal
from customhouse.firmware.unpack.quota import Quota

QUOTA = Quota(output=256 << 20, single=64 << 20, entries=20_000, seconds=20)
BLOCK = 512


def damaged_copy(image: bytes, number: int) -> bytes:
    chance = random.Random(number)
    made = bytearray(image)
    if number % 2:
        made = made[: chance.randrange(1, len(made))]
    if number % 10:
        for _ in range(chance.choice([1, 3, 10, 50])):
            made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    if number % 4 == 0:
        at = chance.randrange(len(made))
        made[at : at + BLOCK] = chance.randbytes(len(made[at : at + BLOCK]))
    return bytes(made)


def one(image: bytes, folder: Path) -> dict[str, object]:
    folder.mkdir()
    (folder / "image").write_bytes(image)
    journal, budget = Journal(folder / "journal"), Budget(QUOTA)
    started = time.monotonic()
    Engine(journal, ContentStore(folder / "contents", budget), budget, folder / "scratch").part(folder / "image", "")
    journal.close()
    lines = list(read_journal(folder / "journal"))
    said = {
        "size": len(image),
        "seconds": time.monotonic() - started,
        "accounted": sum(line.extent.size for line in lines if isinstance(line, ExtentLine)),
        "outcomes": sorted({line.extent.outcome.value for line in lines if isinstance(line, ExtentLine)}),
        "gaps": sum(isinstance(line, GapLine) for line in lines),
        "entries": sum(isinstance(line, NodeLine) for line in lines),
        "left": sorted(entry.name for entry in folder.iterdir()),
    }
    shutil.rmtree(folder)
    return said


def main() -> None:
    work, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    images = [Path(name) for name in sys.argv[4:]]
    with (work / "cases").open("w") as out:
        for number in range(first, last):
            image = images[number % len(images)]
            said = one(damaged_copy(image.read_bytes(), number), work / str(number))
            peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            print(json.dumps({"case": number, "image": image.name, "peak": sum(peaks) << 10, **said}), file=out)


if __name__ == "__main__":
    main()
