"""The program's memory regardless of order: what any function may have put into globals, heap objects and escaped
frames.

Questions are answered on demand: what does a pointer point to (`points`), what was written to the file or pipe that is
read (`channels`), and here what a text is made of in the end.
"""

import bisect
from typing import TYPE_CHECKING, Any, NamedTuple

from . import quoting
from .cells import MAX_VALUES, SPREAD
from .channels import Channels
from .formats import conversions
from .nodes import both
from .pointed import Pointed
from .state import Content, Dep, Fact, comparisons, form
from .terms import BYTE, GLOBAL, HEAP, RESULT, STACK, Location, overlap
from .validity import Validity
from .views import Keys, view

if TYPE_CHECKING:
    from .whole import Whole

_MAX_STEPS = 600
"""Places that one text is followed through. In daemons whose memory we can keep apart it is a few dozen."""
_MAX_WAYS = 4 * _MAX_STEPS
"""The same, with what was compared on the way."""
_PREFIX = 16
_ROOM = 4096
"""How far a text of unknown length reaches at most."""

_NO_FACTS: frozenset[Fact] = frozenset()
_Piece = tuple[Dep, str, frozenset[Fact]]
"""A part of a text, the form of the text, and the comparisons that held where it was stored."""
_Part = tuple[Dep, str, int, bool, frozenset[Fact]]
"""A part of a text, the form of the text, for which beginnings it has to be safe, whether memory lay between, and the
comparisons that held where it was read."""


class Origin(NamedTuple):
    """Where bytes come from in the end: a RESULT term, whether a check cleans them, and whether memory lay between."""

    term: int
    clean: bool
    stored: bool


class Store(Channels):
    """Flow-insensitive contents, from the events of a whole program."""

    def __init__(self, whole: "Whole") -> None:
        super().__init__(whole)
        self.lost = False
        """Whether the last question had no end: its answer is only a part, and most of that is mixed up."""
        self._holding: dict[Location, list[tuple[int, int, Content]]] = {}
        self._answers: dict[Location, tuple[tuple[int, ...], tuple[_Piece, ...], frozenset[Fact]]] = {}
        """Of places whose texts were asked for: calls that gave them, what else they are made of, proofs."""
        self._told: dict[tuple[Content, frozenset[Fact]], tuple[tuple[Origin, ...], bool, frozenset[Fact]]] = {}
        """Of texts that were asked for: where they come from, whether that is only a part, proofs on the way."""
        self._starts: dict[int, list[int]] = {}
        self.validity = Validity(self)
        self.pointed = Pointed(self, self.validity.stores)
        self._marks = sorted(self._places())

    def _places(self) -> set[int]:
        cells = self.words.get(GLOBAL)
        return {one[0] for one in self.texts.get(GLOBAL, ())} | set(cells.exact if cells is not None else ())

    def origins(self, content: Content, facts: frozenset[Fact] = _NO_FACTS) -> tuple[Origin, ...]:
        """The sources of a text in the end: everything that its parts lead to, each part followed once. `facts` are
        those that held where it was read.
        """
        key = (content, comparisons(facts))
        known = self._told.get(key)
        if known is None:
            found = self._origins(*key)
            known = self._told[key] = (found, self.lost, frozenset(self.trail))
        self.lost, self.trail = known[1], set(known[2])
        return known[0]

    def _origins(self, content: Content, facts: frozenset[Fact]) -> tuple[Origin, ...]:
        out: set[Origin] = set()
        self.trail = set(self.whole.proofs.get(content, ()))
        seen: set[tuple[Any, ...]] = set()
        places: set[tuple[Any, ...]] = set()
        work: list[_Part] = [(dep, form(content), 1 << quoting.OUTSIDE, False, facts) for dep in sorted(content.deps)]
        while work and len(places) < _MAX_STEPS and len(seen) < _MAX_WAYS:
            dep, template, need, stored, facts = work.pop()
            need = quoting.needed(need, dep[4] & quoting.OWN)
            for place in (dep[1:4] if dep[0] == "T" else None, self.whole.read_places.place(dep)):
                if place is not None and need and facts:
                    need = quoting.needed(need, self.validity.bits(place, facts))
            if dep[0] == "T" and need:
                need = quoting.needed(need, self.pointed.bits(*dep[1:4]))
            clean = not need
            need = quoting.reached(need, template)
            key = (*dep[:4], need)
            if (key, facts) in seen:
                continue
            seen.add((key, facts))
            places.add(key)
            if dep[0] == "X":
                out.add(Origin(dep[1], clean, stored))
                work += [(one, "%s", need, True, _NO_FACTS) for one in self._written(dep[1])]
            elif dep[0] == "T":
                self._held(dep, need, stored, out, work)
            else:
                shape = max(self.formats(dep), key=len, default="%s")
                work += [(("T", one, 0, 0, 0), shape, need, stored, facts) for one in self.texts_of(dep)]
        self.lost = bool(work)
        return tuple(sorted(out))

    def formats(self, dep: Dep) -> list[str]:
        """The format strings that an open format turns out to be."""
        out = []
        for root, offset, stride in sorted(self.points(dep[1])):
            text = self.image.text(offset) if root == GLOBAL and not stride and offset >= self.terms.floor else None
            if text and "%" in text:
                out.append(text)
        return out

    def texts_of(self, dep: Dep) -> list[int]:
        """The arguments of an open format that are texts; all of them when the format stays unknown."""
        arguments: tuple[int, ...] = dep[2]
        texts = self.formats(dep)
        if not texts:
            return list(arguments)
        used: set[int] = set()
        for text in texts:
            index = 0
            for piece in conversions(text):
                if piece.kind:
                    index += piece.stars
                    if piece.kind == "s" and index < len(arguments):
                        used.add(arguments[index])
                    index += 1
        return sorted(used)

    def _held(self, dep: Dep, need: int, stored: bool, out: set[Origin], work: list[_Part]) -> None:
        place = (dep[1], dep[2], dep[3])
        found = self._answers.get(place)
        if found is None:
            found = self._answers[place] = self._answer(place)
        calls, parts, proofs = found
        out.update(Origin(base, not need, stored) for base in calls)
        work += [(one, template, need, True, facts) for one, template, facts in parts]
        self.trail |= proofs

    def _answer(self, place: Location) -> tuple[tuple[int, ...], tuple[_Piece, ...], frozenset[Fact]]:
        calls: list[int] = []
        parts: dict[_Piece, None] = {}
        proofs: frozenset[Fact] = frozenset()
        for base, off, step in self.bases(*place):
            node = self.terms.nodes[base]
            if base != GLOBAL and node[0] == RESULT:
                if node[1] == "store":
                    stored = [text for name in (node[2], "?") for text in self.puts.get(name, ())]
                    parts.update(((one, form(text), _NO_FACTS), None) for text in stored for one in sorted(text.deps))
                else:
                    calls.append(base)
            parts.update((one, None) for one in self._texts_at(base, off, step))
            for _, _, content in self.holding(base, off, step):
                proofs |= self.whole.proofs.get(content, frozenset())
        return tuple(calls), tuple(parts), proofs

    def holding(self, base: int, off: int, step: int) -> list[tuple[int, int, Content]]:
        """The texts that were written where a place lies, with their offsets and strides."""
        found = self._holding.get((base, off, step))
        if found is None:
            (root, at, stride), asked = view(self.terms, base, off, step)
            found = [one for one in self.visible(root, asked) if self.covers(root, at, stride, *one)]
            if not step and all(dep[:3] == ("T", base, off) for one in found for dep in one[2].deps):
                found += self._behind(base, off)
            self._holding[(base, off, step)] = found
        return found

    def _behind(self, base: int, off: int) -> list[tuple[int, int, Content]]:
        """Texts that follow a few bytes which the program put there one by one: an opening quote, a blank, a dash."""
        if self.terms.nodes[base][0] != HEAP:
            return []
        cells = self.words.get(base)
        places = cells.exact if cells is not None else {}
        return [
            one
            for one in self.texts.get(base, ())
            if not one[1] and off < one[0] <= off + _PREFIX and not any(off <= at < one[0] for at in places)
        ]

    def _texts_at(self, base: int, off: int, step: int) -> list[_Piece]:
        """The parts of what lies at a place, each with the form of the text that it is in."""
        out: list[_Piece] = []
        (root, at, around), asked = view(self.terms, base, off, step)
        for text_off, text_step, content in self.holding(base, off, step):
            facts = self.texts[root][text_off, text_step, content]
            for dep in sorted(content.deps):
                if content.verbatim and dep[0] == "T":
                    stride = both(around, text_step)
                    inside = (at - text_off) % stride if stride else at - text_off
                    out.append((("T", dep[1], dep[2] + inside, dep[3], dep[4] & quoting.OWN), "%s", facts))
                else:
                    out.append((dep, form(content), facts))
        return out + [(one, "%s", _NO_FACTS) for one in self._moved(root, at, around, asked)]

    def _moved(self, base: int, off: int, step: int, asked: Keys) -> list[Dep]:
        """Texts that were copied word by word into a place."""
        cells = self.words.get(base)
        if cells is None:
            return []
        out: list[Dep] = []
        # what a frame held when it was copied from there was told with the copy
        here = [content for at, stride, content in self.visible(base, asked) if at == off and not stride]
        own = bool(here)
        checked = {dep[1:4] for content in here for dep in content.deps if dep[4] & quoting.SAFE}
        for back in range(self.terms.word):
            # how far an array reaches is not known: a word of its elements may lie before this place, and need not
            for value in self.cells_at(base, off - back, step, asked, exactly=not step):
                for one in self.terms.flat(value):
                    for size in (4, 8):
                        place = self.terms.moved(one, size, back) if back < size <= self.terms.word else None
                        if (
                            place is not None
                            and place not in checked
                            and not (own and self.terms.nodes[place[0]][0] == STACK)
                        ):
                            out.append(("T", *place, False))
        return out[:MAX_VALUES]

    def covers(self, base: int, off: int, step: int, text_off: int, text_step: int, content: Content) -> bool:
        """Whether a text that was stored somewhere in an object lies at a place of it."""
        if base == GLOBAL and (
            (step > 1 and text_off >= self.table_end(off, step))
            or (text_step > 1 and off >= self.table_end(text_off, text_step))
        ):
            return False
        if content.extent or text_step > 1:
            return overlap(off, step, text_off, text_step, content.extent or 1)
        if base == GLOBAL and not text_step:
            at = bisect.bisect_right(self._marks, text_off)
            end = self._marks[at] if at < len(self._marks) else text_off + _ROOM
        else:
            end = self._next_text(base, text_off)
        room = min(end - text_off, _ROOM) if not text_step else end - text_off
        return overlap(off, step, text_off, 0, room)

    def _next_text(self, base: int, off: int) -> int:
        """Where the next text begins: what a loop writes byte by byte ends there at the latest."""
        starts = self._starts.get(base)
        if starts is None:
            starts = self._starts[base] = sorted({one[0] for one in self.texts.get(base, ())})
        at = bisect.bisect_right(starts, off)
        return starts[at] if at < len(starts) else off + SPREAD

    def tables(self) -> frozenset[int]:
        """Zeroed globals that are only filled with constants, byte by byte: their addresses as the code names them."""
        cells = self.words.get(GLOBAL)
        if cells is None:
            return frozenset()
        out: set[int] = set()
        texts = [one[0] for one in self.texts.get(GLOBAL, ())]
        values: dict[int, set[int | None]] = {}
        for place, step, value in cells.strided:
            if step == 1:
                values.setdefault(place, set()).add(self.terms.value(value))
        for place, exact in cells.exact.items():
            values.setdefault(place, set()).update(self.terms.value(value) for value in exact)
        for node in self.terms.nodes:
            if node[0] != BYTE or node[2] != GLOBAL or node[5] != 1 or not node[4] or node[3] in out:
                continue
            base = node[3]
            near = [one for place, found in values.items() if base <= place < base + 256 for one in found]
            if not near or not any(near) or any(one is None or one & ~0x0101010101010101 for one in near):
                continue
            if self.image.number(base, 8) == 0 and not any(base <= one < base + 256 for one in texts):
                out.add(base)
        return frozenset(out)
