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
