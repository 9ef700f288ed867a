"""From the worker's records to the tree: which volume is the root, what paths are called, where every byte went."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from customhouse.model import (
    Coverage,
    Extent,
    FileNode,
    FileTree,
    ImagePath,
    NodeKind,
    NotExamined,
    Offset,
    Outcome,
    Volume,
)

from .journal import EndLine, ExtentLine, GapLine, Line, NodeLine, PartLine, VolumeLine

_DIGEST = re.compile(r"[0-9a-f]{64}")
_EXPLAINED = (Outcome.DONE, Outcome.PARTIAL)
_ROOT_SIGNS = {
    "etc": 3, "bin": 2, "sbin": 2, "lib": 1, "usr": 1, "dev": 1, "proc": 1, "sys": 1, "tmp": 1, "init": 2, "linuxrc": 2,
    "sbin/init": 4, "bin/sh": 4, "bin/busybox": 4, "etc/inittab": 3, "etc/passwd": 3, "etc/init.d": 2,
    "etc/init.d/rcS": 3, "etc/shadow": 2,
}  # fmt: skip
_ROOT_ENOUGH = 8
_PROOFS = (
    "sbin/init", "bin/sh", "bin/busybox", "bin/ash", "bin/bash", "usr/bin/sh", "etc/inittab", "etc/passwd",
    "etc/init.d", "etc/rc.d", "etc/systemd", "etc_ro/inittab", "etc/rc", "etc/profile", "init.rc", "linuxrc",
)  # fmt: skip
"""A partition with the maker's programs has bin, etc and lib as well; one of these makes it a root file system."""


class Assembly:
    """Gathers the records of one journal."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.nodes: list[FileNode] = []
        self.volumes: list[Volume] = []
        self.extents: list[Extent] = []
        self.not_examined: list[NotExamined] = []
        self.parts: dict[str, int] = {}
        self.ended = False
        for line in lines:
            self._add(line)

    def _add(self, line: Line) -> None:
        match line:
            case NodeLine(node):
                if node.digest is None or _DIGEST.fullmatch(node.digest):  # it becomes a file name
                    self.nodes.append(node)
            case VolumeLine(volume):
                self.volumes.append(volume)
            case ExtentLine(extent):
                self.extents.append(extent)
            case GapLine(gap):
                self.not_examined.append(gap)
            case PartLine(name, size):
                self.parts[name] = size
            case EndLine():
                self.ended = True

    def tree(self) -> FileTree:
        """All entries under their final paths, later entries of the same path winning."""
        root = root_volume(self.nodes, self.volumes)
        if root is None:
            root, self.nodes = _unwrapped_root(self.nodes, self.volumes)
        nodes = {path: node for node in self.nodes if (path := _final(node, root)) not in ("/", f"@{node.volume}/")}
        placed = {path: _placed(node, path) for path, node in sorted(nodes.items())}
        volumes = tuple(_marked(volume, root) for volume in self.volumes)
        return FileTree(nodes=tuple(placed.values()), volumes=volumes)

    def coverage(self, sizes: dict[str, int], why_missing: str) -> Coverage:
        """Every byte of every part in one extent; bytes that were never reached are `skipped`."""
        by_part: dict[str, list[Extent]] = defaultdict(list)
        for extent in self.extents:
            by_part[extent.part].append(extent)
        extents = tuple(
            extent for part, size in sizes.items() for extent in _filled(by_part[part], part, size, why_missing)
        )
        explained = sum(extent.size for extent in extents if extent.outcome in _EXPLAINED)
        return Coverage(bytes=sum(sizes.values()), explained=explained, extents=extents)


def root_volume(nodes: Sequence[FileNode], volumes: Sequence[Volume]) -> str | None:
    """The volume that looks most like a root file system; of equals the one with more entries, then the first."""
    scores: Counter[str] = Counter()
    entries: Counter[str] = Counter()
    proven: set[str] = set()
    for node in nodes:
        if node.path == "init" and node.kind is NodeKind.DIRECTORY:
            continue
        scores[node.volume] += _ROOT_SIGNS.get(node.path, 0)
        entries[node.volume] += 1
        if node.path in _PROOFS:
            proven.add(node.volume)
    order = {volume.name: number for number, volume in reversed(list(enumerate(volumes)))}
    paths = {(node.volume, node.path) for node in nodes if node.path in ("etc", "bin", "sbin", "usr")}
    able = [
        name
        for name, score in scores.items()
        if score >= _ROOT_ENOUGH
        and name in proven
        and (name, "etc") in paths
        and any((name, p) in paths for p in ("bin", "sbin", "usr"))
    ]
    if not able:
        return None
    return max(able, key=lambda name: (scores[name], entries[name], -order.get(name, len(order))))


def _unwrapped_root(nodes: list[FileNode], volumes: Sequence[Volume]) -> tuple[str | None, list[FileNode]]:
    """A root file system packed together with the folder that it was in: `tar c squashfs-root`."""
    folders: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        folders[node.volume].add(node.path.partition("/")[0])
    wrapped = {volume: next(iter(names)) for volume, names in folders.items() if len(names) == 1}
    bare = [_without(node, wrapped[node.volume]) for node in nodes if node.volume in wrapped]
    root = root_volume([node for node in bare if node.path], volumes)
    if root is None:
        return None, nodes
    rest = [node for node in nodes if node.volume != root]
    return root, [*rest, *(node for node in bare if node.volume == root and node.path)]


def _without(node: FileNode, folder: str) -> FileNode:
    return msgspec.structs.replace(node, path=ImagePath(node.path.removeprefix(folder).removeprefix("/")))


def _final(node: FileNode, root: str | None) -> ImagePath:
    return ImagePath(f"/{node.path}" if node.volume == root else f"@{node.volume}/{node.path}")


def _placed(node: FileNode, path: ImagePath) -> FileNode:
    return FileNode(
        path=path, kind=node.kind, mode=node.mode, uid=node.uid, gid=node.gid, size=node.size, digest=node.digest,
        target=node.target, device=node.device if node.kind is not NodeKind.FILE else None, volume=node.volume,
    )  # fmt: skip


def _marked(volume: Volume, root: str | None) -> Volume:
    return Volume(
        name=volume.name, kind=volume.kind, offset=volume.offset, size=volume.size, part=volume.part,
        root=volume.name == root, label=volume.label, detail=volume.detail,
    )  # fmt: skip


def _filled(extents: list[Extent], part: str, size: int, why: str) -> Iterable[Extent]:
    at = 0
    for extent in sorted(extents, key=lambda extent: extent.offset):
        if extent.offset < at or extent.offset + extent.size > size:
            continue  # a journal that contradicts itself: the first claim stands
        if extent.offset > at:
            yield _unreached(at, extent.offset - at, part, why)
        yield extent
        at = extent.offset + extent.size
    if at < size:
        yield _unreached(at, size - at, part, why)


def _unreached(offset: int, size: int, part: str, why: str) -> Extent:
    return Extent(offset=Offset(offset), size=size, kind="unknown", outcome=Outcome.SKIPPED, part=part, detail=why)
