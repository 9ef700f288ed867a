"""Servers that start: by inetd and its kin, by wrappers, through busybox, from inside of programs; whom they serve."""

import pytest
from tests.firmware.link.boot import RCS, busybox, of_kind, telnet

from customhouse.firmware.link import link
from customhouse.model import ContentFacts, Port, ProgramFacts


def test_telnetd_that_nothing_starts_is_listed_as_not_started(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file("/etc/init.d/rcS", "#!/bin/sh\n#telnetd &\necho telnetd\n")
    service = telnet(device.facts())
    assert (service.at_boot, service.started_by, service.condition) == (False, (), "")


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
