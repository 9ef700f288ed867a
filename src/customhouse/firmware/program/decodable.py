"""ARM code made fit for the lifter: what would switch its mode for good or end its process is written as its like."""

from typing import Literal


def plain_thumb(raw: bytearray) -> None:
    """Turn Thumb BLX into BL: lifting BLX would switch the lifter's mode for everything behind its target. What the
    lifter would die of is made nothing.
    """
    at = 0
    while at + 3 < len(raw):
        high = raw[at + 1]
        if high >= 0xE8:
            if high & 0xF8 == 0xF0 and raw[at + 3] & 0xD0 == 0xC0:
                raw[at + 3] |= 0x10
            elif high & 0xFE == 0xEC and _too_many(high << 24 | raw[at] << 16 | raw[at + 3] << 8 | raw[at + 2]):
                raw[at : at + 4] = b"\x00\xbf\x00\xbf"
            at += 4
        else:
            at += 2


def plain_arm(raw: bytearray, big: bool) -> None:
    """The same for ARM code."""
    order: Literal["big", "little"] = "big" if big else "little"
    top = 0 if big else 3
    for at in range(0, len(raw) - 3, 4):
        high = raw[at + top]
        if high & 0xFE == 0xFA:
            raw[at + top] = 0xEB
        elif high & 0x0E == 0x0C and _too_many(int.from_bytes(raw[at : at + 4], order)):
            raw[at : at + 4] = 0xE1A00000.to_bytes(4, order)


def _too_many(word: int) -> bool:
    """Data that reads as a load or store of more floating-point registers than there are: the lifter recurses until
    the process dies.
    """
    if word & 0xE00 != 0xA00 or (word >> 24 & 1 and not word >> 21 & 1):
        return False
    count = word & 0xFF
    first = word >> 12 & 15
    if word & 0x100:
        return first + (word >> 22 & 1) * 16 + count // 2 > 32 or count < 2 or count > 33
    return first * 2 + (word >> 22 & 1) + count > 32 or not count
