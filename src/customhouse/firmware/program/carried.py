"""What was asked before bytes from outside were put where a command's text is read: on the way from a call that
received them, from store to store.

A place that is written in several ways tells what was asked on all of those that bring the bytes. Of what a function
finds by a key, that is the key.
"""

from collections.abc import Iterable
from functools import cached_property

from .asked import IS, Words, both, common
from .asking import Asking
from .before import Before
from .passages import At
from .state import EMPTY, Content, Dep
from .stored import Stored
from .summary import Event
from .terms import ADDR, GLOBAL, PARAM, RESULT, STACK, Location
from .views import text_of, view

_LEVELS = 24
_DEEPEST = 8
"""Calls on the way to what writes."""
_MOST_STORES = 60
_Put = tuple[Stored, Content, list[Dep]]
_NOTHING: frozenset[Dep] = frozenset()


class Carried:
    """Answers for the bytes of one call, which a term names."""

    def __init__(self, before: Before, origin: int) -> None:
        self.before = before
        self.needed = needed = before.needed
        self.store = store = before.store
        self.terms = needed.terms
        self.given = needed.given
        self.stores = store.validity.stores
        self.passages = store.validity.passages
        self.origin = self.terms.nodes[origin][1:3]
        self._known: dict[tuple[object, ...], Words | None] = {}
        self._put_by: dict[Location, set[Dep]] = {}
        """By place that was looked at for this question: what was put there."""

    def by(self, chain: tuple[At, ...], content: Content) -> Words:
        """What was asked before the bytes became a part of what the last of a chain of calls is given."""
        self._known.clear()
        self._put_by.clear()
        function, site = chain[-1]
        reading = self.needed.reading(function)
        block = reading.block(site) if reading is not None else None
        out: Words = {}
        if reading is not None and block is not None:
            blocks = [(one, self._block(one, at)) for one, at in chain[:-1]]
            given = [one for call in reading.trace.made.get(block, ()) for one in call.arguments]
            out = self._all(self._pointer((function, block), one, tuple(blocks), 0) for one in given) or {}
        first, site = chain[0]
        there = (first, self._block(first, site))
        return both(self.needed.closed(self._parts(there, content.deps, (), 0) or {}), self.needed.closed(out))

    def _block(self, function: int, site: int) -> int:
        reading = self.needed.reading(function)
        found = reading.block(site) if reading is not None else None
        return site if found is None else found

    def _all(self, ways: Iterable[Words | None]) -> Words | None:
        """What was asked on each of the ways that bring the bytes."""
        there = [one for one in ways if one is not None]
        return common(there) if there else None

    def _parts(
        self, at: At, deps: Iterable[Dep], chain: tuple[At, ...], level: int, own: Location | None = None
    ) -> Words | None:
        """The same of a text in a block, which is put to its `own` place there."""
        ordered = sorted(deps, key=lambda one: (one[0] == "X", one))
        ways = {dep: self._part(at, dep, chain, level, own) for dep in ordered}
        there = [dep for dep, words in ways.items() if words is not None]
        return self._all(ways[dep] for dep in there if not any(self._brings(one, dep) for one in there))

    def _brings(self, one: Dep, other: Dep) -> bool:
        """Whether a part of a text was put where another part lies, which is then told with that one."""
        own, others = (self._put_by.get(dep[1:4], _NOTHING) for dep in (one, other))
        return one[:4] != other[:4] and self._named(other) in own and self._named(one) not in others

    def _named(self, dep: Dep) -> Dep:
        """A part of a text, without what it is safe for; of what a call gave, the call."""
        return dep[:4] if dep[0] != "X" else ("X", *self.terms.nodes[dep[1]][1:3])

    def _part(self, at: At, dep: Dep, chain: tuple[At, ...], level: int, own: Location | None = None) -> Words | None:
        """What was asked before the bytes came to be a part of a text that is read in a block; None when this part
        does not bring them.
        """
        if dep[0] == "X":
            here = {} if self.terms.nodes[dep[1]][1:3] == self.origin else self._through(dep[1], level)
            return here if here is None or level > _LEVELS else self._read(at, dep, own, here, chain, level)
        if dep[0] == "V":
            return self._all([self._pointer(at, one, chain, level) for one in self.store.texts_of(dep)])
        there = self._place(at, dep[1:4], chain, level)
        return None if there is None else both(there, self._given(at, dep[1:4]))

    def _read(
        self, at: At, dep: Dep, own: Location | None, here: Words, chain: tuple[At, ...], level: int
    ) -> Words | None:
        """Of bytes that a function knows: what was asked before they came to where the call in a block reads them."""
        reading = self.needed.reading(at[0])
        call = self.terms.nodes[dep[1]][1:3]
        if reading is None or at[1] == reading.block(call[0]):
            return here  # they come in here
        kept = {one.place[:2] for one in self.before.told.get(at[0], ()) if call in one.calls}
        kept -= {own[:2]} if own is not None else set()
        given = [one for made in reading.trace.made.get(at[1], ()) for one in made.arguments]
        there = [one for one in dict.fromkeys(given) if any(spot[:2] in kept for spot in self.terms.locate(one))]
        if not there:
            return here
        found = self._all([self._pointer(at, one, chain, level + 1) for one in there])
        return None if found is None else both(here, found)

    def _through(self, read: int, level: int) -> Words | None:
        """Of what was written to the pipe or the file that a call reads."""
        if (read,) not in self._known:
            self._known[read,] = None
            self._known[read,] = self._written(read, level)
        return self._known[read,]

    def _written(self, read: int, level: int) -> Words | None:
        node = self.terms.nodes[read]
        mine = self.store.channels(node[3][0]) if node[0] == RESULT and node[3] else frozenset()
        ways = []
        for function, sent in self._sent.items():
            for block, event in sent:
                at = (function, block)
                if mine and not self.needed.whole.is_open(event) and self.store.channels(event[1]) & mine:
                    there = self._parts(at, event[2].deps, (), level + 1)
                    before = self.needed.closed(self._sending(at, (), level + 1))
                    ways.append(
                        None if there is None else both(there, both(self.needed.entered(function) or {}, before))
                    )
        return self._all(ways)

    def _sending(self, at: At, chain: tuple[At, ...], level: int) -> Words:
        """What was asked before a block writes the bytes to a descriptor, or a function that it calls."""
        reading = self.needed.reading(at[0])
        ways: list[Words] = []
        for callee, arguments in self.before.callees(at) if len(chain) < _DEEPEST else ():
            for block, event in self._sent.get(callee, ()):
                inner, way = (callee, block), (*chain, at)
                if self._parts(inner, event[2].deps, way, level + 1) is not None:
                    there = self.given.words(self._sending(inner, way, level + 1), arguments)
                    ways.append(both(self.needed.led(at, callee), there))
        return both((reading.at(at[1]) if reading is not None else None) or {}, common(ways) if ways else {})

    @cached_property
    def _sent(self) -> dict[int, list[tuple[int, Event]]]:
        """By function: what its blocks write to descriptors."""
        out: dict[int, list[tuple[int, Event]]] = {}
        for function, sites in self.needed.whole.sites.items():
            for block, events in sites.events.items():
                for event in events:
                    if event[0] == "out" and event[2].deps:
                        out.setdefault(function, []).append((block, event))
        return out

    def _given(self, at: At, place: Location) -> Words:
        """What was asked by functions of the program that gave what the call in a block is given, where that leads to
        a place. Of several that may have given it, what was asked by each.
        """
        reading = self.needed.reading(at[0])
        if reading is None:
            return {}
        given = {self._based(one) for call in reading.trace.made.get(at[1], ()) for one in call.arguments}
        there = [one for one in given if any(_meets(spot, place) for spot in self.terms.locate(one))]
        if not there or any(one not in reading.results for one in there):
            return {}
        return common([self._found(reading, one) for one in sorted(there)])

    def _based(self, term: int) -> int:
        node = self.terms.nodes[term]
        return int(node[1]) if node[0] == ADDR else term

    def _pointer(self, at: At, pointer: int, chain: tuple[At, ...], level: int) -> Words | None:
        """The same of the text that a pointer points to in a block."""
        if level > _LEVELS:
            return {}
        reading = self.needed.reading(at[0])
        base = self._based(pointer)
        number = self.terms.value(pointer)
        if (number is not None and number < self.terms.floor) or self.given.text(pointer) is not None:
            return None
        there = self._all([self._place(at, one, chain, level) for one in self.terms.locate(pointer)])
        if there is None or reading is None or base not in reading.results:
            return there
        return both(there, self._found(reading, base))

    def _found(self, reading: Asking, result: int) -> Words:
        """What was asked by a function of the program before it gave a text that is not its own."""
        ways: list[Words] = []
        for call in reading.results[result]:
            inner = self.needed.reading(call.target)
            for value, words in inner.returned() if inner is not None else ():
                if self.given.text(value) is None and self.terms.value(value) != 0:
                    ways.append(self.given.words(words, call.arguments))
        return common(ways) if ways else {}

    def _place(self, at: At, place: Location, chain: tuple[At, ...], level: int) -> Words | None:
        if level > _LEVELS:
            return {}
        is_open = self.terms.open[place[0]]
        own = not is_open and self.terms.nodes[place[0]] == (STACK, at[0])
        asked = (at, place, chain) if own else (at[0], place, chain) if is_open else (place,)
        if asked in self._known:
            return self._known[asked]
        self._known[asked] = None
        out = self._callers(at, place, chain, level) if is_open else self._stored(at, place, chain, level)
        self._known[asked] = out
        return out

    def _callers(self, at: At, place: Location, chain: tuple[At, ...], level: int) -> Words | None:
        """Of a place that a parameter leads to: what the callers gave."""
        root, offset, stride = place
        ways: list[Words | None] = []
        for one in chain[-1:] or self.passages.callers.get(at[0], []):
            reading = self.needed.reading(one[0])
            for call in reading.trace.made.get(one[1], ()) if reading is not None else ():
                if call.target == at[0]:
                    there = self.given.term(root, call.arguments)
                    if there >= 0:
                        ways.append(self._pointer(one, self.terms.add(there, offset, stride), chain[:-1], level + 1))
                    elif self.terms.nodes[root][0] != PARAM:  # else it is one behind those that are known
                        ways.append({})
        return self._all(ways)

    def _stored(self, at: At, place: Location, chain: tuple[At, ...], level: int) -> Words | None:
        """Of a place that is the same for all: what was asked where texts were put there."""
        ways: list[Words | None] = []
        for base in self.store.bases(*place):
            node = self.terms.nodes[base[0]]
            if base[0] != GLOBAL and node[0] == RESULT:
                ways.append({} if node[1:3] == self.origin else None)
            found = self._frame(at, base) if node == (STACK, at[0]) else self._puts(base)
            if len(found) > _MOST_STORES:
                ways.append({})
                continue
            for one, content, deps in found:
                there = self._parts(one.at, deps, chain if node == (STACK, at[0]) else (), level + 1, one.event[1:4])
                if there is not None:
                    ways.append(both(there, self.before.of(one)))
                    self._put_by.setdefault(place, set()).update(map(self._named, _fresh(one, content)))
        out, key = self._all(ways), self._key(place[0])
        return both(out, {(IS, key): frozenset()}) if key and out is not None else out

    def _frame(self, at: At, place: Location) -> list[_Put]:
        """The stores to a place of a function's own frame that may have been the last before a block reads it: the
        frame's memory is used again.
        """
        last = self._last(at, place)
        own = [one for one in self.stores.of(place[0]) if one.at[0] == at[0] and (last is None or one.at[1] in last)]
        return [put for one in own if (put := self._put(one, place)) is not None]

    def _puts(self, place: Location) -> list[_Put]:
        """The stores to a place; to one that is found by a key, also those to all of its like that are not under
        another key.
        """
        base = place[0]
        (root, start, step), asked = view(self.terms, *place)
        out = [
            put
            for one in self.stores.of(base)
            if one.closed or one.event[0] == "word"
            if (put := self._put(one, place)) is not None
        ]
        if root != base:
            shown = set(self.store.visible(root, asked))
            whole = [one for one in self.stores.of(root) if one.closed and one.event[0] == "text"]
            seen = [one for one in whole if (one.offset, one.stride, one.event[4]) in shown]
            out += [put for one in seen if (put := self._put(one, (root, start, step))) is not None]
        return out

    def _put(self, one: Stored, place: Location) -> _Put | None:
        """A store to a place, with the parts that it puts there."""
        if one.event[0] == "word":
            deps = self._moved(one, place)
            return (one, EMPTY, deps) if deps else None
        if not one.event[4].deps or not self.store.covers(*place, one.offset, one.stride, one.event[4]):
            return None
        return one, one.event[4], self._texts(one, place)

    def _last(self, at: At, place: Location) -> set[int] | None:
        """The blocks that may have been the last to store at a place of a function's own frame before a block reads it:
        the frame's memory is used again.
        """
        reading = self.needed.reading(at[0])
        if reading is None or at[1] not in reading.blocks:
            return None
        told = self.before.told.get(at[0], ())
        storing = {one.block for one in told if one.kind == "text" and one.place[:2] == place[:2]}
        out, work = {at[1]}, list(reading.before(at[1]))
        while work:
            block = work.pop()
            if block not in out:
                out.add(block)
                work += reading.before(block) if block not in storing else ()
        return out

    def _key(self, root: int) -> str | None:
        node = self.terms.nodes[root]
        return text_of(self.terms, node[2]) if root != GLOBAL and len(node) > 2 and node[0] in (2, 13) else None

    def _texts(self, one: Stored, place: Location) -> list[Dep]:
        """The parts of a text that was stored; of a copy, what lies in it at the place."""
        content: Content = one.event[4]
        out = []
        for dep in _fresh(one, content):
            if content.verbatim and dep[0] == "T":
                stride = one.stride or place[2]
                inside = (place[1] - one.offset) % stride if stride else place[1] - one.offset
                out.append((*dep[:2], dep[2] + inside, *dep[3:]))
            else:
                out.append(dep)
        return out

    def _moved(self, one: Stored, place: Location) -> list[Dep]:
        """A text of which a word was copied to the place."""
        out: list[Dep] = []
        back = place[1] - one.offset
        if not 0 <= back < self.terms.word:
            return out
        for value in self.terms.flat(one.event[5]):
            for size in (4, 8):
                found = self.terms.moved(value, size, back) if back < size <= self.terms.word else None
                if found is not None:
                    out.append(("T", *found, 0))
        return out


def _fresh(one: Stored, content: Content) -> list[Dep]:
    """What a store puts somewhere, but for what lay there before."""
    return [dep for dep in content.deps if dep[:4] != ("T", *one.event[1:4])]


def _meets(spot: Location, place: Location) -> bool:
    """Whether a pointer to a spot is one to a place, or to another field of what a pointer leads to."""
    return spot[0] == place[0] and (spot[0] != GLOBAL or spot[1:] == place[1:])
