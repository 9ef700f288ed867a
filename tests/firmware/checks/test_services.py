"""What is said of services: each check once with a device that gives reason, once with one that gives none."""

import pytest

from customhouse.firmware.checks import check
from customhouse.firmware.checks.clear_text_web import ClearTextWeb
from customhouse.firmware.checks.console import ConsoleWithoutLogin
from customhouse.firmware.checks.debug_services import DebugServices
from customhouse.firmware.checks.file_transfer import FileTransferAtBoot
from customhouse.firmware.checks.removable_scripts import ScriptFromRemovableMedia
from customhouse.firmware.checks.ssh import SshAtBoot
from customhouse.firmware.checks.telnet import TelnetAtBoot, TelnetNotStarted, TelnetPasswordInScript
from customhouse.firmware.checks.upnp import UpnpAtBoot
from customhouse.model import Confidence, Severity

APPLETS = ("/usr/sbin/telnetd", "/sbin/getty", "/usr/sbin/tftpd", "/usr/sbin/udpsvd", "/usr/bin/nc")


@pytest.fixture
def boots(device):
    """A busybox device whose rcS is the given text."""

    def made(rcs, inittab="::sysinit:/etc/init.d/rcS\n"):
        device.elf("/bin/busybox")
        device.link("/bin/sh", "busybox")
        device.link("/sbin/init", "../bin/busybox")
        for applet in APPLETS:
            device.link(applet, "/bin/busybox")
        for program in ("/usr/sbin/dropbear", "/usr/sbin/miniupnpd", "/usr/sbin/lighttpd", "/usr/sbin/adbd"):
            device.elf(program)
        device.file("/etc/inittab", inittab)
        device.file("/etc/init.d/rcS", f"#!/bin/sh\n{rcs}\n")
        return device.facts()

    return made


def test_telnet_that_gives_a_shell_to_anyone_is_remote_root(boots):
    [finding] = TelnetAtBoot().findings(boots("telnetd -l /bin/sh &"))
    assert finding.severity is Severity.CRITICAL
    assert finding.tags == ("remote-root",)
    assert finding.title == "Anyone on the network becomes root: telnet asks for no password"
    assert finding.evidence[0].path == "/etc/init.d/rcS"
    assert "/etc/inittab → /etc/init.d/rcS → /usr/sbin/telnetd -l /bin/sh on tcp/23" in finding.detail


def test_telnet_that_asks_is_grave_and_not_remote_root(boots):
    [finding] = TelnetAtBoot().findings(boots("telnetd"))
    assert (finding.severity, finding.tags) == (Severity.HIGH, ())


def test_telnet_that_is_only_present_is_a_note(boots):
    device = boots("echo nothing")
    assert list(TelnetAtBoot().findings(device)) == []
    [note] = TelnetNotStarted().findings(device)
    assert (note.severity, note.title) == (Severity.INFO, "A telnet server is present and is not started")


def test_telnet_under_an_undecided_condition_may_start(boots):
    device = boots('[ "$(nvram get telnet)" = 1 ] && telnetd -l /bin/sh')
    assert list(TelnetAtBoot().findings(device)) == []
    [note] = TelnetNotStarted().findings(device)
    assert (note.severity, note.tags) == (Severity.LOW, ())
    assert "cannot be told from the image" in note.detail


def test_telnet_that_starts_is_not_also_said_to_be_present(boots):
    assert list(TelnetNotStarted().findings(boots("telnetd"))) == []


def test_telnet_on_the_own_machine_only_is_no_finding(boots):
    rules = {finding.rule for finding in check(boots("telnetd -p 127.0.0.1:2323"))}
    assert "boot.telnet" not in rules


def test_a_console_without_login_is_medium_and_not_remote(boots):
    [finding] = ConsoleWithoutLogin().findings(boots("", "ttyS0::respawn:-/bin/sh\n"))
    assert (finding.severity, finding.tags) == (Severity.MEDIUM, ("debug-interface",))


def test_a_console_with_login_is_fine(boots):
    assert list(ConsoleWithoutLogin().findings(boots("", "ttyS0::respawn:/sbin/getty ttyS0 115200\n"))) == []


def test_ssh_at_boot_is_told_with_what_it_takes(boots):
    [passwords] = SshAtBoot().findings(boots("dropbear -p 22"))
    assert passwords.severity is Severity.LOW


def test_ssh_for_keys_is_a_note(boots):
    [keys] = SshAtBoot().findings(boots("dropbear -s"))
    assert (keys.severity, keys.title) == (Severity.INFO, "An SSH server starts at boot, for keys only")


def test_ssh_that_is_not_started_is_nothing(boots):
    assert list(SshAtBoot().findings(boots(""))) == []


def test_tftp_that_takes_files_is_grave(boots):
    [finding] = FileTransferAtBoot().findings(boots("udpsvd -vE 0.0.0.0 69 tftpd -c /tmp &"))
    assert (finding.severity, finding.title) == (Severity.HIGH, "TFTP starts at boot and asks for no password")


def test_no_file_transfer_is_no_finding(boots):
    assert list(FileTransferAtBoot().findings(boots(""))) == []


def test_a_shell_on_a_port_is_a_back_door(boots):
    [finding] = DebugServices().findings(boots("nc -l -p 9999 -e /bin/sh &"))
    assert finding.severity is Severity.CRITICAL
    assert set(finding.tags) == {"back-door", "remote-root"}


def test_adb_at_boot_is_a_debug_interface(boots):
    [finding] = DebugServices().findings(boots("adbd &"))
    assert (finding.severity, finding.tags) == (Severity.HIGH, ("debug-interface",))


def test_a_debug_service_that_lies_there_is_nothing(boots):
    assert list(DebugServices().findings(boots(""))) == []


def test_a_web_interface_without_tls_is_told(boots):
    [finding] = ClearTextWeb().findings(boots("lighttpd -f /etc/l.conf"))
    assert finding.severity is Severity.LOW
    assert "tcp/80" in finding.detail


def test_a_web_interface_with_tls_only_is_fine(device, boots):
    device.file("/etc/l.conf", "server.port = 443\n")
    assert list(ClearTextWeb().findings(boots("lighttpd -f /etc/l.conf"))) == []


def test_upnp_at_boot_is_told(boots):
    [finding] = UpnpAtBoot().findings(boots("miniupnpd -i eth0"))
    assert (finding.severity, finding.confidence) == (Severity.LOW, Confidence.HIGH)


def test_upnp_that_is_not_started_is_nothing(boots):
    assert list(UpnpAtBoot().findings(boots(""))) == []


def test_a_script_from_a_memory_card_is_told(boots):
    [finding] = ScriptFromRemovableMedia().findings(boots("[ -f /mnt/sd/run.sh ] && sh /mnt/sd/run.sh"))
    assert finding.severity is Severity.MEDIUM
    assert finding.subject == "/mnt/sd/run.sh"


def test_a_script_of_the_image_is_not_taken_for_one(boots):
    assert list(ScriptFromRemovableMedia().findings(boots("sh /etc/none.sh"))) == []


ALPHA = """image_sign=`cat /etc/config/image_sign`
orig=`xmldbc -g /runtime/device/devconfsize`
if [ "$orig" = "0" ]; then
 if [ -f "/usr/sbin/login" ]; then
  telnetd -l /usr/sbin/login -u Alphanetworks:$image_sign -i br0 &
 else
  telnetd &
 fi
fi"""


def test_a_password_in_a_start_script_is_grave_even_under_a_condition(device, boots):
    device.file("/etc/config/image_sign", "wrgn22_dlwbr_dir300b\n")
    device.elf("/usr/sbin/login")
    [finding] = TelnetPasswordInScript().findings(boots(ALPHA))
    assert (finding.severity, finding.subject, finding.tags) == (Severity.HIGH, "Alphanetworks", ())
    assert "wrgn22_dlwbr_dir300b" in finding.detail


def test_a_password_of_telnet_that_starts_is_universal(boots):
    [finding] = TelnetPasswordInScript().findings(boots("telnetd -l /bin/login -u factory:1234 &"))
    assert finding.severity is Severity.CRITICAL
    assert "universal-password" in finding.tags


def test_telnet_without_a_password_of_its_own_is_not_one(boots):
    assert list(TelnetPasswordInScript().findings(boots("telnetd -l /bin/sh"))) == []


def test_one_way_in_is_told_once_as_critical(device, boots):
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    critical = [one.rule for one in check(boots("telnetd -l /bin/sh &")) if "remote-root" in one.tags]
    assert critical == ["accounts.no-password"]


def test_a_telnet_server_that_is_not_in_the_image_is_not_said_to_be_present(boots):
    facts = boots("#!/bin/sh\n[ -f /opt/vendor/telnetd ] && /opt/vendor/telnetd &\n")
    titles = {place.path for finding in TelnetNotStarted().findings(facts) for place in finding.evidence}
    assert titles == {"/usr/sbin/telnetd"}
