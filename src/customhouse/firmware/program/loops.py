"""Loops that look at every byte of a string: what they let pass is what the string is made of.

A loop walks a pointer (or an index) from the start of a string. When every way round implies that the byte just read
is in a set, and the loop is left where that byte is NUL or the end is reached, the whole string is made of that set.
"""

import copy
from collections.abc import Iterable, Iterator

from . import bytesets, fold, looplimits, pieces
from .bytesets import ByteSets
from .lift import ADD
from .order import natural_loops
from .recovery import Function
from .state import CHECKED, COPY, GIVEN, UPTO, Fact, State
from .strides import Round, Strides, round_of
from .terms import ADDR, BYTE, CONST, DERIVED, MERGE, OP, PHI, RESULT, Terms

_AHEAD = 3
"""Bytes that are tested before a loop begins behind them, at most."""
_OF_BYTES = CHECKED | {COPY}


class Loops:
    """The natural loops of a function, and what their back edges imply of the bytes read."""

    def __init__(self, function: Function, position: dict[int, int], terms: Terms, sets: ByteSets) -> None:
        self.function = function.address
        self.terms = terms
        self.sets = sets
        self.bodies = natural_loops(function.successors, position)
        self.back: dict[int, dict[int, Round]] = {head: {} for head in self.bodies}
        """head -> source of the back edge -> what it tells."""
        self.strides = Strides(terms, self.function, self.bodies, self.back)
        self.apart = False  # whether nothing is known of the loops around one
        self._dirty: set[int] = set()
        self._phis: dict[int, frozenset[int]] = {}

    def enter(self, block: int, state: State) -> None:
        """At a loop's head the bytes of the last round are forgotten."""
        if block not in self.bodies:
            return
        for term in [term for term in state.masks if block in self.heads_of(abs(term))]:
            del state.masks[term]
        gone = {fact for fact in state.facts if fact[0] in _OF_BYTES and block in self._within(fact)}
        gone |= {fact for fact in state.facts if fact[0] == GIVEN and fact[5] == block}
        if gone:
            state.facts -= gone

    def _within(self, fact: Fact) -> frozenset[int]:
        """The loop heads whose phis a fact of a text's bytes speaks of."""
        told = {UPTO: fact[1:3], COPY: fact[1:4]}.get(fact[0], fact[1:2])
        return frozenset[int]().union(*(self.heads_of(one) for one in told if one >= 0))

    def again(self, head: int) -> None:
        """More is known of the ways round a loop: what leaves it anywhere may conclude more now."""
        self._dirty |= self.bodies[head]

    def changed(self, block: int) -> bool:
        if block in self._dirty:
            self._dirty.discard(block)
            return True
        return False

    def leave(self, source: int, target: int, state: State, condition: int | None = None) -> None:
        """An edge is taken, on the condition if there is one: note what a back edge implies, conclude when a loop is
        left.
        """
        if target in self.bodies and source in self.bodies[target]:
            told = round_of(self.terms, self.function, target, state)
            if self.back[target].get(source) != told:
                self.back[target][source] = told
                self.again(target)
        for head, body in self.bodies.items():
            if source in body and target not in body:
                facts = self.concluded(head, state, condition)
                if facts and len(state.facts) < 60:
                    state.facts = state.facts | facts
                self._counted(head, state)

    def _counted(self, head: int, state: State) -> None:
        """A counter that came to one number is that number behind its loop: compilers count on from there."""
        for register, value in state.registers.items():
            base, more = self.terms.based(value)
            if self.terms.nodes[base][:3] != (PHI, self.function, head):
                continue
            low, high = state.ranges.get(value) or state.ranges.get(base, (0, 1))
            if low == high and all(self._is_count(one, base) for one in self.terms.alternatives[base]):
                state.registers[register] = self.terms.const(low if value in state.ranges else low + more)

    def _is_count(self, one: int, phi: int) -> bool:
        """Whether a value of a phi is a number, or the phi with a number added."""
        return self.terms.nodes[one][0] == CONST or self.terms.based(one)[0] == phi

    def overwritten(self, state: State, address: int, mask: int | None, guard: tuple[int, bool] | None = None) -> None:
        """A byte was put where one had been read: a loop that replaces what it does not like leaves what it put there.

        What stands there now is kept as the mask of the negated term. With `guard` it was put there only if the
        condition holds (or does not).
        """
        known = set(state.masks)
        if mask == bytesets.NUL and guard is None:  # the string is cut off where the loop came to
            for term in [term for term in known if term > 0 and self._is_at(term, address)]:
                state.facts = state.facts | self.walked(term)
        kept: dict[int, int] = {}
        if guard is not None:
            for variable, holds, fails in self.sets.holding(guard[0]):
                kept[variable] = fails if guard[1] else holds
                known.add(variable)
        new = bytesets.ALL if mask is None else mask
        for term in [term for term in known if term > 0 and self._is_at(term, address)]:
            before = state.masks.get(-term, state.masks.get(term, bytesets.ALL))
            state.masks[-term] = new if guard is None else new | before & kept.get(term, bytesets.ALL)

    def _is_at(self, term: int, address: int) -> bool:
        """Whether the byte was read at the address; a byte read ahead goes round the loop beside its pointer."""
        node = self.terms.nodes[term]
        if node[0] == BYTE:
            return bool(node[1] == address)
        if node[0] != PHI:
            return False
        read = [self.terms.nodes[one] for one in self.terms.alternatives[term] if one != term]
        places = self._moved(address)
        return bool(read) and all(one[0] == BYTE and one[1] in places for one in read)

    def _moved(self, address: int) -> set[int]:
        """The values of an address that walks: where it starts, and where it goes next."""
        node = self.terms.nodes[address]
        if node[0] == PHI:
            return {one for one in self.terms.alternatives[address] if one != address}
        if node[0] == ADDR and not node[3]:
            return {self.terms.add(one, node[2]) for one in self._moved(node[1])}
        if node[0] == OP and node[1] == ADD:
            for base, index in ((node[2], node[3]), (node[3], node[2])):
                if self.terms.nodes[index][0] == PHI:
                    moved = self.terms.alternatives[index]
                    return {fold.binary(self.terms, ADD, base, one, self.terms.word) for one in moved if one != index}
        return set()

    def heads_of(self, term: int, level: int = 0) -> frozenset[int]:
        """The loop heads whose phis a term is made of."""
        found = self._phis.get(term)
        if found is not None:
            return found
        node = self.terms.nodes[term]
        kind = node[0]
        out: frozenset[int] = frozenset()
        if kind == PHI:
            return frozenset((node[2],)) if node[1] == self.function else out
        if level < 6:
            parts: tuple[int, ...] = ()
            if kind in (ADDR, BYTE, DERIVED):
                parts = (node[1],)
            elif kind == OP:
                parts = node[2:]
            elif kind == RESULT:
                parts = node[3][:1]
            elif kind == MERGE:
                parts = tuple(node[1])
            for one in parts:
                out |= self.heads_of(one, level + 1)
        self._phis[term] = out
        return out

    def walked(self, term: int) -> frozenset[Fact]:
        """What is known of a string when the byte that a loop came to is its last."""
        out: set[Fact] = set()
        for head in self.heads_of(term) & self.back.keys():
            roots = self.starts(head, term)
            for one in self._tested(head):
                if one == term or self.starts(head, one) & roots:
                    out |= self._facts(head, one, bytesets.NUL)
        return frozenset(out)

    def _tested(self, head: int) -> set[int]:
        """Bytes of the loop that its back edges know something of."""
        rounds = self.back[head].values()
        return {abs(term) for one in rounds for term in one.masks if head in self.heads_of(abs(term))}

    def concluded(self, head: int, state: State, condition: int | None) -> frozenset[Fact]:
        out: set[Fact] = set()
        stopped = self._stopped(head, state, condition)
        asked = self._asked(head, condition)
        for loop, term in self._walks(head):
            starts = self.starts(loop, term)
            if (stopped is None or not stopped & starts) and (not asked or asked & starts):
                found = self._facts(loop, term, self._last(loop, term, state), state)
                at = (self.function, loop)
                limited = (looplimits.first(self.terms, self.sets.image, at, fact, condition) for fact in found)
                out |= {one for one in limited if one is not None}
            elif loop == head:
                out |= self._up_to(loop, term)
        return frozenset(out | {self._with_first(fact, state) for fact in out})

    def supposing(self, head: int, rounds: dict[int, Round]) -> "Loops":
        """These loops, if the rounds of one of them were so."""
        other = copy.copy(self)
        other.back = {**self.back, head: rounds}
        other.strides = Strides(self.terms, self.function, self.bodies, other.back)
        other.apart = True
        return other

    def at_ends(self, head: int) -> frozenset[Fact]:
        """What is known of the texts that a loop walks along, were it left at their ends."""
        return frozenset(one for walk in self._walks(head) for one in self._facts(*walk, bytesets.NUL))

    def _with_first(self, fact: Fact, state: State) -> Fact:
        """The same of the bytes that were tested one by one before the loop began behind them."""
        start, lacks, skipped = fact[1], fact[3 if fact[0] == UPTO else 2], 0
        for _ in range(_AHEAD):
            before = self.terms.add(start, -1)
            mask = pieces.values_at(self.terms, state, before)
            if mask & bytesets.SHELL == bytesets.SHELL:
                break
            start, lacks, skipped = before, lacks & ~mask, skipped + 1
        if not skipped:
            return fact
        if fact[0] == "first":
            return ("first", start, lacks, fact[3] + skipped)
        return (UPTO, start, fact[2], lacks) if fact[0] == UPTO else (fact[0], start, lacks, *fact[3:])

    def _up_to(self, head: int, term: int) -> set[Fact]:
        """A walk that a byte stops which does not end the text: what is before that byte was let pass."""
        node = self.terms.nodes[term]
        passed = self._passed(head, term)
        if node[0] != BYTE or passed & bytesets.SHELL == bytesets.SHELL:
            return set()
        return {(UPTO, one, node[1], ~passed & bytesets.ALL) for one in self.starts(head, term) if one != node[1]}

    def _walks(self, head: int) -> list[tuple[int, int]]:
        """Bytes that are tested in a loop, or in a loop inside of it by which the same walk goes on."""
        if self.apart:
            return [(head, term) for term in self._tested(head) if not self._around(head, term)]
        inner = [one for one in self.bodies if one != head and one in self.bodies[head]]
        return [(head, term) for term in self._tested(head)] + [
            (one, term) for one in inner for term in self._tested(one) if head in self._around(one, term)
        ]

    def _asked(self, head: int, condition: int | None) -> frozenset[int]:
        """The strings of which a byte is asked where the loop is left: where that is the end of one, it is none of
        another that is walked beside it.
        """
        bytes_ = [one for one, _holds, _fails in self.sets.holding(condition)] if condition is not None else []
        return self._near(head, (one for one in bytes_ if head in self.heads_of(one)))

    def _stopped(self, head: int, state: State, condition: int | None) -> frozenset[int] | None:
        """Strings whose rest nobody looked at: the loop is left because of a byte that does not end them."""
        if condition is None:
            return None
        left = (one for one, _holds, _fails in self.sets.holding(condition) if head in self.heads_of(one))
        return self._near(head, (one for one in left if state.masks.get(one, bytesets.ALL) & ~bytesets.NUL))

    def _near(self, head: int, read: Iterable[int]) -> frozenset[int]:
        """Where the walks of bytes begin, and beside: the next byte may be read ahead, or the one before."""
        begun = frozenset[int]().union(*(self.starts(head, one) for one in read))
        return frozenset(self.terms.add(one, at) for one in begun for at in (-1, 0, 1))

    def _facts(self, head: int, term: int, last: int, state: State | None = None) -> set[Fact]:
        """What every byte before the last is, for a walk that tests the byte `term`. One that goes back from the end
        looked at all of the text when it came to its start.
        """
        passed = self._passed(head, term)
        if passed & bytesets.SHELL == bytesets.SHELL:
            return set()
        out: set[Fact] = set()
        back = self.strides.backward(head, term)
        for start in self.starts(head, term):
            if back:
                texts = [one for one in self._measured(start) if state and self.strides.came_to(head, state, term, one)]
                out |= {("lacks", one, ~(passed | last) & bytesets.ALL) for one in texts}
                continue
            plain = self.terms.flat(start)
            for one in {start, *plain} if len(plain) == 1 and not self.terms.made(start) else {start}:
                out.add(("lacks", one, ~(passed | last) & bytesets.ALL))
        return out

    def _passed(self, head: int, term: int) -> int:
        """What the byte can be when the walk goes on."""
        if not self.back[head]:
            return bytesets.ALL
        passed = self.strides.passed(head, term)
        for outer in self._around(head, term):
            passed |= self.strides.passed(outer, term)
        return passed

    def _around(self, head: int, term: int) -> set[int]:
        """Heads of outer loops by whose back edges the same walk goes on: what passes there was not tested inside."""
        outer = [one for one, body in self.bodies.items() if one != head and head in body]
        if not outer:
            return set()
        walking = {
            self.terms.based(node[1])[0] for one in self.terms.flat(term) if (node := self.terms.nodes[one])[0] == BYTE
        }
        out: set[int] = set()
        for pointer in walking:
            node = self.terms.nodes[pointer]
            for phi in (pointer, *(node[2:] if node[0] == OP and node[1] == ADD else ())):
                if self.terms.nodes[phi][0] == PHI and self.terms.nodes[phi][2] == head:
                    out |= {one for one in outer if self._goes_by(one, phi)}
        return out

    def _goes_by(self, outer: int, phi: int) -> bool:
        """Whether what walks in a loop is handed on by the outer loop's head."""
        for one in self.terms.alternatives[phi]:
            node = self.terms.nodes[self.terms.based(one)[0]]
            if node[0] == PHI and node[2] == outer and self._steps(one, phi):
                return True
        return False

    def _last(self, head: int, term: int, state: State) -> int:
        """What the byte at hand, not yet behind a back edge, can be: the one that the loop was left with and its
        successors.
        """
        last = 0
        roots = self.starts(head, term)
        for one, mask in state.masks.items():
            if one > 0 and (one == term or (head in self.heads_of(one) and self.starts(head, one) & roots)):
                last |= state.masks.get(-one, mask)
        return last

    def starts(self, head: int, term: int, level: int = 0) -> frozenset[int]:  # noqa: C901 - one case a kind; a table of functions would hide the order
        """Pointers to where the walk over the string began, for a byte read in the loop."""
        node = self.terms.nodes[term]
        out: set[int] = set()
        if node[0] == PHI and level < 4:
            for one in self.terms.alternatives[term]:
                if self.terms.nodes[one][0] in (BYTE, PHI):
                    out |= self.starts(head, one, level + 1) if one != term else frozenset()
            return frozenset(out)
        if node[0] != BYTE:
            return frozenset()
        pointer, offset = node[1], 0
        top = self.terms.nodes[pointer]
        if top[0] == ADDR and not top[3]:
            pointer, offset = top[1], top[2]
            top = self.terms.nodes[pointer]
        if top[0] == PHI:
            for one in self.terms.alternatives[pointer]:
                if not self._steps(one, pointer):
                    out.add(self.terms.add(one, offset))
        elif top[0] == OP and top[1] == ADD:
            for base, indexed in ((top[2], top[3]), (top[3], top[2])):
                index, more = self.terms.based(indexed)
                if self.terms.nodes[index][0] == PHI:
                    for one in self.terms.alternatives[index]:
                        first = self.terms.nodes[one]
                        if first[0] == CONST and first[1] < 1 << 16:
                            out.add(self.terms.add(base, first[1] + offset + more))
                        elif first[0] in (RESULT, ADDR) and not self._steps(one, index):
                            begin = fold.binary(self.terms, ADD, base, one, self.terms.word)
                            out.add(self.terms.add(begin, offset + more))
        elif head not in self.heads_of(pointer):
            out.add(node[1])
        return frozenset(out)

    def _measured(self, last: int) -> Iterator[int]:
        """The texts at whose last byte, or at the NUL behind it, a walk begins that goes back to their start."""
        parts, more = self.terms.linear(last)
        for one, factor in parts.items():
            node = self.terms.nodes[one]
            if factor == 1 and node[0] == RESULT and node[2] == "strlen" and node[3]:
                start, before = self.terms.linear(node[3][0])
                if {**start, one: 1} == parts and -1 <= more - before <= 0:
                    yield node[3][0]

    def _steps(self, term: int, phi: int, level: int = 0) -> bool:
        """Whether the alternative is the loop's own pointer moved on."""
        node = self.terms.nodes[term]
        if term == phi:
            return True
        if node[0] == ADDR:
            return self._steps(node[1], phi, level + 1)
        if node[0] == PHI and level < 4:
            return any(self._steps(one, phi, level + 1) for one in self.terms.alternatives[term] if one != term)
        return False
