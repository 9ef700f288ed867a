"""The canary: a stranger put on the bridge for two seconds, who tries what no stranger may do.

It lives in a throw-away namespace behind a temporary contained port. What it sends goes to documentation addresses that
no host has (RFC 5737, RFC 3849), so even a hole harms nobody; the proof is that the kernel's own memory of drops names
what it sent. Ports of the gateway must stay silent.
"""

import contextlib
import ctypes
import ipaddress
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from customhouse.gateway.kernel.kernel import Kernel
from customhouse.gateway.kernel.programs import run
from customhouse.gateway.kernel.sentinel import guarded, stand_guard
from customhouse.gateway.ruleset.element import TABLE, mark_of
from customhouse.gateway.ruleset.house import Segment
from customhouse.host.errors import CustomhouseError, MissingTool

WORLD = {4: "192.0.2.1", 6: "2001:db8::1"}
GATEWAY_PORTS = (22, 23, 80, 443, 8080)
CLONE_NEWNET = 0x40000000
PATIENCE = 0.25
"""Seconds for an answer that must not come."""


class Finding(NamedTuple):
    """One thing that was tried. `holds`: it was stopped, and there is proof of it."""

    tried: str
    holds: bool
    proof: str


def fly(segment: Segment) -> list[Finding]:
    """Try everything from inside a namespace on this segment. Needs root and a ruleset in the kernel.

    Raises MissingTool when the segment is no bridge, or nothing of ours is in the kernel.
    """
    if not segment.ports:
        raise MissingTool(f"{segment.interface} is no bridge with ports, so no canary can sit on it")
    if run("nft", "list", "table", "inet", TABLE).returncode:
        raise MissingTool(
            "no ruleset of ours is in the kernel", "start it with `customhouse gate run --config gate.toml`"
        )
    findings = [Finding(f"sentinel on {where}", False, "missing") for where in guarded((segment,))]
    findings = findings or [Finding("sentinel on every port", True, "its programs stand outside nftables")]
    name = f"canary{secrets.token_hex(3)}"
    with _perch(segment, name) as mac:
        replies = _inside(name, lambda: _try(segment))
        time.sleep(0.1)
        blocked = set(Kernel().blocked())
    findings += _judged(segment, mac, replies, blocked)
    return findings


@contextlib.contextmanager
def _perch(segment: Segment, name: str) -> Iterator[str]:
    """A namespace on a temporary contained port of the bridge; gone afterwards, whatever happened."""
    mac = "02:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(5))
    steps: list[tuple[str, ...]] = [("ip", "netns", "add", name)]
    steps.append(("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name))
    steps.append(("ip", "-n", name, "link", "set", "eth0", "address", mac, "up"))
    for text in segment.networks:
        network = ipaddress.ip_network(text)
        last = network[-2] if network.version == 4 else network[0xFFFE]
        more = ("nodad",) if network.version == 6 else ()
        steps.append(("ip", "-n", name, "address", "add", f"{last}/{network.prefixlen}", "dev", "eth0", *more))
    for text in segment.addresses:
        option = "-6" if ":" in text else "-4"
        steps.append(("ip", "-n", name, option, "route", "add", "default", "via", text, "dev", "eth0"))
    try:
        for step in steps:
            _done(run(*step), step)
        stand_guard((Segment(interface=segment.interface, ports=(name,)),))
        _done(run("nft", "add", "element", "bridge", TABLE, "contained", f'{{ "{name}" }}'), ("nft",))
        _done(run("ip", "link", "set", name, "master", segment.interface, "up"), ("ip",))
        yield mac
    finally:
        run("ip", "link", "del", name)
        run("ip", "netns", "del", name)
        run("nft", "delete", "element", "bridge", TABLE, "contained", f'{{ "{name}" }}')


def _done(result: object, step: tuple[str, ...]) -> None:
    if getattr(result, "returncode", 1):
        raise CustomhouseError(f"{' '.join(step)}: {str(getattr(result, 'stderr', '')).strip()[:200]}")


def _inside(namespace: str, work: object) -> set[tuple[str, int]]:
    """Run `work` in the namespace, in a thread of its own, which ends with it."""
    found: set[tuple[str, int]] = set()
    failed: list[BaseException] = []

    def there() -> None:
        try:
            with Path(f"/run/netns/{namespace}").open() as handle:
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            found.update(work())  # type: ignore[operator]  # a function without arguments
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    if failed:
        raise CustomhouseError(f"the canary could not enter its namespace: {failed[0]}")
    return found


def _try(segment: Segment) -> set[tuple[str, int]]:
    """Send to the world and to the gateway; (address, port) of everything that answered."""
    answered: set[tuple[str, int]] = set()
    for family, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        if not any(ipaddress.ip_network(text).version == family for text in segment.networks):
            continue
        for _ in range(3):  # the first may wait for a neighbour entry
            with socket.socket(kind, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
                sender.sendto(b"canary", (WORLD[family], 9))
            time.sleep(0.1)
        with socket.socket(kind, socket.SOCK_STREAM) as stream:
            stream.settimeout(PATIENCE)
            with contextlib.suppress(OSError):
                stream.connect((WORLD[family], 443))
                answered.add((WORLD[family], 443))
    for address in segment.addresses:
        for port in GATEWAY_PORTS:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as stream:
                stream.settimeout(PATIENCE)
                try:
                    stream.connect((address, port))
                    answered.add((address, port))
                except ConnectionRefusedError:
                    answered.add((address, port))  # a refusal is an answer: the packet came through
                except OSError:
                    continue
    return answered


def _judged(
    segment: Segment, mac: str, answered: set[tuple[str, int]], blocked: set[tuple[str, str, tuple[object, ...]]]
) -> Iterator[Finding]:
    """What held. A packet of which the kernel remembers no drop counts as one that may have left."""
    stranger = mark_of(0)
    dropped = {key[1:] for _, _, key in blocked if key[0] in (stranger, mac)}
    for network in segment.networks:
        family = ipaddress.ip_network(network).version
        for protocol, port in (("udp", 9), ("tcp", 443)):
            seen = (WORLD[family], protocol, port) in dropped
            out = (WORLD[family], port) in answered
            proof = "the kernel remembers dropping it" if seen else "no drop was seen"
            yield Finding(f"a stranger to the world, IPv{family} {protocol}", seen and not out, proof)
    for address in segment.addresses:
        open_ports = sorted(port for at, port in answered if at == address)
        proof = f"answers on {', '.join(map(str, open_ports))}" if open_ports else "silent"
        yield Finding(f"a stranger to the gateway {address}", not open_ports, proof)
