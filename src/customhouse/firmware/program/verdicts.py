"""What a word says of the texts beside it, by how it is stored: `cfg.valid = host_ok(cfg.host)`.

A verdict is a value that is stored, and what is known then: texts of the same object, by their distance from the word,
each with the bytes that it lacks.
"""

from collections.abc import Iterable

from . import cases, fold, quoting
from .conditions import Conditions
from .lift import SELECT
from .pieces import together
from .state import Fact, State
from .summary import POINTED, Lacking, Verdicts
from .terms import ADDR, CONST, GLOBAL, MERGE, OP, RESULT, Location, Terms

_Way = tuple[int, frozenset[Fact]]
_LEVELS = 3
_FAR = 1 << 12
"""Bytes between a word and the texts that it speaks of, at most."""


class Judging:
    """Reads verdicts off the states of one function."""

    def __init__(self, terms: Terms, conditions: Conditions) -> None:
        self.terms = terms
        self.conditions = conditions

    def of(self, state: State, place: Location, value: int) -> Verdicts:
        """The verdicts of a store: one for each value that is stored on a way of its own."""
        node = self.terms.nodes[value]
        parts = sorted(node[1]) if node[0] == MERGE else [value]
        ways = [way for one in parts for way in self._ways(state, one)]
        beside = self.beside(state, place)
        return frozenset((one, self.lacking(facts, place) | beside | self.pointed(facts, one)) for one, facts in ways)

    def pointed(self, facts: Iterable[Fact], value: int) -> Lacking:
        """What facts say of the text that a value points to."""
        lacks = 0
        for fact in facts:
            if fact[0] == "lacks" and fact[1] == value:
                lacks |= fact[2]
        return frozenset({(POINTED, lacks)} if quoting.kept(lacks) else ())

    def beside(self, state: State, place: Location) -> Lacking:
        """Texts of the object in which a word lies that are made of harmless parts, as they were put there."""
        root, start, _ = place
        return frozenset(
            (key[1] - start, quoting.SPECIAL)
            for key in state.texts.of(root)
            if key[2] == place[2]
            and abs(key[1] - start) < _FAR
            and all(dep[4] & (quoting.SAFE | quoting.CHANGED) == quoting.SAFE for dep in state.texts[key].deps)
        )

    def lacking(self, facts: Iterable[Fact], place: Location) -> Lacking:
        """Texts of the object in which a word lies, with what facts say that they lack."""
        known: dict[int, int] = {}
        facts = frozenset(facts)
        for fact in facts | together(self.conditions.sets, facts):
            if fact[0] != "lacks":
                continue
            for root, offset, _ in self.terms.locate(fact[1]):
                if root == place[0] and (root != GLOBAL or offset >= self.terms.floor):
                    known[offset - place[1]] = known.get(offset - place[1], 0) | fact[2]
        return frozenset(known.items())

    def _ways(self, state: State, value: int, level: int = 0) -> list[_Way]:
        """What a value is on the ways that led to it, with what held on each."""
        node = self.terms.nodes[value]
        if node[0] == CONST:
            return [(value, state.facts)]
        told = self.conditions.implied.get(value)
        if told is None and node[0] == RESULT:
            told = self.conditions.answers.of(node, state.facts)
        found: list[_Way] = []
        if told:
            found = [(one, facts | state.facts) for one, facts in told]
        elif state.cases:
            found = [(case.values.get(value, value), case.facts | state.facts) for case in state.cases]
        if not found or all(one == value for one, _ in found):
            return self._decided(state, value, level) or [(value, state.facts)]
        out: list[_Way] = []
        for one, facts in found:
            if one == value or level >= _LEVELS:
                out.append((one, facts))
            else:
                known = state.probe()
                known.facts = facts
                out += self._ways(known, one, level + 1)
        return out

    def _decided(self, state: State, value: int, level: int) -> list[_Way]:
        """A truth, a choice by one, or a number made of one, as what it is when that holds and when it does not."""
        node = self.terms.nodes[value]
        if level < _LEVELS and node[0] == ADDR and not node[3]:
            return self._made(state, value, node[1], level)
        if node[0] != OP or level >= _LEVELS:
            return []
        if node[1] in fold.BOOLEAN:
            sides = [(value, truth, self.terms.const(int(truth))) for truth in (True, False)]
        elif node[1] == SELECT:
            sides = [(node[2], truth, node[3] if truth else node[4]) for truth in (True, False)]
        else:
            parts = [one for one in node[2:] if self.terms.value(one) is None]
            return self._made(state, value, parts[0], level) if len(parts) == 1 else []
        out: list[_Way] = []
        for condition, truth, one in sides:
            known = state.probe()
            if self.conditions.refine(known, condition, truth):
                out += self._ways(known, one, level + 1)
        return out

    def _made(self, state: State, value: int, part: int, level: int) -> list[_Way]:
        """A number that is made of one other: `2 - ok`."""
        ways = self._ways(state, part, level + 1)
        if all(self.terms.value(one) is None for one, _ in ways):
            return []
        return [(cases.replaced(self.terms, value, {part: one}), facts) for one, facts in ways]
