"""What a function asked, in words of the function that calls it."""

from collections.abc import Sequence

from .asked import IS, NOBODY, WORD, Key, Words, merged
from .elf import Image
from .terms import ADDR, PARAM, Terms


class Given:
    """Answers for one program."""

    def __init__(self, terms: Terms, image: Image) -> None:
        self.terms = terms
        self.image = image

    def words(self, words: Words, arguments: Sequence[int]) -> Words:
        """What a function asked that is called with these arguments."""
        out: Words = {}
        for key, pointers in words.items():
            for one in self._key(key, arguments):
                there = frozenset(self.term(pointer, arguments) for pointer in pointers) - {-1}
                out[one] = out.get(one, NOBODY) | there
        return out

    def _key(self, key: Key, arguments: Sequence[int]) -> list[Key]:
        if key[0] == IS:
            parts = [one if isinstance(one, str) else self._part(one, arguments) for one in key[1:]]
            return [] if None in parts else [(IS, *merged(parts))]
        if not self.terms.open[key[1]]:
            return [key]
        root = self.term(key[1], arguments)
        places = self.terms.locate(root) if root >= 0 else ()
        if len(places) != 1 or places[0][2]:
            return []
        return [(WORD, places[0][0], places[0][1] + key[2], *key[3:])]

    def _part(self, term: int, arguments: Sequence[int]) -> str | int | None:
        moved = self.term(term, arguments)
        if moved < 0:
            return None
        text = self.text(moved)
        return text if text is not None else moved if self.terms.nodes[moved][0] == PARAM else None

    def term(self, term: int, arguments: Sequence[int]) -> int:
        """A term in words of the caller, -1 when that is not known."""
        node = self.terms.nodes[term]
        if node[0] == PARAM:
            return arguments[node[1]] if node[1] < len(arguments) else -1
        if not self.terms.open[term]:
            return term
        if node[0] == ADDR:
            base = self.term(node[1], arguments)
            return self.terms.add(base, node[2], node[3]) if base >= 0 else -1
        return -1

    def text(self, term: int) -> str | None:
        """The one constant text that a term points to."""
        values = {self.terms.value(one) for one in self.terms.flat(term)}
        value = values.pop() if len(values) == 1 else None
        if value is None or value < self.terms.floor or not self.image.constant(value):
            return None
        return self.image.text(value)
