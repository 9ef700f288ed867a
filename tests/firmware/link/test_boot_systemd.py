"""systemd devices, as yocto builds them."""

import pytest

from customhouse.firmware.link.boot_systemd import unit
from customhouse.model import Port


@pytest.fixture
def yocto(device):
    device.elf("/lib/systemd/systemd")
    device.link("/sbin/init", "/lib/systemd/systemd")
    device.link("/etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    device.file("/lib/systemd/system/multi-user.target", "[Unit]\nRequires=basic.target\nWants=getty.target\n")
    return device


def services(device, kind):
    return [service for service in device.facts().services if service.kind == kind]


def test_a_wanted_unit_starts_as_its_user_with_its_environment(yocto):
    yocto.elf("/usr/sbin/mosquitto")
    yocto.file("/etc/default/mosquitto", "PORT=8883\n")
    yocto.file(
        "/lib/systemd/system/mosquitto.service",
        "[Service]\nUser=mosq\n"
        "EnvironmentFile=-/etc/default/mosquitto\nExecStart=/usr/sbin/mosquitto -p ${PORT}\nRestart=always\n",
    )
    yocto.link("/etc/systemd/system/multi-user.target.wants/mosquitto.service", "/lib/systemd/system/mosquitto.service")
    [broker] = services(yocto, "mqtt")
    assert broker.at_boot
    assert (broker.user, broker.respawn, broker.ports) == ("mosq", True, (Port(number=8883, protocol="tcp"),))
    assert broker.evidence[0].path == "/lib/systemd/system/mosquitto.service"


def test_a_unit_that_nothing_wants_does_not_start(yocto):
    yocto.elf("/usr/sbin/sshd")
    yocto.file("/lib/systemd/system/sshd.service", "[Service]\nExecStart=/usr/sbin/sshd -D\n")
    [ssh] = services(yocto, "ssh")
    assert not ssh.at_boot


def test_a_masked_unit_does_not_start(yocto):
    yocto.elf("/usr/sbin/sshd")
    yocto.file("/lib/systemd/system/sshd.service", "[Service]\nExecStart=/usr/sbin/sshd -D\n")
    yocto.link("/etc/systemd/system/multi-user.target.wants/sshd.service", "/lib/systemd/system/sshd.service")
    yocto.link("/etc/systemd/system/sshd.service", "/dev/null")
    [ssh] = services(yocto, "ssh")
    assert not ssh.at_boot


def test_a_socket_starts_its_template_on_its_port(yocto):
    yocto.elf("/usr/sbin/dropbear")
    yocto.file("/lib/systemd/system/dropbear.socket", "[Socket]\nListenStream=22\nAccept=yes\n")
    yocto.file("/lib/systemd/system/dropbear@.service", "[Service]\nExecStart=-/usr/sbin/dropbear -i -r /etc/key\n")
    yocto.link("/etc/systemd/system/sockets.target.wants/dropbear.socket", "/lib/systemd/system/dropbear.socket")
    [ssh] = services(yocto, "ssh")
    assert (ssh.at_boot, ssh.ports) == (True, (Port(number=22, protocol="tcp"),))


def test_a_condition_on_a_file_that_is_not_there_keeps_it_off(yocto):
    yocto.elf("/usr/sbin/telnetd")
    yocto.file(
        "/lib/systemd/system/telnet.service",
        "[Unit]\nConditionPathExists=/etc/debug\n[Service]\nExecStart=/usr/sbin/telnetd -F\n",
    )
    yocto.link("/etc/systemd/system/multi-user.target.wants/telnet.service", "/lib/systemd/system/telnet.service")
    [telnet] = services(yocto, "telnet")
    assert (telnet.at_boot, telnet.condition_holds, telnet.condition) == (
        False,
        False,
        "ConditionPathExists=/etc/debug",
    )


def test_a_serial_getty_that_logs_in_by_itself_asks_for_nothing(yocto):
    yocto.elf("/sbin/agetty")
    yocto.file("/lib/systemd/system/getty.target", "[Unit]\n")
    yocto.file(
        "/lib/systemd/system/serial-getty@.service",
        "[Service]\nExecStart=-/sbin/agetty --autologin root -8 -L %I 115200\n",
    )
    yocto.link(
        "/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service", "/lib/systemd/system/serial-getty@.service"
    )
    [console] = services(yocto, "console")
    assert (console.authentication, console.network_facing) == ("none", False)
    assert "ttyS0" in console.arguments


def test_a_script_that_a_unit_runs_is_followed(yocto):
    yocto.elf("/bin/busybox")
    yocto.link("/usr/sbin/telnetd", "/bin/busybox")
    yocto.file("/usr/bin/start-app.sh", "#!/bin/sh\ntelnetd -l /bin/sh\n")
    yocto.file("/etc/systemd/system/app.service", "[Service]\nExecStart=/bin/sh -c '/usr/bin/start-app.sh'\n")
    yocto.link("/etc/systemd/system/multi-user.target.wants/app.service", "../app.service")
    [telnet] = services(yocto, "telnet")
    assert telnet.at_boot
    assert telnet.started_by[-1] == "/usr/bin/start-app.sh"


def test_continued_lines_and_comments_are_read():
    made = unit("/x", "[Service]\n# no\nExecStart=/bin/a \\\n  -b\nUser=me\n")
    assert made.all("ExecStart") == ["/bin/a  -b"]
    assert made.first("User") == "me"


def test_a_server_that_only_checks_its_settings_is_started_once(yocto):
    yocto.elf("/usr/sbin/sshd")
    yocto.file(
        "/lib/systemd/system/ssh.service", "[Service]\nExecStartPre=/usr/sbin/sshd -t\nExecStart=/usr/sbin/sshd -D\n"
    )
    yocto.link("/etc/systemd/system/multi-user.target.wants/ssh.service", "/lib/systemd/system/ssh.service")
    assert [service.arguments for service in services(yocto, "ssh")] == [("-D",)]
