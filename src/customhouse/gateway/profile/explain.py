"""A profile in sentences: what the device may do, and what of its source is not carried."""

from collections.abc import Iterator

from customhouse.model.profile import Ace, DeviceProfile, Peer, PeerKind, PortRange, Rate

GROUPS = {"224.0.0.251/32": "mDNS", "ff02::fb/128": "mDNS", "239.255.255.250/32": "SSDP", "ff02::c/128": "SSDP",
          "255.255.255.255/32": "broadcast"}  # fmt: skip


def explain(profile: DeviceProfile) -> Iterator[str]:
    """Lines for a terminal."""
    who = profile.identity
    described = [part for part in (who.name, who.manufacturer, who.model, who.mac, who.mud_url) if part]
    yield f"profile   {' · '.join(described) or 'of a device without a name'}"
    signed = f"signed by {profile.source.signed_by}" if profile.source.signed_by else "unsigned"
    yield f"source    {profile.source.kind}, {signed}, valid for {profile.valid_for} h"
    if not profile.is_supported:
        yield "support   the maker no longer supports this device"
    if profile.rate:
        basis = f" ({profile.rate.basis})" if profile.rate.basis else ""
        yield f"rate      {rate_text(profile.rate)} for the whole device{basis}"
    for direction, title in (("from-device", "may begin"), ("to-device", "may be reached by")):
        aces = [ace for ace in profile.aces if ace.direction == direction]
        if aces:
            yield f"{title} ({len(aces)})"
            yield from (f"  {line}" for line in dict.fromkeys(ace_text(ace) for ace in aces))
    if not profile.aces:
        yield "nothing is declared: the device may reach nothing but names and addresses"


def ace_text(ace: Ace) -> str:
    """One entry in words."""
    words = [service_text(ace), "to" if ace.direction == "from-device" else "from", peer_text(ace.peer)]
    if ace.family and ace.peer.kind is not PeerKind.ADDRESS_RANGE:
        words.append(f"({'IPv4' if ace.family == 'ipv4' else 'IPv6'})")
    starter = "peer" if ace.direction == "from-device" else "device"
    if ace.initiated_by == starter:
        words.append("(answers only)")
    if ace.rate:
        words.append(f"at most {rate_text(ace.rate)}")
    return " ".join(words)


def service_text(ace: Ace) -> str:
    """Protocol and ports, or the ICMP type."""
    if ace.protocol in ("icmp", "icmpv6"):
        return ace.protocol if ace.icmp_type is None else f"{ace.protocol} type {ace.icmp_type}"
    words = "anything" if ace.protocol == "any" else ace.protocol
    if words.isdigit():
        words = f"protocol {words}"
    if ace.ports:
        words += f" {ports_text(ace.ports)}"
    if ace.local_ports:
        words += f" from port {ports_text(ace.local_ports)}"
    return words


def ports_text(ports: tuple[PortRange, ...]) -> str:
    return ", ".join(str(p.first) if p.first == p.last else f"{p.first}-{p.last}" for p in ports)


def peer_text(peer: Peer) -> str:
    match peer.kind:
        case PeerKind.DNS_NAME:
            return peer.value
        case PeerKind.ADDRESS_RANGE:
            return "anywhere" if peer.value in ("", "0.0.0.0/0", "::/0") else peer.value
        case PeerKind.LOCAL_NETWORKS:
            group = GROUPS.get(peer.within, "")
            inside = f" within {peer.within}{f' ({group})' if group else ''}" if peer.within else ""
            return f"the local networks{inside}"
        case PeerKind.MY_CONTROLLER:
            return "the controller that the owner names"
        case PeerKind.SAME_MANUFACTURER:
            return "devices of the same manufacturer"
        case PeerKind.MANUFACTURER:
            return f"devices of {peer.value}"
        case PeerKind.MODEL:
            return f"devices of the model {peer.value}"
        case PeerKind.CONTROLLER:
            return f"the controller {peer.value}"


def rate_text(rate: Rate) -> str:
    for unit, name in ((1_000_000, "Mbit/s"), (1_000, "kbit/s")):
        if rate.bits_per_second >= unit:
            return f"{rate.bits_per_second / unit:g} {name}"
    return f"{rate.bits_per_second} bit/s"
