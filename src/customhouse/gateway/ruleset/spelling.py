"""Addresses and ranges as parts of keys: one spelling each, so that equal elements compare equal."""

import ipaddress

from .boxes import Span
from .element import Part


def address_part(address: str | int, family: int = 0) -> str:
    """The shortest spelling. `family` is needed for numbers."""
    if isinstance(address, str):
        return str(ipaddress.ip_address(address))
    return str(ipaddress.IPv4Address(address) if family == 4 else ipaddress.IPv6Address(address))


def span_part(span: Span, family: int = 0) -> Part:
    """A number or a range; with `family`, an address or a range of them."""
    first, last = span
    if family:
        return (
            address_part(first, family) if first == last else (address_part(first, family), address_part(last, family))
        )
    return first if first == last else (first, last)
