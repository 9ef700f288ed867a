"""Partition table of a merged ESP32 flash image. Source: ESP-IDF, "Partition Tables"."""

import hashlib

import msgspec

from customhouse.model import Outcome

from ..format import DONE, Ending, Extent, Format, Magic, Meta, TreeWriter, Window

_ENTRY = 32
_LARGEST = 0xC00
_TYPES = {0: "app", 1: "data", 2: "bootloader", 3: "partition-table"}
_APP = {0: "factory", 0x20: "test"} | {0x10 + number: f"ota_{number}" for number in range(16)}
_DATA = {
    0: "otadata", 1: "phy", 2: "nvs", 3: "coredump", 4: "nvs_keys", 5: "efuse", 6: "undefined",
    0x80: "esphttpd", 0x81: "fat", 0x82: "spiffs", 0x83: "littlefs",
}  # fmt: skip


class Partition(msgspec.Struct, frozen=True):
    """`offset` counts from the start of the flash."""

    label: str
    type: str
    subtype: str
    offset: int
    size: int
    encrypted: bool


class EspPartitions(Format):
    name = "esp-partitions"
    title = "ESP32 partition table, with the flags of flash encryption"
    final = True
    magics = (Magic(0, rb"\xaa\x50[\x00-\x03].{2}.{2}\x00.{4}[\x20-\x7e]", regex=True),)

    def _probe(self, data: Window) -> Extent | None:
        partitions, end, _sound = read_table(data)
        if len(partitions) < 2 or any(part.offset % 0x1000 or not part.size for part in partitions):
            return None
        rest = data.read(end, _LARGEST - end)
        size = end + len(rest) if not rest.strip(b"\xff") else end
        detail = {part.label: _described(part) for part in partitions}
        detail["flash encryption"] = _encryption(partitions)
        return Extent(size=size, detail=detail)

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        partitions, _end, sound = read_table(data)
        lines = [f"{part.label}: {_described(part)}" for part in partitions]
        tree.file(b"partitions.txt", ("\n".join([*lines, ""]).encode(),), Meta())
        return DONE if sound else Ending(Outcome.PARTIAL, "its MD5 does not hold: damaged or tampered with")


def read_table(data: Window) -> tuple[list[Partition], int, bool]:
    """The partitions, where the table ends, and whether its MD5 (when it has one) holds."""
    partitions: list[Partition] = []
    at = 0
    while at < _LARGEST and data.read(at, 2) == b"\xaa\x50" and data.size >= at + _ENTRY:
        type_, subtype, offset, size = data.unpack("<2B2I", at + 2)
        [flags] = data.unpack("<I", at + 28)
        names = _APP if type_ == 0 else _DATA if type_ == 1 else {}
        label = data.read(at + 12, 16).split(b"\0")[0].decode("utf-8", "replace")
        partitions.append(
            Partition(
                label,
                _TYPES.get(type_, f"{type_:#x}"),
                names.get(subtype, f"{subtype:#x}"),
                offset,
                size,
                bool(flags & 1),
            )
        )
        at += _ENTRY
    if data.read(at, 2) == b"\xeb\xeb":
        digest = data.read(at + 16, 16)
        return partitions, at + _ENTRY, hashlib.md5(data.read(0, at), usedforsecurity=False).digest() == digest
    return partitions, at, True


def _described(part: Partition) -> str:
    return f"{part.type} {part.subtype}, {part.size} bytes at {part.offset:#x}" + (
        ", encrypted" if part.encrypted else ""
    )


def _encryption(partitions: list[Partition]) -> str:
    marked = [part.label for part in partitions if part.encrypted]
    keys = any(part.subtype == "nvs_keys" for part in partitions)
    if not marked and not keys:
        return "no partition asks for it"
    return ", ".join(
        filter(None, ["marked: " + ", ".join(marked) if marked else "", "a partition of NVS keys" if keys else ""])
    )
