from pathlib import Path

from customhouse.gateway.arrival.dnsmasq import arguments
from customhouse.gateway.ruleset.house import Segment

SEGMENT = Segment(interface="br0", addresses=("fd00::1", "192.168.20.1"), networks=("fd00::/64", "192.168.20.0/24"))


def test_its_dns_is_off_and_it_serves_one_interface() -> None:
    words = arguments(SEGMENT, "192.168.20.50", "192.168.20.99", "12h", Path("/var/lib/x/leases"))
    assert "--port=0" in words
    assert "--interface=br0" in words
    assert "--dhcp-range=192.168.20.50,192.168.20.99,255.255.255.0,12h" in words
    assert "--dhcp-option=option:dns-server,192.168.20.1" in words
    assert not any("script" in word for word in words)
