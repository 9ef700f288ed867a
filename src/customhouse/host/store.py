"""A cache on disk that several audits share: SQLite in WAL mode, rebuilt when it cannot be trusted.

Nothing in it is a source of truth: whatever is missing, damaged or written by something else is computed again.
So no method here fails because of the cache; the worst that happens is that nothing is remembered.
Each row has the day of its last use, so that what nobody asks for any more goes away (`prune`).
"""

import contextlib
import fcntl
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

APPLICATION_ID = 0x43484F55  # "CHOU", in the file's header: tells our database from someone else's
LAYOUT = 2
"""Raise it when the tables change; a database of another layout grows (`_GROWTH`) or is set aside."""

_TABLES = """
create table facts(
    digest text not null, extractor text not null, version text not null, need text not null, value blob not null,
    used integer not null, primary key(digest, extractor, version, need)) without rowid;
create table items(
    kind text not null, key text not null, value blob not null, used integer not null,
    primary key(kind, key)) without rowid;
"""
_GROWTH = {
    1: "begin; alter table facts add column used integer not null default {day};"
    " alter table items add column used integer not null default {day}; pragma user_version = 2; commit;"
}
"""What makes an older layout today's."""
_DAY = 86_400
_KEPT_DAYS, _OTHER_VERSION_DAYS = 90, 7
_PRUNED = "pruned"
_PRUNED_MOST = 20_000  # rows of each table at one call: another audit waits for the lock meanwhile
_BATCH = 400  # names in one `in (...)`; SQLite of old allows 999 parameters
_Result = TypeVar("_Result")

FactKey = tuple[str, str, str, str]
"""(content digest, extractor, its version, digest of what it depends on)."""


class Store:
    """One database. Made by `Store.open`."""

    def __init__(self, path: Path | None, day: int | None = None) -> None:
        self._path = path
        self._day = int(time.time() // _DAY) if day is None else day
        self._connection: sqlite3.Connection | None = None
        self.rebuilt = ""
        """Why an earlier database was set aside, empty when it was not."""

    @classmethod
    def open(cls, folder: Path | None, name: str = "cache.sqlite", *, day: int | None = None) -> Self:
        """The store in `folder`, made when it is not there; None keeps it in memory, for one run. `day`: for tests."""
        store = cls(folder / name if folder is not None else None, day)
        store._connection = store._open()
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def facts(self, digests: Sequence[str], needs: dict[tuple[str, str], str]) -> Iterator[tuple[str, str, str, bytes]]:
        """(digest, extractor, need, value) of those contents, for the (extractor, version) pairs in `needs`.

        Rows of other versions are passed over. `needs` maps a pair to the digest of what it depends on, or to `*`
        where that differs by content and the caller will choose.
        """
        wanted = set(needs)
        for start in range(0, len(digests), _BATCH):
            batch = digests[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            query = f"select digest, extractor, version, need, value, used from facts where digest in ({marks})"  # noqa: S608 (only marks)
            stale: list[tuple[object, ...]] = []
            for digest, extractor, version, need, value, used in self._rows(query, batch):
                if (extractor, version) not in wanted or needs[extractor, version] not in ("*", need):
                    continue
                if used < self._day:
                    stale.append((self._day, digest, extractor, version, need))
                payload = _opened(value)
                if payload is not None:
                    yield digest, extractor, need, payload
            if stale:  # once a day at most
                self._write("update facts set used = ? where (digest, extractor, version, need) = (?, ?, ?, ?)", stale)

    def keep_facts(self, rows: Iterable[tuple[FactKey, bytes]]) -> None:
        """Remember many values in one transaction."""
        sealed = [(*key, _sealed(value), self._day) for key, value in rows]
        if sealed:
            self._write("insert or replace into facts values(?, ?, ?, ?, ?, ?)", sealed)

    def get(self, kind: str, key: str) -> bytes | None:
        """A value kept under (kind, key), or None."""
        for value, used in self._rows("select value, used from items where kind = ? and key = ?", (kind, key)):
            if used < self._day:
                self._write("update items set used = ? where kind = ? and key = ?", [(self._day, kind, key)])
            return _opened(value)
        return None

    def put(self, kind: str, key: str, value: bytes) -> None:
        self._write("insert or replace into items values(?, ?, ?, ?)", [(kind, key, _sealed(value), self._day)])

    def prune(self, versions: Mapping[str, str]) -> None:
        """Forget what was not used for a long time, at most once a day and a bounded number of rows.

        `versions` are the extractors of today. Rows of other versions go sooner, though not at once: an audit of
        another release, which may run at this moment, uses them and marks them as used. Whatever is removed too early
        is made again.
        """
        if self.get(_PRUNED, "day") == (today := str(self._day).encode()):
            return
        self.put(_PRUNED, "day", today)
        current = " and ".join("not (extractor = ? and version = ?)" for _ in versions) or "1"
        pairs = [word for pair in sorted(versions.items()) for word in pair]
        self._write(
            "delete from facts where (digest, extractor, version, need) in (select digest, extractor, version, need"  # noqa: S608 (only marks)
            f" from facts where used < ? or (used < ? and {current}) limit ?)",
            [(self._day - _KEPT_DAYS, self._day - _OTHER_VERSION_DAYS, *pairs, _PRUNED_MOST)],
        )
        self._write(
            "delete from items where (kind, key) in (select kind, key from items where used < ? limit ?)",
            [(self._day - _KEPT_DAYS, _PRUNED_MOST)],
        )

    def _rows(self, query: str, parameters: Sequence[str]) -> list[tuple[Any, ...]]:
        return self._guarded(lambda connection: connection.execute(query, parameters).fetchall(), [])

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(statement, rows)

        self._guarded(write, None)

    def _guarded(self, action: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        if self._connection is None:
            return otherwise
        try:
            return action(self._connection)
        except sqlite3.OperationalError:
            # Locked for longer than the time-out, disk full, read-only: a run without the cache is slower, not wrong.
            return otherwise
        except sqlite3.DatabaseError as error:
            self._rebuild(str(error))
            return otherwise

    def _open(self) -> sqlite3.Connection | None:
        if self._path is None:
            return _connect(Path(":memory:"))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._path):
                reason = _distrust(self._path)
                if reason:
                    self.rebuilt = reason
                    _set_aside(self._path)
                connection = _connect(self._path)
                _grown(connection, self._day)
                return connection
        except (OSError, sqlite3.Error) as error:
            self.rebuilt = self.rebuilt or str(error)
            return None

    def _rebuild(self, reason: str) -> None:
        """Set the damaged database aside, unless another process has done so already, and open a fresh one."""
        self.close()
        self.rebuilt = reason
        if self._path is None:
            return
        try:
            with _locked(self._path):
                if _distrust(self._path, thorough=True):
                    _set_aside(self._path)
                self._connection = _connect(self._path)
        except (OSError, sqlite3.Error):
            self._connection = None


def _sealed(value: bytes) -> bytes:
    """SQLite notices damage to its pages' structure, not to a value inside; four bytes of CRC do."""
    return zlib.crc32(value).to_bytes(4, "big") + value


def _opened(sealed: object) -> bytes | None:
    if not isinstance(sealed, bytes) or len(sealed) < 4:
        return None
    value = sealed[4:]
    return value if zlib.crc32(value).to_bytes(4, "big") == sealed[:4] else None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time makes or replaces the database."""
    with path.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _distrust(path: Path, *, thorough: bool = False) -> str:
    """Why the file at `path` is not a database of ours in good order; empty when it is, or is not there."""
    if not path.exists():
        return ""
    if not path.is_file():
        return "not a file"
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    except sqlite3.Error as error:
        return str(error)
    try:
        (application,) = connection.execute("pragma application_id").fetchone()
        (layout,) = connection.execute("pragma user_version").fetchone()
        if application != APPLICATION_ID:
            return "a database of another program"
        if layout != LAYOUT and layout not in _GROWTH:
            return f"layout {layout}, not {LAYOUT}"
        if thorough:
            (answer,) = connection.execute("pragma quick_check(1)").fetchone()
            return "" if answer == "ok" else str(answer)
        connection.execute("select 1 from facts limit 1").fetchone()
        connection.execute("select 1 from items limit 1").fetchone()
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.close()
    return ""


def _set_aside(path: Path) -> None:
    """Keep what stood there under another name (it may be someone's), and clear SQLite's side files."""
    path.replace(path.with_suffix(".aside"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _grown(connection: sqlite3.Connection, day: int) -> None:
    """Bring an older layout up to today's; the caller holds the lock."""
    (layout,) = connection.execute("pragma user_version").fetchone()
    if layout in _GROWTH:
        connection.executescript(_GROWTH[layout].format(day=int(day)))


def _connect(path: Path) -> sqlite3.Connection:
    fresh = not path.exists()
    connection = sqlite3.connect(path, timeout=10, cached_statements=16, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = off")
    if fresh:
        connection.executescript(
            f"begin; {_TABLES} pragma application_id = {APPLICATION_ID}; pragma user_version = {LAYOUT}; commit;"
        )
    return connection
