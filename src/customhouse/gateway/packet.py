"""Packets of a capture, as values: what a rule can see of them, and no more."""

import io
import ipaddress
import struct
from collections.abc import Iterator
from typing import NamedTuple

import dpkt  # type: ignore[import-untyped]  # the package ships no types

from customhouse.gateway.names.wire import AAAA, A, BadMessage, read_response
from customhouse.host.errors import InputError

ARP, IPV4, IPV6, EAPOL = 0x0806, 0x0800, 0x86DD, 0x888E
ICMP, IGMP, TCP, UDP, ICMPV6 = 1, 2, 6, 17, 58
EXTENSIONS = frozenset({0, 43, 60})
"""IPv6 extension headers that are looked through; a fragment is not."""
ETHERNET = 1
SYN, ACK = 0x02, 0x10
LARGEST = 1 << 30


class Packet(NamedTuple):
    """One frame. Addresses as text; `protocol` is 0 where there is no IP; ports are 0 where there are none."""

    time: float
    source_mac: str
    target_mac: str
    ethertype: int
    source: str = ""
    target: str = ""
    protocol: int = 0
    sport: int = 0
    dport: int = 0
    flags: int = 0
    """TCP flags."""
    icmp: tuple[int, int] = (0, 0)
    length: int = 0
    """Bytes of the IP packet."""
    payload: bytes = b""

    @property
    def family(self) -> int:
        """4 or 6; 0 for what is not IP, or is cut off before its addresses."""
        return {IPV4: 4, IPV6: 6}.get(self.ethertype, 0) if self.source else 0

    @property
    def to_many(self) -> bool:
        """Broadcast or multicast, by the bit in the hardware address."""
        return bool(int(self.target_mac[:2], 16) & 1)


def read_capture(data: bytes) -> Iterator[Packet]:
    """The frames of a pcap or pcapng file, in order. Frames that are cut short are given as far as they go.

    Raises InputError when the file is no capture, or not of Ethernet.
    """
    if len(data) > LARGEST:
        raise InputError(f"the capture has {len(data)} bytes; at most {LARGEST} are read")
    try:
        reader = dpkt.pcap.UniversalReader(io.BytesIO(data))
        kind = reader.datalink()
    except (ValueError, dpkt.UnpackError, struct.error, OSError, IndexError, KeyError) as error:
        raise InputError("not a pcap or pcapng capture") from error
    if kind != ETHERNET:
        raise InputError(f"the capture has link type {kind}", "capture Ethernet frames: hardware addresses are needed")
    frames = iter(reader)
    while True:
        try:
            moment, frame = next(frames)
        except (StopIteration, ValueError, dpkt.UnpackError, struct.error, IndexError, KeyError, OverflowError):
            return  # the rest of a damaged file cannot be told apart into frames
        packet = read_frame(bytes(frame), float(moment))
        if packet is not None:
            yield packet


def read_frame(frame: bytes, moment: float = 0.0) -> Packet | None:
    """One Ethernet frame; None when it is shorter than a header."""
    if len(frame) < 14:
        return None
    target, source = frame[:6].hex(":"), frame[6:12].hex(":")
    ethertype = struct.unpack_from(">H", frame, 12)[0]
    at = 14
    if ethertype == 0x8100 and len(frame) >= 18:
        ethertype = struct.unpack_from(">H", frame, 16)[0]
        at = 18
    bare = Packet(moment, source, target, ethertype)
    if ethertype == IPV4:
        return _ipv4(bare, frame[at:])
    return _ipv6(bare, frame[at:]) if ethertype == IPV6 else bare


def _ipv4(bare: Packet, data: bytes) -> Packet:
    if len(data) < 20 or data[0] >> 4 != 4:
        return bare
    header = (data[0] & 0x0F) * 4
    total, fragment = struct.unpack_from(">H2xH", data, 2)
    source, target = str(ipaddress.IPv4Address(data[12:16])), str(ipaddress.IPv4Address(data[16:20]))
    packet = bare._replace(source=source, target=target, protocol=data[9], length=total)
    return packet if fragment & 0x1FFF else _transport(packet, data[header:total])


def _ipv6(bare: Packet, data: bytes) -> Packet:
    if len(data) < 40 or data[0] >> 4 != 6:
        return bare
    length, following = struct.unpack_from(">HB", data, 4)
    source, target = str(ipaddress.IPv6Address(data[8:24])), str(ipaddress.IPv6Address(data[24:40]))
    at, end = 40, 40 + length
    while following in EXTENSIONS and len(data) >= at + 8:
        following, at = data[at], at + 8 + data[at + 1] * 8
    packet = bare._replace(source=source, target=target, protocol=following, length=40 + length)
    return _transport(packet, data[at:end])


def _transport(packet: Packet, data: bytes) -> Packet:
    if packet.protocol in (TCP, UDP) and len(data) >= 4:
        sport, dport = struct.unpack_from(">HH", data)
        flags = data[13] if packet.protocol == TCP and len(data) >= 14 else 0
        start = (data[12] >> 4) * 4 if packet.protocol == TCP and len(data) >= 13 else 8
        return packet._replace(sport=sport, dport=dport, flags=flags, payload=data[start:])
    if packet.protocol in (ICMP, ICMPV6) and len(data) >= 2:
        return packet._replace(icmp=(data[0], data[1]), payload=data[2:])
    return packet


def looked_up(payload: bytes) -> dict[str, str]:
    """Address to the name that was asked for, from one answer; empty for anything that is none."""
    try:
        answer = read_response(payload)
    except BadMessage:
        return {}
    records = [record for record in answer.records if record.type in (A, AAAA)]
    return {str(record.data): answer.question.name for record in records} if answer.question else {}
