"""Bytes of texts as numbers: which texts a number is made of, which values a byte can have, and where in a shell's line
it is put.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

from . import bytesets, fold, lift, quoting
from .elf import Image
from .lift import ADD
from .state import Content, Dep, State, changed, settled
from .terms import ADDR, BYTE, DERIVED, GLOBAL, LOAD, MERGE, OP, PHI, RESULT, Terms
from .words import Words

_MAX_FACTS = 60
_GETTERS = frozenset(("fgetc", "getc", "_IO_getc", "getc_unlocked", "getchar"))
_LOOKED_UP = frozenset(("strchr", "index", "memchr"))
_LEVELS = 7
_TURNS = 3
"""Joins at which a pointer was moved on."""
_ALPHABET = 10
"""Letters that a string has at least from which digits of a number are taken."""


class Letters(Words):
    """Words and texts, with what is known of single bytes."""

    def __init__(self, terms: Terms, image: Image, function: int, sets: bytesets.ByteSets) -> None:
        super().__init__(terms, image, function)
        self.sets = sets
        self.quotes = False
        """Whether the function wrote quotes or backslashes."""
        self.written: Callable[[State, int, int], list[tuple[int | None, quoting.Places]]] = (
            lambda state, address, value: [(self.byte_mask(state, value), quoting.START)]
        )
        """Paths by which an address was reached: the values that a byte has there, and the place in a shell's line."""
        self.harmless: Callable[[int], tuple[int, int]] = lambda value: (0, 0)
        """For which beginnings of a line the copy is harmless of which a byte is written, and for which it is not."""

    def deps_of(self, state: State, value: int, level: int = 0) -> frozenset[Dep]:
        """The texts whose bytes a number is made of."""
        node = self.terms.nodes[value]
        kind = node[0]
        if value in self.number_deps:
            return self._checked(state, node, self.number_deps[value])
        if kind == BYTE:
            return self._byte_deps(state, node, level)
        if kind == LOAD and node[4] <= 4 and node[1] != self.frame:
            return (
                self.text_at(state, (node[1], node[2], node[3])).deps
                if node[4] < self.terms.word
                else frozenset({("T", node[1], node[2], node[3], False)})
            )
        if kind == RESULT and node[2] in _GETTERS:
            return frozenset({("X", value, 0, 0, False)})
        if level >= _LEVELS:
            return frozenset()
        deps = frozenset[Dep]().union(*(self.deps_of(state, one, level + 1) for one in self._made_of(value, node)))
        return changed(deps) if deps and kind in (OP, ADDR) and self._computes(state, value) else deps

    def _computes(self, state: State, value: int) -> bool:
        """Whether bytes of texts come out of the number that were not in the texts: digits that are decoded, and not
        capitals that are made small.
        """
        node = self.terms.nodes[value]
        pieces = self._pieces(value)
        if len(pieces) > 1:
            return any(self._computes(state, one) for one in pieces)
        if node[0] in (PHI, MERGE) or (node[0] == OP and node[1] == lift.SELECT):
            return False
        if node[0] == LOAD or (node[0] == BYTE and not self.sets.is_table(node)):
            return False
        variables = self.sets.variables(value)
        if len(variables) != 1:
            return True
        variable = next(iter(variables))
        values = self.sets.values(value, variable)
        mask = state.masks.get(variable, bytesets.ALL)
        return values is None or any(
            int(one) & 255 != index and bool(quoting.SPECIAL >> (int(one) & 255) & 1)
            for index, one in enumerate(values)
            if mask >> index & 1
        )

    def _byte_deps(self, state: State, node: tuple[Any, ...], level: int) -> frozenset[Dep]:
        if self.sets.is_table(node):
            deps = self._index_deps(state, node[1], node[2], level)
            return changed(deps) if deps and self._computes(state, self.terms.make(node)) else deps
        index = self.sets.looked_up(node)
        if index is not None:
            return self.deps_of(state, index, level + 1) if level < 5 else frozenset()
        if node[2] == GLOBAL and self._constant(node):
            return frozenset()
        return self._checked(state, node, self.text_at(state, (node[2], node[3], node[4] and 1), node[1]).deps)

    def _checked(self, state: State, node: tuple[Any, ...], deps: frozenset[Dep]) -> frozenset[Dep]:
        """The texts of a byte, with what checks of the string from its place on, or before it, say of them."""
        if node[0] != BYTE or not deps:
            return deps
        base, behind = self.terms.based(node[1])
        known = self._clean(state, Content(deps, "%s"), node[1], base if behind >= 0 else node[1])
        whole = self._measured_text(state, node[1])
        return known.deps if whole is None else self._clean(state, known, whole, whole).deps

    def _measured_text(self, state: State, address: int) -> int | None:
        """The checked text in which a byte lies at an index, where that text was measured: what copies it by its length
        does not read behind its end.
        """
        texts = {fact[1] for fact in state.facts if fact[0] == "lacks"}
        if not texts or self.terms.value(address) is not None:
            return None
        measured: set[int] = set()
        for term in (*state.ranges, *(fact[2] for fact in state.facts if fact[0] == "most")):
            node = self.terms.nodes[term]
            if node[0] == RESULT and node[2] == "strlen":
                measured.add(node[3][0])
        return next((one for one in texts & measured if self._goes_into(address, one)), None)

    def _goes_into(self, address: int, text: int, seen: frozenset[int] = frozenset()) -> bool:
        """Whether a pointer leads to where a text begins or behind it, wherever loops moved it."""
        terms = self.terms
        node = terms.nodes[address]
        if node[0] == ADDR and node[3]:  # anywhere from there on
            address = terms.add(node[1], node[2])
        parts, more = terms.linear(address)
        begun, first = terms.linear(text)
        rest = {one: factor - begun.get(one, 0) for one, factor in parts.items() if factor != begun.get(one, 0)}
        if begun.keys() <= parts.keys() and more >= first and all(factor == 1 for factor in rest.values()):
            return all(terms.rank(one) < 1 for one in rest)
        if any(factor != 1 for factor in parts.values()) or more < 0 or len(seen) > _TURNS:
            return False
        moved = [one for one in parts if terms.nodes[one][0] in (PHI, MERGE)]
        pointers = [one for one in moved if terms.rank(one) >= 1] or moved
        if len(pointers) != 1 or pointers[0] in seen:
            return len(pointers) == 1
        return all(self._goes_into(one, text, seen | {pointers[0]}) for one in terms.flat(pointers[0]))

    def _made_of(self, value: int, node: tuple[Any, ...]) -> tuple[int, ...]:
        """The terms from which a number is computed or chosen."""
        kind = node[0]
        if kind in (PHI, MERGE):
            return tuple(one for one in self.terms.flat(value) if one != value)
        if kind == OP and node[1] == lift.SELECT:
            return node[3:5]
        if kind == OP and node[1] in fold.BOOLEAN:
            return ()  # an answer is no letter
        if kind == OP:
            # a bit of a set, `1 << number`, is no letter
            return () if node[1] == lift.SHL and self.terms.value(node[2]) is not None else node[2:]
        if kind == ADDR:
            return (node[1],)
        if kind == DERIVED and self.terms.value(node[1]) is not None:  # `strchr(alphabet, letter) - alphabet`
            found = self.terms.nodes[node[2]]
            return found[3][1:2] if found[0] == RESULT and found[2] in _LOOKED_UP else ()
        return node[3][:1] if kind == RESULT and node[2] in ("tolower", "toupper") else ()

    def _index_deps(self, state: State, address: int, table: int, level: int) -> frozenset[Dep]:
        """An entry of a constant table tells as much of a text as the index does: decoders look digits up."""
        if address == table or level >= 5:
            return frozenset()
        node = self.terms.nodes[address]
        if node[0] == ADDR:
            return self._index_deps(state, node[1], table, level + 1)
        if node[0] == OP and node[1] == ADD:
            left, right = (self._index_deps(state, one, table, level + 1) for one in node[2:])
            return left | right
        return self.deps_of(state, address, level + 1)

    def _constant(self, node: tuple[Any, ...]) -> bool:
        return bool(self.image.constant(node[3]))

    def byte_mask(self, state: State, value: int) -> int | None:
        """The byte values that `value` can have here, when it is a byte that was tested, or a word made of such."""
        pieces = self._pieces(value)
        if len(pieces) > 1:
            masks = [self.byte_mask(state, one) for one in pieces if self.terms.value(one) is None]
            return None if None in masks else functools.reduce(operator.or_, masks, 0)
        known = state.masks.get(value)
        if known is not None:
            return known
        node = self.terms.nodes[value]
        if node[0] == BYTE and node[2] == GLOBAL and node[5] == 1 and self.sets.is_table(node):
            alphabet = self.image.text(node[3])
            if alphabet is not None and len(alphabet) >= _ALPHABET:
                return bytesets.of(alphabet)
        variables = self.sets.variables(value)
        if len(variables) != 1:
            return None
        variable = next(iter(variables))
        mask = state.masks.get(variable, bytesets.ALL)
        values = self.sets.values(value, variable) if variable != value else None
        if values is None:
            return None if variable != value else state.masks.get(value)
        return bytesets.of(bytes(int(one) & 255 for index, one in enumerate(values) if mask >> index & 1))

    def _pieces(self, value: int, level: int = 0) -> list[int]:
        """The bytes that a wider value was put together from with shifts and masks; itself when it was not."""
        node = self.terms.nodes[value]
        if node[0] != OP or level > 12:
            return [value]
        if node[1] == lift.OR:
            return self._pieces(node[2], level + 1) + self._pieces(node[3], level + 1)
        amount = self.terms.value(node[3])
        if amount is not None and node[1] == lift.SHL and not amount & 7:
            return self._pieces(node[2], level + 1)
        if (
            amount is not None
            and node[1] == lift.AND
            and all(amount >> at & 255 in (0, 255) for at in range(0, 8 * self.terms.word, 8))
        ):
            return self._pieces(node[2], level + 1)
        return [value]

    # -- a shell's line that is written byte by byte

    def emitted(self, state: State, address: int, text: str, end: int | None = None) -> None:
        """A constant text was written; what follows it at `end` stands where it leaves the shell."""
        if not self.quotes and not any(mark in text for mark in "'\"\\"):
            return
        self.quotes = True
        places = {quoting.after(one, text) for _, one in self.written(state, address, address)}
        self._follow(state, self._behind(address, len(text)) if end is None else end, places)

    def placed(self, state: State, address: int, content: Content) -> Content:
        """A text that is put to an address is settled at the place in the shell's line that is there."""
        if not self.quotes or not content.deps:
            return content
        places = quoting.alike(one for _, one in self.written(state, address, address))
        return content._replace(deps=settled(content.deps, (quoting.plain(places),)))

    def _emit_constant(self, state: State, address: int, value: int, size: int) -> None:
        raw = (value & ((1 << (8 * size)) - 1)).to_bytes(size, "big" if self.image.big else "little").rstrip(b"\0")
        if raw and all(32 <= one < 127 for one in raw):
            self.emitted(state, address, raw.decode("ascii"))

    def _emit(self, state: State, address: int, value: int, size: int) -> int:
        """Bytes of a text were written: for which beginnings of the line they are safe."""
        here = self.byte_mask(state, value)
        bits, acts = self.harmless(value)
        if (bits or acts) and any(dep[4] & quoting.CHANGED for dep in self.deps_of(state, value)):
            bits, acts = 0, 0
        if bits:
            return bits
        if not self.quotes:
            return 0 if here is None else quoting.kept(~here & bytesets.ALL) & ~acts
        bits = quoting.SAFE
        places = set()
        for mask, one in self.written(state, address, value):
            if size == 1 and mask is not None and mask and not mask & (mask - 1):
                # a byte that can only be this one here is as good as a constant
                places.add(quoting.after(one, chr(mask.bit_length() - 1)))
                continue
            lacks = 0 if mask is None else ~mask & bytesets.ALL
            bits &= quoting.kept_byte(one, lacks) if size == 1 else quoting.inside(quoting.kept(lacks), (one,))
            places.add(quoting.plain(one))
        self._follow(state, self._behind(address, size), places)
        return bits & ~acts

    def _behind(self, address: int, size: int) -> int:
        """The address behind what was written, as the program itself computes it from an index that was chosen."""
        node = self.terms.nodes[address]
        if node[0] == OP and node[1] == ADD:
            for one, other in ((node[2], node[3]), (node[3], node[2])):
                if self.terms.nodes[one][0] == MERGE:
                    return fold.binary(self.terms, ADD, other, self.terms.add(one, size), self.terms.word)
        return self.terms.add(address, size)

    def _follow(self, state: State, end: int, places: set[quoting.Places]) -> None:
        facts = frozenset(fact for fact in state.facts if fact[0] != "place" or fact[1] != end)
        walks = self.terms.several(end)  # where it came from is asked of every way back, unless it is told
        if places and (walks or places != {quoting.START}) and len(facts) < _MAX_FACTS:
            facts |= {("place", end, quoting.alike(places))}
        state.facts = facts
