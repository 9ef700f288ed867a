"""The proxy's own sockets: UDP and TCP, one pair an address of the gateway.

They are bound to addresses, not to everything: an answer to a redirected query must leave from the address that the
kernel redirected it to, or connection tracking does not know it.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Sequence

from .nouns import Commit
from .proxy import Ask, CommitFailed, CommitFirst, Conversation, Proxy
from .upstream import Upstream

DeviceOf = Callable[[str], str | None]
"""Source address of a packet -> device, None for a stranger, who gets no answer."""

_BATCH = 64  # datagrams read in one go, so that one busy socket does not keep the others waiting
_PACKET_MOST = 4096
_TCP_SECONDS = 10
_TCP_MOST = 64  # connections at once; a device that opens more than its share meets a closed door
_TCP_A_DEVICE = 4
_OPEN_MOST = 4096  # conversations that wait for an upstream or the kernel


class NameServer:
    """Serves `proxy` on `addresses`. `start` raises OSError where an address cannot be bound."""

    def __init__(self, proxy: Proxy, upstream: Upstream, commit: Commit, device_of: DeviceOf, port: int = 53) -> None:
        self._proxy, self._upstream, self._commit, self._device_of = proxy, upstream, commit, device_of
        self._port = port
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        self._streams: dict[str, int] = {}

    async def start(self, addresses: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM)
            self._sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind((address, self._port))
            loop.add_reader(sock.fileno(), self._readable, sock)
            self._servers.append(await asyncio.start_server(self._stream, address, self._port))

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock.fileno())
            sock.close()
        for server in self._servers:
            server.close()
        for task in tuple(self._open):
            task.cancel()
        self._sockets.clear()
        self._servers.clear()

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                packet, peer = sock.recvfrom(_PACKET_MOST)
            except OSError:
                return
            address: str = peer[0]
            device = self._device_of(address.partition("%")[0] if "%" in address else address)
            if device is None:
                continue
            answer = self._proxy.at_once(time.monotonic(), device, packet)
            if answer is None:
                self._datagram(sock, packet, peer, device)
            else:
                _send(sock, answer, peer)

    def _datagram(self, sock: socket.socket, packet: bytes, peer: tuple[str, int], device: str) -> None:
        """What can be said without waiting is said without a task of its own."""
        conversation = self._proxy.converse(time.monotonic(), device, packet)
        try:
            step = next(conversation)
        except StopIteration as end:
            _send(sock, end.value, peer)
            return
        if len(self._open) >= _OPEN_MOST:
            conversation.close()
            return
        task = asyncio.create_task(self._finish_datagram(sock, conversation, step, peer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _finish_datagram(
        self, sock: socket.socket, conversation: Conversation, step: Ask | CommitFirst, peer: tuple[str, int]
    ) -> None:
        _send(sock, await self._finish(conversation, step), peer)

    async def _finish(self, conversation: Conversation, step: Ask | CommitFirst) -> bytes | None:
        """Carries out the steps that a conversation asks for, to its answer."""
        try:
            while True:
                if isinstance(step, Ask):
                    step = conversation.send(await self._upstream.ask(step.name, step.type))
                elif trouble := await self._trouble_with_commit(step):
                    step = conversation.throw(trouble)
                else:
                    step = conversation.send(None)
        except StopIteration as end:
            packet: bytes | None = end.value
            return packet

    async def _trouble_with_commit(self, step: CommitFirst) -> CommitFailed | None:
        try:
            await self._commit(step.learned)
        except Exception as trouble:  # whatever it was: no commit, no answer; that is what failing closed means
            return CommitFailed(str(trouble))
        return None

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str(writer.get_extra_info("peername")[0]).partition("%")[0]
        device = self._device_of(address)
        try:
            if device is not None and self._enter(device):
                try:
                    await self._queries(reader, writer, device)
                finally:
                    self._streams[device] -= 1
        finally:
            writer.close()

    def _enter(self, device: str) -> bool:
        mine = self._streams.get(device, 0)
        if mine >= _TCP_A_DEVICE or sum(self._streams.values()) >= _TCP_MOST:
            return False
        self._streams[device] = mine + 1
        return True

    async def _queries(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, device: str) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(_TCP_SECONDS):
                    (size,) = struct.unpack(">H", await reader.readexactly(2))
                    packet = await reader.readexactly(size)
                answer = await self._answer(device, packet)
                if answer is None:
                    return
                writer.write(struct.pack(">H", len(answer)) + answer)
                async with asyncio.timeout(_TCP_SECONDS):
                    await writer.drain()

    async def _answer(self, device: str, packet: bytes) -> bytes | None:
        conversation = self._proxy.converse(time.monotonic(), device, packet, most=65535)
        try:
            step = next(conversation)
        except StopIteration as end:
            answer: bytes | None = end.value
            return answer
        return await self._finish(conversation, step)


def _send(sock: socket.socket, packet: bytes | None, peer: tuple[str, int]) -> None:
    if packet:
        try:
            sock.sendto(packet, peer)
        except OSError:  # a full buffer or a device that has gone: it will ask again
            return
