"""The chains of both tables. They never grow with the house: what grows are the maps they ask.

Order of a packet from a device: the bridge table says which device it is (hardware address and port), the inet table
redirects DNS, asks the device's grants, holds its pace, and marks the packet so that it may leave. A packet that our
rules did not see keeps the mark that the sentinel put on it, and is dropped outside nftables.
"""

from collections.abc import Iterator, Mapping

from .element import DEVICE, HALF, NUMBER, OURS, PASS, TAINT
from .house import House
from .words import (
    ACCEPT,
    DROP,
    Json,
    Rule,
    at_most,
    concat,
    ct,
    goto,
    jump,
    lookup,
    masked,
    match,
    meta,
    one_of,
    payload,
    put,
    remember,
    states,
    vmap,
)

MARK = meta("mark")
CT_MARK = ct("mark")
PROTO, SPORT, DPORT = meta("l4proto"), payload("th", "sport"), payload("th", "dport")
OWN_BITS = DEVICE | NUMBER
FLAGS = OURS | OWN_BITS
IP = {4: "ip", 6: "ip6"}
ICMP = {4: "icmp", 6: "icmpv6"}

Chains = Mapping[str, tuple[Rule, ...]]

HOOKS: Mapping[str, Mapping[str, tuple[str, str, int, str]]] = {
    "inet": {
        "first": ("filter", "prerouting", -150, "accept"),
        "names": ("nat", "prerouting", -100, "accept"),
        "forward": ("filter", "forward", 0, "drop"),
        "arriving": ("filter", "input", 0, "accept"),
        "leaving": ("filter", "output", 0, "accept"),
    },
    "bridge": {
        "first": ("filter", "prerouting", -300, "accept"),
        "forward": ("filter", "forward", -10, "drop"),
        "arriving": ("filter", "input", 0, "accept"),
        "leaving": ("filter", "output", 0, "accept"),
    },
}
"""Chain: type, hook, priority, policy. The policy holds when somebody flushes the rules and leaves the chain.

The bridge forwards before 0, where br_netfilter shows bridged frames to the inet table: those that neighbours may
exchange carry PASS by then.
"""


def grants(owner: Json, direction: str) -> Iterator[Rule]:
    """Ask every map of one direction; an allowed packet returns to the caller."""
    side = "daddr" if direction == "out" else "saddr"
    for family, ip in IP.items():
        peer = payload(ip, side)
        near = match(peer, f"@local{family}")
        far = match(peer, f"@home{family}", "!=")
        kind, code = payload(ICMP[family], "type"), payload(ICMP[family], "code")
        yield [vmap(concat(owner, peer, PROTO, DPORT), f"{direction}_dport{family}")]
        yield [vmap(concat(owner, peer, PROTO, SPORT), f"{direction}_sport{family}")]
        yield [near, vmap(concat(owner, PROTO, DPORT), f"{direction}_local_dport{family}")]
        yield [near, vmap(concat(owner, PROTO, SPORT), f"{direction}_local_sport{family}")]
        yield [near, vmap(concat(owner, PROTO, SPORT, DPORT), f"{direction}_local_wide{family}")]
        yield [near, vmap(concat(owner, kind, code), f"{direction}_local_icmp{family}")]
        if owner == MARK:
            yield [far, vmap(concat(owner, PROTO, DPORT), f"{direction}_any_dport{family}")]
            yield [far, vmap(concat(owner, PROTO, SPORT), f"{direction}_any_sport{family}")]
        yield [vmap(concat(owner, peer, PROTO, SPORT, DPORT), f"{direction}_wide{family}")]
        yield [vmap(concat(owner, peer, kind, code), f"{direction}_icmp{family}")]


def refusal(owner: Json, direction: str) -> Iterator[Rule]:
    """Describe what is dropped, in a set of fixed size, then drop it."""
    side = "daddr" if direction == "out" else "saddr"
    for family, ip in IP.items():
        key = concat(owner, payload(ip, side), PROTO, DPORT)
        yield [match(PROTO, one_of("tcp", "udp")), remember(key, f"blocked_{direction}{family}"), DROP]
        other = concat(owner, payload(ip, side), PROTO)
        yield [remember(other, f"blocked_other_{direction}{family}"), DROP]
    yield [DROP]


def _is(bit: int) -> Json:
    return match(masked(MARK, bit), bit)


KNOWN_FLOW = (states("established", "related"), match(masked(CT_MARK, OURS), OURS))
LET_OUT = (put(MARK, {"|": [MARK, PASS]}), ACCEPT)
FROM_SEGMENT = match(meta("iifname"), "@segments")
TO_SEGMENT = match(meta("oifname"), "@segments")
BRIDGED = match(meta("iifname"), "@bridged")


def inet_chains(house: House) -> Chains:
    """Forwarding between segments and the world, and what devices may say to the gateway itself."""
    unmarked = match(masked(MARK, TAINT | HALF | DEVICE), 0)
    whole = [FROM_SEGMENT, match(meta("iifname"), "@bridged", "!=")]
    spoofed = [
        [match(payload(ip, "saddr"), f"@inside{family}", "!="), DROP] for family, ip in IP.items()
    ]  # fmt: skip
    return {
        "first": (
            [BRIDGED, _is(TAINT), DROP],
            [BRIDGED, _is(HALF), put(MARK, masked(MARK, OWN_BITS)), jump("guard")],
            [BRIDGED, ACCEPT],
            [*whole, put(MARK, DEVICE)],
            [*whole, put(MARK, lookup(concat(payload("ether", "saddr"), meta("iifname")), "members"))],
            [*whole, jump("guard")],
        ),
        "guard": (
            *spoofed,
            *(
                [
                    match(payload(ip, "saddr"), f"@taken{family}"),
                    match(concat(payload(ip, "saddr"), MARK), f"@bound{family}", "!="),
                    DROP,
                ]
                for family, ip in IP.items()
            ),
        ),
        "names": (
            [_is(DEVICE), match(PROTO, one_of("tcp", "udp")), match(DPORT, 53), {"redirect": {"port": house.dns_port}}],
        ),
        "forward": (
            [_is(PASS), ACCEPT],
            [match(meta("iifname"), "@segments", "!="), match(meta("oifname"), "@segments", "!="), ACCEPT],
            [_is(DEVICE), goto("from_device")],
            [TO_SEGMENT, goto("to_segment")],
            [FROM_SEGMENT, unmarked, BRIDGED, ACCEPT],
        ),
        "from_device": (
            [match(MARK, "@quarantined"), DROP],
            [states("invalid"), DROP],
            [*KNOWN_FLOW, goto("hold_pace")],
            [match(MARK, "@learning", "!="), jump("out_policy")],
            [match(masked(CT_MARK, OURS), 0), put(CT_MARK, {"|": [MARK, OURS]})],
            *(
                [put(MARK, lookup(payload(ip, "daddr"), f"owner{family}")), jump("in_policy")]
                for family, ip in IP.items()
            ),
            [put(MARK, masked(CT_MARK, OWN_BITS))],
            [goto("hold_pace")],
        ),
        "hold_pace": (
            [vmap(CT_MARK, "entry_paces")],
            [vmap(MARK, "paces")],
            LET_OUT,
        ),
        "to_segment": (
            [states("invalid"), DROP],
            [match(masked(CT_MARK, OWN_BITS), "@quarantined"), DROP],
            [*KNOWN_FLOW, vmap(CT_MARK, "entry_paces")],
            [*KNOWN_FLOW, *LET_OUT],
            [match(meta("oifname"), "@bridged"), states("established", "related"), ACCEPT],  # a laptop's own flows
            *(
                [put(MARK, lookup(payload(ip, "daddr"), f"owner{family}")), goto("to_device")]
                for family, ip in IP.items()
            ),
            [match(meta("oifname"), "@bridged"), ACCEPT],  # a laptop; without PASS it leaves by no contained port
            [DROP],
        ),
        "to_device": (
            [match(MARK, "@quarantined"), DROP],
            [jump("in_policy")],
            [match(masked(CT_MARK, OURS), 0), put(CT_MARK, {"|": [MARK, OURS]})],
            [vmap(CT_MARK, "entry_paces")],
            LET_OUT,
        ),
        "out_policy": (*grants(MARK, "out"), *refusal(MARK, "out")),
        "in_policy": (*grants(MARK, "in"), *refusal(MARK, "in")),
        "arriving": (
            [_is(TAINT), DROP],
            [_is(DEVICE), goto("to_gateway")],
        ),
        "gateway_policy": ([jump("out_policy")], [ACCEPT]),
        "to_gateway": tuple(_to_gateway(house)),
        "leaving": ([TO_SEGMENT, *LET_OUT],),
    }


def _to_gateway(house: House) -> Iterator[Rule]:
    """What any device may say to the gateway: addresses, names, and asking for more."""
    yield [match(payload("udp", "dport"), one_of(67, 547)), at_most(200, 200), ACCEPT]
    neighbours = one_of("nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-solicit", "mld-listener-report")
    yield [match(payload("icmpv6", "type"), neighbours), at_most(500, 500), ACCEPT]
    yield [
        match(PROTO, "icmpv6"),
        match(payload("icmpv6", "type"), one_of("mld-listener-done", 143)),
        at_most(100, 100),
        ACCEPT,
    ]
    yield [match(PROTO, "igmp"), at_most(100, 100), ACCEPT]
    yield [match(MARK, "@quarantined"), DROP]
    yield [match(PROTO, one_of("tcp", "udp")), match(DPORT, house.dns_port), match(ct("status"), "dnat", "in"), ACCEPT]
    if house.asking_ports:
        yield [match(payload("udp", "dport"), one_of(*house.asking_ports)), at_most(100, 100), ACCEPT]
    if house.asking_tcp_ports:
        yield [match(payload("tcp", "dport"), one_of(*house.asking_tcp_ports)), at_most(100, 100), ACCEPT]
    yield [states("established", "related"), ACCEPT]
    yield [match(payload("icmp", "type"), "echo-request"), at_most(50, 50), ACCEPT]
    yield [match(payload("icmpv6", "type"), "echo-request"), at_most(50, 50), ACCEPT]
    # Beyond that only what an entry names, and never by the gateway's addresses elsewhere: "anywhere" is not here.
    yield [match(payload("ip", "daddr"), "@gateway4", "!="), DROP]
    yield [match(payload("ip6", "daddr"), "@gateway6", "!="), DROP]
    yield [goto("gateway_policy")]
