"""How large the things are that pointers point to: as much as can be known of them from outside.

A frame's buffers lie between the places where texts begin; a place inside of what another write of known size covers
is no beginning. A global ends where the next one begins that is written or read as a thing of its own. An allocation
has the size that was asked for, when that is a constant.
"""

import bisect
from typing import TYPE_CHECKING

from .terms import GLOBAL, HEAP, LOAD, RESULT, STACK, Location

if TYPE_CHECKING:
    from .whole import Whole

OWN = 16
"""A buffer at least this large, known by what is written to it, is one of its own."""
_FIELD, HEADER = 4, 32
"""A write that begins closer to a buffer's start, or unaligned and not much further on, is one inside of it."""
_COUNTS = frozenset(("read", "recv", "recvfrom", "recvmsg", "strlen", "strnlen", "snprintf", "sprintf", "fread"))
"""Calls that give a number, of bytes or letters."""
_APART = 8
"""Globals that begin closer than this to a buffer's start are rather a place inside of it."""


class Extents:
    """Sizes of frames' buffers, globals and allocations of one program."""

    def __init__(self, whole: "Whole") -> None:
        self.whole = whole
        self.terms = whole.terms
        self.store = whole.store
        self.sizes: dict[int, set[int | None]] = {}
        for event in whole.events:
            if event[0] == "alloc":
                self.sizes.setdefault(event[1], set()).add(self.terms.value(event[2]))
        self._globals: list[int] | None = None
        self._filled: dict[int, dict[int, set[int]]] | None = None
        self._covers: list[tuple[int, int]] = []

    def room(self, target: int, own: int | None = None, told: bool = False) -> int | None:
        """Bytes from where the pointer points to the end of what it points into; None when not known. Of a pointer
        somewhere into a buffer the whole buffer counts. `own` is the length of the copy that asks: what it writes
        itself tells nothing of the buffer. `told` when the program itself tells the length as a constant: it is right
        unless what follows is surely a buffer of its own. Scopes may share their places in a frame.
        """
        rooms = [self.at(place, own, told) for place in self.targets(target)]
        if not rooms or any(one is None for one in rooms):
            return None
        return max(one for one in rooms if one is not None)

    def exact(self, target: int) -> int | None:
        """The room where it is the same for all that the pointer may point to; None otherwise."""
        rooms = {self.at(place) for place in self.targets(target)}
        return rooms.pop() if len(rooms) == 1 else None

    def row(self, target: int) -> int | None:
        """The same for a text that is written, where that may be a row of a table: it may not pass the row's length."""
        places = self.targets(target)
        rows = {one: one[2] for one in places if one[0] == GLOBAL and one[2] >= OWN}
        begin = min((one[1] for one in rows), default=0)
        # a loop's first rounds stand in front of it: those rows are named by themselves
        others = [one for one in places if one not in rows and not (rows and one[0] == GLOBAL and one[1] >= begin)]
        known = [one for one in (*rows.values(), *map(self.at, others)) if one is not None]
        return max(known) if rows and len(known) == len(rows) + len(others) else self.room(target)

    def targets(self, pointer: int) -> list[Location]:
        """The places that a pointer leads to; what is no pointer yet is no target either. A number that is added to the
        address of a global leads somewhere into that.
        """
        places = (self._indexed(*one) for one in self.store.points(pointer))
        return [one for one in places if one[0] != GLOBAL or self._is_address(one[1])]

    def _indexed(self, root: int, offset: int, stride: int) -> Location:
        counted = self.terms.nodes[root][0] == RESULT and self.terms.nodes[root][2] in _COUNTS
        return (GLOBAL, offset, 1) if counted and self._is_address(offset) else (root, offset, stride)

    def fixed(self, pointer: int) -> bool:
        """Whether it can only point to constant text."""
        places = self.store.points(pointer)
        return bool(places) and all(map(self.is_constant, places))

    def is_constant(self, place: Location) -> bool:
        """Whether nothing is written at a place: constant data, or an address at which the program has nothing."""
        root, off, _ = place
        image = self.whole.image
        return root == GLOBAL and (off < self.terms.floor or image.segment(off) is None or image.constant(off))

    def _is_address(self, number: int) -> bool:
        return number >= self.terms.data and self.whole.image.segment(number) is not None

    def at(self, place: Location, own: int | None = None, told: bool = False) -> int | None:
        """The same for one place."""
        root, offset, stride = place
        kind = self.terms.nodes[root][0]
        if root == GLOBAL:
            return None if told else self._row(offset, stride, own) if stride > 1 else self._global(offset, own)
        if kind == STACK:
            return self._frame(root, offset, own, told)
        if kind == HEAP:
            size = self.size(root)
            return size - offset if size is not None else None
        return None

    def size(self, heap: int) -> int | None:
        """The size of an allocation; None when it is not a constant."""
        sizes = self.sizes.get(self._origin(heap), {None})
        size = max((one for one in sizes if one is not None), default=0)
        return size if None not in sizes and 0 < size < 1 << 20 else None

    def _origin(self, heap: int) -> int:
        """An object made by a call is as large as what the called function asked for."""
        site = self.terms.nodes[heap][1]
        while isinstance(site, tuple):
            site = site[1]
        return self.terms.make((HEAP, site))

    def _frame(self, root: int, offset: int, own: int | None, told: bool) -> int | None:
        if offset >= 0:
            return None
        if own and (offset, own) in self.whole.objects.get(root, ()):
            return own
        starts = self._starts(root)
        covers = [
            (start, start + size)
            for start, sizes in starts.items()
            for size in sizes
            if size and not (start == offset and size == own)
        ]
        end = self._kept(root, offset)
        for start in sorted(starts):
            if start <= offset or start >= 0 or is_field(offset, start):
                continue
            if told and (start < offset + OWN or not self._apart(start, starts)):
                continue
            if not any(low <= offset and start < high for low, high in covers):
                end = start
                break
        room = end - offset
        # nobody reads 4095 bytes into 4040 by mistake: such a neighbour has its place at another time
        return min(room * 3 // 2, -offset) if told else room

    def _starts(self, root: int) -> dict[int, set[int]]:
        """Where buffers of a frame begin, and how many bytes are written there: as the function itself knows it, and
        else by others that are told how large the buffer is.
        """
        if self._filled is None:
            self._filled = {}
            for event in self.whole.events:
                size = self.terms.value(event[6]) if event[0] == "over" and event[6] != -1 else None
                if size is None or not OWN <= size < 1 << 20:
                    continue
                for base, offset, stride in self.store.points(event[3]):
                    if not stride and base != GLOBAL and self.terms.nodes[base][0] == STACK:
                        self._filled.setdefault(base, {}).setdefault(offset, set()).add(size)
        own, filled = self.whole.buffers.get(root, {}), self._filled.get(root, {})
        return {**filled, **own}

    def _kept(self, root: int, offset: int) -> int:
        """Where the registers that the function keeps for its caller begin, at the top of the frame and above a buffer:
        on another way, into a function that this one goes on with, they may lie where it does.
        """
        saved, end = self.whole.saved.get(root, ()), 0
        while end - self.terms.word in saved and end - self.terms.word > offset:
            end -= self.terms.word
        return end

    def _apart(self, start: int, starts: dict[int, set[int]]) -> bool:
        """Whether a buffer is surely one of its own: large, and no other begins inside of it."""
        size = max(starts[start])
        inside = [other for other in starts if start < other < start + size and max(starts[other]) >= OWN]
        return size >= OWN and not inside

    def _global(self, address: int, own: int | None) -> int | None:
        segment = self.whole.image.segment(address)
        if segment is None or self.whole.image.constant(address):
            return None
        if self._globals is None:
            self._globals = self._beginnings()
            texts = self.store.texts.get(GLOBAL, {})
            self._covers = [(at, at + content.extent) for at, step, content in texts if content.extent and not step]
        covers = [one for one in self._covers if one[0] <= address and one != (address, address + (own or 0))]
        for start in self._globals[bisect.bisect_left(self._globals, address + _APART) :]:
            if not any(start < high for _low, high in covers):
                return min(start, segment.end) - address
        return segment.end - address

    def _row(self, address: int, stride: int, own: int | None) -> int | None:
        """From a place in the first row of a table to its end: what begins in that row are rather its fields."""
        rest = self._global(address + stride, own)
        return stride if rest is None else stride + rest

    def _beginnings(self) -> list[int]:
        """Addresses that the code names and that are written as texts, or as numbers of more than a byte."""
        found = {at for at, step, _content in self.store.texts.get(GLOBAL, ()) if not step}
        words = [event for event in self.whole.events if event[0] == "word" and event[1] == GLOBAL and event[4] > 1]
        goes_on = set[int]()
        for _, _root, at, step, size, value in words:
            if not step and self.is_piece(value, size):
                goes_on.update(range(at + 1, at + size + 1))
        constant = {at for at, _step, content in self.store.texts.get(GLOBAL, ()) if not content.deps}
        found -= constant & goes_on
        for _, _root, at, _step, size, value in words:
            if not self._cleared(value) and not (at in goes_on and self.is_piece(value, size, ended=True)):
                found.add(at)
        return sorted(found & set(self.whole.references))

    def _cleared(self, value: int) -> bool:
        """Zeroes, and words that were read as they are, are written in the middle of buffers too."""
        return all(self.terms.value(one) == 0 or self.terms.nodes[one][0] == LOAD for one in self.terms.flat(value))

    def is_piece(self, value: int, size: int, ended: bool = False) -> bool:
        """Whether a word is a piece of a constant string that goes on behind it, or with `ended` may end in it:
        `strcpy(host, "time.windows.com")` after the compiler.
        """
        parts = [one for one in self.terms.flat(value) if self.terms.nodes[one][0] != LOAD]
        for number in map(self.terms.value, parts):
            if number is None:
                return False
            raw = (number & ((1 << (8 * size)) - 1)).to_bytes(size, "big" if self.whole.image.big else "little")
            text = raw.rstrip(b"\0") if ended else raw
            if not text or not all(32 <= one < 127 for one in text):
                return False
        return bool(parts)


def is_field(offset: int, start: int) -> bool:
    """Whether what is written behind the start of a buffer is rather a field of a packet that is made there."""
    return start < offset + _FIELD or (bool(start & 3) and start < offset + HEADER)
