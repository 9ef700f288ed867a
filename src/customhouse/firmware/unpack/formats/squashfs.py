"""Squashfs: the compressed read-only file system of most Linux devices.

Versions 1 to 4, both byte orders, every compressor, vendors' magics and LZMA dialects included.
Source: Linux Documentation/filesystems/squashfs.rst; squashfs-tools; see `squashfs_layout`.
"""

import struct
from collections import OrderedDict
from collections.abc import Iterator

from customhouse.model import NodeKind, Outcome

from ..codecs import Blocks
from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window
from .squashfs_layout import (
    NO_FRAGMENT,
    Cursor,
    Entry,
    Inode,
    Kind,
    MetadataStream,
    Superblock,
    read_directory,
    read_inode,
    read_superblock,
)
from .squashfs_salvage import inodes_in_a_row, lost_folders

_METADATA = 8192
_STORED_PLAIN = 1 << 24
_DEEPEST = 128
_MAGICS = (b"hsqs", b"sqsh", b"shsq", b"qshs", b"tqsh", b"hsqt", b"sqlz", b"zlqs")
_NODE_KINDS = {
    Kind.BLOCK: NodeKind.BLOCK_DEVICE,
    Kind.CHARACTER: NodeKind.CHARACTER_DEVICE,
    Kind.FIFO: NodeKind.FIFO,
    Kind.SOCKET: NodeKind.SOCKET,
}


class Squashfs(Format):
    name = "squashfs"
    title = "Squashfs 1 to 4, little- and big-endian: gzip, xz, lzma with the vendors' dialects, lzo, lz4, zstd"
    magics = tuple(Magic(0, magic) for magic in _MAGICS)
    limits = "extended attributes are not kept"

    def _probe(self, data: Window) -> Extent | None:
        super_ = read_superblock(data)
        if not 4096 <= super_.block_size <= 1 << 20 or not super_.inodes:
            return None
        if super_.bytes_used < 96 or super_.inode_table >= super_.bytes_used:
            return None
        if super_.directory_table > super_.bytes_used or super_.inode_table > super_.directory_table:
            return None
        return Extent(
            # A truncated image is still read as far as it goes.
            size=_padded(data, min(super_.bytes_used, data.size)),
            detail={
                "version": f"{super_.major}.{super_.minor}",
                "byte order": "little" if super_.order == "<" else "big",
                "declared compressor": super_.compressor,
            }
            | ({"created": str(super_.made)} if super_.made not in (0, super_.bytes_used) else {}),
        )

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        super_ = read_superblock(data)
        if super_.inode_table >= data.size:
            there = f"{data.size} of {super_.bytes_used} bytes are there"
            return Ending(Outcome.FAILED, f"cut off: {there}, and the tables that name its files stand at the end")
        image = _Image(data, super_)
        tree.say("compressor", image.blocks.name)
        if not image.blocks.known:
            return Ending(Outcome.UNSUPPORTED, f"its compressor ({super_.compressor}) is one that no reader here knows")
        _Walk(image, tree).all()
        if super_.bytes_used > data.size:
            tree.trouble(f"truncated: {super_.bytes_used} bytes are declared and {data.size} are there")
        return DONE


def _padded(data: Window, used: int) -> int:
    """With the zero bytes that fill the last 4 KiB, as mksquashfs writes them."""
    end = min(-(-used // 4096) * 4096, data.size)
    return end if not data.read(used, end - used).strip(b"\0") else used


class _Image(MetadataStream):
    """Fetches and decodes blocks; keeps the last few, since names and inodes of neighbours share them."""

    def __init__(self, data: Window, super_: Superblock) -> None:
        self.data, self.super = data, super_
        self._metadata: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._fragments: OrderedDict[int, bytes] = OrderedDict()
        self.blocks = self._learn()
        self.ids: tuple[int, ...] = ()
        self.groups: tuple[int, ...] = ()
        self.ids = self._owners(super_.id_table, super_.id_count)
        if super_.major < 4:
            self.groups = self._owners(super_.group_table, super_.group_count)

    def _learn(self) -> Blocks:
        """The compressor, judged by whether the root inode comes out as a directory."""
        block, offset = self.super.root_inode >> 16, self.super.root_inode & 0xFFFF
        size, stored, start = self._metadata_header(self.super.inode_table + block)
        if stored:
            return self._learn_from_data()
        learned = Blocks(
            self.super.compressor, self.data.exactly(start, size), _METADATA, lambda made: self._is_root(made, offset)
        )
        return learned if learned.known else self._learn_past_damage()

    def _learn_past_damage(self) -> Blocks:
        """The block of the root inode opens in no way; the first ones of both tables may."""
        learned: Blocks = _Unknown(self.super.compressor)
        for table, soundly in (
            (self.super.inode_table, self._is_inode),
            (self.super.directory_table, self._is_listing),
        ):
            try:
                size, stored, start = self._metadata_header(table)
                first = b"" if stored else self.data.exactly(start, size)
            except Malformed:
                continue
            if first:
                learned = Blocks(self.super.compressor, first, _METADATA, soundly)
            if learned.known:
                break
        return learned

    def _is_inode(self, made: bytes) -> bool:
        """A full block of inodes, or the only one, that starts with an inode of a kind there is."""
        if len(made) < 15:
            return False
        if self.super.major == 4:
            type_, mode = struct.unpack_from(self.super.order + "2H", made)
            return bool(1 <= type_ <= 14 and mode < 0o10000)
        return 1 <= (made[0] & 15 if self.super.order == "<" else made[0] >> 4) <= 9

    def _is_listing(self, made: bytes) -> bool:
        """Names stand in a listing, so most of it is text or zero."""
        return len(made) >= 12 and sum(byte == 0 or 0x2D <= byte < 0x7B for byte in made) >= len(made) // 2

    def _is_root(self, made: bytes, offset: int) -> bool:
        if len(made) < offset + 14:  # the shortest directory inode, that of version 1
            return False
        if self.super.major == 4:
            type_ = int.from_bytes(made[offset : offset + 2], "little" if self.super.order == "<" else "big")
        else:
            type_ = made[offset] & 15 if self.super.order == "<" else made[offset] >> 4
        return type_ in (1, 8)

    def _learn_from_data(self) -> Blocks:
        """Inodes are stored plain: learn from the directory table, else believe what is declared."""
        try:
            size, stored, start = self._metadata_header(self.super.directory_table)
            first = b"" if stored else self.data.exactly(start, size)
        except Malformed:
            first = b""
        return Blocks(self.super.compressor, first, _METADATA, bool) if first else _Believed(self.super.compressor)

    def _metadata_header(self, position: int) -> tuple[int, bool, int]:
        """Size, whether stored plain, and where the content starts."""
        [header] = self.data.unpack(self.super.order + "H", position)
        size = header & 0x7FFF or 0x8000
        return size, bool(header & 0x8000), position + (3 if self.super.checks_data else 2)

    def _metadata_block(self, position: int) -> tuple[bytes, int]:
        """Decoded content of the metadata block at `position`, and where the next one starts."""
        if position in self._metadata:
            self._metadata.move_to_end(position)
            return self._metadata[position]
        size, stored, start = self._metadata_header(position)
        raw = self.data.exactly(start, size)
        made = raw[:_METADATA] if stored else self.blocks.decode(raw, _METADATA)
        self._metadata[position] = (made, start + size)
        if len(self._metadata) > 512:
            self._metadata.popitem(last=False)
        return made, start + size

    def read(self, block: int, offset: int, count: int) -> tuple[bytes, int, int]:
        """`count` bytes of metadata from `offset` in the block at `block`, and where that ends."""
        pieces: list[bytes] = []
        while True:
            made, following = self._metadata_block(block)
            piece = made[offset : offset + count]
            pieces.append(piece)
            count -= len(piece)
            if not count:
                return b"".join(pieces), block, offset + len(piece)
            if not made or (not piece and offset > len(made)):
                raise Malformed("metadata ends too early")
            block, offset = following, 0

    def normal(self, block: int, offset: int) -> tuple[int, int]:
        """See `MetadataStream`."""
        try:
            made, following = self._metadata_block(block)
        except Malformed:
            return block, offset
        return (following, 0) if offset >= len(made) else (block, offset)

    def cursor(self, block: int, offset: int) -> Cursor:
        return Cursor(self, block, offset, self.super.order)

    def _owners(self, table: int, count: int) -> tuple[int, ...]:
        order = self.super.order
        try:
            if self.super.major < 4:
                return self.data.unpack(f"{order}{count}I", table)
            [block] = self.data.unpack(order + "Q", table)
            return self.cursor(block, 0).fields(f"{count}I")
        except Malformed:
            return ()

    def inode(self, block: int, offset: int) -> Inode:
        return read_inode(self.cursor(self.super.inode_table + block, offset), self.super, self.ids, self.groups)

    def inodes(self) -> Iterator[tuple[tuple[int, int], Inode]]:
        """All inodes as they stand in their table, up to the first damage."""
        start, super_ = self.super.inode_table, self.super
        return inodes_in_a_row(
            self.cursor(start, 0),
            lambda cursor: read_inode(cursor, super_, self.ids, self.groups),
            start,
            super_.inodes,
        )

    def directory(self, node: Inode) -> list[Entry]:
        return read_directory(self.cursor(self.super.directory_table + node.start, node.offset), node, self.super)

    def content(self, node: Inode) -> Iterator[bytes]:
        """The bytes of a regular file, block by block."""
        position, left = node.start, node.size
        for stored in node.blocks:
            expected = min(self.super.block_size, left)
            size = stored & (_STORED_PLAIN - 1)
            if not size:
                yield bytes(expected)  # sparse
            else:
                yield self._exact(self._data_block(position, stored), expected)
            position, left = position + size, left - expected
        if left and node.fragment != NO_FRAGMENT:
            yield self._exact(self._fragment(node.fragment)[node.offset : node.offset + left], left)

    @staticmethod
    def _exact(made: bytes, expected: int) -> bytes:
        if len(made) < expected:
            raise Malformed(f"a block gives {len(made)} bytes instead of {expected}")
        return made[:expected]

    def _data_block(self, position: int, stored: int) -> bytes:
        raw = self.data.exactly(position, stored & (_STORED_PLAIN - 1))
        return raw if stored & _STORED_PLAIN else self.blocks.decode(raw, self.super.block_size)

    def _fragment(self, number: int) -> bytes:
        if number not in self._fragments:
            self._fragments[number] = self._data_block(*self._fragment_entry(number))
            if len(self._fragments) > 16:
                self._fragments.popitem(last=False)
        self._fragments.move_to_end(number)
        return self._fragments[number]

    def _fragment_entry(self, number: int) -> tuple[int, int]:
        if number >= self.super.fragments:
            raise Malformed(f"fragment {number} does not exist")
        order, table = self.super.order, self.super.fragment_table
        if self.super.major == 2:
            [block] = self.data.unpack(order + "I", table + number // 1024 * 4)
            start, size = self.cursor(block, number % 1024 * 8).fields("2I")
            return start, size
        [block] = self.data.unpack(order + "Q", table + number // 512 * 8)
        start, size, _unused = self.cursor(block, number % 512 * 16).fields("Q2I")
        return start, size


class _Unknown(Blocks):
    """No way opens anything."""

    def __init__(self, declared: str) -> None:
        super().__init__(declared, b"", 1, lambda made: False)


class _Believed(Blocks):
    """Nothing compressed to learn from: the declared compressor, learned at the first data block."""

    def __init__(self, declared: str) -> None:
        self._declared = declared
        super().__init__(declared, b"", 1, lambda made: False)

    @property
    def known(self) -> bool:
        return True

    def decode(self, data: bytes, limit: int) -> bytes:
        if self._way is None:
            super().__init__(self._declared, data, limit, lambda made: len(made) == limit or len(made) > len(data))
        return super().decode(data, limit)


class _Walk:
    """From the root through all directories, each only once, so that a loop ends."""

    def __init__(self, image: _Image, tree: TreeWriter) -> None:
        self._image, self._tree = image, tree
        self._seen_directories: set[tuple[int, int]] = set()
        self._files: dict[tuple[int, int], bytes] = {}
        self._broken = False

    def all(self) -> None:
        root = self._image.super.root_inode
        self._visit(b"", root >> 16, root & 0xFFFF, 0)
        if self._broken:
            self._salvage()

    def _salvage(self) -> None:
        """Folders and files that the damaged part of the tables led to."""
        found = list(self._image.inodes())
        for number, (place, node) in enumerate(lost_folders(found, self._seen_directories, self._image.directory)):
            self._write_safely(b"lost+found/folder-%d" % number, node, place, 1)
        for number, (place, node) in enumerate(found):
            if node.kind is Kind.FILE and place not in self._files:
                self._write_safely(b"lost+found/file-%d" % number, node, place, 1)

    def _visit(self, path: bytes, block: int, offset: int, depth: int) -> None:
        try:
            node = self._image.inode(block, offset)
        except Malformed as trouble:
            self._complain(path, trouble)
            return
        self._write_safely(path, node, (block, offset), depth)

    def _write_safely(self, path: bytes, node: Inode, place: tuple[int, int], depth: int) -> None:
        try:
            self._write(path, node, place, depth)
        except Malformed as trouble:
            self._complain(path, trouble)

    def _complain(self, path: bytes, trouble: Malformed) -> None:
        self._broken = True
        self._tree.trouble(f"/{path.decode('utf-8', 'replace')}: {trouble}")

    def _write(self, path: bytes, node: Inode, place: tuple[int, int], depth: int) -> None:
        meta = Meta(mode=node.mode, uid=node.uid, gid=node.gid)
        if node.kind is Kind.DIRECTORY:
            self._tree.directory(path, meta)
            self._enter(path, node, place, depth)
        elif node.kind is Kind.SYMLINK:
            self._tree.symlink(path, node.target, meta)
        elif node.kind is Kind.FILE:
            if place in self._files:
                self._tree.link(path, self._files[place])
                return
            self._files[place] = path
            self._tree.file(path, self._image.content(node), meta)
        else:
            has_number = node.kind in (Kind.BLOCK, Kind.CHARACTER)
            self._tree.special(path, _NODE_KINDS[node.kind], node.device if has_number else None, meta)

    def _enter(self, path: bytes, node: Inode, place: tuple[int, int], depth: int) -> None:
        if depth >= _DEEPEST or place in self._seen_directories:
            raise Malformed("a directory that contains itself, or too deep a tree")
        self._seen_directories.add(place)
        for entry in self._image.directory(node):
            self._visit(path + b"/" + entry.name if path else entry.name, entry.block, entry.offset, depth + 1)
