"""Hostile images: nothing is written outside the work folder, nothing hangs, and each ends in an outcome."""

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.firmware.unpack.conftest import Unpack
from tests.firmware.unpack.squashfs_maker import Device, Link, Tree
from tests.firmware.unpack.squashfs_maker import Squashfs as Maker

from customhouse.firmware.unpack import Unpacked
from customhouse.firmware.unpack.quota import Quota
from customhouse.model import NodeKind, Outcome

SMALL = Quota(output=8 << 20, single=4 << 20, entries=500, depth=5, seconds=20)


def tar_of(*entries: tuple[str, bytes, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind, target in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            entry.mode = 0o4755
            content = b"content" if kind == tarfile.REGTYPE else b""
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def outcomes(result: Unpacked) -> set[Outcome]:
    return {extent.outcome for extent in result.coverage.extents}


def whys(result: Unpacked) -> str:
    return " ".join(gap.why for gap in result.not_examined)


def test_paths_that_climb_are_refused_and_told(tmp_path: Path, isolated: Unpack) -> None:
    result = isolated(tar_of(("../../../../escaped", tarfile.REGTYPE, ""), ("kept", tarfile.REGTYPE, "")))
    assert [node.path for node in result.tree.nodes if node.kind is NodeKind.FILE] == ["@tar-0x0/kept"]
    assert "leads outside" in whys(result)
    assert not list(tmp_path.rglob("escaped"))


def test_absolute_paths_stay_inside_the_volume(tmp_path: Path, unpacked: Unpack) -> None:
    target = tmp_path / "absolute"
    result = unpacked(tar_of((str(target), tarfile.REGTYPE, ""), ("other", tarfile.REGTYPE, "")))
    assert f"@tar-0x0{target}" in {node.path for node in result.tree.nodes}
    assert not target.exists()


def test_links_are_facts_and_never_followed(tmp_path: Path, unpacked: Unpack) -> None:
    entries = [("a", tarfile.SYMTYPE, "b"), ("b", tarfile.SYMTYPE, "a"), ("out", tarfile.SYMTYPE, str(tmp_path))]
    result = unpacked(tar_of(*entries, ("out/dropped", tarfile.REGTYPE, ""), ("self", tarfile.LNKTYPE, "self")))
    targets = {node.path: node.target for node in result.tree.nodes if node.kind is NodeKind.SYMLINK}
    assert targets == {"@tar-0x0/a": "b", "@tar-0x0/b": "a", "@tar-0x0/out": str(tmp_path)}
    assert not (tmp_path / "dropped").exists()


def test_device_nodes_and_setuid_are_facts_and_never_created(tmp_path: Path, isolated: Unpack) -> None:
    tree: Tree = {b"mem": Device(1, 1), b"disk": Device(8, 0, block=True), b"su": b"program" * 50}
    result = isolated(Maker(mode=0o4755).make(tree))
    nodes = {node.path.rsplit("/", 1)[-1]: node for node in result.tree.nodes}
    assert nodes["mem"].device == (1, 1)
    assert nodes["disk"].kind is NodeKind.BLOCK_DEVICE
    assert nodes["su"].mode == 0o4755
    made = [path for path in tmp_path.rglob("*") if path.is_char_device() or path.is_block_device()]
    assert made == []
    assert not any(path.stat().st_mode & 0o6000 for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(bytes(64 << 20), mtime=0),
        bz2.compress(bytes(64 << 20)),
        lzma.compress(bytes(64 << 20), preset=0),
        lzma.compress(bytes(64 << 20), lzma.FORMAT_ALONE, preset=0),
    ],
    ids=["gzip", "bzip2", "xz", "lzma"],
)
def test_a_bomb_by_ratio_is_stopped(tmp_path: Path, unpacked: Unpack, bomb: bytes) -> None:
    result = unpacked(bomb, SMALL)
    assert outcomes(result) == {Outcome.SKIPPED}
    assert "budget" in whys(result)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 20 << 20


def test_a_bomb_by_count_is_stopped(unpacked: Unpack) -> None:
    result = unpacked(Maker().make(dict.fromkeys((b"%06d" % number for number in range(3000)), b"x")), SMALL)
    assert "more than 500 entries" in whys(result)
    assert 400 < len(result.tree.nodes) <= 500


def test_a_bomb_by_depth_is_stopped(unpacked: Unpack) -> None:
    inner = b"the innermost content " * 40
    for _ in range(12):
        inner = gzip.compress(inner, mtime=0)
    result = unpacked(inner, SMALL)
    assert "containers inside each other" in whys(result)
    assert len(result.tree.volumes) <= SMALL.depth + 1


def test_a_tree_of_many_folders_inside_each_other_is_stopped(unpacked: Unpack) -> None:
    tree: Tree = {b"end": b"x"}
    for _ in range(300):
        tree = {b"d": tree}
    result = unpacked(Maker().make(tree))
    assert outcomes(result) <= {Outcome.PARTIAL, Outcome.DONE}
    assert "too deep" in whys(result)


def test_a_zip_whose_entries_overlap_ends_in_an_outcome(unpacked: Unpack) -> None:
    """One body, many directory entries: the ratio comes from reading it again and again."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("body", bytes(1 << 20))
    whole = packed.getvalue()
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    record = whole[start:end]
    directory = b"".join(record[:46] + b"b%03d" % number for number in range(400))
    tail = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 400, 400, len(directory), start, 0)
    result = unpacked(whole[:start] + directory + tail, SMALL)
    assert outcomes(result) <= {Outcome.SKIPPED, Outcome.FAILED, Outcome.PARTIAL, Outcome.UNKNOWN, Outcome.DONE}
    assert sum(node.size for node in result.tree.nodes) <= SMALL.output + (1 << 20)


def test_a_file_that_unpacks_to_itself_ends(unpacked: Unpack) -> None:
    """The content is looked into once, whatever number of times it comes out."""
    inner = Maker().make({b"copy-%d" % number: gzip.compress(b"same " * 200, mtime=0) for number in range(50)})
    result = unpacked(gzip.compress(inner, mtime=0))
    assert sum(volume.kind == "gzip" for volume in result.tree.volumes) == 2


def test_chunks_that_claim_to_overlap_are_each_counted_once(unpacked: Unpack) -> None:
    one = bytearray(Maker().make({b"a": b"x" * 5000}))
    two = Maker().make({b"b": b"y" * 5000})
    one[40:48] = struct.pack("<Q", len(one) + len(two) - 100)  # the first claims most of the second
    result = unpacked(bytes(one) + two)
    at = 0
    for extent in result.coverage.extents:
        assert extent.offset == at
        at += extent.size
    assert at == result.image.size


def test_names_in_bad_encodings_and_control_characters_come_out_escaped(unpacked: Unpack) -> None:
    names = [b"\xff\xfe", b"new\nline", b"\x1b[31mred", b"\xed\xa0\x80", "ключ".encode("koi8-r"), b"back\\slash"]
    result = unpacked(Maker().make(dict.fromkeys(names, b"x")))
    paths = [node.path for node in result.tree.nodes if node.kind is NodeKind.FILE]
    assert len(paths) == len(names)
    assert all(path.isprintable() for path in paths)


def test_a_lying_header_does_not_make_us_allocate(unpacked: Unpack) -> None:
    image = bytearray(Maker(compress=lambda raw: raw).make({b"huge": b"x" * 100}))
    at = image.index(struct.pack("<4I", 96, 0, 0, 100)) + 12
    image[at : at + 4] = struct.pack("<I", 0xFFFFFFF0)
    started = time.monotonic()
    result = unpacked(bytes(image), SMALL)
    assert time.monotonic() - started < 20
    assert Outcome.DONE not in outcomes(result) or result.not_examined


def test_time_runs_out_with_a_record_of_it(unpacked: Unpack) -> None:
    result = unpacked(Maker().make({b"%05d" % n: b"x" for n in range(2000)}), Quota(seconds=0.0))
    assert "budget ran out" in whys(result)
    assert Outcome.SKIPPED in outcomes(result)


def test_a_worker_that_is_killed_leaves_what_it_had_found(tmp_path: Path, isolated: Unpack) -> None:
    result = isolated(random.Random(1).randbytes(4 << 20), seconds=0.05)
    assert "stopped" in whys(result)
    assert {extent.outcome for extent in result.coverage.extents} == {Outcome.SKIPPED}


def samples() -> list[bytes]:
    """Small images of many formats in a row, made here."""
    tree: Tree = {b"etc": {b"passwd": b"root::0:0\n" * 30}, b"bin": {b"sh": Link(b"x")}, b"d": Device(1, 3)}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("inside/file.txt", "text " * 200)
    pieces = [
        Maker().make(tree),
        Maker(major=3, order=">", compress=lambda raw: zlib.compress(raw)).make(tree),
        tar_of(("a/b", tarfile.REGTYPE, ""), ("l", tarfile.SYMTYPE, "a/b")),
        zipped.getvalue(),
        lzma.compress(b"kernel " * 3000, lzma.FORMAT_ALONE),
        gzip.compress(b"text " * 500, mtime=0),
    ]
    return [*pieces, bytes(512).join(pieces)]


def test_200_truncations_and_bit_flips_end_in_outcomes(tmp_path: Path) -> None:
    """In one process and without isolation, so that 200 fit into seconds: what counts here is the readers."""
    from customhouse.firmware.unpack.contents import Budget, ContentStore
    from customhouse.firmware.unpack.engine import Engine
    from customhouse.firmware.unpack.journal import ExtentLine, Journal, read_journal

    chance, images = random.Random(20), samples()
    for number in range(200):
        image = bytearray(chance.choice(images))
        if number % 2:
            image = image[: chance.randrange(1, len(image))]
        for _ in range(chance.choice([0, 1, 3, 30])):
            image[chance.randrange(len(image))] ^= 1 << chance.randrange(8)
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "image").write_bytes(image)
        journal, budget = Journal(folder / "journal"), Budget(SMALL)
        Engine(journal, ContentStore(folder / "contents", budget), budget, folder / "scratch").part(
            folder / "image", ""
        )
        journal.close()
        extents = [line.extent for line in read_journal(folder / "journal") if isinstance(line, ExtentLine)]
        assert sum(extent.size for extent in extents) == len(image), f"case {number}"


def test_what_is_left_of_a_damaged_stream_is_not_called_encrypted(unpacked: Unpack) -> None:
    noise = random.Random(3)
    text = lzma.compress(bytes(noise.choices(range(32, 96), k=300_000)), lzma.FORMAT_ALONE)
    broken = bytearray(text)
    broken[len(text) // 2] ^= 0xFF
    result = unpacked(bytes(broken) + random.Random(4).randbytes(20_000))
    assert Outcome.ENCRYPTED not in outcomes(result)
    assert "what is left of the lzma stream at 0x0" in whys(result)


def test_one_damaged_block_costs_the_files_in_it_and_is_named(unpacked: Unpack) -> None:
    noise = random.Random(5)
    contents = {b"file-%d" % n: bytes(noise.randrange(64) for _ in range(4096)) for n in range(8)}
    image = bytearray(Maker(fragments=False).make(dict(contents)))
    image[96 + 500 : 96 + 600] = bytes(100)
    result = unpacked(bytes(image))
    sound = {node.path for node in result.tree.nodes if node.digest is not None}
    assert sound == {f"@squashfs-0x0/file-{n}" for n in range(1, 8)}
    assert "file-0: deflate stream is damaged" in whys(result)


def test_a_squashfs_that_is_cut_off_before_its_tables_is_said_to_be(unpacked: Unpack) -> None:
    image = Maker().make({b"%d" % n: random.Random(n).randbytes(5000) for n in range(8)})
    result = unpacked(image[:20_000])
    assert "cut off: 20000 of" in whys(result)
    assert Outcome.ENCRYPTED not in outcomes(result)
