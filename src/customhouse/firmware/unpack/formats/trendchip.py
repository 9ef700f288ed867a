"""The header that Trendchip/EcoNet xDSL firmware carries (`2RDH`).

Source: `struct trx_header` of OpenWrt: magic, header length, total length, CRC-32, version text, big-endian.
"""

from ..format import DONE, Ending, Extent, Format, Magic, Meta, TreeWriter, Window

_SMALLEST, _LARGEST = 0x40, 0x400


class Trendchip(Format):
    name = "trendchip-header"
    title = "Trendchip/EcoNet firmware header (2RDH)"
    final = True
    magics = (Magic(0, b"2RDH\x00\x00"),)
    limits = "the checksum is not verified"

    def _probe(self, data: Window) -> Extent | None:
        header, total = data.unpack(">2I", 4)
        if not _SMALLEST <= header <= _LARGEST or header % 4 or total < header:
            return None
        return Extent(size=header, detail={"length": str(total)})

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        tree.file(b"header", (data.view(),), Meta())
        return DONE
