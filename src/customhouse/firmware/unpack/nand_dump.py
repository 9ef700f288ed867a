"""Dumps of raw NAND flash with the spare area behind every page.

A chip reader gives each page together with its spare bytes (bad-block mark and error correction), which cut through
whatever lies in the pages. There is no header; what tells such a dump is that behind every written page, at one and the
same distance, stand the two 0xFF of a good block. Error correction is not applied: the pages are taken as they are.

Source: ONFI specification (page and spare sizes), Linux drivers/mtd/nand/raw (place of the bad-block mark).
"""

import msgspec

from .format import DONE, Ending, Extent, Format, Meta, TreeWriter, Window

_LAYOUTS = (
    (2048, 64), (2048, 128), (2048, 112), (4096, 128), (4096, 224), (4096, 256), (8192, 256), (8192, 448), (8192, 640),
    (512, 16),
)  # fmt: skip
_BLOCK_PAGES = 32
_WRITTEN_FEWEST = 32
_SAMPLED = 4096
_GOOD = 0.98


class Layout(msgspec.Struct, frozen=True):
    """Bytes of one page and of the spare area behind it."""

    page: int
    spare: int


def nand_layout(data: memoryview) -> Layout | None:
    """How the dump is laid out, or None when this is no dump with spare areas."""
    for page, spare in _LAYOUTS:
        if len(data) % ((page + spare) * _BLOCK_PAGES) == 0 and _marks_stand(data, page, spare):
            return Layout(page, spare)
    return None


def _marks_stand(data: memoryview, page: int, spare: int) -> bool:
    """Behind written pages the mark of a good block stands, and the rest of the spare area is used."""
    stride = page + spare
    count = len(data) // stride
    written = good = used = 0
    blank = b"\xff" * page
    blank_rest = b"\xff" * (spare - 2)
    for number in range(0, count, max(1, count // _SAMPLED)):
        start = number * stride
        if data[start : start + page] == blank:
            continue
        written += 1
        behind = bytes(data[start + page : start + stride])
        good += behind[:2] == b"\xff\xff" or (page == 512 and behind[5] == 0xFF)
        used += behind[2:] != blank_rest
    return written >= _WRITTEN_FEWEST and good >= _GOOD * written and used * 2 >= written


class NandDump(Format):
    """One dump that was found; made for it, not registered, since it has no magic to be found by."""

    name = "nand-dump"
    title = "dump of NAND flash with spare areas"
    magics = ()
    carries = True

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def _probe(self, data: Window) -> Extent | None:
        return Extent(size=data.size)

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        page, stride = self._layout.page, self._layout.page + self._layout.spare
        tree.say("page", f"{page} bytes and {self._layout.spare} spare")
        view = data.view()
        tree.file(b"pages", (view[at : at + page] for at in range(0, len(view), stride)), Meta())
        return DONE
