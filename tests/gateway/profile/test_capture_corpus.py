"""Profiles learned from real set-up traffic hold for the same device's next set-up, and stop a scan entirely."""

from collections import Counter
from pathlib import Path

import pytest

from customhouse.gateway.packet import TCP, Packet, read_capture
from customhouse.gateway.profile.capture import FIRST_EPHEMERAL, device_of, learn_profile
from customhouse.gateway.ruleset.evaluate import Replay
from customhouse.gateway.ruleset.house import Device, House, Segment
from customhouse.gateway.ruleset.intent import Intent
from customhouse.gateway.ruleset.pace import pace_of
from customhouse.model.profile import DeviceProfile, PeerKind

pytestmark = pytest.mark.corpus

DEVICES = ("D-LinkCam", "HueBridge", "TP-LinkPlug", "WeMoSwitch")
SCAN_PORTS = {22, 23, 2323, 8080, 9527, 81, 5555, 7547}


def replay(profile: DeviceProfile, mac: str, packets: list[Packet], network: str) -> tuple[Counter[str], list[Packet]]:
    """Why packets were blocked, and the packets that passed."""
    segment = Segment(interface="br0", ports=("p1",), addresses=(network.replace("0/24", "1"),), networks=(network,))
    device = Device(id="d", number=1, mac=mac, segment="br0", port="p1", aces=profile.aces)
    house = House(segments=(segment,), devices=(device,), local_networks=("10.0.0.0/8", "192.168.0.0/16"))
    held = Replay(Intent(house), device, segment)
    blocked: Counter[str] = Counter()
    passed = []
    for packet in packets:
        if mac not in (packet.source_mac, packet.target_mac):
            continue
        decision = held.decide(packet)
        held.listen(packet)
        if decision.passes:
            passed.append(packet)
        else:
            blocked[decision.why] += 1
    return blocked, passed


def captures(shared: Path, device: str) -> list[list[Packet]]:
    files = sorted((shared / "captures" / "benign").glob(f"{device}*"))
    assert len(files) == 3
    return [list(read_capture(file.read_bytes())) for file in files]


EXPLAINED = (
    "an error about no flow",  # ICMP errors about packets from before the capture
    "belongs to a connection whose beginning did not pass",
    "icmp type 5 to 10.10.10.1",  # a redirect, which no device may send
    "tcp port 3478 to 54.",  # WeMo: an address handed over in another protocol, another one in each capture
    "looked up as",  # a name that neither of the other two captures has
)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("left_out", range(3))
def test_two_captures_give_a_profile_that_the_third_lives_with(shared: Path, device: str, left_out: int) -> None:
    seen = captures(shared, device)
    known = [packets for number, packets in enumerate(seen) if number != left_out]
    profile = learn_profile(known)
    mac = device_of(packet for packets in known for packet in packets)
    blocked, passed = replay(profile, mac, seen[left_out], "10.10.10.0/24")
    strange = [why for why in blocked if not any(reason in why for reason in EXPLAINED)]
    assert strange == []
    assert len(passed) > sum(blocked.values())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("left_out", range(3))
def test_the_rate_of_two_captures_lets_all_of_the_third_pass(shared: Path, device: str, left_out: int) -> None:
    seen = captures(shared, device)
    rate = learn_profile([packets for number, packets in enumerate(seen) if number != left_out]).rate
    assert rate is not None and rate.bits_per_second <= 256_000
    pace = pace_of(rate)
    depth = level = float(pace.speed + pace.burst)
    mac, last = device_of(seen[left_out]), seen[left_out][0].time
    for packet in seen[left_out]:
        if packet.source_mac == mac and packet.family:
            level, last = min(depth, level + (packet.time - last) * pace.speed), packet.time
            assert level >= packet.length
            level -= packet.length


@pytest.mark.parametrize("device", DEVICES)
def test_a_learned_profile_stays_general(shared: Path, device: str) -> None:
    profile = learn_profile(captures(shared, device))
    assert profile.aces
    for ace in profile.aces:
        if ace.protocol == "udp" and ace.peer.kind is not PeerKind.LOCAL_NETWORKS:
            assert all(port.last < FIRST_EPHEMERAL for port in ace.ports)
        if ace.peer.kind is PeerKind.ADDRESS_RANGE:
            assert ace.peer.value == "4.2.2.2/32", "only what every capture shows, and no look-up gave"
    names = {ace.peer.value for ace in profile.aces if ace.peer.kind is PeerKind.DNS_NAME}
    assert len(names) >= 3


@pytest.mark.parametrize("device", DEVICES)
def test_a_scan_is_blocked_entirely(shared: Path, device: str) -> None:
    profile = learn_profile(captures(shared, device))
    packets = list(read_capture((shared / "captures" / "mirai-like-telnet-scan.pcap").read_bytes()))
    scanner = Counter(p.source_mac for p in packets if p.protocol == TCP and p.flags & 0x12 == 0x02).most_common(1)[0][
        0
    ]
    blocked, passed = replay(profile, scanner, packets, "192.168.2.0/24")
    begun = [p for p in passed if p.source_mac == scanner and p.protocol == TCP and p.flags & 0x12 == 0x02]
    assert begun == []
    assert sum(blocked.values()) > 300
    assert any(packet.dport in SCAN_PORTS for packet in packets)
