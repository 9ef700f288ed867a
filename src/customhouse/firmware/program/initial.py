"""Tables in initialised data: where they end, which pointers and numbers stand in them, and what nobody overwrites."""

import bisect
from typing import TYPE_CHECKING

from .elf import Image
from .nodes import both
from .terms import GLOBAL, Location, Terms
from .views import Kept

if TYPE_CHECKING:
    from .whole import Whole

_MAX_TABLE = 128
_GAP = _MAX_TABLE
"""Entries that a table of functions leaves out, at most: one by the codes of a protocol has those of its makers far
behind the standard's.
"""


class Initial(Kept):
    """What memory holds when the program is loaded."""

    whole: "Whole"
    terms: Terms
    image: Image

    def initial(self, address: int, stride: int, size: int) -> set[Location]:
        """Pointers in initialised data, or the numbers of a constant table; a table is read to its end."""
        word = self.terms.word
        if address < self.terms.floor:
            return set()  # where a null pointer leads is no data
        if not stride:
            return self._pointed(address, size)
        step = stride if stride > 1 else word
        if size != word or step % word:
            return set()
        constant = self.image.constant(address)
        out: set[Location] = set()
        for at in range(address, min(self.table_end(address, step), address + _MAX_TABLE * step), step):
            value = self.image.number(at, size)
            if value is None or (not value and self._is_end(at, step)):
                break
            if value < self.terms.floor and at not in self.image.data_imports:
                if value and not out:
                    return self._numbers(address, step)
                if constant and out and (value or not self._is_gap(at, step)):
                    break
                continue
            if self.image.movable and at not in self.image.places and self.image.executable(value):
                continue  # a number: an address would have been relocated
            if at not in self.image.data_imports and self.image.segment(value) is None and value < 0xF8000000:
                break
            out |= self._pointed(at, size)
        return out

    def _pointed(self, at: int, size: int) -> set[Location]:
        """What a word of initialised data points to."""
        name = self.image.data_imports.get(at)
        if name is not None:
            return {(self.terms.result("data", name), 0, 0)}
        value = self.image.number(at, size)
        return set() if value is None else {(GLOBAL, value, 0)}

    def _numbers(self, address: int, step: int) -> set[Location]:
        """The small numbers in one column of a constant table."""
        out: set[Location] = set()
        for at in range(address, min(self.table_end(address, step), address + _MAX_TABLE * step), step):
            value = self.image.number(at, self.terms.word)
            if value is None or value >= self.terms.floor or at in self.image.places:
                break
            out.add((GLOBAL, value, 0))
        return out

    def _is_end(self, at: int, step: int) -> bool:
        """Whether a word belongs to an entry of nothing but zeros, with which tables end."""
        word = self.terms.word
        if step <= word:
            return False
        around = self.image.bytes_at(at - step + word, 2 * step - word)
        return any(not any(around[start : start + step]) for start in range(0, step, word)) and len(around) >= step

    def table_end(self, address: int, step: int) -> int:
        """The next address that code names behind the first entries of a table. One of its own entries may be named as
        well, where a search begins in the middle.
        """
        references, named = self.whole.references, address + max(self._entries(address, step), 2) * step
        for at in range(bisect.bisect_right(references, named), len(references)):
            if not self._goes_on(address, step, references[at]):
                return references[at]
        return 1 << 62

    def _entries(self, address: int, step: int) -> int:
        """How many entries a table has at least that was written out entry by entry, where a place is in its first one:
        for that they are named.
        """
        tables = self.whole.rows.items()
        return max((rows for (at, one), rows in tables if one == step and abs(address - at) < step), default=0)

    def _goes_on(self, address: int, step: int, named: int) -> bool:
        """Whether what is named is an entry of the table and no other one: it has a function where the others have one,
        and nothing walks from there.
        """
        begin = self.whole.references[max(bisect.bisect_right(self.whole.references, address) - 1, 0)]
        walked = self.whole.walked
        first = bisect.bisect_left(walked, named)
        return (
            (named - begin) % step == 0
            and not (first < len(walked) and walked[first] < named + step)
            and all(self._has_function(one) for one in (address, address + named - begin))
        )

    def _is_gap(self, at: int, step: int) -> bool:
        """Whether a table of functions by number goes on behind an entry that it leaves out."""
        return step == self.terms.word and any(self._has_function(at + step * count) for count in range(1, _GAP))

    def _has_function(self, address: int) -> bool:
        value = self.image.number(address, self.terms.word)
        if value is None or value < self.terms.floor:
            return False
        return self.image.executable(value & ~1 if self.whole.arm else value)

    def kept(self, address: int, step: int, size: int) -> bool:
        """Whether a field of the entries of an array in initialised data is as it was: no store of the program is known
        to go there.
        """
        cells = self.words.get(GLOBAL)
        if not self.whole.references or not any(self.image.bytes_at(address, step)):
            return False
        end = min(self.table_end(address, step), address + step * (self._entries(address, step) or _MAX_TABLE))
        written = [(at, stride) for at, stride, _text in self.texts.get(GLOBAL, ())]
        if cells is not None:
            written += [*((at, 0) for at in cells.exact), *((at, stride) for at, stride, _value in cells.strided)]
        return not any(
            address - step < at < end and (at - address) % (both(stride, step) if stride > 1 else step) < size
            for at, stride in written
        )
