"""Loops that look at every byte of a text and tally: `bad |= !isalnum(*s)`, `if (!allowed(*s)) faults++`,
`ok = ok && allowed(*s)`, `if (allowed(*s)) good++`.

Where such a loop is left nothing is known of the text yet: it is when the tally is looked at. Each round is tried on
the supposition that it left the tally as a byte leaves it which is let pass; what the bytes are then is what all of
them are if the tally says so in the end.
"""

from collections.abc import Mapping

from . import bytesets, fold
from .conditions import Conditions
from .lift import ADD, AND, EQ, OR, SELECT, SHR, SUB
from .loops import Loops
from .state import ALL, FAULTS, GIVEN, HOLDS, Fact, State
from .strides import Round, round_of
from .terms import CONST, MERGE, OP, PHI, Terms
from .ways import Ways

KINDS = (FAULTS, HOLDS, ALL)
_LEVELS = 10
_MOST = 8
"""Tallies of one loop, at most."""
_BYTE = 255
Key = tuple[int, int]
"""A phi of a loop's head, and what is supposed of it."""
Where = tuple[int, int]
"""A block that is left, and a register."""
Choice = tuple[int, int, int]


class Tallies:
    """The tallies of one function's loops. `moves`: the conditions by which values were chosen, with both sides."""

    def __init__(
        self,
        terms: Terms,
        conditions: Conditions,
        loops: Loops,
        ways: Ways,
        moves: Mapping[int, Mapping[Where, Choice]],
    ) -> None:
        self.terms = terms
        self.conditions = conditions
        self.loops = loops
        self.ways = ways
        self.moves = moves
        self.back: dict[int, dict[int, dict[Key, Round | None]]] = {head: {} for head in loops.bodies}
        """head -> source of the edge back -> what is supposed -> the round, None where it cannot be so."""

    def leave(self, source: int, target: int, state: State, condition: int | None) -> None:
        """An edge is taken, on the condition if there is one."""
        if source in self.loops.bodies.get(target, ()):
            found = self._rounds(source, target, state)
            if self.back[target].get(source) != found:
                self.back[target][source] = found
                self.loops.again(target)
        for head, body in self.loops.bodies.items():
            if source in body and target not in body and self.back[head]:
                self._left(source, head, state, condition)

    # -- what a round tells
    def _phis(self, head: int) -> list[int]:
        terms = self.terms
        joined = terms.joined.get((self.loops.function, head), ())
        return [one for one in joined if isinstance(terms.nodes[one][3], int)]

    def _rounds(self, source: int, head: int, state: State) -> dict[Key, Round | None]:
        out: dict[Key, Round | None] = {}
        told: Round | None = None
        for phi in self._phis(head):
            key = self.terms.nodes[phi][3]
            value = state.registers.get(key)
            for kind in KINDS if value is not None else ():
                if value is None or not self._begins(phi, kind):
                    continue
                probes = self._supposed(kind, phi, value, state, (source, key))
                if probes is None:
                    continue
                told = told or round_of(self.terms, self.loops.function, head, state)
                out[phi, kind] = told._replace(masks=_masks(probes)) if probes else None
        return out

    def _begins(self, phi: int, kind: int) -> bool:
        """Whether a tally begins as one of its kind does."""
        edges = self.terms.edges.get(phi, ())
        if not edges:
            return False
        if kind == HOLDS:
            return self.terms.value(edges[0]) == 1 or fold.is_truth(self.terms, edges[0])
        return self.terms.value(edges[0]) == 0

    def _supposed(
        self, kind: int, phi: int, value: int, state: State, where: Where | None = None, level: int = 0
    ) -> list[State] | None:
        """What is known where a tally became a value, and a byte was let pass: one a way, none where that cannot be;
        None when the tally may forget a fault.
        """
        terms = self.terms
        base, more = terms.based(value)
        if base == phi:
            if not more:
                return [] if kind == ALL else [state]
            if kind == FAULTS:
                return [] if more > 0 else None
            return [state] if kind == ALL and more == 1 else None
        node = terms.nodes[value]
        if level > _LEVELS:
            return None
        if node[0] == CONST:
            if kind == ALL:
                return None
            if bool(node[1]) != (kind == HOLDS):
                return []
            return [state] if self._kept(kind, phi, state) else None
        moves = self.moves.get(value, {})
        chosen = {moves[where]} if where is not None and where in moves else set(moves.values())
        if len(chosen) == 1:
            return self._either(kind, phi, chosen.pop(), state, level)
        if node[0] == PHI:
            return self._joined(kind, phi, value, state, level)
        return self._computed(kind, phi, value, state, level) if terms.nodes[base][0] == OP else None

    def _joined(self, kind: int, phi: int, value: int, state: State, level: int) -> list[State] | None:
        """The same where ways met."""
        _, function, block, key = self.terms.nodes[value]
        if function != self.loops.function or block in self.loops.bodies or not isinstance(key, int):
            return None
        if block not in self.ways.befores:
            return None
        out: list[State] = []
        for before, edge in self.ways.into(block):
            given = edge.registers.get(key)
            probes = None if given is None else self._supposed(kind, phi, given, edge, (before, key), level + 1)
            if probes is None:
                return None
            for one in probes:
                probe = one.probe()
                for term, mask in state.masks.items():
                    probe.masks[term] = probe.masks.get(term, mask) & mask
                out.append(probe)
        return out

    def _either(self, kind: int, phi: int, choice: Choice, state: State, level: int) -> list[State] | None:
        """The same of a value that a condition chose."""
        condition, yes, no = choice
        out: list[State] = []
        for truth, side in ((True, yes), (False, no)):
            probe = state.probe()
            if self.conditions.refine(probe, condition, truth):
                probes = self._supposed(kind, phi, side, probe, None, level + 1)
                if probes is None:
                    return None
                out += probes
        return out

    def _computed(self, kind: int, phi: int, value: int, state: State, level: int) -> list[State] | None:
        terms = self.terms
        base, more = terms.based(value)
        node = terms.nodes[base]
        if not more and self._is_bit(base) and not self._has(base, phi):
            probe = state.probe()
            if kind == ALL or not self.conditions.refine(probe, value, kind == HOLDS):
                return None if kind == ALL else []
            return [probe] if self._kept(kind, phi, probe) else None
        if node[1] == SELECT:
            yes, no = (terms.add(one, more) for one in node[3:5])
            return self._either(kind, phi, (node[2], yes, no), state, level)
        for inner, other in ((node[2], node[3]), (node[3], node[2])) if len(node) == 4 else ():
            if node[1] in (ADD, SUB) and self._is_bit(other) and (node[1] == ADD or inner == node[2]):
                step = 1 if node[1] == ADD else -1
                choice = (other, terms.add(inner, more + step), terms.add(inner, more))
                return self._either(kind, phi, choice, state, level)
            if not self._has(inner, phi) or more:
                continue
            if node[1] == AND and terms.nodes[other][0] == CONST:
                whole = terms.nodes[other][1] & _BYTE == _BYTE
                return self._supposed(kind, phi, inner, state, None, level + 1) if whole or kind == HOLDS else None
            if (node[1], kind) in ((OR, FAULTS), (AND, HOLDS)):
                probe = state.probe()
                # what still holds is 1 or 0
                part = fold.binary(terms, AND, other, terms.const(1), terms.word) if kind == HOLDS else other
                equal = fold.binary(terms, EQ, part, terms.zero, terms.word)
                if not self.conditions.refine(probe, equal, kind == FAULTS):
                    return []
                return self._supposed(kind, phi, inner, probe, None, level + 1)
        return None

    def _is_bit(self, term: int) -> bool:
        """Whether a number is 1 or 0."""
        node = self.terms.nodes[term]
        last = self.terms.value(node[3]) if node[0] == OP and node[1] in (AND, SHR) else None
        return fold.is_truth(self.terms, term) or last == (1 if node[1] == AND else 8 * self.terms.word - 1)

    def _has(self, term: int, phi: int, level: int = 0) -> bool:
        """Whether a tally was made of what it was before."""
        node = self.terms.nodes[term]
        if term == phi or level > _LEVELS:
            return term == phi
        parts = node[2:] if node[0] == OP else node[1] if node[0] == MERGE else self.terms.edges.get(term, ())
        return any(self._has(one, phi, level + 2) for one in parts)

    def _kept(self, kind: int, flag: int, state: State) -> bool:
        """Whether a tally is known to say that nothing was found amiss."""
        low, high = state.ranges.get(flag, (0, 1))
        if (low == high == 0) if kind == FAULTS else (low > 0 or high < 0):
            return kind != ALL
        equal = fold.binary(self.terms, EQ, flag, self.terms.zero, self.terms.word)
        return kind != ALL and not self.conditions.orders.possible(state, equal, kind == HOLDS)

    # -- what is said of the text where a loop is left
    def _left(self, source: int, head: int, state: State, condition: int | None) -> None:
        for (phi, kind), rounds in self._tallied(head):
            key = self.terms.nodes[phi][3]
            value = state.registers.get(key)
            probes = None if value is None else self._supposed(kind, phi, value, state, (source, key))
            if value is None or probes is None:
                continue
            loops = self.loops.supposing(head, rounds)
            if probes:
                probe = state.probe()
                probe.masks = dict(_masks(probes))
                found = loops.concluded(head, probe, condition)
            else:
                found = loops.at_ends(head)
            lacks = {fact[1:3] for fact in found if fact[0] == "lacks" and fact[2] & bytesets.SHELL}
            state.learn(
                frozenset(one for text, mask in lacks for one in self._given(head, text, mask, value, phi, kind))
            )
            if probes and self._kept(kind, value, state):
                state.learn(frozenset(("lacks", *one) for one in lacks))

    def _given(self, head: int, text: int, mask: int, value: int, phi: int, kind: int) -> list[Fact]:
        facts: list[Fact] = [(GIVEN, text, mask, value, kind, head)]
        if kind == ALL:  # what counts the rounds is as much, when nothing was amiss
            more = int(value != phi)
            rounds = [self.terms.add(one, more) for one in self.loops.strides.counted(head)]
            facts += [(GIVEN, text, mask, value, one, head) for one in rounds]
        return facts

    def _tallied(self, head: int) -> list[tuple[Key, dict[int, Round]]]:
        """The tallies that say something of the bytes: what each round is if they say that nothing was amiss."""
        backs = self.back[head]
        first = next(iter(backs.values()))
        out: list[tuple[Key, dict[int, Round]]] = []
        for key in first:
            if any(key not in one for one in backs.values()):
                continue
            rounds = {source: kept for source, one in backs.items() if (kept := one[key]) is not None}
            plain = self.loops.back[head]
            if rounds and any(rounds.get(source) != plain.get(source) for source in backs):
                out.append((key, rounds))
        return out[:_MOST]


def _masks(probes: list[State]) -> dict[int, int]:
    """What bytes are whichever way was taken."""
    out = dict(probes[0].masks)
    for other in probes[1:]:
        out = {term: mask | other.masks[term] for term, mask in out.items() if term in other.masks}
    return out
