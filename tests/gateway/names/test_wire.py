"""DNS packets: read, written, and hostile. `dnslib`, somebody else's reading of the same RFCs, is the judge."""

import contextlib

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.names import wire

LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)


def a_query(name: str = "cloud.example.org", kind: str = "A") -> bytes:
    return bytes(dnslib.DNSRecord.question(name, kind).pack())


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(packet: bytes) -> None:
    for read in (wire.read_query, wire.read_response):
        with contextlib.suppress(wire.BadMessage):
            read(packet)
    wire.write_error(packet, wire.FORMERR)


@given(NAME)
def test_a_query_of_the_library_is_read_as_it_was_meant(name: str) -> None:
    query = wire.read_query(a_query(name, "AAAA"))
    assert query.question.name == name
    assert query.question.type == wire.AAAA
    assert query.recursion_desired


@given(NAME)
def test_the_library_reads_our_query(name: str) -> None:
    record = dnslib.DNSRecord.parse(wire.write_query(7, name, wire.A))
    assert str(record.q.qname).rstrip(".") == name
    assert record.header.id == 7
    assert record.ar[0].rtype == wire.OPT


@given(NAME, NAME, st.integers(0, 2**31 - 1))
def test_the_library_reads_our_answer_back_the_same(name: str, alias: str, ttl: int) -> None:
    query = wire.read_query(a_query(name))
    records = (wire.Record(name, wire.CNAME, ttl, alias), wire.Record(alias, wire.A, ttl, "93.184.216.34"))
    answer = dnslib.DNSRecord.parse(wire.write_response(query, wire.NOERROR, records))
    assert [str(rr.rdata).rstrip(".") for rr in answer.rr] == [alias, "93.184.216.34"]
    assert [rr.ttl for rr in answer.rr] == [ttl, ttl]


@given(NAME, NAME)
def test_an_answer_of_the_library_is_read_as_it_was_meant(name: str, alias: str) -> None:
    reply = dnslib.DNSRecord.parse(a_query(name)).reply()
    reply.add_answer(*dnslib.RR.fromZone(f"{name}. 60 CNAME {alias}."))
    reply.add_answer(*dnslib.RR.fromZone(f"{alias}. 30 A 93.184.216.34"))
    response = wire.read_response(bytes(reply.pack()))
    assert response.records == (
        wire.Record(name, wire.CNAME, 60, alias),
        wire.Record(alias, wire.A, 30, "93.184.216.34"),
    )


def test_a_pointer_that_runs_in_a_circle_is_refused() -> None:
    packet = b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c" + b"\0\1\0\1"
    with pytest.raises(wire.BadMessage, match="pointer"):
        wire.read_query(packet)


def test_a_label_with_a_dot_inside_cannot_pass_for_two() -> None:
    packet = b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\x0bcloud.evil1\0" + b"\0\1\0\1"
    with pytest.raises(wire.BadMessage, match="no host name"):
        wire.read_query(packet)


def test_what_does_not_fit_is_cut_and_says_so() -> None:
    query = wire.read_query(a_query())
    records = tuple(wire.Record("cloud.example.org", wire.TXT, 60, b"\xff" + b"x" * 255) for _ in range(5))
    answer = dnslib.DNSRecord.parse(wire.write_response(query, wire.NOERROR, records, most=query.payload))
    assert answer.header.tc == 1
    assert answer.rr == []
