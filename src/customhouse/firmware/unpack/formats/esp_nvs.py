"""NVS: where ESP32 devices keep settings, Wi-Fi credentials among them.

Source: ESP-IDF, "Non-Volatile Storage Library".
"""

import zlib
from collections.abc import Iterator

import msgspec

from ..format import DONE, Ending, Extent, Format, Magic, Meta, TreeWriter, Window

_PAGE = 4096
_ENTRIES = 126
_FIRST = 64
_STATES = (0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8)
_UNUSED = 0xFFFFFFFF
_WRITTEN = 2
_INTEGERS = {0x01: 1, 0x02: 2, 0x04: 4, 0x08: 8, 0x11: -1, 0x12: -2, 0x14: -4, 0x18: -8}
_STRING, _BLOB_OLD, _BLOB = 0x21, 0x41, 0x42
_MOST_PAGES = 512


class Item(msgspec.Struct, frozen=True):
    """One value: number of its namespace, key, number of the chunk, and the bytes."""

    space: int
    key: bytes
    chunk: int
    kind: int
    value: bytes


class EspNvs(Format):
    name = "esp-nvs"
    title = "ESP32 NVS: settings and Wi-Fi credentials"
    final = True
    magics = (Magic(0, rb"[\xfe\xfc\xf8]\xff\xff\xff.{4}[\xfe\xff]\xff{19}", regex=True),)
    limits = "encrypted NVS is not opened"

    def _probe(self, data: Window) -> Extent | None:
        pages = 0
        while pages < _MOST_PAGES and (_is_page(data, pages * _PAGE) or (pages and _is_blank(data, pages * _PAGE))):
            pages += 1
        return Extent(size=pages * _PAGE, detail={"pages": str(pages)}) if pages else None

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        items = [item for at in _pages(data) for item in _items(data, at, tree)]
        spaces = {item.value[0]: item.key for item in items if item.space == 0 and item.kind == 1}
        values: dict[tuple[bytes, bytes], dict[int, bytes]] = {}
        for item in items:
            if item.space:
                name = spaces.get(item.space, b"namespace-%d" % item.space)
                chunks = values.setdefault((name, item.key), {})
                if item.kind != _BLOB:
                    chunks.clear()
                chunks[item.chunk] = _shown(item)
        for (space, key), chunks in sorted(values.items()):
            path = space.replace(b"/", b"_") + b"/" + key.replace(b"/", b"_")
            tree.file(path, (b"".join(chunks[number] for number in sorted(chunks)),), Meta(mode=0o600))
        if not values:
            tree.directory(b"empty", Meta())
        tree.say("values", str(len(values)))
        return DONE


def _is_page(data: Window, at: int) -> bool:
    header = data.read(at, 32)
    if len(header) < 32 or data.size < at + _PAGE or int.from_bytes(header[:4], "little") not in _STATES:
        return False
    return zlib.crc32(header[4:28], 0xFFFFFFFF) == int.from_bytes(header[28:], "little")


def _is_blank(data: Window, at: int) -> bool:
    page = data.read(at, _PAGE)
    return len(page) == _PAGE and not page.strip(b"\xff")


def _pages(data: Window) -> list[int]:
    """Pages in the order they were written, so that later values replace earlier ones."""
    pages = [at for at in range(0, data.size, _PAGE) if _is_page(data, at)]
    return sorted(pages, key=lambda at: data.unpack("<I", at + 4)[0])


def _items(data: Window, page: int, tree: TreeWriter) -> Iterator[Item]:
    states = int.from_bytes(data.read(page + 32, 32), "little")
    number = 0
    while number < _ENTRIES:
        if (states >> (2 * number)) & 3 != _WRITTEN:
            number += 1
            continue
        at = page + _FIRST + 32 * number
        space, kind, span, chunk = data.exactly(at, 4)
        key = data.read(at + 8, 16).split(b"\0")[0]
        if kind in _INTEGERS:
            yield Item(space, key, 0, kind, data.read(at + 24, abs(_INTEGERS[kind])))
        elif kind in (_STRING, _BLOB_OLD, _BLOB):
            [size] = data.unpack("<H", at + 24)
            room = 32 * (min(number + span, _ENTRIES) - number - 1)
            if size > room:
                tree.trouble(f"the value of {key.decode('ascii', 'replace')} does not fit its entries")
            yield Item(space, key, chunk if kind == _BLOB else 0, kind, data.read(at + 32, min(size, max(room, 0))))
        number += max(span, 1) if span != 0xFF else 1


def _shown(item: Item) -> bytes:
    """Numbers as text, strings without their end; the blobs that Wi-Fi settings are kept in, without their padding."""
    if item.kind in _INTEGERS:
        return b"%d" % int.from_bytes(item.value, "little", signed=_INTEGERS[item.kind] < 0)
    if item.kind == _STRING:
        return item.value.split(b"\0")[0]
    if item.key.endswith(b"ssid") and len(item.value) == 36:
        return item.value[4 : 4 + min(int.from_bytes(item.value[:4], "little"), 32)]
    if item.key.endswith((b"pswd", b"passwd")):
        return item.value.rstrip(b"\0")
    return item.value
