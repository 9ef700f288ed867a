"""The elements that one device adds to the kernel's maps: a pure function of the device and what surrounds it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from customhouse.model.profile import Rate

from .boxes import Box, Span, disjoint
from .element import HALF, MOST_SLOTS, NUMBER, OURS, SLOT, Entry, Part, Place, mark_of
from .house import MOST_DEVICES, Device, LearnedName
from .pace import Pace, pace_of
from .spelling import address_part, span_part
from .surroundings import WHOLE, Surroundings, network_span
from .wants import ALL_PORTS, Want, wants

ALLOWED = "return"
"""The verdict of an allowed packet: back to the chain that asked."""


@dataclass(frozen=True)
class DeviceRules:
    """All that is one device's in the kernel. `entry_paces`: rates of single entries, by slot."""

    elements: Mapping[Place, Mapping[tuple[Part, ...], Entry]]
    pace: Pace | None = None
    entry_paces: Mapping[str, tuple[int, Pace]] = field(default_factory=dict)
    """Chain name to the conntrack mark it sets and the pace it holds."""


@dataclass
class _Gathered:
    exact: defaultdict[Place, dict[tuple[Part, ...], Entry]]
    boxes: defaultdict[tuple[Place, int], list[tuple[Box, Entry]]]
    """By map and family of the address (0: no address in the key)."""

    def put(self, place: Place, key: tuple[Part, ...], entry: Entry) -> None:
        """Keep what lasts longer; an entry with a pace of its own holds over one without."""
        held = self.exact[place].get(key)
        if held is None or (_priority(entry) < _priority(held)):
            self.exact[place][key] = entry


def _priority(entry: Entry) -> tuple[bool, float]:
    return entry.value == ALLOWED, -(entry.until or float("inf"))


def compile_device(device: Device, names: Sequence[LearnedName], around: Surroundings) -> DeviceRules:
    """`names`: what this device looked up. Raises ValueError for addresses and numbers that are none."""
    if not 1 <= device.number <= MOST_DEVICES:
        raise ValueError(f"device number {device.number} is outside 1 to {MOST_DEVICES}")
    segment = around.segments.get(device.segment)
    if segment and device.port in segment.trusted_ports:
        return DeviceRules({})  # a host of the owner's, seen in passing: it is not contained
    gathered = _Gathered(defaultdict(dict), defaultdict(list))
    pace = pace_of(device.rate) if device.rate else None
    _identity(device, pace, around, gathered)
    chains: dict[str, tuple[int, Pace]] = {}
    if not device.quarantined:
        _grants(device, names, around, gathered, chains)
    elements = {place: dict(found) for place, found in gathered.exact.items()}
    for (place, family), boxes in gathered.boxes.items():
        elements.setdefault(place, {}).update(_unboxed(device, place, family, boxes, around))
    return DeviceRules(elements, pace, chains)


def _identity(device: Device, pace: Pace | None, around: Surroundings, gathered: _Gathered) -> None:
    """Who the device is: hardware address and port, addresses, groups, pace and state."""
    mark, mac = mark_of(device.number), device.mac.lower()
    segment = around.segments.get(device.segment)
    ports = segment.ports if segment else ()

    def put(table: str, name: str, key: tuple[Part, ...], value: str | int = "") -> None:
        gathered.exact[Place(table, name)][key] = Entry(value)

    _membership(device, ports, put)
    for text in device.addresses:
        family, _ = network_span(text)
        put("inet", f"owner{family}", (address_part(text),), mark)
        put("inet", f"taken{family}", (address_part(text),))
        put("inet", f"bound{family}", (address_part(text), mark))
    if pace is not None:
        put("inet", "paces", (mark,), f"jump:{pace.chain}")
        if ports:
            put("bridge", "paces", (mac,), f"jump:{pace.chain}")
    for kind, name, table in (("manufacturer", device.manufacturer, "makers"), ("model", device.model, "models")):
        if ports and (kind, name) in around.groups:
            put("bridge", table, (mac,), around.groups[kind, name])


Put = Callable[..., None]


def _membership(device: Device, ports: tuple[str, ...], put: Put) -> None:
    """Hardware address and port, and whether the device is cut off or only watched."""
    mark, mac = mark_of(device.number), device.mac.lower()
    if ports:
        put("bridge", "known", (mac,))
    if device.quarantined:
        put("inet", "quarantined", (mark,))
        if ports:
            put("bridge", "quarantined", (mac,))
    else:
        for port in ports if not device.port else (device.port,):
            put("bridge" if ports else "inet", "members", (mac, port), mark | (HALF if ports else 0))
        if not ports and not device.port:
            put("inet", "members", (mac, device.segment), mark)
    if device.learning and not device.quarantined:
        put("inet", "learning", (mark,))
        if ports:
            put("bridge", "learning", (mac,))
            put("bridge", "sociable", (mac,))


def _grants(
    device: Device,
    names: Sequence[LearnedName],
    around: Surroundings,
    gathered: _Gathered,
    chains: dict[str, tuple[int, Pace]],
) -> None:
    segment = around.segments.get(device.segment)
    bridged = bool(segment and segment.ports)
    for ace in device.aces:
        direction = "out" if ace.direction == "from-device" else "in"
        value = ALLOWED
        if ace.rate is not None and len(chains) < MOST_SLOTS:
            value = _own_pace(device, ace.rate, chains, gathered)
        for want in wants(ace, device, names, around):
            entry = Entry(value, want.scope.until)
            if want.scope.kind != "group":
                _place("inet", mark_of(device.number), direction, want, entry, gathered)
            if bridged and _is_near(want, around):
                _place("bridge", device.mac.lower(), direction, want, Entry(ALLOWED, entry.until), gathered)
                gathered.exact[Place("bridge", "sociable")][(device.mac.lower(),)] = Entry()


def _own_pace(device: Device, rate: Rate, chains: dict[str, tuple[int, Pace]], gathered: _Gathered) -> str:
    slot = len(chains) + 1
    mark = OURS | (slot << SLOT) | mark_of(device.number & NUMBER)
    chain = f"entry_{device.number}_{slot}"
    chains[chain] = (mark, pace_of(rate))
    gathered.exact[Place("inet", "entry_paces")][(mark,)] = Entry(f"jump:{limit_chain(chain)}")
    return f"goto:{chain}"


def limit_chain(chain: str) -> str:
    """The chain that holds the pace which `chain` gives its flows."""
    return chain.replace("entry_", "limit_", 1)


def _is_near(want: Want, around: Surroundings) -> bool:
    """Whether neighbours on the same bridge can be meant."""
    scope = want.scope
    if scope.kind in ("local", "group"):
        return True
    return scope.kind == "net" and any(
        first <= scope.span[1] and scope.span[0] <= last for first, last in around.home[scope.family]
    )


def _place(table: str, owner: Part, direction: str, want: Want, entry: Entry, gathered: _Gathered) -> None:
    """Into the exact map when one host and one port are named, else into the one that knows ranges."""
    scope = want.scope
    family = scope.family
    infix = {"net": "", "local": "local_", "any": "any_", "group": "group_"}[scope.kind]
    group: tuple[Part, ...] = (scope.group,) if scope.kind == "group" else ()
    one_host = scope.kind != "net" or scope.span[0] == scope.span[1]
    host: tuple[Part, ...] = (address_part(scope.span[0], family),) if scope.kind == "net" and one_host else ()
    exact_port = _exact_port(want) if one_host and want.icmp is None and want.protocol[0] == want.protocol[1] else None
    if exact_port is not None:
        side, port = exact_port
        name = f"{direction}_{infix}{side}{family}"
        gathered.put(Place(table, name), (owner, *host, *group, want.protocol[0], port), entry)
        return
    if scope.kind == "any":
        infix = ""
    kind = "wide" if want.icmp is None else "icmp"
    address: Box = (WHOLE[family] if scope.kind == "any" else scope.span,) if infix == "" else ()
    if scope.kind == "group":
        address = ((scope.group, scope.group),)
    tail: Box = want.icmp if want.icmp is not None else (want.protocol, want.sport, want.dport)
    place = Place(table, f"{direction}_{infix}{kind}{family}")
    boxes = gathered.boxes[place, family if infix == "" else 0]
    # A scope of "any" comes last, so that narrower entries keep their own pace and end.
    boxes.append(((*address, *tail), entry))


def _exact_port(want: Want) -> tuple[str, int] | None:
    if want.sport == ALL_PORTS and want.dport[0] == want.dport[1]:
        return "dport", want.dport[0]
    if want.dport == ALL_PORTS and want.sport[0] == want.sport[1]:
        return "sport", want.sport[0]
    return None


def _unboxed(
    device: Device, place: Place, family: int, boxes: list[tuple[Box, Entry]], around: Surroundings
) -> Iterable[tuple[tuple[Part, ...], Entry]]:
    """Disjoint elements. Those that lead anywhere (scope "any") leave the local networks out."""
    owner: Part = mark_of(device.number) if place.table == "inet" else device.mac.lower()
    far = [(box, entry) for box, entry in boxes if family and box[0] == WHOLE[family]]
    near = sorted(
        ((box, entry) for box, entry in boxes if (box, entry) not in far), key=lambda item: _priority(item[1])
    )
    holes: list[Box] = []
    if far:
        tail: tuple[Span, ...] = ((0, 255), (0, 255)) if "icmp" in place.name else ((0, 255), ALL_PORTS, ALL_PORTS)
        holes = [(span, *tail) for span in around.home[family]]
    groups = [*near, *((box, Entry()) for box in holes), *sorted(far, key=lambda item: _priority(item[1]))]
    for position, box in disjoint(box for box, _ in groups):
        entry = groups[position][1]
        if entry.value == "":
            continue
        head: tuple[Part, ...] = (span_part(box[0], family),) if family else ()
        if "group" in place.name:
            head = (box[0][0],)
        rest = box[1:] if head else box
        yield (owner, *head, *(span_part(span) for span in rest)), entry
