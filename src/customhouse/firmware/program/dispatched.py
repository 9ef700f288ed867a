"""Words of dispatch tables: `{"ping", show_ping}, {"trace", show_trace}` says which word leads to which handler."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from .terms import BYTE, CONST, GLOBAL, LOAD, RESULT
from .whole import Whole

_COMPARE = frozenset(("strcmp", "strcasecmp", "strncmp", "strncasecmp", "strcoll", "memcmp", "strstr", "strcasestr"))
_WIDEST = 64
"""Words of the widest row that is looked at."""
_LONGEST = 64
Chain = tuple[tuple[int, int], ...]


class Dispatched:
    """The tables of one program. A row is known by its handler, its word by what the program compares."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.terms = whole.terms
        self.image = whole.image
        self._cells = dict[int, set[int]]()
        """Places of pointers to code that are called through a table, by what they point to."""
        self._texts = set[int]()
        """Constant texts that something is compared with, by address."""
        self._columns = set[tuple[int, int, bool]]()
        """(first place, step, whether pointers to texts stand there) of the tables whose words are compared."""
        self._gather()

    def words(self, chain: Chain) -> Iterator[str]:
        """The words of the rows whose handlers are called on the way, the one next to the sink first."""
        for (caller, site), (handler, _) in reversed(list(pairwise(chain))):
            targets = self.whole.called.get((caller, site), {})
            if handler in self.whole.resolved.get((caller, site), ()) or (handler in targets and len(targets) > 1):
                word = next((w for cell in sorted(self._handled(handler)) if (w := self._word(cell))), "")
                if word:
                    yield word

    def _gather(self) -> None:
        for node in self.terms.nodes:
            if node[0] == RESULT and node[2] in _COMPARE:
                for one in node[3][:2]:
                    for leaf in self.terms.flat(one):
                        self._compared(leaf)

    def _compared(self, leaf: int) -> None:
        node = self.terms.nodes[leaf]
        if node[0] == CONST and self.image.constant(node[1]):
            self._texts.add(node[1])
        elif node[0] == BYTE and node[2] == GLOBAL and node[4] and node[5] == self.terms.word:
            self._columns.add((node[3], node[4], True))
        elif node[0] == LOAD and node[1] == GLOBAL and node[3] and node[4] == self.terms.word:
            self._columns.add((node[2], node[3], True))
        else:
            self._columns |= {
                (offset, stride, False)
                for root, offset, stride in self.terms.locate(leaf)
                if root == GLOBAL and stride > self.terms.word and self.image.constant(offset)
            }

    def _handled(self, handler: int) -> set[int]:
        """Where initialised data hold a pointer to the handler."""
        if handler not in self._cells:
            order: Literal["big", "little"] = "big" if self.image.big else "little"
            raw = handler.to_bytes(self.terms.word, order)
            self._cells[handler] = {at for part in self.image.segments for at in _aligned(part.data, raw, part.start)}
        return self._cells[handler]

    def _word(self, cell: int) -> str:
        """The word of the row that holds the pointer at `cell`; empty when nothing there is compared."""
        word = self.terms.word
        for first, step, pointed in self._columns:
            distance = (cell - first) % step
            place = cell - distance
            if step > _WIDEST * word or place < first - step:
                continue
            text = self._text(self.image.number(place, word) or 0 if pointed else place)
            if text:
                return text
        for back in range(1, 4):
            for place in (cell - back * word, cell + back * word):
                address = self.image.number(place, word)
                if address in self._texts and (text := self._text(address or 0)):
                    return text
        return ""

    def _text(self, address: int) -> str:
        text = self.image.text(address) if address >= self.terms.floor and self.image.constant(address) else None
        return text if text and len(text) <= _LONGEST and text.isprintable() else ""


def _aligned(data: bytes | bytearray, raw: bytes, start: int) -> Iterator[int]:
    """Addresses of a word in the memory that begins at `start`."""
    at = data.find(raw)
    while at >= 0:
        if not (start + at) % len(raw):
            yield start + at
        at = data.find(raw, at + 1)
