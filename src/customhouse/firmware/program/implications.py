"""What a value that a test asks for implies: a callee gave it back on some of its ways only, or it was made of
comparisons.
"""

from collections.abc import Callable
from typing import Any

from . import cases, fold
from .answers import Answers
from .join import Implied, shared
from .lift import SLE, SLT, SUB
from .orders import is_condition, less, signed_word
from .state import ALL, FAULTS, GIVEN, HOLDS, Fact, State
from .terms import MERGE, PHI, RESULT, Terms

_FAULTS = (*range(1, 40), 255, 256, 1 << 16, (1 << 31) - 1)
"""Numbers of faults that a test lets pass, if it lets any pass."""
_Told = tuple[tuple[int, frozenset[Fact]], ...]
_Holds = Callable[[int], bool]


class Implications:
    """Learns from values. `refine` learns from a condition that holds, or does not."""

    def __init__(self, terms: Terms, answers: Answers, refine: Callable[[State, int, bool], bool]) -> None:
        self.terms = terms
        self.answers = answers
        self.refine = refine
        self.implied: Implied = {}
        self._asked: set[int] = set()
        """What is being looked at: a value that is computed from itself is asked once."""

    def equal(self, state: State, term: int, value: int, truth: bool) -> bool:
        """What it implies that the term is a value, or is not."""
        asked = signed_word(self.terms, value)
        return self.learn(state, term, lambda known: (signed_word(self.terms, known) == asked) == truth)

    def learn(self, state: State, term: int, holds: _Holds) -> bool:
        """What it implies that the term is one of the values for which `holds` is true. Always true: what it may have
        been is not known to be all.
        """
        self.tally(state, term, holds)
        alternatives = self.implied.get(term)
        if alternatives is None:
            node = self.terms.nodes[term]
            alternatives = self.answers.of(node, state.facts) if node[0] == RESULT else self._comparisons(term, node)
        if not alternatives or term in self._asked:
            return True
        self._asked.add(term)
        told = [self._told(state, value, facts, holds) for value, facts in alternatives]
        self._asked.discard(term)
        possible = [facts for facts in told if facts is not None]
        if possible:
            state.learn(shared(possible))
        return True

    def tally(self, state: State, term: int, holds: _Holds) -> None:
        """A tally is one of the values for which `holds` is true: what it says if nothing was amiss, see `tallies`."""
        given = [fact for fact in state.facts if fact[0] == GIVEN and fact[3] == term]
        if given and not holds(0):
            state.learn(frozenset(("lacks", *fact[1:3]) for fact in given if fact[4] == HOLDS))
        if any(fact[4] == FAULTS for fact in given) and not any(map(holds, _FAULTS)):
            state.learn(frozenset(("lacks", *fact[1:3]) for fact in given if fact[4] == FAULTS))

    def tallied(self, state: State, a: int, b: int) -> None:
        """Two numbers are equal, of which one may be a tally."""
        given = [fact for fact in state.facts if fact[0] == GIVEN]
        if not given:
            return
        terms = self.terms
        asked = terms.linear(fold.binary(terms, SUB, a, b, terms.word))
        lengths = [one for one in asked[0] if terms.nodes[one][0] == RESULT and terms.nodes[one][2] == "strlen"]
        for fact in given:
            if fact[4] == ALL:
                others = [one for one in lengths if terms.nodes[one][3][:1] == fact[1:2]]
            else:
                others = [fact[4]] if fact[4] >= 0 else []
            for other in others:
                ways = ((fact[3], other), (other, fact[3]))
                if any(terms.linear(fold.binary(terms, SUB, one, two, terms.word)) == asked for one, two in ways):
                    state.learn(frozenset({("lacks", *fact[1:3])}))

    def _comparisons(self, term: int, node: tuple[Any, ...]) -> _Told:
        """The values of a number that was given back by a callee as a comparison or a constant, or that a loop made of
        comparisons.
        """
        if cases.added(self.terms, term) is not None:
            return ((term, frozenset()),)
        if node[0] == PHI and any(cases.added(self.terms, one) is not None for one in self.terms.alternatives[term]):
            return tuple((one, frozenset()) for one in sorted(self.terms.alternatives[term]))
        parts = self.terms.flat(term) if node[0] in (MERGE, PHI) else frozenset()
        if any(self.terms.value(one) is None and not is_condition(self.terms, one) for one in parts):
            return ()
        return tuple((one, frozenset()) for one in sorted(parts))

    def _told(self, state: State, value: int, facts: frozenset[Fact], holds: _Holds) -> frozenset[Fact] | None:
        """What holds if the value is this one; None when it cannot be. A comparison that is given back is one that
        held, or did not: `return text[strspn(text, digits)] == 0`, and a number that is made of one tells as much:
        `return -(strcmp(text, "on") != 0)`, `known += !strcmp(text, "on")`.
        """
        known = self.terms.value(value)
        if known is not None:
            return facts if holds(known) else None
        if self.terms.nodes[value][0] in (PHI, MERGE):
            return self._counted(state, value, facts, holds)
        truth = cases.truth_in(self.terms, value) or cases.added(self.terms, value)
        if truth is None:
            return facts
        sides = [cases.replaced(self.terms, value, {truth: self.terms.const(one)}) for one in (1, 0)]
        ways = []
        for one, side in zip((True, False), sides, strict=True):
            if self.terms.value(side) is None and self.terms.nodes[self.terms.based(side)[0]][0] != PHI:
                return facts
            probe = _with(state, facts)
            told = self._told(probe, side, probe.facts, holds) if self.refine(probe, truth, one) else None
            ways += [told] if told is not None else []
        return shared(ways) if ways else None

    def _counted(self, state: State, value: int, facts: frozenset[Fact], holds: _Holds) -> frozenset[Fact] | None:
        """The same of what a number was before, as a loop counts: where it is what is being asked for already, it was
        made so on another way.
        """
        if value in self._asked:
            return None
        probe = _with(state, facts)
        self.learn(probe, value, holds)
        return probe.facts

    def ordered(self, state: State, node: tuple[Any, ...], truth: bool) -> bool:
        """`result < 0` and the like, for results whose values imply facts."""
        kind, a, b = node[1], node[2], node[3]
        limit = self.terms.value(b)
        signed = kind in (SLT, SLE)

        def view(value: int) -> int:
            return signed_word(self.terms, value) if signed else value

        if limit is not None:
            base, off = self.terms.based(a)
            bound = view(limit) - off
            return self.learn(state, base, lambda value: less(kind, view(value), bound) == truth)
        limit = self.terms.value(a)
        if limit is not None:
            base, off = self.terms.based(b)
            bound = view(limit) - off
            return self.learn(state, base, lambda value: less(kind, bound, view(value)) == truth)
        return True


def _with(state: State, facts: frozenset[Fact]) -> State:
    """What is known of values here, and these facts, to be refined on trial."""
    probe = state.probe()
    probe.facts = state.facts | facts
    return probe
