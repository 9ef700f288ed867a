"""What the gateway remembers, in one SQLite file.

Every method by which the owner changes something returns only when it is on disk (WAL with full synchronisation): the
kernel is told afterwards, so that a crash between the two leaves the kernel behind our memory and never ahead of it.
Times are seconds since 1970, given by the caller.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from customhouse.host.errors import CustomhouseError, InputError
from customhouse.model import Ace, DeviceProfile

APPLICATION_ID = 0x43484757  # "CHGW"
LAYOUT = 1
TEXT_MOST = 200
"""Characters kept of anything that a device chose."""
DEVICES_MOST = 20_000
REQUESTS_MOST = 500
"""Open requests kept of one device: it can fill its own queue and nobody else's."""
HISTORY_MOST = 2_000


_DEVICE = "id, number, segment, port, name, claimed, first_seen, last_seen, mode, pinned_url, claimed_url"


class DeviceRecord(NamedTuple):
    id: str
    number: int
    segment: str
    port: str
    name: str
    claimed: str
    first_seen: float
    last_seen: float
    mode: str
    pinned_url: str
    claimed_url: str


class Approval(NamedTuple):
    device: str
    ace: Ace
    at: float
    until: float | None
    why: str


class Request(NamedTuple):
    """Something that a device asked for outside of what it may have."""

    id: int
    device: str
    what: str
    subject: str
    detail: str
    first: float
    last: float
    times: int
    answer: str


class LearnedName(NamedTuple):
    device: str
    name: str
    address: str
    until: float


class Quarantine(NamedTuple):
    device: str
    since: float
    why: str


class UnknownDevice(InputError):
    """No device of that name or address."""


class StateNotWritten(CustomhouseError):
    """The memory could not be changed; it is what it was."""


class State:
    """One gateway's memory. Used from one thread."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
            self._prepare(path)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute("pragma foreign_keys = on")
        except sqlite3.Error as trouble:
            raise InputError(
                f"{path}: the gateway's memory cannot be opened: {trouble}", "restore it, or name another state file"
            ) from trouble

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Several changes as one: all of them are on disk afterwards, or none."""
        try:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk makes SQLite roll back by itself
                    self._db.execute("rollback")
                raise
            self._db.execute("commit")
        except sqlite3.Error as trouble:
            raise StateNotWritten(
                f"the gateway's memory cannot be written: {trouble}", "nothing was changed; is the disk full?"
            ) from trouble

    @contextmanager
    def _light_change(self) -> Iterator[None]:
        """For what devices cause as often as they like: survives our death, not the machine's, and is quick."""
        self._db.execute("pragma synchronous = normal")
        try:
            with self.change():
                yield
        finally:
            self._db.execute("pragma synchronous = full")

    # Devices

    def devices(self) -> list[DeviceRecord]:
        return [DeviceRecord(*row) for row in self._db.execute(f"select {_DEVICE} from devices order by id")]  # noqa: S608 – our own columns

    def find(self, word: str) -> DeviceRecord:
        """By address of the card, or by the owner's name for it. Raises `UnknownDevice`."""
        found = [d for d in self.devices() if word.lower() in (d.id, d.name.lower())]
        if not found:
            raise UnknownDevice(f"no device is called {word!r}", "`customhouse gate devices` lists them")
        if len(found) > 1:
            raise UnknownDevice(f"{len(found)} devices are called {word!r}", "use the address of the one that you mean")
        return found[0]

    def saw(self, device: str, now: float, claimed: str = "", segment: str = "", port: str = "") -> bool:
        """A device showed itself; True when it was never seen before. Where it was first seen is where it belongs."""
        known = self._db.execute("select 1 from devices where id = ?", (device,)).fetchone()
        if not known and self._count("devices") >= DEVICES_MOST:
            return False
        with self.change():
            self._db.execute(
                "insert into devices(id, number, segment, port, claimed, first_seen, last_seen)"
                " values(?1, (select coalesce(max(number), 0) + 1 from devices), ?2, ?3, ?4, ?5, ?5)"
                " on conflict(id) do update set last_seen = excluded.last_seen,"
                " claimed = case when excluded.claimed = '' then claimed else excluded.claimed end,"
                " segment = case when segment = '' then excluded.segment else segment end,"
                " port = case when port = '' then excluded.port else port end",
                (device, segment, port, kept_text(claimed), now),
            )
            if not known:
                self._note(now, device, "arrived", claimed)
        return not known

    def rename(self, device: str, name: str) -> None:
        with self.change():
            self._db.execute("update devices set name = ? where id = ?", (kept_text(name), device))

    def set_mode(self, device: str, mode: str, now: float) -> None:
        """held: nothing but what was approved by hand; enforced: its approved profile; learning: watched."""
        with self.change():
            self._db.execute("update devices set mode = ? where id = ?", (mode, device))
            self._note(now, device, f"mode {mode}")

    def claim_url(self, device: str, url: str, now: float) -> None:
        with self.change():
            self._db.execute("update devices set claimed_url = ? where id = ?", (url[:2048], device))
            self._note(now, device, "claims a profile", url)

    def pin_url(self, device: str, url: str, now: float) -> None:
        with self.change():
            self._db.execute("update devices set pinned_url = ? where id = ?", (url, device))
            self._note(now, device, "profile pinned", url)

    def set_address(self, device: str, address: str, now: float) -> None:
        with self.change():
            self._db.execute(
                "insert into addresses(address, device, seen) values(?, ?, ?) on conflict(address) do update"
                " set device = excluded.device, seen = excluded.seen",
                (address, device, now),
            )

    def addresses(self, device: str | None = None) -> dict[str, str]:
        """Address -> device."""
        return dict(
            self._db.execute("select address, device from addresses where ?1 is null or device = ?1", (device,))
        )

    def device(self, mac: str) -> DeviceRecord | None:
        row = self._db.execute(f"select {_DEVICE} from devices where id = ?", (mac,)).fetchone()  # noqa: S608 – the same
        return DeviceRecord(*row) if row else None

    # Profiles and approvals

    def put_profile(self, device: str, kind: str, profile: DeviceProfile, now: float) -> None:
        with self.change():
            self._db.execute(
                "insert or replace into profiles(device, kind, profile, at) values(?, ?, ?, ?)",
                (device, kind, msgspec.json.encode(profile).decode(), now),
            )
            self._note(now, device, f"profile {kind}", profile.source.kind)

    def drop_profile(self, device: str, kind: str) -> None:
        with self.change():
            self._db.execute("delete from profiles where device = ? and kind = ?", (device, kind))

    def profiles(self, kind: str = "approved", device: str | None = None) -> dict[str, DeviceProfile]:
        """Device -> profile. One that can no longer be read is left out, so its device is held, not free."""
        found = {}
        rows = self._db.execute(
            "select device, profile from profiles where kind = ?1 and (?2 is null or device = ?2)", (kind, device)
        )
        for device, text in rows:
            try:
                found[device] = msgspec.json.decode(text, type=DeviceProfile)
            except (msgspec.DecodeError, ValueError):
                continue
        return found

    def approve(self, device: str, ace: Ace, now: float, until: float | None = None, why: str = "") -> None:
        with self.change():
            self._db.execute(
                "insert or replace into approvals(device, ace, at, until, why) values(?, ?, ?, ?, ?)",
                (device, msgspec.json.encode(ace).decode(), now, until, kept_text(why)),
            )
            self._note(now, device, "approved", why or ace.name)

    def withdraw(self, device: str, ace: Ace, now: float) -> bool:
        with self.change():
            cursor = self._db.execute(
                "delete from approvals where device = ? and ace = ?", (device, msgspec.json.encode(ace).decode())
            )
            if cursor.rowcount:
                self._note(now, device, "approval taken back", ace.name)
        return bool(cursor.rowcount)

    def approvals(self, now: float, device: str | None = None) -> list[Approval]:
        """Those that hold at `now`."""
        rows = self._db.execute(
            "select device, ace, at, until, why from approvals where (until is null or until > ?1)"
            " and (?2 is null or device = ?2) order by device, at",
            (now, device),
        )
        return [Approval(d, msgspec.json.decode(ace, type=Ace), at, until, why) for d, ace, at, until, why in rows]

    def next_expiry(self, now: float) -> float | None:
        """When the next approval ends."""
        row = self._db.execute("select min(until) from approvals where until > ?", (now,)).fetchone()
        return None if row is None else row[0]

    # Quarantine

    def quarantine(self, device: str, now: float, why: str) -> None:
        with self.change():
            self._db.execute(
                "insert into quarantines(device, since, why) values(?, ?, ?) on conflict(device) do nothing",
                (device, now, kept_text(why)),
            )
            self._db.execute("delete from learned where device = ?", (device,))
            self._note(now, device, "quarantined", why)

    def release(self, device: str, now: float) -> bool:
        with self.change():
            cursor = self._db.execute("delete from quarantines where device = ?", (device,))
            if cursor.rowcount:
                self._note(now, device, "released")
        return bool(cursor.rowcount)

    def quarantines(self) -> dict[str, Quarantine]:
        rows = self._db.execute("select device, since, why from quarantines")
        return {row[0]: Quarantine(*row) for row in rows}

    # Learned names

    def learn(self, entries: list[LearnedName]) -> None:
        """What a device looked up: where the machine dies, the kernel forgets it as well."""
        with self._light_change():
            self._db.executemany(
                "insert into learned(device, name, address, until) values(?, ?, ?, ?) on conflict(device, name,"
                " address) do update set until = max(until, excluded.until)",
                entries,
            )

    def learned(self, now: float, device: str | None = None) -> list[LearnedName]:
        rows = self._db.execute(
            "select device, name, address, until from learned where until > ?1 and (?2 is null or device = ?2)",
            (now, device),
        )
        return [LearnedName(*row) for row in rows]

    def forget_name(self, device: str, name: str) -> None:
        """What a device looked up by this name is no longer to be reached."""
        with self.change():
            self._db.execute("delete from learned where device = ? and name = ?", (device, name))

    def expired(self, now: float) -> list[str]:
        """Devices with an approval that has ended; it is taken out of the memory."""
        with self.change():
            rows = self._db.execute("select distinct device from approvals where until <= ?", (now,)).fetchall()
            self._db.execute("delete from approvals where until <= ?", (now,))
            for (device,) in rows:
                self._note(now, device, "an approval ended")
        return [row[0] for row in rows]

    def forget_expired(self, now: float) -> None:
        with self.change():
            self._db.execute("delete from learned where until <= ?", (now,))
            self._db.execute(
                "delete from history where rowid in (select rowid from history order by at desc limit -1 offset ?)",
                (HISTORY_MOST,),
            )

    # Requests

    def request(self, device: str, what: str, subject: str, detail: str, now: float, anew: bool = False) -> bool:
        """Queue what a device asked for; True when it is new. The same again only counts up, and `anew` opens it."""
        subject, detail = kept_text(subject), kept_text(detail)
        key = (device, what, subject)
        known = self._db.execute("select 1 from requests where device = ? and what = ? and subject = ?", key).fetchone()
        mine = self._db.execute("select count(*) from requests where device = ?", (device,)).fetchone()[0]
        if not known and mine >= REQUESTS_MOST:
            return False
        with self._light_change():
            self._db.execute(
                "insert into requests(device, what, subject, detail, first, last) values(?, ?, ?, ?, ?, ?)"
                " on conflict(device, what, subject) do update set last = excluded.last, times = times + 1,"
                " detail = excluded.detail, answer = case when ? then '' else answer end",
                (*key, detail, now, now, anew),
            )
        return not known

    def requests(self, device: str | None = None, answer: str | None = "") -> list[Request]:
        """The latest first; `answer` None gives all."""
        rows = self._db.execute(
            "select id, device, what, subject, detail, first, last, times, answer from requests"
            " where (?1 is null or device = ?1) and (?2 is null or answer = ?2) order by last desc, id desc",
            (device, answer),
        )
        return [Request(*row) for row in rows]

    def answer_request(self, number: int, answer: str, now: float) -> None:
        with self.change():
            self._db.execute("update requests set answer = ? where id = ?", (answer, number))

    def history(self, device: str, most: int = 50) -> list[tuple[float, str, str]]:
        rows = self._db.execute(
            "select at, event, detail from history where device = ? order by at desc, rowid desc limit ?",
            (device, most),
        )
        return [tuple(row) for row in rows]

    def _note(self, now: float, device: str, event: str, detail: str = "") -> None:
        self._db.execute(
            "insert into history(at, device, event, detail) values(?, ?, ?, ?)", (now, device, event, kept_text(detail))
        )

    def _count(self, table: str) -> int:
        return int(self._db.execute(f"select count(*) from {table}").fetchone()[0])  # noqa: S608 – our own table names

    def _prepare(self, path: Path) -> None:
        """Make the tables in a new file; refuse a file that is not ours rather than write into it."""
        pragma = {name: self._db.execute(f"pragma {name}").fetchone()[0] for name in ("application_id", "user_version")}
        tables: Any = self._db.execute("select count(*) from sqlite_master").fetchone()[0]
        if not tables:
            script = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
            self._db.executescript(
                f"begin; {script} pragma application_id = {APPLICATION_ID}; pragma user_version = {LAYOUT}; commit;"
            )
        elif pragma["application_id"] != APPLICATION_ID or pragma["user_version"] != LAYOUT:
            raise InputError(f"{path}: this is not a gateway's memory of this version", "name another state file")
        if self._db.execute("pragma quick_check(1)").fetchone()[0] != "ok":
            raise InputError(f"{path}: the gateway's memory is damaged", "restore it from a copy")


def kept_text(text: str) -> str:
    """Hostile text as it may be kept and shown: printable, short."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)[
        :TEXT_MOST
    ]
