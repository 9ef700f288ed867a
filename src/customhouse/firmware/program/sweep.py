"""Direct calls of a program, found by one look at all of its code instead of by following it.

Only machine words are looked at, so data between functions gives a few calls that are none; whoever uses them checks
where they go.
"""

import bisect
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .elf import Image, Segment

Calls = list[tuple[int, int, bool]]
"""(site, target, whether it comes back); targets in Thumb code carry bit 0."""
_Words = NDArray[np.int64]
_PADDING = {
    "arm": (2, (0xBF00, 0)),
    "arm64": (4, (0xD503201F, 0)),
    "mips": (4, (0,)),
    "x86_64": (1, ()),
    "i386": (1, ()),
}
"""Sizes of the units that functions are padded with, and the units."""
_IDLE_X86 = (b"\x90", b"\xcc", b"\x66\x90", b"\x66\x0f\x1f", b"\x0f\x1f", b"\x66\x2e\x0f\x1f", b"\x8d\x76", b"\x8d\xb4")
_FEW = 10  # calls in the wrong mode of ARM are fewer than a tenth of those in the right one


def direct_calls(image: Image) -> Calls:
    """Calls and jumps with a fixed target; empty for MIPS, where calls load their targets."""
    out: Calls = []
    for segment in image.segments:
        if not segment.executable:
            continue
        if image.architecture == "arm64":
            out += _arm64(segment)
        elif image.architecture == "arm":
            wide, narrow = _arm(segment, image.big), _thumb(segment, image.big)
            wide, narrow = _inside(image, wide), _inside(image, narrow)
            out += wide if len(wide) * _FEW > len(narrow) else []
            out += narrow if len(narrow) * _FEW > len(wide) else []
        elif image.architecture in ("x86_64", "i386"):
            out += _x86(segment)
    return _inside(image, out) if image.architecture != "arm" else out


def starts(image: Image, calls: Calls) -> set[int]:
    """Where functions begin, for sure: what is called directly, and on MIPS what makes its global pointer."""
    found = {target for _, target, returns in calls if returns}
    if image.architecture in ("x86_64", "i386"):
        return {one for one in found if may_start(image, one)}
    if image.architecture == "mips":
        for segment in image.segments:
            if segment.executable:
                found |= _mips(segment, image.big)
        found = {one for one in found if image.executable(one)}
    return found


def may_start(image: Image, target: int) -> bool:
    """Instructions of x86 are found where there are none; a function starts behind the end of another, or aligned."""
    return not target & 15 or image.bytes_at(target - 1, 1) in (b"\xc3", b"\x90", b"\xcc", b"\x00")


def behind_padding(image: Image, address: int) -> int:
    """Where the next function may begin behind the end of one: padding up to a multiple of 16 is skipped."""
    size, idle = _PADDING[image.architecture]
    if size == 1:
        aligned = address + 15 & ~15
        return aligned if image.bytes_at(address, aligned - address).startswith(_IDLE_X86) else address
    while address & 15 and image.number(address, size) in idle:
        address += size
    return address


def heads(sites: Iterable[int], starts: Iterable[int], arm: bool) -> dict[int, list[int]]:
    """The functions that sites may lie in, with their sites: for each the nearest start before it."""
    plain = {(one & ~1 if arm else one): one for one in sorted(starts)}
    order = sorted(plain)
    out: dict[int, list[int]] = {}
    for site in sites:
        at = bisect.bisect_right(order, site) - 1
        if at >= 0:
            out.setdefault(plain[order[at]], []).append(site)
    return out


def _inside(image: Image, calls: Calls) -> Calls:
    return [one for one in calls if image.executable(one[1] & ~1 if image.architecture == "arm" else one[1])]


def _words(segment: Segment, size: int, big: bool) -> _Words:
    count = len(segment.data) // size
    kind = f"{'>' if big else '<'}u{size}"
    return np.frombuffer(bytes(segment.data[: count * size]), dtype=kind).astype(np.int64)


def _signed(values: _Words, bits: int) -> _Words:
    sign = 1 << (bits - 1)
    return ((values & ((1 << bits) - 1)) ^ sign) - sign


def _calls(sites: _Words, targets: _Words, links: NDArray[np.bool_]) -> Calls:
    return list(zip(sites.tolist(), targets.tolist(), links.tolist(), strict=True))


def _arm64(segment: Segment) -> Calls:
    words = _words(segment, 4, False)
    at = np.flatnonzero((words >> 26 & 0x1F) == 5)  # B and BL differ in the top bit
    sites = segment.start + 4 * at
    return _calls(sites, sites + 4 * _signed(words[at], 26), words[at] >> 31 == 1)


def _arm(segment: Segment, big: bool) -> Calls:
    words = _words(segment, 4, big)
    condition = words >> 28
    at = np.flatnonzero(((words >> 25 & 7) == 5) & ((condition == 14) | (condition == 15)))
    sites = segment.start + 4 * at
    to_thumb = condition[at] == 15
    half = np.where(to_thumb, words[at] >> 24 & 1, 0) * 2
    links = to_thumb | (words[at] >> 24 & 1 == 1)
    return _calls(sites, sites + 8 + 4 * _signed(words[at], 24) + half + to_thumb, links)


def _thumb(segment: Segment, big: bool) -> Calls:
    halves = _words(segment, 2, big)
    first, second = halves[:-1], halves[1:]
    kind = second & 0xD000
    wanted = ((first & 0xF800) == 0xF000) & (
        (kind == 0xD000) | (kind == 0x9000) | ((kind == 0xC000) & (second & 1 == 0))
    )
    at = np.flatnonzero(wanted)
    high, low = first[at], second[at]
    sign = high >> 10 & 1
    i1, i2 = 1 - ((low >> 13 & 1) ^ sign), 1 - ((low >> 11 & 1) ^ sign)
    offset = _signed(sign << 24 | i1 << 23 | i2 << 22 | (high & 0x3FF) << 12 | (low & 0x7FF) << 1, 25)
    sites = segment.start + 2 * at
    to_arm = (low & 0xD000) == 0xC000
    targets = np.where(to_arm, (sites + 4 & ~3) + (offset & ~3), (sites + 4 + offset) | 1)
    return _calls(sites, targets, (low & 0xD000) != 0x9000)


def _x86(segment: Segment) -> Calls:
    raw = np.frombuffer(bytes(segment.data), dtype=np.uint8)
    at = np.flatnonzero((raw[:-4] & 0xFE) == 0xE8) if len(raw) > 4 else np.zeros(0, dtype=np.int64)
    parts = [raw[at + index].astype(np.int64) << (8 * (index - 1)) for index in range(1, 5)]
    sites = segment.start + at
    targets = sites + 5 + _signed(parts[0] | parts[1] | parts[2] | parts[3], 32)
    return _calls(sites, targets, raw[at] == 0xE8)


def _mips(segment: Segment, big: bool) -> set[int]:
    """Targets of `bal` and `jal`, and places that make the global pointer out of their own address in t9."""
    words = _words(segment, 4, big)
    places = segment.start + 4 * np.arange(len(words))
    near = np.flatnonzero(words >> 16 == 0x0411)
    far = np.flatnonzero(words >> 26 == 3)
    out = set((places[near] + 4 + 4 * _signed(words[near], 16)).tolist())
    out |= set((places[far] + 4 & ~0xFFFFFFF | (words[far] & 0x3FFFFFF) << 2).tolist())
    made = np.flatnonzero(
        (words[:-2] >> 16 == 0x3C1C) & (words[1:-1] >> 16 == 0x279C) & (words[2:] == 0x0399E021)  # lui, addiu, addu t9
    )
    return out | set(places[made].tolist())
