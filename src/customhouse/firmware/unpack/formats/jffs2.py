"""JFFS2: the log-structured file system of raw flash.

Source: Linux include/uapi/linux/jffs2.h and fs/jffs2.
All nodes are read; of each name and each byte of a file the highest version wins.
"""

import re
import stat
import zlib
from collections.abc import Iterator

import msgspec

from customhouse.model import NodeKind

from ..codecs import Decode, inflate, lzma_ways, unlzma_raw, unlzo
from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_MAGICS = (0x1985, 0x1984)
_ACCURATE = 0x2000
_DIRENT, _INODE, _CLEAN, _PADDING = 0xE001, 0xE002, 0x2003, 0x2004
_KNOWN = {_DIRENT, _INODE, _CLEAN, _PADDING, 0x2006, 0xE008, 0xE009}
_RESYNC = 1 << 18
_LARGEST_FILE = 64 << 20
_DEEPEST = 64
_FILLED = re.compile(rb"[^\xff\x00]")
_MARK = {"<": re.compile(rb"[\x84\x85]\x19"), ">": re.compile(rb"\x19[\x84\x85]")}
_SPECIAL = {
    stat.S_IFCHR: NodeKind.CHARACTER_DEVICE,
    stat.S_IFBLK: NodeKind.BLOCK_DEVICE,
    stat.S_IFIFO: NodeKind.FIFO,
    stat.S_IFSOCK: NodeKind.SOCKET,
}


class Raw(msgspec.Struct, frozen=True):
    """A node whose header checksum holds."""

    kind: int
    start: int
    size: int


class Name(msgspec.Struct, frozen=True):
    parent: int
    version: int
    inode: int
    name: bytes


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One inode node: `size` is the file's size as of this version, the data is `made` bytes at `offset`."""

    inode: int
    version: int
    mode: int
    uid: int
    gid: int
    size: int
    offset: int
    start: int
    stored: int
    made: int
    compressor: int
    sound: bool


class Jffs2(Format):
    name = "jffs2"
    title = "JFFS2, little- and big-endian: zlib, rtime, lzo, vendors' LZMA"
    magics = (
        Magic(0, rb"[\x84\x85]\x19(?:[\x01\x02\x08\x09]\xe0|[\x03\x04\x06][\x00\x20])", regex=True),
        Magic(0, rb"\x19[\x84\x85](?:\xe0[\x01\x02\x08\x09]|[\x00\x20][\x03\x04\x06])", regex=True),
    )
    limits = "rubin compression is not read; extended attributes are not kept"

    def _probe(self, data: Window) -> Extent | None:
        order = _order(data)
        end = clean = content = 0
        for node in raw_nodes(data, order):
            end = node.start + node.size
            clean += node.kind == _CLEAN
            content += node.kind in (_DIRENT, _INODE)
        if not content and clean < 2:
            return None
        return Extent(
            size=_with_padding(data, end),
            detail={"byte order": "little" if order == "<" else "big", "nodes": str(content)},
        )

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        order = _order(data)
        names: dict[tuple[int, bytes], Name] = {}
        pieces: dict[int, list[Piece]] = {}
        for node in raw_nodes(data, order):
            if node.kind == _DIRENT and (found := _read_name(data, node, order, tree)):
                known = names.get((found.parent, found.name))
                if known is None or found.version >= known.version:
                    names[found.parent, found.name] = found
            elif node.kind == _INODE and (piece := _read_piece(data, node, order, tree)):
                pieces.setdefault(piece.inode, []).append(piece)
        _Writer(data, tree, names, pieces, order).all()
        return DONE


def _order(data: Window) -> str:
    return "<" if data.unpack("<H", 0)[0] in _MAGICS else ">"


def crc(data: bytes) -> int:
    """JFFS2 starts its CRC-32 at zero and does not invert it."""
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def raw_nodes(data: Window, order: str) -> Iterator[Raw]:
    """Every node that stands where one may; erased space is skipped, damage is searched over for a while."""
    at, lost = 0, 0
    view = data.view()
    while at + 12 <= data.size:
        magic, kind, size, check = data.unpack(order + "2H2I", at)
        if magic in _MAGICS and kind | _ACCURATE in _KNOWN and 12 <= size <= data.size - at:
            header = data.read(at, 8)
            if kind & _ACCURATE and crc(header) == check:
                yield Raw(kind, at, size)
                at, lost = at + -(-size // 4) * 4, 0
                continue
            if not kind & _ACCURATE:  # marked obsolete in place; its checksum counted the bit
                at += -(-size // 4) * 4
                continue
        if magic in (0, 0xFFFF):
            found = _FILLED.search(view, at)
            if found is None:
                return
            at = max(at + 4, found.start() // 4 * 4)
            continue
        mark = _MARK[order].search(view, at + 4)
        if mark is None:
            return
        ahead = max(at + 4, mark.start() // 4 * 4)
        at, lost = ahead, lost + ahead - at
        if lost > _RESYNC:
            return


def _with_padding(data: Window, end: int) -> int:
    """With the erased flash behind the last node."""
    found = re.compile(rb"[^\xff]").search(data.view(), min(end, data.size))
    return found.start() if found and found.start() > end else data.size if found is None else min(end, data.size)


def _read_name(data: Window, node: Raw, order: str, tree: TreeWriter) -> Name | None:
    parent, version, inode, _time, size, _type = data.unpack(order + "4I2B", node.start + 12)
    node_crc, name_crc = data.unpack(order + "2I", node.start + 32)
    name = data.exactly(node.start + 40, size)
    if crc(data.exactly(node.start, 32)) != node_crc or crc(name) != name_crc:
        tree.trouble(f"the name at {node.start:#x} is damaged")
        return None
    if b"/" in name or name in (b".", b"..", b""):
        tree.trouble(f"the name at {node.start:#x} is none: {name[:40]!r}")
        return None
    return Name(parent, version, inode, name)


def _read_piece(data: Window, node: Raw, order: str, tree: TreeWriter) -> Piece | None:
    inode, version, mode, uid, gid, size = data.unpack(order + "3I2HI", node.start + 12)
    offset, stored, made, compressor = data.unpack(order + "3IB", node.start + 44)
    data_crc, node_crc = data.unpack(order + "2I", node.start + 60)
    if crc(data.exactly(node.start, 60)) != node_crc:
        tree.trouble(f"the inode at {node.start:#x} is damaged")
        return None
    content = data.read(node.start + 68, stored)
    sound = len(content) == stored and crc(content) == data_crc
    if not sound:
        tree.trouble(f"the data at {node.start:#x} is damaged")
    return Piece(
        inode=inode, version=version, mode=mode, uid=uid, gid=gid, size=size, offset=offset, start=node.start + 68,
        stored=stored, made=made, compressor=compressor, sound=sound,
    )  # fmt: skip


class _Writer:
    """From names and pieces to a tree."""

    def __init__(
        self,
        data: Window,
        tree: TreeWriter,
        names: dict[tuple[int, bytes], Name],
        pieces: dict[int, list[Piece]],
        order: str,
    ) -> None:
        self._data, self._tree, self._pieces, self._order = data, tree, pieces, order
        self._children: dict[int, list[Name]] = {}
        for name in names.values():
            if name.inode:  # inode 0: the name was deleted
                self._children.setdefault(name.parent, []).append(name)
        self._entered: set[int] = set()
        self._written: dict[int, bytes] = {}
        self._lzma: Decode | None = None

    def all(self) -> None:
        self._enter(b"", 1, 0)
        for parent in sorted(set(self._children) - self._entered):
            self._enter(b"lost+found/%d" % parent, parent, 0)

    def _enter(self, path: bytes, inode: int, depth: int) -> None:
        if inode in self._entered or depth > _DEEPEST:
            self._tree.trouble(f"directory {inode} contains itself")
            return
        self._entered.add(inode)
        for name in sorted(self._children.get(inode, ()), key=lambda name: name.name):
            child = path + b"/" + name.name if path else name.name
            try:
                self._write(child, name.inode, depth)
            except Malformed as trouble:
                self._tree.trouble(f"{child.decode('utf-8', 'replace')}: {trouble}")

    def _write(self, path: bytes, inode: int, depth: int) -> None:
        pieces = sorted(self._pieces.get(inode, ()), key=lambda piece: piece.version)
        if not pieces:
            self._tree.trouble(f"{path.decode('utf-8', 'replace')}: its inode {inode} is not there")
            return
        last = pieces[-1]
        meta, kind = Meta(mode=last.mode & 0o7777, uid=last.uid, gid=last.gid), stat.S_IFMT(last.mode)
        if kind == stat.S_IFDIR:
            self._tree.directory(path, meta)
            self._enter(path, inode, depth + 1)
        elif inode in self._written:
            self._tree.link(path, self._written[inode])
        elif kind == stat.S_IFREG:
            self._written[inode] = path
            self._tree.file(path, self._content(pieces), meta)
        elif kind == stat.S_IFLNK:
            self._tree.symlink(path, b"".join(self._content(pieces))[:4096], meta)
        elif kind in _SPECIAL:
            numbered = kind in (stat.S_IFCHR, stat.S_IFBLK)
            self._tree.special(path, _SPECIAL[kind], self._device(pieces) if numbered else None, meta)
        else:
            self._tree.trouble(f"{path.decode('utf-8', 'replace')}: mode {last.mode:#o} is no kind of file")

    def _device(self, pieces: list[Piece]) -> tuple[int, int]:
        raw = b"".join(self._content(pieces))
        number = int.from_bytes(raw, "little" if self._order == "<" else "big")
        if len(raw) <= 2:
            return number >> 8, number & 0xFF
        return (number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)

    def _content(self, pieces: list[Piece]) -> Iterator[bytes]:
        """Pieces in the order of their versions, laid over each other. Special files keep their number in the data."""
        last = pieces[-1]
        sound = [piece for piece in pieces if piece.sound and piece.made]
        end = max((piece.offset + piece.made for piece in sound), default=0)
        if end > _LARGEST_FILE or last.size > _LARGEST_FILE:
            raise Malformed("a file claims to be larger than any flash")
        size = last.size if stat.S_ISREG(last.mode) else end
        whole = bytearray(max(end, size))
        for piece in sound:
            whole[piece.offset : piece.offset + piece.made] = self._decoded(piece)
        if size:
            yield bytes(whole[:size])

    def _decoded(self, piece: Piece) -> bytes:
        raw = self._data.exactly(piece.start, piece.stored)
        made = self._decompress(raw, piece)
        if len(made) < piece.made:
            raise Malformed(f"a node gives {len(made)} bytes instead of {piece.made}")
        return made[: piece.made]

    def _decompress(self, raw: bytes, piece: Piece) -> bytes:
        match piece.compressor:
            case 0 | 4:
                return raw
            case 1:
                return bytes(min(piece.made, _LARGEST_FILE))
            case 2:
                return unrtime(raw, piece.made)
            case 6:
                return inflate(raw, piece.made)
            case 7:
                return unlzo(raw, piece.made)
            case 8:
                return self._unlzma(raw, piece.made)
        named = {3: "rubin", 5: "dynamic rubin"}.get(piece.compressor, f"number {piece.compressor}")
        raise Malformed(f"its compressor ({named}) is one that no reader here knows")

    def _unlzma(self, raw: bytes, size: int) -> bytes:
        """OpenWrt leaves the header out and sets lc, lp and pb to zero; others did otherwise."""
        if self._lzma is None:
            ways = [("", _unlzma_openwrt), *lzma_ways()]
            for _name, way in ways:
                try:
                    if len(way(raw, size)) == size:
                        self._lzma = way
                        break
                except Malformed:
                    continue
            else:
                raise Malformed("no dialect of LZMA opens a node")
        return self._lzma(raw, size)


def _unlzma_openwrt(data: bytes, limit: int) -> bytes:
    return unlzma_raw(data, limit, 0)


def unrtime(data: bytes, size: int) -> bytes:
    """Run lengths by the last place of each byte value. Source: Linux fs/jffs2/compr_rtime.c."""
    positions = [0] * 256
    made = bytearray()
    at = 0
    while len(made) < size:
        if at + 1 >= len(data):
            raise Malformed("rtime data ends too early")
        value, repeat = data[at], data[at + 1]
        at += 2
        made.append(value)
        back, positions[value] = positions[value], len(made)
        for _ in range(repeat):
            made.append(made[back])
            back += 1
    return bytes(made[:size])
