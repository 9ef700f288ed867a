"""The bridge table: which device a frame is from, and what neighbours may say to each other.

It names the device by hardware address and port before the packet reaches routing, keeps routers' and DHCP servers'
words from coming out of a device, and lets frames between neighbours pass only by both sides' grants. Flows are
remembered in a set of our own, since many kernels have no conntrack on bridges.
"""

from collections.abc import Iterator

from .chains import ICMP, IP, Chains, grants, refusal
from .element import DEVICE, HALF, PASS
from .words import (
    ACCEPT,
    DROP,
    Rule,
    at_most,
    concat,
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
    vmap,
)

MARK = meta("mark")
PROTO, SPORT, DPORT = meta("l4proto"), payload("th", "sport"), payload("th", "dport")
SOURCE, TARGET = payload("ether", "saddr"), payload("ether", "daddr")
TYPE = payload("ether", "type")
FROM_CONTAINED = match(meta("iifname"), "@contained")
TO_CONTAINED = match(meta("oifname"), "@contained")
TO_MANY = match(meta("pkttype"), one_of("broadcast", "multicast"))
TO_ONE = match(meta("pkttype"), one_of("broadcast", "multicast"), "!=")
LET_OUT = (put(MARK, PASS), ACCEPT)


def bridge_chains() -> Chains:
    return {
        "first": (
            [match(meta("iifname"), "@contained", "!="), ACCEPT],
            [put(MARK, lookup(concat(SOURCE, meta("iifname")), "members"))],
            [match(masked(MARK, DEVICE), 0), match(SOURCE, "@known"), DROP],
            [match(masked(MARK, DEVICE), 0), put(MARK, HALF | DEVICE)],
            [match(TYPE, one_of("arp", "ip", "ip6"), "!="), DROP],
            [match(TYPE, "arp"), match(payload("arp", "saddr ip"), "@gateway4"), DROP],
            [match(payload("icmpv6", "type"), one_of("nd-router-advert", "nd-redirect")), DROP],
            [match(payload("udp", "sport"), one_of(67, 547)), match(payload("udp", "dport"), one_of(68, 546)), DROP],
        ),
        "forward": (
            [match(meta("iifname"), "@contained", "!="), match(meta("oifname"), "@contained", "!="), ACCEPT],
            [match(SOURCE, "@quarantined"), DROP],
            [match(TARGET, "@quarantined"), DROP],
            [match(TYPE, "arp"), goto("neighbours")],
            [match(payload("icmpv6", "type"), one_of("nd-neighbor-solicit", "nd-neighbor-advert")), goto("neighbours")],
            [match(TYPE, one_of("ip", "ip6"), "!="), DROP],
            [match(concat(SOURCE, TARGET, PROTO, SPORT, DPORT), "@flows"), goto("known_flow")],
            [match(payload("icmp", "type"), "echo-reply"), match(concat(SOURCE, TARGET), "@echoes"), goto("hold_pace")],
            [
                match(payload("icmpv6", "type"), "echo-reply"),
                match(concat(SOURCE, TARGET), "@echoes"),
                goto("hold_pace"),
            ],
            [FROM_CONTAINED, match(SOURCE, "@learning", "!="), jump("out_policy")],
            [TO_CONTAINED, TO_ONE, jump("in_policy")],
            [match(meta("iifname"), "@contained", "!="), TO_MANY, DROP],
            [match(PROTO, one_of("tcp", "udp")), goto("known_flow")],
            *(
                [
                    match(payload(icmp, "type"), "echo-request"),
                    remember(concat(TARGET, SOURCE), "echoes"),
                    goto("hold_pace"),
                ]
                for icmp in ICMP.values()
            ),
            [goto("hold_pace")],
        ),
        "known_flow": (
            [TO_ONE, remember(concat(TARGET, SOURCE, PROTO, DPORT, SPORT), "flows", 180)],
            [goto("hold_pace")],
        ),
        "hold_pace": ([vmap(SOURCE, "paces")], LET_OUT),
        "neighbours": (
            [FROM_CONTAINED, match(SOURCE, "@sociable", "!="), DROP],
            [TO_CONTAINED, TO_ONE, match(TARGET, "@sociable", "!="), DROP],
            [at_most(500, 500), *LET_OUT],
            [DROP],
        ),
        "out_policy": (*grants(SOURCE, "out"), *_groups("out")),
        "in_policy": (*grants(TARGET, "in"), *_groups("in")),
        "out_makers": tuple(_members("out", "out_models_next")),
        "in_makers": tuple(_members("in", "in_models_next")),
        "out_models": tuple(_members("out", "out_refused")),
        "in_models": tuple(_members("in", "in_refused")),
        "out_models_next": _models("out"),
        "in_models_next": _models("in"),
        "out_refused": tuple(refusal(SOURCE, "out")),
        "in_refused": tuple(refusal(TARGET, "in")),
        "arriving": (),
        "leaving": (
            [match(meta("oifname"), "@contained", "!="), ACCEPT],
            [
                match(payload("udp", "sport"), one_of(67, 547)),
                match(payload("udp", "dport"), one_of(68, 546)),
                *LET_OUT,
            ],
            [match(TYPE, "arp"), ACCEPT],
            [match(masked(MARK, PASS), 0), DROP],
        ),
    }


def _groups(direction: str) -> tuple[Rule, ...]:
    """The neighbour's manufacturer, then its model, in the mark, which nobody needs any more."""
    other = TARGET if direction == "out" else SOURCE
    return (
        [put(MARK, lookup(other, "makers")), goto(f"{direction}_makers")],
        [goto(f"{direction}_models_next")],
    )


def _models(direction: str) -> tuple[Rule, ...]:
    other = TARGET if direction == "out" else SOURCE
    return (
        [put(MARK, lookup(other, "models")), goto(f"{direction}_models")],
        [goto(f"{direction}_refused")],
    )


def _members(direction: str, then: str) -> Iterator[Rule]:
    """The mark holds the number of the neighbour's group by now."""
    owner = SOURCE if direction == "out" else TARGET
    for family, ip in IP.items():
        here = match(TYPE, ip)
        yield [here, vmap(concat(owner, MARK, PROTO, DPORT), f"{direction}_group_dport{family}")]
        yield [here, vmap(concat(owner, MARK, PROTO, SPORT), f"{direction}_group_sport{family}")]
        yield [here, vmap(concat(owner, MARK, PROTO, SPORT, DPORT), f"{direction}_group_wide{family}")]
        kind, code = payload(ICMP[family], "type"), payload(ICMP[family], "code")
        yield [here, vmap(concat(owner, MARK, kind, code), f"{direction}_group_icmp{family}")]
    yield [goto(then)]
