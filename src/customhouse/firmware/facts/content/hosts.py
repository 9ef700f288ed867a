"""Hosts, URLs and addresses that a content names, without saying what they are for."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Final

from customhouse.model import FileKind, HostMention

from ..extractor import Hit, Pattern
from .vocabulary import SCHEMES, TOP_LEVEL_DOMAINS

_MOST: Final = 400
_SURE: Final = frozenset({"com", "net", "org", "cn", "edu", "gov", "biz"})
"""Top-level domains that are no file suffix and no member name: believed without quotation marks."""

PATTERNS: Final = (
    Pattern(expression=rb"[a-zA-Z]://", tag="url"),
    Pattern(
        expression=rb"[a-z0-9]\.(?:" + rb"|".join(TOP_LEVEL_DOMAINS) + rb")[^A-Za-z0-9_.-]",
        tag="host",
        case_insensitive=True,
    ),
    Pattern(expression=rb"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", tag="address"),
)
_URL: Final = re.compile(
    rb"([a-zA-Z][a-zA-Z0-9+.-]{1,9})://(?:[^\s/@\x00\"'<>]{1,80}@)?"
    rb"(\[[0-9a-fA-F:]{2,39}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(\d{1,5}))?"
    rb"(?=[/?#\s\x00\"'<>),;\]}|\\`]|$|\.(?:\s|$|\x00))"
)
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,18}$")
_ADDRESS: Final = re.compile(rb"(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5})(?!\d))?")
_RELAYS_OF_6TO4: Final = 0xC05863  # 192.88.99.0/24 (RFC 3068): every IPv6 stack names it, nobody is there
_CREDENTIAL: Final = re.compile(r"://([^\s:@/]{1,80}):[^\s@/]{1,80}@")
_NAME_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
_PUBLIC_RESOLVERS: Final = frozenset(
    {"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "4.2.2.1", "4.2.2.2", "1.2.4.8"}
)
_SCHEMES: Final = frozenset(SCHEMES)


def read(data: bytes, hits: Sequence[Hit], kind: FileKind) -> tuple[HostMention, ...]:
    """Every (host, scheme, port) once, at the place where it first stands."""
    found: dict[tuple[str, str, int | None], HostMention] = {}
    taken: list[tuple[int, int]] = []
    for hit in hits:
        if hit.tag == "url":
            _keep(found, _url(data, hit.end, taken))
    for hit in hits:
        if hit.tag == "host":
            _keep(found, _bare_host(data, hit.end, taken, kind))
        elif hit.tag == "address":
            _keep(found, _address(data, hit.end, taken))
    return tuple(sorted(found.values(), key=lambda mention: (mention.offset, mention.host)))[:_MOST]


def _keep(found: dict[tuple[str, str, int | None], HostMention], mentions: Iterator[HostMention]) -> None:
    for mention in mentions:
        found.setdefault((mention.host, mention.scheme, mention.port), mention)


def _url(data: bytes, end: int, taken: list[tuple[int, int]]) -> Iterator[HostMention]:
    start = end - 3
    while start > 0 and end - start < 14 and (data[start - 1 : start].isalnum() or data[start - 1] in b"+.-"):
        start -= 1
    match = _URL.match(data, start)
    if match is None:
        return
    scheme = match.group(1).decode("ascii").lower()
    host = match.group(2).decode("ascii").lower().strip("[]")
    taken.append((start, match.end()))
    if scheme in _SCHEMES and _is_host(host):
        yield _mention(data, host, scheme, match.group(3), start, match.end())


def _bare_host(data: bytes, end: int, taken: list[tuple[int, int]], kind: FileKind) -> Iterator[HostMention]:
    last = end - 1
    start = last
    while start > 0 and last - start < 253 and data[start - 1] in _NAME_BYTES:
        start -= 1
    if any(first <= start < behind for first, behind in taken[-4000:]):
        return
    name = data[start:last]
    if not _HOST.match(name) or (start and data[start - 1] in b"@/\\$%&"):
        return
    host = name.decode("ascii").lower()
    before, after = data[start - 1 : start], data[last : last + 1]
    alone = (before in (b"", b"\0") and after == b"\0") or (before in (b'"', b"'") and after == before)
    sure = host.rsplit(".", 1)[-1] in _SURE and after != b"(" and (kind is FileKind.ELF or before not in (b".",))
    if (alone or sure) and _is_host(host):
        yield _mention(data, host, "", None, start, last)


def _address(data: bytes, end: int, taken: list[tuple[int, int]]) -> Iterator[HostMention]:
    start = end - 1
    while start > 0 and end - start < 16 and (data[start - 1 : start].isdigit() or data[start - 1] == 0x2E):
        start -= 1
    match = _ADDRESS.match(data, start)
    if match is None or any(first <= start < behind for first, behind in taken[-4000:]):
        return
    before, after = data[start - 1 : start], data[match.end() : match.end() + 1]
    if (before and (before.isalnum() or before in b"._-/+~")) or (after and (after.isalnum() or after in b"._-+~")):
        return
    text = match.group(1).decode("ascii")
    if _is_address(text, has_port=match.group(2) is not None):
        yield _mention(data, text, "", match.group(2), start, match.end())


def _mention(data: bytes, host: str, scheme: str, port: bytes | None, start: int, end: int) -> HostMention:
    number = int(port) if port else None
    return HostMention(
        host=host,
        scheme=scheme,
        port=number if number is not None and 0 < number < 65536 else None,
        offset=start,
        excerpt=_excerpt(data, start, end),
    )


def _excerpt(data: bytes, start: int, end: int) -> str:
    """The printable run around the place, at most 120 characters."""
    first = start
    while first > 0 and start - first < 40 and 32 <= data[first - 1] < 127:
        first -= 1
    last = end
    while last < len(data) and last - first < 120 and 32 <= data[last] < 127:
        last += 1
    return _CREDENTIAL.sub(r"://\1:…@", data[first:last].decode("ascii", "replace")).strip()


def _is_host(host: str) -> bool:
    """A name with a top-level domain, or a usable address. `localhost` and templates are no hosts to talk to."""
    if re.fullmatch(r"[\d.]+", host):
        return _is_address(host, has_port=True)
    if ":" in host:
        try:
            return not ipaddress.IPv6Address(host).is_loopback
        except ValueError:
            return False
    labels = host.split(".")
    return len(labels) >= 2 and all(labels) and labels[-1].isalpha() and len(labels[-1]) >= 2


def _is_address(text: str, *, has_port: bool) -> bool:
    """An IPv4 address that one could talk to, and not a version, an object identifier or a mask."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    if (
        int(address) >> 8 == _RELAYS_OF_6TO4
        or address.is_multicast
        or address.is_loopback
        or address.is_unspecified
        or int(address) >> 24 in (0, 255)
    ):
        return False
    parts = [int(part) for part in text.split(".")]
    if parts[3] in (0, 255) and not has_port:  # a network or a broadcast address
        return False
    if has_port or text in _PUBLIC_RESOLVERS or address.is_private:
        return True
    return max(parts) > 40 and parts[0] > 9  # 2.5.29.15 is an object identifier, 1.14.2.3 a version
