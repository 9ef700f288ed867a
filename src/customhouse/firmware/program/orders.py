"""What comparisons of numbers tell: ranges, and which number is at most which other."""

from typing import Any

from . import bounds, fold
from .lift import AND, BAND, BNOT, BOR, EQ, LE, LT, NE, OR, SELECT, SLE, SLT, SUB
from .state import State
from .terms import CONST, MERGE, OP, RESULT, Terms

_ANY = -(1 << 62)
COMPARED = frozenset((EQ, NE, LT, LE, SLT, SLE))
_DEPTH = 3


def signed_word(terms: Terms, value: int) -> int:
    """A constant as a signed number; compilers compare ints in 32 bits also where words have 64."""
    if value >> 31 == 1 and value < 1 << 32:
        return value - (1 << 32)
    return terms.signed(value)


def less(kind: int, a: int, b: int) -> bool:
    """Whether the comparison of two known numbers holds."""
    return a < b if kind in (LT, SLT) else a <= b


def plain(terms: Terms, term: int, truth: bool) -> tuple[int, bool]:
    """A condition without its negations, and whether that has to hold."""
    node = terms.nodes[term]
    while node[0] == OP and (
        node[1] == BNOT or (node[1] == EQ and terms.value(node[3]) == 0 and is_condition(terms, node[2]))
    ):
        term, truth = node[2], not truth
        node = terms.nodes[term]
    return term, truth


def differences(terms: Terms, condition: int | None, level: int = 0) -> list[tuple[dict[int, int], int]]:
    """The differences that a condition compares with nothing, as sums."""
    if condition is None or level > _DEPTH:
        return []
    node = terms.nodes[plain(terms, condition, truth=True)[0]]
    if node[0] != OP:
        return []
    if node[1] in (EQ, NE) and node[3] == terms.zero and fold.is_truth(terms, node[2]):
        return differences(terms, node[2], level + 1)
    if node[1] in (BAND, BOR, SELECT):
        return [one for side in node[2:] for one in differences(terms, side, level + 1)]
    return [terms.linear(fold.binary(terms, SUB, node[2], node[3], terms.word))] if node[1] in COMPARED else []


def is_condition(terms: Terms, term: int) -> bool:
    node = terms.nodes[term]
    return bool(node[0] == OP and node[1] in fold.BOOLEAN)


def together(terms: Terms, node: tuple[Any, ...]) -> int | None:
    """`a < k || a - k == 0` as one comparison, or (of `and`) that it is not so: of one of several values the difference
    is one of several again, and does not tell of the values. Of two unknowns, it tells which of them has a sign.
    """
    for one, other in (node[2:4], node[3:1:-1]):
        (equal, is_equal), (ordered, is_less) = (plain(terms, side, node[1] == BOR) for side in (one, other))
        zero, order = terms.nodes[equal], terms.nodes[ordered]
        if zero[0] != OP or order[0] != OP or zero[1] not in (EQ, NE) or (zero[1] == EQ) != is_equal:
            continue
        a, b = order[2:4] if is_less else order[3:1:-1]
        kind = _WITH_EQUAL.get((order[1], is_less))
        limit = terms.value(b)
        if kind is not None and limit is None and zero[2:4] in _equalities(terms, a, b):
            return terms.make((OP, kind, a, b), a, b)
        if kind is None or limit is None or terms.nodes[a][0] != MERGE or terms.value(zero[3]) != 0:
            continue
        if terms.add(a, -terms.signed(limit)) == zero[2]:
            return terms.make((OP, kind, a, b), a, b)
    return None


def _equalities(terms: Terms, a: int, b: int) -> list[tuple[int, ...]]:
    """What is compared to see whether two numbers are equal."""
    rests = (terms.index.get((OP, SUB, *sides)) for sides in ((a, b), (b, a)))
    return [(a, b), (b, a), *((rest, terms.zero) for rest in rests if rest is not None)]


def set_bits(terms: Terms, term: int) -> int | None:
    """A number, or some of its bits that are surely set; None when nothing is known."""
    node = terms.nodes[term]
    return terms.value(node[3]) or None if node[0] == OP and node[1] == OR else terms.value(term)


def collected_bit(terms: Terms, node: tuple[Any, ...]) -> int | None:
    """A bit of a conditional value as the choice between that bit of either: `wrong |= length > 8` is asked for the bit
    alone.
    """
    mask, chosen = terms.value(node[3]), terms.nodes[node[2]]
    if node[1] != AND or mask is None or chosen[:2] != (OP, SELECT):
        return None
    sides = [
        node[3] if mask & (set_bits(terms, one) or 0) == mask else fold.binary(terms, AND, one, node[3], terms.word)
        for one in chosen[3:5]
    ]
    return terms.make((OP, SELECT, chosen[2], *sides), chosen[2], *sides) if node[3] in sides else None


_WITH_EQUAL = {(LT, True): LE, (SLT, True): SLE, (LE, False): LE, (SLE, False): SLE}
"""What an order becomes when the two may also be equal; `not b <= a` is `a < b`."""


_SMALL = 1 << 16
"""A number of this size below nothing stands for a range that begins there, rather than for a large number."""


class Orders:
    """Learns from comparisons."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def possible(self, state: State, condition: int, truth: bool) -> bool:
        """Whether a comparison can come out so: by how it came out before, and one of a number with a constant by what
        is known of the number.
        """
        condition, truth = plain(self.terms, condition, truth)
        node = self.terms.nodes[condition]
        if node[0] == OP and node[1] in COMPARED and state.ranges.get(condition) == (int(not truth),) * 2:
            return False
        if node[0] == OP and node[1] in (EQ, NE) and (node[1] == EQ) == truth:
            return self._equals(state, node[2], node[3])
        if node[0] != OP or node[1] not in (LT, LE, SLT, SLE):
            return True
        kind, a, b = node[1:4]
        if self.terms.nodes[b][0] == CONST:
            return self._fits(state, kind, a, signed_word(self.terms, self.terms.nodes[b][1]), truth)
        base, off = self.terms.based(a if truth else b)
        other, more = self.terms.based(b if truth else a)
        difference = more - off - ((kind in (LT, SLT)) == truth)
        return not any(
            fact[0] == "most" and fact[1:3] == (other, base) and fact[3] + difference < 0 for fact in state.facts
        )

    def _equals(self, state: State, term: int, other: int) -> bool:
        """Whether a number can be a constant, by what is known of the number."""
        base, more = self.terms.based(term)
        span, value = state.ranges.get(base), self.terms.value(other)
        wanted = -1 if value is None else self.terms.signed(value) - more
        return span is None or wanted < 0 or span[0] <= wanted <= span[1]

    def apart(self, state: State, condition: int, truth: bool) -> bool:
        """A number is not equal to a constant: when that is an end of what it can be, it ends before. False when there
        is nothing left: `n >= 3 && n != 3`.
        """
        condition, truth = plain(self.terms, condition, truth)
        node = self.terms.nodes[condition]
        if node[0] != OP or node[1] not in (EQ, NE) or (node[1] == EQ) == truth:
            return True
        base, more = self.terms.based(node[2])
        span, value = state.ranges.get(base), self.terms.value(node[3])
        if span is None or value is None:
            return True
        out = self.terms.signed(value) - more
        low, high = span[0] + (span[0] == out), span[1] - (span[1] == out)
        if (low, high) != span and low <= high:
            state.ranges[base] = (low, high)
        return low <= high

    def _fits(self, state: State, kind: int, term: int, limit: int, truth: bool) -> bool:
        base, more = self.terms.based(term)
        span = state.ranges.get(base)
        if span is None or (span[0] < 0 and kind in (LT, LE)):
            return True
        return less(kind, span[0], limit - more) if truth else not less(kind, span[1], limit - more)

    def compared(self, state: State, kind: int, a: int, b: int, truth: bool) -> None:
        nodes = self.terms.nodes
        signed = kind in (SLT, SLE)
        strict = kind in (LT, SLT)
        if nodes[b][0] == CONST:
            limit = signed_word(self.terms, nodes[b][1]) if signed else nodes[b][1]
            if truth:
                self._bound(state, a, None if signed else 0, limit - strict)
            elif not signed and self._little_below(limit):
                self._bound(state, a, signed_word(self.terms, limit) + (not strict), -1)
            else:
                self._bound(state, a, limit + (not strict), None, signed)
        elif nodes[a][0] == CONST:
            limit = signed_word(self.terms, nodes[a][1]) if signed else nodes[a][1]
            if truth and not signed and self._little_below(limit):
                self._bound(state, b, signed_word(self.terms, limit) + strict, -1)
            elif truth:
                self._bound(state, b, limit + strict, None, signed)
            else:
                self._bound(state, b, None if signed else 0, limit - (not strict))
        elif truth:
            self.bounded(state, a, b, int(strict), signed)
        else:
            self.bounded(state, b, a, int(not strict), signed)

    def _little_below(self, limit: int) -> bool:
        """Whether what is larger, without a sign, is a little less than nothing: compilers ask so for both ends of a
        range, `n - 96 > -100`.
        """
        return -_SMALL <= signed_word(self.terms, limit) < 0

    def bounded(self, state: State, a: int, b: int, less: int, signed: bool = True) -> None:
        """a <= b - less for two unknowns: what bounds b bounds a, and whoever learns more of b learns it of a."""
        base, off = self.terms.based(a)
        other, more = self.terms.based(b)
        span = bounds.span(self.terms, other, state.ranges)
        if span is not None and span[1] < bounds.HUGE:
            self._bound(state, a, None if signed else 0, span[1] + more - less, signed)
        if base != other:
            state.learn(frozenset({("most", base, other, more - off - less)}))

    def _bound(self, state: State, term: int, low: int | None, high: int | None, signed: bool = True) -> None:
        base, off = self.terms.based(term)
        span = state.ranges.get(base, (-(1 << 63), 1 << 63))
        if low is not None and (signed or span[0] > _ANY or span[1] >= 1 << 62):
            # what is negative is large as well: behind a signed test an unsigned one tells nothing of the lower end
            span = (max(span[0], low - off), span[1])
        if high is not None:
            span = (span[0], min(span[1], high - off))
        if span[0] <= span[1]:
            state.ranges[base] = span
            self.measured(state, base, span[1])

    def measured(self, state: State, counter: int, high: int) -> None:
        """A length that is no larger than the counter: now it is known how large that is. One that was asked for is the
        length of its text wherever it was asked for: compilers write the question out on each way.
        """
        if not 0 <= high < 1 << 31:
            return
        found = {
            ("most", fact[1], self.terms.zero, high + fact[3])
            for fact in state.facts
            if fact[0] == "most" and fact[2] == counter and self.terms.nodes[fact[1]][1] == "strlen"
        }
        node = self.terms.nodes[counter]
        if node[0] == RESULT and node[2] == "strlen" and node[3]:
            found.add(("most", self.terms.result("strlen", "strlen", node[3][:1]), self.terms.zero, high))
        if found:
            state.learn(frozenset(found))
