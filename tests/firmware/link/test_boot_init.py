"""What the first process does: inittab, runlevels, initramfs, the kernel's argument, a shell that is kept running."""

import pytest
from tests.firmware.link.boot import RCS, busybox, of_kind, telnet


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


def test_a_vendors_own_init_is_named_as_not_examined(device):
    device.elf("/sbin/rc")
    device.link("/sbin/init", "rc")
    told = [one for one in device.facts().not_examined if "first process" in one.what]
    assert len(told) == 1


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


def test_a_console_shell_in_the_table_counts_where_the_shell_is_not_in_the_image(device):
    device.file("/etc/inittab", "ttyS0::respawn:-/bin/sh\n")
    [console] = of_kind(device.facts(), "console")
    assert (console.at_boot, console.authentication) == (True, "none")
