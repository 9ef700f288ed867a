"""How far walks over texts go on in a round of their loop: what a round does not look at, it says nothing of.

`for (i = 0; i < n; i += 2)` tests every other byte; a round that skips an escape (`%41`) may have tested the bytes
that it skips; a round may hand the walk to a loop inside of it, which goes on with other tests.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from . import bounds, bytesets, fold, pieces
from .lift import ADD, SUB
from .state import State
from .terms import ADDR, BYTE, CONST, DERIVED, MERGE, OP, PHI, Terms

_FURTHEST = 8
"""Bytes that a round looks at one by one, at most."""
_LEVELS = 5


class Round(NamedTuple):
    """What an edge to a loop's head tells."""

    masks: Mapping[int, int]
    """Which values each byte can have that was tested; by the negated term, what stands there now."""
    moved: Mapping[int, int]
    """The phis of the head that do not just go up by one, with what they are next."""
    passed: Mapping[tuple[int, int], int]
    """Pieces of texts between two places, with the bytes that they lack."""

    def mask(self, term: int) -> int:
        return self.masks.get(-term, self.masks.get(term, bytesets.ALL))


def round_of(terms: Terms, function: int, head: int, state: State) -> Round:
    """What is kept of the state with which a loop goes round."""
    moved: dict[int, int] = {}
    for phi in terms.joined.get((function, head), ()):
        key = terms.nodes[phi][3]
        if isinstance(key, int):
            value = state.registers.get(key)
        else:
            entry = state.words.get(key)
            value = None if entry is None else entry[1]
        if value is not None and value != phi and terms.based(value) != (phi, 1):
            moved[phi] = value
    return Round(dict(state.masks), moved, pieces.begun(state.facts) if moved else {})


class Strides:
    """The rounds of one function's loops. `rounds`: by head and source of the edge back to it."""

    def __init__(
        self, terms: Terms, function: int, bodies: Mapping[int, set[int]], rounds: Mapping[int, Mapping[int, Round]]
    ) -> None:
        self.terms = terms
        self.function = function
        self.bodies = bodies
        self.rounds = rounds

    def passed(self, head: int, term: int, seen: frozenset[int] = frozenset()) -> int:
        """The values of the bytes that the loop's rounds leave behind, for a walk that tests the byte `term`."""
        found = 0
        for one in self.rounds[head].values():
            found |= self.left(head, one, term, seen)
        return found

    def left(self, head: int, one: Round, term: int, seen: frozenset[int] = frozenset()) -> int:
        """The same of one round."""
        walk = self.walking(term)
        if walk is None:
            return one.mask(term) | self._skipped(head, one, term)
        nodes = self.terms.nodes
        if nodes[walk][2] == head:
            value = one.moved.get(walk)
            return one.mask(term) if value is None else self._between(one, term, walk, value, seen | {walk})
        # the walk of a loop inside is handed on
        for value in one.moved.values():
            base, more = self.terms.based(value)
            if base == walk and more > 1:
                return self._run(one, term, more)
            if nodes[base][0] != PHI or nodes[base][2] in self.bodies:
                continue
            if any(self.terms.based(other)[0] == walk for other in self.terms.alternatives[base]):
                return self._between(one, term, walk, value, seen | {walk})
        return one.mask(term)

    def _skipped(self, head: int, one: Round, term: int) -> int:
        """What is not looked at by a walk that reads its next byte ahead, `c = *++s`: bytes between the two."""
        terms = self.terms
        if terms.nodes[term][0] != PHI:
            return 0
        read = [terms.nodes[other][1] for other in terms.alternatives[term] if terms.nodes[other][0] == BYTE]
        places = [terms.based(address) for address in read]
        found = 0
        for walk, more in places:
            if terms.nodes[walk][:3] != (PHI, self.function, head):
                continue
            starts = [terms.based(start) for start in terms.alternatives[walk]]
            for base in {base for base, _ in starts} - {walk}:
                # values that a loop had before it went round are among them: the first ones count
                first = min((at for other, at in places if other == base), default=None)
                behind = 0 if first is None else first - min(at for other, at in starts if other == base)
                byte = terms.byte_at(terms.add(walk, behind + 1))
                if first is not None and byte is not None and more - behind > 1:
                    found |= self._run(one, byte, more - behind - 1)
        return found

    def backward(self, head: int, term: int) -> bool:
        """Whether a walk goes from a text's end to its start."""
        walk = self.walking(term)
        if walk is None:
            return False
        steps = [self.terms.based(one.moved[walk]) for one in self.rounds[head].values() if walk in one.moved]
        return any(base == walk and more < 0 for base, more in steps)

    def came_to(self, head: int, state: State, term: int, text: int) -> bool:
        """Whether a walk back has tested the first byte of a text."""
        terms = self.terms
        walk, address = self.walking(term), terms.nodes[term][1]
        behind = fold.binary(terms, SUB, address, text, terms.word)
        ways = [(behind, 0 if term in state.masks else -1)]
        if walk is not None:
            rest = fold.binary(terms, SUB, behind, walk, terms.word)
            for other, more in self._beside(head, walk):
                there = fold.binary(terms, ADD, fold.binary(terms, ADD, rest, more, terms.word), other, terms.word)
                ways.append((there, ways[0][1]))
            for other in self._handed(head, walk):
                there = fold.binary(terms, SUB, self._at(address, walk, other), text, terms.word)
                ways.append((there, -1))
        for there, limit in ways:
            parts, more = terms.linear(there)
            high = _apart(terms, state, parts)
            if high is not None and high + more <= limit:
                return True
        return False

    def _handed(self, head: int, walk: int) -> Iterator[int]:
        """The phis of outer loops to which a loop hands its walk on."""
        for outer, body in self.bodies.items():
            for one in self.rounds[outer].values() if outer != head and head in body else ():
                yield from (phi for phi, value in one.moved.items() if self.terms.based(value)[0] == walk)

    def _beside(self, head: int, walk: int) -> Iterator[tuple[int, int]]:
        """The other phis of a head that go as the walk goes, each with what the walk is more: a counter beside the
        pointer.
        """
        steps = self.steps(head, walk)
        started = self.terms.edges.get(walk, ())
        for other in self.terms.joined.get((self.function, head), ()) if steps and started else ():
            begun = self.terms.edges.get(other, ())
            if other != walk and begun and self.steps(head, other) == steps:
                yield other, fold.binary(self.terms, SUB, started[0], begun[0], self.terms.word)

    def counted(self, head: int) -> list[int]:
        """How many rounds of a loop went by before the one at hand, by each of the counters that tell."""
        terms, out = self.terms, []
        for one in terms.joined.get((self.function, head), ()):
            edges = terms.edges.get(one, ())
            begun = terms.value(edges[0]) if edges else None
            if begun is not None and begun < terms.floor and set(self.steps(head, one)) == {1}:
                out.append(terms.add(one, -begun))
        return out

    def steps(self, head: int, phi: int) -> list[int]:
        """How far a phi goes in each round, when that is always known."""
        moves = [self.terms.based(one.moved.get(phi, self.terms.add(phi, 1))) for one in self.rounds[head].values()]
        return [more for _, more in moves] if all(base == phi for base, _ in moves) else []

    def walking(self, term: int) -> int | None:
        """The phi by which the byte's address walks."""
        node = self.terms.nodes[term]
        if node[0] != BYTE:
            return None
        base, _ = self.terms.based(node[1])
        top = self.terms.nodes[base]
        parts = top[2:] if top[0] == OP and top[1] == ADD else (base,)
        phis = [self.terms.based(one)[0] for one in parts]
        heads = [one for one in phis if self.terms.nodes[one][:2] == (PHI, self.function)]
        return max(heads, key=lambda one: self.terms.nodes[one][2] in self.bodies, default=None)

    def _between(self, one: Round, term: int, walk: int, value: int, seen: frozenset[int], level: int = 0) -> int:
        """The bytes from where a walk stands up to what it is next."""
        terms = self.terms
        address = terms.nodes[term][1]
        base, more = terms.based(value)
        if base == walk:
            return self._run(one, term, more)
        known = self._known(one, term, self._at(address, walk, value))
        if known is not None:
            return known
        node = terms.nodes[base]
        if level > _LEVELS:
            return bytesets.ALL
        if node[0] == CONST:
            return self._restarted(one, term, walk, value)
        if node[0] in (PHI, MERGE):
            return self._chosen(one, term, walk, value, seen, level) if base not in seen else 0
        found = 0
        for place in self._sides(node):
            found |= self._between(one, term, walk, terms.add(place, more), seen, level + 1)
        if found or self._within(base, walk) or not self._goes_by_one(base, walk):
            return found or bytesets.ALL
        return one.mask(term)  # another text, or a place that a counter tells

    def _chosen(self, one: Round, term: int, walk: int, value: int, seen: frozenset[int], level: int) -> int:
        """The same up to what another phi is, where ways met or a loop inside goes on."""
        terms = self.terms
        base, more = terms.based(value)
        node = terms.nodes[base]
        here = terms.byte_at(self._at(terms.nodes[term][1], walk, base)) if node[0] == PHI else None
        if here is None and more > 0:
            return bytesets.ALL
        found = self._run(one, here, more) if here is not None else 0
        if here is not None and node[2] in self.bodies:
            found |= self.passed(node[2], here, seen | {base})
        for other in terms.alternatives[base] if node[0] == PHI else node[1]:
            if terms.based(other)[0] != base:
                found |= self._between(one, term, walk, other, seen | {base}, level + 1)
        return found

    def _known(self, one: Round, term: int, end: int) -> int | None:
        """What lies before a place by what is known of pieces: of one that begins at the byte that was tested, or so
        many bytes behind it as were tested, too.
        """
        address = self.terms.nodes[term][1]
        found = None
        for (start, last), lacks in one.passed.items() if one.passed else ():
            parts, more = self.terms.linear(fold.binary(self.terms, SUB, start, address, self.terms.word))
            if last == end and not parts and 0 <= more < _FURTHEST:
                here = ~lacks & bytesets.ALL | self._run(one, term, more)
                found = here if found is None else found & here
        return found

    def _run(self, one: Round, term: int, count: int) -> int:
        """So many bytes from the one that was tested on, or back from there."""
        if abs(count) > _FURTHEST:
            return bytesets.ALL
        address, found = self.terms.nodes[term][1], 0
        for at in range(abs(count)):
            byte = self.terms.byte_at(self.terms.add(address, at if count > 0 else -at)) if at else term
            found |= bytesets.ALL if byte is None else one.mask(byte)
        return found

    def _restarted(self, one: Round, term: int, walk: int, value: int) -> int:
        """A counter that is a number again: it may be what it began with and a little more."""
        numbers = [self.terms.value(other) for other in self.terms.alternatives[walk]]
        begun = min((self.terms.signed(other) for other in numbers if other is not None), default=None)
        now = self.terms.value(value)
        if begun is None or now is None or now >= self.terms.floor:
            return one.mask(term)
        return self._run(one, term, max(self.terms.signed(now) - begun, 0))

    def _at(self, address: int, walk: int, value: int) -> int:
        """The address with the walk at another place."""
        terms = self.terms
        base, more = terms.based(address)
        if base == walk:
            return terms.add(value, more)
        node = terms.nodes[base]
        for one, other in ((node[2], node[3]), (node[3], node[2])) if node[0] == OP else ():
            inner, off = terms.based(one)
            if inner == walk:
                return terms.add(fold.binary(terms, ADD, other, terms.add(value, off), terms.word), more)
        return address

    def _sides(self, node: tuple[Any, ...]) -> list[int]:
        """The two places at which a pointer is that is moved by the outcome of a test."""
        if node[:2] not in ((OP, ADD), (OP, SUB)):
            return []
        for place, truth in ((node[2], node[3]), (node[3], node[2])):
            if fold.is_truth(self.terms, truth):
                return [place, self.terms.add(place, 1 if node[1] == ADD else -1)]
        return []

    def _goes_by_one(self, value: int, walk: int) -> bool:
        """Whether the counters of the walk's own loop that a value is computed from go byte by byte."""
        head = self.terms.nodes[walk][2]
        phis = [one for one in self.terms.linear(value)[0] if self.terms.nodes[one][:3] == (PHI, self.function, head)]
        return all(step in (1, -1) for one in phis for step in self.steps(head, one))

    def _within(self, term: int, walk: int, level: int = 0) -> bool:
        """Whether a value is computed from where the walk stands."""
        if term == walk:
            return True
        node = self.terms.nodes[term]
        if level > _LEVELS or node[0] == CONST:
            return False
        if node[0] in (PHI, MERGE):
            others = node[1] if node[0] == MERGE else self.terms.alternatives[term]
            return node[1:3] != self.terms.nodes[walk][1:3] and any(
                self._within(one, walk, level + 2) for one in others
            )
        parts = node[2:] if node[0] == OP else node[1:2] if node[0] in (ADDR, DERIVED) else ()
        return any(self._within(one, walk, level + 1) for one in parts)


def _apart(terms: Terms, state: State, parts: Mapping[int, int]) -> int | None:
    """The most that a number is, or one is above another, by tests; None when they do not tell. `parts` of a sum."""
    if sorted(parts.values()) == [1]:
        known = state.ranges.get(next(iter(parts)))
        return known[1] if known is not None and known[1] < bounds.HUGE else None
    if sorted(parts.values()) != [-1, 1]:
        return 0 if not parts else None
    [(high, low)] = [(one, other) for one in parts for other in parts if parts[one] == 1 and parts[other] == -1]
    found = []
    for fact in state.facts:
        if fact[0] == "most" and fact[1] == high:
            end, more = terms.linear(fact[2])
            found += [fact[3] + more] if end == {low: 1} else []
    return min(found, default=None)
