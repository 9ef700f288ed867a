"""What must not free anybody: rules before links, an interface taken whole, somebody's flush, a full disk."""

import contextlib
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.house.conftest import Gateway
from tests.gateway.house.test_containment import FAMILIES, HOST, OTHER, host, out
from tests.gateway.house.world import HOSTS, MACS, SEGMENT, V4, World, address

from customhouse.gateway.kernel.sentinel import stand_guard
from customhouse.gateway.ruleset.house import Device, House, Segment
from customhouse.gateway.ruleset.intent import Intent

pytestmark = pytest.mark.namespaces

WHOLE = Segment(
    interface="whole", addresses=("192.168.88.1", "fd88::1"), networks=("192.168.88.0/24", "fd88::/64")
)  # fmt: skip
MAC = "02:00:00:00:00:1d"


@FAMILIES
def test_an_interface_that_comes_up_after_the_drop_table_is_held_from_its_first_packet(
    world: World, gateway: Gateway, family: int
) -> None:
    world.run("gw", "ip", "link", "delete", "pa")
    gateway.drop_everything()
    world._host("a", HOSTS["a"])
    world.received.clear()
    try:
        for _ in range(3):
            assert not world.udp("a", HOST[family], 4000, tries=1)
            assert not world.ping("a", address("laptop", family))
            assert not world.ping("laptop", address("a", family), wait=0.2)
        with world.inside("gw"):
            stand_guard((SEGMENT,))
        assert not world.udp("a", HOST[family], 4000)
        intent = Intent(House(segments=(SEGMENT,), devices=()))
        gateway.replace(intent.ruleset)
        assert not world.udp("a", HOST[family], 4000)
        assert any(world.udp("laptop", HOST[family], 4000) for _ in range(20)), (
            "the laptop waits for the gate no longer"
        )
        assert not world.received.get(address("a", family))
    finally:
        with world.inside("gw"):
            stand_guard((SEGMENT,))
        for name in HOSTS:
            world.rest(name)


@pytest.fixture
def whole(world: World) -> Iterator[World]:
    """A host behind an interface of the gateway that is no bridge."""
    name = world.namespace("whole")
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with world.inside("gw"):
            _shell("ip link add whole type veth peer name eth0 netns " + name)
            _shell("ip link set whole up")
            _shell("ip address add 192.168.88.1/24 dev whole")
            _shell("ip address add fd88::1/64 dev whole nodad")
        with world.inside("whole"):
            _shell("sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.accept_ra=0")
            _shell("ip link set lo up")
            _shell(f"ip link set eth0 address {MAC} up")
            _shell("ip address add 192.168.88.21/24 dev eth0")
            _shell("ip address add fd88::21/64 dev eth0 nodad")
            _shell("ip route add default via 192.168.88.1")
            _shell("ip route add default via fd88::1")
        yield world
    finally:
        world.run("gw", "ip", "link", "delete", "whole")
        subprocess.run(["ip", "netns", "delete", name], check=False)


def _shell(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)


@FAMILIES
def test_an_interface_taken_whole_is_held_and_a_strangers_flush_frees_nobody(
    whole: World, gateway: Gateway, family: int
) -> None:
    assert any(whole.udp("whole", HOST[family], 4000) for _ in range(20)), "without a gate all of it passes"
    with whole.inside("gw"):
        stand_guard((SEGMENT, WHOLE))
    thing = Device(
        id="w", number=7, mac=MAC, segment="whole", addresses=("192.168.88.21", "fd88::21"),
        aces=(out(host(HOST[family]), "udp", 4000),),
    )  # fmt: skip
    intent = Intent(House(segments=(SEGMENT, WHOLE), devices=(thing,)))
    gateway.replace(intent.ruleset)
    assert whole.udp("whole", HOST[family], 4000)
    assert not whole.udp("whole", HOST[family], 4001)
    assert not whole.udp("whole", OTHER[family], 4000)
    assert not whole.tcp("whole", HOST[family], 4443)
    assert not whole.ping("whole", address("laptop", family))
    assert not whole.ping("whole", address("a", family))
    assert not whole.ping("laptop", "192.168.88.21" if family == V4 else "fd88::21")
    whole.run("gw", "nft", "flush", "ruleset")
    assert not whole.udp("whole", HOST[family], 4001)
    assert not whole.udp("whole", OTHER[family], 4000)
    assert not whole.ping("whole", address("laptop", family))
    assert gateway.drift(intent.ruleset)
    gateway.replace(intent.ruleset)
    assert whole.udp("whole", HOST[family], 4000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small file system can be mounted: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.slow
def test_a_full_disk_frees_nobody_loses_no_approval_and_is_said(world: World, small_disk: Path, tmp_path: Path) -> None:
    pytest.importorskip("dnslib")
    daemon = pytest.importorskip("tests.gateway.house.test_daemon")
    gate = daemon.Gate(world, tmp_path)
    config = tmp_path / "gate.toml"
    config.write_text(config.read_text().replace(f"{tmp_path}/gate.sqlite", f"{small_disk}/gate.sqlite"))

    def approve(target: str) -> None:
        answer = {"host": target, "profile": False, "only": [], "seconds": 0}
        gate.client.post(f"/devices/{MACS['a']}/approve", answer)

    gate.start()
    try:
        gate.ready()
        for gateway in ("192.168.77.1", "fd77::1"):
            world.ping("a", gateway)
        daemon.until(lambda: daemon.known(gate, "a"), f"not noticed: {gate.log()}")
        approve("9.9.9.9")
        assert world.udp("a", "9.9.9.9", 4000)
        _fill(small_disk)
        with pytest.raises(Exception, match="cannot be written"):
            for number in range(200):  # the first ones may still fit into what the file has left
                approve(f"9.9.9.{number + 20}")
        assert world.udp("a", "9.9.9.9", 4000), "what was approved goes on"
        assert not world.udp("a", "9.9.9.10", 4000)
        assert not world.udp("a", "2620:fe::10", 4000)
        assert daemon.ask(world, "a", "cloud.example", V4) == []
        gate.kill()
        gate.start()  # whether it can start without room or not: nobody is freed
        for _ in range(4):
            assert not world.udp("a", "9.9.9.10", 4000)
            assert not world.udp("a", "2620:fe::10", 4000)
        (small_disk / "filler").unlink()
        gate.stop()
        gate.start()
        gate.ready()
        daemon.until(lambda: world.udp("a", "9.9.9.9", 4000), f"the approval is gone: {gate.log()}")
        approve("2620:fe::9")
        assert world.udp("a", "2620:fe::9", 4000)
        assert not world.udp("a", "9.9.9.10", 4000)
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        gate.stop()


def _fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(512))


def _discover(url: bytes) -> bytes:
    """A DHCPDISCOVER whose option 161 names a MUD file (RFC 2131, RFC 8520 section 10)."""
    mac = bytes.fromhex(MACS["a"].replace(":", ""))
    options = b"\x63\x82\x53\x63\x35\x01\x01" + bytes((161, len(url))) + url + b"\xff"
    body = struct.pack(">4BIHH", 1, 1, 6, 0, 7, 0, 0) + bytes(16) + mac + bytes(10 + 192) + options
    datagram = struct.pack(">4H", 68, 67, 8 + len(body), 0) + body
    head = struct.pack(">2B3H2BH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    total = sum(struct.unpack(">10H", head))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return b"\xff" * 6 + mac + b"\x08\x00" + head[:10] + struct.pack(">H", checksum) + head[12:] + datagram


@pytest.mark.slow
@pytest.mark.parametrize(
    "url",
    [b"https://mud.nowhere.example/a.json", b"https://192.168.77.13/a.json", b"https://[::1]/a.json"],
    ids=["unreachable", "the laptop", "the gateway"],
)
def test_a_device_whose_mud_server_gives_nothing_stays_held(world: World, tmp_path: Path, url: bytes) -> None:
    pytest.importorskip("dnslib")
    daemon = pytest.importorskip("tests.gateway.house.test_daemon")
    gate = daemon.Gate(world, tmp_path)
    gate.start()
    try:
        gate.ready()
        with world.inside("a"):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with wire:
            wire.bind(("eth0", 0))
            wire.send(_discover(url))

        def told() -> bool:
            asked = [b for b in gate.client.get("/blocked") if b["what"] == "profile"]
            return any(b["subject"] == url.decode() and "could not be fetched" in b["detail"] for b in asked)

        daemon.until(told, f"nobody was told: {gate.log()}", 40)
        [seen] = [d for d in gate.client.get("/devices") if d["id"] == MACS["a"]]
        assert (seen["mode"], seen["entries"], seen["proposed"]) == ("held", 0, None)
        assert not world.udp("a", HOST[V4], 4000)
        assert not world.tcp("a", "2620:fe::9", 4443)
        assert not world.received.get(address("a", V4))
        assert "Traceback" not in gate.log()
    finally:
        gate.stop()
