"""Profiles that devices claim over DHCP: fetched into proposals, never enforced, and looked at again when they age.

The URL is a stranger's word. It is fetched with every guard of `profile.fetch`, seldom, and what it holds waits for the
owner. A file at a URL that the owner approved is fetched again when its cache-validity ends (RFC 8520 section 3.5), and
proposed when it says something else than before.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from customhouse.gateway.profile.fetch import Fetched
from customhouse.gateway.profile.mud import read_mud
from customhouse.host.errors import InputError
from customhouse.model import DeviceProfile
from customhouse.model.profile import Unsupported

from .gate import Gate
from .intent import profile_difference
from .state import DeviceRecord

AT_ONCE = 3
"""Files under way together."""
AGAIN_SECONDS = 60.0
"""A device that names ever new URLs has one of them fetched in this time."""
FAILED_SECONDS = 3600.0
"""Until a URL that failed is tried again."""


@dataclass
class _Look:
    """When a device's URL was last fetched, and when it is due again. Seconds since 1970."""

    url: str
    at: float
    due: float
    found: DeviceProfile | None = None


class Claims:
    """One gate's claimed URLs. `fetch` blocks and raises InputError; `clock` gives seconds since 1970.

    What was fetched when is kept in memory only: after a restart everything is looked at once more.
    """

    def __init__(self, gate: Gate, fetch: Callable[[str], Fetched], clock: Callable[[], float]) -> None:
        self._gate, self._fetch, self._clock = gate, fetch, clock
        self._looked: dict[str, _Look] = {}

    async def look(self) -> None:
        """Fetch what is due, a few files at a time."""
        now = self._clock()
        due = [record for record in self._gate.state.devices() if self._due(record, now)]
        await asyncio.gather(*(self._consider(record) for record in due[:AT_ONCE]))

    def _due(self, record: DeviceRecord, now: float) -> bool:
        url, last = wanted_url(record), self._looked.get(record.id)
        if not url:
            return False
        if last is None:
            return True
        return now >= last.due if last.url == url else now >= last.at + AGAIN_SECONDS

    async def _consider(self, record: DeviceRecord) -> None:
        url, now = wanted_url(record), self._clock()
        last = self._looked.get(record.id)
        before = last.found if last is not None and last.url == url else None
        look = self._looked[record.id] = _Look(url, now, now + FAILED_SECONDS, before)
        try:
            found = await asyncio.to_thread(self._fetch, url)
            profile = as_claimed(read_mud(found.body, found.url), url)
        except InputError as trouble:
            self._failed(record, url, str(trouble))
            return
        look.due, look.found = now + profile.valid_for * 3600, profile
        current = self._gate.state.device(record.id)
        if current is not None and wanted_url(current) == url:  # it may have claimed another meanwhile
            self._propose(current, url, profile, before)

    def _failed(self, record: DeviceRecord, url: str, reason: str) -> None:
        if url == record.pinned_url:
            return  # what the owner approved goes on holding; there is nothing to decide
        self._gate.note_profile(record.id, url, f"it could not be fetched: {reason}")

    def _propose(self, record: DeviceRecord, url: str, profile: DeviceProfile, before: DeviceProfile | None) -> None:
        approved = self._gate.state.profiles("approved", record.id).get(record.id)
        if url == record.pinned_url and approved is not None and unchanged(before, approved, profile):
            return
        if self._gate.state.profiles("proposed", record.id).get(record.id) == profile:
            return
        added, removed = profile_difference(approved, profile)
        what = f"{len(added)} entries new, {len(removed)} gone" if approved else f"asks for {len(profile.aces)} entries"
        changed = f"changed from {record.pinned_url}; " if record.pinned_url and url != record.pinned_url else ""
        self._gate.propose(record.id, profile)
        self._gate.note_profile(record.id, url, f"{changed}{what}, unsigned", anew=True)


def wanted_url(record: DeviceRecord) -> str:
    """What to fetch for a device: what it claims now, or what the owner approved."""
    return record.claimed_url or record.pinned_url


def as_claimed(profile: DeviceProfile, url: str) -> DeviceProfile:
    """The profile under the URL that the device claimed, which approval pins, whatever the file calls itself."""
    stated = profile.identity.mud_url
    if stated == url:
        return profile
    note = Unsupported(what=f"mud-url {stated or 'missing'}", why="the device claimed another URL, and that one counts")
    return msgspec.structs.replace(
        profile,
        identity=msgspec.structs.replace(profile.identity, mud_url=url),
        unsupported=(*profile.unsupported, note),
    )


def unchanged(before: DeviceProfile | None, approved: DeviceProfile, fetched: DeviceProfile) -> bool:
    """`before`: what the same URL held when it was last fetched, None when nobody remembers."""
    return fetched == before if before is not None else says_the_same(approved, fetched)


def says_the_same(approved: DeviceProfile, fetched: DeviceProfile) -> bool:
    """Whether the file is still the one that the owner chose from, as far as a gate can tell that was just started.

    He may have approved some of its entries only; the others are told from new ones by the file's own date.
    """
    added, removed = profile_difference(approved, fetched)
    if removed or approved.rate != fetched.rate:
        return False
    return not added or (approved.last_update is not None and approved.last_update == fetched.last_update)
