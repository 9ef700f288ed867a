"""What a device is allowed to talk to, whatever that was learned from (RFC 8520, TOML, a capture, an audit)."""

from datetime import datetime
from enum import StrEnum

from .base import Model


class PeerKind(StrEnum):
    DNS_NAME = "dns-name"
    ADDRESS_RANGE = "address-range"
    LOCAL_NETWORKS = "local-networks"
    SAME_MANUFACTURER = "same-manufacturer"
    MANUFACTURER = "manufacturer"
    MODEL = "model"
    CONTROLLER = "controller"
    MY_CONTROLLER = "my-controller"


class Peer(Model, frozen=True, kw_only=True):
    """The other end. `value` is the name, CIDR, authority or URL its kind needs; else empty."""

    kind: PeerKind
    value: str = ""
    within: str = ""
    """CIDR that narrows `local-networks` (MUD files name a multicast group this way); empty: not narrowed."""


class PortRange(Model, frozen=True, kw_only=True):
    """Inclusive."""

    first: int
    last: int


class Rate(Model, frozen=True, kw_only=True):
    """Token bucket: `bits_per_second` on average, `burst` bytes at once."""

    bits_per_second: int
    burst: int
    basis: str = ""
    """Where a rate comes from that nobody declared, in words."""


class Ace(Model, frozen=True, kw_only=True):
    """One access control entry, seen from the device."""

    name: str
    direction: str
    """from-device or to-device."""
    peer: Peer
    protocol: str = "any"
    """tcp, udp, icmp, icmpv6, any, or an IP protocol number as text."""
    ports: tuple[PortRange, ...] = ()
    """Destination ports: the peer's when the device goes out, the device's when the peer comes in; empty: all."""
    local_ports: tuple[PortRange, ...] = ()
    """Source ports, where the entry names them; empty: all."""
    icmp_type: int | None = None
    """Only with icmp and icmpv6; None: all types."""
    icmp_code: int | None = None
    """Only beside `icmp_type`; None: all codes."""
    initiated_by: str = ""
    """device, peer, or empty where the entry does not say."""
    family: str = ""
    """ipv4, ipv6, or empty for both."""
    rate: Rate | None = None


class Identity(Model, frozen=True, kw_only=True):
    """Who the device says it is. All of it is a claim."""

    name: str = ""
    manufacturer: str = ""
    model: str = ""
    mac: str = ""
    mud_url: str = ""


class ProfileSource(Model, frozen=True, kw_only=True):
    """`kind`: mud, toml, capture, dossier. `signed_by`: subject of the verified signer, empty when unsigned."""

    kind: str
    where: str = ""
    signed_by: str = ""


class Unsupported(Model, frozen=True, kw_only=True):
    """A part of the source that the profile does not carry."""

    what: str
    why: str


class DeviceProfile(Model, frozen=True, kw_only=True):
    identity: Identity
    source: ProfileSource
    aces: tuple[Ace, ...] = ()
    rate: Rate | None = None
    """For the whole device, both families together."""
    unsupported: tuple[Unsupported, ...] = ()
    valid_for: int = 48
    """Hours (RFC 8520 cache-validity)."""
    last_update: datetime | None = None
    is_supported: bool = True
