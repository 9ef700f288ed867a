import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.arrival.portmap import PortRequest, answer


def test_a_nat_pmp_wish_is_refused_and_told() -> None:
    packet = struct.pack(">BBHHHI", 0, 2, 0, 8080, 18080, 3600)
    reply, request = answer(packet, uptime=7)
    assert reply is not None
    assert struct.unpack(">BBHIHHI", reply) == (0, 130, 2, 7, 8080, 0, 0)
    assert request == PortRequest("tcp", 8080, 18080, 3600, "NAT-PMP")


def test_asking_for_the_public_address_is_refused_and_nothing_is_wanted() -> None:
    reply, request = answer(b"\0\0", uptime=7)
    assert reply is not None and struct.unpack_from(">BBH", reply) == (0, 128, 2)
    assert request is None


@pytest.mark.parametrize(("number", "name"), [(6, "tcp"), (17, "udp")])
def test_a_pcp_wish_is_refused_and_told(number: int, name: str) -> None:
    client = b"\0" * 10 + b"\xff\xff" + bytes([192, 168, 20, 9])
    data = b"nonce-nonce-" + struct.pack(">B3xHH", number, 554, 554) + b"\0" * 16
    reply, request = answer(struct.pack(">BBHI", 2, 1, 0, 7200) + client + data, uptime=9)
    assert reply is not None
    version, opcode, _, result = struct.unpack_from(">BBBB", reply)
    assert (version, opcode, result) == (2, 129, 2)
    assert reply[24:36] == b"nonce-nonce-"
    assert request == PortRequest(name, 554, 554, 7200, "PCP")


def test_taking_a_mapping_back_asks_for_nothing() -> None:
    assert answer(struct.pack(">BBHHHI", 0, 2, 0, 8080, 18080, 0), uptime=7).request is None


def test_an_answer_is_not_answered() -> None:
    assert answer(b"\0\x82" + b"\0" * 14, uptime=7).reply is None


@given(st.binary(max_size=1400))
def test_any_bytes_get_a_short_no_or_silence(packet: bytes) -> None:
    reply, _ = answer(packet, uptime=2**40)
    assert reply is None or len(reply) <= 1100
