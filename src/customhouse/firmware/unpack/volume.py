"""The writer that formats write one volume's entries through."""

from collections.abc import Iterable

import msgspec

from customhouse.model import Digest, FileNode, ImagePath, NodeKind

from .contents import Budget, ContentStore
from .format import Malformed, Meta
from .journal import Journal, NodeLine
from .names import escape

_LONGEST_PATH = 4096
_TROUBLES_SHOWN = 5


class Written(msgspec.Struct, frozen=True):
    """A content that came out for the first time, and may hold more inside."""

    digest: Digest
    size: int
    head: bytes
    path: str
    volume: str


class VolumeWriter:
    """Keeps contents, writes nodes to the journal, refuses paths that leave the volume."""

    def __init__(self, name: str, journal: Journal, store: ContentStore, budget: Budget) -> None:
        self.name = name
        self._journal, self._store, self._budget = journal, store, budget
        self._nodes: dict[str, FileNode] = {}
        self.fresh: list[Written] = []
        self.known: list[Digest] = []
        self.troubles = 0
        self._reasons: list[str] = []
        self.detail: dict[str, str] = {}
        self.written = 0
        self.entries = 0

    def directory(self, path: bytes, meta: Meta) -> None:
        self._add(path, NodeKind.DIRECTORY, meta)

    def file(self, path: bytes, data: Iterable[bytes | memoryview], meta: Meta) -> None:
        before = self._budget.output
        try:
            digest, size, head, new = self._store.keep(data)
        except Malformed as trouble:
            self.written += self._budget.output - before
            self.trouble(f"{escape(path)}: {trouble}")
            self._add(path, NodeKind.FILE, meta)
            return
        self.written += size
        node = self._add(path, NodeKind.FILE, meta, size=size, digest=digest)
        if new and node is not None:
            self.fresh.append(Written(digest, size, head, node.path, self.name))
        elif not new:
            self.known.append(digest)

    def symlink(self, path: bytes, target: bytes, meta: Meta) -> None:
        self._add(path, NodeKind.SYMLINK, meta, target=escape(target), size=len(target))

    def special(self, path: bytes, kind: NodeKind, device: tuple[int, int] | None, meta: Meta) -> None:
        self._add(path, kind, meta, device=device)

    def link(self, path: bytes, existing: bytes) -> None:
        found = self._nodes.get(_inside(existing) or "")
        if found is None:
            self.trouble(f"{escape(path)}: a hard link to {escape(existing)}, which is not there")
            return
        meta = Meta(mode=found.mode, uid=found.uid, gid=found.gid)
        self._add(
            path, found.kind, meta, size=found.size, digest=found.digest, target=found.target, device=found.device
        )

    def trouble(self, reason: str) -> None:
        self.troubles += 1
        if len(self._reasons) < _TROUBLES_SHOWN:
            self._reasons.append(reason if len(reason) < 240 else f"{reason[:80]} ... {reason[-140:]}")

    def say(self, key: str, value: str) -> None:
        self.detail[key] = value[:500]

    @property
    def complaint(self) -> str:
        """The first troubles, and how many more there were."""
        more = self.troubles - len(self._reasons)
        return "; ".join(self._reasons) + (f"; and {more} more" if more > 0 else "")

    def _add(
        self,
        path: bytes,
        kind: NodeKind,
        meta: Meta,
        *,
        size: int = 0,
        digest: Digest | None = None,
        target: str = "",
        device: tuple[int, int] | None = None,
    ) -> FileNode | None:
        self._budget.entry(len(path) + len(target))
        name = _inside(path)
        if name is None:
            self.trouble(f"the path {escape(path[:200])} leads outside the volume")
            return None
        node = FileNode(
            path=ImagePath(name), kind=kind, mode=meta.mode & 0o7777, uid=meta.uid, gid=meta.gid, size=size,
            digest=digest, target=target, device=device, volume=self.name,
        )  # fmt: skip
        self._nodes[name] = node
        self.entries += 1
        self._journal.write(NodeLine(node))
        return node


def _inside(path: bytes) -> str | None:
    """The escaped path relative to the volume; None when it would leave it or is no path at all."""
    pieces = [piece for piece in path.split(b"/") if piece not in (b"", b".")]
    if b".." in pieces or b"\0" in path or len(path) > _LONGEST_PATH:
        return None
    return escape(b"/".join(pieces))
