"""A profile written by hand: a short TOML file.

    name = "Hall thermometer"
    manufacturer = "thermo.example"      # all of these are optional
    rate = "10 kbit/s"                   # for the whole device; `burst = 3000` in bytes beside it
    valid-for = 48                       # hours

    [[to]]                               # what the device may begin
    host = "api.thermo.example"          # or network = "192.0.2.0/24", or local = true, or controller = "urn:...",
    tcp = [443, "8000-8010"]             #    or my-controller = true, same-manufacturer = true, manufacturer, model
    udp = 123
    rate = "5 kbit/s"                    # for this entry alone

    [[from]]                             # what others may begin towards it
    local = true
    tcp = 80

`icmp = true` (both families) or a type number, `protocol = 47` for others, `family = "ipv4"` to narrow.
"""

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping

from customhouse.host.errors import InputError
from customhouse.model.profile import Ace, DeviceProfile, Identity, Peer, PeerKind, PortRange, ProfileSource, Rate

from .document import LARGEST
from .names import host_name
from .notes import shown

TOP = {"name", "manufacturer", "model", "mac", "mud-url", "rate", "burst", "valid-for", "to", "from"}
ENTRY = {
    "name", "host", "network", "local", "controller", "my-controller", "same-manufacturer", "manufacturer", "model",
    "tcp", "udp", "icmp", "protocol", "family", "rate", "burst",
}  # fmt: skip
FLAGS = {"local": PeerKind.LOCAL_NETWORKS, "my-controller": PeerKind.MY_CONTROLLER,
         "same-manufacturer": PeerKind.SAME_MANUFACTURER}  # fmt: skip
TEXTS = {"controller": PeerKind.CONTROLLER, "manufacturer": PeerKind.MANUFACTURER, "model": PeerKind.MODEL}
SPEED = re.compile(r"([0-9]{1,9}) ?([kMG]?)(?:bit/s|bps)")
UNITS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def read_plain(data: bytes, where: str = "") -> DeviceProfile:
    """The profile in a TOML file. A person wrote it, so anything amiss raises InputError that names the place."""
    if len(data) > LARGEST:
        raise InputError(f"the file has {len(data)} bytes; a profile has at most {LARGEST}")
    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8: byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not TOML: {error}") from error
    _known(document, TOP, "the file")
    hours = document.get("valid-for", 48)
    if not isinstance(hours, int) or not 1 <= hours <= 168:
        raise InputError(f"valid-for is {shown(hours)}; it is 1 to 168 hours")
    mac = _text(document, "mac", "the file").lower()
    if mac and not MAC.fullmatch(mac):
        raise InputError(f"mac is {shown(mac)}; it is written 02:00:00:00:00:01")
    return DeviceProfile(
        identity=Identity(
            name=_text(document, "name", "the file"),
            manufacturer=_text(document, "manufacturer", "the file"),
            model=_text(document, "model", "the file"),
            mac=mac,
            mud_url=_text(document, "mud-url", "the file"),
        ),
        source=ProfileSource(kind="toml", where=where),
        aces=tuple(_entries(document)),
        rate=_rate(document, "the file"),
        valid_for=hours,
    )


def _known(table: Mapping[str, object], known: set[str], place: str) -> None:
    strange = sorted(set(table) - known)
    if strange:
        raise InputError(f"{place} has the unknown key {shown(strange[0])}", f"known: {', '.join(sorted(known))}")


def _text(table: Mapping[str, object], key: str, place: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or len(value) > 1024:
        raise InputError(f"{place}: {key} is {shown(value)}; text is due")
    return value


def _rate(table: Mapping[str, object], place: str) -> Rate | None:
    if "rate" not in table:
        return None
    found = SPEED.fullmatch(str(table["rate"]))
    burst = table.get("burst", 0)
    if found is None or not isinstance(burst, int) or isinstance(burst, bool) or burst < 0:
        raise InputError(f"{place}: rate is {shown(table['rate'])}", 'a rate is written "10 kbit/s", burst in bytes')
    speed = int(found[1]) * UNITS[found[2]]
    if speed < 1000:
        raise InputError(f"{place}: the rate is below 1 kbit/s, and no packet would pass")
    return Rate(bits_per_second=speed, burst=burst)


def _entries(document: Mapping[str, object]) -> Iterator[Ace]:
    for key, direction in (("to", "from-device"), ("from", "to-device")):
        tables = document.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise InputError(f"{key} is no list of tables", f"write [[{key}]] above each entry")
        for number, table in enumerate(tables, 1):
            place = f"[[{key}]] number {number}"
            _known(table, ENTRY, place)
            peers = _peers(table, place)
            family = _text(table, "family", place)
            if family not in ("", "ipv4", "ipv6"):
                raise InputError(f"{place}: family is {shown(family)}; it is ipv4 or ipv6")
            name = _text(table, "name", place) or f"{key}-{number}"
            services = tuple(_services(table, place))
            for peer in peers:
                for protocol, ports, kind in services:
                    yield Ace(
                        name=name, direction=direction, peer=peer, protocol=protocol, ports=ports, icmp_type=kind,
                        family=family, rate=_rate(table, place),
                    )  # fmt: skip


def _peers(table: Mapping[str, object], place: str) -> tuple[Peer, ...]:
    found: list[Peer] = []
    if "host" in table:
        name = host_name(_text(table, "host", place), wildcard=True)
        if not name:
            raise InputError(f"{place}: {shown(table['host'])} is no host name")
        found.append(Peer(kind=PeerKind.DNS_NAME, value=name))
    if "network" in table:
        try:
            network = ipaddress.ip_network(_text(table, "network", place), strict=False)
        except ValueError as error:
            raise InputError(f"{place}: {shown(table['network'])} is no network") from error
        found.append(Peer(kind=PeerKind.ADDRESS_RANGE, value=str(network)))
    found += [Peer(kind=kind) for key, kind in FLAGS.items() if table.get(key) is True]
    found += [Peer(kind=kind, value=_text(table, key, place)) for key, kind in TEXTS.items() if key in table]
    if len(found) != 1:
        raise InputError(f"{place} names {len(found)} peers; one is due", "host, network, local, controller ...")
    return tuple(found)


def _services(table: Mapping[str, object], place: str) -> Iterator[tuple[str, tuple[PortRange, ...], int | None]]:
    count = 0
    for protocol in ("tcp", "udp"):
        if protocol in table:
            count += 1
            yield protocol, tuple(_ports(table[protocol], f"{place}: {protocol}")), None
    if "icmp" in table:
        count += 1
        kind = table["icmp"]
        if not isinstance(kind, int) or kind is False or not 0 <= kind <= 255:
            raise InputError(f"{place}: icmp is {shown(kind)}; it is true or a type number")
        wanted = None if kind is True else kind
        yield "icmp", (), wanted
        yield "icmpv6", (), wanted
    if "protocol" in table:
        count += 1
        number = table["protocol"]
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 255:
            raise InputError(f"{place}: protocol is {shown(number)}; it is 0 to 255")
        yield {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}.get(number, str(number)), (), None
    if not count:
        raise InputError(f"{place} names no protocol", "add tcp = 443, udp = 123 or icmp = true")


def _ports(value: object, place: str) -> Iterator[PortRange]:
    """A port, a text `first-last`, or a list of both; `true` is every port."""
    if value is True:
        return
    for item in value if isinstance(value, list) else [value]:
        first, dash, last = str(item).partition("-")
        if isinstance(item, bool) or not first.isdecimal() or (dash and not last.isdecimal()) or len(str(item)) > 11:
            raise InputError(f"{place} is {shown(item)}; a port or a range like 8000-8010 is due")
        low, high = int(first), int(last or first)
        if not 0 <= low <= high <= 65535:
            raise InputError(f"{place} is {shown(item)}; ports go from 0 to 65535")
        yield PortRange(first=low, last=high)
