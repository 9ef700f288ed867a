"""One granted entry, resolved: which packets of which family it means, in numbers."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from customhouse.model.profile import Ace, PeerKind, PortRange

from .boxes import Span
from .house import Device, LearnedName
from .surroundings import LINK_SCOPE, WHOLE, Surroundings, network_span

PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
ALL_PORTS: Span = (0, 65535)
ALL_BYTES: Span = (0, 255)
DNS = "urn:ietf:params:mud:dns"
NTP = "urn:ietf:params:mud:ntp"
GATEWAY = "urn:ietf:params:mud:gateway"
"""Not registered, but most profiles in the wild use it."""


@dataclass(frozen=True)
class Scope:
    """Where the other end may be. `kind`: net (`span`), local, any (beyond the local networks) or group (`group`)."""

    kind: str
    family: int
    span: Span = (0, 0)
    group: int = 0
    until: int = 0


@dataclass(frozen=True)
class Want:
    """Packets that an entry allows. For ICMP the ports are unused and `icmp` holds type and code."""

    scope: Scope
    protocol: Span
    sport: Span
    dport: Span
    icmp: tuple[Span, Span] | None


def answers(pattern: str, name: str) -> bool:
    """Whether a name that was looked up is the one the entry names (`*.example.com` means any below)."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def starts(ace: Ace) -> bool:
    """Whether the entry lets somebody begin a flow; the others describe answers, which follow their flow."""
    return ace.initiated_by != ("peer" if ace.direction == "from-device" else "device")


def wants(ace: Ace, device: Device, names: Sequence[LearnedName], around: Surroundings) -> Iterator[Want]:
    """What the entry comes to here and now. `names`: those that this device looked up."""
    if not starts(ace):
        return
    protocol = None if ace.protocol == "any" else PROTOCOLS.get(ace.protocol) or int(ace.protocol)
    span = ALL_BYTES if protocol is None else (protocol, protocol)
    for scope in _scopes(ace, device, names, around):
        if protocol in (1, 58):
            if (protocol == 1) == (scope.family == 4):
                kind = ALL_BYTES if ace.icmp_type is None else (ace.icmp_type, ace.icmp_type)
                code = ALL_BYTES if ace.icmp_code is None else (ace.icmp_code, ace.icmp_code)
                yield Want(scope, span, ALL_PORTS, ALL_PORTS, (kind, code))
            continue
        for sport, dport in product(_spans(ace.local_ports), _spans(ace.ports)):
            yield Want(scope, span, sport, dport, None)


def _spans(ports: tuple[PortRange, ...]) -> list[Span]:
    return [(port.first, port.last) for port in ports] or [ALL_PORTS]


def _families(ace: Ace) -> tuple[int, ...]:
    return {"ipv4": (4,), "ipv6": (6,)}.get(ace.family, (4, 6))


def _scopes(ace: Ace, device: Device, names: Sequence[LearnedName], around: Surroundings) -> Iterator[Scope]:
    families = _families(ace)
    match ace.peer.kind:
        case PeerKind.DNS_NAME:
            for learned in names:
                if answers(ace.peer.value, learned.name):
                    yield from _hosts((learned.address,), families, learned.until)
        case PeerKind.ADDRESS_RANGE:
            family, span = network_span(ace.peer.value or "0.0.0.0/0")
            if not ace.peer.value:
                yield from (Scope("any", each) for each in families)
            elif family in families:
                yield Scope("any", family) if span == WHOLE[family] else Scope("net", family, span)
        case PeerKind.LOCAL_NETWORKS:
            yield from _local(ace.peer.within, families, around)
        case PeerKind.CONTROLLER | PeerKind.MY_CONTROLLER:
            yield from _hosts(_controller(ace.peer.value, device, around), families)
        case PeerKind.SAME_MANUFACTURER:
            yield from _group("manufacturer", device.manufacturer, device, families, around)
        case PeerKind.MANUFACTURER:
            yield from _group("manufacturer", ace.peer.value, device, families, around)
        case PeerKind.MODEL:
            yield from _group("model", ace.peer.value, device, families, around)


def _hosts(addresses: Sequence[str], families: tuple[int, ...], until: int = 0) -> Iterator[Scope]:
    for text in addresses:
        address = ipaddress.ip_address(text)
        if address.version in families:
            yield Scope("net", address.version, (int(address), int(address)), until=until)


def _local(within: str, families: tuple[int, ...], around: Surroundings) -> Iterator[Scope]:
    if not within:
        yield from (Scope("local", family) for family in families)
        return
    family, (first, last) = network_span(within)
    if family not in families:
        return
    groups = [network_span(text)[1] for text in LINK_SCOPE[family]]
    multicast = ipaddress.ip_network(within, strict=False).is_multicast
    allowed = [(first, last)] if multicast else [*around.local[family], *groups]
    seen: set[Span] = set()
    for low, high in allowed:
        span = (max(low, first), min(high, last))
        if span[0] <= span[1] and span not in seen:
            seen.add(span)
            yield Scope("net", family, span)


def _controller(urn: str, device: Device, around: Surroundings) -> tuple[str, ...]:
    """Addresses of a controller: the owner's answer, or the gateway itself. Nobody answered: nobody is allowed.

    DNS has no address here: port 53 is redirected to our proxy whatever its destination.
    """
    told = around.controllers.get((device.id, urn)) or around.controllers.get(("", urn))
    if told is not None:
        return told
    if urn == GATEWAY and device.segment in around.segments:
        return around.segments[device.segment].addresses
    return ()


def _group(kind: str, name: str, device: Device, families: tuple[int, ...], around: Surroundings) -> Iterator[Scope]:
    """The group by its number (neighbours on the bridge), and by address those members who are behind a router."""
    number = around.groups.get((kind, name))
    if not name or number is None:
        return
    yield from (Scope("group", family, group=number) for family in families)
    members = (around.by_manufacturer if kind == "manufacturer" else around.by_model)[name]
    for member in members:
        if member.segment != device.segment:
            yield from _hosts(member.addresses, families)
