"""UBI: volumes over raw flash. Source: Linux drivers/mtd/ubi/ubi-media.h."""

import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_EC, _VID = b"UBI#", b"UBI!"
_LAYOUT = 0x7FFFEFFF
_RECORD = 172
_MOST_VOLUMES = 128
_BLOCK_SIZES = tuple(1 << bits for bits in range(9, 23))
_STATIC = 2


class _Block(msgspec.Struct, frozen=True):
    """One logical block: `start` of its content, newest by `sequence`."""

    sequence: int
    start: int
    size: int
    checksum: int
    static: bool
    copied: bool
    used: int


class Ubi(Format):
    name = "ubi"
    title = "UBI image with all its volumes"
    magics = (Magic(0, b"UBI#\x01"),)
    carries = True
    limits = "fastmap and block status are not needed and not read"

    def _probe(self, data: Window) -> Extent | None:
        size = _block_size(data)
        end = 0
        for at in range(0, data.size, size):
            if _has_header(data, at):
                end = at + size
            elif data.read(at, size).strip(b"\xff"):
                break
        return Extent(size=min(end, data.size), detail={"erase block": str(size), "blocks": str(-(-end // size))})

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        size = _block_size(data)
        volumes = _volumes(data, size, tree)
        names = _names(data, volumes.get(_LAYOUT, {}))
        for number, blocks in sorted(volumes.items()):
            if number >= _LAYOUT:
                continue
            name = names.get(number, b"volume-%d" % number).replace(b"/", b"_")
            tree.file(name, _content(data, blocks, tree), Meta())
        tree.say("volumes", ", ".join(name.decode("utf-8", "replace") for _, name in sorted(names.items())))
        if not any(number < _LAYOUT for number in volumes):
            tree.directory(b"empty", Meta())
        return DONE


def crc(data: bytes) -> int:
    """UBI and UBIFS start their CRC-32 with all ones and do not invert the end."""
    return zlib.crc32(data) ^ 0xFFFFFFFF


def _has_header(data: Window, at: int) -> bool:
    header = data.read(at, 64)
    return header[:4] == _EC and len(header) == 64 and crc(header[:60]) == int.from_bytes(header[60:], "big")


def _block_size(data: Window) -> int:
    """The distance at which headers stand most often."""
    if not _has_header(data, 0):
        raise Malformed("the first erase block has no sound header")
    found = [0]
    view = bytes(data.read(0, 32 << 20))
    at = view.find(_EC, 4)
    while at >= 0 and len(found) < 64:
        if at % _BLOCK_SIZES[0] == 0 and _has_header(data, at):
            found.append(at)
        at = view.find(_EC, at + 4)
    steps = Counter(later - earlier for earlier, later in pairwise(found))
    sizes = [step for step, _ in steps.most_common() if step in _BLOCK_SIZES]
    if sizes:
        return sizes[0]
    return next((size for size in _BLOCK_SIZES if size >= data.size), _BLOCK_SIZES[-1])


def _volumes(data: Window, size: int, tree: TreeWriter) -> dict[int, dict[int, _Block]]:
    """Logical blocks by volume and number; of two copies the newer one counts."""
    volumes: dict[int, dict[int, _Block]] = {}
    for at in range(0, data.size, size):
        if not _has_header(data, at):
            if data.read(at, size).strip(b"\xff"):
                tree.trouble(f"the erase block at {at:#x} has no sound header")
            continue
        vid_offset, data_offset = data.unpack(">2I", at + 16)
        header = data.read(at + vid_offset, 64)
        if header[:4] != _VID or vid_offset >= size or data_offset >= size:
            continue  # an erase block that is free
        if crc(header[:60]) != int.from_bytes(header[60:], "big"):
            tree.trouble(f"the volume header at {at:#x} is damaged")
            continue
        volume, number = data.unpack(">2I", at + vid_offset + 8)
        used_size, used_blocks, padding, checksum = data.unpack(">4I", at + vid_offset + 20)
        [sequence] = data.unpack(">Q", at + vid_offset + 40)
        block = _Block(
            sequence, at + data_offset, max(0, size - data_offset - padding), checksum, header[5] == _STATIC,
            bool(header[6]), min(used_size, size - data_offset),
        )  # fmt: skip
        blocks = volumes.setdefault(volume, {})
        if number not in blocks or blocks[number].sequence <= sequence:
            blocks[number] = block
        del used_blocks
    return volumes


def _names(data: Window, layout: dict[int, _Block]) -> dict[int, bytes]:
    """Names from the volume table, which the layout volume keeps twice."""
    names: dict[int, bytes] = {}
    for block in layout.values():
        for number in range(_MOST_VOLUMES):
            record = data.read(block.start + number * _RECORD, _RECORD)
            if len(record) < _RECORD or crc(record[:-4]) != int.from_bytes(record[-4:], "big"):
                break
            length = int.from_bytes(record[14:16], "big")
            if length and any(record[:4]):
                names.setdefault(number, record[16 : 16 + min(length, 127)])
    return names


def _content(data: Window, blocks: dict[int, _Block], tree: TreeWriter) -> Iterator[bytes]:
    """The volume as a device would see it: missing blocks read as erased flash."""
    if max(blocks) > 4 * len(blocks) + 1024:
        raise Malformed("a volume numbers its blocks beyond its size")
    usual = max(block.size for block in blocks.values())
    for number in range(max(blocks) + 1):
        block = blocks.get(number)
        if block is None:
            yield b"\xff" * usual
            continue
        content = data.read(block.start, block.used if block.static else block.size)
        if (block.static or block.copied) and crc(content[: block.used]) != block.checksum:
            tree.trouble(f"block {number} is damaged")
        yield content
