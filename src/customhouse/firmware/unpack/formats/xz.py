"""xz: one compressed stream with any filters. Source: The .xz File Format 1.2."""

import lzma

from ..format import Magic, Window
from ..streams import Decoder, StreamFormat

_MEMORY = 1 << 28


class Xz(StreamFormat):
    name = "xz"
    title = "xz stream, BCJ filters included"
    magics = (Magic(0, b"\xfd7zXZ\x00\x00"),)
    errors = (lzma.LZMAError, EOFError)
    header = 24

    def decoder(self, data: Window) -> Decoder:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
