"""ESP8266 images: version 1, and version 2 as user1/user2 of the two-slot boot loader carry it (with or without one).

Source: esptool's documentation, "Firmware Image Format"; Espressif, ESP8266 SDK programming guide.
"""

import zlib

import msgspec

from customhouse.model import Outcome

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, TreeWriter, Window
from .esp_image import MAGIC, AddressRange, Segment, checksum_end, checksum_holds, place, read_segments, write_segments

_RANGES = (
    AddressRange(0x3FFE8000, 0x40000000, "dram"),
    AddressRange(0x40100000, 0x40110000, "iram"),
    AddressRange(0x40200000, 0x40300000 + 0x500000, "irom"),
    AddressRange(0x60000000, 0x60002000, "rtc"),
)
_IROM = (AddressRange(0, 1, "irom"), AddressRange(0x40200000, 0x40800000, "irom"))
_VERSION_2 = 0xEA
_VERSION_TWO = 2
_PLAUSIBLE_SIZE = 1 << 14
"""An image with a broken checksum is believed from this size on."""


class _Layout(msgspec.Struct, frozen=True):
    version: int
    segments: tuple[Segment, ...]
    checked: tuple[Segment, ...]
    end: int
    entry: int


class Esp8266(Format):
    name = "esp8266"
    title = "ESP8266 image, versions 1 and 2 (user1 and user2 included)"
    magics = (
        Magic(0, rb"\xe9[\x01-\x10][\x00-\x03].{4}[\x40\x00].{2}[\xfe\xff\x10-\x1f\x20-\x7f][\x3f\x40]", regex=True),
        Magic(0, rb"\xea\x04[\x00-\x03].{5}(?:\x00{4}|.{2}[\x20-\x7f]\x40)", regex=True),
    )
    carries = True
    limits = "the SDK version is told by strings, not by a header: the format has none"

    def _probe(self, data: Window) -> Extent | None:
        layout = _layout(data)
        if not all(place(segment.address, _RANGES) for segment in layout.checked) or not place(layout.entry, _RANGES):
            return None
        loaded = sum(segment.size for segment in layout.checked)
        if loaded < _PLAUSIBLE_SIZE and not checksum_holds(data, layout.checked, layout.end):
            return None
        return Extent(
            size=layout.end + (4 if _crc_holds(data, layout) else 0),
            detail={
                "chip": "ESP8266",
                "image version": str(layout.version),
                "entry point": f"{layout.entry:#010x}",
                "segments": str(len(layout.segments)),
                "signature": "none",
            },
        )

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        layout = _layout(data)
        write_segments(data, layout.segments, (*_IROM, *_RANGES), tree)
        if not checksum_holds(data, layout.checked, layout.end):
            return Ending(Outcome.PARTIAL, "its checksum does not hold: damaged or tampered with")
        return DONE


def _layout(data: Window) -> _Layout:
    magic, count, _mode, _flash = data.exactly(0, 4)
    [entry] = data.unpack("<I", 4)
    if magic == MAGIC:
        segments, at = read_segments(data, 8, count)
        return _checked(data, _Layout(1, segments, segments, checksum_end(at), entry))
    if magic != _VERSION_2:
        raise Malformed("no ESP8266 image")
    irom, at = read_segments(data, 8, 1)
    inner, count = data.exactly(at, 2)
    if inner != MAGIC:
        raise Malformed("the second header of a version 2 image is missing")
    [entry] = data.unpack("<I", at + 4)
    segments, at = read_segments(data, at + 8, count)
    return _checked(data, _Layout(2, (*irom, *segments), segments, checksum_end(at), entry))


def _crc_holds(data: Window, layout: _Layout) -> bool:
    """Version 2 images end in a CRC-32 over all before it, in Espressif's own form."""
    if layout.version != _VERSION_TWO or data.size < layout.end + 4:
        return False
    crc = zlib.crc32(data.part(0, layout.end).view())
    wanted = crc ^ 0xFFFFFFFF if crc & 0x80000000 else crc + 1
    return wanted == data.unpack("<I", layout.end)[0]


def _checked(data: Window, layout: _Layout) -> _Layout:
    if layout.end > data.size:
        raise Malformed("the image ends before its checksum")
    return layout
