"""An image, where its bytes went, and the files that came out."""

from collections.abc import Iterator
from enum import StrEnum

from .base import Digest, ImagePath, Model, Offset, Outcome


class Image(Model, frozen=True, kw_only=True):
    """What the user handed over. Of a folder, `size` is the sum and `sha256` covers its sorted (name, digest) list."""

    name: str
    size: int
    sha256: Digest
    parts: tuple[str, ...] = ()
    """File names, where the image is a folder of partitions."""


class Extent(Model, frozen=True, kw_only=True):
    """A run of bytes with one explanation. `offset` counts from the start of `part` (the image itself when empty)."""

    offset: Offset
    size: int
    kind: str
    """Name of the format, or `padding`, `unknown`, `encrypted`."""
    outcome: Outcome
    part: str = ""
    detail: str = ""
    """Why it is not `done`, or what the header says (load address, compressor, version)."""
    entropy: float | None = None
    """Bits per byte, where the content was not understood."""


class Coverage(Model, frozen=True, kw_only=True):
    """Every byte of the image, each in exactly one extent."""

    bytes: int
    explained: int
    extents: tuple[Extent, ...] = ()

    @property
    def share(self) -> float:
        """Explained share, 0..1; an empty image explains nothing."""
        return self.explained / self.bytes if self.bytes else 0.0


class NodeKind(StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHARACTER_DEVICE = "character-device"
    BLOCK_DEVICE = "block-device"
    FIFO = "fifo"
    SOCKET = "socket"


class FileNode(Model, frozen=True, kw_only=True):
    """One entry of a file system inside the image. Modes, owners and device numbers are facts, never created."""

    path: ImagePath
    kind: NodeKind
    mode: int = 0o644
    """Permission bits with setuid, setgid and sticky; no type bits."""
    uid: int = 0
    gid: int = 0
    size: int = 0
    digest: Digest | None = None
    """Content of a regular file; None for every other kind, and for a file whose content could not be read."""
    target: str = ""
    """Of a symbolic link, exactly as stored."""
    device: tuple[int, int] | None = None
    volume: str = ""
    """Name of the volume it came from; see `Volume`."""

    @property
    def executable(self) -> bool:
        return self.kind is NodeKind.FILE and bool(self.mode & 0o111)


class Volume(Model, frozen=True, kw_only=True):
    """One file system (or one carved blob) that was unpacked."""

    name: str
    kind: str
    """Format name: `squashfs`, `jffs2`, `uimage`, `esp32` ..."""
    offset: Offset
    size: int
    part: str = ""
    root: bool = False
    """The device's root file system: its files have plain absolute paths."""
    label: str = ""
    detail: dict[str, str] = {}
    """What the header says: kernel version, chip, IDF version, load address, compressor."""


class FileTree(Model, frozen=True, kw_only=True):
    """All entries of all volumes, sorted by path. Directories that an archive implies need not be present."""

    nodes: tuple[FileNode, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def files(self) -> Iterator[FileNode]:
        """Regular files whose content is known."""
        return (node for node in self.nodes if node.kind is NodeKind.FILE and node.digest is not None)
