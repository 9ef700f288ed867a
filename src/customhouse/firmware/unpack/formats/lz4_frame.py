"""LZ4: the frame format, and the legacy one of Linux kernels. Source: lz4_Frame_format.md."""

import struct

import lz4.block  # type: ignore[import-untyped]  # it ships no types
import lz4.frame  # type: ignore[import-untyped]

from ..format import Magic, Malformed, Window
from ..streams import Decoder, StreamFormat

_LEGACY = b"\x02\x21\x4c\x18"
_LEGACY_BLOCK = 8 << 20
_LARGEST_BLOCK = _LEGACY_BLOCK + _LEGACY_BLOCK // 255 + 16


class Lz4(StreamFormat):
    name = "lz4"
    title = "LZ4 frame, current and legacy"
    magics = (Magic(0, b"\x04\x22\x4d\x18"), Magic(0, _LEGACY))
    errors = (RuntimeError, EOFError, ValueError)
    header = 11

    def decoder(self, data: Window) -> Decoder:
        if data.read(0, 4) == _LEGACY:
            return _Legacy()
        decoder: Decoder = lz4.frame.LZ4FrameDecompressor()
        return decoder


class _Legacy:
    """Blocks of up to 8 MiB, each with its compressed size in front; the stream ends where no block can start."""

    def __init__(self) -> None:
        self._waiting = b""
        self._started = False
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes) -> bytes:
        self._waiting += data
        if not self._started and len(self._waiting) >= 4:
            self._waiting, self._started = self._waiting[4:], True
        made = []
        while len(self._waiting) >= 4 and not self.eof:
            [size] = struct.unpack_from("<I", self._waiting)
            if not 0 < size <= _LARGEST_BLOCK:
                self.eof, self.unused_data = True, self._waiting
            elif len(self._waiting) < 4 + size:
                break
            else:
                made.append(self._block(self._waiting[4 : 4 + size]))
                self._waiting = self._waiting[4 + size :]
        return b"".join(made)

    @property
    def between_blocks(self) -> bool:
        """The stream has no end mark: it may end here."""
        return self._started and not self._waiting

    @staticmethod
    def _block(data: bytes) -> bytes:
        try:
            return bytes(lz4.block.decompress(data, uncompressed_size=_LEGACY_BLOCK))
        except (lz4.block.LZ4BlockError, ValueError) as trouble:
            raise Malformed(f"lz4: {trouble}") from trouble
