"""Memory as one function sees it: loads, stores and texts over symbolic locations, flow-sensitive."""

import functools
import operator
from collections.abc import Callable
from typing import Any, Literal

from . import bytesets, lift, quoting
from .elf import Image
from .join import before
from .lift import ADD
from .state import EMPTY, Content, Dep, State, continued, either, joined, kept, literal, settled
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
    Terms,
    overlap,
)

_MAX_TEXT = 512
_MAX_FACTS = 60
_ALPHABET = 10
"""Letters that a string has at least from which digits of a number are taken."""


class Memory:
    """Loads and stores of one function's evaluation. `note` receives writes that outlive the function."""

    def __init__(
        self,
        terms: Terms,
        image: Image,
        function: int,
        note: Callable[[tuple[Any, ...]], None],
        sets: bytesets.ByteSets,
    ) -> None:
        self.terms = terms
        self.sets = sets
        self.image = image
        self.function = function
        self.frame = terms.make((STACK, function))
        self.note = note
        self.stack_arguments = 0
        self.register_arguments = 0
        self.shadow = 0
        self.buffers: dict[int, dict[int, set[int]]] = {}
        """Where texts are written in frames, and how many bytes: the starts of buffers."""
        self.number_deps: dict[int, frozenset[Dep]] = {}
        self.quotes = False
        """Whether the function wrote quotes or backslashes."""
        self.written: Callable[[State, int, int], list[tuple[int | None, quoting.Places]]] = (
            lambda state, address, value: [(self.byte_mask(state, value), quoting.START)]
        )
        """Paths by which an address was reached: the values that a byte has there, and the place in a shell's line."""

    # -- words
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

    def _load_at(self, state: State, spot: Location, size: int, address: int) -> int:  # noqa: C901 - one case a kind; a table of functions would hide the order
        terms = self.terms
        entry = state.words.get(spot)
        if spot[2]:
            # one of many places was written: the others keep what they had
            rest = self._unwritten(state, spot, size, address)
            if entry is None and size == terms.word:
                kept = self._somewhere(state, spot)
                return terms.merge({*kept, rest}) if kept else rest
            return rest if entry is None or size == 1 or entry[0] != size else terms.merge({entry[1], rest})
        if entry is not None:
            if entry[0] == size or terms.nodes[entry[1]][0] != CONST:
                return entry[1]
            if entry[0] > size:
                value = terms.nodes[entry[1]][1]
                if self.image.big:
                    value >>= 8 * (entry[0] - size)
                return terms.const(value & ((1 << (8 * size)) - 1))
            whole = self._composed(state, spot, size)
            if whole is not None:
                return whole
        root, offset, stride = spot
        if entry is None and not stride:
            inside = self._inside_wider(state, spot, size)
            if inside is not None:
                return inside
        if root == GLOBAL and not stride and entry is None:
            known = self._initial(offset, size)
            if known is not None:
                return known
        if (
            root == self.frame
            and not stride
            and entry is None
            and size <= terms.word
            and offset >= self.stack_arguments - self.shadow
        ):
            # a narrow argument lies at the end of its word where the order is big-endian
            index = self._argument_index(offset - (terms.word - size if self.image.big else 0))
            if index is not None:
                return terms.param(index)
        return self._unwritten(state, spot, size, address)

    def _somewhere(self, state: State, spot: Location) -> list[int]:
        """Words that were put into an array of which one is read: which of them is not known."""
        root, offset, stride = spot
        if self.terms.nodes[root][0] != STACK or stride % self.terms.word:
            return []
        found = [
            state.words[key]
            for key in state.words.of(root)
            if key[2] == stride and overlap(offset, stride, key[1], key[2]) and abs(key[1] - offset) <= stride
        ]
        return [value for size, value in found if size == self.terms.word][:4]

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
        """What a global holds for good; None when the program may have changed it."""
        terms = self.terms
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
        if not content.verbatim or len(content.deps) != 1:
            return None
        dep = next(iter(content.deps))
        if dep[0] != "T" or (content.extent and spot[1] - key[1] >= content.extent):
            return None
        return (dep[1], dep[2] + spot[1] - key[1], dep[3])

    def store(self, state: State, address: int, value: int, size: int, weak: bool = False, told: bool = False) -> None:
        """Put a value into memory. `told`: the text that its bytes make is known already."""
        terms = self.terms
        node = terms.nodes[value]
        if size > terms.word:
            if node[0] == RESULT and node[2] == "wide":
                for index, part in enumerate(node[3][: size // terms.word]):
                    self.store(state, terms.add(address, index * terms.word), part, terms.word, weak)
                return
            if node[0] != CONST:
                return
            for index in range(0, min(size, 32), terms.word):
                self.store(
                    state,
                    terms.add(address, index),
                    terms.zero if not node[1] else terms.unknown("wide"),
                    terms.word,
                    weak,
                )
            return
        spots = terms.locate(address)
        weak = weak or len(spots) > 1
        for spot in spots[:8]:
            self._store_at(state, spot, value, size, weak)
        if size >= terms.word // 2 and node[0] in (LOAD, BYTE):
            self._carry(state, spots, value, size, weak)
        if not told:
            self._tell(state, spots, address, value, size)

    def _tell(self, state: State, spots: tuple[Location, ...], address: int, value: int, size: int) -> None:
        """What a store does to the text there."""
        node = self.terms.nodes[value]
        if size == 1 and node[0] != CONST:
            self._byte(state, spots, value, self._emit(state, address, value, 1))
        elif node[0] == OP and len(self._pieces(value)) > 1:
            before_ = [(spot, state.words[spot]) for spot in spots[:8] if spot in state.words]
            self._byte(state, spots, value, self._emit(state, address, value, size), size)
            for spot, entry in before_:
                state.words[spot] = entry  # it may be a number after all
        elif node[0] == CONST:
            self._emit_constant(state, address, node[1], size)

    def _store_at(self, state: State, spot: Location, value: int, size: int, weak: bool) -> None:
        root, offset, stride = spot
        terms = self.terms
        kind = terms.nodes[root][0]
        if kind == UNKNOWN and (root != GLOBAL or offset < terms.floor):
            return
        old = state.words.get(spot)
        if weak or stride:
            if old is not None:
                value = terms.merge({old[1], value})
            elif weak and kind != STACK:
                value = terms.merge({value, before(terms, spot, size)}) if not stride else value
        else:
            self._over_texts(state, spot, terms.value(value), size)
        if len(state.words) < 600:
            state.words[spot] = (size, value)
        if kind != STACK and (size > 1 or root == GLOBAL) and terms.nodes[value][0] != UNKNOWN:
            self.note(("word", root, offset, stride, size, value))

    def _over_texts(self, state: State, spot: Location, constant: int | None, size: int) -> None:
        """A word is stored where texts were."""
        root, offset, _ = spot
        if constant is not None and state.texts:
            for inner in range(offset + 1, offset + size):
                if (root, inner, 0) in state.texts:
                    del state.texts[root, inner, 0]
        text = state.texts.get(spot)
        if text is None:
            return
        if size == 1 and constant == 0:
            state.texts[spot] = EMPTY
        elif constant is not None or (size > 1 and not (size < self.terms.word and text.deps)):
            del state.texts[spot]

    def _byte(self, state: State, spots: tuple[Location, ...], value: int, bits: int, size: int = 0) -> None:
        """A byte copied by hand: the buffer now holds text of where the byte came from. `bits` say where it is safe.
        Of several bytes at once `size` are known, and no more: they may be a number.
        """
        deps = self.deps_of(state, value)
        if not deps:
            return
        content = Content(kept(deps, bits), "%s", size, grown=True)
        for root, offset, stride in spots[:4]:
            if stride or (root, offset, 0) in state.texts:
                self.write_text(state, (root, offset, 0), content, weak=True)
            else:
                self.write_text(state, (root, offset, 0), content, weak=False, begins=False)

    def byte_mask(self, state: State, value: int) -> int | None:
        """The byte values that `value` can have here, when it is a byte that was tested, or a word made of such."""
        pieces = self._pieces(value)
        if len(pieces) > 1:
            masks = [self.byte_mask(state, one) for one in pieces if self.terms.value(one) is None]
            return None if None in masks else functools.reduce(operator.or_, masks, 0)
        known = state.masks.get(value)
        if known is not None:
            return known
        node = self.terms.nodes[value]
        if node[0] == BYTE and node[2] == GLOBAL and node[5] == 1 and self.sets.is_table(node):
            alphabet = self.image.text(node[3])
            if alphabet is not None and len(alphabet) >= _ALPHABET:
                return bytesets.of(alphabet)
        variables = self.sets.variables(value)
        if len(variables) != 1:
            return None
        variable = next(iter(variables))
        mask = state.masks.get(variable, bytesets.ALL)
        values = self.sets.values(value, variable) if variable != value else None
        if values is None:
            return None if variable != value else state.masks.get(value)
        return bytesets.of(bytes(int(one) & 255 for index, one in enumerate(values) if mask >> index & 1))

    def _pieces(self, value: int, level: int = 0) -> list[int]:
        """The bytes that a wider value was put together from with shifts and masks; itself when it was not."""
        node = self.terms.nodes[value]
        if node[0] != OP or level > 12:
            return [value]
        if node[1] == lift.OR:
            return self._pieces(node[2], level + 1) + self._pieces(node[3], level + 1)
        amount = self.terms.value(node[3])
        if amount is not None and node[1] == lift.SHL and not amount & 7:
            return self._pieces(node[2], level + 1)
        if (
            amount is not None
            and node[1] == lift.AND
            and all(amount >> at & 255 in (0, 255) for at in range(0, 8 * self.terms.word, 8))
        ):
            return self._pieces(node[2], level + 1)
        return [value]

    # -- a shell's line that is written byte by byte
    def emitted(self, state: State, address: int, text: str, end: int | None = None) -> None:
        """A constant text was written; what follows it at `end` stands where it leaves the shell."""
        if not self.quotes and not any(mark in text for mark in "'\"\\"):
            return
        self.quotes = True
        places = {quoting.after(one, text) for _, one in self.written(state, address, address)}
        self._follow(state, self.terms.add(address, len(text)) if end is None else end, places)

    def placed(self, state: State, address: int, content: Content) -> Content:
        """A text that is put to an address is settled at the place in the shell's line that is there."""
        if not self.quotes or not content.deps:
            return content
        places = quoting.alike(one for _, one in self.written(state, address, address))
        return content._replace(deps=settled(content.deps, (quoting.plain(places),)))

    def _emit_constant(self, state: State, address: int, value: int, size: int) -> None:
        raw = (value & ((1 << (8 * size)) - 1)).to_bytes(size, "big" if self.image.big else "little").rstrip(b"\0")
        if raw and all(32 <= one < 127 for one in raw):
            self.emitted(state, address, raw.decode("ascii"))

    def _emit(self, state: State, address: int, value: int, size: int) -> int:
        """Bytes of a text were written: for which beginnings of the line they are safe."""
        here = self.byte_mask(state, value)
        if not self.quotes:
            return 0 if here is None else quoting.kept(~here & bytesets.ALL)
        bits = quoting.SAFE
        places = set()
        for mask, one in self.written(state, address, value):
            if size == 1 and mask is not None and mask and not mask & (mask - 1):
                # a byte that can only be this one here is as good as a constant
                places.add(quoting.after(one, chr(mask.bit_length() - 1)))
                continue
            lacks = 0 if mask is None else ~mask & bytesets.ALL
            bits &= quoting.kept_byte(one, lacks) if size == 1 else quoting.inside(quoting.kept(lacks), (one,))
            places.add(quoting.plain(one))
        self._follow(state, self.terms.add(address, size), places)
        return bits

    def _follow(self, state: State, end: int, places: set[quoting.Places]) -> None:
        facts = frozenset(fact for fact in state.facts if fact[0] != "place" or fact[1] != end)
        if places and places != {quoting.START} and len(facts) < _MAX_FACTS:
            facts |= {("place", end, quoting.alike(places))}
        state.facts = facts

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

    def deps_of(self, state: State, value: int, level: int = 0) -> frozenset[Dep]:  # noqa: C901 - one case a kind; a table of functions would hide the order
        """The texts whose bytes a number is made of."""
        terms = self.terms
        node = terms.nodes[value]
        kind = node[0]
        if value in self.number_deps:
            return self.number_deps[value]
        if kind == BYTE and self.sets.is_table(node):
            return self._index_deps(state, node[1], node[2], level)
        if kind == BYTE:
            index = self.sets.looked_up(node)
            if index is not None:
                return self.deps_of(state, index, level + 1) if level < 5 else frozenset()
            return (
                self.text_at(state, (node[2], node[3], node[4] and 1), node[1]).deps
                if node[2] != GLOBAL or not self._constant(node)
                else frozenset()
            )
        if kind == LOAD and node[4] <= 4 and node[1] != self.frame:
            return (
                self.text_at(state, (node[1], node[2], node[3])).deps
                if node[4] < terms.word
                else frozenset({("T", node[1], node[2], node[3], False)})
            )
        if kind == RESULT and node[2] in ("fgetc", "getc", "_IO_getc", "getc_unlocked", "getchar"):
            return frozenset({("X", value, 0, 0, False)})
        if level >= 5:
            return frozenset()
        out: frozenset[Dep] = frozenset()
        if kind in (PHI, MERGE):
            for one in self.terms.flat(value):
                if one != value:
                    out |= self.deps_of(state, one, level + 1)
        elif kind == OP:
            for one in node[2:]:
                out |= self.deps_of(state, one, level + 1)
        elif kind == ADDR:
            out = self.deps_of(state, node[1], level + 1)
        elif kind == RESULT and node[2] in ("tolower", "toupper") and node[3]:
            out = self.deps_of(state, node[3][0], level + 1)
        return out

    def _index_deps(self, state: State, address: int, table: int, level: int) -> frozenset[Dep]:
        """An entry of a constant table tells as much of a text as the index does: decoders look digits up."""
        if address == table or level >= 5:
            return frozenset()
        node = self.terms.nodes[address]
        if node[0] == ADDR:
            return self._index_deps(state, node[1], table, level + 1)
        if node[0] == OP and node[1] == ADD:
            left, right = (self._index_deps(state, one, table, level + 1) for one in node[2:])
            return left | right
        return self.deps_of(state, address, level + 1)

    def _constant(self, node: tuple[Any, ...]) -> bool:
        return bool(self.image.constant(node[3]))

    # -- texts
    def write_text(
        self,
        state: State,
        spot: Location,
        content: Content,
        weak: bool = False,
        begins: bool = True,
        sized: bool = False,
    ) -> None:
        """`begins` when a buffer may begin here, rather than a field of one byte; `sized` when the program says
        itself how many bytes may be written.
        """
        root, offset, stride = spot
        kind = self.terms.nodes[root][0]
        if kind == UNKNOWN and (root != GLOBAL or offset < self.terms.floor or self.image.constant(offset)):
            return
        if kind == STACK and begins and not stride and not self._continues(state, root, offset):
            self.buffers.setdefault(root, {}).setdefault(offset, set()).add(content.extent if sized else 0)
        key = (root, offset, 0) if stride == 1 else spot
        old = state.texts.get(key)
        if stride == 1 or weak:
            if old is None and kind != STACK:
                old = None
            elif old is None:
                found = self._entry(state, key)
                if found is not None:
                    key, old = found
            if old is not None:
                added, content = content, either(old, content)
                self._grow(state, key, old, added)
            self._blur(state, key, content.extent)
        else:
            self._clear(state, key, content.extent)
        if len(state.texts) < 200:
            state.texts[key] = content
        self.note(("text", root, offset, stride, content))
        if not stride and not weak and content.deps:
            self._continue(state, spot, content)

    def _grow(self, state: State, spot: Location, old: Content, added: Content) -> None:
        """A text that was the end of a longer one goes on: `p += sprintf(p, ...)` again and again."""
        if not old.deps or added.deps <= old.deps:
            return
        root, offset, _ = spot
        for key in state.texts.of(root):
            whole = state.texts[key]
            if not key[2] and offset - _MAX_TEXT < key[1] < offset and not whole.extent and old.deps <= whole.deps:
                state.texts[key] = either(whole, whole._replace(deps=whole.deps | added.deps))
                self.note(("text", *key, state.texts[key]))

    def _continue(self, state: State, spot: Location, content: Content) -> None:
        """A text written where a constant one ends goes on with it: `strcpy(p, "ping "); strcpy(p + 5, host)`."""
        root, end, _ = spot
        start, before = end, ""
        while start > end - _MAX_TEXT:
            part = self._ending(state, root, start)
            if part is None:
                break
            start -= len(part)
            before = part + before
        if before:
            whole = continued(literal(before), content)
            state.texts[(root, start, 0)] = whole
            self.note(("text", root, start, 0, whole))

    def _ending(self, state: State, root: int, end: int) -> str | None:
        """Constant text that ends at a place, without a NUL."""
        order: Literal["big", "little"] = "big" if self.image.big else "little"
        for back in range(1, self.terms.word + 1):
            entry = state.words.get((root, end - back, 0))
            if entry is None or self.terms.nodes[entry[1]][0] != CONST or entry[0] < back:
                continue
            raw = (self.terms.nodes[entry[1]][1] & ((1 << (8 * entry[0])) - 1)).to_bytes(entry[0], order)[:back]
            return raw.decode("latin-1") if 0 not in raw else None
        for key in state.texts.of(root):
            text = state.texts[key]
            if not key[2] and not text.deps and text.template and key[1] + len(text.template) == end:
                return text.template if "%" not in text.template else None
        return None

    def _continues(self, state: State, root: int, offset: int) -> bool:
        """Whether what is written here goes on with a constant string that ends just before: the same buffer."""
        for back in range(1, self.terms.word + 1):
            entry = state.words.get((root, offset - back, 0))
            if entry is not None:
                value = self.terms.value(entry[1])
                if entry[0] < back or value is None:
                    return False
                last = value if self.image.big and entry[0] == back else value >> 8 * (back - 1)
                return bool(last & 255) and last >> 8 == 0 if entry[0] == back else bool(last & 255)
        for key in state.texts.of(root):
            text = state.texts[key]
            if not text.deps and text.template and key[1] + len(text.template) == offset and not key[2]:
                return True
        return False

    def _clear(self, state: State, spot: Location, extent: int) -> None:
        """A whole new text replaces what the buffer held, and facts about it."""
        root, offset, _ = spot
        end = offset + max(extent, 1)
        self._blur(state, spot, extent)
        for key in [key for key in state.words.of(root) if offset <= key[1] < end]:
            del state.words[key]
        for key in [key for key in state.texts.of(root) if offset <= key[1] < end]:
            del state.texts[key]
        if state.facts:
            state.facts = frozenset(
                fact for fact in state.facts if fact[0] != "lacks" or not self._about(fact[1], spot, end)
            )

    def _blur(self, state: State, spot: Location, extent: int) -> None:
        """A text may lie here now: numbers that stood here may be gone.

        How far a text of unknown length reaches is not known: zeros that follow one another from its start (a buffer
        that was cleared) may be gone as well.
        """
        root, offset, _ = spot
        value = self.terms.value
        if extent:
            gone = [
                key
                for key in state.words.of(root)
                if offset <= key[1] < offset + extent
                and (known := value(state.words[key][1])) is not None
                and known < self.terms.floor
            ]
            for key in gone:
                del state.words[key]
        while (entry := state.words.get((root, offset, 0))) is not None and value(entry[1]) == 0:
            del state.words[(root, offset, 0)]
            offset += entry[0]

    def _about(self, pointer: int, spot: Location, end: int) -> bool:
        return any(one[0] == spot[0] and spot[1] <= one[1] < end for one in self.terms.locate(pointer))

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
        if not stride and not best[2]:
            if content.extent and offset >= best[1] + content.extent:
                return None
            if self.terms.nodes[root][0] in (PARAM, LOAD, RESULT) and not content.extent and offset - best[1] > 1024:
                return None
        return best, content

    def _covering(self, state: State, spot: Location) -> Content | None:
        found = self._entry(state, spot)
        return None if found is None else found[1]

    def text(self, state: State, pointer: int) -> Content:
        """The string that a pointer points to."""
        terms = self.terms
        content: Content | None = None
        for one in terms.flat(pointer):
            node = terms.nodes[one]
            if node[0] == CONST and node[1] < terms.floor and len(terms.flat(pointer)) > 1:
                continue
            for spot in terms.locate(one):
                part = self._clean(state, self.text_at(state, spot, one), one, pointer)
                content = part if content is None else either(content, part)
        return content if content is not None else Content(frozenset(), "%s")

    def _clean(self, state: State, content: Content, one: int, pointer: int) -> Content:
        """Marks what checks in force keep free of shell characters."""
        if not content.deps:
            return content
        lacks = 0
        wanted, alone = {one, pointer}, frozenset((one,))
        for fact in state.facts:
            if fact[0] == "lacks" and (fact[1] in wanted or self.terms.flat(fact[1]) == alone):
                lacks |= fact[2]
        return content._replace(deps=kept(content.deps, quoting.kept(lacks)))

    def text_at(self, state: State, spot: Location, pointer: int | None = None) -> Content:
        root, offset, stride = spot
        if root == GLOBAL and not stride:
            fixed = self._constant_text(offset)
            if fixed is not None:
                return fixed
        found = self._entry(state, spot)
        words = None if stride or spot in state.texts else self._assembled(state, spot)
        if words is not None:
            return words
        if found is not None:
            key, content = found
            if stride and content.verbatim and len(content.deps) == 1:
                return self._within_copy(content, max(offset - key[1], 0))
            if key[1] == offset or stride:
                return content
            if content.verbatim and len(content.deps) == 1:
                dep = next(iter(content.deps))
                if dep[0] == "T":
                    moved = ("T", dep[1], dep[2] + offset - key[1], dep[3], dep[4])
                    return Content(frozenset({moved}), "%s", 0, True)
            return Content(content.deps, "%s" if content.deps else "", grown=content.grown)
        moved = self._moved(state, spot)  # type: ignore[assignment]  # fields of a node are of any type
        if moved is not None:
            return moved  # type: ignore[return-value]  # fields of a node are of any type
        if self.terms.nodes[root][0] == STACK and root == self.frame and not stride:
            return Content(frozenset({("T", root, offset, stride, False)}), "%s", 0, True) if offset >= 0 else EMPTY
        return Content(frozenset({("T", root, offset, stride, False)}), "%s", 0, True)

    def _within_copy(self, content: Content, at: int) -> Content:
        """Somewhere in a copy of an object is somewhere in that object."""
        dep = next(iter(content.deps))
        if dep[0] != "T":
            return content
        return Content(frozenset({("T", dep[1], dep[2] + at, 1, dep[4])}), "%s", 0, True)

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
            deps = frozenset(
                ("T", place[0], place[1], place[2] or int(stride == 1), False)
                for one in self.terms.flat(entry[1])
                if (place := self.terms.moved(one, entry[0], back)) is not None
            )
            return Content(deps, "%s", 0, len(deps) == 1) if deps else None
        return self._copied_in_loop(state, spot)

    def _known_move(self, state: State, entry: tuple[int, int], back: int) -> Content | None:
        """The text that a word was moved from, when it begins there in the function's own frame."""
        place = self.terms.moved(entry[1], entry[0], back)
        return self.held(state, place) if place is not None and self._own(state, place) else None

    def _own(self, state: State, place: Location) -> bool:
        return place[0] == self.frame and place in state.texts

    def held(self, state: State, place: Location) -> Content:
        """The text that begins at a place, with what checks in force say of it."""
        pointer = self.terms.const(place[1]) if place[0] == GLOBAL else self.terms.add(place[0], place[1])
        return self._clean(state, self.text_at(state, place, pointer), pointer, pointer)

    def _carry(self, state: State, spots: tuple[Location, ...], value: int, size: int, weak: bool) -> None:
        """A word of the function's own frame is moved: texts that begin in it go along, as they are known here."""
        for inside in range(size):
            place = self.terms.moved(value, size, inside)
            if place is None or not self._own(state, place) or not state.texts[place].deps:
                continue
            content = self.held(state, place)
            for root, offset, stride in spots[:4]:
                if self.terms.nodes[root][0] == STACK or (self.terms.nodes[root][0] == UNKNOWN and root != GLOBAL):
                    continue
                if not weak and not stride:
                    state.texts[(root, offset + inside, 0)] = content
                self.note(("text", root, offset + inside, stride, content))

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

    def within(self, state: State, pointer: int, size: int) -> Content:
        """All texts of a block, for a structure that is written out whole."""
        content = self.text(state, pointer)
        for root, offset, stride in self.terms.locate(pointer)[:3]:
            if stride:
                continue
            for key in state.texts.of(root):
                text = state.texts[key]
                if offset < key[1] < offset + size and text.deps:
                    content = Content(content.deps | text.deps, content.template or "%s")
        return content

    def _constant_text(self, address: int) -> Content | None:
        if not self.image.constant(address) or self.image.segment(address) is None:
            return None
        text = self.image.text(address)
        return literal(text) if text is not None else None

    def _assembled(self, state: State, spot: Location) -> Content | None:
        """A string that was stored as words: `strcpy(buffer, "ping ")` after the compiler."""
        root, offset, _ = spot
        raw = b""
        order: Literal["big", "little"] = "big" if self.image.big else "little"
        while len(raw) < _MAX_TEXT:
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
        if follow is not None:
            return continued(literal(text.decode("latin-1")), follow)
        if 0 in raw:
            return literal(text.decode("latin-1"))
        return None if not raw.isascii() else literal(raw.decode("latin-1"))

    def append(self, state: State, pointer: int, added: Content) -> None:
        """strcat."""
        spots = self.terms.locate(pointer)
        for spot in spots[:4]:
            old = self.text_at(state, spot)
            if old.verbatim and self.terms.nodes[spot[0]][0] != STACK and spot not in state.texts:
                pass  # what was there before stays a part of the text
            content = joined(old, added)
            self._put(state, spot, content, len(spots) > 1)

    def _put(self, state: State, spot: Location, content: Content, weak: bool) -> None:
        key = (spot[0], spot[1], 0) if spot[2] == 1 else spot
        old = state.texts.get(key)
        if weak and old is not None:
            content = either(old, content)
        state.texts[key] = content
        self.note(("text", *spot, content))

    def is_pointer(self, term: int) -> bool:
        kind = self.terms.nodes[term][0]
        return kind in (STACK, HEAP, ADDR, DERIVED, OP, PARAM, LOAD, RESULT, PHI, MERGE)
