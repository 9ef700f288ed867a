"""What of an upstream's answer may be believed and handed on. Pure.

An answer is followed only from the name that was asked, alias by alias. Addresses that lead into the house, to the
gateway or nowhere are a rebinding attack or a mistake; either way nobody gets them.
"""

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from .wire import AAAA, CNAME, SRV, TXT, A, Record, Response

ALIASES_MOST = 8
ADDRESSES_MOST = 32
PASSED = (A, AAAA, CNAME, TXT, SRV)
"""Types that are asked for upstream. Others, HTTPS and SVCB among them, are answered "no data": their hints would
lead a device past the addresses that the kernel was told of."""


class Believed(NamedTuple):
    """The part of an answer that is handed on: aliases first, then the records at their end. `ttl` in seconds."""

    records: tuple[Record, ...]
    addresses: tuple[str, ...]
    ttl: int
    refused: str = ""
    """Why something was left out, in words for the owner; empty when nothing was."""


def believe(response: Response, house: Collection[str] = ()) -> Believed:
    """What of `response` may be handed on; `house` are the gateway's own public addresses, which no name may have."""
    asked = response.question
    aliases, end, trouble = _aliases(response, asked.name)
    if trouble:
        return Believed((), (), 0, trouble)
    finals = [record for record in response.records if record.name == end and record.type == asked.type != CNAME]
    kept, refused = [], ""
    for record in finals[:ADDRESSES_MOST]:
        reason = unfit(str(record.data), frozenset(house)) if record.type in (A, AAAA) else ""
        if reason:
            refused = f"{record.data!s} is {reason}"
        else:
            kept.append(record)
    if refused and not kept:
        return Believed((), (), 0, refused)
    records = (*aliases, *kept)
    ttl = min((record.ttl for record in records), default=0)
    addresses = tuple(str(record.data) for record in kept if record.type in (A, AAAA))
    return Believed(records, addresses, ttl, refused)


def _aliases(response: Response, name: str) -> tuple[tuple[Record, ...], str, str]:
    """The aliases from `name` on, the name at their end, and what is wrong with them."""
    by_name: dict[str, Record] = {}
    for record in response.records:
        if record.type == CNAME:
            by_name.setdefault(record.name, record)
    followed: list[Record] = []
    seen = {name}
    while name in by_name:
        record = by_name[name]
        name = str(record.data)
        if name in seen or len(followed) >= ALIASES_MOST:
            return (), "", "its aliases run in a circle or too far"
        seen.add(name)
        followed.append(record)
    return tuple(followed), name, ""


@lru_cache(maxsize=65536)
def unfit(address: str, house: frozenset[str]) -> str:
    """Why no name may resolve to `address`, in words; empty when it may.

    Source of the special ranges: IANA's special-purpose address registries, as Python's `ipaddress` knows them.
    """
    if address in house:
        return "this gateway"
    value = ipaddress.ip_address(address)
    if isinstance(value, ipaddress.IPv6Address):
        embedded = value.ipv4_mapped or value.sixtofour or (value.teredo[1] if value.teredo else None)
        if embedded is None and value in _NAT64:
            embedded = ipaddress.IPv4Address(int(value) & 0xFFFFFFFF)
        if embedded is not None:
            return unfit(str(embedded), house)
    for word, holds in (
        ("loopback", value.is_loopback),
        ("unspecified", value.is_unspecified),
        ("multicast", value.is_multicast),
        ("link-local", value.is_link_local),
        ("a private address", value.is_private),
        ("a reserved address", not value.is_global),
    ):
        if holds:
            return word
    return ""


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
