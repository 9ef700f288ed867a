"""Loops over a constant text whose letters are looked for one by one: `for (b = bad; *b; b++) if (strchr(s, *b)) ...`,
or `for (i = 0; allowed[i]; i++) if (c == allowed[i]) ...`.

A byte that was equal to none of the letters, up to the end, is another one; a text in which none of them was found
lacks them. (That one which was equal to one of them is one of them, `conditions` tells.)
"""

from collections.abc import Iterable

from . import bytesets, fold
from .alphabets import LONGEST, Letter, length, letter
from .elf import Image
from .lift import EQ, NE, SUB
from .loops import Loops
from .orders import differences, plain
from .state import Fact, State
from .terms import OP, PHI, RESULT, Terms

_FOUND = frozenset(("strchr", "index", "strrchr", "memchr"))
_WORDS = frozenset(("strstr", "strcasestr"))


class SoughtLetters:
    """The loops of one function that go over constant texts."""

    def __init__(self, terms: Terms, image: Image, loops: Loops) -> None:
        self.terms = terms
        self.image = image
        self.loops = loops
        self.back: dict[int, dict[int, frozenset[int]]] = {head: {} for head in loops.bodies}
        """head -> source of the edge back -> what was found not to be so, or not there, in that round."""

    def leave(self, source: int, target: int, state: State, condition: int | None) -> None:
        """An edge is taken, on the condition if there is one."""
        if source in self.loops.bodies.get(target, ()):
            refuted = frozenset(self._refuted(state))
            if self.back[target].get(source) != refuted:
                self.back[target][source] = refuted
                self.loops.again(target)
        for head, body in self.loops.bodies.items():
            if source in body and target not in body and self.back[head]:
                self._left(head, state, condition)

    def _refuted(self, state: State) -> Iterable[int]:
        for term, (low, high) in state.ranges.items():
            node = self.terms.nodes[term]
            asked = node[0] == OP and node[1] in (EQ, NE) and (low, high) == (int(node[1] == NE),) * 2
            if asked or (node[0] == RESULT and node[2] in (*_FOUND, *_WORDS) and low == high == 0):
                yield term

    def _left(self, head: int, state: State, condition: int | None) -> None:
        facts: set[Fact] = set()
        for term in frozenset.intersection(*self.back[head].values()):
            node = self.terms.nodes[term]
            if node[0] == RESULT:
                entry = letter(self.terms, self.image, node[3][1]) if len(node[3]) > 1 else None
                absent = self._passed(head, term, entry, state, condition)
                if absent:
                    facts.add(("lacks", node[3][0], absent))
                continue
            for one, other in self._sides(term):
                entry = letter(self.terms, self.image, other)
                absent = self._passed(head, term, entry, state, condition) if entry and entry.size == 1 else 0
                if absent and one in self._bytes(one):
                    state.masks[one] = state.masks.get(one, bytesets.ALL) & ~absent
        state.learn(frozenset(facts))

    def _bytes(self, term: int) -> frozenset[int]:
        return self.loops.sets.variables(term)

    def _sides(self, equal: int) -> list[tuple[int, int]]:
        """The two that an equality compares, either way round."""
        node = self.terms.nodes[equal]
        parts, more = self.terms.linear(fold.binary(self.terms, SUB, node[2], node[3], self.terms.word))
        if more or sorted(parts.values()) != [-1, 1]:
            return []
        one, other = parts
        return [(one, other), (other, one)]

    def _passed(self, head: int, term: int, entry: Letter | None, state: State, condition: int | None) -> int:
        """The letters that a walk over a constant table has come past where it is left."""
        if entry is None or condition is None or self.terms.nodes[entry.walk][2] != head:
            return 0
        count = self._count(head, entry, state, condition, int(term in self._refuted(state)))
        if count is None:
            return 0
        out = 0
        for index in range(count):
            at = entry.start + index * entry.size
            if entry.size == 1:
                out |= 1 << self.image.bytes_at(at, 1)[0]
                continue
            word = self.image.number(at, entry.size)
            text = self.image.text(word) if word and self.image.constant(word) else None
            out |= bytesets.of(text) if text is not None and len(text) == 1 else 0
        return out & ~bytesets.NUL

    def _count(self, head: int, entry: Letter, state: State, condition: int, more: int) -> int | None:
        """How many entries there are up to where the loop is left: up to the one that is nothing, or to a number (and
        `more`, where it is asked for behind the round).
        """
        for parts, constant in differences(self.terms, condition):
            if len(parts) != 1:
                continue
            [one] = parts
            read = letter(self.terms, self.image, one)
            ahead = 0 if read is None else read.start - entry.start
            if read is not None and read.size == entry.size and ahead in (0, entry.size):
                return length(self.image, entry) if not constant and self._is_nothing(state, one) else None
            base, _ = self.terms.based(one)
            if self.terms.nodes[base][:3] == (PHI, self.loops.function, head) and base in state.ranges:
                return self._rounds(head, base, state.ranges[base][0], more)
        return None

    def _rounds(self, head: int, counter: int, value: int, more: int) -> int | None:
        """The rounds that are over where a counter is at least a number."""
        begun = self.terms.edges.get(counter, ())
        first = self.terms.value(begun[0]) if begun else None
        steps = set(self.loops.strides.steps(head, counter))
        if first is None or len(steps) != 1 or (step := steps.pop()) <= 0:
            return None
        count = (value - self.terms.signed(first)) // step + more
        return count if 0 <= count <= LONGEST else None

    def _is_nothing(self, state: State, term: int) -> bool:
        equal = fold.binary(self.terms, EQ, term, self.terms.zero, self.terms.word)
        inner, truth = plain(self.terms, equal, truth=True)
        return state.ranges.get(inner) == (int(truth),) * 2 or state.ranges.get(term) == (0, 0)
