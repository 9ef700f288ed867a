"""Paths inside the device, as its own kernel and shell would resolve them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.link.files import Mount, files_of
from customhouse.model import FileTree


@pytest.fixture
def files(device):
    device.elf("/bin/busybox")
    device.link("/bin/sh", "busybox")
    device.link("/sbin/init", "../bin/busybox")
    device.link("/a", "/b")
    device.link("/b", "a")
    device.link("/etc/sensor", "../system/etc/sensor")
    device.file("/etc/init.d/S10a", "a")
    device.file("/etc/init.d/S50b", "b")
    device.file("/etc/init.d/.hidden", "c")
    device.file("@app/etc/sensor", "lens")
    device.link("@app/shell", "/bin/sh")
    return files_of(device.tree(), device.known)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/bin/sh", "/bin/busybox"),
        ("/sbin/init", "/bin/busybox"),
        ("/sbin/../bin/./sh", "/bin/busybox"),
        ("/../../bin/sh", "/bin/busybox"),
        ("/a", None),
        ("/nothing", None),
        ("/etc/init.d", "/etc/init.d"),
        ("@app/etc/sensor", "@app/etc/sensor"),
        ("/", "/"),
    ],
)
def test_links_are_followed_inside_the_device(files, path, real):
    assert files.real(path) == real


def test_globs_are_sorted_and_leave_hidden_files_out(files):
    assert files.glob("/etc/init.d/S*") == ("/etc/init.d/S10a", "/etc/init.d/S50b")
    assert files.glob("/etc/init.d/S??[a]") == ("/etc/init.d/S10a",)
    assert files.glob("/etc/init.d/*") == ("/etc/init.d/S10a", "/etc/init.d/S50b")
    assert files.glob("/nothing/*") == ()


def test_a_mounted_volume_is_seen_at_its_mount_point(files):
    assert files.text("/etc/sensor") is None
    mounted = files.mounted((Mount("/system", "@app"),))
    assert mounted.text("/system/etc/sensor") == "lens"
    assert mounted.text("/etc/sensor") == "lens"
    assert mounted.real("/system/shell") == "/bin/busybox"
    assert mounted.names("/system") == ("etc", "shell")


def test_what_lies_below_a_missing_partition_is_unseen(files):
    blind = files.blinded("/data")
    assert blind.unseen("/data/run.sh")
    assert not blind.unseen("/database")


@given(st.text(alphabet="/.@ab*[!]?", max_size=30))
def test_any_path_or_pattern_has_an_answer(path):
    files = files_of(FileTree(), {})
    assert files.real(path) is None or isinstance(files.real(path), str)
    assert isinstance(files.glob(path), tuple)
