"""The `matches` of one RFC 8519 access control entry, with what RFC 8520 adds to it, as fields of an `Ace`.

An entry with a condition that we cannot hold is left out as a whole: without the condition it would allow more than the
maker declared. Source: RFC 8519 section 4.1, RFC 8520 sections 6 to 8.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from customhouse.model.profile import Peer, PeerKind, PortRange

from .names import host_name
from .notes import Notes, shown

Members = Mapping[str, object]

LEVEL3 = {
    "protocol", "source-ipv4-network", "destination-ipv4-network", "source-ipv6-network", "destination-ipv6-network",
    "ietf-acldns:src-dnsname", "ietf-acldns:dst-dnsname", "src-dnsname", "dst-dnsname",
    "dscp", "ecn", "length", "ttl", "ihl", "flags", "offset", "identification", "flow-label",
}  # fmt: skip
CARRIED3 = {name for name in LEVEL3 if "network" in name or "dnsname" in name} | {"protocol"}
TCP = {
    "source-port", "destination-port", "ietf-mud:direction-initiated", "direction-initiated",
    "sequence-number", "acknowledgement-number", "data-offset", "reserved", "flags", "window-size",
    "urgent-pointer", "options",
}  # fmt: skip
UDP = {"source-port", "destination-port", "length"}
CARRIED4 = {"source-port", "destination-port", "ietf-mud:direction-initiated", "direction-initiated"}
ICMP = {"type", "code", "rest-of-header"}
ABSTRACTIONS = {"manufacturer", "same-manufacturer", "model", "local-networks", "controller", "my-controller"}
SIDES = {"source": "src", "destination": "dst"}
ANYWHERE = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
EXTENSION_HEADERS = {0: "hop-by-hop", 43: "routing", 44: "fragment", 60: "destination options"}


class NotCarried(Exception):
    """The entry cannot be held as it is written; the reason has been noted."""


@dataclass
class Matched:
    """What the conditions of one entry come to."""

    family: str = ""
    peer: Peer | None = None
    protocol: str = "any"
    ports: tuple[PortRange, ...] = ()
    local_ports: tuple[PortRange, ...] = ()
    initiated_by: str = ""
    icmp_type: int | None = None
    icmp_code: int | None = None


@dataclass
class MatchReader:
    """Reads one entry. `outward`: the entry stands in the from-device policy. `where` names it in notes."""

    notes: Notes
    outward: bool
    where: str
    found: Matched = field(default_factory=Matched)
    network: str = ""
    broadcast: bool = False

    def read(self, matches: Members, family: str) -> Matched:
        """Raises NotCarried, with a note, when a condition cannot be held."""
        self.found.family = family
        known = {
            "ipv4",
            "ipv6",
            "tcp",
            "udp",
            "icmp",
            "eth",
            "ietf-mud:mud",
            "mud",
            "l2",
            "egress-interface",
            "ingress-interface",
        }
        refused = self.notes.unknown(matches, known, self.where)
        for name in ("l2", "egress-interface", "ingress-interface"):
            if name in matches:
                self._refuse(name, "conditions on interfaces are not carried")
        if refused:
            raise NotCarried
        for family_name in ("ipv4", "ipv6"):
            if family_name in matches:
                self._level3(family_name, self._object(matches, family_name))
        if "eth" in matches:
            self._ethernet(self._object(matches, "eth"))
        for name in ("ietf-mud:mud", "mud"):
            if name in matches:
                self._abstraction(self._object(matches, name), name)
        for name in ("tcp", "udp"):
            if name in matches:
                self._level4(name, self._object(matches, name))
        if "icmp" in matches:
            self._icmp(self._object(matches, "icmp"))
        self._settle_peer()
        return self.found

    def _refuse(self, member: str, why: str) -> None:
        self.notes.add(f"{self.where}/{member}", f"{why}; the entry is left out")
        raise NotCarried

    def _object(self, holder: Members, name: str) -> Members:
        value = holder[name]
        if not isinstance(value, dict):
            self._refuse(name, f"wrong value type: {shown(value)} where an object is due")
        return value  # type: ignore[return-value]  # _refuse always raises

    def _check_members(self, level: str, members: Members, known: set[str], carried: set[str]) -> None:
        refused = self.notes.unknown(members, known, f"{self.where}/{level}")
        for name in members:
            if name in known - carried:
                self._refuse(f"{level}/{name}", "this condition is not supported")
        if refused:
            self._refuse(level, "an unknown condition might narrow it")

    def _number(self, holder: Members, name: str, level: str, most: int) -> int | None:
        if name not in holder:
            return None
        value = self.notes.typed(holder, name, int, f"{self.where}/{level}")
        if value is None:
            raise NotCarried
        if not 0 <= value <= most:
            self._refuse(f"{level}/{name}", f"{shown(value)} is outside 0 to {most}")
        return value

    def _level3(self, family: str, members: Members) -> None:
        if self.found.family and self.found.family != family:
            self._refuse(family, f"conditions on {family} in a list for {self.found.family}")
        self.found.family = family
        self._check_members(family, members, LEVEL3, CARRIED3)
        number = self._number(members, "protocol", family, 255)
        if number in EXTENSION_HEADERS and family == "ipv6":
            self._refuse(
                f"{family}/protocol",
                f"{number} is the {EXTENSION_HEADERS[number]} extension header, not the protocol that follows it",
            )
        if number is not None:
            self.found.protocol = PROTOCOLS.get(number, str(number))
        ours, theirs = ("source", "destination") if self.outward else ("destination", "source")
        for side in (ours, theirs):
            self._network(family, members, side, mine=side == ours)
            self._dns_name(family, members, SIDES[side], mine=side == ours)

    def _network(self, family: str, members: Members, side: str, *, mine: bool) -> None:
        other = "ipv6" if family == "ipv4" else "ipv4"
        if f"{side}-{other}-network" in members:
            self._refuse(f"{family}/{side}-{other}-network", f"an {other} network among conditions on {family}")
        name = f"{side}-{family}-network"
        if name not in members:
            return
        value = self.notes.typed(members, name, str, f"{self.where}/{family}")
        if value is None:
            raise NotCarried
        try:
            kind = ipaddress.IPv4Network if family == "ipv4" else ipaddress.IPv6Network
            network = kind(value, strict=False)
        except ValueError:
            self._refuse(f"{family}/{name}", f"{shown(value)} is no {family} network")
        if mine:
            self._refuse(f"{family}/{name}", "names the device's own address; a device is its hardware address here")
        self.network = str(network)

    def _dns_name(self, family: str, members: Members, side: str, *, mine: bool) -> None:
        for name in (f"ietf-acldns:{side}-dnsname", f"{side}-dnsname"):
            if name not in members:
                continue
            value = self.notes.typed(members, name, str, f"{self.where}/{family}")
            if value is None:
                raise NotCarried
            host = host_name(value)
            if not host:
                self._refuse(f"{family}/{name}", f"{shown(value)} is no host name")
            if mine:
                self._refuse(f"{family}/{name}", "names the device's own side of the packet")
            self._set_peer(Peer(kind=PeerKind.DNS_NAME, value=host), f"{family}/{name}")

    def _set_peer(self, peer: Peer, member: str) -> None:
        if self.found.peer is not None:
            self._refuse(member, "the entry names two peers at once")
        self.found.peer = peer

    def _ethernet(self, members: Members) -> None:
        known = {
            "destination-mac-address",
            "destination-mac-address-mask",
            "source-mac-address",
            "source-mac-address-mask",
            "ethertype",
        }
        self._check_members("eth", members, known, {"destination-mac-address", "ethertype"})
        implied = {"ipv4": "0x0800", "ipv6": "0x86dd"}.get(self.found.family)
        ethertype = members.get("ethertype")
        if implied is None or (ethertype is not None and str(ethertype).lower() != implied):
            self._refuse(
                "eth/ethertype",
                f"raw ethernet ({shown(ethertype)}) is not carried: ARP always passes, EAPOL ends at the radio",
            )
        address = members.get("destination-mac-address")
        if address is not None and str(address).lower() != "ff:ff:ff:ff:ff:ff":
            self._refuse("eth/destination-mac-address", "hardware addresses other than broadcast are not carried")
        self.broadcast = address is not None

    def _abstraction(self, members: Members, level: str) -> None:
        self._check_members(level, members, ABSTRACTIONS | {"direction-initiated"}, ABSTRACTIONS)
        for name, value in members.items():
            self._set_peer(self._abstract_peer(name, value, level), f"{level}/{name}")

    def _abstract_peer(self, name: str, value: object, level: str) -> Peer:
        kind = PeerKind(name)
        if kind in (PeerKind.MANUFACTURER, PeerKind.MODEL, PeerKind.CONTROLLER):
            if not isinstance(value, str) or not value or len(value) > 1024:
                self._refuse(f"{level}/{name}", f"wrong value type: {shown(value)} where text is due")
            return Peer(kind=kind, value=str(value).lower() if kind is PeerKind.MANUFACTURER else str(value))
        if value not in ([None], None, []):  # RFC 7951 writes an empty leaf as [null]; some writers leave the null out
            self._refuse(f"{level}/{name}", f"wrong value type: {shown(value)} where [null] is due")
        return Peer(kind=kind)

    def _settle_peer(self) -> None:
        """Join abstraction and network into one peer."""
        network = self.network or ("255.255.255.255/32" if self.broadcast and self.found.family == "ipv4" else "")
        peer = self.found.peer
        if peer is None:
            everywhere = ANYWHERE.get(self.found.family, "")
            self.found.peer = Peer(kind=PeerKind.ADDRESS_RANGE, value=network or everywhere)
        elif network and peer.kind is PeerKind.LOCAL_NETWORKS:
            self.found.peer = Peer(kind=peer.kind, within=network)
        elif network:
            self._refuse(self.found.family, f"both a network and {peer.kind} are named as the peer")

    def _level4(self, protocol: str, members: Members) -> None:
        known = TCP if protocol == "tcp" else UDP
        self._check_members(protocol, members, known, CARRIED4 & known)
        if self.found.protocol not in ("any", protocol):
            self._refuse(protocol, f"conditions on {protocol} under protocol {self.found.protocol}")
        self.found.protocol = protocol
        self.found.local_ports = self._ports(members, "source-port", protocol)
        self.found.ports = self._ports(members, "destination-port", protocol)
        for name in ("ietf-mud:direction-initiated", "direction-initiated"):
            value = members.get(name)
            if value == "from-device":
                self.found.initiated_by = "device"
            elif value == "to-device":
                self.found.initiated_by = "peer"
            elif name in members:
                self._refuse(f"{protocol}/{name}", f"wrong value: {shown(value)} where from-device or to-device is due")

    def _ports(self, holder: Members, name: str, protocol: str) -> tuple[PortRange, ...]:
        if name not in holder:
            return ()
        members = self.notes.typed(holder, name, dict, f"{self.where}/{protocol}")
        if members is None:
            raise NotCarried
        level = f"{protocol}/{name}"
        known = {"operator", "port", "lower-port", "upper-port"}
        self._check_members(level, members, known, known)
        low, high = (self._number(members, edge, level, 65535) for edge in ("lower-port", "upper-port"))
        if low is not None and high is not None and low <= high and "port" not in members:
            return (PortRange(first=low, last=high),)
        port = self._number(members, "port", level, 65535)
        ranges = _operated(members.get("operator", "eq"), port) if port is not None else ()
        if not ranges:
            self._refuse(level, "neither a port with an operator nor a lower and upper port")
        return ranges

    def _icmp(self, members: Members) -> None:
        self._check_members("icmp", members, ICMP, {"type", "code"})
        due = "icmpv6" if self.found.family == "ipv6" else "icmp"
        if self.found.protocol not in ("any", due):
            self._refuse("icmp", f"conditions on ICMP under protocol {self.found.protocol}")
        self.found.protocol = due
        self.found.icmp_type = self._number(members, "type", "icmp", 255)
        self.found.icmp_code = self._number(members, "code", "icmp", 255)
        if self.found.icmp_type is None and self.found.icmp_code is not None:
            self._refuse("icmp/code", "a code without a type")


def _operated(operator: object, port: int) -> tuple[PortRange, ...]:
    """The ports that RFC 8519's `operator` and `port` mean; empty for an operator that it does not define."""
    match operator:
        case "eq":
            return (PortRange(first=port, last=port),)
        case "lte":
            return (PortRange(first=0, last=port),)
        case "gte":
            return (PortRange(first=port, last=65535),)
        case "neq":
            below = (PortRange(first=0, last=port - 1),) if port > 0 else ()
            above = (PortRange(first=port + 1, last=65535),) if port < 65535 else ()
            return below + above
    return ()
