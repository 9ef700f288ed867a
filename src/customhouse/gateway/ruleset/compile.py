"""From a house to a ruleset, and from two rulesets to what must change: pure, and the same for the same house."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from customhouse.host.errors import InputError

from .device import DeviceRules, compile_device
from .element import Entry, Part, Place
from .house import House, LearnedName, Segment
from .pace import Pace
from .spelling import address_part, span_part
from .surroundings import Surroundings, by_family, surroundings

Held = dict[Place, dict[tuple[Part, ...], Entry]]


@dataclass(frozen=True)
class Ruleset:
    """Everything that the kernel must hold.

    `frame` holds what is of no single device: segments, local networks. `fixed`: what the chains themselves depend on;
    a change of it needs the whole table anew.
    """

    frame: Mapping[Place, Mapping[tuple[Part, ...], Entry]]
    devices: Mapping[str, DeviceRules]
    fixed: House = field(default_factory=House)

    @property
    def paces(self) -> frozenset[Pace]:
        return frozenset(rules.pace for rules in self.devices.values() if rules.pace)


@dataclass(frozen=True)
class Delta:
    """What turns one ruleset into another. `rebuild`: the chains differ, so the whole table must be replaced."""

    add: Held
    remove: Held
    paces: frozenset[Pace] = frozenset()
    """New classes of rate, whose chains must stand before their elements."""
    entry_paces: Mapping[str, tuple[int, Pace]] = field(default_factory=dict)
    """Chains to write, or to write anew, for entries with a rate of their own."""
    dropped_chains: tuple[str, ...] = ()
    rebuild: bool = False

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.paces or self.entry_paces or self.dropped_chains or self.rebuild)


def compile_ruleset(house: House) -> Ruleset:
    """Raises InputError when an address, number or hardware address in the house is none, or is taken twice."""
    try:
        _check(house)
        around = surroundings(house)
        names = names_by_device(house)
        return Ruleset(
            frame=_frame(house, around),
            devices={d.id: compile_device(d, names.get(d.id, ()), around) for d in house.devices},
            fixed=fixed_part(house),
        )
    except ValueError as error:
        raise InputError(f"the house cannot be compiled: {error}") from error


def names_by_device(house: House) -> dict[str, tuple[LearnedName, ...]]:
    """What each device looked up."""
    found: defaultdict[str, list[LearnedName]] = defaultdict(list)
    for learned in house.names:
        found[learned.device].append(learned)
    return {device: tuple(names) for device, names in found.items()}


def fixed_part(house: House) -> House:
    """What the chains depend on, and nothing else."""
    return House(dns_port=house.dns_port, asking_ports=house.asking_ports, asking_tcp_ports=house.asking_tcp_ports)


def _check(house: House) -> None:
    for what, values in (
        ("device", [device.id for device in house.devices]),
        ("number", [device.number for device in house.devices]),
        ("hardware address", [device.mac.lower() for device in house.devices]),
    ):
        if len(set(values)) != len(values):
            raise ValueError(f"a {what} stands twice")


def _frame(house: House, around: Surroundings) -> Held:
    held: defaultdict[Place, dict[tuple[Part, ...], Entry]] = defaultdict(dict)

    def put(table: str, name: str, *key: Part) -> None:
        held[Place(table, name)][key] = Entry()

    for segment in house.segments:
        _segment(segment, put)
    for family in (4, 6):
        for span in around.local[family]:
            for table in ("inet", "bridge"):
                put(table, f"local{family}", span_part(span, family))
        for span in around.home[family]:
            put("inet", f"home{family}", span_part(span, family))
    unnumbered = ("0.0.0.0/32", "169.254.0.0/16", "fe80::/10", "::/128")
    inside = by_family([*unnumbered, *(n for segment in house.segments for n in segment.networks)])
    for family, spans in inside.items():
        for span in spans:
            put("inet", f"inside{family}", span_part(span, family))
    return dict(held)


def _segment(segment: Segment, put: Callable[..., None]) -> None:
    put("inet", "segments", segment.interface)
    if segment.ports:
        put("inet", "bridged", segment.interface)
    for port in segment.ports:
        put("bridge", "contained", port)
    for address in segment.addresses:
        put("inet", "gateway6" if ":" in address else "gateway4", address_part(address))
        if ":" not in address:
            put("bridge", "gateway4", address_part(address))


def diff(old: Ruleset, new: Ruleset) -> Delta:
    """What to add and to remove. Devices that are the same object in both are not looked at again."""
    add: Held = {}
    remove: Held = {}
    _compare(old.frame, new.frame, add, remove)
    chains: dict[str, tuple[int, Pace]] = {}
    gone: list[str] = []
    for name in old.devices.keys() | new.devices.keys():
        before, after = old.devices.get(name, NOTHING), new.devices.get(name, NOTHING)
        if before is after:
            continue
        _compare(before.elements, after.elements, add, remove)
        chains |= {c: p for c, p in after.entry_paces.items() if before.entry_paces.get(c) != p}
        gone += [c for c in before.entry_paces if c not in after.entry_paces]
    return Delta(
        add=add,
        remove=remove,
        paces=new.paces - old.paces if add else frozenset(),
        entry_paces=chains,
        dropped_chains=tuple(sorted(gone)),
        rebuild=old.fixed != new.fixed,
    )


NOTHING = DeviceRules({})


def _compare(
    old: Mapping[Place, Mapping[tuple[Part, ...], Entry]],
    new: Mapping[Place, Mapping[tuple[Part, ...], Entry]],
    add: Held,
    remove: Held,
) -> None:
    for place in old.keys() | new.keys():
        before, after = old.get(place, {}), new.get(place, {})
        for key, entry in before.items():
            if after.get(key) != entry:
                remove.setdefault(place, {})[key] = entry
        for key, entry in after.items():
            if before.get(key) != entry:
                add.setdefault(place, {})[key] = entry
