"""What is computed the same way on every path that meets.

A loop that works ahead on the next byte, or that has its first round written out in front of it, is still a loop over
one byte.
"""

from typing import Any

from . import fold
from .bytesets import OF_BYTES
from .lift import ADD, MUL, SHL
from .state import State
from .terms import ADDR, BYTE, DERIVED, LOAD, OP, RESULT, Terms

_DEPTH = 6
_COMPUTED = (OP, ADDR, BYTE, RESULT, DERIVED)
Made = dict[tuple[int, ...], int]
"""The phi of the values that the paths bring."""


class Alike:
    """Registers behind a join, with what each path held in them; `made` are the phis of those that differ."""

    def __init__(self, terms: Terms, states: list[State], new: State, made: Made) -> None:
        self.terms = terms
        self.states = states
        self.new = new
        self.made = made
        self.bytes: Made = {values: phi for values, phi in made.items() if any(is_byte(terms, one) for one in values)}

    def rewrite(self) -> None:
        """What is computed the same way on every path from a value that differs is computed from that value's phi."""
        for values, phi in list(self.bytes.items()):
            there = self._at_pointer(values)
            if there is not None:
                self._replace(phi, there)
                self.bytes[values] = self.made[values] = there
        for values, phi in self.made.items():
            if values in self.bytes or any(self.terms.nodes[one][0] not in _COMPUTED for one in values):
                continue
            # a number is compared in a delay slot, before the jump back to where it is asked for
            compared = all(fold.is_truth(self.terms, one) for one in values)
            known = self.made if compared else self.bytes
            read = self._below(values)
            if read is not None and read not in known:
                known = {**known, read: self._read_ahead(phi, read)}
            common = self._alike(values, known, 0)
            if common is not None and common != phi:
                self._replace(phi, common)
        for values, phi in self.made.items():
            total = self._summed(values, phi) if phi in self.new.ranges else None
            if total is not None:
                self._replace(phi, total)

    def _summed(self, values: tuple[int, ...], phi: int) -> int | None:
        """A bounded number that is the sum of two others on every path: `filled + more <= room` in a loop whose first
        round, where nothing is filled, is written out in front of it.
        """
        terms = self.terms
        for before, filled in self.made.items():
            if terms.zero not in before:
                continue
            path = before.index(terms.zero)
            for beside, more in self.made.items():
                if beside[path] == values[path] and more != phi and self._adds(before, beside, values):
                    return fold.binary(terms, ADD, filled, more, terms.word)
        return None

    def _adds(self, ones: tuple[int, ...], others: tuple[int, ...], sums: tuple[int, ...]) -> bool:
        return all(
            fold.binary(self.terms, ADD, one, other, self.terms.word) == total
            or fold.binary(self.terms, ADD, other, one, self.terms.word) == total
            for one, other, total in zip(ones, others, sums, strict=True)
        )

    def _replace(self, phi: int, common: int) -> None:
        for key, held in self.new.registers.items():
            if held == phi:
                self.new.registers[key] = common
        if phi in self.new.masks:
            self.new.masks.setdefault(common, self.new.masks[phi])
        if phi in self.new.ranges:
            self.new.ranges.setdefault(common, self.new.ranges[phi])
        told = {
            ("most", *(common if one == phi else one for one in fact[1:3]), fact[3])
            for fact in self.new.facts
            if fact[0] == "most" and phi in fact[1:3]
        }
        self.new.learn(frozenset(told))

    def _at_pointer(self, values: tuple[int, ...]) -> int | None:
        """Bytes that were read where a pointer, or an index, is on each path: the byte that lies there."""
        nodes = [self.terms.nodes[one] for one in values]
        if any(node[0] != BYTE or node[5] != 1 for node in nodes):
            return None
        addresses = tuple(node[1] for node in nodes)
        pointer = self.made.get(addresses)
        return self._indexed(addresses) if pointer is None else self.terms.byte_at(pointer)

    def _indexed(self, addresses: tuple[int, ...]) -> int | None:
        terms = self.terms
        for values, phi in self.made.items():
            start = terms.value(values[0])
            if start is None or start >= terms.floor:
                continue
            base = terms.add(addresses[0], -start)
            if all(
                fold.binary(terms, ADD, base, one, terms.word) == address
                for one, address in zip(values, addresses, strict=True)
            ):
                return terms.byte_at(fold.binary(terms, ADD, base, phi, terms.word))
        return None

    def _below(self, values: tuple[int, ...]) -> tuple[int, ...] | None:
        """The bytes that numbers are by a constant away from, when no register holds the bytes themselves."""
        nodes = [self.terms.nodes[one] for one in values]
        if any(node[0] != ADDR or node[3] for node in nodes) or len({node[2] for node in nodes}) > 1:
            return None
        below = tuple(node[1] for node in nodes)
        return below if all(is_byte(self.terms, one) for one in below) else None

    def _read_ahead(self, phi: int, read: tuple[int, ...]) -> int:
        _, function, block, slot = self.terms.nodes[phi]
        out = self.terms.phi(function, block, ("byte", slot))
        mask = 0
        known = True
        for state, one in zip(self.states, read, strict=True):
            self.terms.add_alternative(out, one)
            known = known and one in state.masks
            mask |= state.masks.get(one, 0)
        if known:
            self.new.masks[out] = mask
        return out

    def _alike(self, values: tuple[int, ...], known: Made, level: int) -> int | None:
        """The one term of which these are what the paths made; None when they are not computed the same way."""
        first = values[0]
        if all(one == first for one in values):
            return first
        if level and values in known:
            return known[values]
        nodes = [self._plain(self.terms.nodes[one]) for one in values]
        kind = nodes[0][0]
        if level > _DEPTH or any(node[0] != kind for node in nodes):
            return None
        if kind in (ADDR, BYTE):
            return self._placed(values, nodes, known, level)
        if kind == RESULT and len({node[2] for node in nodes}) == 1:
            taken = OF_BYTES.get(nodes[0][2], 0)
            arguments = self._parts([node[3][:taken] for node in nodes], known, level) if taken else None
            return None if arguments is None else self.terms.result(nodes[0][1], nodes[0][2], tuple(arguments))
        if kind == DERIVED:
            pair = self._parts([node[1:3] for node in nodes], known, level)
            return None if pair is None else self.terms.make((DERIVED, *pair), *pair)
        if kind != OP or len({(node[1], len(node)) for node in nodes}) > 1:
            return None
        parts = self._parts([_turned(nodes[0], node) for node in nodes], known, level)
        return None if parts is None else self.terms.make((OP, nodes[0][1], *parts), *parts)

    def _plain(self, node: tuple[Any, ...]) -> tuple[Any, ...]:
        """A multiple of a power of two as the shift that it is."""
        if node[0] != OP or node[1] != MUL:
            return node
        factor = self.terms.value(node[3]) or 0
        if factor & (factor - 1) or not factor:
            return node
        return (OP, SHL, node[2], self.terms.const(factor.bit_length() - 1))

    def _placed(self, values: tuple[int, ...], nodes: list[tuple[Any, ...]], known: Made, level: int) -> int | None:
        """A place or what lies there: an entry of one table, or the byte at a pointer that goes round the loop."""
        terms = self.terms
        addresses = tuple(node[1] for node in nodes)
        if len({node[2:] for node in nodes}) == 1:
            base = self._alike(addresses, known, level + 1)
            if base is not None:
                if nodes[0][0] == ADDR:
                    return terms.add(base, nodes[0][2], nodes[0][3])
                return terms.make((BYTE, base, *nodes[0][2:]), base, nodes[0][2])
        return self._at_pointer(values) if level else None

    def _parts(self, rows: list[tuple[int, ...]], known: Made, level: int) -> list[int] | None:
        if len({len(row) for row in rows}) > 1:
            return None
        parts = [self._alike(parts, known, level + 1) for parts in zip(*rows, strict=True)]
        found = [one for one in parts if one is not None]
        return found if len(found) == len(parts) else None


def _turned(first: tuple[Any, ...], node: tuple[Any, ...]) -> tuple[int, ...]:
    """The operands, as they stand in the other: which side of a sum comes first depends on which was made first."""
    a, b = node[2], node[3]
    if node[1] == ADD and a != first[2] and b != first[3] and (a == first[3] or b == first[2]):
        return b, a
    return node[2:]


def is_byte(terms: Terms, term: int) -> bool:
    node = terms.nodes[term]
    return bool((node[0] == BYTE and node[5] == 1) or (node[0] == LOAD and node[4] == 1))
