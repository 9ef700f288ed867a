"""Numbers and pointers that move as a loop goes round: by how much, from where, how often until they meet others."""

from typing import Any

from . import fold
from .lift import ADD, DIV, MUL, SHL, SUB
from .loops import Loops
from .terms import ADDR, MERGE, OP, PHI, UNKNOWN, Terms

_MAX_STEP = 8
_DEEP = 10


class Moving:
    """The moving numbers of one function's loops."""

    def __init__(self, terms: Terms, loops: Loops, widest: int = _MAX_STEP) -> None:
        self.terms = terms
        self.loops = loops
        self.widest = widest
        """How far a number moves at most in one round that only moves."""
        self._busy: set[int] = set()

    def at(self, term: int, head: int) -> bool:
        """Whether a term is a number that a loop's head joins."""
        node = self.terms.nodes[term]
        return bool(node[0] == PHI and node[1] == self.loops.function and node[2] == head)

    def step(self, term: int, head: int) -> int | None:
        """How far a number moves at most as the loop goes round, None when it does not only move."""
        steps = self._steps(term, head)
        return max(steps, key=abs) if steps else None

    def least(self, term: int, head: int) -> int | None:
        """How far a number moves at least when the loop moves it, None when it does not only move."""
        steps = self._steps(term, head)
        return min(steps, key=abs) if steps else None

    def _steps(self, term: int, head: int) -> set[int]:
        """The distances by which a number moves on; none when it does not only move, or moves both ways."""
        if term in self._busy:
            return set()
        self._busy.add(term)
        moves = self._moves(term, head)
        self._busy.discard(term)
        steps = moves[0] - {0} if moves is not None else set[int]()
        return set() if steps and min(steps) < 0 < max(steps) else steps

    def swings(self, term: int, head: int) -> tuple[int, int] | None:
        """How far a number goes up and down as the loop goes round, as bits do that wait to be written: it bounds no
        rounds. None when it does not do both.
        """
        moves = self._moves(term, head)
        if moves is None or not moves[0] or not min(moves[0]) < 0 < max(moves[0]):
            return None
        up = max(moves[0])
        return up, up - min(moves[0])

    def start(self, term: int, head: int) -> int | None:
        """What a moving number is before the first round."""
        moves, step = self._moves(term, head), self.step(term, head)
        if moves is None or step is None:
            return None
        backs = range(0) if len(moves[1]) < 2 else range(1, step + 1) if step > 0 else range(step, 0)
        # what it was after the first round, when that was all that was known
        first = {one for one in moves[1] if not any(self.terms.add(one, -back) in moves[1] for back in backs)}
        numbers = [self.terms.signed(value) for one in first if (value := self.terms.value(one)) is not None]
        if len(numbers) == len(first) > 1:
            # the one that leaves most rounds: a test may have told what the others are
            return self.terms.const(min(numbers) if step > 0 else max(numbers))
        return self.terms.merge(first) if first else None

    def returns(self, term: int, head: int) -> bool:
        """Whether a round chooses between what a number has moved on to and a constant, as where a ring ends."""
        chosen = [self.terms.nodes[one][1] for one in self.terms.edges.get(term, ()) if self._is_choice(one)]
        return any(
            any(self.terms.value(one) is not None for one in parts)
            and any(self._leads(one, term, head) for one in parts)
            for parts in chosen
        )

    def _is_choice(self, term: int) -> bool:
        return bool(self.terms.nodes[term][0] == MERGE)

    def _leads(self, term: int, phi: int, head: int) -> bool:
        return phi in self.led(*self.terms.linear(term), head)[0]

    def _moves(self, phi: int, head: int) -> tuple[set[int], set[int]] | None:
        """The distances by which a number moves on, and what it starts as; None when something else becomes of it."""
        if not self.at(phi, head):
            return None
        steps: set[int] = set()
        starts: set[int] = set()
        # all that it ever was includes what the loop was first looked at with
        pending = [(one, 0, 0) for one in self.terms.edges.get(phi) or self.terms.alternatives[phi]]
        while pending:
            one, more, level = pending.pop()
            node = self.terms.nodes[one]
            if one == phi:
                steps.add(more)
                if abs(more) > self.widest:
                    return None
            elif node[0] == ADDR and not node[3] and level <= _DEEP:
                pending.append((node[1], more + node[2], level + 1))
            elif (node[0] == MERGE or self._joins(node, head)) and level <= _DEEP:
                parts = node[1] if node[0] == MERGE else self.terms.alternatives[one]
                pending += [(part, more, level + 1) for part in parts if part != one]
            elif (step := self.step(one, head)) is not None:
                steps.add(step)  # another number of the loop, and some more: it moves with that
            elif self.varies(one, head):
                return None
            else:
                starts.add(self.terms.add(one, more))
        return steps, starts

    def _joins(self, node: tuple[Any, ...], head: int) -> bool:
        """Whether a term is what ways through one round of the loop join to."""
        return (
            node[0] == PHI and node[1] == self.loops.function and node[2] != head and node[2] in self.loops.bodies[head]
        )

    def led(self, parts: dict[int, int], plus: int, head: int) -> tuple[dict[int, int], int]:
        """A sum in words of the numbers that the loop's head joins, where it has multiples of them, or what ways
        through the round make of them: the least of these.
        """
        out: dict[int, int] = {}
        for one, count in parts.items():
            inner, more = self._behind(one, head)
            for part, factor in inner.items():
                out[part] = out.get(part, 0) + count * factor
            plus += count * more
        return {one: count for one, count in out.items() if count}, plus

    def _behind(self, term: int, head: int) -> tuple[dict[int, int], int]:
        """A term as a sum with numbers of the loop's head; as it is when it is none."""
        node = self.terms.nodes[term]
        if self._joins(node, head):
            edges = self.terms.edges.get(term, ())
            ways = [way for way in map(self.terms.linear, edges) if any(self.at(one, head) for one in way[0])]
            if ways and all(parts == ways[0][0] for parts, _ in ways):
                # a way that was not looked at again still has what the loop was entered with
                begun = self.terms.alternatives.get(next(iter(ways[0][0])), set()) if len(ways[0][0]) == 1 else set()
                if len(ways) + sum(one in begun for one in edges) == len(edges):
                    return ways[0][0], min(more for _, more in ways)
        if node[0] == OP and node[1] in (MUL, SHL) and self.at(self.terms.based(node[2])[0], head):
            factor = self.terms.value(node[3])
            if factor is not None and factor <= _MAX_STEP:
                return self.terms.linear(node[2], factor if node[1] == MUL else 1 << factor)
        return {term: 1}, 0

    def sum(self, parts: dict[int, int], plus: int, moving: int, head: int) -> int | None:
        """Terms with their factors and a number together, as one term, before what moves among them has moved."""
        start = self.start(moving, head)
        if start is None:
            return None
        more, constant = self.terms.linear(start, parts[moving])
        parts = {one: count for one, count in parts.items() if one != moving}
        for one, count in more.items():
            parts[one] = parts.get(one, 0) + count
        return self.total({one: count for one, count in parts.items() if count}, plus + constant)

    def total(self, parts: dict[int, int], plus: int) -> int | None:
        """A sum as one term; None when it is not one of plain terms."""
        if any(abs(count) != 1 for count in parts.values()):
            return None
        out = self.terms.const(plus)
        for one, count in sorted(parts.items(), key=lambda item: -item[1]):
            out = fold.binary(self.terms, ADD if count > 0 else SUB, out, one, self.terms.word)
        return out

    def varies(self, term: int, head: int) -> bool:
        """Whether a number can be another one in the next round."""
        return not self.loops.bodies[head].isdisjoint(self.loops.heads_of(term))

    def rounds(self, parts: dict[int, int], plus: int, moving: dict[int, int], head: int) -> list[int] | None:
        """How often a sum can change before it is zero, by where it starts and how it moves."""
        net = sum(parts[one] * step for one, step in moving.items())
        if not net:
            return []
        rest = {one: count for one, count in parts.items() if count and one not in moving}
        if any(self.varies(one, head) for one in rest):
            return None
        for one in moving:
            start = self.start(one, head)
            if start is None:
                return None
            more, constant = self.terms.linear(start)
            plus += parts[one] * constant
            for part, count in more.items():
                rest[part] = rest.get(part, 0) + parts[one] * count
        sign = -1 if net > 0 else 1
        rest = {one: sign * count for one, count in rest.items() if count}
        distance = self.total(rest, sign * plus)
        if distance is None or self._unrelated(rest):
            return None
        if self._is_deep(distance):
            ends = [one for one, count in rest.items() if count > 0]
            distance = ends[0] if len(ends) == 1 else distance  # but for a constant it is no more than that
        value = self.terms.value(distance)
        if value is not None:
            return [self.terms.const(self.terms.signed(value) // abs(net))]
        steps = fold.binary(self.terms, DIV, distance, self.terms.const(abs(net)), self.terms.word)
        return [distance if abs(net) == 1 or self._is_deep(steps) else steps]

    def _is_deep(self, term: int) -> bool:
        """Whether a number has no name, so that nothing is known of it."""
        return self.terms.nodes[term] == (UNKNOWN, "deep")

    def _unrelated(self, parts: dict[int, int]) -> bool:
        """Whether a distance is `start + n - start`, and the two are not seen to be the same: what is known of `n` is
        lost.
        """
        places = {one: {root for root, _, _ in self.terms.locate(one)} for one in parts if self.terms.rank(one) >= 1}
        starts = [one for one in places if parts[one] == -1]
        ends = [one for one in places if parts[one] == 1 and starts and places[starts[0]] <= places[one]]
        return len(parts) > 2 and len(starts) == 1 and bool(ends)
