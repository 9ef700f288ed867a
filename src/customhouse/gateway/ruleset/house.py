"""The house as the compiler sees it: segments, devices with what was granted to them, and names looked up."""

from customhouse.model.base import Model
from customhouse.model.profile import Ace, Rate

MOST_DEVICES = (1 << 20) - 1
"""A device's number has 20 bits of the packet mark."""


class Segment(Model, frozen=True, kw_only=True):
    """One contained network behind the gateway.

    A bridge when it names `ports`, all of them contained; `trusted_ports` are the rest of the same bridge, for laptops.
    Without ports the interface is taken whole, and neighbours on it are out of the gateway's sight.
    """

    interface: str
    ports: tuple[str, ...] = ()
    trusted_ports: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """The gateway's own addresses here."""
    networks: tuple[str, ...] = ()
    """CIDR, both families, of the hosts here. Packets from elsewhere are spoofed and dropped."""


class Device(Model, frozen=True, kw_only=True):
    """One device. It is its hardware address on its port; addresses come and go with it."""

    id: str
    number: int
    """1 to MOST_DEVICES, unique, kept as long as the device is known: it is in packet marks."""
    mac: str
    segment: str
    """Interface of the segment."""
    port: str = ""
    """The bridge port where it was admitted; empty: any contained port of the segment."""
    addresses: tuple[str, ...] = ()
    """Bound by DHCP or seen as a neighbour. Needed only for traffic that others start towards it over a router."""
    aces: tuple[Ace, ...] = ()
    """What is granted: entries of the profile that the owner approved, and what he approved beside it."""
    rate: Rate | None = None
    manufacturer: str = ""
    """Authority of the approved MUD URL, for same-manufacturer and manufacturer."""
    model: str = ""
    """The approved MUD URL, for model."""
    quarantined: bool = False
    learning: bool = False
    """Watched, not yet held: everything outward passes."""


class LearnedName(Model, frozen=True, kw_only=True):
    """`device` (its id) looked `name` up and was answered `address`; good until `until` (seconds since the epoch)."""

    device: str
    name: str
    address: str
    until: int


class ControllerAnswer(Model, frozen=True, kw_only=True):
    """The owner's or the network's answer to who a controller is. `controller` is empty for my-controller."""

    device: str
    """Device id; empty: for every device."""
    controller: str = ""
    addresses: tuple[str, ...] = ()


class House(Model, frozen=True, kw_only=True):
    """All that the ruleset depends on. Addresses and CIDRs must be well-formed; text never reaches a shell."""

    segments: tuple[Segment, ...] = ()
    devices: tuple[Device, ...] = ()
    names: tuple[LearnedName, ...] = ()
    controllers: tuple[ControllerAnswer, ...] = ()
    local_networks: tuple[str, ...] = ()
    """Further networks that count as local: the home LAN beside the segments."""
    dns_port: int = 5300
    """Where our DNS proxy listens; port 53 to any address is redirected there."""
    asking_ports: tuple[int, ...] = (1900, 5351)
    """UDP ports of the gateway where devices may ask for open ports (SSDP, PCP and NAT-PMP), to be told no."""
    asking_tcp_ports: tuple[int, ...] = ()
    """TCP ports of the gateway for the same (the UPnP description and control address)."""
