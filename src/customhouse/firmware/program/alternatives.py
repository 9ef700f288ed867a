"""What a term may be: the alternatives of loops and joins, and the steps that a loop takes.

A phi gets its alternatives while functions are evaluated. What is found out about a term is kept until one of the phis
that were read for it gets another one.
"""

from collections.abc import Collection
from typing import Any

from . import lift
from .nodes import (
    ADDR,
    BYTE,
    CONST,
    DERIVED,
    LOAD,
    MAX_ALTERNATIVES,
    MERGE,
    OP,
    PHI,
    RESULT,
    UNKNOWN,
    Location,
    Nodes,
    both,
)

_ENOUGH = 3 * MAX_ALTERNATIVES
"""Of so many different things a few are kept, and there is no need to look for more of them."""


class Alternatives(Nodes):
    """Nodes with the alternatives of phis."""

    def __init__(self, word: int, floor: int = 4096) -> None:
        super().__init__(word, floor)
        self.alternatives: dict[int, set[int]] = {}
        self.edges: dict[int, tuple[int, ...]] = {}
        """For a phi: its value on each way to the join, in the order in which all phis of the join have them."""
        self.joined: dict[tuple[int, int], dict[int, None]] = {}
        """The registers' phis of a join."""
        self._flat: dict[int, frozenset[int]] = {}
        self._located: dict[int, tuple[Location, ...]] = {}
        self._several: dict[int, bool] = {}
        self._ranks: dict[int, float] = {}
        self._users: dict[int, set[int]] = {}
        """For a phi: the terms whose kept answers read its alternatives."""
        self._read: dict[int, set[int]] = {}
        """For a term: the phis that its kept answers read."""
        self._trace: set[int] | None = None
        """The phis read by the answer that is being found."""

    def phi(self, function: int, block: int, slot: object) -> int:
        node = (PHI, function, block, slot)
        term = self.make(node)
        if term not in self.alternatives:
            self.alternatives[term] = set()
        return term

    def add_alternative(self, phi: int, term: int) -> bool:
        known = self.alternatives[phi]
        if term == phi or term in known:
            return False
        if len(known) >= MAX_ALTERNATIVES:
            return False
        known.add(term)
        if self.open[term]:
            self.open[phi] = True
        self._unsettle(phi)
        return True

    def _unsettle(self, phi: int) -> None:
        """What was found out by way of a phi does not hold any more."""
        for one in self._users.pop(phi, ()):
            self._flat.pop(one, None)
            self._located.pop(one, None)
            self._ranks.pop(one, None)

    def forget(self, function: int) -> None:
        """A function is looked at in another form: what its phis were in the one before says nothing."""
        for phi, known in self.alternatives.items():
            if self.nodes[phi][1] == function:
                known.clear()
                self.edges.pop(phi, None)
                self._unsettle(phi)
        for join in [join for join in self.joined if join[0] == function]:
            del self.joined[join]

    def _keep(self, term: int, outer: set[int] | None, read: set[int]) -> None:
        """What was found for `term` holds until one of the phis read for it gets another alternative."""
        known = self._read.setdefault(term, set())
        known |= read
        for phi in read:
            self._users.setdefault(phi, set()).add(term)
        self._trace = outer
        if outer is not None:
            outer |= known

    def _reads(self, phi: int) -> None:
        if self._trace is not None:
            self._trace.add(phi)

    def flat(self, term: int) -> frozenset[int]:
        """The term without phis and merges: what it may be. Steps of a loop become a stride on where the loop began."""
        node = self.nodes[term]
        kind = node[0]
        if kind == MERGE and not any(self.nodes[one][0] in (PHI, ADDR, UNKNOWN) for one in node[1]):
            return node[1]  # type: ignore[no-any-return]  # fields of a node are of any type
        if kind not in (PHI, MERGE, ADDR):
            return frozenset((term,))
        if kind == ADDR and self.nodes[node[1]][0] not in (PHI, MERGE):
            return frozenset((term,))
        found = self._flat.get(term)
        if found is None:
            outer, read = self._trace, set[int]()
            found = self._flat[term] = self._flatten(term, read)
            self._keep(term, outer, read)
        elif self._trace is not None:
            self._trace |= self._read[term]
        return found

    def _flatten(self, term: int, read: set[int]) -> frozenset[int]:
        walk = _Walk()
        stack: list[tuple[int, int, int, int]] = [(term, 0, 0, -1)]
        found: dict[tuple[int, int, int, int], None] = {}
        ends: set[tuple[int, int]] = set()
        while stack and len(ends) < _ENOUGH:
            spot = one, offset, stride, phi = stack.pop()
            node = self.nodes[one]
            if node[0] == PHI:
                if walk.enter(one, phi, offset, stride) and len(walk.seen) <= 40:
                    read.add(one)
                    # the value itself comes before what is a step further: that is where the steps begin
                    ways = sorted(self.alternatives[one], key=lambda other: self.nodes[other][0] != ADDR)
                    stack += [(other, offset, stride, one) for other in ways]
            elif node[0] == MERGE:
                stack += [(other, offset, stride, phi) for other in node[1]]
            elif node[0] == OP and node[1] == lift.SELECT:
                stack += [(node[3], offset, stride, phi), (node[4], offset, stride, phi)]
            elif node[0] == ADDR and self.nodes[node[1]][0] in (PHI, MERGE):
                stack.append((node[1], offset + node[2], both(stride, node[3]), phi))
            else:
                found[spot] = None
                if node[0] != UNKNOWN:
                    ends.add((one, offset))
        return self._ends(walk, found)

    def _ends(self, walk: "_Walk", found: Collection[tuple[int, int, int, int]]) -> frozenset[int]:
        """The things that were found at the ends of a walk, with the steps of the loops on the way."""
        several = len(found) > 1
        out: set[int] = set()
        done: set[tuple[int, int, int]] = set()
        for one, offset, stride, phi in found:
            node = self.nodes[one]
            if node[0] == UNKNOWN and several:
                continue
            whole = both(stride, walk.stride(phi)) if walk.steps else stride
            if (one, offset, whole) in done:
                continue
            done.add((one, offset, whole))
            # a null pointer plus an offset, or a counter, is no place; keep plain constants exact
            if node[0] == CONST and node[1] < self.floor:
                whole = 0 if not offset else whole
            out.add(self.add(one, offset, whole))
        if len(out) > MAX_ALTERNATIVES:
            return frozenset(sorted(out)[:MAX_ALTERNATIVES])
        return frozenset(out)

    def several(self, term: int) -> bool:
        """Whether the term is one of several things and does not say which: an entry of a table, what a loop found."""
        known = self._several.get(term)
        if known is None:
            self._several[term] = False
            node = self.nodes[term]
            known = node[0] in (PHI, MERGE) or (
                node[0] in (ADDR, LOAD, BYTE) and bool(node[3 if node[0] != BYTE else 4])
            )
            known = known or any(self.several(one) for one in self._parts(node))
            self._several[term] = known
        return known

    def _parts(self, node: tuple[Any, ...]) -> tuple[int, ...]:
        kind = node[0]
        if kind in (ADDR, LOAD):
            return (node[1],)
        if kind in (BYTE, DERIVED):
            return (node[1], node[2])
        if kind == OP:
            return node[2:]
        return tuple(node[3]) if kind == RESULT else ()


class _Walk:
    """The phis met on the way down from a term: a loop's step counts for what lies below its phi and nothing else."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        """The offset at which a phi was first met."""
        self.above: dict[int, set[int]] = {}
        self.steps: dict[int, int] = {}
        self._strides: dict[int, int] = {}

    def enter(self, phi: int, above: int, offset: int, stride: int) -> bool:
        """Whether the phi is met for the first time; met again further on, it steps."""
        self.above.setdefault(phi, set()).add(above)
        before = self.seen.get(phi)
        if before is None:
            self.seen[phi] = offset
            return True
        if before != offset or stride:
            self.steps[phi] = both(self.steps.get(phi, 0), abs(offset - before) or stride)
        return False

    def stride(self, phi: int) -> int:
        """The steps of a phi and of all above it, once all were met."""
        if not self.steps:
            return 0
        known = self._strides.get(phi)
        if known is not None:
            return known
        out = 0
        stack, done = [phi], {-1}
        while stack:
            one = stack.pop()
            if one not in done:
                done.add(one)
                out = both(out, self.steps.get(one, 0))
                stack += self.above[one]
        self._strides[phi] = out
        return out
