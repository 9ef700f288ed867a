"""The long-running gate: puts the rooms together, keeps time, and stops in order.

At start the drop table stands before anything else; at the end (or when we are killed) the rules stay as they are, so
that nobody is freed by our absence.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from customhouse.gateway.arrival.dhcp import Claim
from customhouse.gateway.arrival.dnsmasq import arguments
from customhouse.gateway.arrival.watch import DhcpWatch, NeighbourTable
from customhouse.gateway.kernel.kernel import Kernel
from customhouse.gateway.kernel.sentinel import guarded, stand_guard
from customhouse.gateway.names.proxy import Proxy
from customhouse.gateway.names.server import NameServer
from customhouse.gateway.names.upstream import upstream_for
from customhouse.gateway.profile.fetch import fetch
from customhouse.host.errors import CustomhouseError, InputError, MissingTool

from .api import application
from .asking import Asking, first_ipv4
from .blocks import blocks_of
from .claims import Claims
from .config import GateConfig
from .gate import Gate
from .state import State

LOOK_SECONDS = 1.0
"""Between two looks at the neighbour table."""
TICK_SECONDS = 5.0
"""Between two comparisons of the kernel with what it should hold."""
BLOCKED_SECONDS = 3.0
CLAIMS_SECONDS = 2.0
"""Between two looks for profiles that are due to be fetched."""
_STRANGER_SECONDS = 0.2
"""A packet from an unknown address makes us look at the neighbour table, but not more often than this."""


class Daemon:
    """One running gate. `run` returns when it was told to stop."""

    def __init__(self, config: GateConfig, kernel: Kernel | None = None) -> None:
        self.config = config
        self._kernel = kernel or Kernel()
        self._segments = config.house_segments()
        self._stop = asyncio.Event()
        self._last_look = 0.0

    async def run(self) -> None:
        """Raises MissingTool or InputError where it cannot start; what stood in the kernel then goes on standing."""
        self._kernel.drop_everything()
        await asyncio.to_thread(stand_guard, self._segments)
        state = State(_made(Path(self.config.state)))
        gate = Gate(self.config, state, self._kernel)
        await gate.start()
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(state.close)
            stack.callback(gate.close)
            self._table = NeighbourTable(tuple(segment.interface for segment in self._segments))
            await self._names(gate, stack)
            await self._listeners(gate, stack)
            await self._api(gate, stack)
            for signum in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(signum, self._stop.set)
            await self._keep(gate)

    def stop(self) -> None:
        self._stop.set()

    async def _names(self, gate: Gate, stack: contextlib.AsyncExitStack) -> None:
        upstream = upstream_for(self.config.resolver())
        stack.callback(upstream.close)
        proxy = Proxy(permitted=gate.permitted, notify=gate.refused)
        gate.on_change = proxy.forget
        server = NameServer(
            proxy, upstream, gate.learn_names, lambda address: self._device_of(gate, address), self.config.names.port
        )
        addresses = [address for segment in self._segments for address in segment.addresses]
        try:
            await server.start(addresses)
        except OSError as trouble:
            raise InputError(
                f"the DNS proxy cannot listen on {', '.join(addresses)} port {self.config.names.port}: {trouble}",
                "give the segment's interface those addresses first",
            ) from trouble
        stack.push_async_callback(server.close)

    async def _listeners(self, gate: Gate, stack: contextlib.AsyncExitStack) -> None:
        async def told(claim: Claim, interface: str) -> None:
            with _said():
                await gate.claimed(claim, interface)

        for segment in self._segments:
            watch = DhcpWatch(segment.interface, told)
            try:
                watch.start()
            except OSError as trouble:
                raise MissingTool(
                    f"cannot listen on {segment.interface}: {trouble.strerror}", "run as root"
                ) from trouble
            stack.callback(watch.close)
            address = first_ipv4(segment.addresses)
            if self.config.port_requests and address:
                asking = Asking(address, gate.device_of, gate.port_wanted)
                await asking.start()
                stack.push_async_callback(asking.close)
        if self.config.dhcp:
            dhcp = self.config.dhcp
            leases = Path(self.config.state).with_suffix(".leases")
            command = arguments(self._segments[0], dhcp.first, dhcp.last, dhcp.lease, leases)
            try:
                server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            except OSError as trouble:
                raise MissingTool("dnsmasq is not here", "apt-get install dnsmasq-base") from trouble
            stack.callback(_ended, server)

    async def _api(self, gate: Gate, stack: contextlib.AsyncExitStack) -> None:
        path = _made(Path(self.config.socket))
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        old = os.umask(0o177)  # the socket is ours alone from its first moment
        try:
            server = uvicorn.Server(
                uvicorn.Config(application(gate), uds=str(path), log_level="warning", lifespan="off", access_log=False)
            )
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # signals are the daemon's
            task = asyncio.create_task(_served(server))
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
        finally:
            os.umask(old)
        path.chmod(0o600)

        async def end() -> None:
            server.should_exit = True
            await task

        stack.push_async_callback(end)

    async def _keep(self, gate: Gate) -> None:
        jobs: list[tuple[float, Callable[[Gate], Awaitable[None]]]] = [
            (LOOK_SECONDS, self._look),
            (TICK_SECONDS, self._tick),
            (BLOCKED_SECONDS, self._blocked),
        ]
        if self.config.fetch_profiles:
            claims = Claims(gate, fetch, time.time)
            jobs.append((CLAIMS_SECONDS, lambda _: claims.look()))
        tasks = [asyncio.create_task(self._every(seconds, job, gate)) for seconds, job in jobs]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _every(self, seconds: float, job: Any, gate: Gate) -> None:
        while True:
            with _said():
                await job(gate)
            await asyncio.sleep(seconds)

    async def _look(self, gate: Gate) -> None:
        for neighbour in await asyncio.to_thread(self._table.look):
            if not any(neighbour.address in segment.addresses for segment in self._segments):
                await gate.arrived(neighbour.mac, neighbour.address, neighbour.segment, neighbour.port)

    async def _tick(self, gate: Gate) -> None:
        for wrong in await gate.tick():
            say(f"mended: {wrong}")
        missing = await asyncio.to_thread(guarded, self._segments)
        if missing:
            await asyncio.to_thread(stand_guard, self._segments)
            say(f"mended: no guard stood on {', '.join(missing)}")

    async def _blocked(self, gate: Gate) -> None:
        found = await asyncio.to_thread(lambda: list(self._kernel.blocked()))
        for block in blocks_of(found, gate.state.devices()):
            gate.blocked(block.device, block.address, block.detail)

    def _device_of(self, gate: Gate, address: str) -> str | None:
        known = gate.device_of(address)
        now = time.monotonic()
        if known is None and now - self._last_look > _STRANGER_SECONDS:
            self._last_look = now
            asyncio.ensure_future(self._look_said(gate))  # noqa: RUF006 – it answers the next packet, not this one
        return known

    async def _look_said(self, gate: Gate) -> None:
        with _said():
            await self._look(gate)


async def _served(server: uvicorn.Server) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve()


def say(text: str) -> None:
    """One line for the journal."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """A full disk or a refusing kernel is said in one line, and tried again later."""
    try:
        yield
    except CustomhouseError as trouble:
        say(f"error: {trouble}")


def _made(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    except OSError as trouble:
        raise InputError(f"{path.parent}: {trouble.strerror}") from trouble
    return path


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
