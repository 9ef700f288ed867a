"""NAT-PMP (RFC 6886) and PCP (RFC 6887): a device asks for an open port, and is told no. Pure.

The request is what the owner is asked about; an approval is the owner's, limited in time, and never made here.
"""

import struct
from typing import NamedTuple

NATPMP, PCP = 0, 2
_NOT_AUTHORIZED = 2  # the same number in both: "Not Authorized/Refused" and NOT_AUTHORIZED
_UNSUPPORTED_VERSION = 1
_UNSUPPORTED_OPCODE = {NATPMP: 5, PCP: 4}
_MALFORMED = 3
_PCP_HEADER, _PCP_MAP = 24, 36
_PROTOCOLS = {6: "tcp", 17: "udp"}
_REFUSED_FOR = 1800
"""Seconds after which a PCP client may ask again (RFC 6887 section 15: lifetime of an error)."""


class PortRequest(NamedTuple):
    """A device wants `outside` on the Internet side to lead to its own port `inside`. `lifetime` in seconds."""

    protocol: str
    inside: int
    outside: int
    lifetime: int
    how: str


class Answered(NamedTuple):
    """The packet to send back (None: silence), and what was asked for, if anything."""

    reply: bytes | None
    request: PortRequest | None = None


def answer(packet: bytes, uptime: int) -> Answered:
    """To one datagram on port 5351; `uptime` is the seconds since this service started, which both protocols want."""
    if len(packet) < 2 or packet[1] & 0x80:
        return Answered(None)
    if packet[0] == NATPMP:
        return _natpmp(packet, uptime)
    if packet[0] == PCP:
        return _pcp(packet, uptime)
    return Answered(struct.pack(">BBHI", NATPMP, 0x80 | packet[1], _UNSUPPORTED_VERSION, uptime & 0xFFFFFFFF))


def _natpmp(packet: bytes, uptime: int) -> Answered:
    opcode, now = packet[1], uptime & 0xFFFFFFFF
    if opcode == 0:
        reply = struct.pack(">BBHI4s", NATPMP, 0x80, _NOT_AUTHORIZED, now, b"\0\0\0\0")
        return Answered(reply)
    if opcode not in (1, 2) or len(packet) < 12:
        return Answered(struct.pack(">BBHI", NATPMP, 0x80 | opcode, _UNSUPPORTED_OPCODE[NATPMP], now))
    inside, outside, lifetime = struct.unpack_from(">HHI", packet, 4)
    reply = struct.pack(">BBHIHHI", NATPMP, 0x80 | opcode, _NOT_AUTHORIZED, now, inside, 0, 0)
    request = PortRequest("udp" if opcode == 1 else "tcp", inside, outside, lifetime, "NAT-PMP")
    return Answered(reply, request if lifetime else None)  # a lifetime of nothing takes a mapping back


def _pcp(packet: bytes, uptime: int) -> Answered:
    opcode, now = packet[1], uptime & 0xFFFFFFFF
    if len(packet) < _PCP_HEADER or len(packet) % 4 or len(packet) > 1100:
        return Answered(_pcp_reply(packet[:1100].ljust(_PCP_HEADER, b"\0"), opcode, _MALFORMED, now))
    if opcode not in (1, 2):
        return Answered(_pcp_reply(packet, opcode, _UNSUPPORTED_OPCODE[PCP], now))
    reply = _pcp_reply(packet, opcode, _NOT_AUTHORIZED, now)
    if opcode == 2 or len(packet) < _PCP_HEADER + _PCP_MAP:
        return Answered(reply)
    (lifetime,) = struct.unpack_from(">I", packet, 4)
    protocol, inside, outside = packet[36], *struct.unpack_from(">HH", packet, 40)
    wanted = PortRequest(_PROTOCOLS.get(protocol, str(protocol)), inside, outside, lifetime, "PCP")
    return Answered(reply, wanted if lifetime else None)


def _pcp_reply(packet: bytes, opcode: int, result: int, now: int) -> bytes:
    """The request with the response header in front of its opcode data (RFC 6887 section 7.2)."""
    header = struct.pack(">BBBBII12x", PCP, 0x80 | opcode, 0, result, _REFUSED_FOR, now)
    return header + packet[_PCP_HEADER:]
