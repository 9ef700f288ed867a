"""What the worker says is put together without trusting it."""

from customhouse.firmware.unpack.assembly import Assembly
from customhouse.firmware.unpack.journal import ExtentLine, Line, NodeLine, VolumeLine
from customhouse.model import Digest, Extent, FileNode, ImagePath, NodeKind, Offset, Outcome, Volume

GOOD = Digest("0" * 64)


def node(path: str, volume: str, kind: NodeKind = NodeKind.FILE, digest: Digest | None = GOOD) -> NodeLine:
    return NodeLine(FileNode(path=ImagePath(path), kind=kind, digest=digest, volume=volume))


def volume(name: str) -> VolumeLine:
    return VolumeLine(Volume(name=name, kind="squashfs", offset=Offset(0), size=1))


def extent(offset: int, size: int, kind: str = "squashfs") -> ExtentLine:
    return ExtentLine(Extent(offset=Offset(offset), size=size, kind=kind, outcome=Outcome.DONE))


def root(name: str, *more: str) -> list[Line]:
    folders = [node(path, name, NodeKind.DIRECTORY, None) for path in ("etc", "bin", "lib")]
    return [*folders, *(node(path, name) for path in ("etc/passwd", "bin/sh", *more)), volume(name)]


def test_a_digest_that_is_a_path_is_dropped() -> None:
    tree = Assembly([node("x", "v", digest=Digest("../../etc/shadow")), node("y", "v")]).tree()
    assert [entry.path for entry in tree.nodes] == ["@v/y"]


def test_the_fuller_root_wins_and_the_other_keeps_its_volume_name() -> None:
    tree = Assembly([*root("recovery"), *root("main", "sbin/init", "etc/inittab")]).tree()
    paths = {entry.path for entry in tree.nodes}
    assert {"/etc/passwd", "/sbin/init", "@recovery/etc/passwd"} <= paths
    assert [known.name for known in tree.volumes if known.root] == ["main"]


def test_a_volume_of_data_is_no_root() -> None:
    tree = Assembly([node("etc", "data", NodeKind.DIRECTORY, None), node("etc/passwd", "data"), volume("data")]).tree()
    assert not any(known.root for known in tree.volumes)


def test_bytes_never_reached_are_skipped_and_contradictions_are_dropped() -> None:
    lines: list[Line] = [extent(10, 20), extent(15, 5), extent(90, 20)]
    coverage = Assembly(lines).coverage({"": 100}, "stopped")
    assert [(e.offset, e.size, e.outcome) for e in coverage.extents] == [
        (0, 10, Outcome.SKIPPED),
        (10, 20, Outcome.DONE),
        (30, 70, Outcome.SKIPPED),
    ]
    assert (coverage.bytes, coverage.explained) == (100, 20)


def test_a_partition_with_the_makers_programs_is_no_root() -> None:
    folders = [node(path, "app", NodeKind.DIRECTORY, None) for path in ("etc", "bin", "lib", "init")]
    tree = Assembly([*folders, node("init/start.sh", "app"), node("etc/sensor.bin", "app"), volume("app")]).tree()
    assert not any(known.root for known in tree.volumes)


def test_a_root_packed_with_the_folder_it_was_in_is_a_root() -> None:
    lines = [
        node(f"rootfs/{line.node.path}", "tar", line.node.kind) for line in root("tar") if isinstance(line, NodeLine)
    ]
    tree = Assembly([node("rootfs", "tar", NodeKind.DIRECTORY, None), *lines, node("x", "other"), volume("tar")]).tree()
    assert {entry.path for entry in tree.nodes} == {"/etc", "/bin", "/lib", "/etc/passwd", "/bin/sh", "@other/x"}
    assert [known.name for known in tree.volumes if known.root] == ["tar"]
