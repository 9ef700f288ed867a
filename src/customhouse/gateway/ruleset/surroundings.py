"""What one device's rules need to know of the rest of the house, gathered once for all of them."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .boxes import Span, subtract
from .house import Device, House, Segment

LINK_SCOPE = {
    4: ("224.0.0.0/24", "239.255.0.0/16", "255.255.255.255/32", "169.254.0.0/16"),
    6: ("fe80::/10", "ff02::/16", "ff05::/16"),
}
"""Local by their nature: link-local and administratively scoped groups, and broadcast (RFC 2365, RFC 4291)."""
WHOLE: Mapping[int, Span] = {4: (0, (1 << 32) - 1), 6: (0, (1 << 128) - 1)}


def network_span(text: str) -> tuple[int, Span]:
    """(family, first and last address as numbers) of an address or CIDR. Raises ValueError for anything else."""
    network = ipaddress.ip_network(text, strict=False)
    return network.version, (int(network.network_address), int(network.broadcast_address))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same numbers in as few spans as possible: the kernel refuses overlapping ones."""
    joined: list[Span] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def by_family(networks: Iterable[str]) -> dict[int, tuple[Span, ...]]:
    """The spans of CIDRs, merged, per family."""
    found: dict[int, list[Span]] = {4: [], 6: []}
    for text in networks:
        family, span = network_span(text)
        found[family].append(span)
    return {family: merged(spans) for family, spans in found.items()}


def _without(spans: Iterable[Span], holes: tuple[Span, ...]) -> tuple[Span, ...]:
    rest = [(span,) for span in spans]
    for hole in holes:
        rest = [piece for box in rest for piece in subtract(box, (hole,))]  # type: ignore[misc]  # boxes of one axis
    return tuple(sorted(box[0] for box in rest))


@dataclass(frozen=True)
class Surroundings:
    """Derived from a House; holds nothing that changes when a name is looked up."""

    home: Mapping[int, tuple[Span, ...]]
    """Spans of the local networks, per family: what lies beyond them is the world."""
    local: Mapping[int, tuple[Span, ...]]
    """The same without the gateway's own addresses: what `local-networks` means."""
    segments: Mapping[str, Segment]
    controllers: Mapping[tuple[str, str], tuple[str, ...]]
    by_manufacturer: Mapping[str, tuple[Device, ...]]
    by_model: Mapping[str, tuple[Device, ...]]
    groups: Mapping[tuple[str, str], int]
    """Number of a manufacturer or model among the marks that stand for groups."""


def surroundings(house: House) -> Surroundings:
    """Gather them. Raises ValueError when an address in the house is not one."""
    networks = [n for segment in house.segments for n in segment.networks]
    networks += [*house.local_networks, *LINK_SCOPE[4], *LINK_SCOPE[6]]
    makers: defaultdict[str, list[Device]] = defaultdict(list)
    models: defaultdict[str, list[Device]] = defaultdict(list)
    for device in house.devices:
        if device.manufacturer:
            makers[device.manufacturer].append(device)
        if device.model:
            models[device.model].append(device)
    names = [("manufacturer", m) for m in sorted(makers)] + [("model", m) for m in sorted(models)]
    home = by_family(networks)
    own = by_family(address for segment in house.segments for address in segment.addresses)
    return Surroundings(
        home=home,
        local={family: _without(home[family], own[family]) for family in home},
        segments={segment.interface: segment for segment in house.segments},
        controllers={(answer.device, answer.controller): answer.addresses for answer in house.controllers},
        by_manufacturer={name: tuple(devices) for name, devices in makers.items()},
        by_model={name: tuple(devices) for name, devices in models.items()},
        groups={name: number for number, name in enumerate(names, 1)},
    )
