"""What a branch makes of the cases of a state: those that it refutes are gone, and what the others share is known."""

from . import bounds, cases, fold, pieces
from .conditions import Conditions
from .join import shared
from .lift import BAND, BNOT, BOR, EQ, LE, LT, NE, SLE, SLT
from .orders import less
from .state import State
from .terms import OP, Terms


class Narrowing:
    """Tries conditions on the cases of states."""

    def __init__(self, terms: Terms, conditions: Conditions) -> None:
        self.terms = terms
        self.conditions = conditions

    def refine(self, state: State, term: int, truth: bool) -> bool:
        """Take the branch on the condition, in all cases. False when that cannot be in any."""
        before = [(case, cases.seen(state, case)) for case in state.cases]
        if not self.conditions.refine(state, term, truth):
            return False
        if not before:
            return True
        left = []
        for case, known in before:
            here = cases.replaced(self.terms, term, case.values)
            if self._verdict(known, here) in (None, truth) and self.conditions.refine(known, here, truth):
                known.learn(pieces.told(self.conditions.sets, known))
                left.append((case.values, known))
        if not left:
            return False
        state.learn(cases.telling(shared([known.facts for _, known in left])))
        if len(left) == 1:
            self._settle(state, *left[0])
        else:
            state.cases = cases.few(cases.beyond(state, values, known) for values, known in left)
        return True

    def among(self, state: State, term: int, values: list[int]) -> bool:
        """The number is one of these. False when that cannot be."""
        low, high = (self.terms.const(one) for one in (min(values), max(values)))
        if low == high:
            return self.refine(state, fold.binary(self.terms, EQ, term, low, 4), True)
        return self.refine(state, fold.binary(self.terms, LT, term, low, 4), False) and self.refine(
            state, fold.binary(self.terms, LE, term, high, 4), True
        )

    def sides(self, state: State, term: int) -> list[tuple[bool, dict[int, int], State]]:
        """Both outcomes of a condition, in each case in which they can be: with the values of the case, and what is
        known then.
        """
        out = []
        for case in state.cases or (cases.NONE,):
            here = cases.replaced(self.terms, term, case.values)
            for truth in (True, False):
                known = cases.seen(state, case)
                if self._verdict(known, here) in (None, truth) and self.conditions.refine(known, here, truth):
                    out.append((truth, case.values, known))
        return out

    def _settle(self, state: State, values: dict[int, int], known: State) -> None:
        now = cases.settled(self.terms, state, cases.beyond(state, values, known))
        for name in State.__slots__:
            setattr(state, name, getattr(now, name))

    def _verdict(self, state: State, term: int, level: int = 0) -> bool | None:
        """What the condition is by the tests before it; None when they do not tell."""
        value = self.terms.value(term)
        if value is not None:
            return bool(value)
        span = state.ranges.get(term)
        if span is not None and (span == (0, 0) or span[0] > 0 or span[1] < 0):
            return span != (0, 0)
        node = self.terms.nodes[term]
        if node[0] != OP or level > 6:
            return None
        kind: int = node[1]
        if kind == BNOT:
            inner = self._verdict(state, node[2], level + 1)
            return None if inner is None else not inner
        if kind in (BAND, BOR):
            sides = [self._verdict(state, one, level + 1) for one in node[2:4]]
            if (kind == BOR) in sides:
                return kind == BOR
            return None if None in sides else kind == BAND
        if kind in (EQ, NE, LT, LE, SLT, SLE):
            return self._compared(state, kind, node[2], node[3])
        return None

    def _compared(self, state: State, kind: int, a: int, b: int) -> bool | None:
        left, right = self._span(state, a), self._span(state, b)
        if left is None or right is None:
            return None
        if kind in (EQ, NE):
            if left[1] < right[0] or right[1] < left[0]:
                return kind == NE
            return kind == EQ if left == right and left[0] == left[1] else None
        if min(left[0], right[0]) < 0 and kind in (LT, LE):
            return None
        found = {less(kind, one, other) for one in left for other in right}
        return found.pop() if len(found) == 1 else None

    def _span(self, state: State, term: int) -> tuple[int, int] | None:
        """Both ends of a number, when tests or its bytes tell them."""
        value = self.terms.value(term)
        if value is not None:
            return (self.terms.signed(value),) * 2
        base, more = self.terms.based(term)
        mask = state.masks.get(base)
        if mask:
            return ((mask & -mask).bit_length() - 1 + more, mask.bit_length() - 1 + more)
        span = state.ranges.get(base)
        if span is None or span[1] >= bounds.HUGE or span[0] <= -bounds.HUGE:
            return None
        return (span[0] + more, span[1] + more)
