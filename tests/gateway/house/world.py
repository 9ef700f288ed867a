"""A house of network namespaces: a gateway, two devices and a laptop on its bridge, and a world that answers anywhere.

Sockets are made inside a namespace by the calling thread (setns) and go on living there, so no test starts a program to
send a packet. Nothing leaves the namespaces.
"""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from customhouse.gateway.ruleset.house import Device, House, Segment

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
V4, V6 = 4, 6
HOSTS = {"a": 11, "b": 12, "laptop": 13}
MACS = {"a": "02:00:00:00:00:0a", "b": "02:00:00:00:00:0b", "laptop": "02:00:00:00:00:0c"}
PORTS = {"a": "pa", "b": "pb", "laptop": "pl"}
GATEWAY = {V4: "192.168.77.1", V6: "fd77::1"}
ECHO = 7000

SEGMENT = Segment(
    interface="br0",
    ports=("pa", "pb"),
    trusted_ports=("pl",),
    addresses=(GATEWAY[V4], GATEWAY[V6]),
    networks=("192.168.77.0/24", "fd77::/64"),
)


def address(host: str, family: int) -> str:
    return f"192.168.77.{HOSTS[host]}" if family == V4 else f"fd77::{HOSTS[host]}"


def device(name: str, number: int, **fields: object) -> Device:
    """A device of this house, on its own port, with its addresses bound."""
    return Device(
        id=name, number=number, mac=MACS[name], segment="br0", port=PORTS[name],
        addresses=(address(name, V4), address(name, V6)), **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def house(*devices: Device, **fields: object) -> House:
    return House(segments=(SEGMENT,), devices=devices, **fields)  # type: ignore[arg-type]


def shell(*arguments: str, given: str = "") -> str:
    done = subprocess.run(arguments, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


class World:
    """The namespaces, by short name: gw, up, a, b, laptop."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.stopping = threading.Event()
        self.received: dict[str, list[tuple[float, int]]] = {}
        self.threads: list[threading.Thread] = []
        self.listening: set[tuple[str, int]] = set()

    def namespace(self, name: str) -> str:
        return f"{self.prefix}{name}"

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """The calling thread, and programs it starts, are in that namespace."""
        with (
            Path("/proc/thread-self/ns/net").open() as home,
            Path(f"/run/netns/{self.namespace(name)}").open() as there,
        ):
            if LIBC.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                LIBC.setns(home.fileno(), CLONE_NEWNET)

    def run(self, name: str, *arguments: str, given: str = "") -> str:
        with self.inside(name):
            return shell(*arguments, given=given)

    def ask_anew(self) -> None:
        """The hosts forget their neighbours: one that was kept from another asks again only a second later, and until
        then its kernel says "No route to host" of itself.
        """
        for name in HOSTS:
            self.run(name, "ip", "neighbour", "flush", "dev", "eth0", "nud", "all")

    def build(self) -> None:
        for name in ("gw", "up", *HOSTS):
            shell("ip", "netns", "add", self.namespace(name))
            self.run(name, "ip", "link", "set", "lo", "up")
        with self.inside("gw"):
            for setting in (
                "net.ipv4.ip_forward=1",
                "net.ipv6.conf.all.forwarding=1",
                "net.ipv6.conf.default.accept_dad=0",
            ):
                shell("sysctl", "-qw", setting)
            # an address of its own: otherwise it changes with the ports, and neighbours remember the old one
            shell("ip", "link", "add", "br0", "address", "02:00:00:00:00:fe", "type", "bridge", "mcast_snooping", "0")
        for name, number in HOSTS.items():
            self._host(name, number)
        self._world()

    def _host(self, name: str, number: int) -> None:
        port = PORTS[name]
        with self.inside("gw"):
            shell("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace(name))
            shell("ip", "link", "set", port, "master", "br0", "up")
        with self.inside(name):
            shell("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0", "net.ipv6.conf.eth0.accept_ra=0")
            shell("ip", "link", "set", "eth0", "address", MACS[name], "up")
            shell("ip", "address", "add", f"192.168.77.{number}/24", "dev", "eth0")
            shell("ip", "address", "add", f"fd77::{number}/64", "dev", "eth0", "nodad")
            shell("ip", "route", "add", "default", "via", GATEWAY[V4])
            shell("ip", "route", "add", "default", "via", GATEWAY[V6])

    def _world(self) -> None:
        """One namespace that is the whole world: every address is its own, every port leads to an echo or a server."""
        with self.inside("gw"):
            shell("ip", "link", "add", "wan", "type", "veth", "peer", "name", "eth0", "netns", self.namespace("up"))
            shell("ip", "link", "set", "br0", "up")
            shell("ip", "link", "set", "wan", "up")
            shell("ip", "address", "add", "192.168.77.1/24", "dev", "br0")
            shell("ip", "address", "add", "fd77::1/64", "dev", "br0", "nodad")
            shell("ip", "address", "add", "100.64.0.1/24", "dev", "wan")
            shell("ip", "address", "add", "2001:db8:64::1/64", "dev", "wan", "nodad")
            shell("ip", "route", "add", "default", "via", "100.64.0.2")
            shell("ip", "route", "add", "default", "via", "2001:db8:64::2")
        with self.inside("up"):
            shell("ip", "link", "set", "eth0", "up")
            shell("ip", "address", "add", "100.64.0.2/24", "dev", "eth0")
            shell("ip", "address", "add", "2001:db8:64::2/64", "dev", "eth0", "nodad")
            shell("ip", "route", "add", "default", "via", "100.64.0.1")
            shell("ip", "route", "add", "default", "via", "2001:db8:64::1")
            for pinged in ("9.9.9.9/32", "9.9.9.10/32", "2620:fe::9/128", "2620:fe::10/128"):
                shell(
                    "ip", "address", "add", pinged, "dev", "lo"
                )  # the kernel answers ICMP from its own addresses only
            for family, everything in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
                shell("ip", family, "route", "add", "local", everything, "dev", "lo", "table", "100")
                shell("ip", family, "rule", "add", "pref", "10", "iif", "eth0", "lookup", "100")
            shell(
                "nft", "-f", "-",
                given=f"""table inet world {{
                chain pre {{
                type nat hook prerouting priority -100;
                iifname "eth0" meta l4proto {{ tcp, udp }} th dport != {{ 80, 443, 123, 53 }} redirect to :{ECHO}
                iifname "eth0" meta l4proto {{ tcp, udp }} redirect
                }}
                }}""",
            )  # fmt: skip
        self.listen("up", ECHO)
        for name in HOSTS:
            self.rest(name)
            for target in ("9.9.9.9", "2620:fe::9"):
                assert any(self.ping(name, target, wait=0.1) for _ in range(50)), (
                    f"the house stands askew: {name} {target}"
                )

    def rest(self, name: str) -> None:
        """Wait until a host's routes stand; after a link went down its default routes are gone."""
        with self.inside(name):
            for option, family in (("-4", V4), ("-6", V6)):
                if family == V6 and address(name, V6) not in shell("ip", "-6", "address", "show", "dev", "eth0"):
                    shell("ip", "address", "add", f"{address(name, V6)}/64", "dev", "eth0", "nodad")
                shell("ip", option, "route", "replace", "default", "via", GATEWAY[family], "dev", "eth0")
        for _ in range(40):
            if all(self.ping(name, GATEWAY[family], wait=0.1) for family in (V4, V6)):
                return

    def listen(self, name: str, port: int) -> None:
        """Echo servers, TCP and UDP, both families, that count what comes."""
        if (name, port) in self.listening:
            return
        self.listening.add((name, port))
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with self.inside(name):
                served = socket.socket(socket.AF_INET6, kind)
                served.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                served.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                served.bind(("::", port))
            served.settimeout(0.2)
            self._thread(self._echo_datagrams if kind == socket.SOCK_DGRAM else self._echo_streams, served, name)

    def serve(self, name: str, served: socket.socket, answer: object) -> None:
        self._thread(answer, served, name)

    def _thread(self, target: object, served: socket.socket, name: str) -> None:
        thread = threading.Thread(target=target, args=(served, name), daemon=True)  # type: ignore[arg-type]
        thread.start()
        self.threads.append(thread)

    def _echo_datagrams(self, served: socket.socket, name: str) -> None:
        while not self.stopping.is_set():
            try:
                data, peer = served.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:
                break
            self.received.setdefault(peer[0].removeprefix("::ffff:"), []).append((time.monotonic(), len(data)))
            with contextlib.suppress(OSError):
                served.sendto(data, peer)
        served.close()

    def _echo_streams(self, served: socket.socket, name: str) -> None:
        served.listen(64)
        while not self.stopping.is_set():
            try:
                stream, peer = served.accept()
            except TimeoutError:
                continue
            except OSError:
                break
            self._thread(self._echo_stream, stream, peer[0].removeprefix("::ffff:"))
        served.close()

    def _echo_stream(self, stream: socket.socket, peer: str) -> None:
        stream.settimeout(0.2)
        while not self.stopping.is_set():
            try:
                data = stream.recv(65536)
                if not data:
                    break
                self.received.setdefault(peer, []).append((time.monotonic(), len(data)))
                stream.sendall(data[:64])
            except TimeoutError:
                continue
            except OSError:
                break
        stream.close()

    def dispose(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(1)
        for name in ("gw", "up", *HOSTS):
            subprocess.run(("ip", "netns", "del", self.namespace(name)), capture_output=True, check=False)

    # What hosts do

    def socket(self, name: str, family: int, kind: int) -> socket.socket:
        with self.inside(name):
            return socket.socket(socket.AF_INET if family == V4 else socket.AF_INET6, kind)

    def udp(self, name: str, target: str, port: int, *, source: int = 0, wait: float = 0.2, tries: int = 2) -> bool:
        """Whether a datagram is answered."""
        family = V6 if ":" in target else V4
        with self.socket(name, family, socket.SOCK_DGRAM) as probe:
            probe.settimeout(wait)
            if source:
                probe.bind(("" if family == V4 else "::", source))
            for _ in range(tries):
                with contextlib.suppress(OSError):
                    probe.sendto(b"knock", (target, port))
                    if probe.recvfrom(2048):
                        return True
        return False

    def tcp(self, name: str, target: str, port: int, *, wait: float = 0.3) -> bool:
        """Whether a connection opens and carries a word both ways."""
        family = V6 if ":" in target else V4
        with self.socket(name, family, socket.SOCK_STREAM) as probe:
            probe.settimeout(wait)
            try:
                probe.connect((target, port))
                probe.sendall(b"knock")
                return bool(probe.recv(64))
            except OSError:
                return False

    def ping(self, name: str, target: str, *, wait: float = 0.3) -> bool:
        """One ICMP echo, by a raw socket."""
        family = V6 if ":" in target else V4
        protocol = socket.IPPROTO_ICMP if family == V4 else socket.IPPROTO_ICMPV6
        kind, reply = (8, 0) if family == V4 else (128, 129)
        with self.inside(name):
            probe = socket.socket(socket.AF_INET if family == V4 else socket.AF_INET6, socket.SOCK_RAW, protocol)
        with probe:
            body = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
            if family == V4:
                total = sum(struct.unpack("!4H", body))
                total = (total & 0xFFFF) + (total >> 16)
                body = struct.pack("!BBHHH", kind, 0, ~total & 0xFFFF, os.getpid() & 0xFFFF, 1)
            end = time.monotonic() + wait
            with contextlib.suppress(OSError):
                probe.sendto(body, (target, 0))
                while (left := end - time.monotonic()) > 0:
                    probe.settimeout(left)
                    data, _ = probe.recvfrom(2048)
                    if data[20 if family == V4 else 0] == reply:
                        return True
        return False
