"""Fetching a MUD file from the URL that a device claimed: the URL is hostile, and so is what it leads to.

HTTPS only; every address of the host must be public, and the connection goes to the very address that was checked (so a
second look-up cannot lead elsewhere); the same again for each redirect; limits on size, time and redirects. The caller
pins the URL on the owner's first approval and asks again when a device names another.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from customhouse.host.errors import InputError

from .document import LARGEST
from .mud import is_mud_url
from .notes import shown

Resolve = Callable[[str, int], tuple[str, ...]]

MOST_REDIRECTS = 3
LONGEST = 20.0
"""Seconds for all of it."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CHUNK = 16384
NOT_REACHED = "nothing but what the owner approved is allowed meanwhile"


@dataclass(frozen=True)
class Fetched:
    """`url`: where the file was found after redirects. `seconds`: how long HTTP allows it to be kept, 0 if unsaid."""

    url: str
    body: bytes
    seconds: int = 0


def resolve(host: str, port: int) -> tuple[str, ...]:
    """All addresses of a host by the system's resolver."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(f"{shown(host)} cannot be looked up", NOT_REACHED) from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_address(addresses: tuple[str, ...], host: str) -> str:
    """One address to connect to, when all are public. Raises InputError when one of them is not.

    Addresses inside others (v4-mapped, 6to4, NAT64, Teredo) count as what they carry.
    """
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        for each in _inner(address):
            if not each.is_global or each.is_multicast or each.is_reserved:
                raise InputError(f"{shown(host)} leads to {address}, which is not a public address", NOT_REACHED)
    if not addresses:
        raise InputError(f"{shown(host)} has no address", NOT_REACHED)
    return addresses[0]


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _inner(address: Address) -> tuple[Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    inside: list[Address] = [address]
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        inside.append(address.sixtofour)
    if address.teredo:
        inside += list(address.teredo)
    if address in NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return tuple(inside)


class _Pinned(http.client.HTTPSConnection):
    """Connects to an address that was checked, and still asks for the host's certificate."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self.address = address
        self.verifier = context

    def connect(self) -> None:
        plain = socket.create_connection((self.address, self.port), self.timeout)
        self.sock = self.verifier.wrap_socket(plain, server_hostname=self.host)


def fetch(
    url: str, *, look_up: Resolve = resolve, context: ssl.SSLContext | None = None, most: int = LARGEST
) -> Fetched:
    """The body at `url`. Raises InputError, in one line, for everything that is not a plain success.

    `look_up` and `context` are the resolver and the trusted authorities (the system's unless given).
    """
    end = time.monotonic() + LONGEST
    context = context or ssl.create_default_context()
    for _ in range(MOST_REDIRECTS + 1):
        if not is_mud_url(url):
            raise InputError(f"{shown(url)} is no plain https URL", "MUD URLs are https (RFC 8520 section 5)")
        found = _once(url, look_up, context, end, most)
        if isinstance(found, Fetched):
            return found
        url = found
    raise InputError(f"{shown(url)}: more than {MOST_REDIRECTS} redirects", NOT_REACHED)


def _once(url: str, look_up: Resolve, context: ssl.SSLContext, end: float, most: int) -> Fetched | str:
    """What the URL holds, or where it redirects to."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or 443
    except ValueError as error:
        raise InputError(f"{shown(url)} names no port that exists") from error
    address = public_address(look_up(host, port), host)
    connection = _Pinned(host, port, address, context, max(0.1, end - time.monotonic()))
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/mud+json, application/pkcs7-signature"})
        answer = connection.getresponse()
        if answer.status in REDIRECTS:
            return urljoin(url, answer.headers.get("Location", ""))
        if answer.status != 200:
            raise InputError(f"{shown(url)} answers {answer.status}", NOT_REACHED)
        return Fetched(
            url, _body(answer, connection, url, end, most), _freshness(answer.headers.get("Cache-Control", ""))
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{shown(url)} cannot be fetched: {shown(str(error))}", NOT_REACHED) from error
    finally:
        connection.close()


def _body(answer: http.client.HTTPResponse, connection: _Pinned, url: str, end: float, most: int) -> bytes:
    """Read under both limits: a server that drips bytes must not hold us."""
    body = bytearray()
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise InputError(f"{shown(url)} takes longer than {LONGEST:.0f} seconds", NOT_REACHED)
        if connection.sock is not None:
            connection.sock.settimeout(left)
        piece = answer.read1(CHUNK)
        if not piece:
            return bytes(body)
        body += piece
        if len(body) > most:
            raise InputError(f"{shown(url)} is larger than {most} bytes", NOT_REACHED)


def _freshness(cache_control: str) -> int:
    for directive in cache_control.split(","):
        name, _, value = directive.strip().partition("=")
        if name.lower() == "max-age" and value.strip('"').isdecimal():
            return min(int(value.strip('"')[:9]), 168 * 3600)
    return 0
