"""Texts as they lie in memory: what a pointer's string is made of, put together from texts and words written before."""

import functools
from collections.abc import Callable
from typing import Literal

from . import quoting
from .elf import Image
from .state import EMPTY, Content, Dep, State, continued, either, kept, literal
from .terms import (
    BYTE,
    CONST,
    GLOBAL,
    HEAP,
    KEYED,
    LOAD,
    MERGE,
    OP,
    PARAM,
    PHI,
    RESULT,
    STACK,
    Location,
    Terms,
    overlap,
)

MAX_TEXT = 512
_MAX_TARGETS = 6
_MAX_CHOICES = 12
_MAX_INSIDE = 16
_UNSIZED = frozenset((PARAM, LOAD, RESULT, OP, KEYED))
_FAR = 1024
"""What is further behind a text in such an object is not a part of it."""


class Contents:
    """Texts as one function's evaluation reads them."""

    def __init__(self, terms: Terms, image: Image, function: int) -> None:
        self.terms = terms
        self.image = image
        self.function = function
        self.frame = terms.make((STACK, function))
        self.entries: Callable[[State, int], tuple[Location, ...]] = lambda _state, _pointer: ()
        """The entries of tables that a pointer may point to, by what was tested of them."""

    def targets(self, state: State, pointer: int) -> tuple[Location, ...]:
        """Where a text goes that is written through a pointer."""
        return self.entries(state, pointer) or self.terms.places(pointer)[:_MAX_TARGETS]

    def text(self, state: State, pointer: int) -> Content:
        """The string that a pointer points to."""
        terms = self.terms
        content: Content | None = None
        word = state.word(pointer)
        if word is not None:
            return literal(word)
        entries = [terms.const(place) for _, place, _ in self.entries(state, pointer)]
        for one in entries or terms.flat(pointer):
            node = terms.nodes[one]
            if node[0] == CONST and node[1] < terms.floor and len(terms.flat(pointer)) > 1:
                continue
            for spot in terms.places(one):
                part = self._clean(state, self.text_at(state, spot, one), one, pointer)
                content = part if content is None else either(content, part)
        return content if content is not None else Content(frozenset(), "%s")

    def text_at(self, state: State, spot: Location, pointer: int | None = None) -> Content:
        root, offset, stride = spot
        if root == GLOBAL and not stride:
            fixed = self._constant_text(offset)
            if fixed is not None:
                return fixed
        if root == GLOBAL and stride > 1 and spot not in state.texts and (rows := self._rows(state, spot)):
            return functools.reduce(either, rows, Content(frozenset({("T", *spot, False)}), "%s", 0, True))
        found = self._entry(state, spot)
        words = None if stride or spot in state.texts else self._assembled(state, spot)
        if words is not None:
            return words
        if found is not None:
            return self._of_entry(spot, *found)
        moved = self._moved(state, spot)
        if moved is not None:
            return moved
        if self.terms.nodes[root][0] == STACK and root == self.frame and not stride:
            return Content(frozenset({("T", root, offset, stride, False)}), "%s", 0, True) if offset >= 0 else EMPTY
        return Content(frozenset({("T", root, offset, stride, False)}), "%s", 0, True)

    def _of_entry(self, spot: Location, key: Location, content: Content) -> Content:
        """What a text entry says of a place that it covers."""
        _, offset, stride = spot
        if stride and key == spot and content.deps == {("T", *spot, False)}:
            return Content(content.deps, "%s", 0, True)  # one of the entries, as it was
        if stride and content.verbatim and len(content.deps) == 1:
            return self._within_copy(content, max(offset - key[1], 0))
        if key[1] == offset or stride:
            return content
        if content.verbatim and len(content.deps) == 1:
            dep = next(iter(content.deps))
            if dep[0] == "T":
                moved = ("T", dep[1], dep[2] + offset - key[1], dep[3], dep[4] & quoting.OWN)
                return Content(frozenset({moved}), "%s", 0, True)
        template = "%s" if content.deps else ""
        return Content(content.deps, template, grown=content.grown, appended=content.appended)

    def _rows(self, state: State, spot: Location) -> list[Content]:
        """The texts of several entries of an array, when they are known each by itself."""
        root, start, stride = spot
        keys = [key for key in state.texts.of(root) if not key[2] and key[1] >= start and not (key[1] - start) % stride]
        return [state.texts[key] for key in keys] if any(key[1] > start for key in keys) else []

    def held(self, state: State, place: Location, name: int | None = None) -> Content:
        """The text that begins at a place, with what checks in force say of it; `name` is another pointer to it."""
        pointer = self.terms.const(place[1]) if place[0] == GLOBAL else self.terms.add(place[0], place[1])
        content = self._clean(state, self.text_at(state, place, pointer), pointer, name or pointer)
        return self._ended_at(state, content, pointer, name or pointer)

    def _ended_at(self, state: State, content: Content, pointer: int, name: int) -> Content:
        """The text, no longer than checks in force say: a NUL was found behind it."""
        told = [fact for fact in state.facts if fact[0] == "ends"]
        ends = [fact[2] + 1 for fact in told if fact[1] in (pointer, name) or self._same(fact[1], pointer, name)]
        if not ends or not content.deps or 0 < content.extent <= min(ends):
            return content
        return content._replace(extent=min(ends), grown=False)

    def within(self, state: State, pointer: int, size: int) -> Content:
        """All texts of a block, for a structure that is written out whole; of a caller's, how large it is."""
        content = self.text(state, pointer)
        for root, offset, stride in self.terms.places(pointer)[:3]:
            if stride:
                continue
            for key in state.texts.of(root):
                text = state.texts[key]
                if offset < key[1] < offset + size and text.deps:
                    content = Content(content.deps | text.deps, content.template or "%s")
        return content._replace(extent=size) if content.verbatim and not content.extent else content

    def inside(self, state: State, start: Location, size: int) -> list[tuple[int, Content]]:
        """Texts that begin inside of a block, by their distance from its start, with what checks say of them."""
        root, offset, stride = start
        found = [key for key in state.texts.of(root) if not key[2] and offset < key[1] < offset + size]
        return [] if stride else [(key[1] - offset, self.held(state, key)) for key in found[:_MAX_INSIDE]]

    def _clean(self, state: State, content: Content, one: int, pointer: int) -> Content:
        """Marks what checks in force keep free of shell characters."""
        if not content.deps:
            return content
        lacks = 0
        wanted = {one, pointer}
        for fact in state.facts:
            if fact[0] == "lacks" and (
                fact[1] in wanted or self._same(fact[1], one, pointer) or self._is_or_fixed(pointer, fact[1])
            ):
                lacks |= fact[2]
        return content._replace(deps=kept(content.deps, quoting.kept(lacks)))

    def _same(self, tested: int, one: int, pointer: int) -> bool:
        """Whether what was tested is what the pointer points to, by another name."""
        terms = self.terms
        flat = terms.flat(tested)
        alone = flat == {one}
        if flat == {one, terms.zero} and terms.nodes[one][0] == HEAP:
            alone = True  # or there is no such object
        by_call = terms.nodes[one][0] == HEAP and isinstance(terms.nodes[one][1], tuple)
        return alone and (by_call or terms.made(tested) in (frozenset(), terms.made(pointer)))

    def _is_or_fixed(self, pointer: int, tested: int) -> bool:
        """Whether a pointer is what was tested, or else a constant: NULL, or a text of the program's own."""
        nodes = self.terms.nodes
        if nodes[pointer][0] not in (PHI, MERGE) or nodes[tested][0] not in (PHI, MERGE):
            return False
        seen: set[int] = set()
        work = [pointer]
        while work and len(seen) < _MAX_CHOICES:
            one = work.pop()
            if one in seen:
                continue
            seen.add(one)
            if one == tested:
                continue
            node = nodes[one]
            if node[0] in (PHI, MERGE):
                work += node[1] if node[0] == MERGE else self.terms.alternatives[one]
            elif node[0] != CONST or not (node[1] < self.terms.floor or self.image.constant(node[1])):
                return False
        return not work and tested in seen

    def _entry(self, state: State, spot: Location) -> tuple[Location, Content] | None:
        """The text entry that covers a place: the nearest one that begins at or before it."""
        root, offset, stride = spot
        exact = state.texts.get(spot)
        if exact is not None:
            return spot, exact
        best: Location | None = None
        for key in state.texts.of(root):
            if key[1] <= offset and (best is None or key[1] > best[1]):
                best = key
        if best is None:
            return None
        content = state.texts[best]
        if content.extent:
            return (best, content) if overlap(offset, stride, *best[1:], content.extent) else None
        if root == GLOBAL and not best[2] and best[1] < offset and (stride > 1 or not content.verbatim):
            return None  # where an array or a buffer ends is known of the whole program: see `Store.covers`
        if not stride and not best[2] and offset - best[1] > _FAR and self.terms.nodes[root][0] in _UNSIZED:
            return None
        return best, content

    def _covering(self, state: State, spot: Location) -> Content | None:
        found = self._entry(state, spot)
        return None if found is None else found[1]

    def _within_copy(self, content: Content, at: int) -> Content:
        """Somewhere in a copy of an object is somewhere in that object."""
        dep = next(iter(content.deps))
        if dep[0] != "T":
            return content
        return Content(frozenset({("T", dep[1], dep[2] + at, 1, dep[4] & quoting.OWN)}), "%s", 0, True)

    def _moved(self, state: State, spot: Location) -> Content | None:
        """A text that was copied word by word, as compilers copy structures."""
        root, offset, stride = spot
        for back in range(self.terms.word):
            entry = state.words.get((root, offset - back, 0 if stride == 1 else stride))
            if entry is None:
                continue
            if back >= entry[0]:
                break
            known = self._known_move(state, entry, back)
            if known is not None:
                return known
            places = [self.terms.moved(one, entry[0], back) for one in self.terms.flat(entry[1])]
            deps = frozenset(dep for place in places if place is not None for dep in self._lying(state, place, stride))
            return Content(deps, "%s", 0, len(deps) == 1) if deps else None
        return self._copied_in_loop(state, spot)

    def _known_move(self, state: State, entry: tuple[int, int], back: int) -> Content | None:
        """The text that a word was moved from, when it begins there in the function's own frame."""
        place = self.terms.moved(entry[1], entry[0], back)
        return self.held(state, place) if place is not None and self._own(state, place) else None

    def _lying(self, state: State, place: Location, stride: int) -> frozenset[Dep]:
        """What the text of a word that may have been moved from a place depends on."""
        if self._own(state, place):
            return self.held(state, place).deps
        return frozenset({("T", place[0], place[1], place[2] or int(stride == 1), False)})

    def _own(self, state: State, place: Location) -> bool:
        return place[0] == self.frame and place in state.texts

    def _copied_in_loop(self, state: State, spot: Location) -> Content | None:
        """The same, where the compiler made a loop of it."""
        root, offset, stride = spot
        if stride:
            return None
        for key in state.words.of(root):
            _, start, step = key
            if not step or not start <= offset < start + 4096 or state.words[key][0] < 4:
                continue
            size, value = state.words[key]
            for one in self.terms.flat(value):
                node = self.terms.nodes[one]
                if node[0] == BYTE and node[5] == size and node[4]:
                    place = (node[2], node[3] + offset - start, 0)
                    if self._own(state, place):
                        return self.held(state, place)
                    return Content(frozenset({("T", node[2], node[3] + offset - start, 0, False)}), "%s", 0, True)
        return None

    def _constant_text(self, address: int) -> Content | None:
        if not self.image.constant(address) or self.image.segment(address) is None:
            return None
        text = self.image.text(address)
        return literal(text) if text is not None else None

    def _appended(self, state: State, root: int, start: int, end: int) -> Content | None:
        """A text from outside that was put somewhere behind the start of a constant one, which is still there: at its
        end, with `strcat` or what compilers make of it.
        """
        for key in state.texts.of(root):
            if start < key[1] < end and not key[2] and state.texts[key].deps:
                return state.texts[key]
        return None

    def _assembled(self, state: State, spot: Location) -> Content | None:
        """A string that was stored as words: `strcpy(buffer, "ping ")` after the compiler."""
        root, offset, _ = spot
        raw = b""
        order: Literal["big", "little"] = "big" if self.image.big else "little"
        while len(raw) < MAX_TEXT:
            entry = state.words.get((root, offset + len(raw), 0))
            if entry is None or self.terms.nodes[entry[1]][0] != CONST:
                break
            raw += (self.terms.nodes[entry[1]][1] & ((1 << (8 * entry[0])) - 1)).to_bytes(entry[0], order)
            if 0 in raw:
                break
        if not raw:
            return None
        text = raw.split(b"\0")[0]
        follow = state.texts.get((root, offset + len(text), 0)) if text else None
        follow = follow or self._appended(state, root, offset, offset + len(text))
        if follow is not None:
            return continued(literal(text.decode("latin-1")), follow)
        if 0 in raw:
            return literal(text.decode("latin-1"))
        return None if not raw.isascii() else literal(raw.decode("latin-1"))
