"""Straight code: what the operations of a block do to registers and memory."""

from . import bounds, cases, fold, library
from .activation import Activation
from .choices import Choices
from .copyloops import CopyLoops
from .gathered import Gathered
from .lift import (
    ADD,
    BNOT,
    MOV,
    MUL,
    NEG,
    NOT,
    OTHER,
    PIECE,
    REPEAT,
    SELECT,
    SEXT,
    SHR,
    STORE,
    TRUNC,
    WEAK_STORE,
    XOR,
    ZEROS,
    ZEXT,
    Block,
    Op,
)
from .lift import LOAD as OP_LOAD
from .loops import Loops
from .measured import ended
from .state import State
from .terms import ADDR, CONST, OP, PHI

_UNARY = frozenset((MOV, ZEXT, SEXT, TRUNC, NEG, NOT, BNOT, ZEROS))
_EFFECTS = frozenset((STORE, WEAK_STORE, REPEAT, SELECT))
"""Operations that do more than put what they compute into one register."""
_WIDE = frozenset((OP_LOAD, MOV, XOR))
_HALF = 2


class Instructions:
    """Runs the operations of blocks. `choices` keeps what conditional moves chose between."""

    def __init__(self, activation: Activation, loops: Loops, copies: CopyLoops, gathered: Gathered) -> None:
        self.activation = activation
        self.whole = activation.whole
        self.terms = activation.terms
        self.memory = activation.memory
        self.loops = loops
        self.copies = copies
        self.gathered = gathered
        self.block = 0
        self.choices = Choices(activation)
        self.second = bool(activation.whole.lifter.second)
        """Whether the second byte of a register has a name: it is read by a shift of a halfword."""

    def run(self, block: Block, state: State) -> None:
        """Change the state as the block does, up to where it is left."""
        self.choices.begin(block.address)
        self.block = block.address
        registers = state.registers
        terms = self.terms
        const = terms.const
        value = self.activation.value
        gp = self.activation.gp if self.activation.image.gp is not None else -1
        for op in block.ops:
            kind, out, a, b, size, at = op
            if kind in _EFFECTS or (size > terms.word and kind in _WIDE):
                self._effect(state, op)
                registers = state.registers  # what is stored may give the pointers to an entry a name
                continue
            left = const(~a) if a < 0 else registers.get(a)
            if left is None:
                left = value(state, a)
            if kind == OP_LOAD:
                self.activation.site = at
                result = self._load(state, left, size)
            elif kind in _UNARY:
                if kind == ZEXT and size == 1 and terms.nodes[left][0] in (OP, ADDR, PHI):
                    terms.bytes.add(left)
                result = left if kind in (MOV, ZEXT) else fold.unary(terms, kind, left, size)
            elif kind == OTHER:
                result = terms.unknown(("other", self.activation.function.address, at))
            elif kind == SHR and size == _HALF and self.second and (second := terms.second_byte(left, ~b)) is not None:
                result = second
            else:
                right = const(~b) if b < 0 else registers.get(b)
                if right is None:
                    right = value(state, b)
                whole = kind == PIECE and terms.nodes[left][0] == CONST
                result = right if whole else fold.binary(terms, kind, left, right, size)
            if out != gp:
                registers[out] = result

    def _load(self, state: State, address: int, size: int) -> int:
        """A word from memory: where the ways that led here read different constants (a field of the entry that each of
        them found), which of them stays known.
        """
        result = self.memory.load(state, address, size)
        places = [cases.replaced(self.terms, address, case.values) for case in state.cases]
        if all(one == address for one in places):
            return result
        values = [self.memory.load(state, one, size) for one in places]
        if any(self.terms.value(one) is None for one in values):
            return result
        if len(set(values)) == 1:
            return values[0]
        phi = self.terms.phi(self.activation.function.address, self.activation.site, ("loaded", address))
        for one in values:
            self.terms.add_alternative(phi, one)
        state.cases = tuple(
            case._replace(values={**case.values, phi: value}) for case, value in zip(state.cases, values, strict=True)
        )
        return phi

    def _effect(self, state: State, op: Op) -> None:
        kind, out, a, b, size, at = op
        value = self.activation.value
        if kind == SELECT:
            self.choices.select(state, out, value(state, a), value(state, b), size)
            return
        self.activation.site = at
        if kind == WEAK_STORE:
            self._guarded_store(state, value(state, a), b, size, out)
        elif kind == STORE and size > self.terms.word:
            self._wide_store(state, value(state, a), b, size, False)
        elif kind == STORE:
            self._store(state, value(state, a), value(state, b), size)
        elif kind == REPEAT:
            self._repeat(state, size, bool(~b))
        else:
            self._wide(state, kind, out, a, b, size)

    def _store(self, state: State, address: int, value: int, size: int) -> None:
        if self.loops.bodies:
            self.copies.stored(state, self.block, address, value, size)
        self.gathered.stored(state, address, value, size)
        self.memory.store(state, address, value, size)
        if size == 1 and self.loops.bodies:
            self._overwritten(state, address, value, None)
        if size == 1 and self._is_zero(state, value):
            self.activation.conditions.ends.cut(state, address)
        elif size > 1 and (number := self.terms.value(value)) is not None:
            length = self._letters(number, size)
            if length:
                self.activation.conditions.ends.cut(state, self.terms.add(address, length))

    def _letters(self, number: int, size: int) -> int:
        """The letters before the NUL in a word that ends a text: `strcpy(text + 28, "...")` after the compiler. 0 when
        it is none.
        """
        raw = (number & ((1 << 8 * size) - 1)).to_bytes(size, "big" if self.memory.image.big else "little")
        text, end, _ = raw.partition(b"\0")
        return len(text) if end and text.isascii() and text.decode().isprintable() else 0

    def _is_zero(self, state: State, value: int) -> bool:
        return value == self.terms.zero or bounds.span(self.terms, value, state.ranges) == (0, 0)

    def _overwritten(self, state: State, address: int, value: int, condition: tuple[int, bool] | None) -> None:
        constant = self.terms.value(value)
        mask = 1 << (constant & 255) if constant is not None else self.memory.byte_mask(state, value)
        self.loops.overwritten(state, address, mask, condition)

    def _guarded_store(self, state: State, address: int, operand: int, size: int, guard: int) -> None:
        """A store of a conditional instruction: done or not, and what is stored is what the condition lets pass.

        For `guard` see the lifter.
        """
        condition, truth = self.activation.value(state, guard >> 1), not guard & 1
        decided = self.terms.value(condition)
        if decided is not None and bool(decided) != truth:
            return
        if size > self.terms.word:
            self._wide_store(state, address, operand, size, decided is None)
            return
        value = self.choices.side(self.activation.value(state, operand), condition, truth)
        address = self.choices.side(address, condition, truth)
        if decided is not None:
            self._store(state, address, value, size)
            return
        masks = state.masks
        probe = state.probe()
        self.activation.conditions.refine(probe, condition, truth)
        state.masks = probe.masks
        if self.loops.bodies:
            self.copies.stored(state, self.block, address, value, size, condition)
        self.gathered.stored(probe, address, value, size)
        self.memory.store(state, address, value, size, weak=True)
        state.masks = masks
        if size == 1 and self.loops.bodies:
            self._overwritten(state, address, value, (condition, truth))
        if size == 1 and self._is_zero(state, value):
            self._cut(state, address, condition, truth)

    def _cut(self, state: State, address: int, condition: int, truth: bool) -> None:
        """A NUL byte is put there on a condition, which may be that the text is longer."""
        stored, kept = state.probe(), state.probe()
        stored.texts = state.texts
        conditions = self.activation.conditions
        if conditions.refine(stored, condition, truth) and conditions.refine(kept, condition, not truth):
            conditions.ends.cut(stored, address)
            state.learn(ended(self.terms, (stored, kept)))

    def _wide_store(self, state: State, address: int, operand: int, size: int, weak: bool) -> None:
        """A vector register holds several words; each is stored where it goes."""
        word = self.terms.word
        for at in range(0, min(size, 64), word):
            part = self.terms.zero if operand < 0 else self.activation.value(state, operand + at)
            self.memory.store(state, self.terms.add(address, at), part, word, weak)

    def _wide(self, state: State, kind: int, out: int, a: int, b: int, size: int) -> None:
        """Loads, moves and clearing of vector registers, a word at a time."""
        word = self.terms.word
        values = []
        for at in range(0, min(size, 64), word):
            if kind == OP_LOAD:
                values.append(self.memory.load(state, self.terms.add(self.activation.value(state, a), at), word))
            elif kind == MOV:
                values.append(self.terms.const(~a >> (8 * at)) if a < 0 else self.activation.value(state, a + at))
            else:
                values.append(self.terms.zero if a == b else self.terms.unknown(("vector", self.activation.site, at)))
        for index, one in enumerate(values):
            state.registers[out + index * word] = one

    def _bytes_of(self, state: State, where: int, origin: int, count: int, size: int) -> tuple[int, int] | None:
        """A copy of words as the copy of bytes that the compiler made it from, and how far before it that begins: the
        first word and what is left of the last one are moved by themselves, and the words between them where they are
        aligned; or it is only the last word that is.
        """
        node = self.terms.nodes[count]
        shift = size.bit_length() - 1
        if not shift or node[0] != OP or node[1] != SHR or self.terms.value(node[3]) != shift:
            return None
        for back in range(size, 0, -1):
            spots = self.terms.locate(self.terms.add(where, -back))
            first = state.words.get(spots[0]) if len(spots) == 1 else None
            if first is not None and first == (size, self.memory.load(state, self.terms.add(origin, -back), size)):
                return self.terms.add(node[2], back), -back
        return self._by_length(state, node[2], size)

    def _by_length(self, state: State, counted: int, size: int) -> tuple[int, int] | None:
        """The same by the number of bytes that words are counted from: the whole length is in a register, or is what a
        constant was taken from.
        """
        held = set(state.registers.values())
        aligned, but_last = (self.terms.add(counted, size), -size), (self.terms.add(counted, 1), 0)
        for found in (aligned, but_last):
            if found[0] in held:
                return found
        whole, back = self.terms.based(counted)
        if not -size <= back < 0:
            return (whole, 0) if not back else None
        return aligned if back <= -size // 2 else but_last

    def _repeat(self, state: State, size: int, copies: bool) -> None:
        """`rep movs` and `rep stos`: block copies and fills."""
        names = self.whole.lifter.registers
        wide = self.terms.word == 8
        target, source, count = (names[name] for name in (("RDI", "RSI", "RCX") if wide else ("EDI", "ESI", "ECX")))
        where, length = self.activation.value(state, target), self.activation.value(state, count)
        total = fold.binary(self.terms, MUL, length, self.terms.const(size), self.terms.word)
        end = fold.binary(self.terms, ADD, where, total, self.terms.word)
        if copies:
            origin = self.activation.value(state, source)
            before = self._bytes_of(state, where, origin, length, size)
            if before is not None:
                whole, back = before
                to, start = self.terms.add(where, back), self.terms.add(origin, back)
                library.block_copy(self.activation, state, to, start, whole, True)
            else:
                library.block_copy(self.activation, state, where, origin, total, size == 1)
            state.registers[source] = fold.binary(self.terms, ADD, origin, total, self.terms.word)
        elif (
            self.terms.value(length) is not None
            and self.terms.value(self.activation.value(state, self.activation.result_register)) == 0
        ):
            library.block_fill(self.activation, state, where, total)
        state.registers[target] = end
        state.registers[count] = self.terms.zero
