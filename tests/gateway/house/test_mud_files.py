"""The real MUD files in the kernel: each entry passes, its neighbours do not, and the pure evaluator says the same."""

import contextlib
import socket
from pathlib import Path

import pytest
from tests.gateway.house.conftest import Gateway
from tests.gateway.house.test_containment import hold
from tests.gateway.house.world import V4, V6, World, address, device
from tests.gateway.ruleset.oracle import covers, example, neighbours

from customhouse.gateway.packet import UDP, Packet
from customhouse.gateway.profile.mud import read_mud
from customhouse.gateway.ruleset.house import LearnedName
from customhouse.model.profile import PeerKind

pytestmark = [pytest.mark.namespaces, pytest.mark.corpus]

FILES = (
    "HueBulb", "NetatmoCamera", "NetatmoWeatherStation", "amazonEcho", "augustdoorbellcam", "awairAirQuality",
    "belkincamera", "blipcareBPmeter", "dropcam", "hpprinter", "lifxbulb", "tplinkplug",
)  # fmt: skip
SERVED = (53, 80, 123, 443)
QUICK = 0.05
"""Seconds. A packet that passes is answered within a millisecond here."""
LATER = 4_000_000_000


def answered(world: World, packet: Packet) -> bool:
    if packet.protocol == UDP:
        return world.udp("a", packet.target, packet.dport, source=packet.sport, wait=QUICK, tries=1)
    return world.tcp("a", packet.target, packet.dport, wait=QUICK)


@pytest.mark.parametrize("name", FILES)
def test_entries_pass_and_their_neighbours_do_not(shared: Path, world: World, gateway: Gateway, name: str) -> None:
    aces = read_mud((shared / "mud" / f"{name}Mud.json").read_bytes()).aces
    hosts = sorted({ace.peer.value for ace in aces if ace.peer.kind is PeerKind.DNS_NAME})
    names = {host: {f"198.18.0.{n}", f"2001:db8:18::{n:x}"} for n, host in enumerate(hosts, 1)}
    learned = tuple(
        LearnedName(device="a", name=host, address=at, until=LATER) for host, found in names.items() for at in found
    )
    for port in SERVED:
        world.listen("up", port)
    hold(gateway, device("a", 1, aces=aces), device("b", 2), names=learned, dns_port=5399)
    passed = refused = 0
    for packet in candidates(aces, names):
        assert answered(world, packet), packet
        passed += 1
        for other in list(neighbours(packet))[:4]:
            if other.protocol not in (6, 17) or other.dport in (0, 53, 7000) or refused >= 40:
                continue
            expected = any(covers(ace, other, names) for ace in aces)
            if not expected:
                assert not answered(world, other), other
                refused += 1
    assert passed >= 1
    assert refused >= 4


def candidates(aces: tuple, names: dict[str, set[str]]) -> list[Packet]:  # type: ignore[type-arg]
    """TCP and UDP packets to the world, one an entry, without those that our DNS proxy takes."""
    found: dict[tuple[object, ...], Packet] = {}
    for ace in aces:
        for family in (V4, V6):
            if ace.direction != "from-device" or ace.peer.kind is not PeerKind.DNS_NAME:
                continue
            packet = example(ace, family, names)
            if packet is not None and packet.protocol in (6, 17) and packet.dport != 53:
                found[packet.protocol, packet.target, packet.dport] = packet
    return list(found.values())


def test_what_others_may_send_to_a_device_reaches_it_and_its_neighbours_do_not(
    shared: Path, world: World, gateway: Gateway
) -> None:
    aces = read_mud((shared / "mud" / "lifxbulbMud.json").read_bytes()).aces
    hosts = sorted({ace.peer.value for ace in aces if ace.peer.kind is PeerKind.DNS_NAME})
    names = {host: {f"198.18.0.{n}"} for n, host in enumerate(hosts, 1)}
    learned = tuple(
        LearnedName(device="a", name=host, address=at, until=LATER) for host, found in names.items() for at in found
    )
    hold(gateway, device("a", 1, aces=aces), names=learned)
    tried = 0
    with world.socket("a", V4, socket.SOCK_DGRAM) as listening:
        listening.bind(("", 40002))
        listening.settimeout(QUICK)
        for ace in aces:
            if ace.direction != "to-device" or ace.peer.kind is not PeerKind.DNS_NAME or ace.protocol != "udp":
                continue
            packet = example(ace, V4, names)
            assert packet is not None
            tried += 1
            assert arrives(world, packet, listening)
            assert not arrives(world, packet._replace(sport=packet.sport + 1), listening)
            assert not arrives(world, packet._replace(source="198.18.9.9"), listening)
    assert tried
    assert address("a", V4)


def arrives(world: World, packet: Packet, listening: socket.socket) -> bool:
    """Whether a datagram from that address and port of the world comes to the device."""
    with world.socket("up", V4, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT: speak from an address that is not ours
        sender.bind((packet.source, packet.sport))
        sender.sendto(b"knock", (address("a", V4), 40002))
        with contextlib.suppress(TimeoutError):
            return bool(listening.recv(100))
    return False
