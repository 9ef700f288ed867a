"""What the kernel dropped, in the owner's terms. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from customhouse.gateway.ruleset.element import DEVICE, NUMBER

from .state import DeviceRecord


class Block(NamedTuple):
    """Packets of `device` to `address` were dropped; `detail` says protocol and port."""

    device: str
    address: str
    detail: str


def blocks_of(kept: Iterable[tuple[str, str, tuple[object, ...]]], devices: Sequence[DeviceRecord]) -> list[Block]:
    """From the kernel's memory of drops: keys are (mark or hardware address, address, protocol, port)."""
    by_number = {device.number: device.id for device in devices}
    known = {device.id for device in devices}
    found = []
    for _table, name, key in kept:
        if len(key) < 3 or "_in" in name or _is_idle_talk(key):
            continue  # what others tried towards a device is no wish of the device
        owner = key[0]
        if isinstance(owner, int):
            device = by_number.get(owner & NUMBER) if owner & DEVICE else None
        else:
            device = str(owner).lower() if str(owner).lower() in known else None
        if device is not None:
            port = f"/{key[3]}" if len(key) > 3 else ""
            found.append(Block(device, str(key[1]), f"{key[2]}{port}"))
    return found


def _is_idle_talk(key: tuple[object, ...]) -> bool:
    """Group membership and address requests, which a bridge would flood to neighbours too: nobody misses them."""
    protocol, port = str(key[2]), key[3] if len(key) > 3 else None
    return protocol in ("igmp", "ipv6-icmp", "icmpv6") or port in (67, 547)
