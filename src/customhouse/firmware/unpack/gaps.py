"""What to say of bytes that no format claimed: padding, text, data, or something that looks encrypted."""

import re
from collections.abc import Iterator

import msgspec
import numpy as np

from customhouse.model import Outcome

PADDING = "padding"
_RUN = re.compile(rb"\x00{1024,}|\xff{1024,}|\A(?:\x00{4,}|\xff{4,})|(?:\x00{16,}|\xff{16,})\Z")
ENOUGH = 4096
DENSE = 7.5
_CHI_SQUARE_RANGE = (180.0, 340.0)
"""Of 255 degrees of freedom: random bytes stay within in all but one of a thousand cases, packed data goes beyond."""
_SAMPLE = 1 << 22
_TEXT_ENOUGH = 64
_END_MARK = b"\xde\xad\xc0\xde"


class Gap(msgspec.Struct, frozen=True):
    """A run of unclaimed bytes, offsets relative to the content."""

    start: int
    end: int
    kind: str
    outcome: Outcome
    detail: str = ""
    entropy: float | None = None


def entropy(data: bytes | memoryview) -> float:
    """Shannon entropy in bits per byte."""
    if not len(data):
        return 0.0
    counts = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    shares = counts[counts > 0] / len(data)
    return float(-(shares * np.log2(shares)).sum())


def chi_square(data: bytes | memoryview) -> float:
    """Distance from an even spread of byte values; about 255 for random bytes."""
    counts = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    expected = len(data) / 256
    return float((((counts - expected) ** 2) / expected).sum())


def describe(data: memoryview, start: int, end: int) -> Iterator[Gap]:
    """Cut the bytes between `start` and `end` into padding and the rest, and describe the rest."""
    at = start
    for run in _RUN.finditer(data[start:end]):
        first, last = start + run.start(), start + run.end()
        if first > at:
            yield from _rest(data, at, first)
        yield Gap(first, last, PADDING, Outcome.DONE, f"bytes {data[first]:02x}")
        at = last
    if at < end:
        yield from _rest(data, at, end)


def _rest(data: memoryview, start: int, end: int) -> Iterator[Gap]:
    if end - start < 64 and len(set(data[start:end])) == 1 and data[start] in (0, 0xFF):
        yield Gap(start, end, PADDING, Outcome.DONE, f"bytes {data[start]:02x}")
        return
    if bytes(data[start : min(end, start + 5)]) == _END_MARK:
        yield Gap(start, end, PADDING, Outcome.DONE, "OpenWrt's mark for the end of a file system")
        return
    kind, outcome, detail, bits = judge(data[start:end])
    yield Gap(start, end, kind, outcome, detail, bits)


def is_text(data: bytes | memoryview) -> bool:
    """Nearly all printable ASCII; the zero bytes between the settings of a boot loader are let pass."""
    counts = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    printable = counts[0x20:0x7F].sum() + counts[9] + counts[10] + counts[13]
    return bool(printable + counts[0] >= 0.98 * len(data) and printable >= 0.8 * len(data))


def judge(data: memoryview) -> tuple[str, Outcome, str, float]:
    """Kind, outcome, reason and entropy of bytes without a format."""
    sample = data[:_SAMPLE]
    bits = round(entropy(sample), 3)
    if len(data) >= _TEXT_ENOUGH and is_text(sample):
        return "text", Outcome.DONE, "readable text", bits
    if len(data) < ENOUGH or bits < DENSE:
        return "unknown", Outcome.UNKNOWN, "no format known here starts in these bytes", bits
    low, high = _CHI_SQUARE_RANGE
    if low <= chi_square(sample) <= high:
        return "encrypted", Outcome.ENCRYPTED, "no structure, and spread as evenly as random bytes", bits
    return "unknown", Outcome.UNKNOWN, "dense without a known structure: encrypted, or packed in an unknown way", bits
