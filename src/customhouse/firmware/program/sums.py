"""Terms as sums and products: their unknown parts, the step of an index, the block that a moving pointer stays in."""

from typing import Any

from . import lift
from .alternatives import Alternatives
from .nodes import ADDR, CONST, MERGE, OP, PHI, both


class Sums(Alternatives):
    """Alternatives with their arithmetic."""

    def __init__(self, word: int, floor: int = 4096) -> None:
        super().__init__(word, floor)
        self._twins: dict[tuple[int, int, frozenset[int]], int] = {}

    def linear(self, term: int, factor: int = 1, level: int = 0) -> tuple[dict[int, int], int]:
        """A sum as its unknown parts with their factors, and its constant."""
        node = self.nodes[term]
        kind = node[0]
        if kind == CONST:
            return {}, factor * self.signed(node[1])
        sides: tuple[tuple[int, int], ...] = ()
        plus = 0
        if kind == ADDR and not node[3]:
            sides, plus = ((node[1], factor),), node[2]
        elif kind == OP and node[1] in (lift.ADD, lift.SUB):
            sides = ((node[2], factor), (node[3], factor if node[1] == lift.ADD else -factor))
        elif kind == OP and node[1] == lift.NEG:
            sides = ((node[2], -factor),)
        elif kind == MERGE:
            one, plus = self._moved_choice(term)
            sides = ((one, factor),) if plus else ()
        if not sides or level > 8:
            return {self._twin(term, node): factor}, 0
        parts: dict[int, int] = {}
        total = factor * plus
        for one, scale in sides:
            more, constant = self.linear(one, scale, level + 1)
            total += constant
            for part, count in more.items():
                parts[part] = parts.get(part, 0) + count
        return {part: count for part, count in parts.items() if count}, total

    def _moved_choice(self, term: int) -> tuple[int, int]:
        """One of several terms as another such choice and a constant that is added to each of them, when the program
        has that other one; a constant among them does not show what was added to it.
        """
        parts = self.nodes[term][1]
        placed = [self.nodes[one] for one in parts if self.nodes[one][0] == ADDR]
        if len(placed) == len(parts):
            return self.based(term)
        if not placed or any(node[3] or node[2] != placed[0][2] for node in placed):
            return term, 0
        plus = placed[0][2]
        rest = [one for one in parts if self.nodes[one][0] != ADDR]
        if any(self.nodes[one][0] != CONST for one in rest):
            return term, 0
        before = frozenset([node[1] for node in placed] + [self.const(self.nodes[one][1] - plus) for one in rest])
        found = self.index.get((MERGE, before))
        return (term, 0) if found is None else (found, plus)

    def _twin(self, term: int, node: tuple[Any, ...]) -> int:
        """One name for the registers in which a loop keeps the same number, narrow and widened."""
        if node[0] != PHI:
            return term
        edges = self.edges.get(term)
        if edges is not None:
            same = (one for one in self.joined.get(node[1:3], ()) if self.edges[one] == edges)
            return next(same, term)
        return self._twins.setdefault((node[1], node[2], frozenset(self.alternatives[term])), term)

    def reach(self, pointer: int, size: int) -> tuple[int, int] | None:
        """Where a block always lies whose size shrinks as its pointer moves on (`buffer + got, sizeof buffer - got`):
        the buffer and its size.
        """
        before, start = self.linear(pointer)
        after, end = self.linear(size)
        moving = {part for part, count in before.items() if after.get(part) == -count}
        if not moving or set(after) != moving:
            return None
        left = [part for part in before if part not in moving]
        if not left:
            return (self.const(start), end) if start >= self.data and end > 0 else None
        if len(left) > 1 or before[left[0]] != 1 or end <= 0:
            return None
        return self.add(left[0], start), end

    def scale(self, term: int, level: int = 0) -> int:
        """The step of an index: 12 for `i * 12`."""
        if level > 6:
            return 1
        node = self.nodes[term]
        base, factor = self.multiple(term)
        if base != term:
            return factor * self.scale(base, level + 1) if 0 < factor < 1 << 20 else 1
        if node[0] == OP and node[1] == lift.ADD:
            left, right = self.scale(node[2], level + 1), self.scale(node[3], level + 1)
            return both(left, right)
        if node[0] == PHI:
            self._reads(term)
            steps = {
                self.nodes[one][2]
                for one in self.alternatives[term]
                if self.nodes[one][0] == ADDR and self.nodes[one][1] == term
            }
            if len(steps) == 1:
                return abs(int(steps.pop())) or 1
        return 1

    def multiple(self, term: int, level: int = 0) -> tuple[int, int]:
        """The term as a multiple of another, but for constants that are added: compilers write `i * 36` as
        `((i << 3) + i) << 2`.
        """
        node = self.nodes[term]
        if node[0] == ADDR and not node[3] and level <= 6:
            return self.multiple(node[1], level + 1)
        if node[0] != OP or level > 6:
            return term, 1
        if node[1] in (lift.MUL, lift.SHL):
            factor, other = self._factor(node[3]), node[2]
            if factor is None and node[1] == lift.MUL:
                factor, other = self._factor(node[2]), node[3]
            if not factor or factor >= 1 << 20 or (node[1] == lift.SHL and factor > 20):
                return term, 1
            base, inner = self.multiple(other, level + 1)
            return base, inner * (factor if node[1] == lift.MUL else 1 << factor)
        if node[1] in (lift.ADD, lift.SUB):
            left, many = self.multiple(node[2], level + 1)
            right, more = self.multiple(node[3], level + 1)
            if left == right:
                return left, many + more if node[1] == lift.ADD else many - more
            if node[1] == lift.ADD:
                for one, other in ((node[2], node[3]), (node[3], node[2])):
                    ratio = self._ratio(one, other, level)
                    if ratio:
                        return other, ratio + 1
        return term, 1

    def _ratio(self, whole: int, part: int, level: int) -> int:
        """How many times a number another is, on every way to a join when both are chosen there; 0 when it is not."""
        ways = [(whole, part)]
        if self.nodes[whole][:3] == self.nodes[part][:3] and self.nodes[part][0] == PHI:
            ways = list(zip(self.edges.get(whole, ()), self.edges.get(part, ()), strict=False))
        found = {self._times(one, other, level) for one, other in ways}
        return found.pop() if len(found) == 1 else 0

    def _times(self, whole: int, part: int, level: int) -> int:
        """The same of one way. Of `x & -2` and `x >> 1` the mask is not kept, since it clears no more than the lowest
        bits.
        """
        base, many = self.multiple(whole, level + 1)
        if base == part:
            return many
        node = self.nodes[part]
        shift = self.value(node[3]) if node[0] == OP and node[1] in (lift.SHR, lift.SAR) else None
        if shift not in (1, 2, 3, 4):
            return 0
        same = self._twin(node[2], self.nodes[node[2]]) == self._twin(whole, self.nodes[whole])
        return 1 << shift if same else 0

    def _factor(self, term: int) -> int | None:
        """A constant, also one that was loaded on the condition under which it is used."""
        node = self.nodes[term]
        if node[0] == OP and node[1] == lift.SELECT:
            sides = {self.value(one) for one in node[3:5]} - {None, 0}
            return sides.pop() if len(sides) == 1 else None
        return self.value(term)
