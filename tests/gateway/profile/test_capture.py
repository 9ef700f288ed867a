"""What is learned from packets made by hand."""

import dnslib

from customhouse.gateway.packet import ICMP, IPV4, TCP, UDP, Packet
from customhouse.gateway.profile.capture import device_of, learn_profile
from customhouse.gateway.profile.explain import ace_text
from customhouse.model.profile import PeerKind

DEVICE, ROUTER, PHONE = "02:00:00:00:00:0a", "02:00:00:00:00:01", "02:00:00:00:00:0c"
MANY = "ff:ff:ff:ff:ff:ff"
ME = "10.0.0.5"


def sent(target: str, protocol: int, dport: int, sport: int = 40000, mac: str = ROUTER, flags: int = 2) -> Packet:
    return Packet(0, DEVICE, mac, IPV4, ME, target, protocol, sport, dport, flags if protocol == TCP else 0, (8, 0))


def received(source: str, protocol: int, dport: int, sport: int = 50000, flags: int = 2) -> Packet:
    return Packet(0, PHONE, DEVICE, IPV4, source, ME, protocol, sport, dport, flags if protocol == TCP else 0)


def answered(name: str, address: str) -> Packet:
    reply = dnslib.DNSRecord.question(name).reply()
    reply.add_answer(dnslib.RR(name, rdata=dnslib.A(address), ttl=60))
    return Packet(0, ROUTER, DEVICE, IPV4, "10.0.0.1", ME, UDP, 53, 40000, 0, (0, 0), 0, bytes(reply.pack()))


DHCP = Packet(0, DEVICE, MANY, IPV4, "0.0.0.0", "255.255.255.255", UDP, 68, 67)
SET_UP = [DHCP, answered("cloud.example", "198.51.100.7"), sent("198.51.100.7", TCP, 443)]


def lines(*captures: list[Packet]) -> list[str]:
    return [ace_text(ace) for ace in learn_profile(captures, DEVICE).aces]


def test_the_device_is_the_one_that_asks_for_an_address() -> None:
    assert device_of([*SET_UP, *[received("10.0.0.9", TCP, 80)] * 50]) == DEVICE


def test_a_name_stands_where_a_name_was_looked_up() -> None:
    assert lines(SET_UP) == ["tcp 443 to cloud.example"]


def test_a_bare_address_stands_only_when_every_capture_shows_it() -> None:
    hard_coded, chance = sent("192.0.2.9", UDP, 123), sent("192.0.2.77", TCP, 3478)
    profile = learn_profile([[*SET_UP, hard_coded, chance], [*SET_UP, hard_coded]], DEVICE)
    assert [ace.peer.value for ace in profile.aces if ace.peer.kind is PeerKind.ADDRESS_RANGE] == ["192.0.2.9/32"]
    assert any("192.0.2.77" in part.what for part in profile.unsupported)


def test_answers_to_a_search_are_known_by_the_devices_own_port() -> None:
    assert lines([sent("10.0.0.9", UDP, 51234, sport=1900, mac=PHONE)]) == ["udp from port 1900 to the local networks"]


def test_two_ephemeral_ports_make_no_entry() -> None:
    profile = learn_profile([[sent("192.0.2.9", UDP, 51234, sport=51235)]], DEVICE)
    assert profile.aces == ()
    assert "ephemeral" in profile.unsupported[0].why


def test_a_high_port_that_many_flows_go_to_is_a_service() -> None:
    assert lines([sent("10.0.0.9", UDP, 56700, sport=n, mac=PHONE) for n in (40001, 40002, 40003)]) == [
        "udp 56700 to the local networks"
    ]


def test_groups_and_pings_and_visitors_are_told_apart() -> None:
    found = lines([
        sent("239.255.255.250", UDP, 1900, mac="01:00:5e:7f:ff:fa"), sent("10.0.0.255", UDP, 6667, mac=MANY),
        sent("10.0.0.1", ICMP, 0), received("10.0.0.9", TCP, 80),
    ])  # fmt: skip
    assert found == [
        "udp 1900 to the local networks within 239.255.255.250/32 (SSDP)",
        "udp 6667 to the local networks within 255.255.255.255/32 (broadcast)",
        "icmp type 8 to the local networks",
        "tcp 80 from the local networks",
    ]


def test_what_began_before_the_capture_or_outside_the_house_is_not_learned() -> None:
    profile = learn_profile([[sent("192.0.2.9", TCP, 443, flags=0x10), received("192.0.2.10", TCP, 80)]], DEVICE)
    assert profile.aces == ()
    assert len(profile.unsupported) == 2


def test_dns_becomes_the_controller_whoever_was_asked() -> None:
    assert "udp 53 to the controller urn:ietf:params:mud:dns" in lines([sent("8.8.8.8", UDP, 53)])
