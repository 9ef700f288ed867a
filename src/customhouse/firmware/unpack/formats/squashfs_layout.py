"""Squashfs on disk: superblocks, inodes and directories of versions 1 to 4 in both byte orders.

Sources: Linux fs/squashfs/squashfs_fs.h (version 4); squashfs-tools' squashfs_compat.h (versions 1 to 3), which use
C bit fields.
"""

import struct
from enum import IntEnum
from typing import Protocol

import msgspec

from ..format import Malformed, Window
from .bit_fields import Bits

NO_FRAGMENT = 0xFFFFFFFF
_GUID_SAME_AS_UID = 255
_GROUP_SAME_AS_OWNER_V1 = 15
_KINDS_V1 = 5
_PLAIN = 1 << 24
_V4_COMPRESSORS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}


class Kind(IntEnum):
    DIRECTORY = 1
    FILE = 2
    SYMLINK = 3
    BLOCK = 4
    CHARACTER = 5
    FIFO = 6
    SOCKET = 7


class Superblock(msgspec.Struct, frozen=True, kw_only=True):
    """What every version says, offsets in bytes from the start of the file system."""

    order: str
    """`<` or `>`, as `struct` writes it."""
    major: int
    minor: int
    flags: int
    inodes: int
    fragments: int
    block_size: int
    compressor: str
    root_inode: int
    bytes_used: int
    inode_table: int
    directory_table: int
    fragment_table: int
    ids: tuple[int, ...] = ()
    id_count: int
    id_table: int
    group_count: int = 0
    group_table: int = 0
    made: int = 0

    @property
    def checks_data(self) -> bool:
        """Old images may carry a marker byte after each metadata length."""
        return self.major < 4 and bool(self.flags & 0x4)


class Inode(msgspec.Struct, kw_only=True):
    """One inode, whatever the version. `blocks` are the sizes as stored, with the bit that says uncompressed."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    number: int = 0
    size: int = 0
    start: int = 0
    offset: int = 0
    fragment: int = NO_FRAGMENT
    blocks: tuple[int, ...] = ()
    target: bytes = b""
    device: tuple[int, int] = (0, 0)


class Entry(msgspec.Struct, frozen=True):
    """A name in a directory, and where its inode lies (block from the start of the inode table, offset within)."""

    name: bytes
    block: int
    offset: int


def read_superblock(data: Window) -> Superblock:
    """Tries both byte orders; the version number tells which one holds."""
    for order in "<>":
        major, minor = data.unpack(order + "HH", 28)
        if major in (1, 2, 3) and minor < (1 if major == 1 else 4):
            return _read_old(data, order, major, minor)
        if major == 4 and minor < 4:
            return _read_v4(data, order, minor)
    raise Malformed("no squashfs version that is known")


def _read_v4(data: Window, order: str, minor: int) -> Superblock:
    inodes, made, block, fragments = data.unpack(order + "4I", 4)
    compressor, log, flags, ids = data.unpack(order + "4H", 20)
    root, used, id_table, _xattrs, inode_table, directory_table, fragment_table, _export = data.unpack(order + "8Q", 32)
    if log != block.bit_length() - 1:
        raise Malformed("block size and its logarithm disagree")
    return Superblock(
        order=order, major=4, minor=minor, flags=flags, inodes=inodes, fragments=fragments, block_size=block,
        compressor=_V4_COMPRESSORS.get(compressor, f"number {compressor}"), root_inode=root, bytes_used=used,
        inode_table=inode_table, directory_table=directory_table, fragment_table=fragment_table,
        id_count=ids, id_table=id_table, made=made,
    )  # fmt: skip


def _read_old(data: Window, order: str, major: int, minor: int) -> Superblock:
    inodes, used, uids, guids, inode_table, directory_table = data.unpack(order + "6I", 4)
    block_16, log, flags, uid_count, guid_count, made, root = data.unpack(order + "HHBBBIQ", 32)
    block, fragments, fragment_table = data.unpack(order + "3I", 51) if major > 1 else (block_16, 0, 0)
    if major == 3:
        used, uids, guids, inode_table, directory_table, fragment_table = data.unpack(order + "6Q", 63)
    if log > 20 or block != 1 << log:  # the 16-bit block size is left unset by some makers
        raise Malformed("block size is impossible")
    return Superblock(
        order=order, major=major, minor=minor, flags=flags, inodes=inodes, fragments=fragments, block_size=block,
        compressor="gzip", root_inode=root, bytes_used=used, inode_table=inode_table,
        directory_table=directory_table, fragment_table=fragment_table, id_count=uid_count, id_table=uids,
        group_count=guid_count, group_table=guids, made=made,
    )  # fmt: skip


class Cursor:
    """Reads forward through a stream of metadata that is fetched as it is needed."""

    def __init__(self, stream: "MetadataStream", block: int, offset: int, order: str) -> None:
        self._stream, self._block, self._offset, self._order = stream, block, offset, order

    @property
    def place(self) -> tuple[int, int]:
        """Where the next byte comes from: the position of a metadata block, and the offset in what it holds."""
        return self._stream.normal(self._block, self._offset)

    def bytes(self, count: int) -> bytes:
        made, self._block, self._offset = self._stream.read(self._block, self._offset, count)
        return made

    def fields(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(self._order + layout, self.bytes(struct.calcsize(self._order + layout)))

    def bits(self, size: int) -> Bits:
        return Bits(self.bytes(size), self._order)


class MetadataStream(Protocol):
    """What `Cursor` reads from; the reader of an image implements it."""

    def read(self, block: int, offset: int, count: int) -> tuple[bytes, int, int]: ...

    def normal(self, block: int, offset: int) -> tuple[int, int]:
        """The same place as the start of the next block where it is the end of one."""


def read_inode(cursor: Cursor, super_: Superblock, ids: tuple[int, ...], groups: tuple[int, ...]) -> Inode:
    """The inode at the cursor."""
    if super_.major == 4:
        return _read_inode_v4(cursor, super_, ids)
    if super_.major == 1:
        return _read_inode_v1(cursor, super_, ids, groups)
    return _read_inode_old(cursor, super_, ids, groups)


def _read_inode_v4(cursor: Cursor, super_: Superblock, ids: tuple[int, ...]) -> Inode:
    type_, mode, uid, gid, _mtime, number = cursor.fields("4H2I")
    if not 1 <= type_ <= 14:
        raise Malformed(f"inode type {type_} is unknown")
    extended, kind = type_ > 7, Kind((type_ - 1) % 7 + 1)
    node = Inode(kind=kind, mode=mode & 0o7777, uid=_pick(ids, uid), gid=_pick(ids, gid), number=number)
    if kind is Kind.DIRECTORY and extended:
        _links, node.size, node.start, _parent, _index, node.offset, _xattr = cursor.fields("4I2HI")
    elif kind is Kind.DIRECTORY:
        node.start, _links, node.size, node.offset, _parent = cursor.fields("2I2HI")
    elif kind is Kind.FILE:
        if extended:
            node.start, node.size, _sparse, _links, node.fragment, node.offset, _xattr = cursor.fields("3Q4I")
        else:
            node.start, node.fragment, node.offset, node.size = cursor.fields("4I")
        node.blocks = _block_list(cursor, node, super_)
    elif kind is Kind.SYMLINK:
        _links, size = cursor.fields("2I")
        node.target = _target(cursor, size)
    elif kind in (Kind.BLOCK, Kind.CHARACTER):
        _links, number = cursor.fields("2I")
        node.device = ((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00))
    return node


def _read_inode_old(cursor: Cursor, super_: Superblock, ids: tuple[int, ...], groups: tuple[int, ...]) -> Inode:
    bits = cursor.bits(4)
    type_, mode, uid, gid = (bits.take(width) for width in (4, 12, 8, 8))
    if not 1 <= type_ <= 9:
        raise Malformed(f"inode type {type_} is unknown")
    three, extended = super_.major == 3, type_ > 7
    kind = Kind(type_ - 7 if extended else type_)
    owner = _pick(ids, uid)
    node = Inode(
        kind=kind, mode=mode & 0o7777, uid=owner, gid=owner if gid == _GUID_SAME_AS_UID else _pick(groups, gid)
    )
    if three:
        _mtime, node.number = cursor.fields("2I")
    if kind is Kind.DIRECTORY:
        _old_directory(cursor, node, three=three, extended=extended)
    elif kind is Kind.FILE:
        _old_file(cursor, node, super_, extended=extended)
    else:
        if three:
            cursor.fields("I")  # links
        if kind is Kind.SYMLINK:
            node.target = _target(cursor, cursor.fields("H")[0])
        elif kind in (Kind.BLOCK, Kind.CHARACTER):
            [number] = cursor.fields("H")
            node.device = (number >> 8, number & 0xFF)
    return node


def _read_inode_v1(cursor: Cursor, super_: Superblock, ids: tuple[int, ...], groups: tuple[int, ...]) -> Inode:
    """Three bytes; the kind also tells which sixteen owners the owner is one of. Kind 0 says its kind behind them."""
    bits = cursor.bits(3)
    type_, mode, uid, gid = (bits.take(width) for width in (4, 12, 4, 4))
    if type_:
        kind, table = Kind((type_ - 1) % _KINDS_V1 + 1), (type_ - 1) // _KINDS_V1
    else:
        bits = cursor.bits(1)
        type_, table = bits.take(4), bits.take(4)
        if not 1 <= type_ <= 7:
            raise Malformed(f"inode type {type_} is unknown")
        kind = Kind(type_)
    owner = _pick(ids, 16 * table + uid)
    node = Inode(
        kind=kind, mode=mode & 0o7777, uid=owner, gid=owner if gid == _GROUP_SAME_AS_OWNER_V1 else _pick(groups, gid)
    )
    if kind is Kind.DIRECTORY:
        _old_directory(cursor, node, three=False, extended=False)
    elif kind is Kind.FILE:
        _mtime, node.start, node.size = cursor.fields("3I")
        node.blocks = tuple(_size_v1(word) for word in _block_list(cursor, node, super_))
    elif kind is Kind.SYMLINK:
        node.target = _target(cursor, cursor.fields("H")[0])
    elif kind in (Kind.BLOCK, Kind.CHARACTER):
        [number] = cursor.fields("H")
        node.device = (number >> 8, number & 0xFF)
    return node


def _size_v1(word: int) -> int:
    """Two bytes with the bit of plain blocks, in the form of the later versions."""
    return (word & 0x7FFF or 0x8000) | (_PLAIN if word & 0x8000 else 0)


def _old_directory(cursor: Cursor, node: Inode, *, three: bool, extended: bool) -> None:
    if three:
        cursor.fields("I")  # links
    bits = cursor.bits(5 if extended else 4)
    node.size, node.offset = bits.take(27 if extended else 19), bits.take(13)
    if three:
        [node.start] = cursor.fields("I")
        cursor.fields("HI" if extended else "I")
        return
    cursor.fields("I")  # mtime
    node.start = cursor.bits(3).take(24)


def _old_file(cursor: Cursor, node: Inode, super_: Superblock, *, extended: bool) -> None:
    if super_.major == 2:
        _mtime, node.start, node.fragment, node.offset, node.size = cursor.fields("5I")
    elif extended:
        _links, node.start, node.fragment, node.offset, node.size = cursor.fields("IQ2IQ")
    else:
        node.start, node.fragment, node.offset, node.size = cursor.fields("Q3I")
    node.blocks = _block_list(cursor, node, super_)


def _block_list(cursor: Cursor, node: Inode, super_: Superblock) -> tuple[int, ...]:
    count = node.size // super_.block_size
    if node.fragment == NO_FRAGMENT and node.size % super_.block_size:
        count += 1
    if count * super_.block_size > 1 << 40 or count > 1 << 24:
        raise Malformed("a file claims more blocks than any image holds")
    return cursor.fields(f"{count}{'H' if super_.major == 1 else 'I'}")


def _target(cursor: Cursor, size: int) -> bytes:
    if size > 0x10000:
        raise Malformed("a symbolic link is longer than any path")
    return cursor.bytes(size)


def _pick(ids: tuple[int, ...], index: int) -> int:
    """Owner number; the index itself where the table is short, so that a damaged table loses no files."""
    return ids[index] if index < len(ids) else index


def read_directory(cursor: Cursor, node: Inode, super_: Superblock) -> list[Entry]:
    """The entries of a directory; its `size` counts three bytes for `.` and `..` since version 3."""
    left = node.size - (3 if super_.major > 2 else 0)
    entries: list[Entry] = []
    while left >= (12 if super_.major == 4 else 9 if super_.major == 3 else 4):
        count, block, used = _directory_header(cursor, super_)
        left -= used
        if count > 256:
            raise Malformed("a directory run has more than 256 names")
        for _ in range(count):
            entry, used = _directory_entry(cursor, super_, block)
            left -= used
            entries.append(entry)
    return entries


def _directory_header(cursor: Cursor, super_: Superblock) -> tuple[int, int, int]:
    if super_.major == 4:
        count, block, _number = cursor.fields("3I")
        return count + 1, block, 12
    if super_.major == 3:
        count, block, _number = cursor.fields("BII")
        return count + 1, block, 9
    bits = cursor.bits(4)
    return bits.take(8) + 1, bits.take(24), 4


def _directory_entry(cursor: Cursor, super_: Superblock, block: int) -> tuple[Entry, int]:
    if super_.major == 4:
        offset, _number, _type, size = cursor.fields("HhHH")
        used = 8
    else:
        used = 5 if super_.major == 3 else 3
        bits = cursor.bits(used)
        offset, _type, size = bits.take(13), bits.take(3), bits.take(8)
    if size > 255:
        raise Malformed("a name is longer than 256 bytes")
    return Entry(cursor.bytes(size + 1), block, offset), used + size + 1
