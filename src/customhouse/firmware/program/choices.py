"""Values that a condition chose (`movls r3, #1; movhi r3, #0`), and what a branch on that condition makes of them."""

from typing import Any, NamedTuple

from . import bounds, cases, fold, pieces
from .activation import Activation
from .lift import BAND, BNOT, BOR, EQ, LE, LT, NE, SELECT, SLE, SLT
from .state import State
from .terms import BYTE, CONST, LOAD, MERGE, OP, PHI, Terms


class Choice(NamedTuple):
    """A conditional move: `new` when the condition is `sense`; `made` is what the register held then."""

    condition: int
    sense: bool
    new: int
    made: int


Way = tuple[int, dict[int, int], State]
"""What is chosen on one way, with what phis are on it and what is known there."""
_OTHER_WAY = {EQ: NE, NE: EQ, BAND: BOR, BOR: BAND}
_TURNED = {LT: LE, LE: LT, SLT: SLE, SLE: SLT}
"""`not a < b` is `b <= a`."""
_DEPTH = 8


def normal(terms: Terms, condition: int, truth: bool, level: int = 0) -> tuple[Any, ...]:
    """A condition, or its opposite, with the negations moved to its ends: what is equal says the same."""
    node = terms.nodes[condition]
    kind = node[1] if node[0] == OP and level < _DEPTH else None
    if kind == BNOT:
        return normal(terms, node[2], not truth, level + 1)
    if kind in (BAND, BOR):
        sides = frozenset(normal(terms, one, truth, level + 1) for one in node[2:])
        return (kind if truth else _OTHER_WAY[kind], sides)
    if kind in (EQ, NE):
        return (kind if truth else _OTHER_WAY[kind], frozenset(node[2:]))
    if kind in _TURNED and not truth:
        return (_TURNED[kind], node[3], node[2])
    return (kind, node[2], node[3]) if kind in _TURNED else (condition, truth)


def settle(terms: Terms, state: State, condition: int, truth: bool) -> None:
    """On the way where the condition is (not) true, what it chose between is one of the two."""
    for register, value in state.registers.items():
        if terms.nodes[value][:2] == (OP, SELECT):
            state.registers[register] = chosen(terms, condition, truth, value)


def chosen(terms: Terms, condition: int, truth: bool, value: int) -> int:
    """What a value is where the condition is (not) true: the side that this chooses, if it is a choice by it."""
    node = terms.nodes[value]
    if node[0] != OP or node[1] != SELECT:
        return value
    now = normal(terms, condition, truth)
    if normal(terms, node[2], True) == now:
        return int(node[3])
    return int(node[4]) if normal(terms, node[2], False) == now else value


class Choices:
    """The conditional moves of one function."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.flags = activation.whole.lifter.flags
        self.open: dict[int, tuple[int, int, int, int]] = {}
        """Registers that a conditional instruction of the block set: the value, the condition, and both its sides."""
        self.chosen: dict[int, Choice] = {}
        self.block = -1
        self.moves: dict[int, dict[tuple[int, int], tuple[int, int, int]]] = {}
        """Every value that was chosen in the function: by block and register the condition, and both sides."""

    def begin(self, block: int) -> None:
        """Another block begins."""
        self.block = block
        self.open.clear()

    def select(self, state: State, out: int, condition: int, new: int, sense: int) -> None:
        """`out = condition ? new : out` (the other way round when sense is 0)."""
        old = state.registers.get(out)
        terms = self.terms
        decided = terms.value(condition)
        if old is None and decided is None and out not in self.flags:
            state.registers[out] = new  # where nothing is put there, nothing reads it
            return
        if old is None:
            old = self.terms.unknown(("register", self.activation.function.address, out))
        before = self.chosen.get(out)
        if (
            before is not None
            and before.made == old
            and normal(terms, condition, bool(sense)) == normal(terms, before.condition, not before.sense)
        ):
            old = before.new  # where this one does not choose, the one before did
        new = self._here(new, condition, bool(sense))
        here = self.side(old, condition, bool(sense))
        if here != old:  # chosen by the same condition before, and then used
            new = cases.replaced(terms, new, {old: here})
            old = self.side(old, condition, not sense)
        if old == new:
            state.registers[out] = new
            return
        if decided is not None:
            state.registers[out] = new if bool(decided) == bool(sense) else old
            return
        yes, no = fold.decided(terms, condition, *((new, old) if sense else (old, new)))
        if out in self.flags or (fold.is_truth(terms, yes) and fold.is_truth(terms, no)):
            state.registers[out] = self._flag(condition, yes, no)
            self.chosen[out] = Choice(condition, bool(sense), new, state.registers[out])
            return
        if (terms.nodes[yes][0] == CONST and terms.nodes[no][0] == CONST) or self._is_byte_choice(yes, no):
            made = state.registers[out] = terms.make((OP, SELECT, condition, yes, no), condition, yes, no)
            mask = self.activation.memory.byte_mask(state, made)
            if mask is not None:
                state.masks[made] = mask
            if terms.value(yes) is None or terms.value(no) is None:
                self._bound(state, made, self._ways(state, condition, yes, no))
        else:
            merged = state.registers[out] = self._either(state, out, condition, yes, no)
            self.moves.setdefault(merged, {})[self.block, out] = (condition, yes, no)
            self.open[out] = (merged, condition, yes, no)
        self.chosen[out] = Choice(condition, bool(sense), new, state.registers[out])

    def _here(self, value: int, condition: int, truth: bool) -> int:
        """A value that is computed from what the block chose before, where a condition is (not) true."""
        sides = {merged: self.side(merged, condition, truth) for merged, *_ in self.open.values()}
        sides = {merged: one for merged, one in sides.items() if merged != one}
        value = self.side(value, condition, truth)
        return cases.replaced(self.terms, value, sides) if sides else value

    def _either(self, state: State, out: int, condition: int, yes: int, no: int) -> int:
        """One of two values, and what is known of it: `n < 80 ? n : 80` is at most 80, `valid(p) ? p : NULL` is valid
        where it is not NULL.
        """
        terms = self.terms
        ways = self._ways(state, condition, yes, no)
        apart = len({cases.telling(known.facts) for _, _, known in ways}) > 1
        if apart:
            merged = terms.phi(self.activation.function.address, self.activation.site, ("choice", out, condition))
            for side in (yes, no):
                terms.add_alternative(merged, side)
            self.activation.conditions.implied[merged] = tuple((side, known.facts) for side, _, known in ways)
        else:
            merged = terms.merge({yes, no})
        self._bound(state, merged, ways)
        states = [known for _, _, known in ways]
        begun = [pieces.begun(known.facts) for known in states]
        state.learn(pieces.ahead(terms, merged, [side for side, _, _ in ways], states, begun))
        if apart:
            state.cases = cases.few(
                cases.beyond(state, {**values, merged: side}, known) for side, values, known in ways
            )
        return merged

    def _ways(self, state: State, condition: int, yes: int, no: int) -> list[Way]:
        sides = self.activation.narrowing.sides(state, condition)
        return [
            (cases.replaced(self.terms, yes if truth else no, values), values, known) for truth, values, known in sides
        ]

    def _bound(self, state: State, chosen: int, ways: list[Way]) -> None:
        spans = [bounds.span(self.terms, side, known.ranges) for side, _, known in ways]
        highs = [one[1] for one in spans if one is not None]
        if highs and len(highs) == len(spans):
            state.ranges[chosen] = (0, max(highs))
        state.learn(bounds.ordered(self.terms, chosen, [(side, known) for side, _, known in ways]))

    def _is_byte_choice(self, yes: int, no: int) -> bool:
        """`test(c) ? c : '_'`: kept whole, so that the values it can have are known."""
        return len(self.activation.whole.sets.variables(yes) | self.activation.whole.sets.variables(no)) == 1

    def _flag(self, condition: int, yes: int, no: int) -> int:
        """A flag that a conditional compare sets: `condition ? yes : no` as and/or."""
        terms = self.terms
        yes, no = self._where(condition, True, yes), self._where(condition, False, no)
        if terms.value(no) is not None:
            if terms.value(no):
                inverted = fold.unary(terms, BNOT, condition, 1)
                return fold.binary(terms, BOR, inverted, yes, 1)
            return fold.binary(terms, BAND, condition, yes, 1)
        if terms.value(yes) is not None:
            if terms.value(yes):
                return fold.binary(terms, BOR, condition, no, 1)
            return fold.binary(terms, BAND, fold.unary(terms, BNOT, condition, 1), no, 1)
        return fold.select(terms, condition, yes, no)

    def _where(self, condition: int, truth: bool, flag: int) -> int:
        """What a flag is where the condition is (not) true: known, when that is a part of the condition."""
        flag = chosen(self.terms, condition, truth, flag)
        now = normal(self.terms, condition, truth)
        parts = now[1] if now[0] == BAND else (now,)
        for known in (True, False):
            if self.terms.value(flag) is None and normal(self.terms, flag, known) in parts:
                return self.terms.const(int(known))
        return flag

    def settle(self, state: State, term: int, truth: bool) -> None:
        """Behind a branch by the condition of conditional instructions, which of two pointers they chose is known."""
        settle(self.terms, state, term, truth)
        self._void(state, term, truth)
        for register, (merged, *_) in self.open.items():
            if state.registers.get(register) == merged:
                state.registers[register] = self.side(merged, term, truth)

    def _void(self, state: State, term: int, truth: bool) -> None:
        """A pointer that was found to be NULL is no other one where it meets others: not the last entry of a list."""
        kind, sides, *_ = normal(self.terms, term, truth)
        if kind != EQ or not isinstance(sides, frozenset) or self.terms.zero not in sides or len(sides) != 2:
            return
        (pointer,) = sides - {self.terms.zero}
        if self.terms.nodes[pointer][0] in (LOAD, BYTE, MERGE, PHI):
            for register, value in state.registers.items():
                if value == pointer:
                    state.registers[register] = self.terms.zero

    def side(self, value: int, term: int, truth: bool) -> int:
        """What a value that a conditional instruction of the block chose is where a condition is (not) true."""
        base, more = self.terms.based(value)
        for merged, condition, yes, no in self.open.values():
            if merged in (value, base):
                now, plus = normal(self.terms, term, truth), 0 if merged == value else more
                if normal(self.terms, condition, True) == now:
                    return self.terms.add(yes, plus)
                if normal(self.terms, condition, False) == now:
                    return self.terms.add(no, plus)
        inner = chosen(self.terms, term, truth, base)
        return value if inner == base else self.terms.add(inner, more)
