"""Zstandard: one compressed frame. Source: RFC 8878."""

import zstandard

from ..format import Magic, Window
from ..streams import Decoder, StreamFormat


class Zstandard(StreamFormat):
    name = "zstd"
    title = "Zstandard frame"
    magics = (Magic(0, b"\x28\xb5\x2f\xfd"),)
    errors = (zstandard.ZstdError,)
    header = 9

    def decoder(self, data: Window) -> Decoder:
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
