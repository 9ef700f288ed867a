"""Attackers by where they stand, not by address (design: knowledge.md).

P1 an Internet peer, P2 on the path, P3 the device's own server when compromised, P4 the same LAN, P5 a downstream
device, P6 local code, P7 somebody with the device in hand, P8 whoever supplies files.
"""

import re
from collections.abc import Iterable

from customhouse.model import Advisory, Fact, Model

from .situation import Situation, fact

NAMES = {
    "P1": "an Internet peer",
    "P2": "somebody on the path (Wi-Fi, DNS, provider)",
    "P3": "the device's own server, if compromised",
    "P4": "a neighbour on the same LAN",
    "P5": "a downstream device",
    "P6": "code that runs on the device",
    "P7": "somebody with the device in hand",
    "P8": "whoever supplies files or data",
}
_BY_WORD = {
    "internet-peer": ("P1",),
    "on-path": ("P2",),
    "malicious-server": ("P2", "P3"),
    "malicious-client": ("P1", "P4", "P5"),
    "same-lan": ("P4",),
    "co-located": ("P6",),
    "privileged-local": ("P6",),
    "physical": ("P7",),
    "app-input": ("P8",),
}
_BY_ROLE = {
    "server": ("P1", "P4"),
    "client": ("P2", "P3"),
    "local": ("P6",),
    "parser": ("P8",),
    "app": ("P8",),
}


_ANSWERS = re.compile(r"\b(reply|replies|answers?|response)\b", re.I)


class Standing(Model, frozen=True, kw_only=True):
    """Who can stand where it takes. `perimeter`: of those that could, only NAT or a firewall keeps the last away."""

    positions: tuple[str, ...]
    removed: tuple[Fact, ...] = ()
    reopens: tuple[str, ...] = ()
    perimeter: bool = False


def stated(advisory: Advisory, sides: frozenset[str]) -> tuple[str, ...]:
    """The positions from which the flaw is used, by the record's own words, else by role and CVSS."""
    roles = set(advisory.roles)
    if "both" in roles:
        roles |= {"client", "server"}
    acting = (roles & sides) or roles
    if advisory.attackers:
        fitting = [word for word in advisory.attackers if _fits(word, acting)]
        if acting <= {"client", "server"} and "app" in roles and fitting != ["app-input"]:
            fitting = [word for word in fitting if word != "app-input"]  # met only where the application calls it
        return _sorted(position for word in fitting for position in _BY_WORD.get(word, ()))
    vector = _network(advisory.cvss)
    if vector in ("P", "L"):  # whatever the role: it takes the device in hand, or code or a file on it
        return ("P7",) if vector == "P" else ("P8",) if acting and acting <= {"parser", "client"} else ("P6",)
    if acting & {"client", "server", "local", "parser", "app"}:
        found = {position for role in acting for position in _BY_ROLE.get(role, ())}
        if "server" in acting and _ANSWERS.search(advisory.surface):
            found |= {"P2", "P3"}  # it is the other side's answer that carries the flaw
        if vector == "A":
            found = {position for position in found if position not in ("P1", "P3")} | {"P4"}
        return _sorted(found)
    return {"L": ("P6", "P8"), "A": ("P2", "P4"), "N": ("P1", "P2", "P3", "P4", "P5")}.get(
        vector, ("P1", "P2", "P3", "P4", "P5", "P6")
    )


def _fits(word: str, acting: set[str]) -> bool:
    """A client meets no clients and a server no servers; nobody connects to a client."""
    if word in ("malicious-client", "internet-peer") and acting and acting <= {"client"}:
        return False
    return not (word == "malicious-server" and acting and acting <= {"server"})


def _network(vector: str) -> str:
    return next((part[3:] for part in vector.split("/") if part.startswith("AV:")), "")


def _sorted(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(found)))


def remaining(stated_positions: tuple[str, ...], situation: Situation) -> Standing:
    """Take away the positions that the facts rule out. An unknown fact rules out nothing."""
    deployment = situation.deployment
    source = deployment.source
    kept: list[str] = []
    removed: list[Fact] = []
    reopens: list[str] = []
    behind = False
    for position in stated_positions:
        if position == "P1" and _kept_by_nat(situation):
            behind = True
            removed.append(fact("NAT, with UPnP off and IPv6 filtered, keeps unsolicited peers out", source))
        elif position == "P5" and deployment.downstream_devices is False:
            removed.append(fact("no device is connected behind this one", source))
            reopens.append("a device is connected behind this one")
        elif position == "P6" and deployment.single_image_mcu and deployment.local_users is not True:
            removed.append(fact("a single-image microcontroller runs no code of others", source))
            reopens.append("other code runs on the device, or others get accounts on it")
        elif position == "P7" and deployment.physical_access is False:
            removed.append(fact("strangers have no physical access", source))
            reopens.append("strangers get at the device itself")
        else:
            kept.append(position)
    return Standing(
        positions=tuple(kept),
        removed=tuple(removed),
        reopens=tuple(reopens),
        perimeter=behind and not kept,
    )


def _kept_by_nat(situation: Situation) -> bool:
    deployment = situation.deployment
    return bool(deployment.behind_nat) and deployment.upnp is False and deployment.ipv6_filtered is True
