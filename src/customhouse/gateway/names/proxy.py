"""The proxy's protocol without sockets: each query is a conversation that asks upstream, commits and answers.

    steps = proxy.converse(now, device, packet, most)
    # -> Ask(name, type)        send back the upstream's Response, or None when it did not answer
    # -> CommitFirst(learned)   send back None once the kernel knows; raise CommitFailed in it when it does not
    # StopIteration.value       the packet for the device, or None for silence

The order is the point: what is not declared is refused before anything leaves the house, and an address is given to
a device only when the kernel will let it through.
"""

from collections import OrderedDict
from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from .answer import PASSED, Believed, believe
from .nouns import Learned, Notify, Permitted, Refusal
from .ready import PACKET_MOST, Ready, made_ready
from .wire import (
    FORMERR,
    NOERROR,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    BadMessage,
    Query,
    Record,
    Response,
    read_query,
    write_error,
    write_response,
)


class Ask(NamedTuple):
    name: str
    type: int


class CommitFirst(NamedTuple):
    learned: tuple[Learned, ...]


class CommitFailed(Exception):
    """The kernel did not take the addresses: the device must not be given them."""


Step = Ask | CommitFirst
Conversation = Generator[Step, Response | None, bytes | None]


@dataclass(frozen=True)
class Limits:
    """Seconds and counts. An address stays reachable for max(TTL, `floor`) + `grace`, and its TTL is never longer."""

    floor: int = 60
    grace: int = 30
    most: int = 86_400
    negative: int = 30
    """How long "no such name" is remembered."""
    names_cached: int = 10_000
    addresses_a_device: int = 512
    queries_a_second: float = 50.0
    """A device's; what is above gets no answer. Bursts up to four seconds' worth pass."""


class _Cached(NamedTuple):
    code: int
    believed: Believed
    expires: float


class _Bucket:
    """Tokens of one device's queries."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens, self.at = tokens, at


@dataclass
class Proxy:
    """State of the proxy: what was answered, and what each device may reach. `now` is in seconds, monotonic."""

    permitted: Permitted
    notify: Notify
    house: Collection[str] = ()
    limits: Limits = field(default_factory=Limits)
    _cache: OrderedDict[tuple[str, int], _Cached] = field(default_factory=OrderedDict)
    _until: dict[str, OrderedDict[str, float]] = field(default_factory=dict)
    """Device -> address -> when the kernel forgets it."""
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _ready: dict[bytes, Ready] = field(default_factory=dict)
    """A query without its number -> the answer without its number."""

    def at_once(self, now: float, device: str, packet: bytes) -> bytes | None:
        """The answer to a query over UDP that was answered before, empty for silence; None: `converse`.

        Gives what the conversation would give, and only where that would neither ask nor commit nor refuse.
        """
        ready = self._ready.get(packet[2:])
        if ready is None:
            return None
        cached = self._cache.get(ready.key)
        if cached is None or cached.expires != ready.expires or cached.expires <= now:
            del self._ready[packet[2:]]
            return None
        left = max(1, int(cached.expires - now))
        addresses = cached.believed.addresses
        if addresses:
            until = self._until.get(device)
            if until is None or any(until.get(address, 0.0) < now + left for address in addresses):
                return None
        if not self.permitted(device, ready.key[0]).allowed:
            return None
        if not self._may_ask(now, device):
            return b""
        return packet[:2] + ready.with_life(left)

    def converse(self, now: float, device: str, packet: bytes, most: int | None = None) -> Conversation:
        """One query of `device`; `most` bytes fit into the answer (None: what the query itself says, for UDP)."""
        if not self._may_ask(now, device):
            return None
        try:
            query = read_query(packet)
        except BadMessage:
            return write_error(packet, FORMERR)
        room = query.payload if most is None else most
        permission = self.permitted(device, query.question.name)
        if not permission.allowed:
            self.notify(Refusal(device, query.question.name, permission.reason))
            return write_response(query, REFUSED, most=room)
        if query.question.type not in PASSED:
            return write_response(query, NOERROR, most=room)
        known = self._recall(now, query)
        if known is None:
            response = yield Ask(query.question.name, query.question.type)
            known = self._keep(now, device, query, response)
        if known is None:
            return write_response(query, SERVFAIL, most=room)
        left = max(1, int(known.expires - now))
        learned = self._to_learn(now, device, query.question.name, known.believed.addresses, left)
        if learned:
            try:
                yield CommitFirst(learned)
            except CommitFailed:
                return write_response(query, SERVFAIL, most=room)
            self._note(now, device, learned)
        answer = write_response(query, known.code, _with_ttl(known.believed.records, left), room)
        if most is None and len(packet) <= PACKET_MOST:
            self._make_ready(packet, query, known, room)
        return answer

    def forget(self, device: str) -> None:
        """The kernel knows nothing of this device's addresses any more (quarantine, a changed approval)."""
        self._until.pop(device, None)

    def _make_ready(self, packet: bytes, query: Query, known: _Cached, room: int) -> None:
        if len(self._ready) >= self.limits.names_cached:
            self._ready.clear()  # spelled in ever new ways by somebody: all of it is made again in no time
        whole = write_response(query, known.code, known.believed.records, room)
        self._ready[packet[2:]] = made_ready((query.question.name, query.question.type), whole, known.expires)

    def _may_ask(self, now: float, device: str) -> bool:
        rate = self.limits.queries_a_second
        bucket = self._buckets.get(device)
        if bucket is None:
            bucket = self._buckets[device] = _Bucket(4 * rate, now)
        bucket.tokens = min(4 * rate, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _recall(self, now: float, query: Query) -> _Cached | None:
        cached = self._cache.get((query.question.name, query.question.type))
        return cached if cached is not None and cached.expires > now else None

    def _keep(self, now: float, device: str, query: Query, response: Response | None) -> _Cached | None:
        """What may be handed on, remembered; None where nothing can be said."""
        if response is None or response.code not in (NOERROR, NXDOMAIN):
            return None
        believed = believe(response, self.house)
        if believed.refused:
            self.notify(
                Refusal(device, query.question.name, f"its name server's answer was refused: {believed.refused}")
            )
        if believed.refused and not believed.records:
            return None
        seconds = min(believed.ttl, self.limits.most) if believed.records else self.limits.negative
        cached = _Cached(response.code, believed, now + max(1, seconds))
        self._cache[query.question.name, query.question.type] = cached
        if len(self._cache) > self.limits.names_cached:
            self._cache.popitem(last=False)
        return cached

    def _to_learn(
        self, now: float, device: str, name: str, addresses: tuple[str, ...], left: int
    ) -> tuple[Learned, ...]:
        """Addresses that the kernel would forget before the device does."""
        until: dict[str, float] = self._until.get(device) or {}
        wanted = now + left
        seconds = min(max(left, self.limits.floor), self.limits.most) + self.limits.grace
        return tuple(Learned(device, name, a, seconds) for a in addresses if until.get(a, 0.0) < wanted)

    def _note(self, now: float, device: str, learned: tuple[Learned, ...]) -> None:
        until = self._until.setdefault(device, OrderedDict())
        for entry in learned:
            until[entry.address] = now + entry.seconds
            until.move_to_end(entry.address)
        while len(until) > self.limits.addresses_a_device:
            until.popitem(last=False)


def _with_ttl(records: tuple[Record, ...], left: int) -> tuple[Record, ...]:
    """Nothing is handed on with a longer life than the whole answer has."""
    return tuple(record._replace(ttl=min(record.ttl, left)) for record in records)
