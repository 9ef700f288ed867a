"""Symbolic values of the analysis: hash-consed terms, named by small integers, and where they point.

The kinds of terms are described in `nodes`. Roots of locations are base terms; all constant addresses share the root
`GLOBAL`.
"""

from typing import Any

from . import lift
from .nodes import (
    ADDR,
    BYTE,
    CONST,
    DERIVED,
    GLOBAL,
    HEAP,
    KEYED,
    LOAD,
    MERGE,
    OP,
    PARAM,
    PHI,
    RECURSION,
    RECURSIVE,
    RESULT,
    STACK,
    UNKNOWN,
    Location,
    apart,
    both,
    overlap,
)
from .sums import Sums
from .tables import table

__all__ = [
    "ADDR",
    "BYTE",
    "CONST",
    "DERIVED",
    "GLOBAL",
    "HEAP",
    "KEYED",
    "LOAD",
    "MERGE",
    "NUMERIC",
    "OP",
    "PARAM",
    "PHI",
    "RECURSION",
    "RECURSIVE",
    "RESULT",
    "STACK",
    "UNKNOWN",
    "Location",
    "Terms",
    "apart",
    "overlap",
]

_SCALED = frozenset((lift.SHL, lift.MUL, lift.SHR, lift.SAR, lift.AND, lift.OR, lift.XOR, lift.DIV, lift.REM))

_TRUTHS = frozenset((lift.EQ, lift.NE, lift.LT, lift.SLT, lift.LE, lift.SLE, lift.BAND, lift.BOR, lift.BXOR, lift.BNOT))

_FEW = 4
_DEPTH = 6
"""Of a number that chooses an entry: how deep it is looked at."""
NUMERIC = frozenset(table("libc.toml")["names"]["numeric"])


class Terms(Sums):
    """All terms of one program, and where they point. `word` in bytes; constants below `floor` are numbers, not
    addresses.
    """

    def __init__(self, word: int, floor: int = 4096) -> None:
        super().__init__(word, floor)
        self._entries: dict[int, tuple[Location, ...]] = {}
        self._short = False
        """Whether a rank was asked for too deep down to be found."""

    def moved(self, value: int, size: int, inside: int) -> Location | None:
        """Where the bytes of a stored word come from, when it is a word of memory moved as it is; `inside` it, in
        bytes.
        """
        node = self.nodes[value]
        if size < 4:
            return None
        if node[0] == LOAD and node[4] == size:
            return node[1], node[2] + inside, node[3]
        if node[0] == BYTE and node[5] == size:
            return node[2], node[3] + inside, node[4]
        return None

    def named(self, function: int, site: int) -> int:
        """The name of what one call gave: two objects that one function makes for it are not the same."""
        return self.phi(function, site, "result")

    def is_new(self, term: int) -> bool:
        """Whether the term is an object that a function made for its caller, by the call that gave it."""
        node = self.nodes[term]
        if node[0] != PHI or node[3] != "result":
            return False
        return any(self.nodes[one][0] == HEAP for one in self.alternatives[term])

    def made(self, pointer: int, level: int = 0) -> frozenset[int]:
        """The objects by their calls, see `is_new`, that a pointer may be."""
        node = self.nodes[pointer]
        if level > 6:
            return frozenset()
        if node[0] in (ADDR, DERIVED):
            return self.made(node[1], level + 1)
        if node[0] not in (PHI, MERGE):
            return frozenset()
        if self.is_new(pointer):
            return frozenset((pointer,))
        parts = node[1] if node[0] == MERGE else self.alternatives[pointer]
        return frozenset().union(*(self.made(one, level + 1) for one in parts))

    def byte_at(self, address: int) -> int | None:
        """The byte at an address that walks, as loads of it name it."""
        spots = self.locate(address)
        if not spots or (len(spots) == 1 and not spots[0][2]):
            return None
        root, offset, stride = spots[0]
        return self.make((BYTE, address, root, offset, stride if len(spots) == 1 else 1, 1), address, root)

    def second_byte(self, half: int, shift: int) -> int | None:
        """The upper byte of a halfword that a little-endian machine read from one place: the byte behind the first."""
        node = self.nodes[half]
        if shift != 8 or node[0] != LOAD or node[3:] != (0, 2):
            return None
        place = (node[1], node[2] + 1, 0)
        address = self.const(place[1]) if node[1] == GLOBAL else self.add(*place)
        return self.make((BYTE, address, *place, 1), address, node[1])

    def spread(self, address: int) -> tuple[Location, ...]:
        """Where the term points; the entries of one array are one place."""
        spots = self.locate(address)
        arrays = [one for one in spots if one[2] > 1] if len(spots) > 1 else []
        if not arrays:
            return spots
        return tuple(one for one in spots if not any(one != array and _is_entry(one, array) for array in arrays))

    def begins(self, address: int) -> tuple[int, int] | None:
        """The place at which an address that walks on begins its walk; None when it does not walk, or begins anywhere
        else at times.
        """
        starts = set[tuple[int, int]]()
        walks = self.nodes[self.based(address)[0]][0] in (PHI, MERGE)
        for one in self._beginnings(address):
            node = self.nodes[one]
            if node[0] == OP and node[1] == lift.ADD:
                found = self._first(node[2], node[3]) or self._first(node[3], node[2])
                if found is None:
                    return None
                walks = True
                starts.add(found)
            else:
                spots = self.locate(one)
                if len(spots) != 1 or spots[0][2]:
                    return None
                starts.add(spots[0][:2])
        if not walks or len({root for root, _ in starts}) != 1:
            return None
        return min(starts)

    def _first(self, base: int, index: int) -> tuple[int, int] | None:
        """Where an index over an object is first: the smallest number that it has before it counts."""
        spots = self.locate(base)
        if self.nodes[index][0] not in (PHI, MERGE) or len(spots) != 1 or spots[0][2]:
            return None
        numbers: list[int] = []
        for one in self._beginnings(index):
            node = self.nodes[one]
            if node[0] == CONST and node[1] < self.floor:
                numbers.append(node[1])
            elif node[0] != OP or node[1] not in _TRUTHS:  # a truth counts from nothing
                return None
        return (spots[0][0], spots[0][1] + min(numbers)) if numbers else None

    def _beginnings(self, term: int) -> list[int]:
        """What a value is before it is chosen from several, or moved on by a constant."""
        out: list[int] = []
        seen: set[int] = set()
        work = [term]
        while work:
            one = work.pop()
            if one in seen:
                continue
            seen.add(one)
            node = self.nodes[one]
            if node[0] in (PHI, MERGE):
                work += self.alternatives[one] if node[0] == PHI else node[1]
            elif node[0] == ADDR and node[2] >= 0 and not node[3] and self.nodes[node[1]][0] in (PHI, MERGE, OP):
                work.append(node[1])
            else:
                out.append(one)
        return out

    def locate(self, term: int) -> tuple[Location, ...]:
        """Where the term points when it is used as an address: one location an alternative, what is reached by few
        pointers first.
        """
        found = self._located.get(term)
        if found is None:
            outer = self._trace
            read = self._trace = set()
            found = self._locate(term, {})
            if len(found) > _FEW:  # not all of them are asked for then
                found = tuple(sorted(found, key=lambda place: self.depth[place[0]]))
            self._located[term] = found
            self._keep(term, outer, read)
        return found

    def places(self, term: int) -> tuple[Location, ...]:
        """Where a text lies that the term points to: as `locate` says, but an entry of an array that a parameter
        chooses is a place of its own, which its callers know better.
        """
        found = self._entries.get(term)
        if found is not None:
            return found
        if not self.open[term] or self.nodes[term][0] not in (OP, ADDR) or not self._is_chosen(term):
            return self.locate(term)
        self._entries[term] = ((*self.based(term), 0),)
        return self._entries[term]

    def _is_chosen(self, term: int) -> bool:
        """Whether an address is that of one entry of an array, and nothing but parameters is needed to tell which."""
        spots = self.locate(term)
        if len(spots) != 1 or spots[0][2] < 2 or self.nodes[spots[0][0]][0] in (HEAP, STACK, PHI):
            return False
        parts = [part for part in self.linear(term)[0] if part != spots[0][0]]
        return bool(parts) and all(self.open[part] and self._is_steady(part) for part in parts)

    def _is_steady(self, term: int, level: int = 0) -> bool:
        """Whether a number is the same as long as the function runs."""
        node = self.nodes[term]
        if node[0] in (OP, ADDR):
            parts = node[2:] if node[0] == OP else node[1:2]
            return level < _DEPTH and all(self._is_steady(one, level + 1) for one in parts)
        return node[0] in (CONST, PARAM) or (node[0] == LOAD and not node[3] and self._is_steady(node[1], level + 1))

    def _locate(self, term: int, met: dict[int, tuple[Location, ...]]) -> tuple[Location, ...]:
        """`met`: what this question asked before; a term that is met on the way to itself adds nothing."""
        known = met.get(term)
        if known is not None:
            return known
        met[term] = ()
        out: list[Location] = []
        for one in self.flat(term):
            node = self.nodes[one]
            kind = node[0]
            if kind == CONST:
                if node[1] >= self.floor or len(self.flat(term)) == 1:
                    out.append((GLOBAL, node[1], 0))
            elif kind == ADDR:
                base = self.nodes[node[1]]
                if base[0] == CONST:
                    out.append((GLOBAL, base[1] + node[2], node[3]))
                elif node[2] >= self.floor and self._is_index(node[1]):
                    out.append((GLOBAL, node[2], both(node[3], self.scale(node[1]))))
                elif base[0] == DERIVED:
                    out += [(root, off, 1) for root, off, _ in self._locate(node[1], met)]
                elif base[0] == OP:
                    out += [
                        (root, off + node[2], both(step, node[3]) or 1)
                        for root, off, step in self._locate(node[1], met)
                    ]
                else:
                    out.append((node[1], node[2], node[3]))
            elif kind == DERIVED:
                out += [(root, off, 1) for root, off, _ in self._locate(node[1], met)]
            elif kind == OP:
                out += self._indexed(node, met)
            else:
                out.append((one, 0, 0))
        met[term] = self._real(tuple(dict.fromkeys(out)))
        return met[term]

    def _real(self, places: tuple[Location, ...]) -> tuple[Location, ...]:
        """A null pointer that is moved on is no place, nor is what stands for a term in its own definition."""
        if len(places) < 2:
            return places
        return tuple(one for one in places if self._is_real(one)) or places

    def _is_real(self, place: Location) -> bool:
        root, offset, _ = place
        return offset >= self.floor if root == GLOBAL else self.nodes[root] != RECURSIVE

    def _indexed(self, node: tuple[Any, ...], met: dict[int, tuple[Location, ...]]) -> list[Location]:
        """`pointer + index`: the side that looks like a pointer is the base. A choice is one or the other."""
        if node[1] == lift.AND:
            return list(self._locate(node[2], met))
        if node[1] == lift.SELECT:
            return [*self._locate(node[3], met), *self._locate(node[4], met)]
        if node[1] not in (lift.ADD, lift.SUB):
            return []
        left, right = node[2], node[3]
        stride = self.scale(right)
        if node[1] == lift.ADD and self.rank(right) > self.rank(left):
            left, stride = right, self.scale(left)
        return [(root, off, both(old, stride)) for root, off, old in self._locate(left, met)]

    def _is_index(self, term: int, level: int = 0) -> bool:
        """Whether the term can only be a number: what is added to it is the address."""
        node = self.nodes[term]
        if node[0] == OP:
            if node[1] in (lift.ADD, lift.SUB):
                return level < 6 and self._is_index(node[2], level + 1) and self._is_index(node[3], level + 1)
            return node[1] in _SCALED and self.rank(term) < 1
        if node[0] == CONST:
            return -self.floor < self.signed(_small(node[1]) & self.mask) < self.floor
        if node[0] == ADDR:
            small = -self.floor < node[2] < self.floor
            return level < 6 and small and not node[3] and self._is_index(node[1], level + 1)
        if node[0] == MERGE:
            return level < 6 and all(self._is_index(one, level + 1) for one in node[1])
        if node[0] == LOAD:
            return node[4] < self.word  # type: ignore[no-any-return]  # fields of a node are of any type
        if node[0] == PHI:
            self._reads(term)
            return (
                all(self.nodes[one][0] in (CONST, ADDR, BYTE, PHI) for one in self.alternatives[term])
                and self.rank(term) < 1
            )
        if node[0] == RESULT:
            return node[2] in NUMERIC
        return node[0] == BYTE and node[5] < self.word  # type: ignore[no-any-return]  # fields of a node are of any type

    def rank(self, term: int, level: int = 0) -> float:
        """How much a term looks like a pointer rather than an index."""
        if term in self.counts and self.nodes[term][0] == LOAD:
            return -1
        known = self._ranks.get(term)
        if known is not None:
            if self._trace is not None:
                self._trace |= self._read[term]
            return known
        if level > 6:
            self._short = True
            return -1
        outer, before = self._trace, self._short
        read = self._trace = set()
        self._short = False
        best = self._rank(term, level)
        if not self._short or not level:
            self._ranks[term] = best
            self._keep(term, outer, read)
        else:
            self._trace = outer
            if outer is not None:
                outer |= read
        self._short = before or (self._short and level > 0)
        return best

    def _rank(self, term: int, level: int) -> float:
        best: float = -1
        for one in self.flat(term):
            node = self.nodes[one]
            kind = node[0]
            score: float
            if kind == CONST:
                score = 4 if node[1] >= self.floor else -2
            elif kind == ADDR:
                score = self._rank_placed(node, level)
            elif kind in (STACK, HEAP, DERIVED, KEYED):
                score = 6
            elif kind == PARAM:
                score = 2 - node[1] / 100
            elif kind == LOAD:
                score = 2 if node[4] == self.word else -1
            elif kind == RESULT:
                score = -1 if node[2] in NUMERIC else 1
            elif kind == OP:
                score = max(self.rank(node[2], level + 1), self.rank(node[3], level + 1)) if node[1] == lift.ADD else -1
            else:
                score = 0
            best = max(best, score)
        return best

    def _rank_placed(self, node: tuple[Any, ...], level: int) -> float:
        """Of a place with an offset; a small number that grows in steps is a counter."""
        base = self.nodes[node[1]]
        if base[0] == CONST and base[1] < self.floor:
            return 4 if node[2] >= self.floor else -2
        return 6 if base[0] in (STACK, HEAP, CONST) else max(1, self.rank(node[1], level + 1))


def _is_entry(place: Location, array: Location) -> bool:
    """Whether a place is a later entry of an array, or several."""
    root, first, step = array
    return place[0] == root and place[1] >= first and place[2] in (0, step) and not (place[1] - first) % step


def _small(value: int) -> int:
    """A number as an int of 32 bits, where it may be one."""
    return value - (1 << 32) if value >> 31 == 1 else value
