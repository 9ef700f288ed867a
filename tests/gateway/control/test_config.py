import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.control.config import parse_config
from customhouse.host.errors import InputError

GOOD = '[[segments]]\ninterface = "br0"\naddresses = ["192.168.20.1/24", "fd00:20::1/64"]\n'


def test_a_segment_knows_its_addresses_and_networks() -> None:
    [segment] = parse_config(GOOD).house_segments()
    assert segment.addresses == ("192.168.20.1", "fd00:20::1")
    assert segment.networks == ("192.168.20.0/24", "fd00:20::/64")


def test_tls_moves_the_resolvers_port() -> None:
    config = parse_config(GOOD + '[names]\nupstream = "9.9.9.9"\ntls_name = "dns.quad9.net"\n')
    assert config.resolver().port == 853


@pytest.mark.parametrize(
    "text",
    [
        "",
        "segments = []",
        GOOD + "[name]\n",
        GOOD.replace("/24", ""),
        GOOD.replace("br0", "br0; reboot"),
        GOOD + GOOD,
        GOOD + '[names]\nupstream = "resolver.example"\n',
        GOOD + "[names]\nport = 99999\n",
        "not toml [",
    ],
)
def test_what_is_wrong_is_an_error_that_says_where(text: str) -> None:
    with pytest.raises(InputError, match=r"gate\.toml"):
        parse_config(text)


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_an_error(text: str) -> None:
    with contextlib.suppress(InputError):
        parse_config(GOOD + text)
