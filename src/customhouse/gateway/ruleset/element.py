"""Elements of the kernel's maps and sets, as values that can be compared, and which map has which key."""

from collections.abc import Mapping
from dataclasses import dataclass

Part = int | str | tuple[int, int] | tuple[str, str]
"""One field of a key: a number, a text (address or hardware address), or a range, both ends included."""

TABLE = "customhouse"

TAINT = 0x8000_0000
"""Set on every frame that enters by a contained port, before any rule; only our rules take it away."""
HALF = 0x4000_0000
"""The bridge table has seen the packet; the inet table has not."""
PASS = 0x2000_0000
"""Our rules allow this packet to leave by a contained port."""
OURS = 0x1000_0000
"""In conntrack marks: our rules allowed this flow."""
DEVICE = 0x0800_0000
"""The packet comes from (or goes to) a contained device; the low bits are its number, 0 for a device nobody knows."""
NUMBER = 0x000F_FFFF
SLOT = 20
"""Bits 20 to 26 of a conntrack mark number the device's entries that have a rate of their own."""
MOST_SLOTS = 127


def mark_of(number: int) -> int:
    """The packet mark of a device, as it stands in keys."""
    return DEVICE | number


@dataclass(frozen=True)
class Kind:
    """The shape of one map or set. `value`: nft type of what it maps to, empty for a set."""

    key: tuple[str, ...]
    value: str = "verdict"
    interval: bool = False
    timed: bool = False


@dataclass(frozen=True, order=True)
class Place:
    """Where an element lives. `table` is inet or bridge."""

    table: str
    name: str


@dataclass(frozen=True)
class Entry:
    """What a key maps to: a verdict (`return` or `goto:CHAIN`), a mark or nothing; and until when (0: for good)."""

    value: str | int = ""
    until: int = 0


Elements = Mapping[Place, Mapping[tuple[Part, ...], Entry]]

ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
ICMP = {4: ("icmp_type", "icmp_code"), 6: ("icmpv6_type", "icmpv6_code")}


def _policy_kinds(owner: str, direction: str) -> dict[str, Kind]:
    port, proto = "inet_service", "inet_proto"
    kinds: dict[str, Kind] = {}
    for family, address in ADDRESS.items():
        scopes: list[tuple[str, tuple[str, ...]]] = [("", (address,)), ("local_", ())]
        scopes.append(("any_", ()) if owner == "mark" else ("group_", ("mark",)))
        for scope, peer in scopes:
            exact, timed = (owner, *peer, proto, port), scope == ""
            kinds[f"{direction}_{scope}dport{family}"] = Kind(exact, timed=timed)
            kinds[f"{direction}_{scope}sport{family}"] = Kind(exact, timed=timed)
            if scope != "any_":  # those with ranges stand among the addresses, with the local networks cut out
                wide = (owner, *peer, proto, port, port)
                kinds[f"{direction}_{scope}wide{family}"] = Kind(wide, interval=True, timed=timed)
                icmp = (owner, *peer, *ICMP[family])
                kinds[f"{direction}_{scope}icmp{family}"] = Kind(icmp, interval=True, timed=timed)
    return kinds


INET: dict[str, Kind] = {
    **_policy_kinds("mark", "out"),
    **_policy_kinds("mark", "in"),
    "members": Kind(("ether_addr", "ifname"), "mark"),
    "owner4": Kind(("ipv4_addr",), "mark"),
    "owner6": Kind(("ipv6_addr",), "mark"),
    "bound4": Kind(("ipv4_addr", "mark"), ""),
    "bound6": Kind(("ipv6_addr", "mark"), ""),
    "taken4": Kind(("ipv4_addr",), ""),
    "taken6": Kind(("ipv6_addr",), ""),
    "paces": Kind(("mark",)),
    "entry_paces": Kind(("mark",)),
    "quarantined": Kind(("mark",), ""),
    "learning": Kind(("mark",), ""),
    "segments": Kind(("ifname",), ""),
    "bridged": Kind(("ifname",), ""),
    "local4": Kind(("ipv4_addr",), "", interval=True),
    "local6": Kind(("ipv6_addr",), "", interval=True),
    "gateway4": Kind(("ipv4_addr",), ""),
    "gateway6": Kind(("ipv6_addr",), ""),
    "home4": Kind(("ipv4_addr",), "", interval=True),
    "home6": Kind(("ipv6_addr",), "", interval=True),
    "inside4": Kind(("ipv4_addr",), "", interval=True),
    "inside6": Kind(("ipv6_addr",), "", interval=True),
}
BRIDGE: dict[str, Kind] = {
    **_policy_kinds("ether_addr", "out"),
    **_policy_kinds("ether_addr", "in"),
    "members": Kind(("ether_addr", "ifname"), "mark"),
    "known": Kind(("ether_addr",), ""),
    "contained": Kind(("ifname",), ""),
    "quarantined": Kind(("ether_addr",), ""),
    "sociable": Kind(("ether_addr",), ""),
    "makers": Kind(("ether_addr",), "mark"),
    "models": Kind(("ether_addr",), "mark"),
    "paces": Kind(("ether_addr",)),
    "learning": Kind(("ether_addr",), ""),
    "gateway4": Kind(("ipv4_addr",), ""),
    "local4": Kind(("ipv4_addr",), "", interval=True),
    "local6": Kind(("ipv6_addr",), "", interval=True),
}
KINDS: dict[str, dict[str, Kind]] = {"inet": INET, "bridge": BRIDGE}


@dataclass(frozen=True)
class Memory:
    """A set that the packet path itself fills. `timeout` in seconds, `size` in elements."""

    key: tuple[str, ...]
    timeout: int
    size: int


def _blocked(owner: str) -> dict[str, Memory]:
    found: dict[str, Memory] = {}
    for direction in ("out", "in"):
        for family, address in ADDRESS.items():
            key = (owner, address, "inet_proto")
            found[f"blocked_{direction}{family}"] = Memory((*key, "inet_service"), 3600, 8192)
            found[f"blocked_other_{direction}{family}"] = Memory(key, 3600, 2048)
    return found


MEMORIES: dict[str, dict[str, Memory]] = {
    "inet": _blocked("mark"),
    "bridge": {
        **_blocked("ether_addr"),
        "flows": Memory(("ether_addr", "ether_addr", "inet_proto", "inet_service", "inet_service"), 180, 65536),
        "echoes": Memory(("ether_addr", "ether_addr"), 30, 8192),
    },
}
"""What was blocked, for the owner to read (an hour); flows between neighbours, which the bridge's conntrack would hold
on kernels that have one (three minutes idle)."""
