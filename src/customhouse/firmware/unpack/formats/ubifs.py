"""UBIFS. Source: Linux fs/ubifs/ubifs-media.h.

The index is not walked: all nodes are read and the newest of each key counts, which also opens damaged images.
"""

import re
import stat
from collections.abc import Iterator

import msgspec

from customhouse.model import NodeKind

from ..codecs import inflate, unlzo, unzstd
from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window
from .ubi import crc

_MAGIC = b"\x31\x18\x10\x06"
_INODE, _DATA, _NAME, _TRUNCATION = 0, 1, 2, 4
_BLOCK = 4096
_SMALLEST_NODE, _LARGEST_NODE = 24, 1 << 17
_LARGEST_FILE = 1 << 29
_DEEPEST = 64
_SPECIAL = {
    stat.S_IFCHR: NodeKind.CHARACTER_DEVICE,
    stat.S_IFBLK: NodeKind.BLOCK_DEVICE,
    stat.S_IFIFO: NodeKind.FIFO,
    stat.S_IFSOCK: NodeKind.SOCKET,
}


class _Inode(msgspec.Struct, frozen=True):
    sequence: int
    size: int
    links: int
    uid: int
    gid: int
    mode: int
    data: bytes


class _Name(msgspec.Struct, frozen=True):
    sequence: int
    inode: int


class _Piece(msgspec.Struct, frozen=True):
    sequence: int
    start: int
    stored: int
    size: int
    compressor: int


class Ubifs(Format):
    name = "ubifs"
    title = "UBIFS: lzo, zlib, zstd"
    magics = (Magic(0, rb"\x31\x18\x10\x06.{16}\x06[\x00-\x02]\x00\x00", regex=True),)
    limits = (
        "of files deleted from a file system in use, names that were not yet overwritten may come back; "
        "extended attributes are not kept; encrypted content is not read"
    )

    def _probe(self, data: Window) -> Extent | None:
        node = data.exactly(0, 4096)
        if crc(node[8:]) != int.from_bytes(node[4:8], "little"):
            return None
        leb_size, leb_count = data.unpack("<2I", 36)
        if not 1 << 12 <= leb_size <= 1 << 22 or not leb_count:
            return None
        size = min(leb_size * leb_count, data.size)
        [version] = data.unpack("<I", 80)
        return Extent(size=size, detail={"logical erase block": str(leb_size), "format version": str(version)})

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        reader = _Reader(data, tree)
        reader.scan()
        reader.write()
        return DONE


class _Reader:
    """The newest node of every key."""

    def __init__(self, data: Window, tree: TreeWriter) -> None:
        self._data, self._tree = data, tree
        self._inodes: dict[int, _Inode] = {}
        self._names: dict[int, dict[bytes, _Name]] = {}
        self._pieces: dict[int, dict[int, _Piece]] = {}
        self._cuts: list[tuple[int, int, int]] = []
        self._entered: set[int] = set()
        self._written: dict[int, bytes] = {}
        self._damaged = 0
        self._next = 0

    def scan(self) -> None:
        """Read every sound node, wherever it stands (nodes are aligned to eight bytes)."""
        for found in re.finditer(re.escape(_MAGIC), self._data.view()):
            at = found.start()
            if at % 8 == 0 and at >= self._next:
                self._next = at + self._node(at)
        for inode, sequence, size in self._cuts:
            blocks = self._pieces.get(inode, {})
            for block in [b for b, piece in blocks.items() if b * _BLOCK >= size and piece.sequence < sequence]:
                del blocks[block]
        if self._damaged:
            self._tree.trouble(f"{self._damaged} nodes are damaged")

    def _node(self, at: int) -> int:
        header = self._data.read(at, _SMALLEST_NODE)
        if len(header) < _SMALLEST_NODE:
            return 0
        size, kind = int.from_bytes(header[16:20], "little"), header[20]
        if not _SMALLEST_NODE <= size <= _LARGEST_NODE or kind > 11:
            return 0
        node = self._data.read(at, size)
        if len(node) < size or crc(node[8:]) != int.from_bytes(node[4:8], "little"):
            self._damaged += 1
            return 0
        sequence = int.from_bytes(node[8:16], "little")
        if kind == _INODE and size >= 160:
            self._keep_inode(node, sequence)
        elif kind == _NAME and size > 56:
            self._keep_name(node, sequence)
        elif kind == _DATA and size >= 48:
            self._keep_piece(node, sequence, at)
        elif kind == _TRUNCATION and size >= 56:
            number, cut = int.from_bytes(node[24:28], "little"), int.from_bytes(node[48:56], "little")
            self._cuts.append((number, sequence, cut))
        return size

    def _keep_inode(self, node: bytes, sequence: int) -> None:
        number = int.from_bytes(node[24:28], "little")
        known = self._inodes.get(number)
        if known is not None and known.sequence > sequence:
            return
        links, uid, gid, mode = (int.from_bytes(node[at : at + 4], "little") for at in (92, 96, 100, 104))
        length = int.from_bytes(node[112:116], "little")
        self._inodes[number] = _Inode(
            sequence, int.from_bytes(node[48:56], "little"), links, uid, gid, mode, node[160 : 160 + length]
        )

    def _keep_name(self, node: bytes, sequence: int) -> None:
        parent, inode = int.from_bytes(node[24:28], "little"), int.from_bytes(node[40:48], "little")
        length = int.from_bytes(node[50:52], "little")
        name = node[56 : 56 + length]
        names = self._names.setdefault(parent, {})
        if name not in names or names[name].sequence <= sequence:
            names[name] = _Name(sequence, inode)

    def _keep_piece(self, node: bytes, sequence: int, at: int) -> None:
        inode, block = int.from_bytes(node[24:28], "little"), int.from_bytes(node[28:32], "little") & 0x1FFFFFFF
        size, compressor = int.from_bytes(node[40:44], "little"), int.from_bytes(node[44:46], "little")
        pieces = self._pieces.setdefault(inode, {})
        if block not in pieces or pieces[block].sequence <= sequence:
            pieces[block] = _Piece(sequence, at + 48, len(node) - 48, size, compressor)

    def write(self) -> None:
        self._enter(b"", 1, 0)

    def _enter(self, path: bytes, inode: int, depth: int) -> None:
        if inode in self._entered or depth > _DEEPEST:
            self._tree.trouble(f"directory {inode} contains itself")
            return
        self._entered.add(inode)
        for name, entry in sorted(self._names.get(inode, {}).items()):
            if not entry.inode:
                continue  # deleted
            if b"/" in name or name in (b".", b".."):
                self._tree.trouble(f"{name[:40]!r} is no name")
                continue
            child = path + b"/" + name if path else name
            try:
                self._write(child, entry.inode, depth)
            except Malformed as trouble:
                self._tree.trouble(f"{child.decode('utf-8', 'replace')}: {trouble}")

    def _write(self, path: bytes, number: int, depth: int) -> None:
        node = self._inodes.get(number)
        if node is None:
            self._tree.trouble(f"{path.decode('utf-8', 'replace')}: its inode {number} is not there")
            return
        if not node.links:
            return  # deleted, though the name is still there
        meta, kind = Meta(mode=node.mode & 0o7777, uid=node.uid, gid=node.gid), stat.S_IFMT(node.mode)
        if kind == stat.S_IFDIR:
            self._tree.directory(path, meta)
            self._enter(path, number, depth + 1)
        elif number in self._written:
            self._tree.link(path, self._written[number])
        elif kind == stat.S_IFREG:
            self._written[number] = path
            self._tree.file(path, self._content(number, node), meta)
        elif kind == stat.S_IFLNK:
            self._tree.symlink(path, node.data[:4096], meta)
        elif kind in _SPECIAL:
            numbered = kind in (stat.S_IFCHR, stat.S_IFBLK)
            self._tree.special(path, _SPECIAL[kind], _device(node.data) if numbered else None, meta)
        else:
            self._tree.trouble(f"{path.decode('utf-8', 'replace')}: mode {node.mode:#o} is no kind of file")

    def _content(self, number: int, node: _Inode) -> Iterator[bytes]:
        if node.size > _LARGEST_FILE:
            raise Malformed("a file claims to be larger than any flash")
        pieces = self._pieces.get(number, {})
        for block in range(-(-node.size // _BLOCK)):
            wanted = min(_BLOCK, node.size - block * _BLOCK)
            piece = pieces.get(block)
            made = self._decoded(piece) if piece is not None else b""
            yield made[:wanted].ljust(wanted, b"\0")

    def _decoded(self, piece: _Piece) -> bytes:
        raw, limit = self._data.exactly(piece.start, piece.stored), min(piece.size, _BLOCK)
        match piece.compressor:
            case 0:
                return raw[:limit]
            case 1:
                return unlzo(raw, limit)
            case 2:
                return inflate(raw, limit)
            case 3:
                return unzstd(raw, limit)
        raise Malformed(f"compressor {piece.compressor} is unknown")


def _device(data: bytes) -> tuple[int, int]:
    number = int.from_bytes(data[:8], "little")
    if len(data) <= 4:
        return (number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)
    return (number >> 8) & 0xFFF | (number >> 32) & 0xFFFFF000, (number & 0xFF) | ((number >> 12) & 0xFFFFFF00)
