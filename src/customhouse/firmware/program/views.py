"""Entries of one array or list, told apart by their keys: which stores meet which readings.

A place that is known by a key is a view of the object that it lies in. What was stored there under another key is not
seen through it; what was stored under none, or under one that is not known, is.
"""

from typing import NamedTuple

from .cells import Cells
from .keys import TEXT
from .nodes import both
from .state import Content, Fact
from .terms import GLOBAL, HEAP, KEYED, RESULT, Location, Terms

Key = tuple[Location | None, str]
"""The field that holds it (None: it is that of the entry which leads to the object), and the text."""
Keys = frozenset[Key]
NO_KEYS: Keys = frozenset()


Stored = tuple[int, int, int, int | Content]
"""A root, an offset, a stride, and the word or the text that was stored there."""


class View(NamedTuple):
    """A place as all see it, and the keys by which it was reached."""

    place: Location
    keys: Keys


def view(terms: Terms, root: int, offset: int, stride: int) -> View:
    """What a location of the whole program's memory stands for."""
    node = terms.nodes[root]
    if node[0] == HEAP and len(node) > 2:
        whole = terms.make((HEAP, node[1]))
        field = (whole, node[3], 0) if node[3] >= 0 else None
        return View((whole, offset, stride), _named(terms, field, node[2]))
    if node[0] != KEYED:
        return View((root, offset, stride), NO_KEYS)
    places = terms.locate(node[1])
    if len(places) != 1:
        return View((root, offset, stride), NO_KEYS)
    inner = view(terms, *places[0])
    base, start, step = inner.place
    return View((base, start + offset, both(step, stride)), inner.keys | _named(terms, inner.place, node[2]))


def _named(terms: Terms, field: Location | None, key: int) -> Keys:
    text = text_of(terms, key)
    return NO_KEYS if text is None else frozenset({(field, text)})


def text_of(terms: Terms, key: int) -> str | None:
    """The text that a key is."""
    node = terms.nodes[key]
    return str(node[2]) if node[0] == RESULT and node[1] == TEXT else None


def narrowed(terms: Terms, place: Location, key: int) -> Location:
    """A place of the whole program's memory that was found to hold a key."""
    if text_of(terms, key) is None:
        return place
    root, offset, stride = place
    base = terms.const(offset) if root == GLOBAL else root
    pointer = terms.add(base, 0, stride) if root == GLOBAL else terms.add(base, offset, stride)
    whole = terms.keyed(pointer, key)
    return place if whole == pointer else (whole, 0, 0)


def _meet(asked: Keys, stored: Keys) -> bool:
    """Whether what was stored under keys may be seen by who asks with keys."""
    return not any(text != other and _same_field(field, another) for field, text in asked for another, other in stored)


def _same_field(one: Location | None, other: Location | None) -> bool:
    if one is None or other is None or one[0] != other[0]:
        return one is other is None
    step = both(one[2], other[2])
    return one[1] == other[1] if not step else step > 1 and (one[1] - other[1]) % step == 0


class Keeping:
    """The keys under which words and texts were stored."""

    def __init__(self) -> None:
        self._under: dict[Stored, set[Keys]] = {}

    def add(self, stored: Stored, keys: Keys) -> bool:
        """Whether it was not stored under these keys before."""
        known = self._under.setdefault(stored, set())
        fresh = keys not in known
        known.add(keys)
        return fresh

    def meet(self, asked: Keys, stored: Stored) -> bool:
        """Whether it may be seen by who asks with keys."""
        return any(_meet(asked, keys) for keys in self._under.get(stored, ()))


class Kept:
    """What the program's memory keeps, as far as keys tell."""

    def __init__(self) -> None:
        self.words: dict[int, Cells] = {}
        self.texts: dict[int, dict[tuple[int, int, Content], frozenset[Fact]]] = {}
        """By root: texts with their offsets and strides, and the comparisons that held wherever they were stored."""
        self.keys = Keeping()

    def visible(self, root: int, asked: Keys) -> list[tuple[int, int, Content]]:
        """The texts of an object that were stored under no other keys than those that are asked for."""
        return [one for one in self.texts.get(root, ()) if not asked or self.keys.meet(asked, (root, *one))]

    def cells_at(self, root: int, offset: int, stride: int, asked: Keys, exactly: bool = False) -> list[int]:
        """The words that may be stored at a place, as far as keys tell; `exactly`: not those of arrays."""
        cells = self.words.get(root)
        if cells is None:
            return []
        if exactly:
            kept = cells.exact.get(offset, ())
            return [one for one in kept if not asked or self.keys.meet(asked, (root, offset, 0, one))]
        if not asked:
            return cells.at(offset, stride)
        return cells.at(offset, stride, lambda at, step, value: self.keys.meet(asked, (root, at, step, value)))
