"""dnsmasq as our DHCP server: run as a program, with its DNS off. Pure: the argument list from the configuration."""

import ipaddress
from pathlib import Path

from customhouse.gateway.ruleset.house import Segment


def arguments(segment: Segment, first: str, last: str, lease: str, leases: Path) -> list[str]:
    """The command line for one segment. Nothing that a device says is ever part of it."""
    router = next(a for a in segment.addresses if ipaddress.ip_address(a).version == 4)
    network = next(n for n in map(ipaddress.ip_network, segment.networks) if ipaddress.ip_address(router) in n)
    return [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",  # no DNS: names are our proxy's
        f"--interface={segment.interface}",
        "--bind-interfaces",
        "--except-interface=lo",
        "--no-hosts",
        "--no-resolv",
        "--dhcp-authoritative",
        "--leasefile-ro" if str(leases) == "-" else f"--dhcp-leasefile={leases}",
        f"--dhcp-range={first},{last},{network.netmask},{lease}",
        f"--dhcp-option=option:router,{router}",
        f"--dhcp-option=option:dns-server,{router}",
        "--no-ping",
        "--log-facility=-",
    ]
