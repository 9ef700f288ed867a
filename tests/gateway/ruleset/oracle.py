"""What an entry means, said a second time and as plainly as possible: the compiler's work is held against this."""

import ipaddress
from collections.abc import Iterator, Mapping

from customhouse.gateway.packet import IPV4, IPV6, Packet
from customhouse.model.profile import Ace, PeerKind, PortRange

NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
GATEWAY = ("192.168.77.1", "fd77::1")
LOCAL = [ipaddress.ip_network(n) for n in (
    "192.168.77.0/24", "fd77::/64", "224.0.0.0/24", "239.255.0.0/16", "255.255.255.255/32", "169.254.0.0/16",
    "fe80::/10", "ff02::/16", "ff05::/16",
)]  # fmt: skip
LAPTOP = {4: "192.168.77.13", 6: "fd77::13"}
FAR = {4: "203.0.113.77", 6: "2001:db8:77::77"}
MAC, OTHER_MAC = "02:00:00:00:00:0a", "02:00:00:00:00:0c"


def is_local(address: str) -> bool:
    at = ipaddress.ip_address(address)
    return address not in GATEWAY and any(at.version == n.version and at in n for n in LOCAL)


def covers(ace: Ace, packet: Packet, names: Mapping[str, set[str]]) -> bool:
    """Whether the entry lets this packet begin a flow. `names`: addresses by the name that was looked up."""
    outward = packet.source_mac == MAC
    if (ace.direction == "from-device") != outward or ace.initiated_by == ("peer" if outward else "device"):
        return False
    if ace.family and ace.family != f"ipv{packet.family}":
        return False
    if ace.protocol in ("icmp", "icmpv6") and (ace.protocol == "icmp") != (packet.family == 4):
        return False
    if ace.protocol != "any" and (NUMBERS.get(ace.protocol) or int(ace.protocol)) != packet.protocol:
        return False
    if ace.icmp_type is not None and packet.icmp[0] != ace.icmp_type:
        return False
    if ace.icmp_code is not None and packet.icmp[1] != ace.icmp_code:
        return False
    if not _has(ace.ports, packet.dport) or not _has(ace.local_ports, packet.sport):
        return False
    return _is_peer(ace, packet.target if outward else packet.source, names)


def _has(ranges: tuple[PortRange, ...], port: int) -> bool:
    return not ranges or any(each.first <= port <= each.last for each in ranges)


def _is_peer(ace: Ace, address: str, names: Mapping[str, set[str]]) -> bool:
    at = ipaddress.ip_address(address)
    match ace.peer.kind:
        case PeerKind.DNS_NAME:
            return address in names.get(ace.peer.value, set())
        case PeerKind.ADDRESS_RANGE:
            network = ipaddress.ip_network(ace.peer.value)
            if network.prefixlen == 0:
                return at.version == network.version and not any(at.version == n.version and at in n for n in LOCAL)
            return at.version == network.version and at in network
        case PeerKind.LOCAL_NETWORKS:
            if not ace.peer.within:
                return is_local(address)
            network = ipaddress.ip_network(ace.peer.within)
            return at.version == network.version and at in network and (network.is_multicast or is_local(address))
        case PeerKind.CONTROLLER:
            return ace.peer.value.endswith(":gateway") and address in GATEWAY
    return False


def example(ace: Ace, family: int, names: Mapping[str, set[str]]) -> Packet | None:
    """A packet that the entry allows to begin a flow, or None where it allows none (answers, nobody's controller)."""
    peer = _some_peer(ace, family, names)
    outward = ace.direction == "from-device"
    if peer is None:
        return None
    number = 17 if ace.protocol == "any" else NUMBERS.get(ace.protocol) or int(ace.protocol)
    here = "192.168.77.11" if family == 4 else "fd77::11"
    ported = number in (6, 17)
    packet = Packet(
        1.0, MAC if outward else OTHER_MAC, OTHER_MAC if outward else MAC, IPV4 if family == 4 else IPV6,
        here if outward else peer, peer if outward else here, number,
        (ace.local_ports[0].first if ace.local_ports else 40001) if ported else 0,
        (ace.ports[0].first if ace.ports else 40002) if ported else 0,
        2 if number == 6 else 0, (ace.icmp_type or 0, ace.icmp_code or 0),
    )  # fmt: skip
    return packet if covers(ace, packet, names) else None


def _some_peer(ace: Ace, family: int, names: Mapping[str, set[str]]) -> str | None:
    match ace.peer.kind:
        case PeerKind.DNS_NAME:
            return next((a for a in sorted(names.get(ace.peer.value, ())) if (":" in a) == (family == 6)), None)
        case PeerKind.ADDRESS_RANGE:
            network = ipaddress.ip_network(ace.peer.value)
            if network.version != family:
                return None
            return FAR[family] if network.prefixlen == 0 else str(network[0])
        case PeerKind.LOCAL_NETWORKS:
            if not ace.peer.within:
                return LAPTOP[family]
            network = ipaddress.ip_network(ace.peer.within)
            if network.version != family:
                return None
            if network.prefixlen == 8 and family == 6:
                return "ff02::fb"
            return str(network[0])
        case PeerKind.CONTROLLER:
            return GATEWAY[0 if family == 4 else 1] if ace.peer.value.endswith(":gateway") else None
    return None


def neighbours(packet: Packet) -> Iterator[Packet]:
    """Packets that differ in one respect: another host, port, protocol, ICMP type."""
    far = FAR[packet.family].replace("77", "78")
    side = "target" if packet.source_mac == MAC else "source"
    yield packet._replace(**{side: far})
    yield packet._replace(**{side: LAPTOP[packet.family]})
    if packet.protocol in (6, 17):
        yield packet._replace(protocol=23 - packet.protocol)
        for port in (packet.dport + 1, packet.dport - 1, 23, 40003):
            yield packet._replace(dport=port % 65536)
        yield packet._replace(sport=(packet.sport + 1) % 65536)
    else:
        yield packet._replace(protocol=17, sport=40001, dport=40002)
        yield packet._replace(icmp=(packet.icmp[0] + 1, 0))
