"""Loops that copy a block of memory a few words at a time, as compilers write them for structures: read as one copy.

Such a loop is one block that jumps to itself. All it does is to load from where one register points, to store as much
in the same order where another one points, and to move both on by what was copied, until one of them (or a counter)
comes to its end.
"""

from typing import NamedTuple

from . import fold, library
from .activation import Activation
from .lift import ADD, BNOT, EQ, LOAD, MOV, NE, STORE, SUB, UNIQUE, ZEXT, Block
from .state import State

_MOST = 1 << 16

_Form = tuple[object, ...]
"""What an operand holds: ("register", its number, plus), ("number", value), ("loaded", register, plus, size),
("differ", a, b) for a - b, ("test", whether equal, a, b)."""


class WordCopy(NamedTuple):
    """`source` and `target` are registers that move on by `step` each round. The loop is left when `counter`, which
    moves by `pace`, comes to what `end` holds (an operand).
    """

    source: int
    target: int
    step: int
    counter: int
    pace: int
    end: int
    changed: frozenset[int]


def word_copy(block: Block) -> WordCopy | None:
    """The copy that a block makes by jumping to itself; None when it does anything else."""
    leave = block.exit
    if leave.kind != "cond" or block.address not in (leave.target, leave.next):
        return None
    return _Reading().read(block)


class _Reading:
    """One block, read with registers as they are when a round begins."""

    def __init__(self) -> None:
        self.held: dict[int, _Form] = {}
        self.loads: dict[tuple[int, int], int] = {}
        self.stores: dict[int, tuple[int, int, int]] = {}
        """By offset from the target: source register, offset from it, size."""
        self.target = -1

    def read(self, block: Block) -> WordCopy | None:
        for kind, out, a, b, size, _ in block.ops:
            if not self._operation(kind, out, a, b, size):
                return None
        return self._copies(block)

    def _form(self, operand: int) -> _Form:
        return ("number", ~operand) if operand < 0 else self.held.get(operand, ("register", operand, 0))

    def _operation(self, kind: int, out: int, a: int, b: int, size: int) -> bool:
        left = self._form(a)
        if kind in (MOV, ZEXT):
            self.held[out] = left
        elif kind == LOAD:
            if left[0] != "register":
                return False
            self.held[out] = ("loaded", left[1], left[2], size)
        elif kind == STORE:
            return self._store(left, self._form(b), size)
        else:
            made = self._computed(kind, left, self._form(b), size)
            if made is None:
                return False
            self.held[out] = made
        return True

    def _computed(self, kind: int, left: _Form, right: _Form, size: int) -> _Form | None:
        if kind in (ADD, SUB) and left[0] == "register" and right[0] == "number":
            plus = _signed(int(str(right[1])), size)
            return ("register", left[1], int(str(left[2])) + (plus if kind == ADD else -plus))
        if kind == SUB and left[0] == "register" and right[0] == "register":
            return ("differ", left, right)
        if kind in (EQ, NE):
            if left[0] == "differ" and right == ("number", 0):
                return ("test", kind == EQ, left[1], left[2])
            return ("test", kind == EQ, left, right)
        if kind == BNOT and left[0] == "test":
            return ("test", not left[1], left[2], left[3])
        return None

    def _store(self, where: _Form, value: _Form, size: int) -> bool:
        if where[0] != "register" or value[0] != "loaded" or value[3] != size or size < 4:
            return False
        target, at = int(str(where[1])), int(str(where[2]))
        if self.target not in (-1, target) or at in self.stores:
            return False
        self.target = target
        self.stores[at] = (int(str(value[1])), int(str(value[2])), size)
        return True

    def _copies(self, block: Block) -> WordCopy | None:
        at = 0
        sources = {source for source, _, _ in self.stores.values()}
        if len(sources) != 1:
            return None
        while at in self.stores and self.stores[at][1] == at:
            at += self.stores[at][2]
        moved = {register: form for register, form in self.held.items() if register < UNIQUE}
        source = sources.pop()
        if not at or sum(one[2] for one in self.stores.values()) != at:
            return None
        if moved.get(source) != ("register", source, at) or moved.get(self.target) != ("register", self.target, at):
            return None
        ends = self._ends(block)
        return None if ends is None else WordCopy(source, self.target, at, *ends, frozenset(moved))

    def _ends(self, block: Block) -> tuple[int, int, int] | None:
        """The register that counts, how it moves, and the operand that it is compared with."""
        test = self._form(block.exit.value)
        if test[0] != "test" or bool(test[1]) == (block.exit.target == block.address):
            return None  # it goes on while they are equal
        for one, other in ((test[2], test[3]), (test[3], test[2])):
            if not isinstance(one, tuple) or not isinstance(other, tuple) or one[0] != "register":
                continue
            register, pace = one[1], one[2]
            if not pace or self.held.get(register) != one:
                continue
            if other[0] == "number":
                return register, pace, ~other[1]
            if other[0] == "register" and not other[2] and other[1] not in self.held:
                return register, pace, other[1]
        return None


def _signed(value: int, size: int) -> int:
    top = 1 << (8 * size - 1)
    value &= 2 * top - 1
    return value - 2 * top if value & top else value


def copied(activation: Activation, state: State, loop: WordCopy) -> bool:
    """Make the whole copy at once; False when its length is not known."""
    terms, value = activation.terms, activation.value
    begin, more = terms.based(value(state, loop.counter))
    end, other = terms.based(value(state, loop.end))
    if begin != end:
        numbers = terms.value(value(state, loop.counter)), terms.value(value(state, loop.end))
        if numbers[0] is None or numbers[1] is None:
            return False
        more, other = numbers[0], numbers[1]
    rounds, rest = divmod(other - more, loop.pace)
    size = rounds * loop.step
    if rest or not 0 < size <= _MOST:
        return False
    source, target = value(state, loop.source), value(state, loop.target)
    last = {one: value(state, one) for one in (loop.source, loop.target, loop.counter)}
    library.block_copy(activation, state, target, source, terms.const(size), True)
    for register in loop.changed:
        state.registers.pop(register, None)
    word = terms.word
    for register, pace in ((loop.counter, loop.pace), (loop.source, loop.step), (loop.target, loop.step)):
        state.registers[register] = fold.binary(terms, ADD, last[register], terms.const(rounds * pace), word)
    return True
