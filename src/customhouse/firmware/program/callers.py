"""Functions that call a command sink, found by a sweep over the code instead of by following calls.

A handler that is only handed to a library is reached by no call. One look at the code finds the callers, and they are
read first: a program whose reading is cut still tells its commands. On MIPS each call of an import loads its cell of
the global offset table; elsewhere calls go to stubs.
"""

import re
import struct
from collections.abc import Collection

from .code import Code
from .elf import Image, Segment
from .sweep import heads, may_start

_LOAD_TARGET = 0x8F99  # lw t9, offset(gp)
_SET_GLOBAL = 0x3C1C  # lui gp, high
_OPEN_FRAME = 0x27BD  # addiu sp, sp, -size
_LONGEST = 1 << 14  # bytes from a call back to the head of its function
_MOST = 200


def callers(code: Code, names: Collection[str], starts: Collection[int]) -> list[int]:
    """Starts of functions that call one of the imports. `starts` are functions that are known without looking."""
    image = code.image
    if not image.import_address.keys() & set(names):
        return []
    return _by_cells(image, names) if image.architecture == "mips" else _by_stubs(code, names, starts)


def _by_stubs(code: Code, names: Collection[str], starts: Collection[int]) -> list[int]:
    image = code.image
    arm = image.architecture == "arm"
    calls = code.direct_calls()
    stubs = {one: code.name(one) for one in {call[1] for call in calls} if code.may_be_stub(one)}
    sites = [site for site, target, _ in calls if stubs.get(target) in names]
    known = {target for _, target, returns in calls if returns and stubs.get(target) is None} | set(starts)
    if image.architecture in ("x86_64", "i386"):
        known = {one for one in known if may_start(image, one)}
    known |= {one for one in image.pointers if image.executable(one & ~1 if arm else one)}
    return [one for one, inside in heads(sites, known, arm).items() if _holds(code, one, inside)][:_MOST]


def _holds(code: Code, start: int, sites: Collection[int]) -> bool:
    """Whether following the code from the start comes to one of the sites: a function that nothing calls directly has
    no start that we know, and its sites seem to belong to the one before.
    """
    blocks = code.function(start).blocks.values()
    return any(one.address <= site < one.end for one in blocks for site in sites)


def _by_cells(image: Image, names: Collection[str]) -> list[int]:
    if image.word != 4 or image.gp is None:
        return []
    cells = _cells(image, image.gp, names)
    if not cells:
        return []
    out: dict[int, None] = {}
    order = ">" if image.big else "<"
    choice = b"|".join(re.escape(struct.pack(order + "I", _LOAD_TARGET << 16 | offset)) for offset in cells)
    for segment in image.segments:
        if not segment.executable:
            continue
        for match in re.finditer(choice, bytes(segment.data)):
            start = None if match.start() % 4 else _head(segment, match.start(), order)
            if start is not None and len(out) < _MOST:
                out[start] = None
    return list(out)


def _cells(image: Image, gp: int, names: Collection[str]) -> list[int]:
    """Offsets from the global pointer, as 16 bits, of the cells of the imports."""
    wanted = {image.import_address[name] for name in names if name in image.import_address}
    return [offset & 0xFFFF for offset in range(-0x8000, 0x8000, 4) if image.number(gp + offset, 4) in wanted]


def _head(segment: Segment, at: int, order: str) -> int | None:
    """The nearest place before a call that opens a frame, or sets the global pointer shortly before that."""
    words = struct.Struct(order + "HH")
    for place in range(at, max(at - _LONGEST, -1), -4):
        high, low = _halves(words, segment, place, order)
        if high == _OPEN_FRAME and low >= 0x8000:
            for before in range(place - 4, max(place - 36, -1), -4):
                if _halves(words, segment, before, order)[0] == _SET_GLOBAL:
                    return segment.start + before
            return segment.start + place
    return None


def _halves(words: struct.Struct, segment: Segment, place: int, order: str) -> tuple[int, int]:
    first, second = words.unpack_from(segment.data, place)
    return (first, second) if order == ">" else (second, first)
