"""What the compiled maps allow is what the entries say: for made-up entries, and for every entry of the real files."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.ruleset.oracle import GATEWAY, LAPTOP, MAC, covers, example, is_local, neighbours

from customhouse.gateway.packet import IPV4, IPV6, Packet
from customhouse.gateway.profile.mud import read_mud
from customhouse.gateway.ruleset.compile import compile_ruleset
from customhouse.gateway.ruleset.element import mark_of
from customhouse.gateway.ruleset.evaluate import Grants
from customhouse.gateway.ruleset.house import Device, House, LearnedName, Segment
from customhouse.model.profile import Ace, Peer, PeerKind, PortRange

SEGMENT = Segment(interface="br0", ports=("pa",), addresses=GATEWAY, networks=("192.168.77.0/24", "fd77::/64"))


def grants(aces: tuple[Ace, ...], names: Mapping[str, set[str]]) -> Grants:
    learned = tuple(
        LearnedName(device="a", name=name, address=address, until=10_000)
        for name, addresses in names.items()
        for address in addresses
    )
    device = Device(id="a", number=1, mac=MAC, segment="br0", port="pa", aces=aces)
    return Grants(compile_ruleset(House(segments=(SEGMENT,), devices=(device,), names=learned)))


def allowed(asked: Grants, packet: Packet) -> bool:
    """As the chains ask: neighbours by the bridge table, everybody else (and the gateway) by the inet table."""
    outward = packet.source_mac == MAC
    peer = packet.target if outward else packet.source
    table, owner = ("bridge", MAC) if is_local(peer) else ("inet", mark_of(1))
    return asked.allow(table, "out" if outward else "in", owner, peer, packet, 1.0)


NAMES = {"a.example": {"198.51.100.1", "2001:db8::1"}, "b.example": {"198.51.100.2"}}
PEERS = st.sampled_from([
    Peer(kind=PeerKind.DNS_NAME, value="a.example"), Peer(kind=PeerKind.DNS_NAME, value="b.example"),
    Peer(kind=PeerKind.ADDRESS_RANGE, value="198.51.100.0/30"), Peer(kind=PeerKind.ADDRESS_RANGE,
        value="2001:db8::/64"),
    Peer(kind=PeerKind.ADDRESS_RANGE, value="198.51.100.2/32"), Peer(kind=PeerKind.ADDRESS_RANGE, value="0.0.0.0/0"),
    Peer(kind=PeerKind.ADDRESS_RANGE, value="::/0"), Peer(kind=PeerKind.ADDRESS_RANGE, value="192.168.77.12/31"),
    Peer(kind=PeerKind.LOCAL_NETWORKS), Peer(kind=PeerKind.LOCAL_NETWORKS, within="239.255.255.250/32"),
    Peer(kind=PeerKind.LOCAL_NETWORKS, within="192.168.77.0/28"), Peer(kind=PeerKind.MY_CONTROLLER),
    Peer(kind=PeerKind.CONTROLLER, value="urn:ietf:params:mud:gateway"),
])  # fmt: skip
PORT = st.sampled_from([0, 1, 79, 80, 81, 443, 65535])
RANGES = st.lists(st.tuples(PORT, PORT).map(lambda p: PortRange(first=min(p), last=max(p))), max_size=2).map(tuple)
ACES = st.builds(
    Ace, name=st.just("x"), direction=st.sampled_from(["from-device", "to-device"]), peer=PEERS,
    protocol=st.sampled_from(["tcp", "udp", "any", "47"]), ports=RANGES, local_ports=RANGES,
    initiated_by=st.sampled_from(["", "device", "peer"]), family=st.sampled_from(["", "ipv4", "ipv6"]),
) | st.builds(
    Ace, name=st.just("x"), direction=st.sampled_from(["from-device", "to-device"]), peer=PEERS,
    protocol=st.sampled_from(["icmp", "icmpv6"]), icmp_type=st.sampled_from([None, 8, 128]),
    icmp_code=st.none(),
)  # fmt: skip
ADDRESSES = st.sampled_from([
    "198.51.100.0", "198.51.100.1", "198.51.100.2", "198.51.100.4", "192.168.77.13", "192.168.77.20", "203.0.113.9",
    "239.255.255.250", "2001:db8::1", "2001:db8:0:1::", "fd77::13", "fe80::9", GATEWAY[0], GATEWAY[1],
])  # fmt: skip


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    peer = draw(ADDRESSES)
    six = ":" in peer
    here = "fd77::11" if six else "192.168.77.11"
    outward = draw(st.booleans()) or ipaddress.ip_address(peer).is_multicast
    protocol = draw(st.sampled_from([6, 17, 47, 58 if six else 1]))
    ported = protocol in (6, 17)
    return Packet(
        1.0, MAC if outward else "02:00:00:00:00:0c", "02:00:00:00:00:0c" if outward else MAC, IPV6 if six else IPV4,
        here if outward else peer, peer if outward else here, protocol,
        draw(PORT) if ported else 0, draw(PORT) if ported else 0, 0, (draw(st.sampled_from([0, 8, 128])), 0),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(aces=st.lists(ACES, max_size=5).map(tuple), asked=st.lists(packets(), min_size=1, max_size=12))
def test_the_maps_allow_exactly_what_some_entry_covers(aces: tuple[Ace, ...], asked: list[Packet]) -> None:
    compiled = grants(aces, NAMES)
    for packet in asked:
        if packet.protocol == 47 and any(a.protocol == "any" and (a.ports or a.local_ports) for a in aces):
            continue  # ports of a protocol that has none: the kernel reads the header's first bytes
        expected = any(covers(ace, packet, NAMES) for ace in aces)
        assert allowed(compiled, packet) == expected, packet


@pytest.mark.corpus
@pytest.mark.parametrize("family", [4, 6])
def test_every_entry_of_the_real_files_is_allowed_and_its_neighbours_are_not(shared: Path, family: int) -> None:
    tried = denied = 0
    for file in sorted((shared / "mud").glob("*Mud.json")):
        aces = read_mud(file.read_bytes()).aces
        hosts = sorted({ace.peer.value for ace in aces if ace.peer.kind is PeerKind.DNS_NAME})
        names = {name: {f"198.18.0.{n}", f"2001:db8:18::{n:x}"} for n, name in enumerate(hosts, 1)}
        compiled = grants(aces, names)
        for ace in aces:
            packet = example(ace, family, names)
            if packet is None:
                continue
            tried += 1
            assert allowed(compiled, packet), (file.name, ace)
            for other in neighbours(packet):
                expected = any(covers(each, other, names) for each in aces)
                denied += not expected
                assert allowed(compiled, other) == expected, (file.name, ace, other)
    assert tried > (150 if family == 4 else 10)
    assert denied > tried
    assert LAPTOP
