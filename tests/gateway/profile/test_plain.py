"""Profiles written by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.profile.plain import read_plain
from customhouse.host.errors import InputError
from customhouse.model.profile import Peer, PeerKind, PortRange, Rate

WHOLE = """
name = "Hall thermometer"
mac = "02:00:00:00:00:01"
rate = "10 kbit/s"
burst = 3000
[[to]]
host = "*.thermo.example"
tcp = [443, "8000-8010"]
udp = 123
rate = "5 kbit/s"
[[to]]
network = "192.0.2.0/24"
icmp = true
[[from]]
local = true
tcp = 80
family = "ipv4"
"""


def test_a_short_file_says_all_that_is_needed() -> None:
    profile = read_plain(WHOLE.encode(), "hall.toml")
    assert profile.identity.name == "Hall thermometer"
    assert profile.rate == Rate(bits_per_second=10_000, burst=3000)
    tcp, udp, ping, ping6, web = profile.aces
    assert tcp.peer == Peer(kind=PeerKind.DNS_NAME, value="*.thermo.example")
    assert tcp.ports == (PortRange(first=443, last=443), PortRange(first=8000, last=8010))
    assert tcp.rate == Rate(bits_per_second=5_000, burst=0)
    assert (udp.protocol, udp.ports) == ("udp", (PortRange(first=123, last=123),))
    assert (ping.protocol, ping6.protocol) == ("icmp", "icmpv6")
    assert (web.direction, web.peer.kind, web.family) == ("to-device", PeerKind.LOCAL_NETWORKS, "ipv4")


@pytest.mark.parametrize(("text", "named"), [
    ('nam = "x"', "nam"), ("[[to]]\ntcp = 443", "0 peers"), ('[[to]]\nhost = "a b"\ntcp = 1', "a b"),
    ('[[to]]\nhost = "a.example"', "no protocol"), ('[[to]]\nhost = "a.example"\ntcp = 70000', "65535"),
    ('[[to]]\nhost = "a.example"\nlocal = true\ntcp = 1', "2 peers"), ('rate = "fast"', "fast"),
    ('[[to]]\nnetwork = "1.2.3"\ntcp = 1', "1.2.3"), ('mac = "x"', "mac"), ("valid-for = 999", "999"),
    ("[to]\nhost = 1", "list of tables"), ("x = ", "not TOML"), ('rate = "1 bit/s"', "1 kbit/s"),
])  # fmt: skip
def test_a_mistake_is_named_in_one_line(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_plain(text.encode())


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_a_profile_or_an_input_error(data: bytes) -> None:
    try:
        read_plain(data)
    except InputError as error:
        assert str(error)
