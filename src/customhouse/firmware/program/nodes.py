"""The nodes of terms: their kinds, and how they are made and shared.

A term says what a register or a memory cell holds in words of the function's own parameters, its frame, global
addresses, allocation sites and calls. It is a node that is made once, named by a small integer. The kinds, with their
fields:
  CONST value | PARAM index | STACK function | HEAP site (key field) | ADDR base offset stride (base + offset +
  k*stride)
  LOAD base offset stride size (what memory held when the function was entered) | BYTE address base offset stride size
  (a byte or a table's entry, named by its address)
  RESULT site name arguments | PHI function block slot (alternatives are kept aside) | MERGE alternatives | OP
  operation a b | DERIVED pointer result (a pointer somewhere into what `pointer` points to) | UNKNOWN tag
  KEYED place key (the place among those at `place` that holds the text `key`, or a pointer to it)
A HEAP with a key is the object that was made there for it, and the offset at which it holds the key; -1 when that is
told by what leads to it.
"""

from collections.abc import Sequence
from typing import Any

from .lift import BAND, BNOT, BOR, BXOR, EQ, LE, LT, NE, SBORROW, SLE, SLT, SUB

(CONST, PARAM, STACK, HEAP, ADDR, LOAD, BYTE, RESULT, PHI, MERGE, OP, DERIVED, UNKNOWN, KEYED) = range(14)

GLOBAL = 0
"""Root of every location with a constant address; the offset is the address."""
RECURSIVE = (UNKNOWN, "recursive")
"""What stands for a term of a callee while that term is put into the words of a caller: what a value is made of as its
loop goes round. It is no place, and where each round makes a number smaller, it bounds nothing.
"""
RECURSION = "recursion"
"""Name of the result of a function that is being evaluated; the argument is its address."""

_ORDERED = frozenset((SUB, LT, LE, SLT, SLE))
_TRUTHS = frozenset((EQ, NE, LT, LE, SLT, SLE, BAND, BOR, BXOR, BNOT, SBORROW))
_SMALL = 4096
"""A number up to this is rather a size than an address."""
MAX_DEPTH = 20
_KEYED_DEPTH = 12
"""A deeper term does not get a key: what is built on it would be unknown."""
MAX_ALTERNATIVES = 10
_SAME_FIELD = 3
"""How often the same field of what a field points to is a thing of its own."""

Location = tuple[int, int, int]
"""(root term, offset, stride); stride 0 is exact, 1 is anywhere behind."""


class Nodes:
    """All nodes of one program. `word` in bytes; constants below `floor` are numbers, not addresses."""

    def __init__(self, word: int, floor: int = 4096) -> None:
        self.floor = floor
        self.data = floor
        """The lowest address of memory that may be written to."""
        self.mask = (1 << (8 * word)) - 1
        self.sign = 1 << (8 * word - 1)
        self.word = word
        self.nodes: list[tuple[Any, ...]] = [(UNKNOWN, "global")]
        self.depth: list[int] = [0]
        self.open: list[bool] = [False]
        """Whether the term speaks of a parameter."""
        self.index: dict[tuple[Any, ...], int] = {self.nodes[0]: 0}
        self.counts: set[int] = set()
        """Terms that the program treats as numbers."""
        self.signed_halves: set[int] = set()
        """Numbers of 16 bits of which the highest is a sign: as wider ones they may be negative."""
        self.bytes: set[int] = set()
        """Computed numbers of which only the lowest byte was taken somewhere: they begin anew after 255."""
        self.zero = self.const(0)

    def make(self, node: tuple[Any, ...], *parts: int) -> int:
        """Intern a node whose sub-terms are `parts`; too deep a term becomes unknown."""
        found = self.index.get(node)
        if found is not None:
            return found
        depth = 0
        is_open = node[0] == PARAM
        for one in parts:
            if self.depth[one] > depth:
                depth = self.depth[one]
            is_open = is_open or self.open[one]
        # one of several terms is as deep as they are, and so is what a test of a single number says
        depth += node[0] != MERGE and not (node[0] == OP and node[1] in _TRUTHS and self._asks_one(parts))
        if depth > MAX_DEPTH:
            return self.make((UNKNOWN, "deep"))
        number = len(self.nodes)
        self.nodes.append(node)
        self.depth.append(depth)
        self.open.append(is_open)
        self.index[node] = number
        if node[0] == OP and node[1] in _ORDERED:
            self._count(node[1], node[2], node[3])
        return number

    def _asks_one(self, parts: tuple[int, ...]) -> bool:
        """Whether no more than one of these is a number, rather than a constant or a truth."""
        nodes = [self.nodes[one] for one in parts]
        return sum(not (node[0] == CONST or (node[0] == OP and node[1] in _TRUTHS)) for node in nodes) < 2

    def _count(self, kind: int, left: int, right: int) -> None:
        """What is less than a small number, or what is taken from one, is no pointer."""
        for one, other in ((left, right), (right, left)):
            value = self.value(one)
            if value is not None and 0 < value <= _SMALL and (kind != SUB or one == left):
                self.counts.add(self.based(other)[0])

    def const(self, value: int) -> int:
        node = (CONST, value & self.mask)
        found = self.index.get(node)
        return found if found is not None else self.make(node)

    def value(self, term: int) -> int | None:
        node = self.nodes[term]
        return node[1] if node[0] == CONST else None

    def signed(self, value: int) -> int:
        return value - self.mask - 1 if value & self.sign else value

    def param(self, index: int) -> int:
        return self.make((PARAM, index))

    def unknown(self, tag: object) -> int:
        return self.make((UNKNOWN, tag))

    def based(self, term: int) -> tuple[int, int]:
        """The term without a constant that is added to it, and that constant."""
        node = self.nodes[term]
        if node[0] == ADDR and not node[3]:
            return node[1], node[2]
        if node[0] == MERGE:
            parts = [self.nodes[one] for one in node[1]]
            more = next((one[2] for one in parts if one[0] == ADDR), 0)
            zero = (CONST, more & self.mask)  # one that was 0 before the same was added to all
            if more and all(one == zero or (one[0] == ADDR and not one[3] and one[2] == more) for one in parts):
                return self.merge({self.zero if one == zero else one[1] for one in parts}), more
        return term, 0

    def result(self, site: object, name: str, arguments: tuple[int, ...] = ()) -> int:
        return self.make((RESULT, site, name, arguments), *arguments)

    def load(self, root: int, offset: int, stride: int, size: int) -> int:
        """What memory held at a place. The same field again and again (`p->next->next->next`) is the same term: objects
        of one list are one. A few times it may be fields of different things that lie alike (`job->verb->run`).
        """
        again, inner = 0, self.nodes[root]
        while inner[0] == LOAD and inner[2:] == (offset, stride, size):
            again, inner = again + 1, self.nodes[inner[1]]
        if again >= _SAME_FIELD:
            return root
        return self.make((LOAD, root, offset, stride, size), root)

    def keyed(self, place: int, key: int) -> int:
        """The place among several that holds a key."""
        if self.depth[place] > _KEYED_DEPTH or self.depth[key] > _KEYED_DEPTH:
            return place
        return self.make((KEYED, place, key), place, key)

    def anyone(self, pointers: Sequence[int]) -> int | None:
        """What pointers have in common that point into the same entry but for the key; None when they do not."""
        found = {self._keyless(one) for one in pointers}
        return found.pop() if len(found) == 1 else None

    def _keyless(self, term: int) -> int:
        base, more = self.based(term)
        return self.add(self.nodes[base][1], more) if self.nodes[base][0] == KEYED else term

    def made_for(self, heap: int, key: int, field: int) -> int:
        """The heap object that was made for a key, which it holds at an offset, or -1."""
        return self.make((HEAP, self.nodes[heap][1], key, field), key)

    def merge(self, terms: "set[int] | frozenset[int]") -> int:
        flat: set[int] = set()
        for one in terms:
            node = self.nodes[one]
            if node[0] == MERGE:
                flat |= node[1]
            else:
                flat.add(one)
        if len(flat) == 1:
            return next(iter(flat))
        if len(flat) > MAX_ALTERNATIVES:
            flat = set(sorted(flat)[:MAX_ALTERNATIVES])
        return self.make((MERGE, frozenset(flat)), *flat)

    def add(self, term: int, offset: int, stride: int = 0) -> int:
        """`term + offset` (+ k * stride)."""
        if not offset and not stride:
            return term
        node = self.nodes[term]
        if node[0] == CONST:
            if not stride:
                return self.const(node[1] + offset)
            return self.make((ADDR, self.const(node[1] + offset), 0, stride), term)
        if node[0] == ADDR:
            base, before, old = node[1], node[2], node[3]
            offset = self._near(before + offset)
            stride = both(old, stride)
            if not offset and not stride:
                return base  # type: ignore[no-any-return]  # fields of a node are of any type
            return self.make((ADDR, base, offset, stride), base)
        if node[0] == MERGE:
            return self.merge({self.add(one, offset, stride) for one in node[1]})
        return self.make((ADDR, term, self._near(offset), stride), term)

    def _near(self, offset: int) -> int:
        offset &= self.mask
        return offset - self.mask - 1 if offset & self.sign else offset


def both(a: int, b: int) -> int:
    """The stride that covers two strides."""
    while b:
        a, b = b, a % b
    return abs(a)


def overlap(off: int, stride: int, other: int, other_stride: int, size: int = 1) -> bool:
    """Whether two places under the same root may be the same: one place, and one of `size` bytes."""
    if not stride and not other_stride:
        return other <= off < other + size
    if other_stride and not stride and off < other:
        return False
    if stride and not other_stride and other + size <= off:
        return False
    step = both(stride, other_stride)
    return step == 1 or (off - other) % step < size


def apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two arrays, each by where it begins and its step, are two objects side by side: entries of another size
    begin behind the first one's first entry. A walk in larger steps may skip entries of the same array.
    """
    (low, step), (high, another) = sorted((one, other))
    return high - low >= step and (step > another or another % step != 0)
