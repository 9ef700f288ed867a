"""Seeing devices arrive: their DHCP messages on the wire, and the kernel's neighbour and forwarding tables.

The only IO of this room. Frames are filtered in the kernel, so that a device's video does not wake us.
"""

import asyncio
import contextlib
import ctypes
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from pyroute2 import IPRoute  # type: ignore[import-untyped]  # the package ships no types

from .dhcp import Claim, read_dhcp, udp_payload

_ETH_P_ALL, _SO_ATTACH_FILTER = 0x0003, 26
_AF_BRIDGE = 7
_FRAMES_A_TURN = 32
_REACHABLE = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # NUD_REACHABLE, STALE, DELAY, PROBE, PERMANENT (linux/neighbour.h)

_BPF = (  # UDP over IPv4, first fragment, to port 67 or 68; see linux/filter.h for the codes
    (0x28, 0, 0, 12),  # ldh [12]
    (0x15, 0, 8, 0x0800),  # jeq IPv4
    (0x30, 0, 0, 23),  # ldb [23]
    (0x15, 0, 6, 17),  # jeq UDP
    (0x28, 0, 0, 20),  # ldh [20]
    (0x45, 4, 0, 0x1FFF),  # jset fragment
    (0xB1, 0, 0, 14),  # ldxb 4*([14]&0xf)
    (0x48, 0, 0, 16),  # ldh [x + 16]
    (0x15, 2, 0, 67),  # jeq 67
    (0x15, 1, 0, 68),  # jeq 68
    (0x06, 0, 0, 0),  # no
    (0x06, 0, 0, 2048),  # yes, at most 2048 bytes
)


class Neighbour(NamedTuple):
    """A host that the kernel knows on a segment. `port` is the bridge port that it was last heard on, if any."""

    mac: str
    address: str
    segment: str
    port: str


class DhcpWatch:
    """Hands every claim seen on one interface to `tell`."""

    def __init__(self, interface: str, tell: Callable[[Claim, str], Awaitable[None]]) -> None:
        self._interface, self._tell = interface, tell
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._running: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Raises OSError where the interface is not there or we may not listen."""
        _attach_filter(self._socket)
        self._socket.bind((self._interface, _ETH_P_ALL))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_FRAMES_A_TURN):
            try:
                frame = self._socket.recv(2048)
            except (BlockingIOError, OSError):
                return
            found = udp_payload(frame)
            claim = read_dhcp(found[1]) if found else None
            if claim is not None and len(self._running) < _FRAMES_A_TURN:
                task = asyncio.ensure_future(self._tell(claim, self._interface))
                self._running.add(task)
                task.add_done_callback(self._running.discard)


class NeighbourTable:
    """The kernel's own tables. Blocks for some milliseconds a call; call it from a thread without an event loop."""

    def __init__(self, segments: tuple[str, ...]) -> None:
        self._segments = segments

    def look(self) -> list[Neighbour]:
        """Every host that the kernel has heard of on the segments, both families."""
        with IPRoute() as self._route:  # made anew: a pyroute2 socket belongs to the thread that made it
            return [neighbour for segment in self._segments for neighbour in self._of(segment)]

    def _of(self, segment: str) -> Iterator[Neighbour]:
        try:
            index = socket.if_nametoindex(segment)
        except OSError:
            return
        ports = self._ports(index)
        for family in (socket.AF_INET, socket.AF_INET6):
            for message in self._route.get_neighbours(family=family, ifindex=index):
                mac, address = message.get_attr("NDA_LLADDR"), message.get_attr("NDA_DST")
                if mac and address and message["state"] & _REACHABLE:
                    yield Neighbour(mac.lower(), address, segment, ports.get(mac.lower(), ""))

    def _ports(self, bridge: int) -> dict[str, str]:
        """Hardware address -> port of a bridge; empty where the segment is no bridge."""
        found: dict[str, str] = {}
        with contextlib.suppress(Exception):  # netlink raises its own kinds of errors; no bridge means no ports
            for message in self._route.get_neighbours(family=_AF_BRIDGE):
                if message.get_attr("NDA_MASTER") == bridge:
                    with contextlib.suppress(OSError):
                        found[message.get_attr("NDA_LLADDR").lower()] = socket.if_indextoname(message["ifindex"])
        return found


def _attach_filter(sock: socket.socket) -> None:
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _BPF)
    held = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_BPF), ctypes.addressof(held)))
