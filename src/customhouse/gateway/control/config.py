"""`gate.toml`: where the contained devices are, and where the gateway keeps and asks things.

Decoding is strict: a misspelt key is an error that names it, since a segment that was silently left out would be a
hole in the house.
"""

import ipaddress
import re
from pathlib import Path

import msgspec

from customhouse.gateway.names.upstream import Resolver
from customhouse.gateway.ruleset.house import Segment
from customhouse.host.errors import InputError

_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class SegmentTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One network of contained devices. `addresses` are the gateway's own there, with prefix length."""

    interface: str
    addresses: tuple[str, ...]
    ports: tuple[str, ...] = ()
    trusted_ports: tuple[str, ...] = ()


class NamesTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The resolver that the DNS proxy asks. `tls_name` makes it DNS over TLS."""

    upstream: str = "9.9.9.9"
    upstream_port: int = 0
    """0: 53, or 853 with TLS."""
    tls_name: str = ""
    port: int = 5300
    """Where the proxy listens; port 53 is redirected there."""


class DhcpTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses given out by a dnsmasq of our own (its DNS is off). Leave it out where another server does that."""

    first: str
    last: str
    lease: str = "12h"


class GateConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    segments: tuple[SegmentTable, ...]
    state: str = "/var/lib/customhouse/gate.sqlite"
    socket: str = "/run/customhouse/gate.sock"
    local_networks: tuple[str, ...] = ()
    """Further networks that count as the home's own."""
    names: NamesTable = NamesTable()
    dhcp: DhcpTable | None = None
    fetch_profiles: bool = True
    """Fetch the MUD URLs that devices claim, into proposals. Off: only what the owner proposes himself."""
    port_requests: bool = True
    """Answer UPnP, PCP and NAT-PMP with a no, and ask the owner."""

    def house_segments(self) -> tuple[Segment, ...]:
        return tuple(
            Segment(
                interface=table.interface,
                ports=table.ports,
                trusted_ports=table.trusted_ports,
                addresses=tuple(str(ipaddress.ip_interface(a).ip) for a in table.addresses),
                networks=tuple(str(ipaddress.ip_interface(a).network) for a in table.addresses),
            )
            for table in self.segments
        )

    def resolver(self) -> Resolver:
        port = self.names.upstream_port or (853 if self.names.tls_name else 53)
        return Resolver(self.names.upstream, port, self.names.tls_name)


def read_config(path: Path) -> GateConfig:
    """Raises `InputError`, with the place in the file, for anything that is not as it must be."""
    try:
        text = path.read_text("utf-8")
    except OSError as trouble:
        raise InputError(f"{path}: {trouble.strerror}") from trouble
    except ValueError as trouble:
        raise InputError(f"{path}: not a text file") from trouble
    return parse_config(text, str(path))


def parse_config(text: str, where: str = "gate.toml") -> GateConfig:
    """Pure form of `read_config`."""
    try:
        config = msgspec.toml.decode(text, type=GateConfig)
        _check(config)
    except (msgspec.DecodeError, ValueError) as trouble:
        raise InputError(f"{where}: {trouble}", "docs/guides/gateway.md shows a whole file") from trouble
    return config


def _check(config: GateConfig) -> None:
    if not config.segments:
        raise ValueError("at least one [[segments]] is needed: what should be contained?")
    for table in config.segments:
        for name in (table.interface, *table.ports, *table.trusted_ports):
            if not _INTERFACE.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an interface")
        if not table.addresses:
            raise ValueError(f"segment {table.interface} has no addresses")
        for address in table.addresses:
            if ipaddress.ip_interface(address).network.num_addresses == 1:
                raise ValueError(f"{address}: write the prefix length too, as in 192.168.20.1/24")
    names = [table.interface for table in config.segments]
    if len(set(names)) < len(names):
        raise ValueError("two segments have the same interface")
    _check_addresses(config)


def _check_addresses(config: GateConfig) -> None:
    for network in config.local_networks:
        ipaddress.ip_network(network)
    ipaddress.ip_address(config.names.upstream)
    for port in (config.names.port, config.names.upstream_port):
        if not 0 <= port <= 65535:
            raise ValueError(f"{port} is no port")
    if config.dhcp:
        ipaddress.IPv4Address(config.dhcp.first)
        ipaddress.IPv4Address(config.dhcp.last)
