"""What is known, in one SQLite file.

The file can be rebuilt from the package alone (`snapshot`); synced feeds are added to it. It is only ever replaced
as a whole (`rewritten`), so a reader sees the old one or the new one, never a half.
"""

import contextlib
import datetime
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from customhouse.host.errors import CustomhouseError
from customhouse.model import FeedStatus

from .records import RECORD, Record, compact

FORMAT = 1
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE feeds (name TEXT PRIMARY KEY, date TEXT, records INTEGER, complete_for TEXT, origin TEXT, state TEXT);
CREATE TABLE records (number INTEGER PRIMARY KEY, feed TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX by_id ON records (feed, id);
CREATE TABLE affects (key TEXT NOT NULL, number INTEGER NOT NULL);
CREATE INDEX by_key ON affects (key);
CREATE INDEX by_number ON affects (number);
CREATE TABLE ratings (cve TEXT PRIMARY KEY, exploited TEXT, epss REAL) WITHOUT ROWID;
"""


class StoreError(CustomhouseError):
    """The knowledge store cannot be written or read."""


class KnowledgeStore:
    """An open store. Reading never changes it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def empty(cls) -> "KnowledgeStore":
        """A store in memory, with nothing in it."""
        return cls(_laid_out(sqlite3.connect(":memory:")))

    @classmethod
    def read(cls, path: Path) -> "KnowledgeStore":
        """Open a file for reading. Raises StoreError when it is not a store of this format."""
        try:
            store = cls(sqlite3.connect(f"file:{path.absolute().as_posix()}?mode=ro", uri=True))
            if store.meta("format") != str(FORMAT):
                raise StoreError(f"{path}: a knowledge store of another format", hint="delete it; it is rebuilt")
            return store
        except sqlite3.Error as error:
            raise StoreError(f"{path}: not a knowledge store ({error})", hint="delete it; it is rebuilt") from None

    def close(self) -> None:
        self._db.close()

    def meta(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def records(self, keys: Iterable[str]) -> list[Record]:
        """Every record that makes a statement under one of `keys`."""
        wanted = tuple(dict.fromkeys(keys))
        marks = ",".join("?" * len(wanted))
        rows = self._db.execute(
            "SELECT body FROM records WHERE number IN (SELECT number FROM affects "  # noqa: S608 - question marks only
            f"WHERE key IN ({marks})) ORDER BY feed, id",
            wanted,
        )
        return [RECORD.decode(body) for (body,) in rows]

    def ratings(self, cves: Iterable[str]) -> dict[str, tuple[datetime.date | None, float | None]]:
        """Day on which a CVE came on the list of exploited ones, and its EPSS score, where known."""
        found = {}
        for cve in cves:
            row = self._db.execute("SELECT exploited, epss FROM ratings WHERE cve = ?", (cve,)).fetchone()
            if row:
                found[cve] = (datetime.date.fromisoformat(row[0]) if row[0] else None, row[1])
        return found

    def feeds(self) -> tuple[FeedStatus, ...]:
        """State of every feed, by name."""
        rows = self._db.execute("SELECT name, date, records, complete_for, origin FROM feeds ORDER BY name")
        return tuple(
            FeedStatus(
                name=name,
                date=datetime.date.fromisoformat(date) if date else None,
                records=records,
                complete_for=tuple(json.loads(complete_for)),
                origin=origin,
            )
            for name, date, records, complete_for, origin in rows
        )

    def complete_for(self, component: str) -> bool:
        """Does some feed claim to hold everything published on `component`?"""
        return any(component in feed.complete_for for feed in self.feeds())

    def state(self, feed: str) -> dict[str, str]:
        """What the last sync of a feed remembered (see `feeds.sync`)."""
        row = self._db.execute("SELECT state FROM feeds WHERE name = ?", (feed,)).fetchone()
        return dict(json.loads(row[0])) if row and row[0] else {}

    # Writing, only through `rewritten` or in memory.

    def set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def set_feed(self, status: FeedStatus, state: dict[str, str] | None = None) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO feeds VALUES (?, ?, ?, ?, ?, ?)",
            (
                status.name,
                status.date.isoformat() if status.date else None,
                status.records,
                json.dumps(status.complete_for),
                status.origin,
                json.dumps(state or {}),
            ),
        )

    def drop_records(self, feed: str) -> None:
        self._db.execute("DELETE FROM affects WHERE number IN (SELECT number FROM records WHERE feed = ?)", (feed,))
        self._db.execute("DELETE FROM records WHERE feed = ?", (feed,))

    def put(self, feed: str, record: Record) -> None:
        """Add a record, or replace the one of the same id in the same feed. A withdrawn one goes."""
        row = self._db.execute(
            "SELECT number FROM records WHERE feed = ? AND id = ?", (feed, record.advisory.id)
        ).fetchone()
        if row:
            self._db.execute("DELETE FROM affects WHERE number = ?", row)
            self._db.execute("DELETE FROM records WHERE number = ?", row)
        if record.withdrawn or not record.statements:
            return
        cursor = self._db.execute(
            "INSERT INTO records (feed, id, body) VALUES (?, ?, ?)", (feed, record.advisory.id, compact(record))
        )
        self._db.executemany("INSERT INTO affects VALUES (?, ?)", [(key, cursor.lastrowid) for key in record.keys])

    def count(self, feed: str) -> int:
        return int(self._db.execute("SELECT count(*) FROM records WHERE feed = ?", (feed,)).fetchone()[0])

    def rate_exploited(self, days: Iterable[tuple[str, str]]) -> int:
        """Replace the whole list of exploited CVEs."""
        self._db.execute("UPDATE ratings SET exploited = NULL")
        rows = list(days)
        self._db.executemany(
            "INSERT INTO ratings (cve, exploited) VALUES (?, ?) "
            "ON CONFLICT (cve) DO UPDATE SET exploited = excluded.exploited",
            rows,
        )
        return len(rows)

    def rate_epss(self, scores: Iterable[tuple[str, float]]) -> int:
        """Replace all EPSS scores."""
        self._db.execute("UPDATE ratings SET epss = NULL")
        rows = list(scores)
        self._db.executemany(
            "INSERT INTO ratings (cve, epss) VALUES (?, ?) ON CONFLICT (cve) DO UPDATE SET epss = excluded.epss", rows
        )
        return len(rows)

    def commit(self) -> None:
        self._db.commit()


def _laid_out(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.executescript(_SCHEMA)
    connection.execute("INSERT INTO meta VALUES ('format', ?)", (str(FORMAT),))
    return connection


def default_path() -> Path:
    """`CUSTOMHOUSE_KNOWLEDGE`, or `knowledge.sqlite` in the user's data folder."""
    if named := os.environ.get("CUSTOMHOUSE_KNOWLEDGE"):
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home, "customhouse", "knowledge.sqlite")


@contextlib.contextmanager
def rewritten(path: Path, fill: Callable[[KnowledgeStore], None] | None = None) -> Iterator[KnowledgeStore]:
    """A writable copy of the store at `path` that takes its place when the block ends without an error.

    `fill` fills a store that is not there yet. Raises StoreError when the disk is full or the folder not writable;
    the old file is then untouched.
    """
    temporary: Path | None = None
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".new", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        connection = sqlite3.connect(temporary)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        store = KnowledgeStore(connection)
        if path.exists():
            with contextlib.closing(sqlite3.connect(f"file:{path.absolute().as_posix()}?mode=ro", uri=True)) as old:
                old.backup(connection)
        else:
            _laid_out(connection)
            if fill is not None:
                fill(store)
        yield store
        connection.commit()
        connection.close()
        connection = None
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except (sqlite3.Error, OSError) as error:
        hint = "the store is the old one; free space or name another place with CUSTOMHOUSE_KNOWLEDGE"
        raise StoreError(f"{path}: the knowledge store could not be written ({error})", hint=hint) from None
    finally:
        if connection is not None:
            connection.close()
        if temporary is not None:
            temporary.unlink(missing_ok=True)
