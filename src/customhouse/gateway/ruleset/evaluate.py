"""The kernel's decision, in Python: the same maps asked in the same order, for replays, explanations and tests.

House tests hold it against the kernel with real packets.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from customhouse.gateway.packet import ACK, ARP, EAPOL, ICMP, ICMPV6, IGMP, SYN, TCP, UDP, Packet, looked_up, read_frame
from customhouse.model.profile import PeerKind

from .compile import Held, Ruleset
from .element import KINDS, Entry, Part, Place, mark_of
from .house import Device, LearnedName, Segment
from .intent import Intent
from .render import collected
from .surroundings import network_span
from .wants import answers

DISCOVERY = frozenset({133, 135, 136, 130, 131, 132, 143})
"""ICMPv6: router solicitation, neighbour discovery, group membership."""
KEPT = 3600
"""Seconds that a replayed look-up opens its addresses."""
NAMES = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}


@dataclass(frozen=True)
class Decision:
    """`passes`, and the reason in words: `basic`, `redirected` (DNS), `declared`, `answer`, or why it is blocked."""

    passes: bool
    why: str


def _within(part: Part, value: int | str) -> bool:
    if not isinstance(part, tuple):
        return part == value
    first, last = part
    if isinstance(first, int):
        return isinstance(value, int) and first <= value <= int(last)
    low, high, at = (int(ipaddress.ip_address(str(text))) for text in (first, last, value))
    return low <= at <= high


def _find(held: Held, place: Place, key: tuple[int | str, ...], now: float) -> Entry | None:
    found = held.get(place, {})
    entry = found.get(key)
    if entry is None and KINDS[place.table][place.name].interval:
        owner = key[0]
        for parts, candidate in found.items():
            if parts[0] == owner and all(_within(p, v) for p, v in zip(parts, key, strict=True)):
                entry = candidate
                break
    return entry if entry is not None and (not entry.until or entry.until > now) else None


def _is_in(held: Held, place: Place, address: str) -> bool:
    return any(_within(key[0], address) for key in held.get(place, {}))


@dataclass
class Grants:
    """The granted traffic of a ruleset, ready to be asked."""

    ruleset: Ruleset
    held: Held = field(init=False)

    def __post_init__(self) -> None:
        self.held = collected(self.ruleset)

    def allow(
        self, table: str, direction: str, owner: int | str, peer: str, packet: Packet, now: float,
        groups: tuple[int, ...] = (),
    ) -> bool:  # fmt: skip
        """Whether the entries of `owner` (a mark, or on the bridge a hardware address) cover the packet."""
        family = packet.family
        ports = packet.protocol, packet.sport, packet.dport
        local = _is_in(self.held, Place(table, f"local{family}"), peer)
        asked: list[tuple[str, tuple[int | str, ...]]] = [
            (f"dport{family}", (owner, peer, packet.protocol, packet.dport)),
            (f"sport{family}", (owner, peer, packet.protocol, packet.sport)),
            (f"wide{family}", (owner, peer, *ports)),
        ]
        if packet.protocol == (ICMP if family == 4 else ICMPV6):
            asked.append((f"icmp{family}", (owner, peer, *packet.icmp)))
            if local:
                asked.append((f"local_icmp{family}", (owner, *packet.icmp)))
        if local:
            asked += [
                (f"local_dport{family}", (owner, packet.protocol, packet.dport)),
                (f"local_sport{family}", (owner, packet.protocol, packet.sport)),
                (f"local_wide{family}", (owner, *ports)),
            ]
        if table == "inet" and not _is_in(self.held, Place("inet", f"home{family}"), peer):
            asked += [
                (f"any_dport{family}", (owner, packet.protocol, packet.dport)),
                (f"any_sport{family}", (owner, packet.protocol, packet.sport)),
            ]
        for group in groups:
            asked += [
                (f"group_dport{family}", (owner, group, packet.protocol, packet.dport)),
                (f"group_sport{family}", (owner, group, packet.protocol, packet.sport)),
                (f"group_wide{family}", (owner, group, *ports)),
            ]
            if packet.protocol == (ICMP if family == 4 else ICMPV6):
                asked.append((f"group_icmp{family}", (owner, group, *packet.icmp)))
        return any(_find(self.held, Place(table, f"{direction}_{name}"), key, now) for name, key in asked)


class Replay:
    """One device's packets decided one after another, with the memory of flows that the kernel has.

    Look-ups among the packets are learned as the proxy would. The rest of the house is taken to be trusted.
    """

    def __init__(self, intent: Intent, device: Device, segment: Segment) -> None:
        self.intent = intent
        self.device = device
        self.gateways = set(segment.addresses)
        self.networks = [network_span(text) for text in segment.networks]
        self.flows: set[tuple[object, ...]] = set()
        self.undeclared: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        self.grants = Grants(self.intent.ruleset)

    def decide(self, packet: Packet) -> Decision:
        """What the gateway would do with this packet of, or to, the device."""
        outward = packet.source_mac == self.device.mac.lower()
        basic = self._basic(packet, outward)
        if basic:
            return Decision(True, basic)
        if not packet.family:
            return Decision(False, f"ethernet type {packet.ethertype:#06x} never passes")
        flow = _flow(packet)
        if flow in self.flows:
            return Decision(True, "answer")
        if packet.protocol in (ICMP, ICMPV6) and packet.icmp[0] in (3, 11, 12, 1, 2, 4):
            return (
                Decision(True, "answer")
                if self._about_known_flow(packet)
                else Decision(False, "an error about no flow")
            )
        peer = packet.target if outward else packet.source
        if self._granted(packet, outward, peer):
            self.flows |= {flow, _back(packet)}
            return Decision(True, "declared")
        return Decision(False, self._why(packet, outward, peer))

    def _why(self, packet: Packet, outward: bool, peer: str) -> str:
        if packet.protocol == TCP and packet.flags and (packet.flags & (SYN | ACK)) != SYN:
            return f"tcp with {peer} belongs to a connection whose beginning did not pass"
        side = "to" if outward else "from"
        name = self.undeclared.get(peer)
        looked = f", which was looked up as {name}: no entry names that" if name else ""
        return f"no entry allows {_named(packet)} {side} {peer}{looked}"

    def listen(self, packet: Packet) -> None:
        """Take note of a DNS answer to the device: what the proxy would have done before releasing it."""
        if packet.protocol != UDP or packet.sport != 53 or packet.target_mac != self.device.mac.lower():
            return
        declared = [ace.peer.value for ace in self.device.aces if ace.peer.kind is PeerKind.DNS_NAME]
        learned = []
        for address, name in looked_up(packet.payload).items():
            if any(answers(pattern, name) for pattern in declared):
                end = int(packet.time) + KEPT
                learned.append(LearnedName(device=self.device.id, name=name, address=address, until=end))
            else:
                self.undeclared[address] = name
        if learned and self.intent.learn(learned):
            self.refresh()

    def _granted(self, packet: Packet, outward: bool, peer: str) -> bool:
        direction = "out" if outward else "in"
        near = self._is_near(peer) or packet.to_many
        table, owner = ("bridge", self.device.mac.lower()) if near else ("inet", mark_of(self.device.number))
        if near and peer in self.gateways:
            table, owner = "inet", mark_of(self.device.number)
        if near and packet.to_many and not outward:
            return False
        return self.grants.allow(table, direction, owner, peer, packet, packet.time)

    def _is_near(self, peer: str) -> bool:
        family, (number, _) = network_span(peer)
        return any(f == family and low <= number <= high for f, (low, high) in self.networks)

    def _about_known_flow(self, packet: Packet) -> bool:
        """An ICMP error quotes the packet it is about."""
        link = bytes(12) + packet.ethertype.to_bytes(2, "big")
        quoted = read_frame(link + packet.payload[6:])
        return quoted is not None and {_flow(quoted), _back(quoted)} & self.flows != set()

    def _basic(self, packet: Packet, outward: bool) -> str:
        """What passes without an entry; empty when an entry is needed."""
        if packet.ethertype in (ARP, EAPOL):
            return "basic: link"
        if packet.protocol == IGMP or (packet.protocol == ICMPV6 and packet.icmp[0] in DISCOVERY):
            return "basic: discovery"
        if packet.protocol == UDP and {packet.sport, packet.dport} & {67, 547}:
            return "basic: addresses"
        if packet.protocol in (TCP, UDP) and (packet.dport if outward else packet.sport) == 53:
            return "redirected: names"
        if packet.protocol in (ICMP, ICMPV6) and {packet.source, packet.target} & self.gateways:
            return "basic: echo of the gateway" if packet.icmp[0] in (0, 8, 128, 129) else ""
        return ""


def _flow(packet: Packet) -> tuple[object, ...]:
    if packet.protocol in (ICMP, ICMPV6):
        return packet.protocol, packet.source, packet.target, ECHO_PAIR.get(packet.icmp[0], packet.icmp[0])
    return packet.protocol, packet.source, packet.sport, packet.target, packet.dport


def _back(packet: Packet) -> tuple[object, ...]:
    swapped = packet._replace(source=packet.target, target=packet.source, sport=packet.dport, dport=packet.sport)
    return _flow(swapped)


ECHO_PAIR: Mapping[int, int] = {0: 8, 129: 128}
"""An echo reply belongs to the flow of its request."""


def _named(packet: Packet) -> str:
    name = {number: text for text, number in NAMES.items()}.get(packet.protocol, f"protocol {packet.protocol}")
    if packet.protocol in (TCP, UDP):
        return f"{name} port {packet.dport}"
    return f"{name} type {packet.icmp[0]}" if packet.protocol in (ICMP, ICMPV6) else name
