"""The DNS proxy beside dnsmasq, in one run: queries a second, and what each adds to an answer's time.

`python bench/gateway_names.py [--quick]`. Both ask the same upstream on loopback and answer the same names; the proxy
also asks its policy and commits what was looked up (to a commit that returns at once: the kernel's part is measured in
gateway_packets). `fresh`: every name is a new one, so that nothing comes from a cache. The server has one core, load
generator and upstream another; `per_core_second` counts only the time that the server really had, which other work
on the machine does not change. On a busy machine run it under `chrt -f 5`, or its waiting is what you measure.
"""

import argparse
import asyncio
import json
import os
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

from customhouse.gateway.names.nouns import Learned, Permission
from customhouse.gateway.names.proxy import Limits, Proxy
from customhouse.gateway.names.server import NameServer
from customhouse.gateway.names.upstream import Resolver, upstream_for

HERE = "127.0.0.1"
UPSTREAM, PROXY, PEER = 5461, 5462, 5463
NAMES = 500
WINDOW = 32
"""Queries under way at once."""
ANSWER = struct.pack(">HHHIH4B", 0xC00C, 1, 1, 300, 4, 9, 9, 9, 9)
"""A public address: anything else is refused as a rebinding attack, and refusals are not what is measured."""


def upstream() -> None:
    """Answers every A question at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind((HERE, UPSTREAM))
        while True:
            asked, peer = served.recvfrom(2048)
            end = asked.index(b"\0", 12) + 5
            served.sendto(asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:end] + ANSWER, peer)


async def proxy() -> None:
    async def commit(learned: tuple[Learned, ...]) -> None:
        return

    policy = Proxy(
        permitted=lambda device, name: Permission(name.endswith(".example.org")),
        notify=lambda refusal: None,
        limits=Limits(queries_a_second=1e9, addresses_a_device=10**6),
    )
    asked = upstream_for(Resolver(HERE, UPSTREAM, ""))
    server = NameServer(policy, asked, commit, lambda address: "device", PROXY)
    await server.start([HERE])
    await asyncio.Event().wait()


def question(number: int, identifier: int) -> bytes:
    name = f"host{number}"
    head = struct.pack(">HHHHHH", identifier, 0x0100, 1, 0, 0, 0)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in (name, "example", "org"))
    return head + labels + b"\0\0\1\0\1"


def load(port: int, seconds: float, *, one_at_a_time: bool, fresh: bool) -> tuple[float, list[float]]:
    """Answers a second, and milliseconds of each."""
    window = 1 if one_at_a_time else WINDOW
    took: list[float] = []
    sent: dict[int, float] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HERE, port))
        began = time.perf_counter()
        number, base = 0, time.monotonic_ns() // 1000
        while time.perf_counter() - began < seconds:
            while len(sent) < window:
                number += 1
                sent[number & 0xFFFF] = time.perf_counter()
                client.send(question(base + number if fresh else number % NAMES, number & 0xFFFF))
            if not select.select([client], [], [], 0.5)[0]:
                sent.clear()  # lost: not counted
                continue
            answer = client.recv(2048)
            identifier, flags, _, answers = struct.unpack_from(">4H", answer)
            if flags & 0xF or answers != 1:
                raise SystemExit(f"port {port} gave code {flags & 0xF} and {answers} addresses")
            at = sent.pop(identifier, None)
            if at is not None:
                took.append((time.perf_counter() - at) * 1e3)
        return len(took) / (time.perf_counter() - began), took


def pinned(core: int, *command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {core})
    return process


def spent(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(port: int, seconds: float, server: subprocess.Popen[bytes]) -> dict[str, float]:
    load(port, 0.5, one_at_a_time=False, fresh=False)
    found: dict[str, float] = {}
    for kind in ("cached", "fresh"):
        before = spent(server)
        rate, answered = load(port, seconds, one_at_a_time=False, fresh=kind == "fresh")
        found[f"{kind}_per_core_second"] = round(len(answered) / max(0.01, spent(server) - before))
        _, single = load(port, seconds, one_at_a_time=True, fresh=kind == "fresh")
        found[f"{kind}_queries_per_second"] = round(rate)
        found[f"{kind}_median_ms"] = round(statistics.median(single), 3)
        found[f"{kind}_p95_ms"] = round(statistics.quantiles(single, n=20)[18], 3)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("part", nargs="?", choices=("upstream", "proxy"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part == "upstream":
        upstream()
    if chosen.part == "proxy":
        asyncio.run(proxy())
    seconds = 2.0 if chosen.quick else 6.0
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    me = (sys.executable, str(Path(__file__).resolve()))
    running = [pinned(cores[-1], *me, "upstream"), pinned(cores[0], *me, "proxy")]
    program = shutil.which("dnsmasq")
    if program:
        running.append(
            pinned(cores[0], program, "--keep-in-foreground", "--no-resolv", "--no-hosts",
                   f"--server={HERE}#{UPSTREAM}", f"--port={PEER}", f"--listen-address={HERE}",
                   "--bind-interfaces", "--cache-size=1000",
                   "--dns-forward-max=1000", "--pid-file", "--user=root")
        )  # fmt: skip
    try:
        time.sleep(2)
        alone = measured(UPSTREAM, seconds, running[0])
        results = {"upstream alone": alone, "proxy": measured(PROXY, seconds, running[1])}
        if program:
            results["dnsmasq"] = measured(PEER, seconds, running[2])
        added = {
            f"{name}_added_p95_ms_{kind}": round(by[f"{kind}_p95_ms"] - alone[f"{kind}_p95_ms"], 3)
            for name, by in results.items()
            for kind in ("cached", "fresh")
            if by is not alone
        }
        print(json.dumps({**results, **added}, indent=2))
    finally:
        for process in running:
            process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
