"""What arguments and settings of known servers say."""

import pytest

from customhouse.firmware.link.daemons import (
    DAEMONS,
    authentication,
    console_authentication,
    kind_by_port,
    option,
    ports,
)
from customhouse.firmware.link.files import files_of
from customhouse.model import Port


@pytest.fixture
def files(device):
    device.file("/etc/ssh/sshd_config", "#Port 1\nPort 2022\nPasswordAuthentication no\n")
    device.file("/etc/vsftpd.conf", "anonymous_enable=YES\nlisten_port=2121\n")
    return files_of(device.tree(), device.known)


@pytest.mark.parametrize(
    ("name", "arguments", "numbers", "local"),
    [
        ("telnetd", [], [23], False),
        ("telnetd", ["-p", "24"], [24], False),
        ("telnetd", ["-p24"], [24], False),
        ("telnetd", ["-p", "$PORT"], [], False),
        ("telnetd", ["-p", "99999"], [], False),
        ("telnetd", ["-b", "127.0.0.1"], [23], True),
        ("uhttpd", ["-p", "0.0.0.0:80", "-p", "[::]:80", "-p", "8080"], [80, 8080], False),
        ("dropbear", ["-p", "127.0.0.1:22"], [22], True),
        ("sshd", [], [2022], False),
        ("vsftpd", [], [2121], False),
    ],
)
def test_ports_come_from_arguments_then_settings_then_custom(files, name, arguments, numbers, local):
    found, own = ports(DAEMONS[name], arguments, files)
    assert ([port.number for port in found], own) == (numbers, local)


@pytest.mark.parametrize(
    ("name", "arguments", "asks"),
    [
        ("telnetd", [], "password"),
        ("telnetd", ["-l", "/bin/sh"], "none"),
        ("telnetd", ["-l/bin/ash"], "none"),
        ("telnetd", ["-l", "/bin/login"], "password"),
        ("telnetd", ["-l", "/usr/sbin/own-login"], "unknown"),
        ("telnetd", ["-l", "$LOGIN"], "unknown"),
        ("dropbear", ["-F", "-s"], "key"),
        ("dropbear", ["-F"], "password"),
        ("sshd", ["-D"], "key"),
        ("vsftpd", [], "none"),
        ("tftpd", [], "none"),
        ("httpd", [], "unknown"),
        ("ttyd", ["-p", "7681", "/bin/sh"], "none"),
        ("ttyd", ["-c", "admin:secret", "/bin/sh"], "password"),
        ("ttyd", ["-i", "br-lan", "/bin/login"], "password"),
    ],
)
def test_what_is_asked_follows_from_options_and_settings(files, name, arguments, asks):
    assert authentication(DAEMONS[name], arguments, files) == asks


@pytest.mark.parametrize(
    ("program", "arguments", "asks"),
    [
        ("/bin/sh", [], "none"),
        ("getty", ["-L", "ttyS0"], "password"),
        ("getty", ["-l", "/bin/sh"], "none"),
        ("getty", ["-l", "/sbin/own"], "unknown"),
        ("agetty", ["--autologin", "root", "tty1"], "none"),
        ("login", ["-f", "root"], "none"),
        ("sulogin", [], "password"),
    ],
)
def test_consoles_ask_what_their_program_asks(program, arguments, asks):
    assert console_authentication(program, arguments) == asks


def test_options_are_read_in_every_spelling():
    assert option(["-p", "1", "-p2", "--port=3", "-x"], ["-p", "--port"]) == ["1", "2", "3"]


def test_a_port_names_a_kind_only_when_it_is_well_known():
    assert kind_by_port([Port(number=554, protocol="tcp")]) == "rtsp"
    assert kind_by_port([Port(number=23, protocol="udp"), Port(number=40000, protocol="tcp")]) == "other"
