import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.arrival.dhcp import ACK, DISCOVER, mud_url, read_dhcp, udp_payload

MAC = bytes.fromhex("020000000001")


def a_message(options: bytes, op: int = 1, given_address: bytes = b"\0\0\0\0", mac: bytes = MAC) -> bytes:
    head = struct.pack(">BBBB", op, 1, 6, 0) + b"\0" * 12 + given_address + b"\0" * 8 + mac + b"\0" * 10
    return head.ljust(236, b"\0") + b"\x63\x82\x53\x63" + options + b"\xff"


def option(code: int, value: bytes) -> bytes:
    return bytes((code, len(value))) + value


def test_a_client_says_its_name_and_its_profile() -> None:
    url = b"https://mud.example.com/camera.json"
    claim = read_dhcp(a_message(option(53, bytes([DISCOVER])) + option(12, b"ipcam") + option(161, url)))
    assert claim is not None
    assert (claim.mac, claim.type, claim.host_name) == ("02:00:00:00:00:01", DISCOVER, "ipcam")
    assert claim.mud_url == url.decode()


def test_a_servers_ack_says_the_address() -> None:
    claim = read_dhcp(a_message(option(53, bytes([ACK])), op=2, given_address=bytes([192, 168, 20, 9])))
    assert claim is not None and claim.address == "192.168.20.9"


def test_a_client_cannot_give_itself_an_address_by_claiming_an_ack() -> None:
    claim = read_dhcp(a_message(option(53, bytes([ACK])), op=1, given_address=bytes([192, 168, 20, 9])))
    assert claim is not None and claim.address == ""


def test_a_group_address_is_nobodys() -> None:
    assert read_dhcp(a_message(b"", mac=b"\xff" * 6)) is None


@pytest.mark.parametrize(
    "value",
    [
        b"http://mud.example.com/a",
        b"https://user@mud.example.com/a",
        b"https://mud.example.com:8443/a",
        b"https://",
        b"https://mud.example.com/$(reboot) x",
        b"https://mud.example.com/\x1b[2J",
        b"file:///etc/passwd",
        b"\xff\xfe",
    ],
)
def test_a_url_that_may_not_be_fetched_is_no_claim(value: bytes) -> None:
    assert mud_url(value) == ""


@given(st.binary(max_size=400))
def test_any_options_give_a_claim_or_none(options: bytes) -> None:
    claim = read_dhcp(a_message(options))
    assert claim is None or claim.mac == "02:00:00:00:00:01"


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(frame: bytes) -> None:
    read_dhcp(frame)
    udp_payload(frame)


def test_the_payload_of_a_frame_is_found_behind_its_headers() -> None:
    ip = bytes([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0]) + b"\0" * 8
    frame = b"\xff" * 6 + MAC + b"\x08\x00" + ip + struct.pack(">HHHH", 68, 67, 16, 0) + b"x" * 8
    assert udp_payload(frame) == (67, b"x" * 8)
    fragment = frame[:20] + b"\x20\x00" + frame[22:]
    assert udp_payload(fragment) is None
