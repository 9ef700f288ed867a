"""Devices in the styles of many vendors, made of text: what starts, and what does not."""

import msgspec
import pytest

from customhouse.firmware.link import link
from customhouse.firmware.link.files import printable
from customhouse.model import ContentFacts, DeviceFacts, Port, ProgramFacts, Service


def busybox(device, *applets, inittab=None):
    device.elf("/bin/busybox")
    device.link("/bin/sh", "busybox")
    device.link("/sbin/init", "../bin/busybox")
    for applet in applets:
        device.link(applet, "/bin/busybox")
    if inittab is not None:
        device.file("/etc/inittab", inittab)


def of_kind(facts: DeviceFacts, kind: str) -> list[Service]:
    return [service for service in facts.services if service.kind == kind]


def telnet(facts: DeviceFacts) -> Service:
    [service] = of_kind(facts, "telnet")
    return service


RCS = "::sysinit:/etc/init.d/rcS\n"
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


def test_telnetd_that_nothing_starts_is_listed_as_not_started(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n#telnetd &\necho telnetd\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.started_by, service.condition) == (False, (), "")


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


def test_start_stop_daemon_and_wrappers_are_unwrapped(device):
    busybox(device, inittab=RCS)
    device.elf("/usr/sbin/dropbear")
    device.elf("/usr/sbin/lighttpd")
    device.file("/etc/lighttpd/lighttpd.conf", "server.port = 8080\n")
    device.file(
        "/etc/init.d/rcS",
        "#!/bin/sh\nstart-stop-daemon -S -q -p /var/run/dropbear.pid --exec /usr/sbin/dropbear -- -s -p 2222\n"
        "nice -n 5 nohup /usr/sbin/lighttpd -f /etc/lighttpd/lighttpd.conf > /dev/null 2>&1 &\n",
    )
    facts = device.facts()
    [ssh] = of_kind(facts, "ssh")
    assert (ssh.at_boot, ssh.authentication, ssh.ports[0].number) == (True, "key", 2222)
    [web] = of_kind(facts, "http")
    assert (web.at_boot, web.ports[0].number, web.network_facing) == (True, 8080, True)


def test_a_partition_mounted_at_boot_is_followed(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nmount -t jffs2 /dev/mtdblock3 /system\n/system/init/app_init.sh &\n")
    device.volume("mtdblock3.bin", "jffs2", part="mtdblock3.bin")
    device.elf("@mtdblock3.bin/bin/ipc")
    device.file("@mtdblock3.bin/init/app_init.sh", "#!/bin/sh\n/system/bin/ipc &\ntelnetd -l /bin/sh\n")
    facts = device.facts()
    assert telnet(facts).started_by == ("/etc/inittab", "/etc/init.d/rcS", "/system/init/app_init.sh")
    assert any(service.program == "/system/bin/ipc" and service.at_boot for service in facts.services)


def test_partitions_of_one_flash_image_are_found_by_the_kernel_arguments(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nmount -t jffs2 /dev/mtdblock2 /opt/app\n/opt/app/run.sh\n")
    device.volume(
        "root",
        "squashfs",
        root=True,
        offset=0x100000,
        arguments="console=ttyS0 mtdparts=hi_sfc:1M(boot),4M(rootfs),-(app)",
    )
    device.volume("jffs2-500000", "jffs2", offset=0x500000)
    device.volume("jffs2-700000", "jffs2", offset=0x40000)
    device.file("@jffs2-500000/run.sh", "#!/bin/sh\ntelnetd\n")
    device.file("@jffs2-700000/other", "x")
    assert telnet(device.facts()).started_by[-1] == "/opt/app/run.sh"


def test_a_partition_that_is_not_there_is_said_to_be_missing(device):
    busybox(device, inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nmount -t jffs2 /dev/mtdblock6 /mnt/mtd\nsh /mnt/mtd/start.sh\n")
    [missing] = [one for one in device.facts().not_examined if "mtdblock6" in one.what]
    assert missing.outcome == "unknown"
    assert "/mnt/mtd" in missing.what


def test_inetd_starts_what_its_file_says(device):
    busybox(device, "/usr/sbin/inetd", "/usr/sbin/telnetd", "/usr/sbin/ftpd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ninetd /etc/inetd.conf\n")
    device.file(
        "/etc/inetd.conf",
        "telnet stream tcp nowait root /usr/sbin/telnetd telnetd -i -l /bin/sh\n"
        "#ftp stream tcp nowait root /usr/sbin/ftpd ftpd -w /\n",
    )
    facts = device.facts()
    service = telnet(facts)
    assert service.at_boot
    assert service.ports == (Port(number=23, protocol="tcp"),)
    assert service.started_by == ("/etc/inittab", "/etc/init.d/rcS", "/etc/inetd.conf")
    [ftp] = of_kind(facts, "ftp")
    assert not ftp.at_boot


def test_inetd_that_is_not_started_starts_nothing(device):
    busybox(device, "/usr/sbin/inetd", "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n")
    device.file("/etc/inetd.conf", "telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n")
    assert not telnet(device.facts()).at_boot


def test_xinetd_leaves_disabled_services_alone(device):
    busybox(device, inittab=RCS)
    device.elf("/usr/sbin/xinetd")
    device.elf("/usr/sbin/in.telnetd")
    device.elf("/usr/sbin/in.tftpd")
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/usr/sbin/xinetd -stayalive\n")
    device.file(
        "/etc/xinetd.d/telnet", "service telnet\n{\n disable = no\n server = /usr/sbin/in.telnetd\n user = root\n}\n"
    )
    device.file(
        "/etc/xinetd.d/tftp", "service tftp\n{\n disable = yes\n server = /usr/sbin/in.tftpd\n protocol = udp\n}\n"
    )
    facts = device.facts()
    assert telnet(facts).at_boot
    assert not of_kind(facts, "tftp")[0].at_boot


def test_tcpsvd_runs_its_program_on_its_port(device):
    busybox(device, "/usr/bin/tcpsvd", "/usr/sbin/ftpd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ntcpsvd -vE 0.0.0.0 2121 ftpd -w / &\n")
    [ftp] = of_kind(device.facts(), "ftp")
    assert (ftp.at_boot, ftp.ports[0].number, ftp.arguments) == (True, 2121, ("-w", "/"))


def test_cron_runs_by_the_clock(device):
    busybox(device, "/usr/sbin/crond", "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ncrond\n")
    device.file("/etc/crontabs/root", "*/5 * * * * pidof telnetd || telnetd -p 4444\n")
    service = telnet(device.facts())
    assert service.at_boot
    assert service.condition == "cron: */5 * * * *"


def test_system_v_runs_the_links_of_its_default_runlevel(device):
    device.elf("/sbin/init")
    device.elf("/usr/sbin/sshd")
    device.elf("/usr/sbin/in.telnetd")
    device.file(
        "/etc/inittab",
        "id:5:initdefault:\nsi::sysinit:/etc/init.d/rcS\nl3:3:wait:/etc/init.d/rc 3\n"
        "l5:5:wait:/etc/init.d/rc 5\nS:2345:respawn:/sbin/getty 115200 ttyS0\n",
    )
    device.elf("/sbin/getty")
    device.file("/etc/init.d/rcS", "#!/bin/sh\nexec /etc/init.d/rc S\n")
    device.file(
        "/etc/init.d/rc",
        "#!/bin/sh\nrunlevel=$1\nfor i in /etc/rc$runlevel.d/S*\ndo\n [ ! -f $i ] && continue\n $i start\ndone\n",
        executable=True,
    )
    device.link("/etc/rc5.d/S09sshd", "../init.d/sshd")
    device.link("/etc/rc3.d/S20telnet", "../init.d/telnet")
    device.file(
        "/etc/init.d/sshd",
        '#! /bin/sh\ncase "$1" in\n start) start-stop-daemon -S -x /usr/sbin/sshd -- $SYSCONFDIR ;;\nesac\n',
    )
    device.file("/etc/init.d/telnet", "#!/bin/sh\n/usr/sbin/in.telnetd\n")
    facts = device.facts()
    [ssh] = of_kind(facts, "ssh")
    assert ssh.at_boot
    assert "/etc/rc5.d/S09sshd" in ssh.started_by
    assert not telnet(facts).at_boot
    [console] = of_kind(facts, "console")
    assert (console.authentication, console.respawn) == ("password", True)


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("ttyS0::respawn:-/bin/sh", "none"),
        ("::askfirst:/bin/ash --login", "none"),
        ("ttyS0::respawn:/sbin/getty -n -l /bin/sh -L ttyS0 115200 vt100", "none"),
        ("ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100", "password"),
        ("::respawn:/bin/login", "password"),
        ("::respawn:/bin/login -f root", "none"),
    ],
)
def test_what_the_console_asks_is_told(device, line, asks):
    busybox(device, "/sbin/getty", "/bin/login", "/bin/ash", inittab=f"{line}\n")
    [console] = of_kind(device.facts(), "console")
    assert (console.at_boot, console.authentication, console.network_facing) == (True, asks, False)


def test_busybox_without_an_inittab_runs_rcs(device):
    busybox(device, "/usr/sbin/telnetd")
    device.file("/etc/init.d/rcS", "#!/bin/sh\r\ntelnetd\r\n", executable=True)
    assert telnet(device.facts()).at_boot


def test_a_script_as_init_hands_over_to_the_real_one(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ntelnetd\n", executable=True)
    device.nodes.pop("/sbin/init")
    device.file("/init", "#!/bin/sh\nmount -t proc proc /proc\nexec /sbin/init\n")
    device.link("/linuxrc", "/init")
    device.link("/sbin/init", "../bin/busybox")
    assert telnet(device.facts()).at_boot


def test_the_kernel_argument_names_the_init(device):
    busybox(device, "/usr/sbin/telnetd", inittab="::sysinit:/bin/true\n")
    device.volume("kernel", "uimage", arguments="console=ttyS1 root=/dev/mtdblock2 init=/sbin/preinit")
    device.file("/sbin/preinit", "#!/bin/sh\ntelnetd -l /bin/sh &\nexec /sbin/init\n")
    service = telnet(device.facts())
    assert service.started_by == ("/sbin/preinit",)


def test_a_shell_on_a_bare_port_is_a_debug_service(device):
    busybox(device, "/usr/bin/nc", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nwhile :; do nc -l -p 5555 -e /bin/sh; done &\n")
    [service] = of_kind(device.facts(), "debug")
    assert (service.at_boot, service.authentication, service.ports[0].number) == (True, "none", 5555)
    assert service.network_facing


def test_a_command_inside_a_started_program_is_a_possibility(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.elf("/usr/bin/davinci", commands=("telnetd -l /bin/sh &", "rm -f %s"))
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/usr/bin/davinci &\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.condition_holds) == (False, None)
    assert service.started_by[-1] == "/usr/bin/davinci"
    assert service.condition == "/usr/bin/davinci runs the command that stands in it"


def test_a_command_inside_a_program_that_is_not_started_says_nothing(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.elf("/usr/bin/davinci", commands=("telnetd -l /bin/sh &",))
    device.file("/etc/init.d/rcS", "#!/bin/sh\n")
    assert telnet(device.facts()).started_by == ()


def test_a_program_that_is_not_in_the_image_is_not_said_to_start(device):
    busybox(device, inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/usr/sbin/telnetd &\n")
    service = telnet(device.facts())
    assert not service.at_boot
    assert "not in the image" in service.condition


def test_a_script_on_a_memory_card_is_seen(device):
    busybox(device, inittab=RCS)
    device.file(
        "/etc/init.d/rcS",
        "#!/bin/sh\nif [ -f /mnt/sdcard/update.sh ]; then\n sh /mnt/sdcard/update.sh\nfi\n/tmp/sd/debug.sh &\n",
    )
    programs = {service.program for service in of_kind(device.facts(), "removable")}
    assert programs == {"/mnt/sdcard/update.sh", "/tmp/sd/debug.sh"}


@pytest.mark.parametrize(
    "path",
    ["/media/mmcblk0p1/test.sh", "/mnt/sda1/run.sh", "/mnt/SD/x.sh", "/mnt/mmcblk0p1/a.sh", "/tmp/usb_storage/a.sh"],
)
def test_the_usual_places_of_cards_and_sticks_are_known(device, path):
    busybox(device, inittab=RCS)
    device.file("/etc/init.d/rcS", f"#!/bin/sh\n[ -f {path} ] && {path}\n")
    assert [service.program for service in of_kind(device.facts(), "removable")] == [path]


def test_a_vendors_own_init_is_named_as_not_examined(device):
    device.elf("/sbin/rc")
    device.link("/sbin/init", "rc")
    told = [one for one in device.facts().not_examined if "first process" in one.what]
    assert len(told) == 1


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


def test_telnet_bound_to_the_device_itself_does_not_face_the_network(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ntelnetd -b 127.0.0.1:2323 -l /bin/sh\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.network_facing) == (True, False)


def test_services_for_this_device_only_do_not_face_the_network(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.elf("/usr/sbin/uhttpd")
    device.file("/etc/init.d/rcS", "#!/bin/sh\nuhttpd -p 127.0.0.1:80\n")
    [web] = of_kind(device.facts(), "http")
    assert (web.at_boot, web.network_facing) == (True, False)


def test_an_unknown_program_that_listens_is_a_service(device):
    busybox(device, inittab=RCS)
    device.elf("/usr/bin/vendord", imports=("socket", "bind", "listen", "accept"))
    device.elf("/usr/bin/tool", imports=("socket", "connect"))
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/usr/bin/vendord\n/usr/bin/tool\n")
    [service] = of_kind(device.facts(), "other")
    assert (service.program, service.network_facing, service.at_boot) == ("/usr/bin/vendord", True, True)


def test_a_login_program_that_is_a_script_is_followed(device):
    busybox(device, "/usr/sbin/telnetd", "/bin/ash", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ntelnetd -l /bin/login.sh\n")
    device.file("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
    device.file("/etc/shadow", "root:$1$abc$def:0:0:99999:7:::\n")
    login = "#!/bin/sh\nif grep -q '^root:[^!]' /etc/shadow; then\n echo no\n exit 0\nfi\nexec /bin/ash --login\n"
    device.file("/bin/login.sh", login)
    assert telnet(device.facts()).authentication != "none"
    device.file("/etc/shadow", "root:!:0:0:99999:7:::\n")
    assert telnet(device.facts()).authentication == "none"


def test_an_image_without_an_init_is_read_by_its_tables(device):
    device.elf("/usr/sbin/telnetd")
    device.file("/etc/inittab", RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ntelnetd\n")
    assert telnet(device.facts()).at_boot


@pytest.mark.parametrize(
    ("line", "starts"), [("::respawn:-/bin/sh", True), ("::askfirst:-/bin/sh", False), ("::respawn:/bin/sh", False)]
)
def test_the_profile_of_a_login_shell_that_init_keeps_running_is_part_of_the_boot(device, line, starts):
    busybox(device, "/usr/sbin/telnetd", inittab=f"{line}\n")
    device.file("/etc/profile", "telnetd &\n")
    service = telnet(device.facts())
    assert service.at_boot is starts
    assert service.started_by == (("/etc/inittab", "/etc/profile") if starts else ())


def test_a_memory_card_that_is_not_in_does_not_stop_the_boot(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file(
        "/etc/init.d/rcS", "#!/bin/sh\nif [ -f /tmp/sd/test.sh ]; then\n sh /tmp/sd/test.sh\n exit\nfi\ntelnetd\n"
    )
    service = telnet(device.facts())
    assert (service.at_boot, service.condition_holds) == (True, True)


@pytest.mark.parametrize(("imports", "may"), [(("execvp",), True), (("printf",), False)])
def test_a_server_named_by_a_program_that_runs_others_may_start(device, imports, may):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.elf("/usr/bin/monitor", imports=imports, content=ContentFacts(words=("telnetd", "admin")))
    device.file("/etc/init.d/rcS", "#!/bin/sh\nmonitor &\n")
    service = telnet(device.facts())
    assert not service.at_boot
    assert (service.started_by[-1:] == ("/usr/bin/monitor",)) is may


def test_an_applet_called_through_busybox_needs_no_link(device):
    busybox(device, inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/bin/busybox telnetd -l /bin/sh\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.applet, service.program, service.authentication) == (
        True,
        "telnetd",
        "/bin/busybox",
        "none",
    )


def test_what_a_command_substitution_starts_counts(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nresult=`telnetd -l /bin/sh`\n")
    assert telnet(device.facts()).at_boot


def test_an_inittab_beside_an_etc_that_is_built_at_boot_is_found(device):
    busybox(device, "/usr/sbin/telnetd")
    device.file("/etc_ro/inittab", "::sysinit:/etc_ro/rcS\nttyS1::respawn:/bin/sh\n")
    device.file("/etc_ro/rcS", "#!/bin/sh\nmount -a\nmkdir -p /var/run\ntelnetd\n")
    assert telnet(device.facts()).started_by == ("/etc_ro/inittab", "/etc_ro/rcS")


def test_an_initramfs_that_switches_root_goes_on_with_the_real_init(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ntelnetd\n")
    device.volume("kernel", "uimage", arguments="init=/init root=/dev/ram")
    device.file("/init", "#!/bin/sh\nmount /dev/mtdblock5 /newroot\nexec switch_root /newroot /sbin/init\n")
    assert telnet(device.facts()).at_boot


def test_a_program_is_what_it_certainly_binds(device):
    busybox(device, inittab=RCS)
    device.elf("/usr/bin/camd", imports=("bind",), program=ProgramFacts(bound_ports=((80, "tcp", "exact"),)))
    device.elf(
        "/usr/bin/maybe", imports=("bind", "listen"), program=ProgramFacts(bound_ports=((80, "tcp", "default"),))
    )
    device.file("/etc/init.d/rcS", "#!/bin/sh\ncamd &\nmaybe &\n")
    kinds = {service.program: (service.kind, service.ports) for service in device.facts().services if service.at_boot}
    assert kinds["/usr/bin/camd"] == ("http", (Port(number=80, protocol="tcp"),))
    assert kinds["/usr/bin/maybe"] == ("other", ())


def test_a_console_shell_in_the_table_counts_where_the_shell_is_not_in_the_image(device):
    device.file("/etc/inittab", "ttyS0::respawn:-/bin/sh\n")
    [console] = of_kind(device.facts(), "console")
    assert (console.at_boot, console.authentication) == (True, "none")


def test_partitions_are_found_where_the_image_begins_behind_the_boot_loader(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\nmount -t jffs2 /dev/mtdblock2 /opt/app\n/opt/app/run.sh\n")
    told = "root=/dev/mtdblock1 mtdparts=spi0.0:512k(boot),2M(rootfs),1M(app),1M(data)"
    device.volume("root", "squashfs", root=True, offset=0, arguments=told)
    device.volume("a", "jffs2", offset=0x200000)
    device.volume("b", "jffs2", offset=0x300000)
    device.file("@a/run.sh", "#!/bin/sh\ntelnetd\n")
    device.file("@b/run.sh", "#!/bin/sh\n")
    assert telnet(device.facts()).at_boot


def test_words_that_are_no_utf8_can_be_reported(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", b"#!/bin/sh\n[ -f /etc/\xff\xfe ] && telnetd -l '\xe9'\n")
    service = telnet(device.facts())
    assert service.arguments == ("-l", "é")
    assert msgspec.json.decode(msgspec.json.encode(service), type=Service) == service


def test_control_characters_are_shown_as_escapes():
    assert printable("a\x1b[2J\udcffb") == "a\\x1b[2J\\xffb"


@pytest.mark.parametrize(
    ("data", "starts", "holds"),
    [(b"\x7fELF\0ls\0telnetd\0", True, None), (b"\x7fELF\0ls\0in.telnetd-x\0", False, None), (None, False, None)],
)
def test_links_that_busybox_makes_at_boot_count_for_what_it_holds(device, tmp_path, data, starts, holds):
    device.elf("/bin/busybox")
    device.link("/bin/sh", "busybox")
    device.link("/init", "/bin/busybox")
    device.file("/etc/inittab", RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/bin/busybox --install -s\ntelnetd -l /bin/sh &\n")
    contents = {}
    if data is not None:
        (tmp_path / "busybox").write_bytes(data)
        contents[device.nodes["/bin/busybox"].digest] = tmp_path / "busybox"
    service = telnet(link(device.tree(), device.known, contents=contents))
    assert (service.at_boot, service.condition_holds) == (starts, holds)


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
