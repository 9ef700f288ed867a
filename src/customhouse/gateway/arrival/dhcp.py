"""What a DHCPv4 client says of itself (RFC 2131, 2132; option 161 is the MUD URL, RFC 8520 section 10).

Read from the broadcasts themselves, whoever the DHCP server is. Pure; any bytes give a claim or None.
"""

import ipaddress
import struct
from typing import NamedTuple
from urllib.parse import urlsplit

COOKIE = b"\x63\x82\x53\x63"
_FIXED = 240
_PAD, _END, _OVERLOAD = 0, 255, 52
_HOST_NAME, _REQUESTED, _TYPE, _VENDOR, _MUD = 12, 50, 53, 60, 161
DISCOVER, REQUEST, INFORM, ACK = 1, 3, 8, 5
_URL_MOST = 253


class Claim(NamedTuple):
    """One client's words. `mac` in lower case with colons; texts may hold anything printable or not."""

    mac: str
    type: int
    host_name: str
    vendor: str
    mud_url: str
    address: str
    """Of an ACK, the address that the server gives; else empty."""


def read_dhcp(packet: bytes) -> Claim | None:
    """From the UDP payload of a DHCPv4 message; None where it is not one of an Ethernet client."""
    if len(packet) < _FIXED or packet[_FIXED - 4 : _FIXED] != COOKIE or packet[1] != 1 or packet[2] != 6:
        return None
    hardware = packet[28:34]
    if hardware[0] & 1 or not any(hardware):  # a group address is nobody's
        return None
    options = _options(packet[_FIXED:])
    kind = options.get(_TYPE, b"")
    given = str(ipaddress.IPv4Address(packet[16:20]))
    return Claim(
        mac=":".join(f"{byte:02x}" for byte in hardware),
        type=kind[0] if len(kind) == 1 else 0,
        host_name=_text(options.get(_HOST_NAME, b"")),
        vendor=_text(options.get(_VENDOR, b"")),
        mud_url=mud_url(options.get(_MUD, b"")),
        address=given if packet[0] == 2 and kind == bytes([ACK]) and given != "0.0.0.0" else "",  # noqa: S104 – compared
    )


def mud_url(value: bytes) -> str:
    """The URL where it is one that may be asked for at all (https, a host, no spaces); else empty."""
    try:
        text = value.decode("ascii").strip("\0 ")
        parts = urlsplit(text)
        port = parts.port
    except (UnicodeDecodeError, ValueError):
        return ""
    usable = parts.scheme == "https" and parts.hostname and not parts.username and port in (None, 443)
    clean = all(0x21 <= ord(character) <= 0x7E for character in text)
    return text if usable and clean and len(text) <= _URL_MOST else ""


def udp_payload(frame: bytes) -> tuple[int, bytes] | None:
    """(destination port, payload) of an Ethernet frame with unfragmented UDP over IPv4; None for anything else."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != 17:
        return None
    header = (frame[14] & 0xF) * 4
    fragment = struct.unpack_from(">H", frame, 20)[0] & 0x3FFF
    start = 14 + header
    if header < 20 or fragment or len(frame) < start + 8:
        return None
    _, port, size = struct.unpack_from(">HHH", frame, start)
    return port, frame[start + 8 : start + max(8, size)]


def _options(data: bytes) -> dict[int, bytes]:
    """The first of each option; parts of one option that was split (RFC 3396) are joined."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        code = data[at]
        if code == _PAD:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            break
        found[code] = found.get(code, b"") + data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip("\0")
