"""Captures and frames are hostile bytes: any of them gives packets, fewer packets, or an input error."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.packet import IPV4, IPV6, UDP, looked_up, read_capture, read_frame
from customhouse.gateway.profile.capture import learn_profile
from customhouse.host.errors import InputError


def udp(source: str, sport: int, dport: int, payload: bytes) -> bytes:
    body = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0, bytes(map(int, source.split("."))),
                         bytes([9, 9, 9, 9]))  # fmt: skip
    return bytes.fromhex("02000000000102000000000a0800") + header + body


def capture(*frames: bytes) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", n, 0, len(f), len(f)) + f for n, f in enumerate(frames))


def test_a_frame_is_read_to_its_ports() -> None:
    [packet] = read_capture(capture(udp("10.0.0.2", 1234, 123, b"hello")))
    assert (packet.source, packet.target, packet.protocol) == ("10.0.0.2", "9.9.9.9", UDP)
    assert (packet.sport, packet.dport, packet.payload, packet.ethertype) == (1234, 123, b"hello", IPV4)
    assert packet.source_mac == "02:00:00:00:00:0a"


@pytest.mark.parametrize("data", [b"", b"MZ", b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a" + bytes(40)])
def test_what_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        list(read_capture(data)) or learn_profile([[]])


@given(st.binary(max_size=120))
def test_any_frame_gives_a_packet_or_none(data: bytes) -> None:
    for frame in (data, bytes(12) + struct.pack(">H", IPV4) + data, bytes(12) + struct.pack(">H", IPV6) + data):
        packet = read_frame(frame)
        assert packet is None or packet.family in (0, 4, 6)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_capture_gives_packets_or_an_input_error(data: bytes, cut: int) -> None:
    whole = capture(udp("10.0.0.2", 1234, 53, data), udp("10.0.0.2", 53, 1234, data))
    for damaged in (data, whole[: len(whole) - cut], whole[:24] + data):
        try:
            packets = list(read_capture(damaged))
            if packets:
                learn_profile([packets])
        except InputError as error:
            assert str(error)
    assert isinstance(looked_up(data), dict)
