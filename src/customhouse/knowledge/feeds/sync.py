"""Bringing the store up to date, feed by feed. Each feed replaces the store's file as a whole or not at all.

Incremental: what has not changed since the last time (by the server's tag) is not fetched, and of what has, only
records that are new or modified are written. Nothing goes back in time.
"""

import datetime
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from customhouse.host.progress import Progress, Silent
from customhouse.knowledge import snapshot
from customhouse.knowledge.records import Record
from customhouse.knowledge.store import KnowledgeStore, rewritten
from customhouse.model import FeedStatus

from . import archive, cve5, nvd, osv, ratings
from .errors import BackInTime, FeedError, WrongSchema
from .fetch import Fetched, fetch

NAMES = ("osv", "nvd", "cvelist", "kev", "epss")
FIRST_YEAR = 2002
_MODIFIED_REACHES = 7
"""Days that NVD's `modified` feed reaches back (it holds eight)."""


@dataclass(frozen=True)
class Sync:
    """How to sync. `base` replaces the public addresses: a web address or a folder, laid out as in `sources.toml`."""

    store: Path
    base: str = ""
    today: datetime.date = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date())
    ecosystems: Sequence[str] = ()
    years: Sequence[int] = ()
    progress: Progress = field(default_factory=Silent)

    @property
    def downloads(self) -> Path:
        return self.store.parent / "downloads"

    def where(self, feed: str, part: str) -> str:
        source = _sources()[feed]
        if not self.base:
            return str(source["url"]).format(part=part)
        return self.base.rstrip("/") + "/" + str(source["mirror"]).format(part=part)

    def run(self, feed: str) -> FeedStatus:
        """Sync one feed. Raises FeedError or StoreError; the store is then what it was."""
        if feed not in NAMES:
            raise FeedError(f"{feed}: no such feed; there are {', '.join(NAMES)}")
        self.progress.stage(f"syncing {feed}")
        snapshot.open_store(self.store).close()
        try:
            self.downloads.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FeedError(f"{self.downloads}: {error.strerror}") from None
        return _RUNNERS[feed](self)

    def fetched(self, feed: str, part: str, state: dict[str, str]) -> Fetched | None:
        return fetch(
            self.where(feed, part), self.downloads, state.get(f"tag:{part}", ""), advance=self.progress.advance
        )


def _sources() -> dict[str, dict[str, object]]:
    return tomllib.loads(resources.files(__package__).joinpath("sources.toml").read_text(encoding="utf-8"))


def _now(sync: Sync, feed: str) -> tuple[FeedStatus | None, dict[str, str]]:
    store = KnowledgeStore.read(sync.store)
    try:
        status = next((item for item in store.feeds() if item.name == feed), None)
        return status, store.state(feed)
    finally:
        store.close()


def _forward(feed: str, old: FeedStatus | None, day: datetime.date, today: datetime.date) -> None:
    """Refuse what is older than what is there, and what is from the future."""
    if old is not None and old.date is not None and day < old.date:
        raise BackInTime(
            f"{feed}: what came is of {day}, the store has {old.date}",
            hint="the mirror may be stale; nothing was changed",
        )
    if day > today + datetime.timedelta(days=2):
        raise WrongSchema(f"{feed}: is dated {day}, which lies ahead")


def _status(sync: Sync, feed: str, day: datetime.date | None, count: int) -> FeedStatus:
    origin = sync.base or "public"
    return FeedStatus(name=feed, date=day, records=count, origin=origin)


# Ratings: small, replaced as a whole.


def _rated(
    sync: Sync,
    feed: str,
    part: str,
    read: Callable[[Path], tuple[list[tuple[str, str]], datetime.date] | tuple[list[tuple[str, float]], datetime.date]],
    put: Callable[[KnowledgeStore, list[object]], int],
) -> FeedStatus:
    old, state = _now(sync, feed)
    found = sync.fetched(feed, part, state)
    if found is None and old is not None:
        return old
    if found is None:
        raise FeedError(f"{feed}: the server says that nothing changed, and there is nothing")
    rows, day = read(Path(found.path))
    _forward(feed, old, day, sync.today)
    if old is not None and len(rows) * 2 < old.records:
        raise WrongSchema(f"{feed}: {len(rows)} entries where there were {old.records}")
    with rewritten(sync.store) as store:
        count = put(store, list(rows))
        status = _status(sync, feed, day, count)
        store.set_feed(status, {**state, f"tag:{part}": found.tag})
    Path(found.path).unlink(missing_ok=True)
    return status


def _kev(sync: Sync) -> FeedStatus:
    return _rated(
        sync,
        "kev",
        "known_exploited_vulnerabilities",
        ratings.read_kev,
        lambda store, rows: store.rate_exploited(rows),  # type: ignore[arg-type]  # rows are what read_kev gave
    )


def _epss(sync: Sync) -> FeedStatus:
    return _rated(sync, "epss", "epss_scores-current", ratings.read_epss, lambda store, rows: store.rate_epss(rows))  # type: ignore[arg-type]  # as above


# Records: many, changed one by one.


def _store_records(
    sync: Sync, feed: str, records: Iterable[Record], day: datetime.date | None, state: dict[str, str]
) -> FeedStatus:
    with rewritten(sync.store) as store:
        for record in records:
            store.put(feed, record)
            sync.progress.advance()
        status = _status(sync, feed, day, store.count(feed))
        store.set_feed(status, state)
    return status


def _osv(sync: Sync) -> FeedStatus:
    old, state = _now(sync, "osv")
    parts = tuple(sync.ecosystems) or tuple(str(part) for part in _parts("osv"))
    files = {part: found for part in parts if (found := sync.fetched("osv", part, state)) is not None}
    if not files:
        return old or _status(sync, "osv", None, 0)
    days: list[str] = []
    records: list[Record] = []
    for part, found in files.items():
        since = state.get(f"since:{part}", "")
        newest, seen = "", 0
        for name, content in archive.members(Path(found.path)):
            record, modified = osv.read(content, name)
            seen += 1
            newest = max(newest, modified)
            if modified > since:
                records.append(record)
        if not seen:
            raise WrongSchema(f"osv: the archive of {part} is empty")
        if seen * 2 < int(state.get(f"count:{part}", "0")):
            raise WrongSchema(f"osv: {part} holds {seen} records where there were {state[f'count:{part}']}")
        if newest < since:
            raise BackInTime(f"osv: {part} ends at {newest}, the store has {since}", hint="the mirror may be stale")
        state = {**state, f"tag:{part}": found.tag, f"since:{part}": newest, f"count:{part}": str(seen)}
        days.append(newest[:10])
    day = max(datetime.date.fromisoformat(text) for text in days)
    _forward("osv", old, day, sync.today)
    status = _store_records(sync, "osv", records, day, state)
    _clear(files.values())
    return status


def _nvd(sync: Sync) -> FeedStatus:
    old, state = _now(sync, "nvd")
    years = [str(year) for year in (sync.years or range(FIRST_YEAR, sync.today.year + 1))]
    young = old is not None and old.date is not None and (sync.today - old.date).days <= _MODIFIED_REACHES
    missing = [year for year in years if f"tag:{year}" not in state]
    parts = [*missing, "modified"] if young else years
    files = {part: found for part in parts if (found := sync.fetched("nvd", part, state)) is not None}
    if not files:
        return old or _status(sync, "nvd", None, 0)
    days = []

    def records() -> Iterator[Record]:
        for path in (Path(found.path) for found in files.values()):
            yield from nvd.read(path)[0]

    for part, found in files.items():
        _, day, count = nvd.read(Path(found.path))
        if count * 2 < int(state.get(f"count:{part}", "0")) and part != "modified":
            raise WrongSchema(f"nvd: {part} holds {count} records where there were {state[f'count:{part}']}")
        days.append(day)
        state = {**state, f"tag:{part}": found.tag, f"count:{part}": str(count)}
    _forward("nvd", old, max(days), sync.today)
    status = _store_records(sync, "nvd", records(), max(days), state)
    _clear(files.values())
    return status


def _cvelist(sync: Sync) -> FeedStatus:
    old, state = _now(sync, "cvelist")
    found = sync.fetched("cvelist", "main", state)
    if found is None:
        return old or _status(sync, "cvelist", None, 0)
    since, newest, seen = state.get("since", ""), "", 0
    records: list[Record] = []
    for name, content in archive.members(Path(found.path)):
        if "/CVE-" not in "/" + name:
            continue
        document = _json(content, name)
        seen += 1
        updated = str(document.get("cveMetadata", {}).get("dateUpdated", ""))[:19]
        newest = max(newest, updated)
        if updated > since or not updated:
            try:
                records.append(cve5.read(document))
            except cve5.NotARecord as error:
                raise WrongSchema(f"cvelist: {name}: {error}") from None
    if not seen or seen * 2 < int(state.get("count", "0")):
        raise WrongSchema(f"cvelist: the archive holds {seen} records where there were {state.get('count', 'some')}")
    if newest < since:
        raise BackInTime(f"cvelist: ends at {newest}, the store has {since}", hint="the mirror may be stale")
    day = datetime.date.fromisoformat(newest[:10]) if newest else sync.today
    _forward("cvelist", old, day, sync.today)
    state = {**state, "tag:main": found.tag, "since": newest, "count": str(seen)}
    status = _store_records(sync, "cvelist", records, day, state)
    _clear([found])
    return status


def _json(content: bytes, name: str) -> dict[str, dict[str, object]]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WrongSchema(f"cvelist: {name}: not JSON ({str(error)[:60]})") from None
    if not isinstance(document, dict) or not isinstance(document.get("cveMetadata"), dict):
        raise WrongSchema(f"cvelist: {name}: not a CVE record")
    return document


def _parts(feed: str) -> list[object]:
    parts = _sources()[feed]["parts"]
    return parts if isinstance(parts, list) else []


def _clear(files: Iterable[Fetched]) -> None:
    for found in files:
        Path(found.path).unlink(missing_ok=True)


_RUNNERS: dict[str, Callable[[Sync], FeedStatus]] = {
    "osv": _osv,
    "nvd": _nvd,
    "cvelist": _cvelist,
    "kev": _kev,
    "epss": _epss,
}
