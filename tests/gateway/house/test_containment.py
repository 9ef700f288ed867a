"""Real packets through a real kernel, both families: what was declared passes, and nothing else does."""

import contextlib
import socket
import threading
import time

import pytest
from tests.gateway.house.conftest import Gateway
from tests.gateway.house.world import GATEWAY, V4, V6, World, address, device, house

from customhouse.gateway.ruleset.house import ControllerAnswer, Device, LearnedName
from customhouse.gateway.ruleset.intent import Intent
from customhouse.model.profile import Ace, Peer, PeerKind, PortRange, Rate

pytestmark = pytest.mark.namespaces

FAMILIES = pytest.mark.parametrize("family", [V4, V6], ids=["v4", "v6"])
HOST = {V4: "9.9.9.9", V6: "2620:fe::9"}
OTHER = {V4: "9.9.9.10", V6: "2620:fe::10"}


def out(peer: Peer, protocol: str, *ports: int, **fields: object) -> Ace:
    ranges = tuple(PortRange(first=p, last=p) for p in ports)
    return Ace(name="out", direction="from-device", peer=peer, protocol=protocol, ports=ranges, **fields)  # type: ignore[arg-type]


def into(peer: Peer, protocol: str, *ports: int, **fields: object) -> Ace:
    ranges = tuple(PortRange(first=p, last=p) for p in ports)
    return Ace(name="in", direction="to-device", peer=peer, protocol=protocol, ports=ranges, **fields)  # type: ignore[arg-type]


def host(cidr: str) -> Peer:
    return Peer(kind=PeerKind.ADDRESS_RANGE, value=cidr)


CLOUD = Peer(kind=PeerKind.DNS_NAME, value="cloud.example")
LOCAL = Peer(kind=PeerKind.LOCAL_NETWORKS)
SAME = Peer(kind=PeerKind.SAME_MANUFACTURER)


def looked_up(target: str, seconds: int = 60, who: str = "a") -> LearnedName:
    return LearnedName(device=who, name="cloud.example", address=target, until=int(time.time()) + seconds)


def hold(gateway: Gateway, *devices: Device, **fields: object) -> Intent:
    intent = Intent(house(*devices, **fields))
    gateway.replace(intent.ruleset)
    gateway.world.ask_anew()
    return intent


@FAMILIES
def test_a_device_without_grants_reaches_nobody_and_the_laptop_is_untouched(
    world: World, gateway: Gateway, family: int
) -> None:
    hold(gateway, device("a", 1))
    assert not world.udp("a", HOST[family], 4000)
    assert not world.tcp("a", HOST[family], 443)
    assert not world.ping("a", HOST[family])
    assert world.udp("laptop", HOST[family], 4000)
    assert world.tcp("laptop", HOST[family], 4443)


@FAMILIES
def test_a_stranger_reaches_nobody(world: World, gateway: Gateway, family: int) -> None:
    hold(gateway)
    assert not world.udp("a", HOST[family], 4000)
    assert not world.ping("a", address("b", family))


@FAMILIES
def test_a_declared_name_opens_after_its_look_up_and_only_for_who_looked(
    world: World, gateway: Gateway, family: int
) -> None:
    aces = (out(CLOUD, "tcp", 4443), out(CLOUD, "udp", 4000))
    intent = hold(gateway, device("a", 1, aces=aces), device("b", 2, aces=aces))
    assert not world.tcp("a", HOST[family], 4443)
    gateway.apply(intent.learn([looked_up(HOST[family])]))
    assert world.tcp("a", HOST[family], 4443)
    assert world.udp("a", HOST[family], 4000)
    assert not world.tcp("b", HOST[family], 4443)
    assert not world.tcp("a", HOST[family], 4444)
    assert not world.udp("a", HOST[family], 4443)
    assert not world.tcp("a", OTHER[family], 4443)
    assert gateway.drift(intent.ruleset) == ()


@FAMILIES
def test_a_name_closes_when_its_time_is_over(world: World, gateway: Gateway, family: int) -> None:
    intent = hold(gateway, device("a", 1, aces=(out(CLOUD, "udp", 4000),)))
    gateway.apply(intent.learn([looked_up(HOST[family], 2)]))
    assert world.udp("a", HOST[family], 4000, source=5001)
    time.sleep(3.2)
    assert not world.udp("a", HOST[family], 4000, source=5002)
    gateway.apply(intent.forget_ended(time.time()))
    gateway.apply(intent.learn([looked_up(HOST[family])]))
    assert world.udp("a", HOST[family], 4000, source=5003)


@FAMILIES
def test_a_longer_answer_prolongs_a_name(world: World, gateway: Gateway, family: int) -> None:
    intent = hold(gateway, device("a", 1, aces=(out(CLOUD, "udp", 4000),)))
    gateway.apply(intent.learn([looked_up(HOST[family], 2)]))
    gateway.apply(intent.learn([looked_up(HOST[family], 30)]))
    time.sleep(3.2)
    assert world.udp("a", HOST[family], 4000)


@FAMILIES
def test_ranges_of_ports_and_networks_pass_as_a_whole_and_not_beyond(
    world: World, gateway: Gateway, family: int
) -> None:
    network = "9.9.9.0/28" if family == V4 else "2620:fe::/124"
    near, far = ("9.9.9.15", "9.9.9.16") if family == V4 else ("2620:fe::f", "2620:fe::10")
    ace = Ace(
        name="r", direction="from-device", peer=host(network), protocol="udp", ports=(PortRange(first=4000, last=4010),)
    )
    hold(gateway, device("a", 1, aces=(ace,)))
    assert world.udp("a", near, 4010)
    assert not world.udp("a", near, 4011)
    assert not world.udp("a", far, 4000)


@FAMILIES
def test_icmp_passes_by_type(world: World, gateway: Gateway, family: int) -> None:
    protocol, kind = ("icmp", 8) if family == V4 else ("icmpv6", 128)
    ace = out(host(HOST[family]), protocol, icmp_type=kind)
    hold(gateway, device("a", 1, aces=(ace,)))
    assert world.ping("a", HOST[family])
    assert not world.ping("a", OTHER[family])


@FAMILIES
def test_anywhere_means_the_world_but_not_the_neighbours(world: World, gateway: Gateway, family: int) -> None:
    everywhere = host("0.0.0.0/0" if family == V4 else "::/0")
    hold(
        gateway,
        device("a", 1, aces=(out(everywhere, "udp", 4000), out(everywhere, "icmp" if family == V4 else "icmpv6"))),
    )
    assert world.udp("a", HOST[family], 4000)
    assert world.ping("a", HOST[family])
    assert not world.ping("a", address("b", family))
    assert not world.ping("a", address("laptop", family))


@FAMILIES
def test_neighbours_do_not_reach_each_other(world: World, gateway: Gateway, family: int) -> None:
    hold(gateway, device("a", 1), device("b", 2))
    for one, other in (("a", "b"), ("a", "laptop"), ("laptop", "a")):
        assert not world.ping(one, address(other, family)), (one, other)


@FAMILIES
def test_neighbours_meet_when_both_entries_say_so(world: World, gateway: Gateway, family: int) -> None:
    world.listen("b", 4700)
    asks, listens = (out(SAME, "tcp", 4700),), (into(SAME, "tcp", 4700),)
    hold(gateway, device("a", 1, aces=asks, manufacturer="m.example"), device("b", 2, manufacturer="m.example"))
    assert not world.tcp("a", address("b", family), 4700)
    hold(gateway, device("a", 1, aces=asks, manufacturer="m.example"),
         device("b", 2, aces=listens, manufacturer="n.example"))  # fmt: skip
    assert not world.tcp("a", address("b", family), 4700)
    hold(gateway, device("a", 1, aces=asks, manufacturer="m.example"),
         device("b", 2, aces=listens, manufacturer="m.example"))  # fmt: skip
    assert world.tcp("a", address("b", family), 4700)
    assert not world.ping("a", address("b", family))
    assert not world.tcp("laptop", address("b", family), 4700)


@FAMILIES
def test_a_device_reaches_the_laptop_by_local_networks_only(world: World, gateway: Gateway, family: int) -> None:
    world.listen("laptop", 4800)
    hold(gateway, device("a", 1, aces=(out(LOCAL, "udp", 4800),)))
    assert world.udp("a", address("laptop", family), 4800)
    assert not world.tcp("a", address("laptop", family), 4800)
    assert not world.udp("b", address("laptop", family), 4800)


@FAMILIES
def test_the_laptop_reaches_a_device_only_as_approved(world: World, gateway: Gateway, family: int) -> None:
    world.listen("a", 4900)
    hold(gateway, device("a", 1))
    assert not world.tcp("laptop", address("a", family), 4900)
    hold(gateway, device("a", 1, aces=(into(LOCAL, "tcp", 4900),)))
    assert world.tcp("laptop", address("a", family), 4900)
    assert not world.udp("laptop", address("a", family), 4900)
    assert not world.ping("laptop", address("a", family))


@FAMILIES
def test_nobody_outside_begins_a_flow_to_a_device(world: World, gateway: Gateway, family: int) -> None:
    world.listen("a", 4950)
    hold(gateway, device("a", 1, aces=(out(host(HOST[family]), "udp", 4000),)))
    assert not world.udp("up", address("a", family), 4950)
    assert not world.tcp("up", address("a", family), 4950)
    assert not world.ping("up", address("a", family))
    source = "100.64.0.2" if family == V4 else "2001:db8:64::2"
    hold(gateway, device("a", 1, aces=(into(host(source), "tcp", 4950),)))
    assert world.tcp("up", address("a", family), 4950)
    assert not world.udp("up", address("a", family), 4950)


@FAMILIES
def test_a_controller_is_nobody_until_the_owner_answers(world: World, gateway: Gateway, family: int) -> None:
    ace = out(Peer(kind=PeerKind.MY_CONTROLLER), "udp", 4000)
    hold(gateway, device("a", 1, aces=(ace,)))
    assert not world.udp("a", HOST[family], 4000)
    answer = ControllerAnswer(device="a", addresses=(HOST[family],))
    hold(gateway, device("a", 1, aces=(ace,)), controllers=(answer,))
    assert world.udp("a", HOST[family], 4000)


@FAMILIES
def test_a_spoofed_address_or_hardware_address_opens_nothing(world: World, gateway: Gateway, family: int) -> None:
    granted = (out(host(HOST[family]), "udp", 4000),)
    hold(gateway, device("a", 1, aces=granted), device("b", 2, aces=granted))
    prefix = "24" if family == V4 else "64"
    option = () if family == V4 else ("nodad",)
    spoofed = address("b", family)
    world.run("b", "ip", "link", "set", "eth0", "down")
    world.run("a", "ip", "address", "add", f"{spoofed}/{prefix}", "dev", "eth0", *option)
    try:
        with world.socket("a", family, socket.SOCK_DGRAM) as probe:
            probe.bind((spoofed, 0))
            probe.settimeout(0.3)
            probe.sendto(b"as b", (HOST[family], 4000))
            with pytest.raises(TimeoutError):
                probe.recv(100)
    finally:
        world.run("a", "ip", "address", "del", f"{spoofed}/{prefix}", "dev", "eth0")
        world.run("b", "ip", "link", "set", "eth0", "up")
        world.rest("b")
    hold(gateway, Device(id="b", number=2, mac="02:00:00:00:00:0a", segment="br0", port="pb", aces=granted))
    assert not world.udp("a", HOST[family], 4000)


@FAMILIES
def test_port_53_leads_to_the_proxy_whatever_the_resolver(world: World, gateway: Gateway, family: int) -> None:
    hold(gateway, device("a", 1), dns_port=5311)
    world.listen("gw", 5311)
    assert world.udp("a", HOST[family], 53)
    assert world.tcp("a", HOST[family], 53)
    assert world.udp("a", GATEWAY[family], 53)
    assert not world.tcp("a", HOST[family], 853)
    assert not world.udp("a", GATEWAY[family], 5311), "the proxy's own port is not open beside 53"


@FAMILIES
def test_the_gateway_offers_devices_no_other_port(world: World, gateway: Gateway, family: int) -> None:
    world.listen("gw", 4811)
    hold(gateway, device("a", 1, aces=(out(LOCAL, "tcp", 4811), out(LOCAL, "udp", 4811))))
    assert not world.tcp("a", GATEWAY[family], 4811)
    assert not world.udp("a", GATEWAY[family], 4811)
    assert world.tcp("laptop", GATEWAY[family], 4811)


@FAMILIES
def test_anywhere_does_not_mean_the_gateways_other_addresses(world: World, gateway: Gateway, family: int) -> None:
    world.listen("gw", 4811)
    everywhere = host("0.0.0.0/0" if family == V4 else "::/0")
    hold(gateway, device("a", 1, aces=(out(everywhere, "tcp", 4811),)))
    assert world.tcp("a", HOST[family], 4811)
    assert not world.tcp("a", "100.64.0.1" if family == V4 else "2001:db8:64::1", 4811)


@FAMILIES
def test_quarantine_stops_an_established_flow_within_a_second(world: World, gateway: Gateway, family: int) -> None:
    ace = out(host(HOST[family]), "tcp", 4443)
    intent = hold(gateway, device("a", 1, aces=(ace,)), device("b", 2, aces=(ace,)))
    with world.socket("a", family, socket.SOCK_STREAM) as stream:
        stream.settimeout(0.3)
        stream.connect((HOST[family], 4443))
        stream.sendall(b"before")
        assert stream.recv(64)
        began = time.monotonic()
        gateway.apply(intent.set_device(device("a", 1, aces=(ace,), quarantined=True)))
        gateway.cut_flows(1, (address("a", family),))
        assert time.monotonic() - began < 1
        stream.sendall(b"after")
        with pytest.raises(TimeoutError):
            stream.recv(64)
    assert world.tcp("b", HOST[family], 4443)
    gateway.apply(intent.set_device(device("a", 1, aces=(ace,))))
    assert world.tcp("a", HOST[family], 4443)


@FAMILIES
def test_someone_elses_flush_stops_traffic_and_does_not_free_it(world: World, gateway: Gateway, family: int) -> None:
    ace = out(host(HOST[family]), "udp", 4000)
    world.listen("gw", 4812)
    intent = hold(gateway, device("a", 1, aces=(ace,)), device("b", 2))
    assert world.udp("a", HOST[family], 4000)
    world.run("gw", "nft", "flush", "ruleset")
    assert gateway.drift(intent.ruleset)
    for target in (HOST[family], OTHER[family], address("b", family), address("laptop", family)):
        assert not world.udp("a", target, 4000)
        assert not world.ping("a", target)
    assert not world.udp("a", GATEWAY[family], 4812)
    assert not world.ping("laptop", address("a", family))
    assert not world.ping("up", address("a", family))
    assert world.udp("laptop", HOST[family], 4000)
    gateway.replace(intent.ruleset)
    assert gateway.drift(intent.ruleset) == ()
    assert world.udp("a", HOST[family], 4000)


@pytest.mark.parametrize("command", [
    "delete table inet customhouse", "delete table bridge customhouse",
    "flush table inet customhouse", "flush table bridge customhouse",
    "flush chain inet customhouse forward", "flush chain bridge customhouse first",
    "flush map inet customhouse out_dport4",
])  # fmt: skip
def test_harm_to_part_of_our_tables_frees_nothing_and_is_seen(world: World, gateway: Gateway, command: str) -> None:
    intent = hold(gateway, device("a", 1, aces=(out(host(HOST[V4]), "udp", 4000),)), device("b", 2))
    world.run("gw", "nft", *command.split())
    assert not world.udp("a", OTHER[V4], 4000, tries=1)
    assert not world.udp("a", OTHER[V6], 4000, tries=1)
    assert not world.ping("a", address("b", V4))
    assert gateway.drift(intent.ruleset)


def test_nothing_outside_our_tables_changes(world: World, gateway: Gateway) -> None:
    foreign = "table ip theirs {\n\tchain c {\n\t\ttype filter hook input priority 5; policy accept;\n\t}\n}\n"
    world.run("gw", "nft", "-f", "-", given=foreign)
    before = world.run("gw", "nft", "list", "table", "ip", "theirs")
    intent = hold(gateway, device("a", 1, aces=(out(CLOUD, "udp", 4000),), rate=Rate(bits_per_second=8000, burst=0)))
    gateway.apply(intent.learn([looked_up(HOST[V4])]))
    assert world.run("gw", "nft", "list", "table", "ip", "theirs") == before
    tables = world.run("gw", "nft", "list", "tables").split("\n")
    assert sorted(filter(None, tables)) == ["table bridge customhouse", "table inet customhouse", "table ip theirs"]
    world.run("gw", "nft", "delete", "table", "ip", "theirs")


def test_the_boot_table_lets_nothing_through_and_gives_way_to_the_ruleset(world: World, gateway: Gateway) -> None:
    gateway.drop_everything()
    assert not world.udp("a", HOST[V4], 4000)
    assert not world.udp("laptop", HOST[V4], 4000), "before the control plane speaks, nothing is forwarded"
    hold(gateway, device("a", 1, aces=(out(host(HOST[V4]), "udp", 4000),)))
    assert world.udp("a", HOST[V4], 4000)
    assert world.udp("laptop", HOST[V4], 4000)


def test_replacing_the_ruleset_under_load_never_lets_an_undeclared_packet_pass(world: World, gateway: Gateway) -> None:
    intent = hold(gateway, device("a", 1, aces=(out(host(HOST[V4]), "udp", 4000),)))
    world.received.clear()
    stop = threading.Event()

    def flood() -> None:
        with world.socket("a", V4, socket.SOCK_DGRAM) as probe:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    probe.sendto(b"undeclared", (OTHER[V4], 4001))
                time.sleep(0.0005)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(15):
            gateway.replace(intent.ruleset)
    finally:
        stop.set()
        thread.join()
    assert not world.received.get(address("a", V4)), "an undeclared packet arrived"
    assert world.udp("a", HOST[V4], 4000)


def test_a_watched_device_passes_and_its_neighbour_does_not(world: World, gateway: Gateway) -> None:
    hold(gateway, device("a", 1, learning=True), device("b", 2))
    assert world.udp("a", HOST[V4], 4000)
    assert world.udp("a", HOST[V6], 4000)
    assert not world.udp("b", HOST[V4], 4000)


def test_what_was_blocked_can_be_read(world: World, gateway: Gateway) -> None:
    hold(gateway, device("a", 1))
    world.udp("a", HOST[V4], 4321, tries=1)
    assert any(key[1:] == (HOST[V4], "udp", 4321) for _, _, key in gateway.blocked())  # type: ignore[attr-defined]
