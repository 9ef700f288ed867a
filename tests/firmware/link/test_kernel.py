"""Which kernel runs, from the surest source."""

from tests.firmware.conftest import MadeDevice

from customhouse.firmware.link.kernel import kernel_of


def _version(device: MadeDevice) -> str | None:
    kernel = kernel_of(device.facts())
    return kernel.version if kernel is not None else None


def test_the_image_header_of_the_kernel_says_it(device: MadeDevice) -> None:
    device.volume("kernel", "uimage", name_in_header="x", kernel_version="Linux-3.10.14")
    assert _version(device) == "3.10.14"


def test_modules_tell_it_where_no_kernel_was_seen(device: MadeDevice) -> None:
    device.elf("/lib/modules/4.4.92/a.ko", type="rel", modinfo={"vermagic": "4.4.92 mod_unload MIPS32_R2"})
    assert _version(device) == "4.4.92"


def test_the_folder_of_modules_is_enough(device: MadeDevice) -> None:
    device.file("/lib/modules/2.6.21.5/modules.dep", "x:\n")
    assert _version(device) == "2.6.21.5"


def test_without_any_sign_it_is_unknown(device: MadeDevice) -> None:
    device.file("/etc/passwd", "root:*:0:0::/:/bin/sh\n")
    assert _version(device) is None
