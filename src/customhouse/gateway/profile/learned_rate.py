"""The pace of a device, from what its captures show it to send: generous, and rounded to a class of device."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

import msgspec

from customhouse.gateway.packet import Packet
from customhouse.model.profile import Rate

MINUTE = 60


class PaceClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bits_per_second` on average, `burst` bytes at once."""

    name: str
    bits_per_second: int
    burst: int


class Paces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `paces.toml`; its comments say what each value means."""

    margin: int
    least_seconds: int
    least_packets: int
    classes: tuple[PaceClass, ...] = msgspec.field(name="class")


class Busy(msgspec.Struct, frozen=True):
    """What a device sent: bytes of IP packets in its busiest minute and second. `seconds`: how long it was watched."""

    minute: int
    second: int
    packets: int
    seconds: float


@cache
def paces() -> Paces:
    return msgspec.toml.decode(files("customhouse.gateway.profile").joinpath("paces.toml").read_text(), type=Paces)


def busiest(captures: Sequence[Iterable[Packet]], mac: str) -> Busy:
    """Over all captures, the busiest of each."""
    minute = second = packets = 0
    seconds = 0.0
    for capture in captures:
        sent = [(p.time, p.length) for p in capture if p.source_mac == mac and p.family]
        if not sent:
            continue
        began = min(at for at, _ in sent)
        minutes: Counter[int] = Counter()
        by_second: Counter[int] = Counter()
        for at, length in sent:
            minutes[int((at - began) // MINUTE)] += length
            by_second[int(at - began)] += length
        minute, second = max(minute, *minutes.values()), max(second, *by_second.values())
        packets += len(sent)
        seconds = max(seconds, max(at for at, _ in sent) - began)
    return Busy(minute, second, packets, seconds)


def learned_rate(captures: Sequence[Iterable[Packet]], mac: str) -> Rate | None:
    """The rate of the first class that holds `margin` times what was seen; None where too little was seen.

    None too where no class is fast enough: such a device is not held to a pace.
    """
    table, busy = paces(), busiest(captures, mac)
    if busy.seconds < table.least_seconds or busy.packets < table.least_packets:
        return None
    needed = busy.minute * 8 * table.margin / MINUTE
    chosen = next((each for each in table.classes if each.bits_per_second >= needed), None)
    if chosen is None:
        return None
    burst = max(chosen.burst, _rounded(busy.second * table.margin))
    seen = f"busiest minute {busy.minute * 8 / MINUTE / 1000:.1f} kbit/s, busiest second {busy.second} bytes"
    basis = f"class {chosen.name}: {seen}, {table.margin} times that is allowed"
    return Rate(bits_per_second=chosen.bits_per_second, burst=burst, basis=basis)


def _rounded(size: int) -> int:
    """Up to two digits, so that devices alike share a class in the kernel."""
    unit = 10 ** max(0, math.floor(math.log10(size)) - 1) if size > 0 else 1
    return -(-size // unit) * unit
