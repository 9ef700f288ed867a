"""Entries of constant tables: which of them a pointer may point to, by what was tested of their fields.

A program finds an entry by a name or a number, looks at one field (a flag, a smallest length, a function that checks)
and calls through another. Fields that were read by the same pointer belong to one entry, so what is known of the one
tells which the other can be. The table's end is not known here: an entry that is none has no function.
"""

from collections.abc import Callable
from typing import Any

from .computed import computed
from .elf import Image
from .state import State
from .terms import ADDR, BYTE, GLOBAL, OP, Terms

Pointer = tuple[int, int]
"""What the fields of one entry have in common: the term of the pointer or of the place in the table, and the step."""
_MAX_ROWS = 128
_DEPTH = 8


class Rows:
    """Reads constant tables entry by entry."""

    def __init__(
        self, terms: Terms, image: Image, kept: Callable[[int, int], bool] = lambda _place, _step: False
    ) -> None:
        self.terms = terms
        self.image = image
        self.kept = kept
        """Whether nothing in the program writes to an array: its first place and its step."""
        self._pointers: dict[int, frozenset[Pointer]] = {}

    def possible(self, state: State, target: int, functions: list[int]) -> list[int]:
        """Of the functions that a field may name, those that stand in entries that the tests before let pass."""
        found = self.pointers(target)
        if len(found) != 1 or self.terms.nodes[target][0] != BYTE:
            return functions
        tests = [(term, span) for term, span in state.ranges.items() if self.pointers(term) == found]
        if not tests:
            return functions
        named: set[int | None] = set()
        for row in range(_MAX_ROWS):
            one = self._value(target, row)
            if one is None:
                break
            if all(self._passes(term, span, row) for term, span in tests):
                named.add(one)
        left = [one for one in functions if one in named]
        return left or functions

    def _passes(self, term: int, span: tuple[int, int], row: int) -> bool:
        value = self._value(term, row)
        return value is None or span[0] <= self.terms.signed(value) <= span[1]

    def pointers(self, term: int, level: int = 0) -> frozenset[Pointer]:
        """The entries that a term is read from."""
        found = self._pointers.get(term)
        if found is not None:
            return found
        node = self.terms.nodes[term]
        out: frozenset[Pointer] = frozenset()
        if node[0] == BYTE and node[2] == GLOBAL and node[4] > 1 and self._is_table(node[3], node[4]):
            out = frozenset({(self.terms.based(node[1])[0], node[4])})
        elif node[0] == OP and level < _DEPTH:
            out = out.union(*(self.pointers(one, level + 1) for one in node[2:]))
        elif node[0] == ADDR and level < _DEPTH:
            out = self.pointers(node[1], level + 1)
        self._pointers[term] = out
        return out

    def _is_table(self, place: int, step: int) -> bool:
        return self.image.constant(place) or (self.image.segment(place) is not None and self.kept(place, step))

    def _value(self, term: int, row: int) -> int | None:
        """What the term is in one entry; None when it depends on more."""

        def field(_term: int, node: tuple[Any, ...]) -> int | None:
            if node[0] == BYTE and node[2] == GLOBAL and node[4] > 1:
                return self.image.number(node[3] + row * node[4], node[5])
            return None

        return computed(self.terms, term, field)
