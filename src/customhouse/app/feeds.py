"""`customhouse feeds`: bring what is known up to date, and say how old it is."""

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from customhouse.host.errors import CustomhouseError
from customhouse.host.progress import Progress
from customhouse.knowledge.feeds.sync import NAMES as FEEDS
from customhouse.knowledge.feeds.sync import Sync
from customhouse.knowledge.snapshot import EMBEDDED, open_store
from customhouse.knowledge.store import default_path
from customhouse.model import FeedStatus

__all__ = ["FEEDS", "STALE_DAYS", "status_text", "synced"]

STALE_DAYS = 180


def synced(
    wanted: Sequence[str],
    *,
    base: str = "",
    store: Path | None = None,
    today: datetime.date,
    ecosystems: Sequence[str] = (),
    years: Sequence[int] = (),
    progress: Progress,
) -> tuple[list[FeedStatus], list[CustomhouseError]]:
    """Sync the feeds named (all, when none is). One that fails leaves the others to go on and the store as it was."""
    sync = Sync(
        store=store or default_path(),
        base=base or os.environ.get("CUSTOMHOUSE_FEEDS", ""),
        today=today,
        ecosystems=ecosystems,
        years=years,
        progress=progress,
    )
    done: list[FeedStatus] = []
    failed: list[CustomhouseError] = []
    for name in wanted or FEEDS:
        try:
            done.append(sync.run(name))
        except CustomhouseError as error:
            failed.append(error)
    return done, failed


def status_text(today: datetime.date, store: Path | None = None) -> str:
    """A table of the feeds: name, date, age, records, where from, what they are complete for."""
    place = store or default_path()
    known = open_store(place)
    rows = [_line(feed, today) for feed in known.feeds()]
    known.close()
    width = max((len(row[0]) for row in rows), default=4)
    lines = [f"store: {place}"]
    lines += [f"{name:<{width}}  {rest}" for name, rest in rows]
    missing = [name for name in FEEDS if name not in {row[0] for row in rows}]
    if missing:
        lines.append(f"never synced: {', '.join(missing)} (customhouse feeds sync)")
    return "\n".join(lines) + "\n"


def _line(feed: FeedStatus, today: datetime.date) -> tuple[str, str]:
    if feed.date is None:
        return feed.name, "no date"
    age = (today - feed.date).days
    stale = "  STALE" if age > STALE_DAYS else ""
    complete = f"  complete for {', '.join(feed.complete_for)}" if feed.complete_for else ""
    origin = "came with the package" if feed.origin == EMBEDDED else f"from {feed.origin}"
    return feed.name, f"{feed.date}  {age:>4} days old  {feed.records:>7} records  {origin}{complete}{stale}"
