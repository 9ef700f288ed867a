"""The sockets on which devices ask the gateway for open ports, and are told no."""

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Sequence

from customhouse.gateway.arrival import igd, portmap
from customhouse.gateway.arrival.portmap import PortRequest

from .intent import IGD_PORT

SSDP_GROUP, SSDP_PORT, PORTMAP_PORT = "239.255.255.250", 1900, 5351
_SECONDS = 5
_HEAD_MOST = 8192

DeviceOf = Callable[[str], str | None]
Wanted = Callable[[str, PortRequest], None]


class Asking:
    """Serves one gateway address on one segment. `wanted(device, wish)` is called for what a device asked for."""

    def __init__(self, address: str, device_of: DeviceOf, wanted: Wanted) -> None:
        self._address, self._device_of, self._wanted = address, device_of, wanted
        self._started = time.monotonic()
        self._uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{address}.customhouse"))
        self._sockets: list[socket.socket] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises OSError where a port is taken."""
        self._listen(PORTMAP_PORT, self._portmap, self._address)
        ssdp = self._listen(SSDP_PORT, self._ssdp, "")
        membership = socket.inet_aton(SSDP_GROUP) + socket.inet_aton(self._address)
        ssdp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self._server = await asyncio.start_server(self._http, self._address, IGD_PORT, limit=_HEAD_MOST)

    async def close(self) -> None:
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
        if self._server is not None:
            self._server.close()

    def _listen(self, port: int, answer: Callable[[bytes, str], bytes | None], address: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((address, port))

        def readable() -> None:
            with contextlib.suppress(OSError):
                packet, peer = sock.recvfrom(2048)
                device = self._device_of(peer[0])
                reply = answer(packet, device) if device is not None else None
                if reply is not None:
                    sock.sendto(reply, peer)

        asyncio.get_running_loop().add_reader(sock.fileno(), readable)
        return sock

    def _portmap(self, packet: bytes, device: str) -> bytes | None:
        reply, wish = portmap.answer(packet, int(time.monotonic() - self._started))
        if wish is not None:
            self._wanted(device, wish)
        return reply

    def _ssdp(self, packet: bytes, _device: str) -> bytes | None:
        return igd.ssdp_answer(packet, f"http://{self._address}:{IGD_PORT}/igd.xml", self._uuid)

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device = self._device_of(str(writer.get_extra_info("peername")[0]))
        try:
            if device is not None:
                with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(_SECONDS):
                        status, body = await self._exchange(reader, device)
                        writer.write(_response(status, body))
                        await writer.drain()
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, device: str) -> tuple[str, str]:
        """One request of HTTP/1.0 or 1.1, as much of it as UPnP needs (RFC 9112 sections 3 and 6)."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = (head[0] + "  ").split(" ", 2)
        if method == "GET" and path == "/igd.xml":
            return "200 OK", igd.description(self._uuid)
        if method != "POST" or path != "/control":
            return "404 Not Found", ""
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        size = min(int(headers.get("content-length", "0")), igd.BODY_MOST)
        reply = igd.soap_answer(headers.get("soapaction", ""), await reader.readexactly(max(0, size)))
        if reply.request is not None:
            self._wanted(device, reply.request)
        return reply.status, reply.body


def first_ipv4(addresses: Sequence[str]) -> str | None:
    return next((address for address in addresses if ":" not in address), None)


def _response(status: str, body: str) -> bytes:
    data = body.encode("utf-8")
    head = f'HTTP/1.1 {status}\r\nContent-Type: text/xml; charset="utf-8"\r\nContent-Length: {len(data)}\r\n'
    return (head + "Connection: close\r\n\r\n").encode("ascii") + data
