"""How long texts and numbers can be that someone outside chooses.

A length is told by a constant, by the width of a number that someone outside chooses, by the buffer that a string lies
in, or by what it was compared with. A length that was compared with something whose size is not known is believed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import bounds, counters, gathered, lift
from .extents import Extents
from .held import Held, chosen, most
from .names import WRITTEN
from .state import Content, Fact
from .summary import FILLS, LOOP, Event
from .tables import table
from .terms import ADDR, BYTE, CONST, DERIVED, GLOBAL, HEAP, LOAD, MERGE, OP, PHI, RECURSIVE, RESULT, STACK, Location

if TYPE_CHECKING:
    from .whole import Whole

HUGE = bounds.HUGE
"""As long as someone outside wants."""
_STRINGS = frozenset(("strlen", "strnlen", "strcspn", "strspn"))
NUMBERS = frozenset(("atoi", "atol", "strtol", "strtoul", "__isoc23_strtol", "__isoc23_strtoul", "number"))
_LINES = frozenset(("getline", "__getline", "getdelim", "__getdelim"))
"""What reads lines of any length."""
_NAMES = table("libc.toml")["names"]
_ENDLESS = frozenset(("getenv", "secure_getenv", *_NAMES["getters"]))
"""What gives text of any length."""
_DEPTH = 8
_FAR = 5
"""So much deeper a number is looked at that another one is compared with, and what it is made of."""
Sources = tuple[tuple[int, int | None], ...]
"""Texts that are copied, each with a bound of its length when one is known."""


class Lengths:
    """Of the terms and texts of one program. `heard` tells which calls receive bytes from outside."""

    def __init__(self, whole: "Whole", heard: Callable[[int], bool] = lambda _term: True) -> None:
        self.whole, self.heard = whole, heard
        self.terms = whole.terms
        self.store = whole.store
        self.extents = Extents(whole)
        self.limits: dict[int, int] = {}
        for event in whole.events:
            if event[0] == "limit":
                self.limits[event[1]] = max(int(event[2]), self.limits.get(event[1], 0))
        self._inputs = {event[1] for event in whole.events if event[0] == "input"}
        sites = {self.terms.nodes[one][1:3]: limit for one, limit in self.limits.items()}
        for one, node in enumerate(self.terms.nodes):
            if node[0] == RESULT and node[1:3] in sites:
                self.limits.setdefault(one, sites[node[1:3]])  # the same call, in the words of a caller
        self._puts = most(whole.puts)
        self._filled_places = {place for place, _ in self._puts}
        self._busy: set[int] = set()
        self._asked: set[Location] = set()
        """Places of which it is being asked what was put there."""
        self._known: dict[Location, int | None] = {}
        self._loops = [one for one in whole.events if one[0] == "over" and one[1] == LOOP]
        self._gathered = [one for one in whole.events if one[0] == FILLS]
        self._inputs |= gathered.begun(self._gathered, self.store.points)
        self._ranges = {one: (0, limit) for one, limit in self.limits.items()}

    def length(self, term: int, facts: frozenset[Fact], level: int = 0) -> int | None:
        """The largest value of a number, `HUGE` when it is whatever someone outside says, None when not known."""
        if term in self._busy:
            return 0  # a value that only shrinks as the loop goes round
        self._busy.add(term)
        best = self._made(term, facts, level)
        self._busy.discard(term)
        if level > _DEPTH:
            return best
        base, more = self.terms.based(term)
        for fact in facts:
            if fact[0] != "most" or (fact[1] != base and not bounds.summand(self.terms, base, fact[1])):
                continue
            if counters.goes_round(self.terms, fact[2]) or self._made_of(fact[2], base, 0):
                continue
            if self._one_of(fact[2], base) and bounds.most(self.terms, fact[2], {}) >= bounds.HUGE:
                continue
            if level + _FAR > _DEPTH and self.terms.nodes[fact[2]][0] != CONST:
                continue  # too far from what was asked for to say that we do not know it
            other = self.length(fact[2], facts - {fact}, level + 3)
            if other is None:
                return 0  # compared with a size that we do not know
            if best is None or other + fact[3] + more < best:
                best = other + fact[3] + more
        return best

    def _one_of(self, term: int, values: int) -> bool:
        """Whether one number is some of the values that the other can be: that tells nothing of how large those are."""
        return self.terms.nodes[term][0] in (PHI, MERGE) and self.terms.flat(term) <= self.terms.flat(values)

    def _made_of(self, term: int, part: int, level: int) -> bool:
        """Whether one number is computed from the other: a comparison of the two bounds neither."""
        node = self.terms.nodes[term]
        if term == part or level > _DEPTH:
            return term == part
        parts = node[2:] if node[0] == OP else node[1:2] if node[0] == ADDR else node[1] if node[0] == MERGE else ()
        return any(self._made_of(one, part, level + 1) for one in parts)

    def _made(self, term: int, facts: frozenset[Fact], level: int) -> int | None:
        node = self.terms.nodes[term]
        kind = node[0]
        if kind == CONST:
            return self.terms.signed(node[1])
        if kind in (BYTE, LOAD):
            return self._read(term, facts, level)
        if level > _DEPTH:
            return None
        written = counters.parts(self.terms, self.whole.counters, term)
        if written is not None:
            return bounds.greatest([self.length(one, facts, level + 1) for one in written])
        if kind == ADDR:  # somewhere behind what it starts as: that it can be too
            start = self._distance(node)
            if start is not None:
                return self.held(start)
            inner = self.length(node[1], facts, level + 1)
            return None if inner is None else inner + int(node[2]) if inner < HUGE else HUGE
        if kind in (PHI, MERGE):
            return bounds.greatest([self._choice(*one, facts, level + 1) for one in chosen(self.terms, term)])
        if kind == RESULT:
            return self._result(term, node, facts, level)
        if kind == OP:
            return self._operation(term, node, facts, level)
        return 0 if node == RECURSIVE else None

    def _choice(self, term: int, put: Location | None, facts: frozenset[Fact], level: int) -> int | None:
        """One of several numbers; `put` is the place into which it was put to be it."""
        known = HUGE if put is None else self._puts.get((put, term), HUGE)
        if put in self._filled_places and (put, term) not in self._puts and self.terms.nodes[term][0] == OP:
            return 0  # what loops were first looked at with
        return bounds.lower(self.length(term, facts, level), known if known < HUGE else None)

    def _distance(self, node: tuple[Any, ...]) -> int | None:
        """Where a distance between two pointers begins, when that is a constant address or a place of a frame."""
        inner = self.terms.nodes[node[1]]
        if inner[0] == OP and inner[1] == lift.SUB and self.terms.nodes[inner[3]][0] == STACK and not node[3]:
            return self.terms.add(inner[3], -int(node[2])) if self.terms.rank(inner[2]) >= 1 else None
        start = -int(node[2])
        if node[3] or start < self.terms.floor or self.terms.nodes[node[1]][0] != DERIVED:
            return None
        return self.terms.const(start)

    def _read(self, term: int, facts: frozenset[Fact], level: int) -> int | None:
        """A number that was read from memory: of its width, and what was put there."""
        node = self.terms.nodes[term]
        size = int(node[5] if node[0] == BYTE else node[4])
        width = (1 << (8 * size)) - 1 if size <= 2 else HUGE if self.tainted(term, 0) else None
        if level > _DEPTH or (width is None and node[0] == BYTE):
            return width if size <= 2 else None
        held = Held(
            self.store, self._puts, self._filled_places, lambda one: self.length(one, facts, level + 2), self._asked
        )
        return bounds.lower(held.most(node), width)

    def _result(self, term: int, node: tuple[Any, ...], facts: frozenset[Fact], level: int) -> int | None:
        name = str(node[2])
        if term in self.limits:
            return self.limits[term]
        if counters.is_written(node):
            return counters.most(self.terms, node, self.held, lambda one: self.length(one, facts, level + 1))
        if name in _STRINGS and node[3]:
            held = self.held(node[3][0])
            return None if held is None else held - 1
        if name.startswith("swap") and node[3]:
            inner = self.length(node[3][0], facts, level + 1)
            return None if inner is None else 65535 if name == "swap2" else HUGE
        if name in NUMBERS or name in _LINES:
            return HUGE if self.tainted(term, 0) else None
        return None

    def _operation(self, term: int, node: tuple[Any, ...], facts: frozenset[Fact], level: int) -> int | None:
        kind = node[1]
        if kind == lift.SUB and self.terms.rank(node[2]) >= 1 and self.terms.rank(node[3]) >= 1:
            return self.held(node[3])
        parts = node[3:5] if kind == lift.SELECT else node[2:4] if kind not in (lift.SUB, lift.DIV) else node[2:3]
        ranges = dict(self._ranges)
        for one in parts:
            known = self.length(one, facts, level + 1)
            if known is None:
                if kind == lift.AND:
                    continue
                return None
            ranges[one] = (0, known)
        found = bounds.most(self.terms, term, ranges)
        return found if found < HUGE else HUGE

    def held(self, pointer: int) -> int | None:
        """The longest text that can lie where the pointer points, with its end: by the object, and by what wrote it.
        None when it is not known where the pointer points.
        """
        return self.longest(Content(frozenset({("T", pointer, 0, 0, False)}), "%s"), 0)

    def _outside(self, pointer: int) -> bool:
        return bool(self.store.origins(Content(frozenset({("T", pointer, 0, 0, False)}), "%s")))

    def tainted(self, term: int, level: int) -> bool:
        """Whether someone outside chooses the number."""
        node = self.terms.nodes[term]
        kind = node[0]
        if level > _DEPTH or kind == CONST:
            return False
        written = counters.parts(self.terms, self.whole.counters, term)
        if written is not None:
            return any(self.tainted(one, level + 1) for one in written)
        deps = self.whole.number_deps.get(term)
        if deps:
            return bool(self.store.origins(Content(deps, "%s")))
        if kind == BYTE:
            return bool(self.store.origins(Content(frozenset({("T", node[2], node[3], node[4], False)}), "%s")))
        if kind == LOAD:
            held = frozenset({("T", node[1], node[2], node[3], False)})
            return node[4] <= 4 and (bool(self.store.origins(Content(held, "%s"))) or self._put(node, level))
        if kind == RESULT:
            return self._given(term, node, level)
        if kind == OP:
            if node[1] == lift.SUB and self.terms.rank(node[2]) >= 1 and self.terms.rank(node[3]) >= 1:
                return self._outside(node[3])
            return any(self.tainted(one, level + 1) for one in node[2:])
        if kind == ADDR:
            start = self._distance(node)
            return self._outside(start) if start is not None else self.tainted(node[1], level + 1)
        if kind in (PHI, MERGE):
            return any(self.tainted(one, level + 1) for one in self.terms.flat(term) if one != term)
        return False

    def _given(self, term: int, node: tuple[Any, ...], level: int) -> bool:
        """Whether a call gives a number that someone outside chooses."""
        if term in self.limits:
            return True
        if (node[2] in _STRINGS or node[2] in NUMBERS or node[2] == WRITTEN) and node[3]:
            return self._outside(node[3][0])
        if node[2] in _LINES:
            return self.heard(term)
        return str(node[2]).startswith("swap") and any(self.tainted(one, level + 1) for one in node[3])

    def _put(self, node: tuple[Any, ...], level: int) -> bool:
        """Whether what was put into a structure's field is chosen outside."""
        for base, off, step in self.store.bases(node[1], node[2], node[3]):
            cells = self.store.words.get(base)
            if cells is not None and any(self.tainted(one, level + 3) for one in cells.at(off, step)):
                return True
        return False

    def longest(self, content: Content, level: int) -> int | None:
        """The longest that a text can be, by the buffers its parts lie in; None when nothing is known of them."""
        if content.deps and all(dep[0] == "X" and not self.heard(dep[1]) for dep in content.deps):
            return None  # a file of the device: as long as the device made it
        if content.grown or content.extent or level > 6:
            return content.extent or None
        found = [self._part(dep, level) for dep in sorted(content.deps)]
        return max((one for one in found if one is not None), default=None)

    def _part(self, dep: tuple[Any, ...], level: int) -> int | None:
        if dep[0] == "X":
            return self.limits.get(dep[1], HUGE) if self.heard(dep[1]) else None
        if dep[0] != "T":
            return None
        found: list[int | None] = []
        for base, off, step in self.store.bases(dep[1], dep[2], dep[3]):
            node = self.terms.nodes[base]
            if base != GLOBAL and node[0] == RESULT:
                found.append(HUGE if node[2] in _ENDLESS else None)
                continue
            found.append(self._place((base, off, step), level))
        return max((one for one in found if one is not None), default=None)

    def _place(self, place: Location, level: int) -> int | None:
        """The longest text at a place, by what was written there and by the object's end."""
        if place in self._known:
            return self._known[place]
        self._known[place] = None  # a text made of itself tells nothing
        base, off, step = place
        own = self.extents.at(place)
        end = off + own if step and own is not None else None  # somewhere in an object is not in the next one
        written = [
            self._filled(base, text_off) if content.grown and not content.extent else self.longest(content, level + 1)
            for text_off, text_step, content in self.store.texts.get(base, ())
            if (end is None or text_off < end)
            and self.store.covers(base, off, step, text_off, text_step, content)
            and not self._ends_before((base, text_off, text_step), off)
        ]
        if written:
            known = [one for one in written if one is not None]
            told = (min if step else max)(known, default=None)  # of places not kept apart the least says enough
            self._known[place] = self._fitted(place, told)
        return self._known[place]

    def _ends_before(self, place: Location, offset: int) -> bool:
        """Whether what is written anywhere into an object of a frame is written into one that ends before an offset."""
        base, start, step = place
        room = self.extents.at(place) if step and self.terms.nodes[base][0] == STACK else None
        return room is not None and start + room <= offset

    def _filled(self, root: int, offset: int) -> int | None:
        """The most bytes that loops copy to a place, or to the one before, with an end."""
        spots = ((spot, most) for _, begin, most in self._gathered for spot in self.store.points(begin))
        found: list[int | None] = [gathered.left(spot, most, root, offset) or None for spot, most in spots]
        for event in self._loops:
            if {at for base, at, _step in self.store.points(event[3]) if base == root} & {offset, offset - 1}:
                told = self.counted(event)
                found.append(None if told is None else self.copied(event, told) + 1)
        return max((one for one in found if one is not None), default=None)

    def _fitted(self, place: Location, written: int | None) -> int | None:
        """What is sure of a text that may be `written` long in an object. That it cannot be longer than the object does
        not say that it can be as long: where the object ends is not known to the byte, and of a global only when
        something is received into it.
        """
        own = self.extents.at(place)
        if written is None or own is None or written <= own:
            return written
        room = self.extents.at
        received = (one <= place[1] < one + (room((GLOBAL, one, 0)) or 0) for one in self._inputs)
        if place[0] == GLOBAL and not any(received):
            return None
        return own // 2

    def text(self, content: Content, sources: Sources, facts: frozenset[Fact], separate: bool = False) -> int:
        """The most bytes that the texts from outside make, with the end; 0 when several of them were measured, unless
        that was by tests of each of them (`separate`).
        """
        if not sources:
            return self.longest(content, 0) or 0
        total = chosen = 1
        tested = found = False
        for source, limit in sources:
            if self.extents.fixed(source):
                continue
            told = self._measured(source, facts)
            known = told if limit is None else min(limit, told or limit)
            outside = self._outside(source)
            held = self.held(source)
            if held is None and self._allocated(source):  # nobody else reaches it: what lies there is told by the copy
                outside = outside or bool(self.store.origins(content))
                held = self.extents.room(source) or self.longest(content._replace(grown=False), 0)
            tested = tested or known is not None
            found = found or (outside and known is None)
            here = self._here(content, source) if len(sources) == 1 else None
            bounds_ = [one for one in (held, known, here) if one is not None]
            if bounds_ and (outside or min(bounds_) < HUGE):
                total += min(bounds_) - 1
                chosen += min(bounds_) - 1 if outside else 0
        if found or (tested and len(sources) == 1):
            return total
        if tested and separate:
            return chosen
        return 0 if tested else max(total, self.longest(content, 0) or 0)

    def _here(self, content: Content, source: int) -> int | None:
        """How long a text is as it is at the copy, by what wrote it: others had the same place in the frame before."""
        places = [] if content.extent or not content.grown else self.extents.targets(source)
        alone = len(places) == 1 and not places[0][2] and self.terms.nodes[places[0][0]][0] == STACK
        return self._filled(*places[0][:2]) if alone else content.extent or None

    def _allocated(self, pointer: int) -> bool:
        """Whether it points to objects on the heap, if to anything that changes: a table may hold functions as well."""
        places = [one for one in self.store.points(pointer) if not self.extents.is_constant(one)]
        return bool(places) and all(self.terms.nodes[root][0] == HEAP for root, _off, _step in places)

    def _measured(self, source: int, facts: frozenset[Fact]) -> int | None:
        """The bound that a comparison of the text's length gives; 0 when it is one that we do not know."""
        for fact in sorted(one for one in facts if one[0] == "most"):
            if self._measures(fact[1], source) and not counters.goes_round(self.terms, fact[2]):
                other = self.length(fact[2], facts - {fact}, 3)
                if other is not None:
                    return other + int(fact[3]) + 1
                if self.terms.nodes[fact[1]][1] != "strlen":
                    return 0  # compared, but with what?
        return None

    def _measures(self, term: int, source: int) -> bool:
        node = self.terms.nodes[term]
        if node[0] == OP and node[1] == lift.ADD:
            return any(self._measures(self.terms.based(one)[0], source) for one in node[2:4])
        if node[0] != RESULT or node[2] not in ("strlen", "strnlen") or not node[3]:
            return False
        (measured, before), (copied, begin) = self.terms.based(node[3][0]), self.terms.based(source)
        return bool(measured == copied and before <= begin)

    def counted(self, event: Event) -> list[int] | None:
        """The bounds that the tests of a copying loop give; None when it is compared with what we do not know."""
        limit, size, facts = event[4], event[6], event[7]
        told = self.length(size, facts) if size != -1 else None
        if size != -1 and (told is None or (self.terms.value(size) is None and not self.tainted(size, 0))):
            return None
        return [one for one in (told, limit) if one is not None]

    def copied(self, event: Event, bounds_: list[int]) -> int:
        """The most bytes that a loop copies: it ends with the text that it reads, or when what it compares says so.
        `read` bytes of the text make `written` of the copy; 0 when each is asked for.
        """
        content, facts, sources, (read, written) = event[5], event[7], event[9], event[10]
        texts = [self.text(content, (one,), facts) for one in sources] or [self.text(content, (), facts)]
        text = max(texts) // read * written if read else HUGE
        return min([text, *bounds_])
