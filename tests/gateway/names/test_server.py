"""The proxy behind real sockets on loopback, with a real upstream."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dnslib
import pytest
from dnslib.server import DNSServer

from customhouse.gateway.names.nouns import Learned, Permission, Refusal
from customhouse.gateway.names.proxy import Proxy
from customhouse.gateway.names.server import NameServer
from customhouse.gateway.names.upstream import PlainUpstream, Resolver

HERE = "127.0.0.1"


class Zone:
    """An upstream that knows two names; `big` is too long for UDP."""

    def resolve(self, request: dnslib.DNSRecord, _handler: object) -> dnslib.DNSRecord:
        reply = request.reply()
        name = str(request.q.qname)
        if name == "cloud.example.org.":
            reply.add_answer(*dnslib.RR.fromZone(f"{name} 60 A 93.184.216.34"))
        elif name == "big.example.org.":
            for last in range(30):
                reply.add_answer(*dnslib.RR.fromZone(f"{name} 60 TXT {'x' * 200}{last}"))
        else:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        return reply


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((HERE, 0))
        return int(sock.getsockname()[1])


class Committed:
    def __init__(self) -> None:
        self.learned: list[Learned] = []
        self.when = 0.0
        self.delay = 0.0

    async def __call__(self, learned: tuple[Learned, ...]) -> None:
        await asyncio.sleep(self.delay)
        self.learned += learned
        self.when = time.monotonic()


@asynccontextmanager
async def a_server(committed: Committed, refusals: list[Refusal]) -> AsyncIterator[int]:
    upstream_port, port = free_port(), free_port()
    servers = [DNSServer(Zone(), address=HERE, port=upstream_port, tcp=tcp) for tcp in (False, True)]
    for server in servers:
        server.start_thread()
    proxy = Proxy(
        permitted=lambda device, name: Permission(name.endswith("example.org"), "not declared"), notify=refusals.append
    )
    upstream = PlainUpstream(Resolver(HERE, upstream_port))
    names = NameServer(proxy, upstream, committed, lambda address: "camera" if address == HERE else None, port)
    await names.start([HERE])
    try:
        yield port
    finally:
        await names.close()
        upstream.close()
        for server in servers:
            server.stop()
            server.server.server_close()


async def ask(port: int, name: str, kind: str = "A", tcp: bool = False) -> dnslib.DNSRecord:
    query = dnslib.DNSRecord.question(name, kind)
    packet = await asyncio.to_thread(query.send, HERE, port, tcp, 5)
    return dnslib.DNSRecord.parse(packet)


@pytest.mark.parametrize("tcp", [False, True])
def test_a_declared_name_is_answered_after_the_commit(tcp: bool) -> None:
    async def scene() -> None:
        committed, refusals = Committed(), list[Refusal]()
        committed.delay = 0.1
        async with a_server(committed, refusals) as port:
            answer = await ask(port, "cloud.example.org", tcp=tcp)
            assert committed.when and time.monotonic() >= committed.when
            assert str(answer.rr[0].rdata) == "93.184.216.34"
            assert [entry.address for entry in committed.learned] == ["93.184.216.34"]

    asyncio.run(scene())


def test_an_undeclared_name_is_refused_over_both() -> None:
    async def scene() -> None:
        refusals: list[Refusal] = []
        async with a_server(Committed(), refusals) as port:
            for tcp in (False, True):
                answer = await ask(port, "evil.example.net", tcp=tcp)
                assert answer.header.rcode == dnslib.RCODE.REFUSED
        assert [refusal.name for refusal in refusals] == ["evil.example.net"] * 2

    asyncio.run(scene())


def test_an_answer_too_long_for_udp_is_fetched_and_given_over_tcp() -> None:
    async def scene() -> None:
        async with a_server(Committed(), []) as port:
            short = await ask(port, "big.example.org", "TXT")
            whole = await ask(port, "big.example.org", "TXT", tcp=True)
            assert short.header.tc == 1 and short.rr == []
            assert len(whole.rr) == 30

    asyncio.run(scene())


def test_a_failed_commit_gives_no_address() -> None:
    class Failing(Committed):
        async def __call__(self, learned: tuple[Learned, ...]) -> None:
            raise OSError("the kernel said no")

    async def scene() -> None:
        async with a_server(Failing(), []) as port:
            answer = await ask(port, "cloud.example.org")
            assert answer.header.rcode == dnslib.RCODE.SERVFAIL and answer.rr == []

    asyncio.run(scene())


def test_a_stream_of_rubbish_does_not_stop_the_server() -> None:
    async def scene() -> None:
        async with a_server(Committed(), []) as port:
            for rubbish in (b"", b"\xff", b"\0" * 11, b"\xc0\x0c" * 40, struct.pack(">H", 65535) + b"x"):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.sendto(rubbish, (HERE, port))
                _reader, writer = await asyncio.open_connection(HERE, port)
                writer.write(rubbish)
                writer.close()
            answer = await ask(port, "cloud.example.org")
            assert answer.header.rcode == dnslib.RCODE.NOERROR

    asyncio.run(scene())
