"""Texts as they are written: what a text replaces, what it goes on with, and what it makes uncertain."""

import functools
import operator
from collections.abc import Callable
from typing import Any, Literal

from . import bytesets, duplicates, quoting
from .bytesets import ByteSets
from .contents import MAX_TEXT
from .elf import Image
from .keys import Keys
from .letters import Letters
from .state import CHECKED, Content, State, changed, continued, cut, either, joined, kept, literal
from .terms import BYTE, CONST, GLOBAL, STACK, UNKNOWN, Location, Terms
from .untold import aside

_PRINTED = frozenset((*range(32, 127), *b"\t\n\r"))
"""Bytes of constant texts; words with others are numbers that lie before a text."""
_FIRST = 4
"""Entries of an array of which one is the first, at most."""
_OWN = 16
"""A buffer of so many bytes is no field of another one."""
_ROWS = 16
"""Entries of a table of letters that are looked at."""


class Writing(Letters):
    """Texts that one function's evaluation writes. `note` receives what outlives the function."""

    def __init__(
        self,
        terms: Terms,
        image: Image,
        function: int,
        note: Callable[[tuple[Any, ...]], None],
        sets: ByteSets,
    ) -> None:
        super().__init__(terms, image, function, sets)
        self.note = note
        self.buffers: dict[int, dict[int, set[int]]] = {}
        """Where texts are written in frames, and how many bytes: the starts of buffers."""
        self.objects: dict[int, set[tuple[int, int]]] = {}
        """Where something in a frame is cleared or sent whole, and its size."""
        self.saved: dict[int, set[int]] = {}
        """Where in frames registers of the caller are kept."""
        self.site = 0
        """The instruction that is being looked at."""
        self.giving: int | None = None
        """The name of what the call at hand gives, where what is written lies in an object that is made by it."""
        self.storing: int | None = None
        """The value that is being stored, where what lies there then may also be what lay there before."""
        self.keys = Keys(terms, image)
        self.poured: dict[tuple[int, int], dict[int, Content]] = {}
        """What was put piece by piece behind the start of a text, by the instruction that did it."""
        self.in_place: set[tuple[int, int]] = set()
        """Where texts begin whose bytes are moved inside of them."""
        self.moving_up: set[int] = set()
        """Those of them that put bytes which another walk reads."""

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
        duplicates.written(self.terms, state, (spot,))
        root, offset, stride = spot = self._first_written(spot)
        kind = self.terms.nodes[root][0]
        if kind == UNKNOWN and (root != GLOBAL or offset < self.terms.floor or self.image.constant(offset)):
            return
        if kind == STACK and begins and not stride and not self._continues(state, root, offset):
            self.buffers.setdefault(root, {}).setdefault(offset, set()).add(content.extent if sized else 0)
        key = (root, offset, 0) if stride == 1 else spot
        if stride == 1:
            self.poured.setdefault((root, offset), {})[self.site] = content
        old = state.texts.get(key)
        if stride == 1 or weak:
            if old is None and kind != STACK:
                old = None
            elif old is None:
                found = self._entry(state, key)
                if found is not None and not self._ends_before(found[0], offset):
                    key, old = found
            old = self._unchecked(state, spot, old, content)
            if old is not None:
                added, content = content, either(old, content, key)
                self._grow(state, key, old, added)
            self._blur(state, key, content.extent)
        else:
            self._clear(state, key, content.extent)
            self._replaced(state, root, offset, content)
        if not stride:
            self._other_bytes(state, root, offset, content.extent)
        if len(state.texts) < 200:
            state.texts[key] = content
        self.note(aside(self.terms, state, ("text", root, offset, stride, content)))
        if not stride and not weak and content.deps:
            self._continue(state, spot, content)

    def _first_written(self, spot: Location) -> Location:
        """A place in an array by the first entry that can be written: the program may count its entries from 1, so that
        there is something else where the array seems to begin.
        """
        root, offset, stride = spot
        if root != GLOBAL or stride < 2 or not self.image.constant(offset):
            return spot
        entries = range(offset, offset + _FIRST * stride, stride)
        return root, next((at for at in entries if not self.image.constant(at)), offset), stride

    def _ends_before(self, place: Location, offset: int) -> bool:
        """Whether a buffer of a frame, as large as the program says itself, ends before an offset."""
        size = max(self.buffers.get(place[0], {}).get(place[1], ()), default=0)
        return _OWN <= size <= offset - place[1]

    def begin(self, pointer: int) -> None:
        """A text begins where the pointer points: so does its buffer."""
        for root, offset, stride in self.terms.places(pointer):
            if self.terms.nodes[root][0] == STACK and not stride:
                self.buffers.setdefault(root, {}).setdefault(offset, set()).add(0)

    def _unchecked(self, state: State, spot: Location, old: Content | None, added: Content) -> Content | None:
        """Other bytes are written into a text: what checks said of it holds for what it was, and not for what it is."""
        root, offset, stride = spot
        if all(dep[0] == "T" and dep[1] == root and not dep[4] & quoting.CHANGED for dep in added.deps):
            return old
        gone = {
            fact
            for fact in state.facts
            if fact[0] in CHECKED
            and not self._of_another(fact[1])
            and any(
                one[0] == root and (one[1] == offset or one[2] or (stride and one[1] > offset))
                for one in self.terms.places(fact[1])
            )
        }
        state.facts -= gone
        if old is None:
            return None
        lacks = functools.reduce(operator.or_, (int(fact[2]) for fact in gone if fact[0] == "lacks"), 0)
        return old._replace(deps=kept(old.deps, quoting.kept(lacks))) if lacks else old

    def _replaced(self, state: State, root: int, offset: int, content: Content) -> None:
        """What checks said of the text that lay here is not so of another one: scopes may share a place of a frame."""
        if all(dep[0] == "T" and dep[1] == root for dep in content.deps) and content.deps:
            return
        end = offset + max(content.extent, self.terms.word)
        state.facts -= {
            fact
            for fact in state.facts
            if (fact[0] in CHECKED and self._about(fact[1], (root, offset, 0), offset + 1))
            or (fact[0] in ("word", "holds") and fact[1] == root and offset <= fact[2] < end)
        }

    def _other_bytes(self, state: State, root: int, offset: int, extent: int) -> None:
        """What tests said of the bytes that lay here is not so of those that take their place."""
        end = offset + (extent or 1)
        for term in [one for one in state.masks if one > 0]:
            node = self.terms.nodes[term]
            if node[0] == BYTE and node[2] == root and not node[4] and offset <= node[3] < end:
                del state.masks[term]

    def _ended(self, state: State, address: int) -> None:
        """A NUL is put where a walk over a buffer came to: the text there is what the walk put into it, and what lay
        there before is gone. A walk over the text that it reads may leave some of it as it was.
        """
        begin = self.terms.begins(address)
        poured = self.poured.get(begin, {}) if begin is not None else {}
        if not poured or begin is None:
            return
        whole = functools.reduce(either, poured.values())
        own = any(dep[0] == "T" and dep[1] == begin[0] for dep in whole.deps)
        if not own or self.moving_up.issuperset(poured):
            state.texts[(*begin, 0)] = whole._replace(extent=0)

    def _moves_up(self, address: int, value: int) -> bool:
        """Whether a byte that is stored was read by a walk of its own: what is left out lets what follows move up."""
        read: set[int] = set()
        for variable in self.sets.variables(value):
            for one in (variable, *self.terms.alternatives.get(variable, ())):
                node = self.terms.nodes[one]
                if node[0] == BYTE:
                    read.add(self.terms.based(node[1])[0])
        return bool(read) and self.terms.based(address)[0] not in read

    def _reads(self, value: int, root: int, offset: int) -> bool:
        """Whether a byte is one of the text that it is written to: both walks begin there."""
        nodes = (self.terms.nodes[one] for one in self.sets.variables(value) | self.terms.flat(value))
        return any(node[0] == BYTE and node[2] == root and abs(node[3] - offset) < self.terms.word for node in nodes)

    def _spoil(self, state: State, spots: tuple[Location, ...], value: int) -> None:
        """A byte of the program's own is put between the bytes of a text that are moved: what a name or a number stood
        for. If it means something to a shell, checks of the text as it was say nothing of it as it is.
        """
        places = [one for one in spots[:4] if one[:2] in self.in_place]
        if not places or not self._own_bytes(state, value) & quoting.SPECIAL:
            return
        for root, offset, _ in places:
            old = state.texts.get((root, offset, 0))
            deps = old.deps if old is not None and old.deps else frozenset({("T", root, offset, 0, False)})
            self.write_text(state, (root, offset, 0), Content(changed(deps), "%s", 0, grown=True), True, begins=False)

    def _own_bytes(self, state: State, value: int) -> int:
        """The bytes that a number can be which is none of a text's."""
        number, node = self.terms.value(value), self.terms.nodes[value]
        if number is not None:
            return 1 << (number & 255)
        if node[0] == BYTE and node[2] == GLOBAL and node[4] and self.image.constant(node[3]):
            rows = (self.image.number(at, 1) for at in range(node[3], node[3] + _ROWS * node[4], node[4]))
            return functools.reduce(operator.or_, (1 << one for one in rows if one is not None), 0)
        known = self.byte_mask(state, value)
        return bytesets.ALL if known is None else known

    def whole_object(self, pointer: int, size: int | None) -> None:
        """So many bytes of what the pointer points to are cleared or sent: it is as large."""
        spots = self.terms.places(pointer)
        if size and len(spots) == 1 and not spots[0][2] and self.terms.nodes[spots[0][0]][0] == STACK:
            self.objects.setdefault(spots[0][0], set()).add((spots[0][1], size))

    def append(self, state: State, pointer: int, added: Content) -> None:
        """strcat."""
        spots = self.terms.places(pointer)
        for spot in spots[:4]:
            old = self.text_at(state, spot)
            if old.verbatim and self.terms.nodes[spot[0]][0] != STACK and spot not in state.texts:
                pass  # what was there before stays a part of the text
            content = joined(old, added)._replace(appended=old.appended | {self.site})
            self._put(state, spot, content, len(spots) > 1)

    def went_on(self, state: State, pointer: int) -> None:
        """The instruction at hand wrote at the end of a text."""
        for spot in self.terms.places(pointer)[:4]:
            text = state.texts.get(spot)
            if text is not None:
                state.texts[spot] = text._replace(appended=text.appended | {self.site})

    def _put(self, state: State, spot: Location, content: Content, weak: bool) -> None:
        key = (spot[0], spot[1], 0) if spot[2] == 1 else spot
        old = state.texts.get(key)
        if weak and old is not None:
            content = either(old, content)
        state.texts[key] = content
        self.note(aside(self.terms, state, ("text", *spot, content)))

    def _grow(self, state: State, spot: Location, old: Content, added: Content) -> None:
        """A text that was the end of a longer one goes on: `p += sprintf(p, ...)` again and again. One of the entries
        of an array is no end of what lies before them.
        """
        root, offset, stride = spot
        if not old.deps or added.deps <= old.deps or stride > 1:
            return
        for key in state.texts.of(root):
            whole = state.texts[key]
            if not key[2] and offset - MAX_TEXT < key[1] < offset and not whole.extent and old.deps <= whole.deps:
                state.texts[key] = either(whole, whole._replace(deps=whole.deps | added.deps))
                self.note(aside(self.terms, state, ("text", *key, state.texts[key])))

    def _continue(self, state: State, spot: Location, content: Content) -> None:
        """A text written where a constant one ends goes on with it: `strcpy(p, "ping "); strcpy(p + 5, host)`."""
        root, end, _ = spot
        start, before = end, ""
        while start > end - MAX_TEXT:
            part = self._ending(state, root, start)
            if part is None:
                break
            start -= len(part)
            before = part + before
        if before:
            whole = continued(literal(before), content)
            state.texts[(root, start, 0)] = whole
            self.note(aside(self.terms, state, ("text", root, start, 0, whole)))

    def _ending(self, state: State, root: int, end: int) -> str | None:
        """Constant text that ends at a place, without a NUL."""
        order: Literal["big", "little"] = "big" if self.image.big else "little"
        for back in range(1, self.terms.word + 1):
            entry = state.words.get((root, end - back, 0))
            if entry is None or self.terms.nodes[entry[1]][0] != CONST or entry[0] < back:
                continue
            raw = (self.terms.nodes[entry[1]][1] & ((1 << (8 * entry[0])) - 1)).to_bytes(entry[0], order)[:back]
            return raw.decode("ascii") if all(one in _PRINTED for one in raw) else None
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
        self._leave_around(state, root, offset, end if extent else offset)
        for key in [key for key in state.texts.of(root) if offset <= key[1] < end]:
            del state.texts[key]
        if state.facts:
            state.facts = frozenset(
                fact for fact in state.facts if fact[0] not in CHECKED or not self._about(fact[1], spot, end)
            )

    def _leave_around(self, state: State, root: int, start: int, end: int) -> None:
        """Of a copy of a whole object stays what lies before and behind the bytes that are written now."""
        for place in (start, end):
            for key in [key for key in state.texts.of(root) if not key[2] and key[1] < place]:
                parts = cut(state.texts[key], place - key[1])
                if parts is not None and (root, place, 0) not in state.texts:
                    state.texts[key], state.texts[(root, place, 0)] = parts
                    state.untold |= {(root, place, 0)} if key in state.untold else frozenset()

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

    def _of_another(self, pointer: int) -> bool:
        """Whether a pointer is to an object that was made by another call than the one at hand, which makes its own."""
        made = self.terms.made(pointer) if self.giving is not None else ()
        return bool(made) and self.giving not in made

    def _about(self, pointer: int, spot: Location, end: int) -> bool:
        return not self._of_another(pointer) and any(
            one[0] == spot[0] and spot[1] <= one[1] < end for one in self.terms.places(pointer)
        )
