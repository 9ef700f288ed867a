"""Kernels packed with LZMA under no header that anyone knows.

Makers strip the 13-byte header, shorten it, or put fields of their own before the stream. What cannot be changed is the
stream: it starts with a zero byte, and with the wrong properties it soon breaks. So in dense bytes that no format
claimed, streams are sought by trying to decode, and believed when they decode far and grow.
"""

import lzma
from collections.abc import Iterator

import msgspec

from customhouse.model import Outcome

from .codecs import raw_filters
from .format import DONE, Ending, Extent, Format, Malformed, Meta, TreeWriter, Window

_USUAL = (0x5D, 0x6D, 0x6E, 0x5A, 0x00)
_SEARCHED = 1 << 14
_TRIED, _GROWN = 1 << 15, 40 << 10
_PIECE = 1 << 16
_DISTINCT = 32


class Bare(msgspec.Struct, frozen=True):
    """Where a stream starts and with which properties it decodes."""

    start: int
    properties: int


def find_bare_lzma(data: memoryview) -> Bare | None:
    """The first stream that starts in the first 16 KiB of `data`."""
    head = bytes(data[:_SEARCHED])
    at = head.find(0)
    while at >= 0:
        sample = bytes(data[at : at + _TRIED])
        varied = len(sample) == _TRIED and len(set(sample[:64])) >= _DISTINCT  # runs of zeros decode too
        for properties in _candidates(head, at) if varied else ():
            if _decodes(sample, properties):
                return Bare(at, properties)
        at = head.find(0, at + 1)
    return None


def _candidates(head: bytes, at: int) -> tuple[int, ...]:
    """The usual properties, and the byte where a short header would have them."""
    said = tuple(head[at - back] for back in (5, 9, 13) if at >= back and head[at - back] < 225)
    return tuple(dict.fromkeys((*said, *_USUAL)))


def _decodes(sample: bytes, properties: int) -> bool:
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=raw_filters(properties))
        return len(decoder.decompress(sample, _GROWN)) >= _GROWN
    except (lzma.LZMAError, Malformed):
        return False


class BareLzma(Format):
    """One stream that was found; made for it, not registered, since it has no magic to be found by."""

    name = "lzma-bare"
    title = "LZMA stream without a header"
    magics = ()
    carries = True

    def __init__(self, properties: int) -> None:
        self._properties = properties

    def _probe(self, data: Window) -> Extent | None:
        return Extent(size=data.size)

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        tree.say("properties", f"{self._properties:#x}")
        marked: list[bool] = []
        tree.file(b"content", self._pieces(data, marked), Meta())
        return DONE if marked else Ending(Outcome.PARTIAL, "a stream without a header; where it ends is not marked")

    def _pieces(self, data: Window, marked: list[bool]) -> Iterator[bytes]:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=raw_filters(self._properties))
        for at in range(0, data.size, _PIECE):
            try:
                yield decoder.decompress(data.read(at, _PIECE))
            except lzma.LZMAError:
                return  # behind the end of the stream the rest is something else
            if decoder.eof:
                marked.append(True)
                return
