"""What the application images of Espressif's chips share: a header with segments, a checksum, perhaps a digest.

Source: ESP-IDF (esp_image_format.h, esp_app_desc.h) and "Firmware Image Format" of esptool's documentation.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np

from ..format import Malformed, Meta, TreeWriter, Window

MAGIC = 0xE9
_SEED = 0xEF
_APP_MAGIC = 0xABCD5432
_MOST_SEGMENTS = 16
_LARGEST_SEGMENT = 16 << 20
_SIGNATURE_SECTOR = 4096


class Segment(msgspec.Struct, frozen=True):
    """`address` is where it is loaded, `start` where its bytes lie in the image."""

    address: int
    start: int
    size: int


class AddressRange(msgspec.Struct, frozen=True):
    low: int
    high: int
    name: str


def read_segments(data: Window, at: int, count: int) -> tuple[tuple[Segment, ...], int]:
    """`count` segments whose headers start at `at`, and where they end."""
    if not 1 <= count <= _MOST_SEGMENTS:
        raise Malformed(f"{count} segments are more than any image has")
    segments = []
    for _ in range(count):
        address, size = data.unpack("<2I", at)
        if size > _LARGEST_SEGMENT or at + 8 + size > data.size:
            raise Malformed("a segment goes beyond the image")
        segments.append(Segment(address, at + 8, size))
        at += 8 + size
    return tuple(segments), at


def checksum_end(at: int) -> int:
    """The checksum is the last byte of the 16 that the segments' end falls into."""
    return (at // 16 + 1) * 16


def checksum_holds(data: Window, segments: Sequence[Segment], end: int) -> bool:
    """The exclusive or of all segments' bytes."""
    value = _SEED
    for segment in segments:
        view = data.part(segment.start, segment.size).view()
        value ^= int(np.bitwise_xor.reduce(np.frombuffer(view, dtype=np.uint8))) if segment.size else 0
    return data.read(end - 1, 1) == bytes([value])


def place(address: int, ranges: Sequence[AddressRange]) -> str:
    """Name of the memory an address lies in; empty for none."""
    return next((known.name for known in ranges if known.low <= address < known.high), "")


def digest_holds(data: Window, end: int) -> bool:
    """SHA-256 over everything before it."""
    return hashlib.sha256(data.part(0, end).view()).digest() == data.read(end, 32)


def application(data: Window, segments: Sequence[Segment]) -> dict[str, str]:
    """The application descriptor at the start of the first segment, when there is one."""
    for segment in segments[:2]:
        raw = data.read(segment.start, 256)
        if len(raw) >= 176 and int.from_bytes(raw[:4], "little") == _APP_MAGIC:
            return _created(_text(raw[96:112]), _text(raw[80:96])) | {
                "project": _text(raw[48:80]),
                "version": _text(raw[16:48]),
                "IDF version": _text(raw[112:144]),
                "compiled": f"{_text(raw[96:112])} {_text(raw[80:96])}".strip(),
                "secure version": str(int.from_bytes(raw[4:8], "little")),
                "program digest": raw[144:176].hex(),
            }
    return {}


def _created(date: str, time: str) -> dict[str, str]:
    """The compiler's `__DATE__` and `__TIME__` as Unix seconds; which time zone they are in, nobody wrote down."""
    try:
        moment = datetime.strptime(f"{date} {time}", "%b %d %Y %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return {}
    return {"created": str(int(moment.timestamp()))}


def signature(data: Window, end: int) -> str:
    """What signs the image: a block of secure boot version 2 in the next sector, or a version 1 signature."""
    sector = -(-end // _SIGNATURE_SECTOR) * _SIGNATURE_SECTOR
    if data.read(sector, 2) == b"\xe7\x02":
        return "secure boot version 2 signature block"
    tail = data.read(end, 68)
    if len(tail) == 68 and tail[:4] == bytes(4) and len(set(tail[4:])) > 16:
        return "secure boot version 1 signature"
    return "none"


def write_segments(data: Window, segments: Sequence[Segment], ranges: Sequence[AddressRange], tree: TreeWriter) -> None:
    for number, segment in enumerate(segments):
        where = place(segment.address, ranges) or "memory"
        name = f"segment-{number}-{where}-{segment.address:#010x}"
        tree.file(name.encode(), (data.part(segment.start, segment.size).view(),), Meta())


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "replace")
