"""Pointers that are kept where what they point to had been checked: `if (!valid(value)) return; field->value = value;`.

What is read through such a word of memory is as harmless as every store of the word found it, when nobody writes
through the word, and nothing but words that are stored one by one lies there.
"""

import functools
import operator
from functools import cached_property
from typing import TYPE_CHECKING

from . import quoting
from .nodes import overlap
from .stored import Stored, Stores
from .summary import POINTED
from .terms import BYTE, GLOBAL, HEAP, LOAD, Location
from .views import view

if TYPE_CHECKING:
    from .resolve import Store

_LEVELS = 4


class Pointed:
    """Answers for one state of the whole program's memory."""

    def __init__(self, store: "Store", stores: Stores) -> None:
        self.store = store
        self.stores = stores
        self.terms = store.terms
        self._known: dict[int, int] = {}

    def bits(self, root: int, offset: int, stride: int) -> int:
        """For which beginnings of a line the text is safe that begins where a word of memory points to."""
        if offset or stride or not self.stores.pointing:
            return 0
        found = self._known.get(root)
        if found is None:
            self._known[root] = 0  # what goes round says nothing
            found = self._known[root] = self._of(root)
        return found

    def _of(self, pointer: int) -> int:
        out, asked = quoting.SAFE, False
        for one in self.terms.flat(pointer):
            cell = self._cell(one)
            if cell is None and not self._harmless(one):
                return 0
            if cell is not None:
                asked = True
                out &= self._kept(cell)
        return out if asked else 0

    def _cell(self, pointer: int) -> Location | None:
        """Where a pointer was read from."""
        node = self.terms.nodes[pointer]
        if node[0] == LOAD and node[4] == self.terms.word:
            return node[1], node[2], node[3]
        return (node[2], node[3], node[4]) if node[0] == BYTE and node[5] == self.terms.word else None

    def _harmless(self, pointer: int) -> bool:
        """Whether a pointer is none, or one to a constant text."""
        value = self.terms.value(pointer)
        return value is not None and (value < self.terms.floor or self.store.image.constant(value))

    def _kept(self, cell: Location) -> int:
        """What all stores of a word say of what it points to."""
        bases = self._places(cell)
        out = quoting.SAFE if bases else 0
        for base in bases:
            root, offset, stride = base
            if root != GLOBAL and self.terms.nodes[root][0] != HEAP:
                return 0
            words = [one for one in self.stores.of(root) if one.event[0] == "word" and self._meets(one, base)]
            told = {self.store.put(one.event) for one in words}
            cells = self.store.words.get(root)
            if cells is None or not words or any(value not in told for value in cells.at(offset, stride)):
                return 0
            for one in words:
                if not self.stores.inner(one):  # else the function that stores it knows best
                    out &= self._said(one, words)
            if not out or self._copied(base) or base in self._written:
                return 0
        return out

    def _places(self, cell: Location) -> list[Location]:
        """Where a word lies, whatever the keys of its entry; a null pointer leads nowhere."""
        places = [view(self.terms, *one).place for one in self.store.bases(*cell)]
        return [one for one in places if one[0] != GLOBAL or one[1] >= self.terms.floor]

    def _meets(self, one: Stored, place: Location) -> bool:
        return overlap(place[1], place[2], one.offset, one.stride, max(one.event[4], 1))

    def _said(self, one: Stored, words: list[Stored], level: int = 0) -> int:
        """What one store says of what the word points to; if nothing, what it says for each caller."""
        out = quoting.SAFE
        for value, lacking in self.stores.verdicts(one):
            if not self._harmless(value):
                lacks = functools.reduce(operator.or_, (mask for at, mask in lacking if at == POINTED), 0)
                out &= quoting.kept(lacks) or self.bits(value, 0, 0)
        callers = self.stores.passages.callers.get(one.at[0], ()) if level < _LEVELS else ()
        if out or not callers:
            return out
        again = [[other for other in words if other.at == at and other.event[4] == one.event[4]] for at in callers]
        out = quoting.SAFE if all(again) else 0
        for other in (other for told in again for other in told):
            out &= self._said(other, words, level + 1)
        return out

    def _copied(self, place: Location) -> bool:
        """Whether the word may come with a copy of its object, or be a part of a text."""
        root, offset, stride = place
        return any(
            content.extent > self.terms.word and overlap(offset, stride, at, step, content.extent)
            for at, step, content in self.store.texts.get(root, ())
        )

    @cached_property
    def _written(self) -> frozenset[Location]:
        """Words through which texts are written that are not harmless."""
        out: set[Location] = set()
        for event in self.store.whole.events:
            cell = self._cell(event[1]) if event[0] == "text" else None
            if cell is not None and any(dep[4] & quoting.SAFE != quoting.SAFE for dep in event[4].deps):
                out.update(self._places(cell))
        return frozenset(out)
