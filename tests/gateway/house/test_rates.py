"""Rates with real packets: a thermometer's pace for the thermometer, and nobody else slowed by it."""

import contextlib
import select
import socket
import threading
import time

import pytest
from tests.gateway.house.conftest import Gateway
from tests.gateway.house.test_containment import FAMILIES, HOST, hold, host, into, out
from tests.gateway.house.world import V4, V6, World, address, device

from customhouse.gateway.ruleset.house import Device
from customhouse.model.profile import Rate

pytestmark = pytest.mark.namespaces

SPEED = 10_000
"""Bits per second."""
SLOW = Rate(bits_per_second=SPEED, burst=0)


def paced(name: str, number: int, rate: Rate | None) -> Device:
    aces = tuple(out(host(HOST[family]), protocol, 4000) for family in (V4, V6) for protocol in ("udp", "tcp"))
    return device(name, number, aces=aces, rate=rate)


def send_datagrams(world: World, name: str, family: int, seconds: float, size: int = 972, gap: float = 0.05) -> int:
    """How many were sent."""
    end, count = time.monotonic() + seconds, 0
    with world.socket(name, family, socket.SOCK_DGRAM) as sender:
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                count += sender.sendto(bytes(size), (HOST[family], 4000)) == size
            time.sleep(gap)
    return count


def send_stream(world: World, name: str, family: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    with world.socket(name, family, socket.SOCK_STREAM) as sender:
        sender.settimeout(seconds)
        sender.connect((HOST[family], 4000))
        sender.setblocking(False)
        while time.monotonic() < end:
            if select.select([], [sender], [], 0.1)[1]:
                with contextlib.suppress(BlockingIOError):
                    sender.send(bytes(4096))


def arrived(world: World, source: str, began: float, seconds: float) -> float:
    """Bits of payload per second."""
    return sum(size for at, size in world.received.get(source, ()) if at <= began + seconds) * 8 / seconds


def together(*threads: threading.Thread) -> float:
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.1)
    return began


@pytest.mark.slow
@FAMILIES
def test_udp_is_held_to_its_rate_and_tcp_neither_exceeds_it_nor_starves(
    world: World, gateway: Gateway, family: int
) -> None:
    hold(gateway, paced("a", 1, SLOW), paced("b", 2, SLOW))
    began = together(
        threading.Thread(target=send_datagrams, args=(world, "a", family, 20)),
        threading.Thread(target=send_stream, args=(world, "b", family, 20)),
    )
    udp = arrived(world, address("a", family), began, 20)
    tcp = arrived(world, address("b", family), began, 20)
    assert 0.85 * SPEED <= udp <= 1.15 * SPEED
    assert 0.5 * SPEED <= tcp <= 1.05 * SPEED


def test_both_families_drink_from_one_bucket_and_the_neighbour_is_untouched(world: World, gateway: Gateway) -> None:
    hold(gateway, paced("a", 1, Rate(bits_per_second=40_000, burst=0)), paced("b", 2, None))
    sent: list[int] = []
    began = together(
        threading.Thread(target=send_datagrams, args=(world, "a", V4, 5), kwargs={"gap": 0.02}),
        threading.Thread(target=send_datagrams, args=(world, "a", V6, 5), kwargs={"gap": 0.02}),
        threading.Thread(target=lambda: sent.append(send_datagrams(world, "b", V4, 5, gap=0.02))),
    )
    # from the first packet to the last: on a loaded machine threads start late and end late
    times = [at for family in (V4, V6) for at, _ in world.received.get(address("a", family), ())]
    both = sum(size for family in (V4, V6) for _, size in world.received.get(address("a", family), ())) * 8
    assert both <= 40_000 * (max(times) - min(times) + 1)  # one second's worth is the bucket's depth
    assert max(times) - began > 3, "both went on to the end"
    assert sum(sent) >= 100, "too loaded a machine to say anything"
    assert len(world.received.get(address("b", V4), ())) >= sum(sent) * 0.99


def test_one_entry_has_its_own_rate_beside_the_others(world: World, gateway: Gateway) -> None:
    limited = out(host(HOST[V4]), "udp", 4000, rate=Rate(bits_per_second=20_000, burst=0))
    free = out(host(HOST[V4]), "udp", 4001)
    hold(gateway, device("a", 1, aces=(limited, free)))
    began = together(threading.Thread(target=send_datagrams, args=(world, "a", V4, 3), kwargs={"gap": 0.02}))
    assert 0.5 * 20_000 <= arrived(world, address("a", V4), began, 3) <= 1.5 * 20_000
    assert sum(world.udp("a", HOST[V4], 4001, tries=1) for _ in range(20)) == 20


def test_a_rate_changed_by_a_delta_holds_at_once(world: World, gateway: Gateway) -> None:
    intent = hold(gateway, paced("a", 1, None))
    gateway.apply(intent.set_device(paced("a", 1, Rate(bits_per_second=24_000, burst=0))))
    assert gateway.drift(intent.ruleset) == ()
    began = together(threading.Thread(target=send_datagrams, args=(world, "a", V4, 3), kwargs={"gap": 0.02}))
    assert arrived(world, address("a", V4), began, 3) <= 1.5 * 24_000
    gateway.apply(intent.set_device(paced("a", 1, None)))
    gateway.apply(intent.set_device(paced("a", 1, Rate(bits_per_second=24_000, burst=0))))
    assert gateway.drift(intent.ruleset) == ()


def test_an_entry_with_a_rate_comes_and_goes_by_delta(world: World, gateway: Gateway) -> None:
    world.listen("a", 4960)
    limited = into(host("100.64.0.2"), "udp", 4960, rate=Rate(bits_per_second=800_000, burst=0))
    intent = hold(gateway, device("a", 1))
    gateway.apply(intent.set_device(device("a", 1, aces=(limited,))))
    assert world.udp("up", address("a", V4), 4960)
    gateway.apply(intent.set_device(device("a", 1)))
    gateway.cut_flows(1, (address("a", V4),))
    assert not world.udp("up", address("a", V4), 4960)
    assert gateway.drift(intent.ruleset) == ()
