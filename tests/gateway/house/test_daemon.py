"""The whole gate as a program in the gateway's namespace: arrivals, names, approvals, and its violent death."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

dnslib = pytest.importorskip("dnslib")

from tests.gateway.house.world import MACS, V4, V6, World, address  # noqa: E402 – same
from typer.testing import CliRunner  # noqa: E402 – after the check for the extra

from customhouse.cli.gate import app  # noqa: E402 – same
from customhouse.gateway.control.client import GateClient  # noqa: E402 – after the check for the extra

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]

CONFIG = """
state = "{folder}/gate.sqlite"
socket = "{folder}/gate.sock"
port_requests = true
[names]
upstream = "100.64.0.2"
port = 5377
[[segments]]
interface = "br0"
ports = ["pa", "pb"]
trusted_ports = ["pl"]
addresses = ["192.168.77.1/24", "fd77::1/64"]
"""
ZONE = {
    "cloud.example.": {"A": "9.9.9.9", "AAAA": "2620:fe::9"},
    "rebind.example.": {"A": "192.168.77.13"},
    "other.example.": {"A": "9.9.9.10", "AAAA": "2620:fe::10"},
}
KILLS = int(os.environ.get("CUSTOMHOUSE_KILLS", "6"))
"""How often the control plane is killed; the acceptance run uses 50."""


class Gate:
    """A running `customhouse gate run`."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        (folder / "gate.toml").write_text(CONFIG.format(folder=folder))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.world.inside("gw"):
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from customhouse.cli.main import run; run()", "gate", "run", "--config",
                 str(self.folder / "gate.toml")],
                stdin=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab"),
            )  # fmt: skip

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.process.kill()

    @property
    def client(self) -> GateClient:
        return GateClient(str(self.folder / "gate.sock"))

    def ready(self) -> None:
        until(lambda: self.client.get("/devices") is not None, "the gate does not answer: " + self.log())

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text()[-2000:] if path.exists() else ""


def until(holds: Callable[[], Any], otherwise: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            if holds():
                return
        time.sleep(0.1)
    raise AssertionError(otherwise)


def answer(served: socket.socket, name: str) -> None:
    """A name server of the world."""
    while True:
        try:
            data, peer = served.recvfrom(4096)
        except TimeoutError:
            continue
        except OSError:
            return
        with contextlib.suppress(Exception):
            asked = dnslib.DNSRecord.parse(data)
            reply = asked.reply()
            kind = dnslib.QTYPE[asked.q.qtype]
            found = ZONE.get(str(asked.q.qname).lower(), {}).get(kind)
            if found:
                data_of = dnslib.A(found) if kind == "A" else dnslib.AAAA(found)
                reply.add_answer(dnslib.RR(asked.q.qname, asked.q.qtype, rdata=data_of, ttl=60))
            served.sendto(reply.pack(), peer)


def ask(world: World, who: str, name: str, family: int, resolver: str = "8.8.8.8") -> list[str]:
    """Addresses that a look-up over UDP gives; nothing when it is refused or unanswered."""
    kind = "A" if family == V4 else "AAAA"
    with world.socket(who, V6 if ":" in resolver else V4, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1.5)
        with contextlib.suppress(OSError):
            asking.sendto(dnslib.DNSRecord.question(name, kind).pack(), (resolver, 53))
            reply = dnslib.DNSRecord.parse(asking.recv(4096))
            return [str(record.rdata) for record in reply.rr]
    return []


@pytest.fixture
def gate(world: World, tmp_path: Path) -> Iterator[Gate]:
    with world.inside("up"):
        served = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        served.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        served.bind(("100.64.0.2", 53))
        served.settimeout(0.2)
    threading.Thread(target=answer, args=(served, "dns"), daemon=True).start()
    running = Gate(world, tmp_path)
    running.start()
    try:
        running.ready()
        for family in (V4, V6):
            world.ping("a", "192.168.77.1" if family == V4 else "fd77::1")
        until(lambda: known(running, "a"), f"the device was not noticed: {running.log()}")
        yield running
    finally:
        running.stop()
        served.close()


def known(gate: Gate, name: str) -> bool:
    found = [d for d in gate.client.get("/devices") if d["id"] == MACS[name]]
    return bool(found) and {address(name, V4), address(name, V6)} <= set(found[0]["addresses"])


def test_a_new_device_is_held_until_its_owner_approves(world: World, gate: Gate) -> None:
    for family, target in ((V4, "9.9.9.9"), (V6, "2620:fe::9")):
        assert ask(world, "a", "cloud.example", family) == []
        assert not world.tcp("a", target, 4443)
    until(lambda: [b for b in gate.client.get("/blocked") if b["subject"] == "cloud.example"], "nobody was asked")
    gate.client.post(
        f"/devices/{MACS['a']}/approve", {"host": "cloud.example", "profile": False, "only": [], "seconds": 0}
    )
    for family, target in ((V4, "9.9.9.9"), (V6, "2620:fe::9")):
        assert not world.tcp("a", target, 4443), "not before its look-up"
        assert ask(world, "a", "cloud.example", family) == [target]
        assert world.tcp("a", target, 4443), "the answer came before the rule"
        assert world.tcp("a", target, 4444)
    assert ask(world, "a", "other.example", V4) == []
    assert not world.tcp("a", "9.9.9.10", 4443)
    assert ask(world, "b", "cloud.example", V4) == []
    assert not world.tcp("b", "9.9.9.9", 4443)

    gate.client.post(f"/devices/{MACS['a']}/quarantine", {"text": "a test"})
    assert not world.tcp("a", "9.9.9.9", 4443)
    assert not world.ping("a", "192.168.77.1")
    gate.client.post(f"/devices/{MACS['a']}/release")
    assert not world.tcp("a", "9.9.9.9", 4443), "what it looked up before was forgotten"
    assert ask(world, "a", "cloud.example", V4) == ["9.9.9.9"]
    assert world.tcp("a", "9.9.9.9", 4443)
    gate.client.post(f"/devices/{MACS['a']}/deny", {"text": "cloud.example"})
    assert not world.tcp("a", "9.9.9.9", 4443)
    assert ask(world, "a", "cloud.example", V4) == []


def test_a_proposed_profile_holds_once_it_is_approved(world: World, gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "lamp.toml").write_text(
        'name = "lamp"\n[[to]]\nhost = "cloud.example"\ntcp = 4443\n[[to]]\nhost = "other.example"\nudp = 4000\n'
    )
    options = ["--socket", str(gate.folder / "gate.sock")]
    shown = CliRunner().invoke(app, ["propose", MACS["a"], str(tmp_path / "lamp.toml"), *options])
    assert shown.exit_code == 0, shown.exception
    assert "+ " in shown.stdout
    assert ask(world, "a", "cloud.example", V4) == [], "a proposal alone opens nothing"
    done = CliRunner().invoke(app, ["approve", MACS["a"], "--profile", "--yes", *options])
    assert done.exit_code == 0, done.exception
    assert ask(world, "a", "cloud.example", V6) == ["2620:fe::9"]
    assert world.tcp("a", "2620:fe::9", 4443)
    assert not world.tcp("a", "2620:fe::9", 4444)
    assert not world.udp("a", "9.9.9.10", 4000)
    assert ask(world, "a", "other.example", V4) == ["9.9.9.10"]
    assert world.udp("a", "9.9.9.10", 4000)


def test_rebinding_to_a_neighbour_fails_and_the_laptop_is_left_alone(world: World, gate: Gate) -> None:
    gate.client.post(
        f"/devices/{MACS['a']}/approve", {"host": "rebind.example", "profile": False, "only": [], "seconds": 0}
    )
    assert ask(world, "a", "rebind.example", V4) == []
    assert not world.ping("a", address("laptop", V4))
    world.ping("laptop", "192.168.77.1")
    time.sleep(1.5)
    assert world.tcp("laptop", "9.9.9.9", 4443)
    assert world.udp("laptop", "2620:fe::9", 4000)


def test_a_third_partys_flush_stops_traffic_and_is_mended(world: World, gate: Gate) -> None:
    gate.client.post(
        f"/devices/{MACS['a']}/approve", {"host": "cloud.example", "profile": False, "only": [], "seconds": 0}
    )
    assert ask(world, "a", "cloud.example", V4)
    assert world.tcp("a", "9.9.9.9", 4443)
    world.run("gw", "nft", "flush", "ruleset")
    assert not world.tcp("a", "9.9.9.10", 4443)
    assert not world.ping("a", address("laptop", V4))
    until(lambda: world.tcp("a", "9.9.9.9", 4443), f"not mended: {gate.log()}", 15)
    assert not world.tcp("a", "9.9.9.10", 4443)


def test_killed_at_any_moment_it_frees_nobody_and_forgets_no_approval(world: World, gate: Gate) -> None:
    world.received.clear()
    stop = threading.Event()
    approved: list[str] = []

    def flood() -> None:
        """Undeclared packets in both families, all the time."""
        probes = [world.socket("a", family, socket.SOCK_DGRAM) for family in (V4, V6)]
        while not stop.is_set():
            for probe, target in zip(probes, ("9.9.9.10", "2620:fe::10"), strict=True):
                with contextlib.suppress(OSError):
                    probe.sendto(b"undeclared", (target, 4001))
            time.sleep(0.002)

    thread = threading.Thread(target=flood)
    thread.start()
    choose = random.Random(7)
    try:
        for number in range(KILLS):
            name = f"host{number}.example"
            with contextlib.suppress(Exception):  # the death may come in the middle of the answer
                answered = threading.Thread(target=approve, args=(gate, name, approved))
                answered.start()
            time.sleep(choose.uniform(0, 0.15))
            gate.kill()
            answered.join()
            gate.start()
            if choose.random() < 0.5:
                time.sleep(choose.uniform(0, 1.5))  # sometimes killed before it stands again
            else:
                gate.ready()
        gate.ready()
    finally:
        stop.set()
        thread.join()
    assert not world.received.get(address("a", V4))
    assert not world.received.get(address("a", V6))
    kept = [d for d in gate.client.get("/devices") if d["id"] == MACS["a"]]
    assert kept[0]["entries"] >= len(approved), "an approval that was acknowledged is gone"
    for name in approved:
        assert gate.client.get(f"/devices/{MACS['a']}/why", host=name)["allowed"]


def approve(gate: Gate, name: str, approved: list[str]) -> None:
    with contextlib.suppress(Exception):
        gate.client.post(f"/devices/{MACS['a']}/approve", {"host": name, "profile": False, "only": [], "seconds": 0})
        approved.append(name)
