"""Partitions mounted at boot, and cards and sticks whose scripts are run."""

import pytest
from tests.firmware.link.boot import RCS, busybox, of_kind, telnet


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


def test_a_memory_card_that_is_not_in_does_not_stop_the_boot(device):
    busybox(device, "/usr/sbin/telnetd", inittab=RCS)
    device.file(
        "/etc/init.d/rcS", "#!/bin/sh\nif [ -f /tmp/sd/test.sh ]; then\n sh /tmp/sd/test.sh\n exit\nfi\ntelnetd\n"
    )
    service = telnet(device.facts())
    assert (service.at_boot, service.condition_holds) == (True, True)


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
