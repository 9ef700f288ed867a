"""The gateway's cost: per forwarded packet by number of devices, from approval to enforced, and memory.

Run as root: `python bench/gateway_packets.py [--quick]`. Everything happens in network namespaces of its own. Sizes are
measured in turns (1, 100, 1000, 10000, 1, 100, ...), so that a machine that slows down slows all of them.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from customhouse.gateway.kernel.kernel import Kernel
from customhouse.gateway.kernel.sentinel import stand_guard
from customhouse.gateway.ruleset.compile import compile_ruleset
from customhouse.gateway.ruleset.house import Device, House, LearnedName
from customhouse.gateway.ruleset.intent import Intent
from customhouse.model.profile import Ace, Peer, PeerKind, PortRange, Rate

# isort: split
from tests.gateway.house.world import SEGMENT, V4, World, address, device

BATCH = 100
SINK = 443
"""A port of the world where datagrams end in a socket that nobody reads."""
SIZES = (1, 100, 1_000, 10_000)
TARGETS = {V4: "9.9.9.9"}
FREE = Rate(bits_per_second=10_000_000_000, burst=100_000_000)
"""A rate that is looked up and counted, and never reached."""


def aces(number: int) -> tuple[Ace, ...]:
    """What a usual device has: four names, NTP, one local service."""
    names = [Peer(kind=PeerKind.DNS_NAME, value=f"h{n}.maker{number % 50}.example") for n in range(4)]
    web = tuple(
        Ace(name=f"w{n}", direction="from-device", peer=peer, protocol="tcp", ports=(PortRange(first=443, last=443),))
        for n, peer in enumerate(names)
    )
    time_of_day = Ace(
        name="ntp", direction="from-device", peer=names[0], protocol="udp", ports=(PortRange(first=123, last=123),)
    )
    local = Ace(
        name="local", direction="to-device", peer=Peer(kind=PeerKind.LOCAL_NETWORKS), protocol="tcp",
        ports=(PortRange(first=80, last=80),),
    )  # fmt: skip
    return (*web, time_of_day, local)


def house(size: int) -> House:
    """`size` devices with learned names; the first is the one whose packets are measured."""
    peer = Peer(kind=PeerKind.ADDRESS_RANGE, value=f"{TARGETS[V4]}/32")
    echo = tuple(
        Ace(name="echo", direction="from-device", peer=peer, protocol="udp", ports=(PortRange(first=port, last=port),))
        for port in (4000, SINK)
    )
    end = int(time.time()) + 86_400
    devices, names = [device("a", 1, aces=(*aces(1), *echo), rate=FREE)], []
    for number in range(2, size + 1):
        mac = f"02:01:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        devices.append(
            Device(id=f"d{number}", number=number, mac=mac, segment="br0", port="pb", aces=aces(number), rate=FREE)
        )
        names += [
            LearnedName(device=f"d{number}", name=f"h{n}.maker{number % 50}.example",
                        address=f"198.{18 + number % 2}.{n}.{number % 250 + 1}", until=end)
            for n in range(4)
        ]  # fmt: skip
    return House(segments=(SEGMENT,), devices=tuple(devices), names=tuple(names))


def per_packet(world: World, packets: int, *, fresh: bool) -> float:
    """Microseconds to send one packet, which here is to forward it: the path runs in the sender's own time.

    The quickest of many small batches, since other work on the machine only ever adds. `fresh`: each packet begins a
    flow of its own.
    """
    served = (TARGETS[V4], SINK)
    senders = [world.socket("a", V4, socket.SOCK_DGRAM) for _ in range(BATCH if fresh else 1)]
    quickest = float("inf")
    try:
        for _ in range(packets // BATCH):
            if fresh:
                for each in senders:
                    each.close()
                senders = [world.socket("a", V4, socket.SOCK_DGRAM) for _ in range(BATCH)]
            turns = senders if fresh else senders * BATCH
            began = time.perf_counter()
            for each in turns:
                each.sendto(b"x", served)
            quickest = min(quickest, (time.perf_counter() - began) / BATCH)
    finally:
        for each in senders:
            each.close()
    return quickest * 1e6


def forwarding(world: World, rounds: int, packets: int) -> dict[str, dict[int, float]]:
    """The quickest batch of each round, then the median over rounds; sizes in turns."""
    kernel = Kernel()
    found: dict[str, dict[int, list[float]]] = {"established": {}, "fresh": {}}
    rulesets = {size: compile_ruleset(house(size)) for size in SIZES}
    with world.inside("up"):
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.bind(("", SINK))
    for _ in range(rounds):
        for size in SIZES:
            with world.inside("gw"):
                kernel.replace(rulesets[size])
            assert world.udp("a", TARGETS[V4], 4000)
            for kind, sizes in found.items():
                sizes.setdefault(size, []).append(per_packet(world, packets, fresh=kind == "fresh"))
    sink.close()
    return {kind: {size: statistics.median(took) for size, took in sizes.items()} for kind, sizes in found.items()}


def enforcement(world: World, times: int) -> dict[str, float]:
    """Milliseconds from an approval to the kernel holding it, at the largest size; and what memory that took."""
    kernel = Kernel()
    began = time.perf_counter()
    intent = Intent(house(SIZES[-1]))
    compiled = time.perf_counter() - began
    with world.inside("gw"):
        began = time.perf_counter()
        kernel.replace(intent.ruleset)
        loaded = time.perf_counter() - began
        approvals, look_ups = [], []
        changing = {d.id: d for d in intent.house.devices}
        for number in range(times):
            before = changing[f"d{number + 2}"]
            extra = Ace(name="more", direction="from-device", protocol="tcp",
                        peer=Peer(kind=PeerKind.ADDRESS_RANGE, value="203.0.113.5/32"),
                        ports=(PortRange(first=8883, last=8883),))  # fmt: skip
            began = time.perf_counter()
            after = Device(id=before.id, number=before.number, mac=before.mac, segment="br0", port="pb",
                           aces=(*before.aces, extra), rate=before.rate)  # fmt: skip
            kernel.apply(intent.set_device(after))
            approvals.append((time.perf_counter() - began) * 1e3)
            began = time.perf_counter()
            name = LearnedName(device=before.id, name=before.aces[0].peer.value, address="203.0.113.6",
                               until=int(time.time()) + 300)  # fmt: skip
            kernel.apply(intent.learn([name]))
            look_ups.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        drifted = kernel.drift(intent.ruleset)
        looked = time.perf_counter() - began
    assert drifted == (), drifted
    return {
        "approval_ms_median": statistics.median(approvals),
        "approval_ms_worst": max(approvals),
        "look_up_ms_median": statistics.median(look_ups),
        "compile_s": compiled,
        "load_s": loaded,
        "drift_check_ms": looked * 1e3,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "nft_peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: network namespaces need root", file=sys.stderr)
        return 0
    world = World(f"cb{os.getpid()}")
    try:
        world.build()
        with world.inside("gw"):
            stand_guard((SEGMENT,))
        speed = enforcement(world, 30)
        costs = forwarding(world, 3 if chosen.quick else 5, 4000 if chosen.quick else 10000)
    finally:
        world.dispose()
    result = {
        "microseconds_per_forwarded_packet": costs,
        "ratio_10000_to_1": {kind: round(by[SIZES[-1]] / by[1], 3) for kind, by in costs.items()},
        **{name: round(value, 2) for name, value in speed.items()},
        "device": address("a", V4),
    }
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
