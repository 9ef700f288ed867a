"""Asking a resolver: over UDP with TCP where an answer was cut, or over TLS (RFC 7858).

An answer is taken only from the socket that asked, with the number and the question that were sent. Ports and
numbers come from the system's random source, since guessing them is how answers are forged.
"""

import asyncio
import contextlib
import secrets
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Protocol, cast

from .wire import BadMessage, Response, read_response, write_query

ASK_SECONDS = 1.5
TRIES = 3
_SOCKETS = 8
_USES = 256  # queries through one socket before its port is changed
_PENDING_MOST = 2048


class Upstream(Protocol):
    async def ask(self, name: str, kind: int) -> Response | None:
        """None where no answer came in time."""

    def close(self) -> None: ...


class _Channel(asyncio.DatagramProtocol):
    """One UDP socket with a random port, and who waits on it."""

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self.waiting: dict[tuple[int, str, int], asyncio.Future[Response]] = {}
        self.uses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # what a datagram endpoint always gets

    def datagram_received(self, data: bytes, _peer: object) -> None:
        try:
            response = read_response(data)
        except BadMessage:
            return
        future = self.waiting.get((response.id, response.question.name, response.question.type))
        if future is not None and not future.done():
            future.set_result(response)

    def error_received(self, _error: Exception) -> None:
        """The resolver is not there just now; whoever waits will try again."""


@dataclass(frozen=True)
class Resolver:
    """Where to ask. `tls_name` set means TLS, and is the name that the certificate must be for."""

    address: str
    port: int = 53
    tls_name: str = ""


class PlainUpstream:
    """UDP first; TCP when the answer was cut."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._channels: list[_Channel] = []
        self._asked: dict[tuple[str, int], asyncio.Task[Response | None]] = {}

    async def ask(self, name: str, kind: int) -> Response | None:
        """Devices that ask the same at the same moment share one question."""
        key = (name, kind)
        task = self._asked.get(key)
        if task is None:
            if len(self._asked) >= _PENDING_MOST:
                return None
            task = self._asked[key] = asyncio.create_task(self._ask(name, kind))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    def close(self) -> None:
        for channel in self._channels:
            if channel.transport is not None:
                channel.transport.close()
        self._channels.clear()

    async def _ask(self, name: str, kind: int) -> Response | None:
        for _ in range(TRIES):
            response = await self._once(name, kind)
            if response is not None and response.truncated:
                return await self._over_tcp(name, kind) or response
            if response is not None:
                return response
        return None

    async def _once(self, name: str, kind: int) -> Response | None:
        try:
            channel = await self._channel()
            key = (_fresh_number(channel, name, kind), name, kind)
            future = channel.waiting[key] = asyncio.get_running_loop().create_future()
            assert channel.transport is not None
            channel.transport.sendto(write_query(*key))
        except (OSError, BadMessage):
            return None
        try:
            return await asyncio.wait_for(future, ASK_SECONDS)
        except TimeoutError:
            return None
        finally:
            channel.waiting.pop(key, None)

    async def _channel(self) -> _Channel:
        if len(self._channels) < _SOCKETS:
            self._channels.append(await self._open())
        index = secrets.randbelow(len(self._channels))
        channel = self._channels[index]
        channel.uses += 1
        if channel.uses > _USES and not channel.waiting:
            fresh = await self._open()
            if channel.transport is not None:
                channel.transport.close()
            self._channels[index] = channel = fresh
        return channel

    async def _open(self) -> _Channel:
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_datagram_endpoint(
            _Channel, remote_addr=(self._resolver.address, self._resolver.port)
        )
        return channel

    async def _over_tcp(self, name: str, kind: int) -> Response | None:
        try:
            async with asyncio.timeout(2 * ASK_SECONDS):
                reader, writer = await asyncio.open_connection(self._resolver.address, self._resolver.port)
                try:
                    return await _exchange(reader, writer, name, kind)
                finally:
                    writer.close()
        except (OSError, TimeoutError, BadMessage, asyncio.IncompleteReadError):
            return None


class TlsUpstream:
    """One connection at a time, opened again when it ends; the certificate must be for the resolver's name."""

    def __init__(self, resolver: Resolver, context: ssl.SSLContext | None = None) -> None:
        self._resolver = resolver
        self._context = context or ssl.create_default_context()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def ask(self, name: str, kind: int) -> Response | None:
        for _ in range(2):  # a resolver may close an idle connection at any moment
            try:
                async with self._turn, asyncio.timeout(2 * ASK_SECONDS):
                    reader, writer = await self._connected()
                    return await _exchange(reader, writer, name, kind)
            except (OSError, TimeoutError, BadMessage, asyncio.IncompleteReadError):
                self.close()
        return None

    def close(self) -> None:
        if self._streams is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._streams[1].close()
            self._streams = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._resolver.address,
                self._resolver.port,
                ssl=self._context,
                server_hostname=self._resolver.tls_name,
                family=socket.AF_UNSPEC,
            )
        return self._streams


def upstream_for(resolver: Resolver) -> PlainUpstream | TlsUpstream:
    return TlsUpstream(resolver) if resolver.tls_name else PlainUpstream(resolver)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, kind: int
) -> Response | None:
    identifier = secrets.randbelow(1 << 16)
    query = write_query(identifier, name, kind)
    writer.write(struct.pack(">H", len(query)) + query)
    await writer.drain()
    (size,) = struct.unpack(">H", await reader.readexactly(2))
    response = read_response(await reader.readexactly(size))
    if (response.id, response.question.name, response.question.type) != (identifier, name, kind):
        raise BadMessage("the answer to another question")
    return response


def _fresh_number(channel: _Channel, name: str, kind: int) -> int:
    while True:
        number = secrets.randbelow(1 << 16)
        if (number, name, kind) not in channel.waiting:
            return number
