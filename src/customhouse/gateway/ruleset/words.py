"""Words of libnftables' JSON (libnftables-json(5)), so that chains read like rules."""

from collections.abc import Sequence

Json = dict[str, object]
Statement = Json

ACCEPT: Statement = {"accept": None}
DROP: Statement = {"drop": None}


def meta(key: str) -> Json:
    return {"meta": {"key": key}}


def ct(key: str) -> Json:
    return {"ct": {"key": key}}


def payload(protocol: str, field: str) -> Json:
    return {"payload": {"protocol": protocol, "field": field}}


def concat(*fields: object) -> Json:
    return {"concat": list(fields)}


def masked(field: Json, bits: int) -> Json:
    return {"&": [field, bits]}


def match(left: object, right: object, op: str = "==") -> Statement:
    return {"match": {"op": op, "left": left, "right": right}}


def jump(chain: str) -> Statement:
    return {"jump": {"target": chain}}


def goto(chain: str) -> Statement:
    return {"goto": {"target": chain}}


def vmap(key: object, name: str) -> Statement:
    return {"vmap": {"key": key, "data": f"@{name}"}}


def lookup(key: object, name: str) -> Json:
    return {"map": {"key": key, "data": f"@{name}"}}


def put(key: Json, value: object) -> Statement:
    """Set a packet or conntrack mark."""
    return {"mangle": {"key": key, "value": value}}


def remember(key: object, name: str, seconds: int | None = None) -> Statement:
    """Add or refresh an element of a set from the packet path."""
    elem: object = {"elem": {"val": key, "timeout": seconds}} if seconds else key
    return {"set": {"op": "update", "elem": elem, "set": f"@{name}"}}


def at_most(rate: int, burst: int) -> Statement:
    """Packets a second."""
    return {"limit": {"rate": rate, "per": "second", "burst": burst}}


def over(speed: int, burst: int) -> Statement:
    """True for packets beyond `speed` bytes a second."""
    return {
        "limit": {
            "rate": speed, "per": "second", "rate_unit": "bytes", "burst": burst, "burst_unit": "bytes", "inv": True,
        }
    }  # fmt: skip


def one_of(*values: object) -> Json:
    return {"set": list(values)}


def states(*names: str) -> Statement:
    return match(ct("state"), list(names), "in")


Rule = Sequence[Statement]
