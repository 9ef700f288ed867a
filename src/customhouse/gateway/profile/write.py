"""Writing a profile as an RFC 8520 file in its final form.

MUD has no field for rates: ours stand in the extension `customhouse`, as `customhouse:rate` with `bits-per-second` and
`burst` (bytes), on the `ietf-mud:mud` container for the device and on an entry for that entry.
"""

import ipaddress
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from customhouse.host.errors import InputError
from customhouse.model.profile import Ace, DeviceProfile, PeerKind, PortRange, Rate

from .mud import OURS, is_mud_url

PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
Json = dict[str, object]
EVERYWHERE = ("0.0.0.0/0", "::/0")


def write_mud(profile: DeviceProfile, url: str = "", now: datetime | None = None) -> str:
    """The file as text. `url`: the MUD URL, where the profile has none. Raises InputError when there is none at all."""
    url = profile.identity.mud_url or url
    if not is_mud_url(url):
        raise InputError("the profile has no MUD URL", "give one: a MUD file names the https URL it is served at")
    policies: Json = {}
    lists: list[Json] = []
    rated = profile.rate is not None or any(ace.rate for ace in profile.aces)
    for direction in ("from-device", "to-device"):
        names = []
        for family in ("ipv4", "ipv6"):
            entries = list(_entries(profile, direction, family))
            if entries:
                name = f"{direction}-{family}"
                names.append({"name": name})
                lists.append({"name": name, "type": f"{family}-acl-type", "aces": {"ace": entries}})
        if names:
            policies[f"{direction}-policy"] = {"access-lists": {"access-list": names}}
    moment = (profile.last_update or now or datetime.now(UTC)).isoformat(timespec="seconds")
    identity = profile.identity
    described = {"systeminfo": identity.name[:60], "mfg-name": identity.manufacturer, "model-name": identity.model}
    mud: Json = {
        "mud-version": 1,
        "mud-url": url,
        "last-update": moment,
        "cache-validity": profile.valid_for,
        "is-supported": profile.is_supported,
        **{key: value for key, value in described.items() if value},
        **({"extensions": [OURS]} if rated else {}),
        **_rate(profile.rate),
        **policies,
    }
    document = {"ietf-mud:mud": mud, "ietf-access-control-list:acls": {"acl": lists}}
    return json.dumps(document, indent=2) + "\n"


def _rate(rate: Rate | None) -> Json:
    if rate is None:
        return {}
    basis = {"basis": rate.basis} if rate.basis else {}
    return {"customhouse:rate": {"bits-per-second": rate.bits_per_second, "burst": rate.burst, **basis}}


def _entries(profile: DeviceProfile, direction: str, family: str) -> Iterator[Json]:
    taken: set[str] = set()
    for ace in profile.aces:
        if ace.direction != direction or family not in _families(ace):
            continue
        for sport in ace.local_ports or (None,):
            for dport in ace.ports or (None,):
                name, number = ace.name, 1
                while name in taken:
                    number += 1
                    name = f"{ace.name}-{number}"
                taken.add(name)
                matches = _matches(ace, family, sport, dport)
                yield {"name": name, "matches": matches, "actions": {"forwarding": "accept"}, **_rate(ace.rate)}


def _families(ace: Ace) -> tuple[str, ...]:
    """The families that the entry means, whether it says so or its peer or protocol does."""
    only = {"icmp": "ipv4", "icmpv6": "ipv6"}.get(ace.protocol, ace.family)
    cidr = ace.peer.value if ace.peer.kind is PeerKind.ADDRESS_RANGE else ace.peer.within
    if cidr:
        only = f"ipv{ipaddress.ip_network(cidr, strict=False).version}"
    return (only,) if only else ("ipv4", "ipv6")


def _matches(ace: Ace, family: str, sport: PortRange | None, dport: PortRange | None) -> Json:
    outward = ace.direction == "from-device"
    level3: Json = {}
    if ace.protocol != "any":
        level3["protocol"] = PROTOCOLS.get(ace.protocol) or int(ace.protocol)
    matches: Json = {family: level3}
    peer = ace.peer
    network = peer.value if peer.kind is PeerKind.ADDRESS_RANGE else peer.within
    if network and network not in EVERYWHERE:
        level3[f"{'destination' if outward else 'source'}-{family}-network"] = network
    if peer.kind is PeerKind.DNS_NAME:
        level3[f"ietf-acldns:{'dst' if outward else 'src'}-dnsname"] = peer.value
    elif peer.kind is not PeerKind.ADDRESS_RANGE:
        valued = peer.kind in (PeerKind.MANUFACTURER, PeerKind.MODEL, PeerKind.CONTROLLER)
        matches["ietf-mud:mud"] = {str(peer.kind): peer.value if valued else [None]}
    if ace.icmp_type is not None:
        matches["icmp"] = {"type": ace.icmp_type} | ({"code": ace.icmp_code} if ace.icmp_code is not None else {})
    if ace.protocol in ("tcp", "udp"):
        level4: Json = {}
        for name, port in (("source-port", sport), ("destination-port", dport)):
            if port is not None:
                level4[name] = _port(port)
        if ace.initiated_by and ace.protocol == "tcp":
            level4["ietf-mud:direction-initiated"] = "from-device" if ace.initiated_by == "device" else "to-device"
        if level4:
            matches[ace.protocol] = level4
    return matches


def _port(port: PortRange) -> Json:
    if port.first == port.last:
        return {"operator": "eq", "port": port.first}
    return {"lower-port": port.first, "upper-port": port.last}
