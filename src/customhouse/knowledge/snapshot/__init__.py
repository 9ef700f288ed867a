"""The knowledge that ships with the package: facts compiled from public sources (scripts/compile_snapshot.py).

A fresh install without a network answers from these. Which components are complete stands in `feeds.json`; of all
others the snapshot knows what it knows, and reports say "known to this snapshot".
"""

import contextlib
import datetime
import hashlib
import json
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from customhouse.knowledge.records import RECORD
from customhouse.knowledge.store import KnowledgeStore, StoreError, default_path, rewritten
from customhouse.model import FeedStatus

EMBEDDED = "embedded"


def _files() -> Traversable:
    return resources.files(__package__)


@lru_cache(maxsize=1)
def digest() -> str:
    """Digest of the fact files, to see whether a store was filled from these."""
    seen = hashlib.sha256()
    for entry in sorted(_files().iterdir(), key=lambda item: item.name):
        if entry.name.endswith((".jsonl", ".tsv", ".json")):
            seen.update(entry.name.encode() + b"\0" + entry.read_bytes())
    return seen.hexdigest()


def feeds() -> tuple[FeedStatus, ...]:
    """What the fact files hold, and for which components they hold everything."""
    rows = json.loads(_files().joinpath("feeds.json").read_text(encoding="utf-8"))["feeds"]
    return tuple(
        FeedStatus(
            name=row["name"],
            date=datetime.date.fromisoformat(row["date"]),
            records=row["records"],
            complete_for=tuple(row["complete_for"]),
            origin=EMBEDDED,
        )
        for row in rows
    )


def fill(store: KnowledgeStore) -> None:
    """Put the fact files into a store. Feeds that were synced since, and are younger, stay as they are."""
    have = {feed.name: feed for feed in store.feeds()}
    for feed in feeds():
        old = have.get(feed.name)
        if old is not None and old.origin != EMBEDDED and old.date and feed.date and old.date >= feed.date:
            continue
        if feed.name == "kev":
            lines = _files().joinpath("kev.tsv").read_text(encoding="utf-8").splitlines()
            store.rate_exploited((line.split("\t")[0], line.split("\t")[1]) for line in lines)
        else:
            store.drop_records(feed.name)
            for line in _files().joinpath(f"{feed.name}.jsonl").read_bytes().splitlines():
                store.put(feed.name, RECORD.decode(line))
        store.set_feed(feed)
    store.set_meta("snapshot", digest())
    store.commit()


def open_store(path: Path | None = None) -> KnowledgeStore:
    """The store to judge by: at `path`, filled from the package when it is not there or older than the package.

    Where it cannot be written, the snapshot is read into memory; where the file is damaged, it is rebuilt.
    """
    place = path or default_path()
    try:
        if place.exists():
            store = KnowledgeStore.read(place)
            if store.meta("snapshot") == digest():
                return store
            store.close()
    except StoreError:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
    try:
        with rewritten(place, fill) as store:
            if store.meta("snapshot") != digest():
                fill(store)
        return KnowledgeStore.read(place)
    except StoreError:
        memory = KnowledgeStore.empty()
        fill(memory)
        return memory
