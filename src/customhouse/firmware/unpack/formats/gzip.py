"""Gzip: one compressed file, its name in the header. Source: RFC 1952."""

import zlib

from ..format import Magic, Window
from ..streams import Decoder, StreamFormat

_HAS_NAME = 0x08
_HAS_EXTRA = 0x04


class Gzip(StreamFormat):
    name = "gzip"
    title = "gzip stream"
    magics = (Magic(0, rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]", regex=True),)
    errors = (zlib.error,)
    header = 18

    def decoder(self, data: Window) -> Decoder:
        return zlib.decompressobj(31)

    def about(self, data: Window) -> dict[str, str]:
        created = int.from_bytes(data.read(4, 4), "little")
        return {"created": str(created)} if created else {}

    def entry(self, data: Window) -> bytes:
        flags, at = data.read(3, 1)[0], 10
        if flags & _HAS_EXTRA:
            at += 2 + int.from_bytes(data.read(10, 2), "little")
        if not flags & _HAS_NAME:
            return b"content"
        name = data.read(at, 256).split(b"\0")[0].replace(b"\\", b"/").rsplit(b"/", 1)[-1]
        return name if name not in (b"", b".", b"..") else b"content"
