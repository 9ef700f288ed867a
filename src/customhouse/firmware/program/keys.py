"""Entries of a store that the program keeps itself, named by the keys under which they are found or made.

`find(key)` walks over an array or a list and compares; what it gives is one of many entries, and a text that is put
into it would be a text of all of them. So the pointer to an entry gets the key into its name where a comparison has
found it, or where the key is written into a new one. The key is a term: in the words of a caller it becomes the text
that this caller gives, or is none where that is not constant.
"""

from collections.abc import Callable, Iterable

from .elf import Image
from .state import Content, Dep, Fact, Places, State
from .terms import ADDR, BYTE, GLOBAL, HEAP, KEYED, LOAD, MERGE, PARAM, PHI, RESULT, STACK, Location, Terms

_OBJECT = -1
"""Stands for the root of objects of any one kind: their key fields are known by the offset."""
_FIELD = 4096
"""How far a field lies from the start of its entry at most."""
_LINKS = 6
"""Pointers that one is read through, at most."""
_ENTRIES = frozenset((GLOBAL, LOAD, BYTE, PARAM, HEAP, KEYED))
TEXT = "text"
"""Name of the result that stands for a constant text."""


class Keys:
    """Names entries in the states of one function. `text` gives the constant string that a pointer term names."""

    def __init__(self, terms: Terms, image: Image) -> None:
        self.terms = terms
        self.image = image
        self.fields: set[Location] = set()
        """Fields of entries that were compared with keys: what is written there names an entry."""
        self.copies: set[int] = set()
        """Objects that are copies of texts: no entries."""
        self.text: Callable[[int], str | None] = lambda _term: None

    # -- keys
    def key(self, term: int) -> int | None:
        """The term of a key; None for a text that is neither constant nor a caller's."""
        node = self.terms.nodes[term]
        if node[0] == RESULT and node[1] == TEXT:
            return term
        text = self.text(term)
        if text is not None:
            return self.literal(text)
        return term if self.terms.open[term] else None

    def literal(self, text: str) -> int:
        return self.terms.result(TEXT, text.casefold())

    def _of(self, content: Content) -> int | None:
        """The key that a text is when it was copied from one, or is constant."""
        if not content.deps and content.template and "%" not in content.template:
            return self.literal(content.template)
        if content.template != "%s" or len(content.deps) != 1:
            return None
        kind, root, offset, stride, _ = next(iter(content.deps))
        return self.key(self.terms.add(root, offset)) if kind == "T" and root != GLOBAL and not stride else None

    # -- entries
    def place(self, place: int, key: int) -> int:
        """The place that holds a key, if keys tell such places apart."""
        found = self.key(key)
        if found is None or not self._are_entries(self.terms.locate(place)):
            return place
        return self._keyed(place, found)

    def _keyed(self, place: int, key: int) -> int:
        named = self.terms.keyed(place, key)
        return self.terms.keyed(self._any(place), key) if named == place else named

    def _any(self, term: int, level: int = 0) -> int:
        """A pointer that was read from an array, as it is read whatever the index: a key tells more than that, and how
        the index was computed may take too many words for a name.
        """
        node = self.terms.nodes[term]
        kind = node[0]
        if level > _LINKS:
            return term
        if kind == BYTE and node[2] == GLOBAL and node[4]:
            place = self.terms.add(self.terms.const(node[3]), 0, node[4])
            return self.terms.make((BYTE, place, *node[2:]), place)
        if kind == LOAD:
            return self.terms.load(self._any(node[1], level + 1), *node[2:])
        if kind == ADDR:
            return self.terms.add(self._any(node[1], level + 1), node[2], node[3])
        if kind in (PHI, MERGE):
            return self.terms.merge({self._any(one, level + 1) for one in self.terms.flat(term)} or {term})
        return term

    def heap(self, heap: int, key: int) -> int:
        """The object that was made for a key in the words of a caller."""
        found, node = self.key(key), self.terms.nodes[heap]
        return self.terms.make((HEAP, node[1])) if found is None else self.terms.made_for(heap, found, node[3])

    def _are_entries(self, places: Iterable[Location]) -> bool:
        """Whether these are places of entries: not of a frame, nor of a table that is there from the start."""
        found = list(places)
        return bool(found) and all(self._is_entry(one) for one in found)

    def _is_entry(self, place: Location) -> bool:
        root, offset, _ = place
        if root != GLOBAL:
            return self.terms.nodes[root][0] in _ENTRIES
        return not self.image.constant(offset) and self.image.number(offset, self.terms.word) == 0

    # -- what was found
    def found(self, state: State, facts: frozenset[Fact]) -> None:
        """Texts were found to be the same: pointers to the entries that hold them get their names."""
        for fact in sorted(fact for fact in facts if fact[0] in ("same", "eq")):
            if fact[0] == "same":
                self._found(state, fact[1], fact[2])
                self._found(state, fact[2], fact[1])
            elif any(one[0] == "lacks" and one[1] == fact[1] and not one[2] + 1 & one[2] for one in facts):
                self._found(state, fact[1], self.literal(fact[2]))

    def _found(self, state: State, place: int, term: int) -> None:
        key = self.key(term)
        if key is None:
            return
        cells = self._cells(place)
        if cells and self._are_entries(cells):
            named = {one: cell for one in self._held(state) if (cell := self._cell(one, place, cells)) is not None}
            if named:
                self._name(state, {one: (at, key) for one, at in named.items()})
                self._field(cells)
                return
        places = self.terms.locate(place)
        if self._are_entries(places) and self._at(state, place, key):
            self._field(places)

    def _cells(self, pointer: int) -> tuple[Location, ...]:
        """Where in memory a pointer was read, but for what is known to lie there."""
        out: list[Location] = []
        for one in sorted(self.terms.flat(pointer)):
            node = self.terms.nodes[one]
            if node[0] == LOAD and node[4] == self.terms.word:
                out.append((node[1], node[2], node[3]))
            elif node[0] == BYTE and node[5] == self.terms.word:
                out.append((node[2], node[3], node[4]))
        return tuple(out)

    def _cell(self, held: int, pointer: int, cells: tuple[Location, ...]) -> int | None:
        """The field from which a pointer was read by way of another: its place."""
        if held == pointer:
            return None
        places = self.terms.locate(held)
        root, offset, stride = cells[0]
        for at in (one[1] for one in places if one[0] == root and one[2] == stride):
            more = offset - at
            if abs(more) < _FIELD and {(one, off + more, step) for one, off, step in places} >= set(cells):
                return self.terms.add(held, more)
        return None

    def _held(self, state: State) -> set[int]:
        """What registers and the frame hold."""
        nodes = self.terms.nodes
        return set(state.registers.values()) | {
            value for (root, _, _), (_, value) in state.words.items() if nodes[root][0] == STACK
        }

    def _at(self, state: State, place: int, key: int) -> bool:
        """Pointers into the entry that lies at a place are named. False when there are none."""
        base, offset = self.terms.based(place)
        named = {}
        for one in self._held(state):
            other, more = self.terms.based(one)
            if other == base and abs(more - offset) < _FIELD:
                named[one] = (self.terms.add(one, offset - more), key)
        self._name(state, named)
        return bool(named)

    def _name(self, state: State, named: dict[int, tuple[int, int]]) -> None:
        """Put pointers with names for those without; for each, its entry's field and the key in that."""
        new = {}
        for pointer, (field, key) in named.items():
            whole = self._keyed(field, key)
            if whole != field and not self._has(field, key):
                new[pointer] = self.terms.add(whole, self.terms.based(pointer)[1] - self.terms.based(field)[1])
        for register, held in state.registers.items():
            if held in new:
                state.registers[register] = new[held]
        nodes = self.terms.nodes
        for spot, (size, held) in state.words.items():
            if held in new and nodes[spot[0]][0] == STACK:
                state.words[spot] = (size, new[held])

    def _has(self, place: int, key: int) -> bool:
        node = self.terms.nodes[self.terms.based(place)[0]]
        return bool(node[0] == KEYED and node[2] == key)

    def _field(self, places: Iterable[Location]) -> None:
        self.fields |= {self._kind(one) for one in places}

    def _kind(self, place: Location) -> Location:
        root, offset, stride = place
        return (GLOBAL, offset % stride if stride else offset, stride) if root == GLOBAL else (_OBJECT, offset, 0)

    # -- what is made
    def is_field(self, place: Location) -> bool:
        """Whether keys lie there."""
        return self._kind(place) in self.fields

    def written(self, state: State, pointer: int, content: Content) -> None:
        """A text was put where a pointer points: a key names the entry that it is put into."""
        if not self.fields:
            return
        places = self.terms.locate(pointer)
        if not all(self.is_field(one) for one in places) or not self._are_entries(places):
            return
        key = self._of(content)
        if key is not None and not any(one[0] in state.private or self._is_named(one[0]) for one in places):
            self._at(state, pointer, key)

    def _is_named(self, root: int) -> bool:
        """Whether an entry has its key in its name: a link to another one is no other key."""
        node = self.terms.nodes[root]
        return node[0] in (KEYED, HEAP) and len(node) > 2

    def of_object(self, state: State, heap: int, text: Callable[[State, int], Content]) -> tuple[int, int] | None:
        """The key that was put into a new object, and where it lies: of several the one that says most simply what it
        is, since a link to the next object may lie where others hold their keys.
        """
        if heap in self.copies:
            return None
        found: list[tuple[int, int]] = []
        for kind, offset, _ in sorted(self.fields):
            if kind != _OBJECT:
                continue
            content = state.texts.get((heap, offset, 0))
            entry = state.words.get((heap, offset, 0))
            if content is None and entry is not None and entry[0] == self.terms.word:
                content = text(state, entry[1])
            key = self._of(content) if content is not None else None
            if key is not None:
                found.append((key, offset))
        return min(found, key=lambda one: self.terms.depth[one[0]], default=None)

    def owner(self, state: State, places: Iterable[Location], text: Callable[[State, int], Content]) -> int | None:
        """The one key of the entries that places lie in, new ones among them."""
        keys = set[int | None]()
        for root, _, _ in places:
            node = self.terms.nodes[root]
            own = self.of_object(state, root, text) if root in state.private else None
            keys.add(node[2] if self._is_named(root) else own[0] if own is not None else None)
        return keys.pop() if len(keys) == 1 else None

    def rename(self, state: State, old: int, new: int, value: int) -> int:
        """An object gets its key into its name, wherever the state speaks of it; so does a value."""

        def term(one: int) -> int:
            if one == old:
                return new
            node = self.terms.nodes[one]
            if node[0] == MERGE and any(part == old or self.terms.nodes[part][:2] == (ADDR, old) for part in node[1]):
                return self.terms.merge({term(part) for part in node[1]})
            return self.terms.add(new, node[2], node[3]) if node[:2] == (ADDR, old) else one

        def text(content: Content) -> Content:
            deps: frozenset[Dep] = frozenset(
                ("T", new, *dep[2:]) if dep[:2] == ("T", old) else dep for dep in content.deps
            )
            return content if deps == content.deps else content._replace(deps=deps)

        def spot(place: Location) -> Location:
            return (new, *place[1:]) if place[0] == old else place

        state.registers = {register: term(one) for register, one in state.registers.items()}
        state.words = Places((spot(at), (size, term(one))) for at, (size, one) in state.words.items())
        state.texts = Places((spot(at), text(content)) for at, content in state.texts.items())
        state.facts = frozenset(
            (fact[0], term(fact[1]), *fact[2:]) if fact[0] in ("lacks", "eq", "ne", "word") else fact
            for fact in state.facts
        )
        if old in state.private:
            state.private = state.private - {old} | {new}
        return term(value)
