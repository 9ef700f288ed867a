"""A delta in words: which device may do what from now on, and what it may no longer do."""

from collections.abc import Iterator

from .compile import Delta
from .element import NUMBER, Entry, Part, Place
from .house import House

WORDS = {
    "members": "is known on port",
    "known": "is known",
    "quarantined": "is cut off",
    "learning": "is watched, not held",
    "sociable": "may find its neighbours",
    "segments": "segment",
    "bridged": "bridge",
    "contained": "contained port",
}
SCOPES = {"local": "the local networks", "any": "anywhere beyond the local networks", "group": "devices of group"}
PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def described_changes(delta: Delta, house: House) -> Iterator[str]:
    """One line per element, the removed ones first; devices by their id."""
    if delta.rebuild:
        yield "the chains differ: both tables are replaced as a whole"
    owners: dict[Part, str] = {}
    for device in house.devices:
        owners[device.number] = device.id
        owners[device.mac.lower()] = device.id
    for sign, held in (("-", delta.remove), ("+", delta.add)):
        for place in sorted(held):
            for key, entry in held[place].items():
                yield f"{sign} {place.table}: {_sentence(place, key, entry, owners)}"
    for pace in sorted(delta.paces):
        yield f"+ a class of {pace.speed * 8} bit/s"
    if not delta:
        yield "nothing would change"


def _sentence(place: Place, key: tuple[Part, ...], entry: Entry, owners: dict[Part, str]) -> str:
    name = place.name
    first = key[0] & NUMBER if isinstance(key[0], int) else key[0]
    owner = owners.get(first, str(key[0]))
    direction, _, rest = name.partition("_")
    if direction in ("out", "in"):
        scope = next((word for prefix, word in SCOPES.items() if rest.startswith(prefix)), "")
        parts = list(key[1:])
        peer = scope or _text(parts.pop(0))
        if rest.startswith("group"):
            peer = f"{scope} {_text(parts.pop(0))}"
        until = " for a while (looked up)" if entry.until else ""
        pace = "" if entry.value == "return" else " at its own rate"
        way = "to" if direction == "out" else "from"
        return f"{owner} {_service(rest, parts)} {way} {peer}{pace}{until}"
    words = WORDS.get(name, name)
    if len(key) == 1 and name in ("segments", "bridged", "contained"):
        return f"{words} {_text(key[0])}"
    return f"{owner} {words} {' '.join(_text(part) for part in key[1:])}".rstrip()


def _service(name: str, parts: list[Part]) -> str:
    if "icmp" in name:
        return f"icmp type {_text(parts[0])}"
    protocol = PROTOCOLS.get(parts[0], f"protocol {_text(parts[0])}") if isinstance(parts[0], int) else "any protocol"
    if "wide" in name:
        return f"{protocol} port {_text(parts[2])}" + ("" if parts[1] == (0, 65535) else f" from {_text(parts[1])}")
    return f"{protocol} {'from port' if 'sport' in name else 'port'} {_text(parts[1])}"


def _text(part: Part) -> str:
    if part == (0, 65535):
        return "any"
    return f"{part[0]}-{part[1]}" if isinstance(part, tuple) else str(part)
