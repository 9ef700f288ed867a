"""Entries of constant tables: which of them a pointer may point to, by what was tested of their fields.

A program finds an entry by a name or a number, looks at one field (a flag, a smallest length, a function that checks)
and calls through another. Fields that were read by the same pointer belong to one entry, so what is known of the one
tells which the other can be. The table's end is not known here: an entry that is none has no function.
"""

from collections.abc import Callable
from typing import Any

from .columns import key_at
from .computed import computed
from .elf import Image
from .growth import entries
from .selectors import leaf_of
from .state import ENTRY, Fact, State, same
from .terms import ADDR, BYTE, GLOBAL, LOAD, MERGE, OP, PHI, Location, Terms

Pointer = tuple[int, int, int]
"""What the fields of one entry have in common: the term of the pointer or of the place in the table, where the first
entry lies when the pointer is 0 there, and the step.
"""
_MAX_ROWS = 128
_MAX_LEFT = 40
"""Of so many entries each is told by itself."""
_DEPTH = 8


class Rows:
    """Reads constant tables entry by entry."""

    def __init__(
        self,
        terms: Terms,
        image: Image,
        kept: Callable[[int, int, int], bool] = lambda _place, _step, _size: False,
        end: Callable[[int, int], int] = lambda _place, _step: 1 << 62,
    ) -> None:
        self.terms = terms
        self.image = image
        self.kept = kept
        """Whether nothing in the program writes to a field of an array's entries: its first place, the step and the
        size.
        """
        self.end = end
        """Where an array ends at the latest."""
        self._rounds: dict[tuple[int, int, int], int] = {}
        """Names for how far loops have gone, below those of terms: by the function, the head and the step."""
        self._pointers: dict[int, frozenset[Pointer]] = {}
        self._values: dict[tuple[int, int], int] = {}
        self._unsettled = False
        """Whether what was looked at last may turn out to be an entry, once all ways to a loop's head are known."""

    def possible(self, state: State, target: int, functions: list[int]) -> list[int]:
        """Of the functions that a field may name, those that stand in entries that the tests before let pass."""
        found = self.pointers(target)
        if len(found) != 1 or self.terms.nodes[target][0] not in (BYTE, MERGE):
            return functions
        tests = [(term, span) for term, span in state.ranges.items() if self.pointers(term) == found]
        chosen = self._chosen(state, next(iter(found)))
        if not tests and chosen is None:
            return functions
        named: set[int | None] = set()
        for row in range(_MAX_ROWS):
            one = self._value(target, row)
            if one is None:
                break
            if (chosen is None or row in chosen) and all(self._passes(term, span, row) for term, span in tests):
                named.add(one)
        left = [one for one in functions if one in named]
        return left or functions

    def _chosen(self, state: State, pointer: Pointer) -> set[int] | None:
        """The entries that a number can choose, by what is known of the number."""
        place, _start, step = pointer
        if place < 0:
            return None
        leaf = leaf_of(self.terms, place)
        mask = state.masks.get(leaf) if leaf is not None else None
        low, high = state.ranges.get(leaf, (0, -1)) if leaf is not None else (0, -1)
        if not mask and 0 <= low <= high < 256:
            mask = (1 << (high + 1)) - (1 << low)
        if not mask:
            return None
        out = set()
        for value in range(256):
            if mask >> value & 1:
                at = self._place(place, leaf, value)
                if at is None or at % step:
                    return None
                out.add(at // step)
        return out

    def _place(self, term: int, leaf: int | None, value: int) -> int | None:
        def given(one: int, _node: tuple[Any, ...]) -> int | None:
            return value if one == leaf else None

        return computed(self.terms, term, given)

    def _passes(self, term: int, span: tuple[int, int], row: int) -> bool:
        value = self._value(term, row)
        return value is None or span[0] <= self.terms.signed(value) <= span[1]

    def pointers(self, term: int, level: int = 0) -> frozenset[Pointer]:
        """The entries that a term is read from."""
        found = self._pointers.get(term)
        if found is not None:
            return found
        node = self.terms.nodes[term]
        out: frozenset[Pointer] = frozenset()
        before, self._unsettled = self._unsettled, node[0] == PHI
        field = self._field(node)
        if field is not None:
            base, inside = self._based(field[1])
            if self._is_table(field[3], field[4], field[5]):
                out = frozenset({(base, field[3] - inside, field[4])})
        elif node[0] == OP and level < _DEPTH:
            out = out.union(*(self.pointers(one, level + 1) for one in node[2:]))
        elif node[0] == ADDR and level < _DEPTH:
            out = self.pointers(node[1], level + 1)
        if out or not self._unsettled:
            self._pointers[term] = out
        self._unsettled = self._unsettled or before
        return out

    def entries(self, state: State, pointer: int) -> tuple[Location, ...]:
        """Where a pointer into a table may point, by what was tested of the entry; nothing when that does not tell."""
        own = self.entry(pointer)
        if own is None:
            return ()
        tests = [(term, span) for term, span in state.ranges.items() if own in self.pointers(term)]
        words = [
            (fact[1], fact[2], place)
            for fact in state.facts
            if fact[0] == "eq" and (place := self._column(fact[1], own)) is not None
        ]
        others = self._others(state, own, words)
        if not tests and not words and not others:
            return ()
        _, start, step = own
        moved = self.moved(pointer)
        out: dict[Location, None] = {}
        for row in range(min(_MAX_ROWS, (self.end(start, step) - start) // step)):
            spot = self._value(pointer, row) if moved is None else moved[0] + row * step
            if spot is None:
                break
            passes = self.image.segment(spot) is not None and all(self._passes(*test, row) for test in tests)
            if others and not (key := self._text(others[0], step, row)):
                break
            passes = passes and not (others and key in others[1])
            if passes and all(self._is_word(*word, step, row) for word in words):
                out[GLOBAL, spot, 0] = None
        return tuple(out) if len(out) <= _MAX_LEFT else ()

    def settled(self, states: list[State]) -> list[State]:
        """The states of ways that meet, where one has a pointer to the entry that was found and another has something
        else: behind that nothing is known of how the entry was found.
        """
        first = states[0].registers
        places = {key for one in states[1:] for key, value in one.registers.items() if first.get(key, value) != value}
        return [self._found(one, places) if any(fact[0] == "eq" for fact in one.facts) else one for one in states]

    def _found(self, state: State, places: set[int]) -> State:
        out = state
        for place in places & state.registers.keys():
            value = state.registers[place]
            spots = self.entries(state, value) if self.terms.value(value) is None else ()
            if len(spots) == 1:
                out = state.copy() if out is state else out
                out.registers[place] = self.terms.const(spots[0][1])
        return out

    def asked(self, state: State, pointer: int) -> frozenset[Fact]:
        """What the key of the entry that a pointer leads into was found to be, where a caller knows that: see
        `keyed`.
        """
        moved = self.moved(pointer)
        if moved is None:
            return frozenset()
        out: set[Fact] = set()
        for key, other in same(state.facts):
            place = self._column(key, moved[1]) if self.terms.open[other] else None
            if place is not None:
                out.add((ENTRY, other, *place, moved[1][2], moved[0] - place[0]))
        return frozenset(out)

    def put(
        self, state: State, place: Location, facts: frozenset[Fact], constant_text: Callable[[int], str | None]
    ) -> tuple[Location, ...] | None:
        """Where a text goes that is written to a place of a table, by what its key was found to be, or not to be."""
        fact = next((one for one in facts if one[0] == ENTRY), None)
        if fact is None:
            return None
        word = constant_text(fact[1]) or state.word(fact[1])
        others = {one[2] for one in state.facts if one[:2] == ("ne", fact[1])}
        if word is None and not others:
            return None
        return self.keyed(place, fact, lambda one: one == word if word else one not in others)

    def keyed(self, place: Location, fact: Fact, passes: Callable[[str], bool]) -> tuple[Location, ...] | None:
        """Of the places of a column those where the entry's key passes; of one place that or none. None when that
        cannot be told. The fact says where the first key is, whether the text itself is there or a pointer to it, the
        step and how far behind a key the place is.
        """
        root, at, stride = place
        _, _, first, inline, step, away = fact
        if root != GLOBAL or stride not in (0, step) or (at - first - away) % step:
            return None
        found: list[Location] = []
        for row in range(min(_MAX_ROWS, (self.end(first, step) - first) // step)):
            key = first + row * step
            word = self._text((first, inline), step, row)
            if not word:
                break
            if passes(word):
                found.append((GLOBAL, key + away, 0))
        if stride:
            return tuple(found) if len(found) <= _MAX_LEFT else None
        return (place,) if place in found else ()

    def _column(self, key: int, own: Pointer) -> tuple[int, bool] | None:
        """Where the first key of a table is by which its entries are found, and whether it is the text itself."""
        field = self._field(self.terms.nodes[key])
        if field is not None:
            return (field[3], False) if own in self.pointers(key) else None
        moved = self.moved(key)
        inline = moved is not None and moved[1] == own and self._is_table(moved[0], own[2], 1)
        return (moved[0], True) if moved is not None and inline else None

    def _others(
        self, state: State, own: Pointer, words: list[tuple[int, str, tuple[int, bool]]]
    ) -> tuple[tuple[int, bool], set[str]] | None:
        """What the key that was asked for is, and is not. A word that it is goes to `words`."""
        out: tuple[tuple[int, bool], set[str]] | None = None
        for key, other in same(state.facts):
            known = [fact for fact in state.facts if fact[0] in ("eq", "ne") and fact[1] == other]
            place = self._column(key, own) if known else None
            if place is not None:
                words += [(key, fact[2], place) for fact in known if fact[0] == "eq"]
                out = (place, {fact[2] for fact in known if fact[0] == "ne"})
        return out if out is not None and out[1] else None

    def _text(self, place: tuple[int, bool], step: int, row: int) -> str | None:
        """The key of one entry."""
        return key_at(self.image, self.terms.floor, place[0] + row * step, place[1])

    def entry(self, pointer: int) -> Pointer | None:
        """The entry that a pointer leads into, or that the pointer itself was read from."""
        moved = self.moved(pointer)
        if moved is not None:
            return moved[1]
        found = self.pointers(pointer)
        return next(iter(found)) if len(found) == 1 else None

    def moved(self, pointer: int) -> tuple[int, Pointer] | None:
        """Where a pointer into an array points in its first entry, and what it has in common with pointers to other
        fields of the same entry.
        """
        spots = self.terms.locate(pointer)
        if not spots or spots[0][0] != GLOBAL or spots[0][2] < 2:
            return None
        first, step = min(spot[1] for spot in spots), spots[0][2]
        if any(root != GLOBAL or one != step or (at - first) % step for root, at, one in spots):
            return None
        base, inside = self._based(pointer)
        return first, (base, first - inside, step)

    def _based(self, pointer: int) -> tuple[int, int]:
        """A pointer as one to the beginning of things and a constant. What a loop adds to in every round, by the round:
        an index and a pointer that go along with it come to the same entry.
        """
        base, inside = self.terms.based(pointer)
        one, factor = entries(self.terms, base)
        node, ways = self.terms.nodes[one], self.terms.edges.get(one, ())
        steps = {plus for inner, plus in map(self.terms.based, ways) if inner == one}
        begun = {self.terms.value(way) for way in ways if self.terms.based(way)[0] != one}
        if node[0] != PHI or len(steps) != 1 or len(begun) != 1:
            return base, inside
        start, step = begun.pop(), steps.pop() * factor
        if start is None:
            return base, inside
        return self._rounds.setdefault((*node[1:3], step), ~len(self._rounds)), inside + start * factor

    def _is_word(self, term: int, word: str, place: tuple[int, bool], step: int, row: int) -> bool:
        """Whether the text that a field of an entry is or points to may be a word, or begin with it."""
        first, inline = place
        if inline:
            return (self.image.text(first + row * step) or "").casefold().startswith(word.casefold())
        value = self._value(term, row)
        text = self.image.text(value) if value is not None and self.image.constant(value) else None
        return value is None or (text is not None and text.casefold().startswith(word.casefold()))

    def _is_table(self, place: int, step: int, size: int) -> bool:
        return self.image.constant(place) or (self.image.segment(place) is not None and self.kept(place, step, size))

    def _value(self, term: int, row: int) -> int | None:
        """What the term is in one entry; None when it depends on more."""

        def given(_term: int, node: tuple[Any, ...]) -> int | None:
            field = self._field(node)
            return None if field is None else self.image.number(field[3] + row * field[4], field[5])

        known = self._values.get((term, row))
        if known is None:
            known = computed(self.terms, term, given)
            if known is not None:
                self._values[term, row] = known
        return known

    def _ahead(self, node: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """A field that was read ahead, before the loop and at its end, goes round beside the pointer to its entry."""
        read = [self.terms.nodes[one] for one in self.terms.edges.get(self.terms.index[node], ())]
        read = [(self._field(one) or one) if one[0] == MERGE else one for one in read]
        sizes = {one[5] for one in read if one[0] == BYTE and one[2] == GLOBAL}
        sizes |= {one[4] for parts in map(self._words, read) for one in parts}
        if len(sizes) != 1:
            return None
        for pointer in self.terms.joined.get(node[1:3], ()):
            found = self.moved(pointer)
            inside = {self._distance(one, at) for one, at in zip(read, self.terms.edges[pointer], strict=False)}
            if found is not None and len(inside) == 1 and (off := inside.pop()) is not None:
                return (BYTE, self.terms.add(pointer, off), GLOBAL, found[0] + off, found[1][2], *sizes)
        return None

    def _distance(self, read: tuple[Any, ...], pointer: int) -> int | None:
        """How far behind a pointer something was read; None when that is not known."""
        base, inside = self.terms.based(pointer)
        if read[0] == BYTE:
            other, off = self.terms.based(read[1])
            return off - inside if other == base else None
        words, spots = self._words(read), self.terms.locate(pointer)
        if not words or not spots or any(root != GLOBAL for root, _, _ in spots):
            return None
        return int(min(one[2] for one in words)) - min(spot[1] for spot in spots)

    def _words(self, read: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """The words of the first entries that something may be, before it is known that a loop reads on."""
        parts = [self.terms.nodes[one] for one in read[1]] if read[0] == MERGE else [read]
        known = all(one[0] == LOAD and one[1] == GLOBAL and not one[3] for one in parts)
        return parts if known and len({one[4] for one in parts}) == 1 else []

    def _field(self, node: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The node of a field of an entry, as it is read from the first entry on: a pointer that a loop moves is seen
        at the first entry and at the second.
        """
        if node[0] == BYTE:
            return node if node[2] == GLOBAL and node[4] > 1 else None
        if node[0] == PHI:
            return self._ahead(node)
        if node[0] != MERGE:
            return None
        parts = [self.terms.nodes[one] for one in node[1]]
        same = {(one[0], one[1], one[2], *one[4:]) for one in parts if one[0] == BYTE}
        if len(same) != 1 or any(one[0] != BYTE or one[2] != GLOBAL or one[4] < 2 for one in parts):
            return None
        first = min(parts, key=lambda one: int(one[3]))
        return first if all((one[3] - first[3]) % first[4] == 0 for one in parts) else None
