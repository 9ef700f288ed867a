"""The ways by which control came to a block, and what is known on each: what a join of them loses can be asked of
them one by one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from . import fold, quoting
from .activation import Activation
from .lift import ADD, BNOT, EQ, NE, SELECT, SUB
from .loops import Loops
from .state import State
from .terms import ADDR, OP, PHI

_Way = tuple[State, int, int | None, int | None]
"""What is known there, the address, the byte once it was read, and which values that can have."""
_MAX_PATHS = 80
"""Ways that are gone back from a byte that is written."""


class Ways:
    """The edges of one function that were taken so far."""

    def __init__(self, activation: Activation, loops: Loops, position: dict[int, int]) -> None:
        self.memory = activation.memory
        self.conditions = activation.conditions
        self.terms = activation.terms
        self.function = activation.function.address
        self.loops = loops
        self.position = position
        self.edges: dict[tuple[int, int], State] = {}
        self.open: dict[int, tuple[int, int, int, int]] = {}
        """What conditional moves of the block at hand chose, see `Choices`."""
        self.behind: Callable[[int, int, int], quoting.Places | None] = lambda source, target, address: None
        """The place of an address on an edge, where that is known of the loop which is left by it."""
        self.befores: dict[int, list[int]] = {address: [] for address in position}
        for address in position:
            for after in activation.function.successors.get(address, ()):
                if after in self.befores:
                    self.befores[after].append(address)

    def into(self, block: int) -> list[tuple[int, State]]:
        """The edges taken to a block, each with where it comes from."""
        found = ((one, self.edges.get((one, block))) for one in self.befores[block])
        return [(one, state) for one, state in found if state is not None]

    def split(self, block: int, condition: int) -> tuple[list[State], list[State]] | None:
        """Where several tests end in one branch (`a && b || c`): what holds on the ways here that take it, and on those
        that do not. None when the condition is the same on all ways.
        """
        nodes = self.terms.nodes
        holds = True
        while nodes[condition][0] == OP and (
            nodes[condition][1] == BNOT
            or (nodes[condition][1] in (EQ, NE) and self.terms.value(nodes[condition][3]) == 0)
        ):
            holds = holds if nodes[condition][1] == NE else not holds
            condition = nodes[condition][2]
        node = nodes[condition]
        if node[0] != PHI or node[1:3] != (self.function, block):
            return None
        out: tuple[list[State], list[State]] = ([], [])
        for before in self.befores[block]:
            state = self.edges.get((before, block))
            value = state.registers.get(node[3]) if state is not None else None
            if state is None or value is None:
                return None
            for index, truth in enumerate((True, False)):
                probe = state.probe()
                if self.conditions.refine(probe, value, truth == holds):
                    out[index].append(probe)
        return out

    # -- a shell's line that is written byte by byte
    def written(self, state: State, address: int, value: int) -> list[tuple[int | None, quoting.Places]]:
        """By which paths an address was reached: what a byte can be on each, and the place in a shell's line."""
        out: list[tuple[int | None, quoting.Places]] = []
        seen: set[tuple[int, int, int, int | None]] = set()
        here = self.memory.byte_mask(state, value)
        work: list[_Way] = [(state, address, value, here)]
        while work:
            there, where, what, mask = work.pop()
            sides = self._apart(there, where, what, mask) if _place(there, where) is None else []
            if len(seen) > _MAX_PATHS:
                return [(here, quoting.UNTOLD)]
            if sides:
                seen.add((-1, len(seen), where, mask))
                work += sides
                continue
            blocks = self.loops.heads_of(where)
            known = _place(there, where) if blocks else _place(there, where) or quoting.START
            if known is not None:
                out.append((mask, known))
                continue
            block = max(blocks, key=lambda one: self.position.get(one, -1))
            for before, edge in self._edges_to(block, where, mask, seen):
                moved = self._carried_by(edge, block, where)
                behind = self.behind(before, block, moved)
                if behind is not None:
                    out.append((mask, behind))
                elif moved != where:
                    work.append((edge, moved, *self._value_on(edge, block, what, mask)))
        return out or [(here, quoting.UNTOLD)]

    def _apart(self, there: State, where: int, what: int | None, mask: int | None) -> list[_Way]:
        """The ways on which an address that a condition chose is one or the other."""
        out: list[_Way] = []
        found = self._sides(where)
        for condition, truth, side in found if all(one[2] != where for one in found) else ():
            probe = there.probe()
            if self.conditions.refine(probe, condition, truth):
                more = None if what is None else self.memory.byte_mask(probe, what)
                both = mask if more is None else more if mask is None else mask & more
                out.append((probe, side, what, both))
        return out

    def _sides(self, address: int) -> list[tuple[int, bool, int]]:
        """An address that a conditional move chose: what it is if the condition holds, and if not."""
        node = self.terms.nodes[address]
        chosen = self._chosen(address, node)
        if chosen is not None:
            return [(chosen[0], True, chosen[1]), (chosen[0], False, chosen[2])]
        if node[0] == ADDR and not node[3]:
            return [(one, truth, self.terms.add(side, node[2])) for one, truth, side in self._sides(node[1])]
        if node[0] == OP and node[1] == ADD:
            for part, other in ((node[2], node[3]), (node[3], node[2])):
                sides = self._sides(part)
                if sides:
                    add = partial(fold.binary, self.terms, ADD, other, size=self.terms.word)
                    return [(one, truth, add(side)) for one, truth, side in sides]
        return []

    def _chosen(self, term: int, node: tuple[Any, ...]) -> tuple[int, int, int] | None:
        """A condition, and the two values between which it chose."""
        for merged, condition, yes, no in self.open.values():
            if merged == term:
                return condition, yes, no
        if node[0] != OP:
            return None
        if node[1] == SELECT:
            return node[2], node[3], node[4]
        return (term, self.terms.const(1), self.terms.zero) if node[1] in fold.BOOLEAN else None

    def _edges_to(
        self, block: int, where: int, mask: int | None, seen: set[tuple[int, int, int, int | None]]
    ) -> list[tuple[int, State]]:
        """The ways to a block that were not gone back yet for this address and this byte."""
        out = []
        for before in self.befores.get(block, ()):
            edge = self.edges.get((before, block))
            if edge is not None and (before, block, where, mask) not in seen:
                seen.add((before, block, where, mask))
                out.append((before, edge))
        return out

    def _value_on(self, edge: State, block: int, value: int | None, mask: int | None) -> tuple[int | None, int | None]:
        """A byte on one way to a block and what is known of it there; no byte any more once it was not read yet."""
        if value is None:
            return None, mask
        moved = self._carried_by(edge, block, value)
        if block in self.loops.heads_of(moved):
            return None, mask
        constant = self.terms.value(moved)
        more = self.memory.byte_mask(edge, moved) if constant is None else 1 << (constant & 255)
        return moved, more if mask is None else mask if more is None else mask & more

    def _carried_by(self, edge: State, block: int, term: int) -> int:
        """A term with what the block's head joins replaced by what came over one edge."""
        node = self.terms.nodes[term]
        kind = node[0]
        if kind == PHI and node[1] == self.function and node[2] == block:
            if isinstance(node[3], int):
                return edge.registers.get(node[3], term)
            entry = edge.words.get(node[3])
            return term if entry is None else entry[1]
        if kind == ADDR:
            return self.terms.add(self._carried_by(edge, block, node[1]), node[2], node[3])
        if kind == OP and node[1] in (ADD, SUB):
            left, right = (self._carried_by(edge, block, one) for one in node[2:4])
            return fold.binary(self.terms, node[1], left, right, self.terms.word)
        return term


def within(state: State, ways: list[State]) -> None:
    """One of the ways was taken: the bytes are what one of them leaves them to be."""
    if not ways:
        return
    for key in set.intersection(*(set(one.masks) for one in ways)):
        mask = 0
        for one in ways:
            mask |= one.masks[key]
        state.masks[key] = state.masks.get(key, mask) & mask


def _place(state: State, address: int) -> quoting.Places | None:
    """Where in a shell's line an address is, when what was written before it tells."""
    return next((fact[2] for fact in state.facts if fact[0] == "place" and fact[1] == address), None)
