"""Paths inside the device: symlinks followed, globs matched, text read – all on facts, never on the host.

`Files` is what every link module asks instead of walking the tree. Partitions that the device mounts at boot can be
laid over folders (`mounted`), so that `/system/bin/x` finds the file of another volume.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from customhouse.model import Digest, Evidence, FileFacts, FileNode, FileTree, ImagePath, NodeKind

_MAX_LINKS = 40  # as Linux; a chain longer than this is a loop
_EXCERPT = 160


@dataclass(frozen=True)
class Mount:
    """Where a volume's tree appears. `prefix` is the volume's own path prefix (`@mtdblock4.bin`)."""

    point: str
    prefix: str
    device: str = ""
    kind: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Files:
    """All files of one device by path."""

    facts: Mapping[Digest, FileFacts]
    nodes: Mapping[str, FileNode]
    children: Mapping[str, tuple[str, ...]]
    mounts: tuple[Mount, ...] = ()
    blind: tuple[str, ...] = ()
    """Mount points of file systems that are not in the image: what lies below is not known."""
    laid: Mapping[str, FileNode] = field(default_factory=dict)
    """Links and copies that start scripts make, as symbolic links; the image's own entries come first."""
    _globs: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def mounted(self, mounts: tuple[Mount, ...]) -> "Files":
        """The same files with volumes laid over their mount points."""
        return Files(self.facts, self.nodes, self.children, mounts, self.blind, self.laid)

    def blinded(self, point: str) -> "Files":
        """The same files, where something that we do not have is mounted on `point`."""
        return Files(self.facts, self.nodes, self.children, self.mounts, (*self.blind, point), self.laid)

    def with_link(self, path: str, target: str) -> "Files":
        """The same files, where a start script has put a link (or a copy) at `path`."""
        link = FileNode(path=ImagePath(path), kind=NodeKind.SYMLINK, target=target)
        return Files(self.facts, self.nodes, self.children, self.mounts, self.blind, {**self.laid, path: link})

    def unseen(self, path: str) -> bool:
        """Whether `path` lies in a file system that the image does not hold."""
        return any(path == point or path.startswith(point.rstrip("/") + "/") for point in self.blind)

    def _stored(self, path: str) -> str:
        """The path under which the tree keeps what stands at `path`: mount points are translated."""
        best: Mount | None = None
        for mount in self.mounts:
            inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
            if inside and (best is None or len(mount.point) >= len(best.point)):
                best = mount
        if best is None:
            return path
        rest = path[len(best.point.rstrip("/")) :]
        return best.prefix + rest if rest.strip("/") else best.prefix

    def _have(self, stored: str) -> bool:
        return stored in self.nodes or stored in self.children

    def _on_the_way(self, path: str) -> bool:
        """A folder that start scripts must have made, since something is put or mounted below it."""
        below = path + "/"
        laid = any(one.startswith(below) for one in self.laid)
        return laid or any(mount.point.startswith(below) for mount in self.mounts)

    def real(self, path: str) -> str | None:
        """The stored path after following every symbolic link; None when nothing is there.

        Absolute links start at the device's root, or at the volume's own root where the device has none mounted there.
        """
        budget = _MAX_LINKS
        pending = _split(path)
        done = _root_of(path)
        while pending:
            part = pending.pop(0)
            if part == "..":
                done = _parent(done)
                continue
            step = self._stored(_join(done, part))
            node = self.nodes.get(step)
            if node is None and not self._have(step):
                node = self.laid.get(step)
            if node is not None and node.kind is NodeKind.SYMLINK:
                budget -= 1
                if budget < 0 or not node.target:
                    return None
                if node.target.startswith("/"):
                    done = ""
                pending = _split(node.target) + pending
                continue
            if not self._have(step) and not self._on_the_way(step):
                return None
            done = step
        return done or "/"

    def node(self, path: str) -> FileNode | None:
        """The entry at `path`, links followed. Folders that the tree only implies have none."""
        real = self.real(path)
        return self.nodes.get(real) if real is not None else None

    def exists(self, path: str) -> bool:
        return self.real(path) is not None

    def is_directory(self, path: str) -> bool:
        real = self.real(path)
        if real is None:
            return False
        node = self.nodes.get(real)
        return real in self.children or (node is not None and node.kind is NodeKind.DIRECTORY)

    def facts_of(self, path: str) -> FileFacts | None:
        node = self.node(path)
        return self.facts.get(node.digest) if node is not None and node.digest is not None else None

    def text(self, path: str) -> str | None:
        """The text of a script or configuration file, None when it is not there or not text."""
        facts = self.facts_of(path)
        if facts is None:
            return None
        if facts.text is None:
            return "" if facts.size == 0 else None
        return facts.text.text

    def names(self, folder: str) -> tuple[str, ...]:
        """Sorted names of the entries of a folder."""
        real = self.real(folder)
        stored = self.children.get(real, ()) if real is not None else ()
        laid = {path.rpartition("/")[2] for path in self.laid if _parent(path) == (real or folder).rstrip("/")}
        return tuple(sorted({*stored, *laid})) if laid else stored

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Paths that match a shell pattern, sorted as the shell sorts them; hidden files only when asked for."""
        if pattern not in self._globs:
            self._globs[pattern] = tuple(self._expand(pattern))
        return self._globs[pattern]

    def _expand(self, pattern: str) -> Iterator[str]:
        found = [_root_of(pattern)]
        for part in _split(pattern):
            if not any(letter in part for letter in "*?["):
                found = [path for base in found if self.exists(path := _join(base, part))]
                continue
            try:
                match = re.compile(fnmatch.translate(part.replace("[^", "[!"))).match
            except re.error:
                return
            found = [
                _join(base, name)
                for base in found
                for name in self.names(base or "/")
                if match(name) and (part.startswith(".") or not name.startswith("."))
            ]
        yield from found

    def evidence(self, path: str, excerpt: str = "", offset: int | None = None) -> Evidence:
        """A place in the file at `path`, with its digest."""
        node = self.node(path)
        return Evidence(
            path=ImagePath(path),
            digest=node.digest if node else None,
            offset=offset,
            excerpt=excerpt.strip()[:_EXCERPT],
        )


def printable(text: str) -> str:
    """Text for a report: bytes that are not UTF-8 and control characters as backslash escapes."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in whole)


def files_of(tree: FileTree, facts: Mapping[Digest, FileFacts]) -> Files:
    """Index a tree once; folders that are only implied get their children too."""
    nodes = {str(node.path): node for node in tree.nodes}
    children: dict[str, set[str]] = {}
    for path in nodes:
        here = path
        while True:
            above = _parent(here)
            name = here[len(above) :].lstrip("/") if above else here.lstrip("/")
            if not name or (not above and here.startswith("@")):
                break
            siblings = children.setdefault(above or "/", set())
            if name in siblings:
                break
            siblings.add(name)
            here = above
            if not here:
                break
    return Files(facts, nodes, {folder: tuple(sorted(names)) for folder, names in children.items()})


def _split(path: str) -> list[str]:
    if path.startswith("@"):
        _, _, path = path.partition("/")
    return [part for part in path.split("/") if part not in ("", ".")]


def _root_of(path: str) -> str:
    """`""` for plain paths, `@volume` for those of another volume."""
    return path.partition("/")[0] if path.startswith("@") else ""


def _parent(path: str) -> str:
    above = path.rpartition("/")[0]
    return above if above or not path.startswith("@") else path


def _join(base: str, part: str) -> str:
    return f"{base.rstrip('/')}/{part}"
