"""A profile learned from captures: what the device did, said as generally as is safe.

Names stand where names were looked up; a bare address stands only when every capture shows it, since one that differs
from capture to capture was handed over in some other protocol and would be wrong tomorrow. Ephemeral ports never stand.
What was seen and left out is named in `unsupported`. What every device may do (addresses, ARP, neighbour discovery,
group membership) needs no entry.
"""

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from customhouse.gateway.packet import ACK, ICMP, ICMPV6, IGMP, SYN, TCP, UDP, Packet, looked_up
from customhouse.host.errors import InputError
from customhouse.model.profile import Ace, DeviceProfile, Identity, Peer, PeerKind, PortRange, ProfileSource

from .learned_rate import learned_rate
from .notes import Notes

DNS = "urn:ietf:params:mud:dns"
FIRST_EPHEMERAL = 32768
"""Linux takes ports from here; IANA's range begins at 49152."""
HOUSE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
PROTOCOL = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}
BASIC = {(UDP, 67), (UDP, 547), (UDP, 53), (TCP, 53)}
"""Addresses and names: allowed to every device, or redirected to our proxy."""
ECHO = {ICMP: 8, ICMPV6: 128}


@dataclass(frozen=True, order=True)
class Use:
    """One way of talking that was seen, already generalised."""

    direction: str
    kind: str
    value: str
    protocol: str
    port: int = 0
    side: str = "destination"
    """Whose port it is: destination or source; icmp: `port` is the type."""


@dataclass
class Seen:
    """One capture's findings."""

    uses: Counter[Use] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)
    dns: bool = False


def device_of(packets: Iterable[Packet]) -> str:
    """The hardware address of the device that a capture is about: the one that asks for an address, else the busiest.

    Raises InputError for a capture without frames.
    """
    asked: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    for packet in packets:
        sent[packet.source_mac] += 1
        if (packet.protocol, packet.dport) in ((UDP, 67), (UDP, 547)):
            asked[packet.source_mac] += 1
    if not sent:
        raise InputError("the capture holds no frames")
    candidates = asked or sent
    return max(sorted(candidates), key=lambda mac: (sent[mac], candidates[mac]))


def learn_profile(captures: Sequence[Sequence[Packet]], mac: str = "", where: str = "") -> DeviceProfile:
    """One profile from one or more captures of one device. `mac`: which device; found by itself when empty."""
    mac = mac.lower() or device_of(packet for packets in captures for packet in packets)
    seen = [watch(packets, mac) for packets in captures]
    notes = Notes()
    total: Counter[Use] = Counter()
    in_captures: Counter[Use] = Counter()
    for one in seen:
        total.update(one.uses)
        in_captures.update(one.uses.keys())
        for what, why in one.left_out.items():
            notes.add(what, why)
    kept: list[Use] = []
    for use in sorted(total):
        if use.kind == "address" and in_captures[use] < len(seen):
            notes.add(
                f"{use.protocol} to {use.value} port {use.port}",
                "no look-up gave this address, and not every capture shows it: approve it when it is asked for",
            )
            continue
        kept.append(use)
    aces = [_ace(use, number) for number, use in enumerate(kept, 1)]
    if any(one.dns for one in seen):
        peer = Peer(kind=PeerKind.CONTROLLER, value=DNS)
        ports = (PortRange(first=53, last=53),)
        aces += [
            Ace(name=f"dns-{p}", direction="from-device", peer=peer, protocol=p, ports=ports) for p in ("udp", "tcp")
        ]
    return DeviceProfile(
        identity=Identity(mac=mac),
        source=ProfileSource(kind="capture", where=where),
        aces=tuple(aces),
        rate=learned_rate(captures, mac),
        unsupported=notes.all(),
    )


def _ace(use: Use, number: int) -> Ace:
    peer = {
        "name": lambda: Peer(kind=PeerKind.DNS_NAME, value=use.value),
        "address": lambda: Peer(kind=PeerKind.ADDRESS_RANGE, value=str(ipaddress.ip_network(use.value))),
        "local": lambda: Peer(kind=PeerKind.LOCAL_NETWORKS),
        "group": lambda: Peer(kind=PeerKind.LOCAL_NETWORKS, within=str(ipaddress.ip_network(use.value))),
    }[use.kind]()
    icmp = use.protocol in ("icmp", "icmpv6")
    ports = (PortRange(first=use.port, last=use.port),) if use.port and not icmp else ()
    by_device = use.direction == "from-device"
    return Ace(
        name=f"{use.kind}-{number}",
        direction=use.direction,
        peer=peer,
        protocol=use.protocol,
        ports=ports if use.side == "destination" else (),
        local_ports=ports if use.side == "source" else (),
        icmp_type=use.port if icmp else None,
        initiated_by=("device" if by_device else "peer") if use.protocol == "tcp" else "",
    )


def watch(packets: Iterable[Packet], mac: str) -> Seen:
    """Who began what, in one capture."""
    seen = Seen()
    names: dict[str, str] = {}
    flows: set[tuple[int, str, int, str, int]] = set()
    ports: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    late: list[Packet] = []
    for packet in packets:
        outward = packet.source_mac == mac
        if not packet.family or not (outward or packet.target_mac == mac):
            continue
        if packet.protocol == UDP and packet.sport == 53 and not outward:
            names.update(looked_up(packet.payload))
        if packet.protocol in (TCP, UDP):
            flow = (packet.protocol, packet.source, packet.sport, packet.target, packet.dport)
            back = (packet.protocol, packet.target, packet.dport, packet.source, packet.sport)
            if flow in flows or back in flows:
                continue
            flows.add(flow)
        if outward and packet.dport == 53 and packet.protocol in (TCP, UDP):
            seen.dns = True
        if _basic(packet):
            continue
        if outward and packet.protocol == UDP and packet.dport >= FIRST_EPHEMERAL:
            ports[packet.target, packet.dport].add(packet.sport)
            late.append(packet)
        else:
            _note(seen, packet, outward, names)
    for packet in late:  # whether a high port is a service shows only when all of the capture was seen
        repeated = len(ports[packet.target, packet.dport]) > 2 or packet.to_many
        _note(seen, packet, True, names, service=repeated)
    return seen


def _basic(packet: Packet) -> bool:
    """What needs no entry, and what is an answer or an error rather than a beginning."""
    if packet.protocol == IGMP or (packet.protocol, packet.dport) in BASIC:
        return True
    if (packet.protocol, packet.sport) in BASIC:
        return True
    return packet.protocol in ECHO and packet.icmp[0] != ECHO[packet.protocol]


def is_local(address: str) -> bool:
    """Private, link-local and unique local (RFC 1918, 3927, 4193, 4291): the house's own."""
    at = ipaddress.ip_address(address)
    return any(at.version == network.version and at in network for network in HOUSE)


def _note(seen: Seen, packet: Packet, outward: bool, names: dict[str, str], *, service: bool = True) -> None:
    protocol = PROTOCOL.get(packet.protocol, str(packet.protocol))
    direction = "from-device" if outward else "to-device"
    peer = packet.target if outward else packet.source
    if packet.protocol == TCP and (packet.flags & (SYN | ACK)) != SYN:
        seen.left_out[f"tcp between {peer} port {packet.dport if outward else packet.sport} and the device"] = (
            "its beginning is not in the capture, so nobody knows who began it"
        )
        return
    kind, value = _peer(peer, packet, names)
    if not outward and kind in ("name", "address"):
        seen.left_out[f"{protocol} from {peer} port {packet.dport}"] = "begun from outside the house: not learned"
        return
    port, side = packet.dport, "destination"
    if packet.protocol in ECHO:
        port = packet.icmp[0]
    elif packet.protocol == UDP and packet.dport >= FIRST_EPHEMERAL and not service:
        if packet.sport >= FIRST_EPHEMERAL:
            seen.left_out[f"udp to {value} port {packet.dport}"] = "both ports are ephemeral"
            return
        port, side = packet.sport, "source"
    seen.uses[Use(direction, kind, value, protocol, port, side)] += 1


def _peer(peer: str, packet: Packet, names: dict[str, str]) -> tuple[str, str]:
    address = ipaddress.ip_address(peer)
    if packet.to_many and packet.target == peer:
        return "group", "255.255.255.255" if not address.is_multicast and address.version == 4 else peer
    if peer in names:
        return "name", names[peer]
    return ("local", "") if is_local(peer) else ("address", peer)
