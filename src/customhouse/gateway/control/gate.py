"""The gate: every command of the owner and every event of a device, as one change of memory and then of the kernel.

The order never changes: decide, remember, tell the kernel. When the kernel refuses, the memory is right and the next
`mend` brings the kernel to it; until then the kernel holds what it held before.
"""

import contextlib
import ipaddress
import time
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from customhouse.gateway.arrival.dhcp import Claim
from customhouse.gateway.arrival.portmap import PortRequest
from customhouse.gateway.names.nouns import Learned, Permission, Refusal
from customhouse.gateway.ruleset.house import Device, House
from customhouse.gateway.ruleset.house import LearnedName as HouseName
from customhouse.model import Ace, DeviceProfile, Peer, PeerKind, PortRange

from .config import GateConfig
from .enforcer import Enforcer, KernelSide
from .explain import Explanation, why
from .intent import Memory, device_of, granted, house_of, names_granted
from .state import DeviceRecord, LearnedName, State, StateNotWritten, kept_text

PORT_APPROVAL_SECONDS = 24 * 3600.0
"""An open port is approved for a day unless the owner says otherwise."""
HELD = "it is new and you have approved nothing for it yet"
UNDECLARED = "neither its profile nor you allow it"


class Gate:
    """One gateway. All methods are called from one event loop. `clock` gives seconds since 1970."""

    def __init__(
        self, config: GateConfig, state: State, kernel: KernelSide, clock: Callable[[], float] = time.time
    ) -> None:
        self.config, self.state, self._clock = config, state, clock
        self._enforcer = Enforcer(house_of(config, self.memory()), kernel)
        self._names: dict[str, frozenset[str]] = {}
        self._modes: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._quarantined: frozenset[str] = frozenset()
        self.on_change: Callable[[str], None] = lambda _device: None
        """Set by the daemon: the DNS proxy forgets what it committed for a device."""
        for record in state.devices():
            self._refresh(record)

    # What the DNS proxy asks

    def permitted(self, device: str, name: str) -> Permission:
        if device in self._quarantined:
            return Permission(False, "it is cut off")
        names = self._names.get(device, frozenset())
        if name in names or self._modes.get(device) == "learning":
            return Permission(True)
        if any(f"*.{above}" in names for above in _above(name)):
            return Permission(True)
        return Permission(False, HELD if self._modes.get(device) == "held" else UNDECLARED)

    def device_of(self, address: str) -> str | None:
        return self._addresses.get(address)

    def refused(self, refusal: Refusal) -> None:
        self._ask_owner(refusal.device, "name", refusal.name, refusal.reason)

    async def learn_names(self, learned: tuple[Learned, ...]) -> None:
        """What a device looked up: remembered, then in the kernel; only then does this return."""
        now = self._clock()
        self.state.learn([LearnedName(e.device, e.name, e.address, now + e.seconds) for e in learned])
        if any(entry.device in self._quarantined for entry in learned):
            raise PermissionError("it was cut off while it asked")
        await self._enforcer.learn(
            HouseName(device=e.device, name=e.name, address=e.address, until=int(now + e.seconds)) for e in learned
        )

    # Arrivals and requests

    async def arrived(self, mac: str, address: str = "", segment: str = "", port: str = "") -> bool:
        """A device showed itself with an address; True when it was never seen before. It is held."""
        now = self._clock()
        if mac in self._modes and (not address or self._addresses.get(address) == mac):
            return False
        new = self.state.saw(mac, now, "", segment, port)
        if address:
            self.state.set_address(mac, address, now)
        await self._tell(mac)
        return new

    async def claimed(self, claim: Claim, segment: str = "", port: str = "") -> None:
        """What a device says of itself over DHCP: kept as its claim, and nothing more."""
        await self.arrived(claim.mac, claim.address, segment, port)
        now = self._clock()
        if claim.host_name:
            self.state.saw(claim.mac, now, claim.host_name)
        record = self.state.device(claim.mac)
        if record is None or not claim.mud_url or claim.mud_url == record.claimed_url:
            return
        self.state.claim_url(claim.mac, claim.mud_url, now)
        changed = bool(record.pinned_url) and claim.mud_url != record.pinned_url
        detail = f"changed from {record.pinned_url}" if changed else "asks to be held to this profile"
        self.state.request(claim.mac, "profile", claim.mud_url, detail, now)

    def port_wanted(self, device: str, wish: PortRequest) -> None:
        """It was told no; the owner is asked."""
        detail = f"by {wish.how}, for {wish.lifetime or 'unlimited'} seconds, outside port {wish.outside or 'any'}"
        self._ask_owner(device, "port", f"{wish.protocol}/{wish.inside}", detail)

    def blocked(self, device: str, address: str, detail: str) -> None:
        """The kernel dropped a packet of a device to an address that it had not looked up, or may not reach."""
        self._ask_owner(device, "address", address, detail)

    def note_profile(self, device: str, url: str, detail: str, anew: bool = False) -> None:
        """What became of a profile that a device claims; `anew`: there is something to decide again."""
        self.state.request(device, "profile", url, detail, self._clock(), anew)

    def _ask_owner(self, device: str, what: str, subject: str, detail: str) -> None:
        """The packet was stopped already. On a full disk the note is lost, and the next tick says so."""
        with contextlib.suppress(StateNotWritten):
            self.state.request(device, what, subject, detail, self._clock())

    # The owner's commands

    def propose(self, word: str, profile: DeviceProfile) -> DeviceRecord:
        """A profile for a device, to be approved or not; nothing is allowed by it yet."""
        device = self.state.find(word)
        self.state.put_profile(device.id, "proposed", profile, self._clock())
        return device

    async def approve_profile(self, word: str, only: Collection[str] = ()) -> str:
        """Enforce the proposed profile, whole or the entries named in `only`. What was done, in words."""
        device = self.state.find(word)
        proposed = self.state.profiles("proposed", device.id).get(device.id)
        if proposed is None:
            return f"{shown(device)} has proposed no profile"
        chosen = tuple(ace for ace in proposed.aces if not only or ace.name in only)
        now = self._clock()
        self.state.put_profile(device.id, "approved", msgspec.structs.replace(proposed, aces=chosen), now)
        self.state.drop_profile(device.id, "proposed")
        if proposed.identity.mud_url:
            self.state.pin_url(device.id, proposed.identity.mud_url, now)
            self._settle(device.id, kept_text(proposed.identity.mud_url), "approved")
        self.state.set_mode(device.id, "enforced", now)
        await self._changed(device.id)
        return f"{shown(device)} is held to {len(chosen)} of {len(proposed.aces)} entries"

    async def approve_host(self, word: str, host: str, seconds: float | None = None) -> str:
        """Let a device reach a host by name or address."""
        device = self.state.find(word)
        now, key = self._clock(), host.rstrip(".").lower()
        self.state.approve(device.id, ace_for_host(host), now, now + seconds if seconds else None, f"{host} approved")
        self._settle(device.id, key, "approved")
        await self._changed(device.id)
        return f"{shown(device)} may reach {host}"

    async def approve_request(self, number: int, seconds: float | None = None) -> str:
        """Approve one open request: a name or address, or for a limited time an open port."""
        request = next((r for r in self.state.requests() if r.id == number), None)
        if request is None:
            return f"there is no open request {number}"
        if request.what == "profile":
            return f"request {number} is a profile: `customhouse gate approve {request.device} --profile` shows it"
        if request.what != "port":
            return await self.approve_host(request.device, request.subject, seconds)
        now = self._clock()
        until = now + (seconds or PORT_APPROVAL_SECONDS)
        self.state.approve(request.device, ace_for_open_port(request.subject), now, until, request.detail)
        self.state.answer_request(number, "approved", now)
        await self._changed(request.device)
        return f"{request.subject} is open until {time.strftime('%Y-%m-%d %H:%M', time.localtime(until))}"

    async def deny(self, word: str, host: str) -> str:
        """Take an approval back, or settle an open request with a no."""
        device = self.state.find(word)
        now, key = self._clock(), host.rstrip(".").lower()
        taken = [a for a in self.state.approvals(now, device.id) if a.ace.peer.value.lower() == key]
        for approval in taken:
            self.state.withdraw(device.id, approval.ace, now)
        self._settle(device.id, key, "denied")
        self.state.forget_name(device.id, key)
        await self._changed(device.id, cut=bool(taken))
        return f"{shown(device)} may not reach {host}" + ("" if taken else "; it had no approval of its own for it")

    async def set_learning(self, word: str, on: bool) -> str:
        """Watch without enforcing, or hold again."""
        device = self.state.find(word)
        has_profile = bool(self.state.profiles("approved", device.id))
        self.state.set_mode(device.id, "learning" if on else "enforced" if has_profile else "held", self._clock())
        await self._changed(device.id, cut=not on)
        return f"{shown(device)} is {'watched, and not held to anything' if on else 'held again'}"

    async def quarantine(self, word: str, reason: str) -> str:
        """Cut one device off from everything, its established flows too."""
        device = self.state.find(word)
        self.state.quarantine(device.id, self._clock(), reason)
        await self._changed(device.id, cut=True)
        return f"{shown(device)} is cut off"

    async def release(self, word: str) -> str:
        device = self.state.find(word)
        was = self.state.release(device.id, self._clock())
        await self._changed(device.id)
        return f"{shown(device)} is back under its profile" if was else f"{shown(device)} was not cut off"

    def rename(self, word: str, name: str) -> str:
        device = self.state.find(word)
        self.state.rename(device.id, name)
        return f"{device.id} is called {name}"

    def explain(self, word: str, host: str) -> Explanation:
        device = self.state.find(word)
        return why(
            device,
            host,
            aces=self._granted(device),
            proposed=self.state.profiles("proposed", device.id).get(device.id),
            quarantine=self.state.quarantines().get(device.id),
            requests=self.state.requests(device.id, None),
        )

    # Keeping kernel and memory alike

    def memory(self) -> Memory:
        now = self._clock()
        return Memory(
            devices=tuple(self.state.devices()),
            addresses=self.state.addresses(),
            profiles=self.state.profiles(),
            approvals=tuple(self.state.approvals(now)),
            learned=tuple(self.state.learned(now)),
            quarantined=frozenset(self.state.quarantines()),
        )

    def house(self) -> House:
        return house_of(self.config, self.memory())

    async def start(self) -> None:
        """The kernel gets everything anew, with names and approvals as they were when we stopped."""
        await self._enforcer.start()

    async def tick(self) -> tuple[str, ...]:
        """What time has done: approvals end, names expire, and somebody may have changed our tables.

        What was wrong with the kernel, in words; it is right afterwards.
        """
        now = self._clock()
        for device in self.state.expired(now):
            await self._changed(device, cut=True)
        self.state.forget_expired(now)
        return await self._enforcer.mend(now)

    def close(self) -> None:
        self._enforcer.close()

    async def _changed(self, mac: str, cut: bool = False) -> None:
        """A device's grants changed: what it looked up by names it may no longer use is closed with them."""
        record = self._refresh(self.state.device(mac))
        if record is None:
            return
        self.on_change(mac)
        device = self._device(record)
        await self._enforcer.set_device(device)
        await self._enforcer.forget_names(device, self._usable_names(mac))
        if cut:
            await self._enforcer.cut(device)

    async def _tell(self, mac: str) -> None:
        record = self._refresh(self.state.device(mac))
        if record is not None:
            await self._enforcer.set_device(self._device(record))

    def _device(self, record: DeviceRecord) -> Device:
        return device_of(
            self.config,
            record,
            profile=self.state.profiles("approved", record.id).get(record.id),
            approved=[a.ace for a in self.state.approvals(self._clock(), record.id)],
            addresses=self.state.addresses(record.id),
            quarantined=record.id in self._quarantined,
        )

    def _usable_names(self, mac: str) -> Iterable[HouseName]:
        for entry in self.state.learned(self._clock(), mac):
            if self.permitted(mac, entry.name).allowed:
                yield HouseName(device=mac, name=entry.name, address=entry.address, until=int(entry.until))

    def _granted(self, record: DeviceRecord) -> tuple[Ace, ...]:
        approved = [a.ace for a in self.state.approvals(self._clock(), record.id)]
        return granted(record, self.state.profiles("approved", record.id).get(record.id), approved)

    def _refresh(self, record: DeviceRecord | None) -> DeviceRecord | None:
        """What is asked for every packet, taken from memory once a change."""
        if record is not None:
            self._names[record.id] = names_granted(self._granted(record))
            self._modes[record.id] = record.mode
            self._addresses.update(self.state.addresses(record.id))
            self._quarantined = frozenset(self.state.quarantines())
        return record

    def _settle(self, device: str, subject: str, answer: str) -> None:
        for request in self.state.requests(device):
            if request.subject == subject:
                self.state.answer_request(request.id, answer, self._clock())


def _above(name: str) -> Iterator[str]:
    """The names above one: what `*.` in a profile stands before."""
    while "." in name:
        name = name.partition(".")[2]
        yield name


def ace_for_host(host: str) -> Ace:
    """Everything outward to one name, address or range: what an owner means by "let it reach this"."""
    try:
        peer = Peer(kind=PeerKind.ADDRESS_RANGE, value=str(ipaddress.ip_network(host, strict=False)))
    except ValueError:
        peer = Peer(kind=PeerKind.DNS_NAME, value=host.rstrip(".").lower())
    return Ace(name=f"owner: {host}", direction="from-device", peer=peer, initiated_by="device")


def ace_for_open_port(subject: str) -> Ace:
    """`tcp/554`, open to everyone outside."""
    protocol, _, port = subject.partition("/")
    number = int(port)
    return Ace(
        name=f"owner: open {subject}",
        direction="to-device",
        peer=Peer(kind=PeerKind.ADDRESS_RANGE),  # without a range: both families
        protocol=protocol,
        ports=(PortRange(first=number, last=number),),
        initiated_by="peer",
    )


def shown(device: DeviceRecord) -> str:
    return device.name or device.claimed or device.id
