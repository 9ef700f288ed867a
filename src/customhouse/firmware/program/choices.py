"""Values that a condition chose (`movls r3, #1; movhi r3, #0`), and what a branch on that condition makes of them."""

from typing import Any, NamedTuple

from .lift import BAND, BNOT, BOR, EQ, LE, LT, NE, SELECT, SLE, SLT
from .state import State
from .terms import OP, Terms


class Choice(NamedTuple):
    """A conditional move: `new` when the condition is `sense`; `made` is what the register held then."""

    condition: int
    sense: bool
    new: int
    made: int


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
    now: tuple[Any, ...] | None = None
    for register, value in state.registers.items():
        node = terms.nodes[value]
        if node[0] != OP or node[1] != SELECT:
            continue
        now = now or normal(terms, condition, truth)
        if normal(terms, node[2], True) == now:
            state.registers[register] = node[3]
        elif normal(terms, node[2], False) == now:
            state.registers[register] = node[4]
