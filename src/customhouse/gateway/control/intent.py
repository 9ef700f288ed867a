"""What the kernel should know, from what we remember. Pure."""

from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from customhouse.gateway.ruleset.house import Device, House, LearnedName
from customhouse.model import Ace, DeviceProfile, Model, PeerKind

from .config import GateConfig
from .state import Approval, DeviceRecord
from .state import LearnedName as KnownName

Item = TypeVar("Item")

ASKING_PORTS = (1900, 5351)
"""SSDP, and PCP with NAT-PMP."""
IGD_PORT = 49000
"""TCP port of the gateway's UPnP description and control."""


class Memory(Model, frozen=True, kw_only=True):
    """A snapshot of the state: what `house_of` needs of it."""

    devices: tuple[DeviceRecord, ...] = ()
    addresses: Mapping[str, str] = {}
    """Address -> device."""
    profiles: Mapping[str, DeviceProfile] = {}
    approvals: tuple[Approval, ...] = ()
    learned: tuple[KnownName, ...] = ()
    quarantined: frozenset[str] = frozenset()


def house_of(config: GateConfig, memory: Memory) -> House:
    """A held device has only what was approved by hand; an enforced one its approved profile as well."""
    approved = _by_device((a.device, a.ace) for a in memory.approvals)
    addresses = _by_device((device, address) for address, device in memory.addresses.items())
    return House(
        segments=config.house_segments(),
        devices=tuple(
            device_of(
                config,
                record,
                profile=memory.profiles.get(record.id),
                approved=approved.get(record.id, ()),
                addresses=addresses.get(record.id, ()),
                quarantined=record.id in memory.quarantined,
            )
            for record in memory.devices
        ),
        names=tuple(
            LearnedName(device=entry.device, name=entry.name, address=entry.address, until=int(entry.until))
            for entry in memory.learned
        ),
        local_networks=config.local_networks,
        dns_port=config.names.port,
        asking_ports=ASKING_PORTS if config.port_requests else (),
        asking_tcp_ports=(IGD_PORT,) if config.port_requests else (),
    )


def device_of(
    config: GateConfig,
    record: DeviceRecord,
    *,
    profile: DeviceProfile | None,
    approved: Iterable[Ace],
    addresses: Iterable[str],
    quarantined: bool,
) -> Device:
    """One device as the compiler sees it."""
    return Device(
        id=record.id,
        number=record.number,
        mac=record.id,
        segment=record.segment or config.segments[0].interface,
        port=record.port,
        addresses=tuple(sorted(addresses)),
        aces=granted(record, profile, approved),
        rate=profile.rate if profile is not None and record.mode != "held" else None,
        manufacturer=urlsplit(record.pinned_url).hostname or "",
        model=record.pinned_url,
        quarantined=quarantined,
        learning=record.mode == "learning" and not quarantined,
    )


def granted(record: DeviceRecord, profile: DeviceProfile | None, approved: Iterable[Ace]) -> tuple[Ace, ...]:
    """The entries in force for one device, each once."""
    from_profile = profile.aces if profile is not None and record.mode != "held" else ()
    return tuple(dict.fromkeys((*from_profile, *approved)))


def names_granted(aces: Iterable[Ace]) -> frozenset[str]:
    """The names a device may look up: those that its entries let it reach."""
    return frozenset(
        ace.peer.value.rstrip(".").lower() for ace in aces if ace.peer.kind is PeerKind.DNS_NAME and ace.peer.value
    )


def profile_difference(old: DeviceProfile | None, new: DeviceProfile) -> tuple[tuple[Ace, ...], tuple[Ace, ...]]:
    """(added, removed): what approving `new` would change. Names of entries do not matter, what they allow does."""
    before = {_meaning(ace): ace for ace in (old.aces if old else ())}
    after = {_meaning(ace): ace for ace in new.aces}
    added = tuple(ace for key, ace in after.items() if key not in before)
    removed = tuple(ace for key, ace in before.items() if key not in after)
    return added, removed


def _meaning(ace: Ace) -> Ace:
    return msgspec.structs.replace(ace, name="")


def _by_device(pairs: Iterable[tuple[str, Item]]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for device, item in pairs:
        found.setdefault(device, []).append(item)
    return found
