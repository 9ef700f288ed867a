"""Functions that call a command sink or receive, found by a sweep over the code instead of by following calls.

A handler that is only handed to a library is reached by no call. One look at the code finds the callers, and they are
read first: a program whose reading is cut still tells its commands, and what is done with what it hears. On MIPS each
call of an import loads its cell of the global offset table; elsewhere calls go to stubs.
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
_LEVELS = 3


def callers(code: Code, names: Collection[str], starts: Collection[int]) -> list[int]:
    """Starts of functions that call one of the imports. `starts` are functions that are known without looking."""
    image = code.image
    if not image.import_address.keys() & set(names):
        return []
    return _by_cells(image, names) if image.architecture == "mips" else _by_stubs(code, names, starts)


def towards(code: Code, names: Collection[str], starts: Collection[int]) -> list[int]:
    """Callers of the imports, then what calls those, and so on: the nearest first. On MIPS only the callers."""
    out = dict.fromkeys(callers(code, names, starts))
    if code.image.architecture == "mips":
        return list(out)
    known = _starts(code, starts)
    newest = set(out)
    for _ in range(_LEVELS):
        above = _around(code, [site for site, target, _ in code.direct_calls() if target in newest], known)
        newest = set(above) - set(out)
        out.update(dict.fromkeys(above))
    return list(out)


def _by_stubs(code: Code, names: Collection[str], starts: Collection[int]) -> list[int]:
    calls = code.direct_calls()
    stubs = {one for one in {call[1] for call in calls} if code.may_be_stub(one) and code.name(one) in names}
    return _around(code, [site for site, target, _ in calls if target in stubs], _starts(code, starts))


def _around(code: Code, sites: Collection[int], known: Collection[int]) -> list[int]:
    """The functions that sites lie in."""
    arm = code.image.architecture == "arm"
    return [one for one, inside in heads(sites, known, arm).items() if _holds(code, one, inside)][:_MOST]


def _starts(code: Code, starts: Collection[int]) -> set[int]:
    """All that may be the start of a function."""
    image = code.image
    targets = {target for _, target, returns in code.direct_calls() if returns}
    known = {one for one in targets if not code.may_be_stub(one) or code.name(one) is None} | set(starts)
    if image.architecture in ("x86_64", "i386"):
        known = {one for one in known if may_start(image, one)}
    return known | {one for one in image.pointers if image.executable(image.even(one))}


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
