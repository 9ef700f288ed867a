"""Application and boot loader images of the ESP32 family, with secure boot's traces.

Source: ESP-IDF, esp_image_format.h; chip numbers from esptool's documentation.
"""

from customhouse.model import Outcome

from ..format import DONE, Ending, Extent, Format, Magic, TreeWriter, Window
from .esp_image import (
    AddressRange,
    Segment,
    application,
    checksum_end,
    checksum_holds,
    digest_holds,
    place,
    read_segments,
    signature,
    write_segments,
)

_HEADER = 24
_CHIPS = {
    0: "ESP32", 2: "ESP32-S2", 5: "ESP32-C3", 9: "ESP32-S3", 12: "ESP32-C2", 13: "ESP32-C6", 16: "ESP32-H2",
    18: "ESP32-P4", 20: "ESP32-C61", 23: "ESP32-C5", 25: "ESP32-H21", 28: "ESP32-H4", 32: "ESP32-S31",
}  # fmt: skip
_RANGES = (
    AddressRange(0x00000000, 0x00010000, "padding"),
    AddressRange(0x3C000000, 0x3F000000, "drom"),
    AddressRange(0x3F000000, 0x3F800000, "drom"),
    AddressRange(0x3F800000, 0x40000000, "dram"),
    AddressRange(0x40000000, 0x400D0000, "iram"),
    AddressRange(0x400D0000, 0x40380000, "irom"),
    AddressRange(0x40380000, 0x40400000, "iram"),
    AddressRange(0x40400000, 0x40800000, "irom"),
    AddressRange(0x40800000, 0x40900000, "ram"),
    AddressRange(0x40900000, 0x42000000, "irom"),
    AddressRange(0x42000000, 0x50000000, "irom"),
    AddressRange(0x4FF00000, 0x50000000, "ram"),
    AddressRange(0x50000000, 0x50110000, "rtc"),
    AddressRange(0x600FE000, 0x60100000, "rtc"),
)
_DIGEST = 32


class Esp32(Format):
    name = "esp32"
    title = "ESP32 family image: segments, chip, application descriptor, secure boot signature"
    magics = (Magic(0, rb"\xe9[\x01-\x10][\x00-\x05\xff].{9}[\x00-\x20]\x00.{9}[\x00\x01]", regex=True),)
    carries = True
    limits = "signatures are recognised, not verified"

    def _probe(self, data: Window) -> Extent | None:
        chip = data.unpack("<H", 12)[0]
        if chip not in _CHIPS:
            return None
        segments, at = read_segments(data, _HEADER, data.exactly(1, 1)[0])
        if not all(place(segment.address, _RANGES) for segment in segments):
            return None
        end = checksum_end(at)
        hashed = data.exactly(23, 1)[0] == 1
        if end + (_DIGEST if hashed else 0) > data.size:
            return None
        detail = {
            "chip": _CHIPS[chip],
            "entry point": f"{data.unpack('<I', 4)[0]:#010x}",
            "segments": str(len(segments)),
        }
        about = application(data, segments) or _boot_loader(data, segments)
        if not about and not checksum_holds(data, segments, end):
            return None
        detail |= about
        end += _DIGEST if hashed else 0
        detail["signature"] = signature(data, end)
        if detail["signature"].startswith("secure boot version 2"):
            end = min(-(-end // 4096) * 4096 + 4096, data.size)
        return Extent(size=end, label=detail.get("project", ""), detail=detail)

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        segments, at = read_segments(data, _HEADER, data.exactly(1, 1)[0])
        write_segments(data, segments, _RANGES, tree)
        end = checksum_end(at)
        if not checksum_holds(data, segments, end):
            return Ending(Outcome.PARTIAL, "its checksum does not hold: damaged or tampered with")
        if data.exactly(23, 1)[0] == 1 and not digest_holds(data, end):
            return Ending(Outcome.PARTIAL, "its digest does not hold: damaged or tampered with")
        return DONE


def _boot_loader(data: Window, segments: tuple[Segment, ...]) -> dict[str, str]:
    """The boot loader's descriptor, which newer versions of IDF put at the start of a segment."""
    for segment in segments:
        raw = data.read(segment.start, 80)
        if len(raw) == 80 and raw[0] == 0x50 and raw[8:9] in (b"v", b"4", b"5", b"6") and b"\0" in raw[8:40]:
            return {"IDF version": raw[8:40].split(b"\0")[0].decode("ascii", "replace"), "project": "boot loader"}
    return {}
