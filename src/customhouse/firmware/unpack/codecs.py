"""Block decompression, the vendors' dialects included.

Makers of devices changed LZMA in every way that saves bytes or hinders tools: no header, a five-byte header without
a size, unusual lc/lp/pb, properties behind some bytes of their own, xz under another magic. `Blocks` learns from the
first block that decodes which way an image goes and tries that way first from then on.

Sources: LZMA SDK (lzma-specification.txt), the .xz file format, squashfs-tools, Python's `lzma`.
"""

import lzma
import zlib
from collections.abc import Callable, Iterator

import lz4.block  # type: ignore[import-untyped]  # it ships no types
import lzallright
import zstandard

from .format import Malformed

Decode = Callable[[bytes, int], bytes]
"""Compressed bytes and the most that may come out -> what came out. Raises `Malformed`."""

_XZ_MAGIC = b"\xfd7zXZ\x00"
_DICTIONARY = 1 << 23
_LZMA_MEMORY = 1 << 28
_HEADER_OFFSETS = (0, 1, 4, 5, 8, 9, 10, 12, 13, 2, 3, 6, 7, 11, 14, 15, 16, 17)
_PROPERTY_CHOICES = 9 * 5 * 5


def inflate(data: bytes, limit: int) -> bytes:
    """zlib, or bare deflate where the vendor left the header out."""
    for window_bits in (15, -15):
        try:
            decoder = zlib.decompressobj(window_bits)
            made = decoder.decompress(data, limit)
            if decoder.eof:
                return made
        except zlib.error:
            continue
    raise Malformed("deflate stream is damaged")


def unxz(data: bytes, limit: int) -> bytes:
    """xz with any filters (BCJ included), also under a foreign magic."""
    if not data.startswith(_XZ_MAGIC):
        data = _XZ_MAGIC + data[6:]
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY).decompress(data, limit)
    except lzma.LZMAError as trouble:
        raise Malformed(f"xz: {trouble}") from trouble


def unlzma_alone(data: bytes, limit: int) -> bytes:
    """LZMA with its 13-byte header."""
    if len(data) < 14 or data[0] >= _PROPERTY_CHOICES:
        raise Malformed("no LZMA header")
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY).decompress(data, limit)
    except lzma.LZMAError as trouble:
        raise Malformed(f"lzma: {trouble}") from trouble


def raw_filters(properties: int) -> list[dict[str, int]]:
    """The filter chain of a bare LZMA1 stream; `properties` is (pb * 5 + lp) * 9 + lc."""
    position_bits, rest = divmod(properties, 45)
    literal_position, context = divmod(rest, 9)
    if context + literal_position > 4 or position_bits > 4:
        raise Malformed(f"LZMA properties {properties:#x} are impossible")
    bits = {"lc": context, "lp": literal_position, "pb": position_bits}
    return [{"id": lzma.FILTER_LZMA1, "dict_size": _DICTIONARY, **bits}]


def unlzma_raw(data: bytes, limit: int, properties: int) -> bytes:
    """A bare LZMA1 stream; see `raw_filters` for `properties`."""
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=raw_filters(properties))
        return decoder.decompress(data, limit)
    except (lzma.LZMAError, ValueError) as trouble:
        raise Malformed(f"lzma: {trouble}") from trouble


def unlzo(data: bytes, limit: int) -> bytes:
    try:
        return lzallright.LZOCompressor.decompress(data, output_size_hint=limit)[:limit]
    except (lzallright.LZOError, ValueError) as trouble:
        raise Malformed(f"lzo: {trouble}") from trouble


def unlz4(data: bytes, limit: int) -> bytes:
    try:
        return bytes(lz4.block.decompress(data, uncompressed_size=limit))
    except (lz4.block.LZ4BlockError, ValueError, OverflowError) as trouble:
        raise Malformed(f"lz4: {trouble}") from trouble


def unzstd(data: bytes, limit: int) -> bytes:
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as reader:
            return reader.read(limit)
    except zstandard.ZstdError as trouble:
        raise Malformed(f"zstd: {trouble}") from trouble


def _raw_at(offset: int, properties: int) -> Decode:
    return lambda data, limit: unlzma_raw(data[offset:], limit, properties)


def _raw_with_properties_at(header: int, offset: int) -> Decode:
    def decode(data: bytes, limit: int) -> bytes:
        if len(data) <= offset or data[header] >= _PROPERTY_CHOICES:
            raise Malformed("no LZMA properties there")
        return unlzma_raw(data[offset:], limit, data[header])

    return decode


def lzma_ways() -> Iterator[tuple[str, Decode]]:
    """Every dialect of LZMA, the likely ones first."""
    yield "lzma", unlzma_alone
    yield "lzma (5-byte header)", _raw_with_properties_at(0, 5)
    yield "lzma (no header)", _raw_at(0, 93)
    yield "xz", unxz
    for start in _HEADER_OFFSETS:
        for header in range(min(start, 5)):
            yield f"lzma (properties at {header}, stream at {start})", _raw_with_properties_at(header, start)
    for start in _HEADER_OFFSETS:
        for properties in range(_PROPERTY_CHOICES):
            yield f"lzma (no header, properties {properties:#x}, stream at {start})", _raw_at(start, properties)


PLAIN: dict[str, Decode] = {
    "gzip": inflate,
    "xz": unxz,
    "lzo": unlzo,
    "lz4": unlz4,
    "zstd": unzstd,
}


def all_ways(declared: str) -> Iterator[tuple[str, Decode]]:
    """The declared compressor, then everything else that vendors have put under its number."""
    if declared in PLAIN:
        yield declared, PLAIN[declared]
    yield from ((name, way) for name, way in PLAIN.items() if name != declared and name in ("gzip", "xz"))
    yield from lzma_ways()
    yield from ((name, way) for name, way in PLAIN.items() if name != declared and name not in ("gzip", "xz"))


class Blocks:
    """Decodes the blocks of one image; remembers what worked.

    `judge` looks at the first decoded block and says whether it can be right: a bare LZMA stream with the wrong
    properties often decodes to noise without an error.
    """

    def __init__(self, declared: str, first: bytes, limit: int, judge: Callable[[bytes], bool]) -> None:
        self.name = declared
        self._way: Decode | None = None
        for name, way in all_ways(declared):
            try:
                made = way(first, limit)
            except Malformed:
                continue
            if made and judge(made):
                self.name, self._way = name, way
                return

    @property
    def known(self) -> bool:
        """Whether any way was found."""
        return self._way is not None

    def decode(self, data: bytes, limit: int) -> bytes:
        """At most `limit` bytes; `Malformed` when the block is damaged."""
        if self._way is None:
            raise Malformed(f"no known compressor opens this (declared {self.name})")
        try:
            return self._way(data, limit)
        except Malformed:
            if self.name.startswith("lzma") and data[:6] == _XZ_MAGIC:
                return unxz(data, limit)
            raise
