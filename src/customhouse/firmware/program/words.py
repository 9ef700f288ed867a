"""Words as they are loaded from memory: what was stored there, or what it held when the function was entered."""

from typing import Literal

from .contents import Contents
from .elf import Image
from .state import CHECKED, Dep, State
from .terms import BYTE, CONST, GLOBAL, MERGE, OP, PHI, RESULT, STACK, Location, Terms, apart, overlap

_LONGEST = 16
"""How many entries of an array in a frame a loop is believed to fill: what lies further on may be another object."""


class Words(Contents):
    """Words and texts as one function's evaluation reads them."""

    def __init__(self, terms: Terms, image: Image, function: int) -> None:
        super().__init__(terms, image, function)
        self.stack_arguments = 0
        self.register_arguments = 0
        self.shadow = 0
        self.number_deps: dict[int, frozenset[Dep]] = {}

    def load(self, state: State, address: int, size: int) -> int:
        """The value in memory; `size` in bytes."""
        terms = self.terms
        if size > terms.word and size <= 32:
            parts = tuple(self.load(state, terms.add(address, at), terms.word) for at in range(0, size, terms.word))
            return terms.make((RESULT, "wide", "wide", parts), *parts)
        spots = terms.locate(address)
        if not spots:
            return terms.unknown(("load", address))
        if len(spots) == 1:
            return self._load_at(state, spots[0], size, address)
        if size == 1:
            return self._any_byte(state, spots[:8], address)
        values = {self._load_at(state, spot, size, address) for spot in spots[:8]}
        return terms.merge(values)

    def _any_byte(self, state: State, spots: tuple[Location, ...], address: int) -> int:
        """One byte of several places: one term, so that a test of it holds for all."""
        root, offset, _ = spots[0]
        term = self.terms.make((BYTE, address, root, offset, 1, 1), address, root)
        deps: frozenset[Dep] = frozenset()
        for spot in spots:
            if spot[0] != GLOBAL or not self.image.constant(spot[1]):
                deps |= self.text_at(state, (spot[0], spot[1], spot[2] and 1)).deps
        if deps:
            self.number_deps[term] = self.number_deps.get(term, frozenset()) | deps
        return term

    def _load_at(self, state: State, spot: Location, size: int, address: int) -> int:
        if spot[2]:
            return self._load_any(state, spot, size, address)
        if spot in state.words:
            known = self._stored(state, spot, size)
            later = self._over_numbers(state, spot) if size == self.terms.word else []
            if later:
                known = self.terms.merge({*later, *(() if known is None else (known,))})
        else:
            known = self._before(state, spot, size)
        return known if known is not None else self._unwritten(state, spot, size, address)

    def _load_any(self, state: State, spot: Location, size: int, address: int) -> int:
        """One of many places, of which one was written: the others keep what they had."""
        entry = state.words.get(spot)
        rest = self._unwritten(state, spot, size, address)
        if entry is None and size == self.terms.word:
            kept = self._somewhere(state, spot)
            return self.terms.merge({*kept, rest}) if kept else rest
        return rest if entry is None or size == 1 or entry[0] != size else self.terms.merge({entry[1], rest})

    def _stored(self, state: State, spot: Location, size: int) -> int | None:
        """What was stored at the place since the function was entered, as wide as it is asked for."""
        terms = self.terms
        wide, stored = state.words[spot]
        if wide == 1 and size == terms.word and terms.nodes[stored][0] == BYTE:
            return self._gathered(state, spot, stored)
        if wide == 1 and size >= terms.word // 2 and terms.nodes[stored][0] in (MERGE, OP, PHI) and spot in state.texts:
            return None  # of a text that begins there, its first byte is not the word
        if size == 1 and (self._may_be_as_it_was(spot, stored) or (spot in state.texts and self._is_copied(stored))):
            return None
        if wide == size or terms.nodes[stored][0] != CONST:
            return stored
        if wide < size:
            return self._composed(state, spot, size)
        value = terms.nodes[stored][1]
        if self.image.big:
            value >>= 8 * (wide - size)
        return terms.const(value & ((1 << (8 * size)) - 1))

    def _may_be_as_it_was(self, spot: Location, stored: int) -> bool:
        """Whether a byte may be what lay there before: it is that byte, then, whatever else it may be. So a test of the
        first byte of a text, which is NUL where the text is empty, tells of the text.
        """
        parts = self.terms.flat(stored)
        return len(parts) > 1 and any(
            self.terms.nodes[one][0] == BYTE and self.terms.nodes[one][2:] == (*spot, 1) for one in parts
        )

    def _is_copied(self, stored: int) -> bool:
        """Whether it is one of several words or bytes that were put there, as a copy of a length that is not known is
        written out, or the first letter of a text that a loop copies or decodes, which may be empty.
        """
        parts = self.terms.flat(stored) - {self.terms.zero}
        return stored not in parts and any(self.terms.value(one) is None for one in parts)

    def _gathered(self, state: State, spot: Location, first: int) -> int:
        """A word that was moved byte by byte, as vector instructions are lifted."""
        terms = self.terms
        _, _, root, start, stride, _ = terms.nodes[first]
        for at in range(1, terms.word):
            entry = state.words.get((spot[0], spot[1] + at, 0))
            node = terms.nodes[entry[1]] if entry is not None else None
            if stride or node is None or node[0] != BYTE or node[2:] != (root, start + at, 0, 1):
                return first
        address = terms.const(start) if root == GLOBAL else terms.add(root, start)
        return self.load(state, address, terms.word)

    def _before(self, state: State, spot: Location, size: int) -> int | None:
        """What a place holds where nothing was stored: part of a wider word, initial data, an argument."""
        root, offset, _ = spot
        terms = self.terms
        inside = self._inside_wider(state, spot, size)
        if inside is not None:
            return inside
        if root == GLOBAL:
            return self._initial(offset, size)
        kept = self._somewhere(state, spot) if size == terms.word and root == self.frame else []
        if kept:
            return terms.merge(set(kept))
        if root == self.frame and size <= terms.word and offset >= self.stack_arguments - self.shadow:
            # a narrow argument lies at the end of its word where the order is big-endian
            index = self._argument_index(offset - (terms.word - size if self.image.big else 0))
            return None if index is None else terms.param(index)
        return None

    def _somewhere(self, state: State, spot: Location) -> list[int]:
        """Words that were put into an array of which one is read: which of them is not known."""
        root, offset, stride = spot
        if self.terms.nodes[root][0] != STACK or stride % self.terms.word:
            return []
        found = [
            state.words[key]
            for key in state.words.of(root)
            if key[2] and not key[2] % self.terms.word and self._meets(key[1], key[2], offset, stride)
        ]
        return [value for size, value in found if size == self.terms.word][:4] + self._in_row(state, spot)

    def _over_numbers(self, state: State, spot: Location) -> list[int]:
        """Pointers that a loop put into an array of the frame which was cleared before, up to the entry that is read,
        or lies where something else did: objects of blocks apart share their place.
        """
        root, offset, _ = spot
        if root != self.frame or not self._is_number(state, spot):
            return []
        out = []
        for key in state.words.of(root):
            _, begin, step = key
            size, value = state.words[key]
            if size != self.terms.word or not step or step % size or not begin <= offset <= begin + _LONGEST * step:
                continue
            row = range(begin + step, offset, step)  # a number that goes up before it is the index begins one before
            if (offset - begin) % step == 0 and self.terms.rank(value) >= 1:
                out += [value] * all(self._is_kept(state, (root, at, 0)) for at in row)
        return out[:4]

    def _is_number(self, state: State, spot: Location) -> bool:
        """Whether a word may be NULL or a small number that was put there."""
        values = self.terms.flat(state.words[spot][1])
        return any(self.terms.nodes[one][0] == CONST and self.terms.nodes[one][1] < self.terms.floor for one in values)

    def _is_kept(self, state: State, spot: Location) -> bool:
        """Whether something was put at a place, by itself or as part of a wider number."""
        return spot in state.words or self._inside_wider(state, spot, 1) is not None

    def _in_row(self, state: State, spot: Location) -> list[int]:
        """Words that were put into an array one by one, of which one is read: those from the first that may be meant
        up to where none was put, or the NULL with which arrays of pointers end.
        """
        root, offset, stride = spot
        out: list[int] = []
        while stride and len(out) < _LONGEST:
            entry = state.words.get((root, offset + len(out) * stride, 0))
            if entry is None or entry[0] != self.terms.word or self.terms.value(entry[1]) == 0:
                break
            out.append(entry[1])
        return out

    def _meets(self, written: int, step: int, read: int, stride: int) -> bool:
        """Whether a word that is read can be one that a loop wrote into an array, which begins at `written`."""
        before = max(step, stride) if stride else 0
        if stride and apart((written, step), (read, stride)):
            return False
        return written - before <= read <= written + _LONGEST * step and overlap(read, stride, written, step)

    def _composed(self, state: State, spot: Location, size: int) -> int | None:
        """A word that was stored as several narrower constants."""
        root, offset, _ = spot
        raw = b""
        order: Literal["big", "little"] = "big" if self.image.big else "little"
        while len(raw) < size:
            entry = state.words.get((root, offset + len(raw), 0))
            value = self.terms.value(entry[1]) if entry is not None else None
            if entry is None or value is None:
                return None
            raw += (value & ((1 << (8 * entry[0])) - 1)).to_bytes(entry[0], order)
        return self.terms.const(int.from_bytes(raw[:size], order)) if len(raw) == size else None

    def _argument_index(self, offset: int) -> int | None:
        """Which parameter lives at this place above the frame."""
        at = offset - self.stack_arguments
        if at % self.terms.word:
            return None
        if at < 0:
            return (offset - (self.stack_arguments - self.shadow)) // self.terms.word
        index = self.register_arguments + at // self.terms.word
        return index if index < 24 else None

    def _inside_wider(self, state: State, spot: Location, size: int) -> int | None:
        """Part of a wider constant that was stored a few bytes earlier."""
        root, offset, _ = spot
        for back in range(1, self.terms.word):
            entry = state.words.get((root, offset - back, 0))
            if entry is None:
                continue
            if back + size <= entry[0] and self.terms.nodes[entry[1]][0] == CONST:
                shift = 8 * (entry[0] - size - back) if self.image.big else 8 * back
                return self.terms.const(self.terms.nodes[entry[1]][1] >> shift & ((1 << (8 * size)) - 1))
            return None
        return None

    def _initial(self, address: int, size: int) -> int | None:
        """What a global holds for good; None when the program may have changed it, and where a null pointer leads: the
        head of a file that is read at address 0 is no data.
        """
        terms = self.terms
        if address < terms.floor:
            return None
        name = self.image.import_name(address & ~15) if address >= 0xF8000000 else self.image.data_imports.get(address)
        if name is not None:
            return terms.result("data", name)
        value = self.image.number(address, size) if size <= 8 else None
        if value is None:
            return None
        if self.image.constant(address) or (size == terms.word and self.image.import_name(value)):
            return terms.const(value)
        return None

    def _unwritten(self, state: State, spot: Location, size: int, address: int) -> int:
        """The value at function entry, or a part of a text that was written since."""
        terms = self.terms
        root, offset, stride = spot
        if size == 1 or stride:
            term = terms.make((BYTE, address, root, offset, stride, size), address, root)
        else:
            shifted = self._copied(state, spot)
            if shifted is not None and shifted != spot:
                entry = state.words.get(shifted)
                if entry is not None:
                    return entry[1]
                root, offset, stride = shifted
            term = terms.load(root, offset, stride, size)
        if terms.nodes[root][0] == STACK or spot in state.texts or size <= 2:
            content = self._covering(state, (spot[0], spot[1], 1 if stride else 0))
            if content is not None and content.deps:
                self.number_deps[term] = self.number_deps.get(term, frozenset()) | content.deps
        return term

    def _copied(self, state: State, spot: Location) -> Location | None:
        """Where the word comes from when a block copy wrote it."""
        found = self._entry(state, spot)
        if found is None:
            return None
        key, content = found
        if not content.verbatim or len(content.deps) != 1 or self._is_checked(state, key):
            return None
        dep = next(iter(content.deps))
        if dep[0] != "T" or (content.extent and spot[1] - key[1] >= content.extent):
            return None
        return (dep[1], dep[2] + spot[1] - key[1], dep[3])

    def _is_checked(self, state: State, place: Location) -> bool:
        """Whether a check was made of a copy in the frame: what is read there was looked at, and its origin was not."""
        return place[0] == self.frame and any(
            fact[0] in CHECKED and place in self.terms.places(fact[1]) for fact in state.facts
        )
