"""The isolated worker: `python -m customhouse.firmware.unpack.worker ORDER`, where ORDER is a JSON file.

Reads the image, writes a journal and contents into its work folder, and nothing else.
"""

import sys
from pathlib import Path

import msgspec

from .contents import Budget, ContentStore
from .engine import Engine
from .journal import EndLine, Journal
from .order import Order


def work(order: Order) -> None:
    """Carry out an order."""
    folder = Path(order.work)
    journal = Journal(folder / "journal")
    budget = Budget(order.quota)
    store = ContentStore(folder / "contents", budget)
    engine = Engine(journal, store, budget, folder / "scratch")
    if order.root:
        engine.folder(Path(order.root))
    for name, path in order.parts:
        engine.part(Path(path), name)
    journal.write(EndLine())
    journal.close()


if __name__ == "__main__":
    work(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Order))
