"""A profile from an audit's endpoints is a proposal that leaves out what it cannot know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.profile.dossier import profile_of, read_dossier
from customhouse.host.errors import InputError
from customhouse.model.device import Endpoint
from customhouse.model.profile import PeerKind


def test_hosts_with_a_port_or_scheme_become_entries_once() -> None:
    profile = profile_of((
        Endpoint(host="api.maker.example", scheme="https"),
        Endpoint(host="API.maker.example", scheme="https", port=443),
        Endpoint(host="broker.maker.example", scheme="mqtt", port=8883),
        Endpoint(host="203.0.113.9", port=123),
        Endpoint(host="8.8.8.8", port=123),
    ))  # fmt: skip
    found = [(ace.peer.kind, ace.peer.value, ace.protocol, ace.ports[0].first) for ace in profile.aces]
    assert found == [
        (PeerKind.DNS_NAME, "api.maker.example", "tcp", 443),
        (PeerKind.DNS_NAME, "broker.maker.example", "tcp", 8883),
        (PeerKind.ADDRESS_RANGE, "8.8.8.8/32", "udp", 123),
    ]


@pytest.mark.parametrize("endpoint", [
    Endpoint(host="schemas.xmlsoap.org", scheme="http", role="namespace"),
    Endpoint(host="maker.example"),
    Endpoint(host="192.168.1.1", scheme="http"),
    Endpoint(host="a b; reboot", scheme="http"),
    Endpoint(host="localhost", scheme="http"),
    Endpoint(host="maker.example", scheme="https", port=99999),
])  # fmt: skip
def test_what_is_left_out_is_named(endpoint: Endpoint) -> None:
    profile = profile_of((endpoint,))
    assert profile.aces == ()
    assert [part.what for part in profile.unsupported] == [endpoint.host]


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError):
        read_dossier(data)
