"""Bzip2: one compressed stream. Source: the bzip2 manual."""

import bz2

from ..format import Magic, Window
from ..streams import Decoder, StreamFormat


class Bzip2(StreamFormat):
    name = "bzip2"
    title = "bzip2 stream"
    magics = (Magic(0, rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", regex=True),)
    errors = (OSError, EOFError, ValueError)
    header = 14

    def decoder(self, data: Window) -> Decoder:
        return bz2.BZ2Decompressor()
