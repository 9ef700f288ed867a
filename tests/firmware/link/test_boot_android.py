"""Devices that start as Android does."""

import pytest


@pytest.fixture
def android(device):
    device.elf("/init")
    device.elf("/system/bin/adbd")
    device.elf("/system/bin/app_server", imports=("bind", "listen"))
    device.file("/default.prop", "ro.debuggable=1\nro.hardware=board\n")
    return device


def find(device, program):
    return [service for service in device.facts().services if service.program == program]


def test_a_class_that_is_started_brings_its_services(android):
    android.file(
        "/init.rc",
        "on boot\n    class_start main\n\nservice app /system/bin/app_server -d\n    class main\n    user system\n",
    )
    [service] = find(android, "/system/bin/app_server")
    assert (service.at_boot, service.user, service.arguments, service.respawn) == (True, "system", ("-d",), True)


def test_a_disabled_service_does_not_start(android):
    android.file(
        "/init.rc", "on boot\n    class_start main\nservice adbd /system/bin/adbd\n    class main\n    disabled\n"
    )
    [service] = find(android, "/system/bin/adbd")
    assert not service.at_boot


@pytest.mark.parametrize(("value", "starts"), [("1", True), ("0", False)])
def test_a_property_of_the_image_decides(android, value, starts):
    android.file(
        "/init.rc",
        f"import /init.${{ro.hardware}}.rc\non property:ro.debuggable={value}\n    start adbd\n",
    )
    android.file("/init.board.rc", "service adbd /system/bin/adbd\n    disabled\n")
    [service] = find(android, "/system/bin/adbd")
    assert service.at_boot is starts
    assert service.kind == "debug"
    assert service.condition == f"property:ro.debuggable={value}"


def test_a_property_that_is_set_while_running_is_not_decided(android):
    android.file("/init.rc", "on property:persist.adb=1\n    start adbd\nservice adbd /system/bin/adbd\n    disabled\n")
    [service] = find(android, "/system/bin/adbd")
    assert (service.at_boot, service.condition_holds) == (False, None)
