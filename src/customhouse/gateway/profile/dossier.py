"""A profile from an audit: the hosts that the firmware's own programs name.

It is a proposal, not a finding: a name in a program may never be asked for, and a computed one is missing. Hosts that
were found without a port get the port of their scheme, or are left out and named.
"""

import ipaddress

import msgspec

from customhouse.host.errors import InputError
from customhouse.model.device import Endpoint
from customhouse.model.dossier import Dossier
from customhouse.model.profile import Ace, DeviceProfile, Identity, Peer, PeerKind, PortRange, ProfileSource

from .names import host_name
from .notes import Notes

SERVICES = {
    "https": ("tcp", 443), "http": ("tcp", 80), "mqtt": ("tcp", 1883), "mqtts": ("tcp", 8883), "wss": ("tcp", 443),
    "ws": ("tcp", 80), "ntp": ("udp", 123), "ftp": ("tcp", 21), "tftp": ("udp", 69), "rtsp": ("tcp", 554),
    "rtmp": ("tcp", 1935), "stun": ("udp", 3478), "coap": ("udp", 5683), "coaps": ("udp", 5684), "smtp": ("tcp", 25),
    "ldap": ("tcp", 389), "syslog": ("udp", 514), "tcp": ("tcp", 0), "udp": ("udp", 0),
}  # fmt: skip


def read_dossier(data: bytes, where: str = "") -> DeviceProfile:
    """The profile that a dossier (the JSON of `customhouse audit`) suggests. Raises InputError when it is none."""
    try:
        dossier = msgspec.json.decode(data, type=Dossier)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"not a dossier of this version: {error}") from error
    return profile_of(dossier.endpoints, dossier.image.name, where)


def profile_of(endpoints: tuple[Endpoint, ...], name: str = "", where: str = "") -> DeviceProfile:
    """One entry per host, protocol and port that a program names as a peer."""
    notes = Notes()
    aces: dict[tuple[Peer, str, int], Ace] = {}
    for endpoint in endpoints:
        if endpoint.role != "service":
            notes.add(endpoint.host, f"named as {endpoint.role}, not as a peer")
            continue
        peer = _peer(endpoint.host)
        if peer is None:
            notes.add(endpoint.host, "neither a host name nor a public address")
            continue
        protocol, usual = SERVICES.get(endpoint.scheme.lower(), ("", 0))
        port = endpoint.port or usual
        if not protocol and port:
            protocol = "udp" if port == 123 else "tcp"
        if not port or not 0 < port < 65536:
            notes.add(endpoint.host, "the firmware names no port or scheme beside it: approve it when it is asked for")
            continue
        ace = Ace(
            name=f"{endpoint.scheme or protocol}-{len(aces) + 1}",
            direction="from-device",
            peer=peer,
            protocol=protocol,
            ports=(PortRange(first=port, last=port),),
            initiated_by="device" if protocol == "tcp" else "",
        )
        aces.setdefault((peer, protocol, port), ace)
    return DeviceProfile(
        identity=Identity(name=name),
        source=ProfileSource(kind="dossier", where=where),
        aces=tuple(aces.values()),
        unsupported=notes.all(),
    )


def _peer(host: str) -> Peer | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = host_name(host)
        return Peer(kind=PeerKind.DNS_NAME, value=name) if name and "." in name else None
    if not address.is_global:
        return None
    return Peer(kind=PeerKind.ADDRESS_RANGE, value=str(ipaddress.ip_network(address)))
