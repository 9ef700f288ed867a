"""Start scripts as makers of cameras and routers write them (rewritten by us, in their manner)."""

# ruff: noqa: E501 - the scripts stand here line by line as their makers would write them

import pytest

from customhouse.model import Port


@pytest.fixture
def busybox(device):
    device.elf("/bin/busybox")
    device.link("/bin/sh", "busybox")
    device.link("/sbin/init", "../bin/busybox")
    device.link("/usr/sbin/telnetd", "../../bin/busybox")
    device.link("/sbin/getty", "../bin/busybox")
    return device


def started(device, kind):
    return [service for service in device.facts().services if service.kind == kind and service.at_boot]


def all_of(device, kind):
    return [service for service in device.facts().services if service.kind == kind]


def test_a_recorder_that_loads_its_application_from_cramfs_and_opens_telnet(busybox):
    busybox.file(
        "/etc/inittab",
        '::sysinit:/etc/init.d/rcS\n::respawn:/sbin/getty -L ttyS000 115200 vt100 -n root -I "Auto login"\n',
    )
    busybox.file(
        "/etc/init.d/rcS",
        "#! /bin/sh\n/bin/mount -a\n/etc/init.d/dnode\nmount -t cramfs /dev/mtdblock2 /usr\nmount -t jffs2 /dev/mtdblock5 /mnt/mtd\n"
        "telnetd &\n/usr/etc/loadmod\n/usr/bin/Sofia &\n",
    )
    busybox.file("/etc/init.d/dnode", "#!/bin/sh\nmknod /dev/ttyS0 c 4 64\n", executable=True)
    busybox.volume("mtdblock2", "cramfs")
    busybox.elf("@mtdblock2/bin/Sofia", imports=("bind", "listen"))
    busybox.file("@mtdblock2/etc/loadmod", "#!/bin/sh\ninsmod /usr/lib/modules/x.ko\n")
    busybox.link("@mtdblock2/sbin/telnetd", "/bin/busybox")
    [telnet] = started(busybox, "telnet")
    assert telnet.started_by == ("/etc/inittab", "/etc/init.d/rcS")
    [application] = started(busybox, "other")
    assert (application.program, application.network_facing) == ("/usr/bin/Sofia", True)
    facts = busybox.facts()
    assert [one.what for one in facts.not_examined if one.what.startswith("boot")] == [
        "boot: /dev/mtdblock5, mounted on /mnt/mtd"
    ]


def test_a_router_that_opens_telnet_only_while_it_is_not_configured(busybox):
    busybox.file("/etc/inittab", "::sysinit:/etc/init.d/rcS\n::respawn:-/bin/sh\n")
    busybox.file(
        "/etc/init.d/rcS",
        '#!/bin/sh\nfor i in /etc/init.d/S??* ;do\n\t[ ! -f "$i" ] && continue\n\tcase "$i" in\n\t*.sh)\n\t\t(\n\t\ttrap - INT QUIT TSTP\n'
        "\t\tset start\n\t\t. $i\n\t\t)\n\t\t;;\n\t*)\n\t\t$i start\n\t\t;;\n\tesac\ndone\n/etc/init0.d/rcS\n",
    )
    busybox.file(
        "/etc/init0.d/rcS", "#!/bin/sh\n[ -f /etc/init0.d/S80telnetd.sh ] && /etc/init0.d/S80telnetd.sh start\n"
    )
    busybox.file(
        "/etc/init0.d/S80telnetd.sh",
        '#!/bin/sh\necho [$0]: $1 ... > /dev/console\nif [ "$1" = "start" ]; then\n\tif [ "`xmldbc -g /runtime/devconfsize`" = "0" ]; then\n'
        '\t\ttelnetd -l "/usr/sbin/login" -u Alpha:$(cat /etc/config/image_sign) -i br0 &\n\tfi\nelse\n\tkillall telnetd\nfi\n',
    )
    busybox.file("/etc/config/image_sign", "wrgn\n")
    busybox.file("/etc/init.d/S20init.sh", "httpd -f /var/run/httpd.conf\n", executable=True)
    busybox.elf("/sbin/httpd")
    busybox.elf("/usr/sbin/login")
    [telnet] = all_of(busybox, "telnet")
    assert (telnet.at_boot, telnet.condition_holds) == (False, None)
    assert telnet.condition == '[ "`xmldbc -g /runtime/devconfsize`" = "0" ]'
    assert telnet.arguments == ("-l", "/usr/sbin/login", "-u", "Alpha:wrgn", "-i", "br0")
    [web] = started(busybox, "http")
    assert web.started_by == ("/etc/inittab", "/etc/init.d/rcS", "/etc/init.d/S20init.sh")


def test_a_bridge_whose_table_respawns_its_daemons(busybox):
    busybox.file(
        "/etc/inittab",
        "null::sysinit:/etc/rc.d/rc.sysinit\nnull::respawn:/bin/lighttpd -D -f /etc/lighttpd.conf\n"
        "null::respawn:/bin/dropbear -F -d /var/run/dss -r /var/run/rsa -p 22\nttyS0::askfirst:/sbin/getty -L ttyS0 115200 vt100\n",
    )
    busybox.file("/etc/rc.d/rc.sysinit", "#!/bin/sh\nmount -t proc proc /proc\n")
    busybox.file("/etc/lighttpd.conf", 'server.port = 80\n$SERVER["socket"] == ":443" {}\n')
    busybox.elf("/bin/lighttpd")
    busybox.elf("/bin/dropbear")
    [web], [ssh] = started(busybox, "http"), started(busybox, "ssh")
    assert (web.respawn, web.ports) == (True, (Port(number=80, protocol="tcp"),))
    assert (ssh.respawn, ssh.ports, ssh.authentication) == (True, (Port(number=22, protocol="tcp"),), "password")


def test_a_set_top_box_with_numbered_scripts_and_start_stop_daemon(busybox):
    busybox.file("/etc/inittab", "::sysinit:/etc/init.d/rcS\nconsole::respawn:/sbin/getty -L console 0 vt100\n")
    busybox.file(
        "/etc/init.d/rcS", '#!/bin/sh\nfor i in /etc/init.d/S??* ;do\n [ ! -f "$i" ] && continue\n $i start\ndone\n'
    )
    busybox.file(
        "/etc/init.d/S50telnet",
        '#!/bin/sh\nTELNETD_ARGS=-F\n[ -r /etc/default/telnet ] && . /etc/default/telnet\nstart() {\n\tprintf "Starting telnetd: "\n'
        "\tstart-stop-daemon -b -S -q -m -p /var/run/telnetd.pid \\\n\t\t-x /usr/sbin/telnetd -- $TELNETD_ARGS\n"
        '\t[ $? = 0 ] && echo "OK" || echo "FAIL"\n}\ncase "$1" in\n start) start ;;\n restart|reload) stop; start ;;\n *) exit 1\nesac\n',
    )
    [telnet] = started(busybox, "telnet")
    assert telnet.arguments == ("-F",)
    assert telnet.authentication == "password"
    [console] = started(busybox, "console")
    assert console.authentication == "password"


def test_a_camera_that_looks_for_a_magic_file_on_its_card(busybox):
    busybox.file("/etc/inittab", "::sysinit:/etc/init.d/rcS\n")
    busybox.file(
        "/etc/init.d/rcS",
        "#!/bin/sh\nmount -t vfat /dev/mmcblk0p1 /mnt/sdcard\nif [ -e /mnt/sdcard/debug_cmd.sh ]; then\n cp /mnt/sdcard/debug_cmd.sh /tmp/\n"
        " chmod +x /tmp/debug_cmd.sh\n /mnt/sdcard/debug_cmd.sh\nfi\nif [ -f /etc/debug_mode ]; then telnetd -l /bin/sh; fi\n/opt/app/ipc &\n",
    )
    busybox.elf("/opt/app/ipc", imports=("bind", "listen"))
    [card] = all_of(busybox, "removable")
    assert card.program == "/mnt/sdcard/debug_cmd.sh"
    [telnet] = all_of(busybox, "telnet")
    assert (telnet.at_boot, telnet.condition_holds, telnet.condition) == (False, False, "[ -f /etc/debug_mode ]")
    assert [one.program for one in started(busybox, "other")] == ["/opt/app/ipc"]


def test_a_gateway_that_copies_etc_and_starts_goahead(busybox):
    busybox.file("/etc_ro/inittab", "::sysinit:/etc_ro/rcS\nttyS1::respawn:/bin/sh\n")
    busybox.file(
        "/etc_ro/rcS",
        "#!/bin/sh\nmount -a\nmkdir -p /var/run\ncat /etc_ro/motd\nmkdir -p /dev/pts\nmount -t devpts devpts /dev/pts\nmdev -s\n"
        "set > /var/tmp/env\ninternet.sh\ngoahead&\ntelnetd\n",
    )
    busybox.file("/sbin/internet.sh", "#!/bin/sh\n. /sbin/global.sh\nudhcpd /etc/udhcpd.conf\nminiupnpd.sh init\n")
    busybox.file("/sbin/global.sh", "#!/bin/sh\nopmode=`nvram_get 2860 OperationMode`\n")
    busybox.elf("/bin/goahead", imports=("bind", "listen"))
    busybox.elf("/bin/udhcpd", imports=("bind",))
    assert [one.program for one in started(busybox, "http")] == ["/bin/goahead"]
    assert [one.started_by[-1] for one in started(busybox, "dhcp")] == ["/sbin/internet.sh"]
    [console] = started(busybox, "console")
    assert (console.authentication, console.started_by) == ("none", ("/etc_ro/inittab",))


@pytest.mark.parametrize(
    "running",
    [
        'pid=`pidof telnetd`\n if [ -z "$pid" ]; then',
        'n=`ps | grep telnetd | grep -v grep | wc -l`\n if [ "$n" -eq 0 ]; then',
    ],
)
def test_a_watchdog_script_that_keeps_a_program_alive(busybox, running):
    busybox.file("/etc/inittab", "::sysinit:/etc/init.d/rcS\n")
    busybox.file("/etc/init.d/rcS", "#!/bin/sh\n/usr/bin/keepalive.sh &\necho done\n")
    busybox.file(
        "/usr/bin/keepalive.sh",
        f"#!/bin/sh\nwhile [ 1 ]; do\n {running}\n  telnetd -p 9527 -l /bin/sh\n fi\n sleep 5\ndone\n",
    )
    [telnet] = all_of(busybox, "telnet")
    assert telnet.ports == (Port(number=9527, protocol="tcp"),)
    assert telnet.at_boot
    assert telnet.started_by[-1] == "/usr/bin/keepalive.sh"


def test_a_device_whose_rc_local_is_called_at_the_end(busybox):
    busybox.file("/etc/inittab", "::sysinit:/etc/rc.d/rcS\n")
    busybox.file(
        "/etc/rc.d/rcS", "#!/bin/sh\nsource /etc/rc.d/rc.conf\nexport PATH\n[ $TELNET == y ] && . /etc/rc.d/rc.local\n"
    )
    busybox.file("/etc/rc.d/rc.conf", "TELNET=y\nPATH=$PATH:/opt/bin\n")
    busybox.file("/etc/rc.d/rc.local", "(telnetd -l/bin/sh -p24)\n")
    [telnet] = started(busybox, "telnet")
    assert (telnet.authentication, telnet.ports[0].number) == ("none", 24)
    assert telnet.started_by == ("/etc/inittab", "/etc/rc.d/rcS", "/etc/rc.d/rc.local")


def test_openrc_starts_the_services_of_its_runlevel(busybox):
    busybox.file("/etc/inittab", "::sysinit:/sbin/openrc sysinit\n::wait:/sbin/openrc default\n")
    busybox.elf("/sbin/openrc")
    busybox.elf("/usr/sbin/sshd")
    busybox.elf("/usr/sbin/mosquitto")
    busybox.file(
        "/etc/init.d/sshd",
        '#!/sbin/openrc-run\nstart() {\n ebegin "Starting"\n start-stop-daemon --start --exec /usr/sbin/sshd -- $SSHD_OPTS\n eend $?\n}\n',
    )
    busybox.file("/etc/conf.d/sshd", 'SSHD_OPTS="-p 2200"\n')
    busybox.file(
        "/etc/init.d/mosquitto",
        '#!/sbin/openrc-run\ncommand="/usr/sbin/mosquitto"\ncommand_args="-p 1884"\ncommand_user="mosq:mosq"\n',
    )
    busybox.link("/etc/runlevels/default/sshd", "/etc/init.d/sshd")
    busybox.link("/etc/runlevels/default/mosquitto", "/etc/init.d/mosquitto")
    [ssh], [broker] = started(busybox, "ssh"), started(busybox, "mqtt")
    assert ssh.ports == (Port(number=2200, protocol="tcp"),)
    assert ssh.started_by == ("/etc/inittab", "/etc/runlevels/default/sshd")
    assert (broker.user, broker.ports[0].number) == ("mosq", 1884)


def test_openrc_leaves_services_of_other_runlevels_alone(busybox):
    busybox.file("/etc/inittab", "::wait:/sbin/openrc default\n")
    busybox.elf("/sbin/openrc")
    busybox.elf("/usr/sbin/sshd")
    busybox.file("/etc/init.d/sshd", "#!/sbin/openrc-run\ncommand=/usr/sbin/sshd\n")
    busybox.link("/etc/runlevels/nonetwork/sshd", "/etc/init.d/sshd")
    assert started(busybox, "ssh") == []
