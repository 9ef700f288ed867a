"""Memory as one function sees it: loads, stores and texts over symbolic locations, flow-sensitive.

Reading lies in `contents` (texts), `words` and `letters` (single bytes), writing texts in `writing`; here are the
stores, which touch all of them.
"""

from collections.abc import Iterable
from typing import Any

from . import bounds, duplicates, quoting
from .join import before
from .lift import ADD, SELECT
from .private import alone, born, elsewhere, within
from .state import EMPTY, Content, State, cut, either, kept
from .terms import (
    ADDR,
    BYTE,
    CONST,
    DERIVED,
    GLOBAL,
    HEAP,
    LOAD,
    MERGE,
    OP,
    PARAM,
    PHI,
    RESULT,
    STACK,
    UNKNOWN,
    Location,
)
from .untold import aside
from .writing import Writing

_NEAR = 16
"""No two buffers begin as close to each other."""


class Memory(Writing):
    """Loads and stores of one function's evaluation; what is written and outlives the function is noted."""

    def store(self, state: State, address: int, value: int, size: int, weak: bool = False, told: bool = False) -> None:
        """Put a value into memory. `told`: the text that its bytes make is known already."""
        terms = self.terms
        node = terms.nodes[value]
        if size > terms.word:
            self._store_wide(state, address, node, size, weak)
            return
        spots = terms.locate(address)
        weak = weak or len(spots) > 1
        if node[0] == BYTE and size > 1 and self._string_end(state, spots, node[1], size):
            return
        duplicates.stored(terms, state, address, spots, None if weak else value, size)
        leaves = bool(state.private) and (not spots or elsewhere(terms, state, spots))
        if leaves:
            value = self._made_for(state, spots, value)
        for spot in spots[:8]:
            self._store_at(state, spot, value, size, weak, told)
        if size == terms.word:
            self._keyed(state, address, spots, value)
        if leaves:
            self.share(state, (value,))
        if size >= terms.word // 2 and node[0] in (LOAD, BYTE):
            self.carry(state, spots, value, size, weak)
        if not told:
            self._tell(state, spots, address, value, size)

    def _store_wide(self, state: State, address: int, node: tuple[Any, ...], size: int, weak: bool) -> None:
        """Put a value of several words into memory."""
        terms = self.terms
        if node[0] == RESULT and node[2] == "wide":
            for index, part in enumerate(node[3][: size // terms.word]):
                self.store(state, terms.add(address, index * terms.word), part, terms.word, weak)
        elif node[0] == CONST:
            part = terms.zero if not node[1] else terms.unknown("wide")
            for at in range(0, min(size, 32), terms.word):
                self.store(state, terms.add(address, at), part, terms.word, weak)

    def _keyed(self, state: State, address: int, spots: tuple[Location, ...], value: int) -> None:
        """A pointer to a key may be put into an entry."""
        if self.keys.fields and all(self.keys.is_field(one) for one in spots):
            self.keys.written(state, address, self.text(state, value))

    def _tell(self, state: State, spots: tuple[Location, ...], address: int, value: int, size: int) -> None:
        """What a store does to the text there. A byte that may be the one that lay there before is no new text."""
        node = self.terms.nodes[value]
        if node[0] == MERGE and size == 1:
            parts = {one for one in node[1] if self.terms.nodes[one][2:5] not in spots}
            value = self.terms.merge(parts or node[1])
            node = self.terms.nodes[value]
        if size == 1 and node[0] != CONST:
            entry = state.words.get(spots[0]) if len(spots) == 1 else None
            (self.moving_up.add if self._moves_up(address, value) else self.moving_up.discard)(self.site)
            self._byte(state, spots, value, self._emit(state, address, value, 1))
            initial = node[0] == BYTE and node[2] == GLOBAL and not node[4]
            number = node[0] == OP and bounds.most(self.terms, value, {}) < ord(" ")
            if entry is not None and (initial or (number and not spots[0][2])):
                state.words[spots[0]] = entry  # a part of initial data: of a word, it may be; or less than any letter
        elif node[0] == OP and len(self._pieces(value)) > 1:
            before_ = [(spot, state.words[spot]) for spot in spots[:8] if spot in state.words]
            self._byte(state, spots, value, self._emit(state, address, value, size), size)
            for spot, entry in before_:
                state.words[spot] = entry  # it may be a number after all
        elif node[0] == CONST:
            self._emit_constant(state, address, node[1], size)
            if size == 1:
                self._spoil(state, spots, value)
            if size == 1 and not node[1]:
                self._ended(state, address)

    def _store_at(self, state: State, spot: Location, value: int, size: int, weak: bool, told: bool) -> None:
        root, offset, stride = spot
        terms = self.terms
        kind = terms.nodes[root][0]
        if kind == UNKNOWN and (root != GLOBAL or offset < terms.floor):
            return
        old, new = state.words.get(spot), value
        if weak or stride:
            if old is not None:
                value = terms.merge({old[1], value})
            elif weak and kind != STACK:
                value = terms.merge({value, before(terms, spot, size)}) if not stride else value
            elif weak and size == 1 and not stride and not told and (text := state.texts.get(spot)) and text.deps:
                # what was received there stays where the store is not made
                value = terms.merge({value, self._load_at(state, spot, size, terms.add(root, offset))})
        elif not told:
            self._over_texts(state, spot, terms.value(value), size)
        if len(state.words) < 600:
            state.words[spot] = (size, value)
        given = terms.nodes[value]
        if size == terms.word and given[0] == UNKNOWN and given[1][:2] == ("register", self.function):
            self.saved.setdefault(root, set()).add(offset)
        if kind != STACK and (size > 1 or root == GLOBAL or not stride) and terms.nodes[value][0] != UNKNOWN:
            self.storing = new
            self.note(aside(self.terms, state, ("word", root, offset, stride, size, value)))
            self.storing = None

    def _over_texts(self, state: State, spot: Location, constant: int | None, size: int) -> None:
        """A word is stored where texts were."""
        root, offset, _ = spot
        if constant is not None and state.texts:
            for inner in range(offset + 1, offset + size):
                if (root, inner, 0) in state.texts:
                    self._over_text(
                        state, (root, inner, 0), offset + size, self._has_end(constant, size, inner - offset)
                    )
        text = state.texts.get(spot)
        if text is None:
            return
        if size == 1 and constant == 0:
            state.texts[spot] = EMPTY
        elif constant is not None or (size > 1 and not (size < self.terms.word and text.deps)):
            self._over_text(state, spot, offset + size, constant is not None and self._has_end(constant, size, 0))

    def _has_end(self, constant: int, size: int, start: int) -> bool:
        """Whether there is a NUL among the bytes of a number that lie from `start` on."""
        raw = (constant & ((1 << (8 * size)) - 1)).to_bytes(size, "big" if self.image.big else "little")
        return 0 in raw[start:]

    def _over_text(self, state: State, place: Location, end: int, ended: bool) -> None:
        """What is stored takes the place of a text up to `end`. What lies behind is still there, unless the string ends
        before: nobody was told of it yet. Where an object was cleared, the rest of it still is.
        """
        text = state.texts[place]
        root, offset, _ = place
        del state.texts[place]
        if text == EMPTY and (root, end, 0) not in state.texts:
            state.texts[(root, end, 0)] = EMPTY
        if place not in state.untold:
            return
        state.untold -= {place}
        if not ended and (root, end, 0) not in state.texts and (not text.extent or text.extent > end - offset):
            parts = cut(text, end - offset)
            rest = text._replace(extent=max(text.extent - (end - offset), 0))
            state.texts[(root, end, 0)] = rest if parts is None else parts[1]
            state.untold |= {(root, end, 0)}

    def _byte(self, state: State, spots: tuple[Location, ...], value: int, bits: int, size: int = 0) -> None:
        """A byte copied by hand: the buffer now holds text of where the byte came from. `bits` say where it is safe.
        Of several bytes at once `size` are known, and no more: they may be a number.
        """
        deps = self.deps_of(state, value)
        if not deps:
            if size <= 1:
                self._spoil(state, spots, value)
            return
        content = Content(kept(deps, bits), "%s", size, grown=True)
        for root, offset, stride in spots[:4]:
            if self._reads(value, root, offset):
                self.in_place.add((root, offset))
            self.poured.setdefault((root, offset), {})[self.site] = content
            if stride or (root, offset, 0) in state.texts:
                on = any(one[0] == root and 0 < offset - one[1] < _NEAR for one in spots)  # from a place just before
                self.write_text(state, (root, offset, 0), content, weak=True, begins=not size and not on)
            else:
                self.write_text(state, (root, offset, 0), content, weak=False, begins=False)
        node = self.terms.nodes[value]
        sides = node[3:5] if node[:2] == (OP, SELECT) else self.terms.flat(value)
        for one in sides if size <= 1 else ():
            if one != value and not self.deps_of(state, one):
                self._spoil(state, spots, one)

    def carry(self, state: State, spots: tuple[Location, ...], value: int, size: int, weak: bool) -> None:
        """A word of the function's own frame is moved: texts that begin in it go along, as they are known here."""
        for inside in range(size):
            place = self.terms.moved(value, size, inside)
            if place is not None:
                self._go_along(state, spots, place, inside, size, weak)

    def carry_from(self, state: State, spots: tuple[Location, ...], source: int, size: int) -> None:
        """The same of what a callee moved, by where it lay: some of it may be known here as numbers."""
        places = self.terms.places(source)
        if len(places) == 1 and not places[0][2]:
            root, offset, _ = places[0]
            for inside in range(size):
                self._go_along(state, spots, (root, offset + inside, 0), inside, size, weak=True)

    def _go_along(
        self, state: State, spots: tuple[Location, ...], place: Location, inside: int, size: int, weak: bool
    ) -> None:
        content = self._carried(state, place, size if not inside else 0)
        if content is None:
            return
        for root, offset, stride in spots[:4]:
            if self.terms.nodes[root][0] == STACK or (self.terms.nodes[root][0] == UNKNOWN and root != GLOBAL):
                continue
            if not weak and not stride:
                state.texts[(root, offset + inside, 0)] = content
            self.note(aside(self.terms, state, ("text", root, offset + inside, stride, content)))

    def _carried(self, state: State, place: Location, size: int) -> Content | None:
        """The text that goes along with a word from a place: one of the function's own frame, or one that was checked;
        of that no more than the word is sure to belong to it (`size`, when the word begins the text).
        """
        if self._own(state, place):
            return self.held(state, place) if state.texts[place].deps else None
        if not size or place[2] or self.terms.nodes[place[0]][0] == STACK or place in state.texts:
            return None
        content = self.held(state, place)
        checked = all(dep[4] & quoting.SAFE for dep in content.deps)
        return content._replace(extent=size) if content.deps and checked else None

    def _string_end(self, state: State, spots: tuple[Location, ...], source: int, size: int) -> bool:
        """The last bytes of a string are moved as one word: `strcpy` that the compiler wrote out where it knew the
        length. It is the string that is copied.
        """
        terms = self.terms
        end, back = terms.based(source)
        if back not in (-size, 1 - size):
            return False
        text: Content | None = None
        for one in terms.flat(end):
            node = terms.nodes[one]
            begin = self._measured(node[2], node[3]) if node[0] == OP and node[1] == ADD else None
            if begin is None:
                return False
            part = self.text(state, begin)
            text = part if text is None else either(text, part)
        if text is None:
            return False
        for root, offset, _ in spots[:4]:
            self.write_text(state, (root, offset - back, 0), text._replace(verbatim=False), weak=True)
        return True

    def _measured(self, a: int, b: int) -> int | None:
        """The string whose length is added to its beginning."""
        for begin, length in ((a, b), (b, a)):
            node = self.terms.nodes[length]
            if node[0] == RESULT and node[2] == "strlen" and node[3][0] == begin:
                return begin
        return None

    def born(self, state: State, heap: int) -> None:
        """A new object: nothing is in it. One that was made here before and is still private is told of first."""
        if heap in state.private and (state.words.of(heap) or state.texts.of(heap)):
            self.share(state, (heap,))
        born(state, heap)

    def share(self, state: State, values: Iterable[int]) -> None:
        """Others can reach what these point to from now on: what lies there is told, as checks left it."""
        values = list(values)
        found = sorted(within(self.terms, state, values))
        held = (state.words[key][1] for heap in found for key in state.words.of(heap))
        names = self._names(state, {*values, *held})
        for heap in found:
            state.private -= {heap}
            state.shared |= {heap}
            self.note(("shared", heap))
            for key in state.texts.of(heap):
                begin = self._begin(state, key)
                name = names.get(begin, self.terms.add(*begin))
                content = state.texts[key] = self.held(state, key, name) if not key[2] else state.texts[key]
                self.note(("text", *key, content))
            for key in state.words.of(heap):
                if self.terms.nodes[state.words[key][1]][0] != UNKNOWN and not self._is_letter(state, key):
                    self.note(("word", *key, *state.words[key]))

    def _is_letter(self, state: State, key: Location) -> bool:
        """Whether a byte is one of a text that a check found harmless: what is told of the text says it all."""
        text = state.texts.get((key[0], key[1], 0)) if state.words[key][0] == 1 else None
        return text is not None and bool(text.deps) and all(dep[4] & quoting.SAFE for dep in text.deps)

    def _begin(self, state: State, key: Location) -> tuple[int, int]:
        """Where a text begins that was written byte by byte: its first rounds may stand in front of the loop."""
        root, offset, _ = key
        for at in range(offset - self.terms.word, offset) if state.texts[key].grown else ():
            before = state.texts.get((root, at, 0))
            if before is not None and before.grown:
                return root, at
        return root, offset

    def _names(self, state: State, values: Iterable[int]) -> dict[tuple[int, int], int]:
        """Pointers that may be to one of several new objects, which have no other name: what a check says of such a
        pointer it says of each.
        """
        out: dict[tuple[int, int], int] = {}
        for value in values:
            spots = self.terms.locate(value)
            if len(spots) > 1 and alone(self.terms, state, {root for root, _, _ in spots}, value):
                out.update((spot[:2], value) for spot in spots)
        return out

    def _made_for(self, state: State, spots: tuple[Location, ...], value: int) -> int:
        """A pointer to new objects that others will see, by the name that these get from the key of the entry which
        they are put into, or which they are.
        """
        heaps = sorted(within(self.terms, state, (value,))) if self.keys.fields else []
        own = {one: found for one in heaps if (found := self.keys.of_object(state, one, self.text)) is not None}
        keys = {key for key, _ in own.values()}
        key = keys.pop() if len(keys) == 1 else self.keys.owner(state, spots, self.text)
        for heap in heaps:
            found = own.get(heap, None if key is None else (key, -1))
            if found is not None:
                value = self.keys.rename(state, heap, self.terms.made_for(heap, *found), value)
                self.note(("shared", heap))
        return value

    def forget(self, state: State, pointer: int, reach: int = 64) -> None:
        """An unknown function was given the address of a local: what it holds now is unknown.

        How much lies there is not known either, so what stands behind the first word may also be as it was: a
        register that the compiler saved beside the object.
        """
        for root, offset, stride in self.terms.locate(pointer):
            if stride or self.terms.nodes[root][0] != STACK:
                continue
            for key in [key for key in state.words.of(root) if offset <= key[1] < offset + reach]:
                size, value = state.words[key]
                if key[1] < offset + self.terms.word:
                    del state.words[key]
                elif self.terms.nodes[value][0] == CONST:
                    state.words[key] = (size, self.terms.merge({value, self.terms.unknown("given away")}))

    def is_pointer(self, term: int) -> bool:
        kind = self.terms.nodes[term][0]
        return kind in (STACK, HEAP, ADDR, DERIVED, OP, PARAM, LOAD, RESULT, PHI, MERGE)
