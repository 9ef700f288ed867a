"""Clear text to the Internet, and what is none of it."""

from tests.firmware.conftest import MadeDevice

from customhouse.firmware.checks.endpoints import ClearTextHosts

PROGRAM = b"\x7fELF\x01\x01\x01" + bytes(60) + b"\0"


def test_hosts_in_clear_text_are_one_finding_by_domain(device: MadeDevice) -> None:
    urls = b"http://a.maker.com/\0http://b.maker.com/\0mqtt://mq.other.net\0https://safe.third.org/\0"
    device.file("/usr/bin/cloud", PROGRAM + urls, executable=True)
    [finding] = ClearTextHosts().findings(device.facts())
    assert finding.title == "Hosts of 2 domains are addressed in clear text"
    assert finding.detail == "maker.com (http), other.net (mqtt)"


def test_local_documented_and_encrypted_hosts_are_no_reason(device: MadeDevice) -> None:
    urls = b"http://192.168.1.1/\0http://www.w3.org/x\0https://a.maker.com/\0ntp.maker.com\0"
    device.file("/usr/bin/cloud", PROGRAM + urls, executable=True)
    assert not list(ClearTextHosts().findings(device.facts()))
