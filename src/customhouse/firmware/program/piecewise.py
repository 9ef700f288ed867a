"""Loops that walk a text piece by piece, each checked as a whole (`strspn` up to the next slash): where such a loop is
left, all that it came past is made of what the pieces are made of.
"""

from collections.abc import Mapping

from . import bytesets
from .join import Head
from .loops import Loops
from .pieces import SPANS, Pieces
from .recovery import Function
from .state import UPTO, State
from .terms import PHI, Terms


class Piecewise:
    """The loops of one function, and what each of their ways round says of the piece that it passes."""

    def __init__(self, function: Function, terms: Terms, loops: Loops, pieces: Pieces) -> None:
        self.function = function
        self.terms = terms
        self.loops = loops
        self.pieces = pieces
        self.back: dict[int, dict[int, dict[int, int]]] = {head: {} for head in loops.bodies}
        """head -> source of the back edge -> pointers of the head, each with the bytes that it was moved over."""
        self.spans = not SPANS.isdisjoint(function.named)

    def leave(self, source: int, target: int, state: State, heads: Mapping[int, Head]) -> None:
        """An edge is taken; `heads` are the loops' heads as they were last looked at."""
        if not self.spans:
            return
        if source in self.loops.bodies.get(target, ()):
            found = self._passed(target, state)
            if self.back[target].get(source) != found:
                self.back[target][source] = found
                self.loops.again(target)
        for head, body in self.loops.bodies.items():
            if source in body and target not in body and head in heads:
                self._left(head, state, heads[head].entry)

    def _passed(self, head: int, state: State) -> dict[int, int]:
        out: dict[int, int] = {}
        for slot, value in state.registers.items():
            phi = self.terms.index.get((PHI, self.function.address, head, slot))
            if phi is not None:
                mask = 0 if value == phi else self.pieces.passed(state, phi, value)
                if mask is not None:
                    out[phi] = mask
        return out

    def _left(self, head: int, state: State, entry: State) -> None:
        backs = list(self.back[head].values())
        for phi in set.intersection(*(set(one) for one in backs)) if backs else ():
            mask = 0
            for one in backs:
                mask |= one[phi]
            start = entry.registers.get(self.terms.nodes[phi][3])
            if mask and mask != bytesets.ALL and start is not None:
                state.learn(frozenset({(UPTO, start, phi, ~mask & bytesets.ALL)}))
