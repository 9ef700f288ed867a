"""A small writer of squashfs 1 to 4 in both byte orders, for what no tool makes any more."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

Tree = dict[bytes, "Tree | bytes | Link | Device"]
Compress = Callable[[bytes], bytes]
NO_FRAGMENT = 0xFFFFFFFF


@dataclass(frozen=True)
class Link:
    target: bytes


@dataclass(frozen=True)
class Device:
    major: int
    minor: int
    block: bool = False


@dataclass
class _Metadata:
    """A stream of 8 KiB metadata blocks."""

    order: str
    compress: Compress
    marker: bytes = b""
    done: bytes = b""
    waiting: bytes = b""

    def place(self) -> tuple[int, int]:
        return len(self.done), len(self.waiting)

    def add(self, raw: bytes) -> None:
        self.waiting += raw
        while len(self.waiting) >= 8192:
            self._flush(self.waiting[:8192])
            self.waiting = self.waiting[8192:]

    def _flush(self, raw: bytes) -> None:
        packed = self.compress(raw)
        if len(packed) < len(raw):
            self.done += struct.pack(self.order + "H", len(packed)) + self.marker + packed
        else:
            self.done += struct.pack(self.order + "H", len(raw) | 0x8000) + self.marker + raw

    def finish(self) -> bytes:
        if self.waiting:
            self._flush(self.waiting)
            self.waiting = b""
        return self.done


@dataclass
class Squashfs:
    """`make(tree)` gives the image. `compress` packs blocks; `fragments` packs tails together."""

    major: int = 4
    order: str = "<"
    magic: bytes | None = None
    compressor: int = 1
    compress: Compress = zlib.compress
    block: int = 4096
    fragments: bool = True
    extended: bool = False
    check_data: bool = False
    uid: int = 0
    gid: int = 0
    mode: int = 0o755
    _data: bytes = b""
    _tails: list[bytes] = field(default_factory=list)
    _tail: bytes = b""
    _numbers: int = 0

    def make(self, tree: Tree) -> bytes:
        header = {4: 96, 3: 119, 2: 63, 1: 51}[self.major]
        self._data = b"\0" * header
        marker = b"\xff" if self.check_data else b""
        self._inodes = _Metadata(self.order, self.compress, marker)
        self._listing = _Metadata(self.order, self.compress, marker)
        root = self._directory(tree)
        self._flush_tail()
        inode_table = len(self._data)
        directory_table = inode_table + len(self._inodes.finish())
        image = self._data + self._inodes.done + self._listing.finish()
        image, fragment_table = self._fragment_table(image, marker)
        image, id_table = self._owners(image, marker)
        return self._superblock(image, root, inode_table, directory_table, fragment_table, id_table)

    # --- contents -----------------------------------------------------------------------------------------------

    def _store(self, raw: bytes) -> int:
        """Append a data block; returns its size word."""
        if not raw.strip(b"\0") and len(raw) == self.block and self.major > 1:
            return 0
        packed = self.compress(raw)
        plain = len(packed) >= len(raw)
        self._data += raw if plain else packed
        return len(raw) | 1 << 24 if plain else len(packed)

    def _file(self, content: bytes) -> tuple[int, list[int], int, int]:
        start, sizes = len(self._data), []
        whole = len(content) // self.block * self.block
        for at in range(0, whole, self.block):
            sizes.append(self._store(content[at : at + self.block]))
        rest = content[whole:]
        if rest and (self.major == 1 or not self.fragments):
            sizes.append(self._store(rest))
            rest = b""
        if not rest:
            return start, sizes, NO_FRAGMENT, 0
        if len(self._tail) + len(rest) > self.block:
            self._flush_tail()
        offset = len(self._tail)
        self._tail += rest
        return start, sizes, len(self._tails), offset

    def _flush_tail(self) -> None:
        """Tails are kept aside until a block is full; blocks of tails follow the data."""
        if self._tail:
            self._tails.append(self._tail)
            self._tail = b""

    def _fragment_table(self, image: bytes, marker: bytes) -> tuple[bytes, int]:
        table = _Metadata(self.order, self.compress, marker)
        starts = []
        for number, tail in enumerate(self._tails):
            packed = self.compress(tail)
            plain = len(packed) >= len(tail)
            place, image = len(image), image + (tail if plain else packed)
            size = len(tail) | 1 << 24 if plain else len(packed)
            if number % (1024 if self.major == 2 else 512) == 0:
                starts.append(table.place()[0])
            layout = "2I" if self.major == 2 else "Q2I"
            table.add(struct.pack(self.order + layout, *((place, size) if self.major == 2 else (place, size, 0))))
        base, image = len(image), image + table.finish()
        at = len(image)
        word = "I" if self.major == 2 else "Q"
        image += b"".join(struct.pack(self.order + word, base + start) for start in starts)
        return image, at

    def _owners(self, image: bytes, marker: bytes) -> tuple[bytes, int]:
        ids = struct.pack(self.order + "2I", self.uid, self.gid)
        if self.major < 4:
            return image + ids, len(image)
        table = _Metadata(self.order, self.compress)
        table.add(ids)
        base = len(image)
        image += table.finish()
        return image + struct.pack(self.order + "Q", base), len(image)

    # --- inodes and directories ---------------------------------------------------------------------------------

    def _directory(self, tree: Tree) -> tuple[int, int]:
        placed = []
        for name in sorted(tree):
            value = tree[name]
            self._numbers += 1
            number = self._numbers
            if isinstance(value, dict):
                where, type_ = self._directory(value), 1
            elif isinstance(value, bytes):
                where, type_ = self._regular(value, number), 2
            elif isinstance(value, Link):
                where, type_ = self._other(3, number, value), 3
            else:
                type_ = 4 if value.block else 5
                where = self._other(type_, number, value)
            placed.append((name, where, type_, number))
        at = self._listing.place()
        listing = self._list(placed)
        self._listing.add(listing)
        here = self._inodes.place()
        self._inodes.add(self._directory_inode(at, len(listing) + (3 if self.major > 2 else 0)))
        return here

    def _list(self, placed: list[tuple[bytes, tuple[int, int], int, int]]) -> bytes:
        listing = b""
        at = 0
        while at < len(placed):
            block = placed[at][1][0]
            run: list[tuple[bytes, tuple[int, int], int, int]] = []
            while at < len(placed) and placed[at][1][0] == block and len(run) < 256:
                run.append(placed[at])
                at += 1
            listing += self._run(block, run)
        return listing

    def _run(self, block: int, run: list[tuple[bytes, tuple[int, int], int, int]]) -> bytes:
        first = run[0][3]
        if self.major == 4:
            made = struct.pack(self.order + "3I", len(run) - 1, block, first)
        elif self.major == 3:
            made = struct.pack(self.order + "BII", len(run) - 1, block, first)
        else:
            made = self._bits((len(run) - 1, 8), (block, 24))
        for name, (_block, offset), type_, number in run:
            if self.major == 4:
                made += struct.pack(self.order + "HhHH", offset, number - first, type_, len(name) - 1)
            else:
                made += self._bits((offset, 13), (type_, 3), (len(name) - 1, 8))
                made += struct.pack(self.order + "h", number - first) if self.major == 3 else b""
            made += name
        return made

    def _base(self, type_: int, number: int) -> bytes:
        if self.major == 4:
            return struct.pack(self.order + "4H2I", type_, self.mode, 0, 1, 0, number)
        if self.major == 1:
            return self._bits((type_, 4), (self.mode, 12), (0, 4), (0, 4))
        base = self._bits((type_, 4), (self.mode, 12), (0, 8), (0, 8))
        return base + (struct.pack(self.order + "2I", 0, number) if self.major == 3 else b"")

    def _directory_inode(self, at: tuple[int, int], size: int) -> bytes:
        self._numbers += 1
        start, offset = at
        if self.major == 4 and (self.extended or size > 0xFFFF):
            return self._base(8, self._numbers) + struct.pack(
                self.order + "4I2HI", 2, size, start, 0, 0, offset, 0xFFFFFFFF
            )
        if self.major == 4:
            return self._base(1, self._numbers) + struct.pack(self.order + "2I2HI", start, 2, size, offset, 0)
        extended = self.major > 1 and (self.extended or size >= 1 << 19)
        made = self._base(8 if extended else 1, self._numbers)
        if self.major == 3:
            made += struct.pack(self.order + "I", 2) + self._bits((size, 27 if extended else 19), (offset, 13))
            return (
                made
                + struct.pack(self.order + "I", start)
                + struct.pack(self.order + ("HI" if extended else "I"), *((0, 0) if extended else (0,)))
            )
        made += self._bits((size, 27 if extended else 19), (offset, 13)) + struct.pack(self.order + "I", 0)
        return made + self._bits((start, 24)) + (struct.pack(self.order + "H", 0) if extended else b"")

    def _regular(self, content: bytes, number: int) -> tuple[int, int]:
        start, sizes, fragment, offset = self._file(content)
        here = self._inodes.place()
        blocks = struct.pack(f"{self.order}{len(sizes)}I", *sizes)
        if self.major == 1:
            words = [size & 0x7FFF | (0x8000 if size >> 24 else 0) for size in sizes]
            blocks = struct.pack(f"{self.order}{len(sizes)}H", *words)
        if self.major == 4 and self.extended:
            body = struct.pack(self.order + "3Q4I", start, len(content), 0, 1, fragment, offset, 0xFFFFFFFF)
        elif self.major == 4:
            body = struct.pack(self.order + "4I", start, fragment, offset, len(content))
        elif self.major == 3 and self.extended:
            body = struct.pack(self.order + "IQ2IQ", 1, start, fragment, offset, len(content))
        elif self.major == 3:
            body = struct.pack(self.order + "Q3I", start, fragment, offset, len(content))
        elif self.major == 1:
            body = struct.pack(self.order + "3I", 0, start, len(content))
        else:
            body = struct.pack(self.order + "5I", 0, start, fragment, offset, len(content))
        self._inodes.add(self._base(9 if self.extended and self.major > 2 else 2, number) + body + blocks)
        return here

    def _other(self, type_: int, number: int, value: Link | Device) -> tuple[int, int]:
        here = self._inodes.place()
        body = b"" if self.major < 3 else struct.pack(self.order + "I", 1)
        if isinstance(value, Link):
            body += struct.pack(self.order + ("I" if self.major == 4 else "H"), len(value.target)) + value.target
        else:
            rdev = value.major << 8 | value.minor
            body += struct.pack(self.order + ("I" if self.major == 4 else "H"), rdev)
        self._inodes.add(self._base(type_, number) + body)
        return here

    def _bits(self, *fields: tuple[int, int]) -> bytes:
        value, width = 0, sum(bits for _, bits in fields)
        shift = 0
        for field_, bits in fields:
            value |= (field_ << shift) if self.order == "<" else (field_ << (width - shift - bits))
            shift += bits
        return value.to_bytes(width // 8, "little" if self.order == "<" else "big")

    def _superblock(
        self, image: bytes, root: tuple[int, int], inodes: int, directories: int, fragments: int, ids: int
    ) -> bytes:
        order, used, count = self.order, len(image), len(self._tails)
        reference = root[0] << 16 | root[1]
        magic = self.magic or (b"hsqs" if order == "<" else b"sqsh")
        log = self.block.bit_length() - 1
        if self.major == 4:
            made = magic + struct.pack(order + "4I", self._numbers, 0, self.block, count)
            made += struct.pack(order + "6H", self.compressor, log, 0, 2, 4, 0)
            none = 0xFFFFFFFFFFFFFFFF
            made += struct.pack(order + "8Q", reference, used, ids, none, inodes, directories, fragments, none)
        else:
            small = [number & 0xFFFFFFFF for number in (used, ids, ids + 4, inodes, directories)]
            flags = 0x4 if self.check_data else 0
            made = magic + struct.pack(order + "6I", self._numbers, *small)
            made += struct.pack(order + "4H3BIQ", self.major, 0, self.block & 0xFFFF, log, flags, 1, 1, 0, reference)
            if self.major > 1:
                made += struct.pack(order + "3I", self.block, count, fragments & 0xFFFFFFFF)
            if self.major == 3:
                made += struct.pack(order + "7Q", used, ids, ids + 4, inodes, directories, fragments, 0)
        return made + image[len(made) :]
