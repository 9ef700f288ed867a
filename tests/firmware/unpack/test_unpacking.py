"""From what the user hands over to a tree whose every byte is accounted for."""

import gzip
import io
import json
import lzma
import os
import random
import socket
import sys
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from tests.firmware.unpack import esp_maker
from tests.firmware.unpack.conftest import Unpack
from tests.firmware.unpack.formats import test_uimage
from tests.firmware.unpack.squashfs_maker import Device, Link, Tree
from tests.firmware.unpack.squashfs_maker import Squashfs as Maker

from customhouse.firmware.unpack import Unpacked, identify, unpack, unpacking
from customhouse.host.context import Context
from customhouse.host.errors import InputError
from customhouse.host.isolation import Ended
from customhouse.model import FileNode, NodeKind, Outcome

ROOT: Tree = {
    b"bin": {b"busybox": b"\x7fELF" + b"program" * 100, b"sh": Link(b"busybox")},
    b"dev": {b"console": Device(5, 1)},
    b"etc": {b"passwd": b"root::0:0::/:/bin/sh\n", b"notes.gz": gzip.compress(b"a line inside\n" * 50, mtime=0)},
    b"sbin": {b"init": Link(b"../bin/busybox")},
}


def content(result: Unpacked, node: FileNode) -> bytes:
    """The bytes of a regular file."""
    assert node.digest is not None
    return result.contents[node.digest].read_bytes()


def every_byte_is_in_one_extent(unpacked: Unpacked) -> bool:
    for part in unpacked.image.parts or ("",):
        extents = sorted((e for e in unpacked.coverage.extents if e.part == part), key=lambda e: e.offset)
        assert extents[0].offset == 0
        assert all(one.offset + one.size == two.offset for one, two in pairwise(extents))
    return sum(extent.size for extent in unpacked.coverage.extents) == unpacked.image.size


def test_a_vendor_image_becomes_a_root_file_system_with_plain_paths(isolated: Unpack) -> None:
    kernel = lzma.compress(b"Linux version 3.3.8 (builder)\n" * 400, lzma.FORMAT_ALONE)
    image = kernel + bytes(4096) + Maker().make(ROOT) + b"\xff" * 8192
    result = isolated(image)
    nodes = {str(node.path): node for node in result.tree.nodes}
    assert nodes["/etc/passwd"].kind is NodeKind.FILE
    assert nodes["/bin/sh"].target == "busybox"
    assert nodes["/dev/console"].device == (5, 1)
    assert content(result, nodes["/etc/passwd"]) == b"root::0:0::/:/bin/sh\n"
    assert every_byte_is_in_one_extent(result)
    assert result.coverage.share == 1.0
    assert result.not_examined == ()
    assert any(b"Linux version 3.3.8" in path.read_bytes() for path in result.contents.values())
    [inner] = [node for node in result.tree.nodes if node.volume == "notes.gz"]
    assert content(result, inner).startswith(b"a line inside")


def test_random_bytes_are_not_explained(unpacked: Unpack) -> None:
    result = unpacked(random.Random(3).randbytes(200_000))
    assert result.coverage.share < 0.01
    assert {extent.outcome for extent in result.coverage.extents} <= {Outcome.ENCRYPTED, Outcome.UNKNOWN}
    assert [gap.what for gap in result.not_examined] == ["200000 bytes at 0x0"]
    assert every_byte_is_in_one_extent(result)


def test_random_bytes_inside_a_wrapper_are_not_explained_either(unpacked: Unpack) -> None:
    result = unpacked(gzip.compress(random.Random(3).randbytes(200_000), mtime=0))
    assert result.coverage.share < 0.01
    assert any("was not understood" in gap.why for gap in result.not_examined)


def test_a_folder_of_partitions_is_one_device(tmp_path: Path, unpacked: Unpack) -> None:
    folder = tmp_path / "flash"
    folder.mkdir()
    (folder / "mtd0.bin").write_bytes(b"\xff" * 4096)
    (folder / "mtd1.bin").write_bytes(Maker().make(ROOT))
    (folder / "mtd2.bin").write_bytes(Maker().make({b"wpa.conf": b'psk="secret"\n'}))
    result = unpacked(folder)
    assert result.image.parts == ("mtd0.bin", "mtd1.bin", "mtd2.bin")
    paths = {node.path for node in result.tree.nodes}
    assert {"/etc/passwd", "@mtd2.bin/wpa.conf"} <= paths
    assert [volume.name for volume in result.tree.volumes if volume.root] == ["mtd1.bin"]
    assert every_byte_is_in_one_extent(result)


def test_a_root_file_system_as_a_folder_is_taken_as_it_lies(tmp_path: Path, isolated: Unpack) -> None:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "etc/passwd").write_text("root::0:0::/:/bin/sh\n")
    (folder / "bin/sh").symlink_to("/bin/busybox")
    os.mkfifo(folder / "etc/pipe")
    result = isolated(folder)
    nodes = {str(node.path): node for node in result.tree.nodes}
    assert nodes["/bin/sh"].target == "/bin/busybox"
    assert nodes["/etc/pipe"].kind is NodeKind.FIFO
    assert content(result, nodes["/etc/passwd"]).startswith(b"root::")
    assert result.coverage.share == 1.0


def test_a_root_file_system_as_a_tar_keeps_owners_and_device_nodes(unpacked: Unpack) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, kind in (("./etc", tarfile.DIRTYPE), ("./bin", tarfile.DIRTYPE), ("./dev/null", tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.devmajor, entry.devminor = kind, 1, 3
            archive.addfile(entry)
        entry = tarfile.TarInfo("./etc/passwd")
        entry.size, entry.uid, entry.mode = 5, 7, 0o600
        archive.addfile(entry, io.BytesIO(b"root:"))
        for name in ("./etc/inittab", "./bin/busybox"):
            archive.addfile(tarfile.TarInfo(name))
    nodes = {str(node.path): node for node in unpacked(packed.getvalue()).tree.nodes}
    assert (nodes["/etc/passwd"].uid, nodes["/etc/passwd"].mode) == (7, 0o600)
    assert nodes["/dev/null"].device == (1, 3)


def test_names_that_are_not_utf_8_survive_json(unpacked: Unpack) -> None:
    result = unpacked(Maker().make({b"caf\xe9 \\ \n": b"x" * 100}))
    path = next(node.path for node in result.tree.nodes if "caf" in node.path)
    assert path.endswith(r"caf\xe9 \x5c \x0a")
    assert json.loads(msgspec.json.encode(result.tree))


def test_two_runs_give_the_same_tree(unpacked: Unpack) -> None:
    image = b"head" * 100 + Maker().make(ROOT)
    first, second = unpacked(image), unpacked(image)
    assert msgspec.json.encode((first.tree, first.coverage)) == msgspec.json.encode((second.tree, second.coverage))


def test_the_digest_is_told_without_unpacking(tmp_path: Path) -> None:
    (tmp_path / "image.bin").write_bytes(b"abc")
    assert identify(tmp_path / "image.bin").sha256.startswith("ba7816bf")


@pytest.mark.parametrize("make", ["missing", "empty", "fifo", "socket", "empty folder", "device"])
def test_what_is_no_image_is_refused_in_one_line(tmp_path: Path, make: str) -> None:
    path = tmp_path / "image"
    match make:
        case "empty":
            path.touch()
        case "fifo":
            os.mkfifo(path)
        case "socket":
            socket.socket(socket.AF_UNIX).bind(str(path))
        case "empty folder":
            path.mkdir()
        case "device":
            path = Path("/dev/zero")
    with pytest.raises(InputError) as caught:
        unpack(path, Context(work=tmp_path / "work"))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_hides_in_a_chunk_that_cannot_be_read_is_found(unpacked: Unpack) -> None:
    broken = bytearray(Maker(compress=lambda raw: raw).make({b"a": b"x" * 5000}))
    broken[32:40] = b"\xff" * 8  # no root inode there
    inner = Maker().make(ROOT)
    broken[40:48] = (len(broken) + len(inner)).to_bytes(8, "little")
    result = unpacked(bytes(broken) + inner)
    assert "/etc/passwd" in {node.path for node in result.tree.nodes}
    assert any(gap.outcome != "done" for gap in result.not_examined)
    assert every_byte_is_in_one_extent(result)


def test_a_second_copy_of_something_opaque_is_as_opaque_as_the_first(unpacked: Unpack) -> None:
    slot = gzip.compress(random.Random(3).randbytes(200_000), mtime=0)
    result = unpacked(slot + bytes(4096) + slot)
    assert [extent.kind for extent in result.coverage.extents if extent.outcome is Outcome.DONE] == ["padding"]


def test_unexplained_bytes_are_kept_readable_in_a_volume_of_their_own(unpacked: Unpack) -> None:
    result = unpacked(b"U-Boot 1.1.4\0" + bytes(range(1, 200)) * 3 + Maker().make(ROOT))
    [node] = [node for node in result.tree.nodes if node.volume == "unexplained"]
    assert node.path == "@unexplained/0x0-0x262"
    assert b"U-Boot 1.1.4" in content(result, node)
    assert {node.volume for node in result.tree.nodes} <= {volume.name for volume in result.tree.volumes}


def test_a_flash_image_of_an_esp32_tells_partitions_credentials_and_application(unpacked: Unpack) -> None:
    wifi: dict[tuple[bytes, bytes], bytes | int] = {(b"nvs.net80211", b"sta.pswd"): b"correct horse".ljust(65, b"\0")}
    flash = b"\xff" * 0x1000 + esp_maker.esp32(0, [(0x40080000, b"boot loader " * 40)])
    flash = flash.ljust(0x8000, b"\xff") + esp_maker.table(
        (b"nvs", 1, 2, 0x9000, 0x5000, 0), (b"app", 0, 0, 0x10000, 1, 1)
    )
    flash = flash.ljust(0x9000, b"\xff") + esp_maker.nvs(wifi)
    flash = flash.ljust(0x10000, b"\xff") + esp_maker.esp32(
        0, [(0x3F400020, esp_maker.descriptor()), (0x40080000, b"x" * 80)]
    )
    result = unpacked(flash)
    assert [volume.kind for volume in result.tree.volumes] == ["esp32", "esp-partitions", "esp-nvs", "esp32"]
    assert result.coverage.share == 1.0
    nodes = {str(node.path): node for node in result.tree.nodes}
    password = nodes["@esp-nvs-0x9000/nvs.net80211/sta.pswd"]
    assert content(result, password) == b"correct horse"
    assert result.tree.volumes[-1].detail["IDF version"] == "v5.1.2"
    assert "marked: app" in result.tree.volumes[1].detail["flash encryption"]


def test_text_is_understood_as_text_and_kept(tmp_path: Path, unpacked: Unpack) -> None:
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash/config").write_bytes(b"bootargs=console=ttyS0\0bootdelay=3\0ssid=home\0" * 5 + b"\xff" * 500)
    result = unpacked(tmp_path / "flash")
    assert [extent.kind for extent in result.coverage.extents] == ["text", "padding"]
    assert result.coverage.share == 1.0
    [node] = result.tree.nodes
    assert b"bootdelay=3" in content(result, node)


def test_a_program_alone_is_an_image_with_one_file(unpacked: Unpack) -> None:
    program = Path(sys.executable).resolve().read_bytes()
    result = unpacked(program)
    largest = max(result.tree.nodes, key=lambda node: node.size)
    assert content(result, largest)[:4] == b"\x7fELF"


def test_a_cameras_zip_of_wrapped_partitions_is_followed_to_its_root(unpacked: Unpack) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("romfs-x.cramfs.img", test_uimage.make(Maker().make(ROOT), 7))
        archive.writestr("InstallDesc", '{"Commands": []}')
    result = unpacked(packed.getvalue())
    assert "/etc/passwd" in {node.path for node in result.tree.nodes}
    assert result.not_examined == ()


def test_a_folder_that_holds_nothing_but_a_root_file_system_is_one(tmp_path: Path, isolated: Unpack) -> None:
    root = tmp_path / "extracted/squashfs-root"
    for name in ("etc", "bin", "lib"):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("root::0:0:root:/:/bin/sh\n")
    (root / "bin/sh").write_bytes(b"\x7fELF")
    result = isolated(tmp_path / "extracted")
    assert {node.path for node in result.tree.nodes} >= {"/etc/passwd", "/bin/sh"}


def test_a_full_disk_is_one_clear_line_and_not_a_judgement_of_the_image(
    tmp_path: Path, isolated: Unpack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(*_arguments: object, **_options: object) -> Ended:
        return Ended(120, timed_out=False, messages="")

    monkeypatch.setattr(unpacking, "run_isolated", died)
    monkeypatch.setattr(unpacking, "_is_full", lambda folder: True)
    with pytest.raises(InputError, match="no space is left where images are unpacked"):
        isolated(b"an image of which nothing could be written" * 100)
    monkeypatch.setattr(unpacking, "_is_full", lambda folder: False)
    assert isolated(b"the same with space" * 100).not_examined


def test_an_archive_behind_a_script_is_found_and_a_plain_script_is_not_searched(unpacked: Unpack) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("upgrade/firmware.img")
        content = random.Random(2).randbytes(20_000)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    installer = b"#!/bin/sh\ntail -n +4 $0 | tar xz\n./upgrade/run\nexit\n" + packed.getvalue()
    result = unpacked(Maker().make({b"install.run": installer, b"long.sh": b"#!/bin/sh\n" + b"echo text\n" * 3000}))
    assert any(node.path.endswith("upgrade/firmware.img") for node in result.tree.nodes)
    assert [volume.kind for volume in result.tree.volumes] == ["squashfs", "gzip", "tar"]
