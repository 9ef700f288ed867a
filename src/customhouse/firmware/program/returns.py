"""How a function returns: the values it gives, what holds when it gives them, and what it leaves in memory."""

from collections.abc import Iterable
from typing import TypeVar

from . import cases, fold, pieces, private, tallied, untold
from .activation import Activation
from .guards import Noted
from .join import join
from .lift import BNOT, EQ
from .measured import from_start
from .state import GIVEN, Case, Fact, Places, State
from .summary import MAX_RETURNS, Summary
from .terms import LOAD, OP, PARAM, RESULT, STACK, Location

T = TypeVar("T")
Returned = tuple[int, frozenset[Fact]]
_NO_FACTS: frozenset[Fact] = frozenset()
_MAX_WORDS = 120
_MAX_TEXTS = 60
"""Places that a function's callers hear of. Those that one function of a device's daemon fills are a tenth of it."""
_SHARE = 3
"""The part of them that may be globals and other objects that no parameter leads to: where a state does not tell of
them, they are looked up in the events of the whole program."""


class Returns:
    """The returns of one function, by the block that returns."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.conditions = activation.conditions
        self.returned: dict[int, tuple[int, State]] = {}

    def add(self, address: int, state: State) -> None:
        value = state.registers.get(self.activation.result_register, self.terms.unknown("void"))
        self._tested(state)
        low, high = state.ranges.get(value, (0, 1))
        if low == high:
            value = self.terms.const(low)  # tested on the way here
        self.returned[address] = (value, state)

    def _is_length(self, term: int) -> bool:
        node = self.terms.nodes[term]
        return node[0] in (RESULT, LOAD, PARAM) or (node[0] == OP and node[1] not in fold.BOOLEAN)

    def _tested(self, state: State) -> None:
        """Lengths that the function tested, as facts that a caller can read."""
        found = set()
        for term, (_low, high) in state.ranges.items():
            if self.terms.open[term] and 0 <= high < 1 << 31 and self._is_length(term):
                found.add(("most", term, self.terms.zero, high))
        for fact in state.facts:
            span = state.ranges.get(fact[2]) if fact[0] == "most" else None
            if span is not None and 0 <= span[1] < 1 << 31:
                found.add(("most", fact[1], self.terms.zero, span[1] + fact[3]))
        state.learn(frozenset(found))

    def _split(self) -> list[tuple[int, State]]:
        """The values returned, with the states they are returned in. A comparison of a length that was counted is
        returned as the two values it may have: what each says of the length is lost with the counter otherwise.
        """
        out: list[tuple[int, State]] = []
        for value, state in self.returned.values():
            counted = {fact[2] for fact in state.facts if fact[0] == "most"}
            sides = self._sides(value)
            if not counted & set(sides):
                out.append((value, state))
                continue
            for truth in (True, False):
                probe = state.copy()
                if self.conditions.refine(probe, value, truth):
                    self._tested(probe)
                    probe.learn(pieces.told(self.conditions.sets, probe))
                    out.append((self.terms.const(int(truth)), probe))
        return out

    def _sides(self, value: int) -> list[int]:
        """What a returned comparison compares."""
        node = self.terms.nodes[value]
        while node[0] == OP and node[1] in (BNOT, EQ) and node[2:] and self._of_boolean(node):
            node = self.terms.nodes[node[2]]
        return [self.terms.based(one)[0] for one in node[2:4]] if node[0] == OP and node[1] in fold.BOOLEAN else []

    def _given(self, value: int, state: State) -> list[tuple[int, frozenset[Fact]]]:
        """The values that callers hear of, each with all that holds when it is returned."""
        out = []
        for one, facts in self._alternatives(value, state):
            held = cases.named(facts | state.facts, {value: one})
            held |= pieces.together(self.conditions.sets, held)
            out.append((one, frozenset(from_start(self.terms, fact) for fact in held)))
        return out

    def _alternatives(self, value: int, state: State) -> tuple[tuple[int, frozenset[Fact]], ...]:
        """What a value is on the ways that led here, with what holds on each. A counter that goes round a loop is the
        counter: what it was before it counted is no value of it here.
        """
        told = [(self._on(case, value), case) for case in state.cases]
        if any(one != value for one, _ in told):
            return tuple(
                (held, cases.named(facts | case.facts | state.facts, self._settled(case)))
                for one, case in told
                for held, facts in self._outcomes(cases.seen(state, case), one)
            )
        tallied = self._tallied(value, state)
        if tallied:
            return tallied
        if self._goes_round(value):
            return ((value, _NO_FACTS),)
        implied = self.conditions.implied.get(value, ())
        ways = implied or tuple((one, _NO_FACTS) for one in self.terms.edges.get(value, (value,)))
        found = []
        for one, facts in ways:
            known = state.probe()
            known.learn(facts)
            found.append(self._outcomes(known, one))
        out = tuple(dict.fromkeys(way for outcomes in found for way in outcomes))
        parted = any(outcomes[0][0] != one for outcomes, (one, _) in zip(found, ways, strict=True))
        return out if parted and len(out) < MAX_RETURNS else implied or ((value, _NO_FACTS),)

    def _tallied(self, value: int, state: State) -> tuple[tuple[int, frozenset[Fact]], ...]:
        """What is given back of a tally, or made of it: if that is nothing, and if it is something."""
        for tally in {fact[3] for fact in state.facts if fact[0] == GIVEN}:
            flag = tallied.is_flag(self.terms, tally)
            if not flag and not fold.is_truth(self.terms, value):
                continue  # a number that others may need
            numbers = (0, 1) if flag else (0, 1, 2, 255)
            given = [cases.replaced(self.terms, value, {tally: self.terms.const(one)}) for one in numbers]
            if any(self.terms.value(one) is None for one in given) or given[0] in given[1:]:
                continue
            none, some = state.probe(), state.probe()
            self.conditions.implications.tally(none, tally, lambda known: not known)
            self.conditions.implications.tally(some, tally, bool)
            return (given[0], none.facts), (given[1], some.facts)
        return ()

    def _outcomes(self, known: State, value: int) -> list[Returned]:
        """The value of one of the ways. Where it is a comparison (`return n && !v[n]`) whose outcomes tell something of
        a text, both of them: what they tell is lost where the ways meet.
        """
        node = self.terms.nodes[value]
        if node[0] != OP or node[1] not in fold.BOOLEAN:
            return [(value, known.facts)]
        before, out = cases.telling(known.facts), []
        for truth in (True, False):
            probe = known.probe()
            if self.conditions.refine(probe, value, truth):
                probe.learn(pieces.told(self.conditions.sets, probe))
                out.append((self.terms.const(int(truth)), probe.facts))
        return out if any(cases.telling(facts) != before for _, facts in out) else [(value, known.facts)]

    def _settled(self, case: Case) -> dict[int, int]:
        """What choices are on one of the ways; a counter is the counter."""
        return {phi: one for phi, one in case.values.items() if not self._goes_round(phi)}

    def _goes_round(self, phi: int) -> bool:
        """Whether a loop makes the value from what it was the round before."""
        return any(self.terms.based(one)[0] == phi for one in self.terms.alternatives.get(phi, ()))

    def _on(self, case: Case, value: int) -> int:
        """What a value is on one of the ways: a number, where a test on it told."""
        here = cases.replaced(self.terms, value, self._settled(case))
        low, high = case.ranges.get(here, (0, 1))
        return self.terms.const(low) if low == high else here

    def _of_boolean(self, node: tuple[int, ...]) -> bool:
        inner = self.terms.nodes[node[2]]
        return bool(inner[0] == OP and inner[1] in fold.BOOLEAN)

    def summary(self, events: Iterable[Noted]) -> Summary:
        out = Summary(self.activation.function.address)
        out.returning = bool(self.returned)
        for stored in self.activation.whole.sites[out.function].verdicts.values():
            for event, told in stored.items():
                out.verdicts[event[1:4]] = out.verdicts.get(event[1:4], frozenset()) | told
        noted = Noted()
        for one in events:
            for event, facts in one.items():
                noted[event] = noted.get(event, facts) & facts
                if event[0] in ("text", "word") and event[1:4] not in one.guards:
                    noted.guard(event[1:4], facts)
            for place, facts in one.guards.items():
                noted.guard(place, facts)
        out.guards = noted.guards
        out.freed = frozenset(event[1] for event in noted if event[0] == "freed")
        for value, state in self.returned.values() if out.function not in self.activation.whole.recursive else ():
            out.fresh |= private.within(self.terms, state, (value,))
        out.fresh -= {event[1] for event in noted if event[0] == "shared"}
        for value, state in self.returned.values():
            private.leave(self.terms, state, value)
        states = [state for _, state in self.returned.values()]
        if states:
            flags = self.activation.whole.lifter.flags
            end = join(self.terms, self.activation.function.address, -1, states, flags, {})
            self.activation.here = noted
            out.unread = end.untold - untold.read(noted)
            self.activation.reveal(end)
            out.words = dict(self._few(end.words, _MAX_WORDS))
            out.texts = dict(self._few(end.texts, _MAX_TEXTS))
            out.sure = {
                key for key in (*out.words, *out.texts) if all(key in one.words or key in one.texts for one in states)
            }
            for value, state in self._split():
                out.returns += self._given(value, state)
            out.returns = out.returns[:MAX_RETURNS]
        whole = self.activation.whole
        seen = private.settled(noted, out.fresh)
        seen = untold.settled(seen, lambda event: event[1:4] in out.texts and whole.is_open(event))
        out.looks = untold.both(self.activation.looks, untold.looked(self.terms, seen))
        whole.record(seen, out)
        return out

    def _few(self, held: Places[T], limit: int) -> list[tuple[Location, T]]:
        """What callers hear of the places that were written: all that a parameter leads to, within the limit, and some
        of what the whole program can look up as well. Those of known places come first.
        """
        nodes, is_open = self.terms.nodes, self.terms.open
        items = [one for one in held.items() if nodes[one[0][0]][0] != STACK]
        if len(items) <= limit // _SHARE:
            return items
        items.sort(key=lambda one: one[0][2] != 0)
        theirs = [one for one in items if is_open[one[0][0]]]
        own = [one for one in items if not is_open[one[0][0]]]
        return theirs[:limit] + own[: max(limit // _SHARE - len(theirs), 0)]
