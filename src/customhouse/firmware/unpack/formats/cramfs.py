"""Cramfs: the compressed read-only file system of many cameras.

Source: Linux Documentation/filesystems/cramfs.rst, cramfs_fs.h.
"""

import stat
import zlib
from collections.abc import Iterator

import msgspec

from customhouse.model import NodeKind, Outcome

from ..codecs import Blocks
from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window
from .bit_fields import Bits

_SIGNATURE = b"Compressed ROMFS"
_BLOCK = 4096
_ROOT = 64
_VERSION_2 = 0x1
_SUPERBLOCK, _PAD = 76, 512
_ROOT_ELSEWHERE = 0x400
_EXTENDED_POINTERS = 0x800
_PLAIN_BLOCK, _DIRECT_BLOCK = 1 << 31, 1 << 30
_DEEPEST = 64
_SPECIAL = {
    stat.S_IFCHR: NodeKind.CHARACTER_DEVICE,
    stat.S_IFBLK: NodeKind.BLOCK_DEVICE,
    stat.S_IFIFO: NodeKind.FIFO,
    stat.S_IFSOCK: NodeKind.SOCKET,
}


class _Inode(msgspec.Struct, frozen=True):
    """`name_length` and `offset` in bytes."""

    mode: int
    uid: int
    size: int
    gid: int
    name_length: int
    offset: int


class Cramfs(Format):
    name = "cramfs"
    title = "cramfs, little- and big-endian, vendors' LZMA blocks included"
    magics = (Magic(0, b"\x45\x3d\xcd\x28"), Magic(0, b"\x28\xcd\x3d\x45"))

    def _probe(self, data: Window) -> Extent | None:
        if data.read(16, 16) != _SIGNATURE:
            return None
        order = _order(data)
        size, flags = data.unpack(order + "2I", 4)
        [files] = data.unpack(order + "I", 44)
        if size < _ROOT + 12:
            return None
        size -= _pad(data, order)
        name = data.read(48, 16).split(b"\0")[0].decode("utf-8", "replace")
        return Extent(
            size=min(size, data.size),
            label=name,
            detail={
                "byte order": "little" if order == "<" else "big",
                "files": str(files),
                "version": "2" if flags & _VERSION_2 else "1",
            },
        )

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        _Reader(data, tree).all()
        order = _order(data)
        size, flags = data.unpack(order + "2I", 4)
        size -= _pad(data, order)
        if size > data.size:
            return Ending(Outcome.PARTIAL, f"truncated: {size} bytes are declared and {data.size} are there")
        if flags & _VERSION_2 and not _checksum_holds(data, order):
            return Ending(Outcome.PARTIAL, "its checksum does not hold: damaged or tampered with")
        return DONE


def _order(data: Window) -> str:
    return "<" if data.exactly(0, 4) == b"\x45\x3d\xcd\x28" else ">"


def _pad(data: Window, order: str) -> int:
    """`mkcramfs -p` leaves 512 bytes for a boot sector before the superblock, from whose start all offsets count; the
    root directory, which follows the superblock, then claims to stand 512 bytes further behind."""
    [flags] = data.unpack(order + "I", 8)
    bits = Bits(data.exactly(_ROOT + 8, 4), order)
    bits.take(6)
    return _PAD if bits.take(26) * 4 == _SUPERBLOCK + _PAD and not flags & _ROOT_ELSEWHERE else 0


def _checksum_holds(data: Window, order: str) -> bool:
    view = data.view()
    crc = zlib.crc32(view[36:], zlib.crc32(bytes(4), zlib.crc32(view[:32])))
    return crc == data.unpack(order + "I", 32)[0]


class _Reader:
    """Walks from the root; a directory entered twice is a loop."""

    def __init__(self, data: Window, tree: TreeWriter) -> None:
        self._data, self._tree, self._order = data, tree, _order(data)
        self._extended = bool(data.unpack(self._order + "I", 8)[0] & _EXTENDED_POINTERS)
        self._pad = _pad(data, self._order)
        self._entered: set[int] = set()
        self._blocks: Blocks | None = None

    def all(self) -> None:
        self._write(b"", self._inode(_ROOT), 0)

    def _inode(self, at: int) -> _Inode:
        bits = [Bits(self._data.exactly(at + 4 * word, 4), self._order) for word in range(3)]
        mode, uid = bits[0].take(16), bits[0].take(16)
        size, gid = bits[1].take(24), bits[1].take(8)
        length, offset = bits[2].take(6), bits[2].take(26)
        return _Inode(mode, uid, size, gid, length * 4, offset * 4 - self._pad if offset else 0)

    def _write(self, path: bytes, node: _Inode, depth: int) -> None:
        meta = Meta(mode=node.mode & 0o7777, uid=node.uid, gid=node.gid)
        kind = stat.S_IFMT(node.mode)
        if kind == stat.S_IFDIR:
            self._tree.directory(path, meta)
            self._enter(path, node, depth)
        elif kind == stat.S_IFLNK:
            self._tree.symlink(path, b"".join(self._content(node))[: 2 * _BLOCK], meta)
        elif kind == stat.S_IFREG:
            self._tree.file(path, self._content(node), meta)
        elif kind in _SPECIAL:
            device = (node.size >> 8, node.size & 0xFF) if kind in (stat.S_IFCHR, stat.S_IFBLK) else None
            self._tree.special(path, _SPECIAL[kind], device, meta)
        else:
            self._tree.trouble(f"{path.decode('utf-8', 'replace')}: mode {node.mode:#o} is no kind of file")

    def _enter(self, path: bytes, node: _Inode, depth: int) -> None:
        if not node.size:
            return
        if depth > _DEEPEST or node.offset in self._entered:
            self._tree.trouble(f"{path.decode('utf-8', 'replace')}: a directory that contains itself")
            return
        self._entered.add(node.offset)
        at, end = node.offset, node.offset + node.size
        while at < end:
            child = self._inode(at)
            name = self._data.exactly(at + 12, child.name_length).rstrip(b"\0")
            at += 12 + child.name_length
            if not name or b"/" in name:
                self._tree.trouble("a name is empty or holds a slash")
                continue
            try:
                self._write(path + b"/" + name if path else name, child, depth + 1)
            except Malformed as trouble:
                self._tree.trouble(f"{name.decode('utf-8', 'replace')}: {trouble}")

    def _content(self, node: _Inode) -> Iterator[bytes]:
        count = -(-node.size // _BLOCK)
        pointers = self._data.unpack(f"{self._order}{count}I", node.offset)
        at, left = node.offset + 4 * count, node.size
        for pointer in pointers:
            wanted = min(_BLOCK, left)
            if self._extended and pointer & _DIRECT_BLOCK:
                raise Malformed("direct block pointers are not read")
            plain, end = self._extended and bool(pointer & _PLAIN_BLOCK), pointer
            if self._extended:
                end = pointer & ~(_PLAIN_BLOCK | _DIRECT_BLOCK)
            end -= self._pad
            yield self._block(at, end, wanted, plain=plain)
            at, left = end, left - wanted

    def _block(self, start: int, end: int, wanted: int, *, plain: bool) -> bytes:
        if start == end:
            return bytes(wanted)  # a hole
        raw = self._data.exactly(start, end - start)
        if plain:
            return raw[:wanted]
        if self._blocks is None or not self._blocks.known:
            self._blocks = Blocks("gzip", raw, _BLOCK, lambda made: len(made) == wanted)
            self._tree.say("compressor", self._blocks.name)
        made = self._blocks.decode(raw, _BLOCK)
        if len(made) < wanted:
            raise Malformed(f"a block gives {len(made)} bytes instead of {wanted}")
        return made[:wanted]
