"""What a copying loop reads: where the texts begin that it goes through, and how far it moves in them for each byte."""

from .activation import Activation
from .loops import Loops
from .moving import Moving
from .state import Dep
from .terms import ADDR, BYTE, MERGE, OP, PHI, STACK, UNKNOWN

_MAX_COMPUTED = 100
_BEHIND = 3
"""Joins and tables of characters behind which the byte is looked for that a loop reads."""
Walk = tuple[tuple[int, ...], int]
"""Pointers to where the texts begin, and the step."""


class Copied:
    """The bytes that loops of one function store, by where they were read."""

    def __init__(self, activation: Activation, loops: Loops, moving: Moving) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.sets = activation.whole.sets
        self.loops = loops
        self.moving = moving

    def read(self, head: int, target: int, value: int, deps: frozenset[Dep]) -> Walk | None:
        """Where the texts that are copied to a target begin, as far as that is known, and how far the loop moves in
        them for each byte, 0 when the bytes come one by one from calls. None when it is always the same byte, or when
        the bytes of a text are changed where they lie, or moved to its front.
        """
        found = self._walk(value, head)
        if found is None:
            read = [self.terms.nodes[one][1] for one in self._bytes(value)]
            if any(self._same_text(target, one) for one in read):
                return None
            texts = {self.terms.add(*dep[1:4]) for dep in deps if dep[0] == "T"}
            varies = self.moving.varies(value, head)
            if not varies and (texts or not self._calls(head)):
                return None
            found = tuple(sorted(texts)), int(varies)
        if any(self._same_text(target, one) for one in found[0]):
            return None
        return found

    def entries(self, target: int, deps: frozenset[Dep], step: int) -> Walk | None:
        """The same of words that are moved from where a loop goes on in a text as it does in the target."""
        texts = {self.terms.add(*dep[1:3]) for dep in deps if dep[0] == "T" and dep[3]}
        return (
            (tuple(sorted(texts)), step) if texts and not any(self._same_text(target, one) for one in texts) else None
        )

    def _walk(self, value: int, head: int, level: int = 0, ahead: bool = False) -> Walk | None:
        """The walk of one of the bytes that a number depends on."""
        for one in sorted(self.sets.variables(value) or self._bytes(value)):
            found = self._steps(one, head, level, ahead)
            if found is not None:
                return found
        return None

    def _steps(self, byte: int, head: int, level: int, ahead: bool) -> Walk | None:
        """The walk of a byte; `ahead` when it was read a round before, and went round the loop beside its pointer."""
        node = self.terms.nodes[byte]
        if node[0] == PHI and level < _BEHIND:
            ahead = ahead or self.moving.at(byte, head)
            for one in sorted(self.terms.alternatives[byte]):
                found = self._steps(one, head, level + 1, ahead) if one != byte else None
                if found is not None:
                    return found
        if node[0] != BYTE:
            return None
        if level < _BEHIND and self.sets.is_table(node):  # which entry it is tells what is copied
            return self._walk(node[1], head, level + 1, ahead)
        parts, plus = self.moving.led(*self.terms.linear(node[1]), head)
        moving = [one for one in parts if (self.moving.step(one, head) or 0) > 0]
        if len(moving) != 1 or parts[moving[0]] < 1:
            return None
        step = (self.moving.step(moving[0], head) or 1) * parts[moving[0]]
        start = self.moving.sum(parts, plus - step * ahead, moving[0], head)
        return None if start is None else ((start,), step)

    def _bytes(self, value: int) -> set[int]:
        """The bytes that a number is computed from: digits that are decoded, several of them to a byte."""
        seen, work, out = {value}, [value], set[int]()
        while work and len(seen) < _MAX_COMPUTED:
            one = work.pop()
            node = self.terms.nodes[one]
            if node[0] == BYTE:
                out.add(one)
            parts = node[2:] if node[0] == OP else node[1:2] if node[0] == ADDR else node[1] if node[0] == MERGE else ()
            for part in self.terms.alternatives[one] if node[0] == PHI else parts:
                if part not in seen:
                    seen.add(part)
                    work.append(part)
        return out

    def _calls(self, head: int) -> bool:
        blocks = self.activation.function.blocks
        return any(blocks[one].exit.kind in ("call", "icall") for one in self.loops.bodies[head])

    def _same_text(self, target: int, source: int) -> bool:
        """Whether two pointers lead into one object: in a frame only when they are not far from each other."""
        places = {place[0]: place[1] for place in self.terms.locate(target)}
        for root, offset, _step in self.terms.locate(source):
            if root in places and (self.terms.nodes[root][0] not in (STACK, UNKNOWN) or places[root] == offset):
                return True
        return False
