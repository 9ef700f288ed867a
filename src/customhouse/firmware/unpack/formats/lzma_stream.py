"""LZMA with its 13-byte header (`.lzma`), as kernels and boot loaders are packed. Source: lzma-specification.txt.

The header has no magic, so the pattern asks for all that holds of real ones: properties below 225, a dictionary that
is a power of two or one and a half of it, a size below 256 MiB or unknown, and the zero byte that every range coder
starts with.
"""

import lzma

from ..format import Magic, Window
from ..streams import Decoder, StreamFormat

_MEMORY = 1 << 28
_SMALLEST_CONTENT = 1024
_DISTINCT = 32
"""Coded bytes look random from the start, even those of zeros; a run of equal bytes decodes, but nobody packed it."""


class LzmaStream(StreamFormat):
    name = "lzma"
    title = "LZMA stream with 13-byte header"
    magics = (
        Magic(
            0,
            rb"[\x00-\xe0]\x00(?:\x00[\x01-\x04\x06\x08\x0c\x10\x18\x20\x30\x40\x60\x80\xc0]\x00|\x00\x00[\x01-\x04\x06\x08]"
            rb"|[\x10\x20\x40\x80]\x00\x00)(?:.{3}[\x00-\x0f]\x00{4}|\xff{8})\x00",
            regex=True,
        ),
    )
    errors = (lzma.LZMAError, EOFError)
    header = 256

    def plausible(self, data: Window) -> bool:
        [declared] = data.unpack("<Q", 5)
        return declared >= _SMALLEST_CONTENT and len(set(data.read(13, 64))) >= _DISTINCT

    def decoder(self, data: Window) -> Decoder:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY)
