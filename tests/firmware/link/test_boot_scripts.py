"""Start scripts in the styles of many vendors: what they start, what they do not, and under which conditions."""

import msgspec
import pytest
from tests.firmware.link.boot import RCS, busybox, telnet

from customhouse.firmware.link.files import printable
from customhouse.model import Port, Service

GLOBS = [
    "for s in /etc/init.d/S*; do $s start; done",
    'for i in /etc/init.d/S??* ;do\n [ ! -f "$i" ] && continue\n'
    ' case "$i" in\n *.sh) ( trap - INT; set start; . $i ) ;;\n'
    " *) $i start ;;\n esac\ndone",
    "cd /etc/init.d\nfor s in S[0-9][0-9]*\ndo\n if [ -x $s ]; then\n  ./$s start\n fi\ndone",
    "run-parts -a start /etc/init.d",
    "for s in `ls /etc/init.d/S*`; do sh $s start; done",
    "/etc/init.d/rc.d start\n[ -x /etc/init.d/S50telnet ] && /etc/init.d/S50telnet start",
]


@pytest.mark.parametrize("loop", GLOBS)
def test_a_script_reached_by_any_of_the_usual_loops_is_followed(device, loop):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", f"#!/bin/sh\n{loop}\n", executable=True)
    device.file(
        "/etc/init.d/S50telnet",
        '#!/bin/sh\ncase "$1" in\nstart) telnetd -p 2323 -l /bin/sh & ;;\nstop) killall telnetd ;;\nesac\n',
    )
    service = telnet(device.facts())
    assert service.at_boot
    assert service.program == "/usr/sbin/telnetd"
    assert service.applet == "telnetd"
    assert service.started_by == ("/etc/inittab", "/etc/init.d/rcS", "/etc/init.d/S50telnet")
    assert service.ports == (Port(number=2323, protocol="tcp"),)
    assert service.authentication == "none"
    assert service.evidence[0].path == "/etc/init.d/S50telnet"
    assert "telnetd -p 2323" in service.evidence[0].excerpt


def test_a_script_called_with_stop_starts_nothing(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/etc/init.d/S50telnet stop\n")
    device.file("/etc/init.d/S50telnet", '#!/bin/sh\ncase "$1" in\nstart) telnetd ;;\nesac\n')
    service = telnet(device.facts())
    assert not service.at_boot
    assert service.started_by == ()


def test_variables_defaults_functions_and_sourced_files_are_followed(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file(
        "/etc/defaults",
        "PORT=${TELNET_PORT:-9999}\nstart_telnet() {\n local daemon=$1\n $daemon -p $PORT -l ${SHELL_IS}\n}\n",
    )
    device.file(
        "/etc/init.d/rcS",
        "#!/bin/sh\n. /etc/defaults\nSHELL_IS=/bin/sh\nDAEMON=/usr/sbin/telnetd\nstart_telnet $DAEMON\n",
    )
    service = telnet(device.facts())
    assert service.arguments == ("-p", "9999", "-l", "/bin/sh")
    assert service.at_boot
    assert service.authentication == "none"


@pytest.mark.parametrize(
    "guard",
    [
        'if [ "`nvram get telnet_en`" = "1" ]; then',
        "if grep -q debug /proc/cmdline; then",
        "if [ -f /tmp/debug ]; then",
    ],
)
def test_a_condition_of_the_running_device_is_reported_and_not_decided(device, guard):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", f"#!/bin/sh\n{guard}\n telnetd &\nfi\n")
    service = telnet(device.facts())
    assert not service.at_boot
    assert service.condition_holds is None
    assert service.condition == guard.removeprefix("if ").removesuffix("; then")
    assert service.started_by == ("/etc/inittab", "/etc/init.d/rcS")


def test_a_file_that_is_not_in_the_image_switches_the_service_off_as_shipped(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n[ -f /etc/telnet_enable ] && telnetd -l /bin/sh\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.condition_holds) == (False, False)
    assert service.condition == "[ -f /etc/telnet_enable ]"


def test_a_file_that_is_in_the_image_is_no_condition(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ntest -x /usr/sbin/telnetd || exit 0\ntelnetd\n")
    service = telnet(device.facts())
    assert service.at_boot
    assert service.condition == ""


def test_a_setting_in_a_file_of_the_image_decides_and_is_told(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/telnet.conf", "ENABLE=1\n")
    device.file("/etc/init.d/rcS", "#!/bin/sh\nif grep -q '^ENABLE=1' /etc/telnet.conf; then\n telnetd\nfi\n")
    service = telnet(device.facts())
    assert service.at_boot
    assert service.condition_holds is True
    assert service.condition == "grep -q '^ENABLE=1' /etc/telnet.conf"


def test_what_stands_after_an_early_exit_does_not_run(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nexit 0\ntelnetd &\n")
    assert not telnet(device.facts()).at_boot


def test_what_stands_after_an_endless_loop_does_not_run(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.elf("/usr/bin/ipcam")
    device.file("/etc/init.d/rcS", "#!/bin/sh\nwhile true; do\n /usr/bin/ipcam\n sleep 1\ndone\ntelnetd &\n")
    facts = device.facts()
    assert not telnet(facts).at_boot
    [camera] = [service for service in facts.services if service.program == "/usr/bin/ipcam"]
    assert camera.at_boot
    assert camera.respawn


def test_scripts_that_run_each_other_end(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/etc/a.sh\ntelnetd\n")
    device.file("/etc/a.sh", "#!/bin/sh\n/etc/b.sh\n", executable=True)
    device.file("/etc/b.sh", "#!/bin/sh\nf() { f; f; }\nf\n. /etc/b.sh\n/etc/a.sh\n", executable=True)
    facts = device.facts()
    assert telnet(facts).at_boot
    assert any("a.sh" in one.what for one in facts.not_examined)


def test_files_copied_or_linked_at_boot_can_be_run(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file(
        "/etc/init.d/rcS", "#!/bin/sh\nmkdir -p /var/run\ncp /etc_ro/start.sh /var/start.sh\nsh /var/start.sh\n"
    )
    device.file("/etc_ro/start.sh", "telnetd\n")
    assert telnet(device.facts()).started_by[-1] == "/var/start.sh"


def test_what_a_command_substitution_starts_counts(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nresult=`telnetd -l /bin/sh`\n")
    assert telnet(device.facts()).at_boot


def test_words_that_are_no_utf8_can_be_reported(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", b"#!/bin/sh\n[ -f /etc/\xff\xfe ] && telnetd -l '\xe9'\n")
    service = telnet(device.facts())
    assert service.arguments == ("-l", "é")
    assert msgspec.json.decode(msgspec.json.encode(service), type=Service) == service


def test_control_characters_are_shown_as_escapes():
    assert printable("a\x1b[2J\udcffb") == "a\\x1b[2J\\xffb"


def test_what_every_branch_starts_is_started(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    branches = "a) telnetd ;; b) telnetd ;; c) x=1; telnetd ;; *) telnetd ;;"
    device.file("/etc/init.d/rcS", f"#!/bin/sh\ncase `nvram get model` in {branches} esac\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.condition) == (True, "")


def test_what_only_some_branches_start_may_start(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ncase `nvram get model` in a) telnetd ;; b) telnetd ;; *) : ;; esac\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.condition_holds) == (False, None)
