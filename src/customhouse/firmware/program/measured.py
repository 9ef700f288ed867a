"""What tests of the lengths of texts say, in force at one place of a function."""

from collections.abc import Sequence

from . import bounds
from .lift import ADD, DIV, MUL, SHL, SHR
from .state import Fact, State
from .terms import ADDR, CONST, DERIVED, OP, RESULT, STACK, Terms


def ended(terms: Terms, states: Sequence[State]) -> frozenset[Fact]:
    """Where texts end at the latest whichever way was taken: a NUL was put there, or a test says that they are no
    longer: `if (strlen(text) > 79) text[79] = 0`.
    """
    out: set[Fact] = set()
    for pointer in {fact[1] for one in states for fact in one.facts if fact[0] == "ends"}:
        longest = [_longest(terms, one, pointer) for one in states]
        if None not in longest:
            out.add(("ends", pointer, max(one for one in longest if one is not None)))
    return frozenset(out)


def from_start(terms: Terms, fact: Fact) -> Fact:
    """Where a text ends, told from where it begins: it ends n bytes behind a place in it, and so much further from the
    start.
    """
    text, more = terms.based(fact[1])
    if fact[0] != "ends" or not 0 < more < terms.floor or terms.nodes[text][0] in (CONST, STACK):
        return fact
    return ("ends", text, fact[2] + more)


def _longest(terms: Terms, state: State, pointer: int) -> int | None:
    known = [fact[2] for fact in state.facts if fact[0] == "ends" and fact[1] == pointer]
    for term, (_low, high) in state.ranges.items():
        node = terms.nodes[term]
        if node[0] == RESULT and node[2] == "strlen" and node[3][:1] == (pointer,) and 0 <= high < bounds.HUGE:
            known.append(high)
    return min(known, default=None)


class Measured:
    """The lengths of texts that were measured and compared."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._known: dict[int, frozenset[int]] = {}

    def limits(self, state: State) -> dict[int, int]:
        """The texts whose lengths were tested, each with the most bytes that it has, its end included."""
        out: dict[int, int] = {}
        for computed, (_low, most) in state.ranges.items():
            term, high = self._undone(computed, most)
            for source in self.of(term):
                if 0 < high + 1 < min(1 << 31, out.get(source, 1 << 31)):
                    out[source] = high + 1
        for fact in state.facts:
            if fact[0] == "ends":
                out[fact[1]] = min(fact[2] + 1, out.get(fact[1], 1 << 31))
            sources = self.of(fact[1]) if fact[0] == "most" else ()
            known = bounds.span(self.terms, fact[2], state.ranges) if sources else None
            if known is not None:
                most = known[1] + fact[3] + 1
                out.update((source, most) for source in sources if 0 < most < min(1 << 31, out.get(source, 1 << 31)))
        return out

    def _undone(self, term: int, high: int) -> tuple[int, int]:
        """A bound of what a number was computed from: `strlen(text) * 3 / 4 < 96`."""
        node = self.terms.nodes[term]
        if node[0] != OP or not 0 <= high < 1 << 31:
            return term, high
        count = self.terms.value(node[3]) if node[1] in (SHR, DIV) else None
        if count is not None and 0 < count < 1 << 16:
            factor = 1 << min(count, 16) if node[1] == SHR else count
            return self._undone(node[2], (high + 1) * factor - 1)
        parts, more = self.terms.linear(term)
        if len(parts) == 1 and (factor := next(iter(parts.values()))) > 1:
            return next(iter(parts)), (high - more) // factor
        if node[1] in (MUL, SHL) and (count := self.terms.value(node[3])) and count < 1 << 16:
            return node[2], high // (count if node[1] == MUL else 1 << min(count, 16))
        return term, high

    def separate(self, state: State, sources: frozenset[int]) -> bool:
        """Whether no test was of the lengths of several texts together: such a one bounds each, and their sum."""
        terms = [*state.ranges, *(fact[1] for fact in state.facts if fact[0] == "most")]
        summed = (one for one in terms if self.terms.nodes[self.terms.based(one)[0]][0] == OP)
        return not any(self.of(one) & sources for one in summed)

    def compared(self, state: State, pointer: int) -> bool:
        """Whether the length of a text was compared with anything, or what it leaves of a room."""
        orders = [fact[1:3] for fact in state.facts if fact[0] == "most"]
        terms = [one for one, (_low, high) in state.ranges.items() if high < bounds.HUGE]
        terms += [one for one, _ in orders]
        return any(pointer in self.of(one) for one in terms) or any(
            factor < 0 and pointer in self.of(one)
            for term in (*state.ranges, *(rest for _, rest in orders))
            for one, factor in self.terms.linear(term)[0].items()
        )

    def of(self, term: int, level: int = 0) -> frozenset[int]:
        """The texts whose length the number is, or of which it is the length and more."""
        found = self._known.get(term)
        if found is None:
            node = self.terms.nodes[term]
            found = frozenset()
            if node[0] == RESULT and node[2] in ("strlen", "strnlen") and node[3]:
                found = frozenset(node[3][:1])
            elif node[0] == OP and node[1] == ADD and level < 4:
                found = self.of(node[2], level + 1) | self.of(node[3], level + 1)
            elif node[0] == ADDR and not node[3]:
                found = self.of(node[1], level + 1)
            if not level:
                self._known[term] = found
        return found

    def inside(self, state: State, size: int) -> int:
        """A bound of a distance from a place in a text to one behind it: what was measured of the text."""
        parts, constant = self.terms.linear(size)
        ends = [one for one, factor in parts.items() if factor == 1]
        starts = [one for one, factor in parts.items() if factor == -1]
        if (
            len(ends) != 1
            or len(starts) > 1
            or len(parts) != len(starts) + 1
            or self.terms.nodes[ends[0]][0] != DERIVED
        ):
            return bounds.HUGE
        start = self.terms.add(starts[0], -constant) if starts else self.terms.const(-constant)
        measured = self.limits(state)
        common = self._texts(ends[0]) & self._texts(start) if measured else frozenset()
        return min((measured[one] - 1 for one in common if one in measured), default=bounds.HUGE)

    def _texts(self, pointer: int) -> frozenset[int]:
        """What a pointer was found in, by the searches that found it, with the pointer itself."""
        out = {pointer}
        while self.terms.nodes[pointer][0] in (ADDR, DERIVED):
            pointer = self.terms.nodes[pointer][1]
            out.add(pointer)
        return frozenset(out)
