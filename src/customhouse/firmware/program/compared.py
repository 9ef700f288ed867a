"""What a comparison of texts, or a scan, says of the words that a text must have."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .answers import BOUNDED, FINDERS, SCANS
from .asked import IS, Words
from .formats import Piece, conversions
from .given import Given
from .state import Content
from .terms import PARAM, RESULT, Location
from .traces import Made

Tried = Callable[[int], bool | None]
"""Whether the way at hand is taken when the call gives this number; None when that is not known."""
Part = str | int
"""A text, or the term of a parameter that points to one."""


class Compared:
    """The comparisons of one function. `texts`: those that were put together to be looked for, by the results."""

    def __init__(self, given: Given, texts: Mapping[int, tuple[Content | None, ...]]) -> None:
        self.given = given
        self.terms = given.terms
        self.texts = texts

    def sides(self, leaf: int, node: tuple[Any, ...], tried: Tried) -> list[tuple[int, tuple[Part, ...]]]:
        """What was found when a comparison, or a search, gave that: pointers to texts, each with its word."""
        others = (0,) if node[2] in FINDERS else (1, -1)
        if any(tried(self.terms.const(one)) is not False for one in others):
            return []
        texts = self.texts.get(leaf, ())
        first, second, *rest = node[3]
        out: list[tuple[int, tuple[Part, ...]]] = []
        for index, one, other in ((1, second, first), (0, first, second)):
            if self.given.text(other) is None and (index or node[2] not in FINDERS):
                parts = self._parts(one, texts[index] if index < len(texts) else None)
                out.append((other, _cut(parts, self._count(node[2], rest, one)) if parts else ()))
        return out

    def scanned(self, node: tuple[Any, ...], tried: Tried) -> Words:
        """The words that a text must have for a scan to take as much of it as the test asks for."""
        form = self.given.text(node[3][1])
        pieces = conversions(form, scanning=True) if form else ()
        taking = [at for at, piece in enumerate(pieces) if piece.kind and piece.kind != "n" and not piece.stars]
        counts = (-1, *range(len(taking) + 1))
        least = min((one for one in counts if tried(self.terms.const(one)) is not False), default=0)
        return _literals(pieces[: taking[least - 1]], node[3][0]) if least > 0 else {}

    def taken(self, calls: Sequence[Made], place: Location | None) -> Words:
        """The words that a text must have for a scan to put a part of it into a place; without a place, into the first
        one for which there is no end.
        """
        for call in calls:
            form = self.given.text(call.arguments[1]) if call.name in SCANS else None
            targets = iter(call.arguments[2:])
            pieces = conversions(form, scanning=True) if form else ()
            for at, piece in enumerate(pieces):
                target = next(targets, None) if piece.kind and not piece.stars else None
                endless = piece.kind in ("s", "[") and not piece.width and not piece.stars
                here = endless if place is None else target is not None and place in self.terms.locate(target)
                if here:
                    return _literals(pieces[:at], call.arguments[0])
        return {}

    def _count(self, name: str, rest: Sequence[int], word: int) -> int:
        """How many letters are compared: -1 for all of the word, 0 when that is not known."""
        if name not in BOUNDED or not rest:
            return -1
        number = self.terms.value(rest[0])
        if number is not None:
            return number
        node = self.terms.nodes[rest[0]]
        return -1 if node[0] == RESULT and node[2] == "strlen" and node[3][:1] == (word,) else 0

    def _parts(self, pointer: int, content: Content | None) -> tuple[Part, ...]:
        """The text that something is compared with: what is known of it, and what a caller knows."""
        text = self.given.text(pointer)
        if text is not None:
            return (text,)
        if content is not None and not content.grown:
            if not content.deps:
                return (content.template,)
            begin, hole, end = content.template.partition("%s")
            dep = next(iter(content.deps))
            if len(content.deps) == 1 and hole and "%s" not in end and dep[0] == "T" and not any(dep[2:4]):
                return tuple(part for part in (begin, dep[1], end) if part != "")
            return ()
        return (pointer,) if self.terms.nodes[pointer][0] == PARAM else ()


def _literals(pieces: Sequence[Piece], pointer: int) -> Words:
    words = [piece.text.strip() for piece in pieces if not piece.kind]
    return {(IS, one): frozenset((pointer,)) for one in words if one}


def _cut(parts: tuple[Part, ...], count: int) -> tuple[Part, ...]:
    if count == -1:
        return parts
    if not count or not isinstance(parts[0], str):
        return ()
    return (parts[0][:count],) if len(parts[0]) >= count or len(parts) == 1 else ()
