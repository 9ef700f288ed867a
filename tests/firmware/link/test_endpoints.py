"""Hosts that the device may talk to, apart from those that are only named."""

import pytest
from tests.firmware.conftest import MadeDevice

from customhouse.firmware.link.endpoints import registrable
from customhouse.model import Endpoint

PROGRAM = b"\x7fELF\x01\x01\x01" + bytes(60) + b"\0"


def _roles(device: MadeDevice) -> dict[str, str]:
    return {endpoint.host: endpoint.role for endpoint in device.facts().endpoints}


def _one(device: MadeDevice) -> Endpoint:
    [endpoint] = device.facts().endpoints
    return endpoint


def test_a_programs_url_is_an_endpoint_with_its_domain(device: MadeDevice) -> None:
    device.file("/usr/bin/cloud", PROGRAM + b"http://log.cam.maker.co.uk:8080/up\0", executable=True)
    endpoint = _one(device)
    assert (endpoint.host, endpoint.scheme, endpoint.port) == ("log.cam.maker.co.uk", "http", 8080)
    assert (endpoint.domain, endpoint.role, endpoint.clear_text) == ("maker.co.uk", "service", True)
    assert endpoint.programs == ("/usr/bin/cloud",)


def test_encrypted_schemes_are_not_clear_text(device: MadeDevice) -> None:
    device.file("/usr/bin/cloud", PROGRAM + b"mqtts://mq.maker.com\0", executable=True)
    assert not _one(device).clear_text


@pytest.mark.parametrize(
    ("path", "text", "roles"),
    [
        ("/etc/ntp.conf", "server pool.maker.com iburst\n", ["service"]),
        ("/etc/init.d/x", "#!/bin/sh\nwget https://fw.maker.com/x\n", ["service"]),
        ("/etc/x.conf", "url=http://cloud.lumencam.example/up\n", ["service"]),
        ("/etc/x.conf", "server=http://192.168.1.20/\n", ["local"]),
        ("/etc/init.d/x", "#!/bin/sh\nifconfig eth0 193.169.4.175 up\n", []),
        ("/etc/default.cfg", '<entry address="1.1.1.1" mask="255.255.255.0">\n', []),
        ("/etc/config/network", "option ipaddr 192.168.1.1\n", []),
        ("/etc/init.d/x", "#!/bin/sh\n# see https://fw.maker.com/x\n", []),
        ("/etc/dnsmasq.conf", "#server=/localnet/192.168.0.1\n#domain=thekelleys.maker.com\n", []),
        ("/etc/x.xml", '<a xmlns="http://schemas.maker.com/2003/05/x">\n', []),
        ("/etc/x.conf", "url=http://www.w3.org/2000/svg\n", []),
        ("/etc/x.conf", "url=http://www.gnu.org/licenses\n", []),
        ("/etc/x.conf", "url=http://api.example.com/\n", []),
        ("/www/index.html", '<a href="http://shop.maker.com/">shop</a>\n', []),
        ("/usr/share/doc/x", "see http://shop.maker.com/ for more\n", []),
        ("/etc/os-release", 'BUG_URL="http://bugtracker.maker.com/"\n', []),
    ],
)
def test_only_hosts_that_the_device_may_talk_to_are_endpoints(
    device: MadeDevice, path: str, text: str, roles: list[str]
) -> None:
    device.file(path, text)
    assert list(_roles(device).values()) == roles


def test_prose_in_a_program_is_documentation_and_a_command_is_not(device: MadeDevice) -> None:
    device.file(
        "/bin/tool",
        PROGRAM
        + b"Please report any bugs found to http://tool.maker.com/ thanks\0wget -O /tmp/x http://fw.maker.net/x\0",
        executable=True,
    )
    assert _roles(device) == {"fw.maker.net": "service"}


def test_a_referring_page_and_an_escaped_address_in_a_page_are_not_whom_it_talks_to(device: MadeDevice) -> None:
    told = b"Referer:http://ns.maker.com/x\0Ported from http:&#47;&#47;www.elsewhere.com/y\0"
    device.file("/bin/ddns", PROGRAM + told + b"http://update.maker.net/\0", executable=True)
    assert {host for host, role in _roles(device).items() if role == "service"} == {"update.maker.net"}


def test_services_come_first_and_one_real_use_outweighs_comments(device: MadeDevice) -> None:
    device.file("/etc/a.conf", "# from http://api.maker.com/\n")
    device.file("/usr/bin/cloud", PROGRAM + b"http://api.maker.com/\0", executable=True)
    device.file("/etc/b.conf", "camera=rtsp://192.168.1.20/x\n")
    found = device.facts().endpoints
    assert [(e.host, e.role) for e in found] == [("api.maker.com", "service"), ("192.168.1.20", "local")]
    assert found[0].evidence[0].path == "/usr/bin/cloud"


def test_addresses_that_the_device_hands_out_are_its_own_network(device: MadeDevice) -> None:
    device.file("/etc/udhcpd.conf", "start 192.179.8.20\nend 192.179.8.30\n")
    device.file("/etc/init.d/ap", "#!/bin/sh\nifconfig wlan0 192.179.8.1\nping 192.180.9.77\n")
    assert {host for host, role in _roles(device).items() if role == "service"} == {"192.180.9.77"}


def test_registrable_domains() -> None:
    assert registrable("a.b.maker.com.cn") == "maker.com.cn"
    assert registrable("192.0.2.1") == ""
    assert registrable("2001:db8::1") == ""
