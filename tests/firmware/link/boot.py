"""Devices made of text, and the services that link finds in them."""

from customhouse.model import DeviceFacts, Service

RCS = "::sysinit:/etc/init.d/rcS\n"
"""An inittab that runs the one start script."""


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
