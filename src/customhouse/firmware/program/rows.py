"""Entries of constant tables: which of them a pointer may point to, by what was tested of their fields.

A program finds an entry by a name or a number, looks at one field (a flag, a smallest length, a function that checks)
and calls through another. Fields that were read by the same pointer belong to one entry, so what is known of the one
tells which the other can be. The table's end is not known here: an entry that is none has no function.
"""

from collections.abc import Callable
from typing import Any

from .computed import computed
from .elf import Image
from .selectors import leaf_of
from .state import State
from .terms import ADDR, BYTE, GLOBAL, MERGE, OP, Terms

Pointer = tuple[int, int, int]
"""What the fields of one entry have in common: the term of the pointer or of the place in the table, where the first
entry lies when the pointer is 0 there, and the step.
"""
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
        if len(found) != 1 or self.terms.nodes[target][0] not in (BYTE, MERGE):
            return functions
        tests = [(term, span) for term, span in state.ranges.items() if self.pointers(term) == found]
        chosen = self._chosen(state, next(iter(found)))
        if not tests and chosen is None:
            return functions
        named: set[int | None] = set()
        for row in range(_MAX_ROWS):
            one = self._value(target, row)
            if one is None:
                break
            if (chosen is None or row in chosen) and all(self._passes(term, span, row) for term, span in tests):
                named.add(one)
        left = [one for one in functions if one in named]
        return left or functions

    def _chosen(self, state: State, pointer: Pointer) -> set[int] | None:
        """The entries that a number can choose, by what is known of the number."""
        place, _start, step = pointer
        leaf = leaf_of(self.terms, place)
        mask = state.masks.get(leaf) if leaf is not None else None
        low, high = state.ranges.get(leaf, (0, -1)) if leaf is not None else (0, -1)
        if not mask and 0 <= low <= high < 256:
            mask = (1 << (high + 1)) - (1 << low)
        if not mask:
            return None
        out = set()
        for value in range(256):
            if mask >> value & 1:
                at = self._place(place, leaf, value)
                if at is None or at % step:
                    return None
                out.add(at // step)
        return out

    def _place(self, term: int, leaf: int | None, value: int) -> int | None:
        def given(one: int, _node: tuple[Any, ...]) -> int | None:
            return value if one == leaf else None

        return computed(self.terms, term, given)

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
        field = self._field(node)
        if field is not None:
            base, inside = self.terms.based(field[1])
            if self._is_table(field[3], field[4]):
                out = frozenset({(base, field[3] - inside, field[4])})
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

        def given(_term: int, node: tuple[Any, ...]) -> int | None:
            field = self._field(node)
            return None if field is None else self.image.number(field[3] + row * field[4], field[5])

        return computed(self.terms, term, given)

    def _field(self, node: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The node of a field of an entry, as it is read from the first entry on: a pointer that a loop moves is seen
        at the first entry and at the second.
        """
        if node[0] == BYTE:
            return node if node[2] == GLOBAL and node[4] > 1 else None
        if node[0] != MERGE:
            return None
        parts = [self.terms.nodes[one] for one in node[1]]
        same = {(one[0], one[1], one[2], *one[4:]) for one in parts if one[0] == BYTE}
        if len(same) != 1 or any(one[0] != BYTE or one[2] != GLOBAL or one[4] < 2 for one in parts):
            return None
        first = min(parts, key=lambda one: int(one[3]))
        return first if all((one[3] - first[3]) % first[4] == 0 for one in parts) else None
