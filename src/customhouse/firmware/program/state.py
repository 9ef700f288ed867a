"""What is known at one point of a function: registers, memory cells, texts in buffers, and facts that checks
established.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from . import quoting
from .terms import Location

Dep = tuple[Any, ...]
"""What a text is made of: `("X", result term, 0, 0, safe)` bytes from a source, `("T", root, offset, stride, safe)`
what memory held before,
`("V", format term, argument terms, 0, safe)` a format that is not known yet. `safe` has a bit for each beginning of
the line (see `quoting`) from which a shell takes the text as a word, whatever it is."""

Fact = tuple[Any, ...]
"""`("lacks", pointer term, mask of bytes)`, `("first", pointer term, mask of bytes, n)` (the first n bytes lack them),
`("given", pointer term, mask of bytes, tally, what it has to be, loop's head)` (the text lacks them if the tally says
so: `FAULTS`, `HOLDS`, `ALL`, or a number that it is equal to), `("when", pointer term, mask of bytes, other pointer
term, text)` (lacks them if the other is the text), `("upto", pointer term, other pointer term, mask of bytes)` (those
between lack them), `("ends", pointer term, n)` (the text is no longer than n bytes), `("eq", pointer term, text)`,
`("ne", pointer term, text)` (of keys of tables), `("same", pointer term, other pointer term)` (equal texts), `("copy",
pointer term, other pointer term, count)` (see `duplicates`), `("number", parameter, number)`, `("entry", parameter,
...)` (the key of an entry, see `Rows.keyed`), `("word", root, offset, size, value)`, `("holds", root, offset, ...)` (a
condition on that word, see `fieldtests`), `("most", term, other term, k)`: the one is at most the other plus k; neither
carries an offset of its own."""

NUMBER, ENTRY = "number", "entry"
UPTO = "upto"
COPY = "copy"
WHEN, GIVEN = "when", "given"
FAULTS, HOLDS, ALL = -1, -2, -3
"""What a tally of a loop says when nothing was amiss: it is 0, it is not 0, it is as long as the text."""
CHECKED = frozenset(("lacks", "first", "ends", UPTO, WHEN, GIVEN))
"""Facts that a check of a text's bytes established: they are gone when other bytes are written there."""

_COMPARED = frozenset(("eq", "word", "holds"))
_OF_TEXTS = frozenset(("eq", "ne", "same", "lacks"))
_MAX_DEPS = 12
_MAX_FACTS = 60
_SPREAD = 4096
T = TypeVar("T")


class Content(NamedTuple):
    """Text in a buffer: what it is made of, and its form with `%s` for what is not constant. `extent` in bytes, 0
    when unknown.

    `verbatim` when the buffer is a byte-for-byte copy of the one dependency, so that offsets carry over. `grown` when
    it was written byte by byte in a loop, and how far is not known. `room`: a number of bytes that a caller gives
    and the text does not pass (`put(buffer, sizeof buffer, text)`), -1 when there is none. `appended`: the instructions
    that have gone on with it since it began.
    """

    deps: frozenset[Dep]
    template: str
    extent: int = 0
    verbatim: bool = False
    grown: bool = False
    room: int = -1
    appended: frozenset[int] = frozenset()


EMPTY = Content(frozenset(), "")


def literal(text: str) -> Content:
    return Content(frozenset(), text, len(text) + 1)


def either(a: Content, b: Content, place: Location | None = None) -> Content:
    """What the text is when it may be one or the other. `place`: where it lies. If one of the two is only what lay
    there before, the other tells how long the text is: what lay there before was written somewhere too.
    """
    if a == b:
        return a
    deps = _united(a.deps, b.deps)
    if bool(a.deps) != bool(b.deps):
        template = a.template if a.deps else b.template
    else:
        template = min((a.template, b.template), key=lambda one: (-len(one), one))
    return Content(
        deps,
        template,
        _extent(a, b, place),
        a.verbatim and b.verbatim and a.deps == b.deps,
        a.grown or b.grown,
        _room(a, b, place),
        a.appended | b.appended,
    )


def _extent(a: Content, b: Content, place: Location | None) -> int:
    told = _other(a, b, place)
    if told is not None:
        return told.extent
    return max(a.extent, b.extent) if a.extent and b.extent else 0


def _room(a: Content, b: Content, place: Location | None) -> int:
    told = _other(a, b, place)
    if told is not None:
        return told.room
    return a.room if a.room == b.room else -1


def _other(a: Content, b: Content, place: Location | None) -> Content | None:
    """The one of two texts that is not just what lay at the place before."""
    before = None if place is None else frozenset({("T", *place, False)})
    if a.verbatim and a.deps == before:
        return b
    return a if b.verbatim and b.deps == before else None


def cut(content: Content, at: int) -> tuple[Content, Content] | None:
    """The two parts of a copy of an object, before and behind so many bytes; None when it is none, or not as long."""
    if not content.verbatim or len(content.deps) != 1 or not 0 < at < content.extent:
        return None
    kind, root, offset, stride, bits = next(iter(content.deps))
    if kind != "T":
        return None
    rest = Content(frozenset({(kind, root, offset + at, stride, bits & quoting.OWN)}), "%s", content.extent - at, True)
    return content._replace(extent=at), rest


def joined(a: Content, b: Content) -> Content:
    """Concatenation."""
    behind = settled(b.deps, (quoting.after(quoting.START, a.template),))
    extent = a.extent + b.extent - 1 if a.extent and b.extent else 0
    template = (a.template + b.template)[:400]
    return Content(_united(a.deps, behind), template, extent, grown=a.grown or b.grown, appended=a.appended)


def form(content: Content) -> str:
    """The text's form with holes where its parts are. What was put together in memory was settled there."""
    return "%s" if content.grown else content.template


def continued(a: Content, b: Content) -> Content:
    """What lies one behind the other in memory; what `b` is safe for was settled when it was put there."""
    return Content(_united(a.deps, b.deps), (a.template + b.template)[:400], grown=a.grown or b.grown)


def settled(deps: frozenset[Dep], where: tuple[quoting.Places, ...]) -> frozenset[Dep]:
    """What texts are safe for once they stand in a line at these places."""
    if not deps or not where or where == (quoting.START,):
        return deps
    return frozenset((*dep[:4], quoting.inside(dep[4], where)) for dep in deps)


def changed(deps: frozenset[Dep]) -> frozenset[Dep]:
    """Bytes computed from the texts: nothing that was known of those holds for them."""
    return frozenset((*dep[:4], quoting.CHANGED) for dep in deps)


def kept(deps: frozenset[Dep], bits: int) -> frozenset[Dep]:
    """The same texts after a check that keeps them safe for these beginnings."""
    return frozenset((*dep[:4], dep[4] | bits) for dep in deps) if bits else deps


def bare(content: Content) -> Content:
    """A text as if nothing were known of what it is safe for."""
    return content._replace(deps=frozenset((*dep[:4], 0) for dep in content.deps))


def _united(a: frozenset[Dep], b: frozenset[Dep]) -> frozenset[Dep]:
    if b <= a:
        return a
    return b if a <= b else few(a | b)


def few(deps: frozenset[Dep]) -> frozenset[Dep]:
    """A set within the limit; which parts are dropped does not depend on the order of sets.

    When there are too many, those that another one covers go first: what lies anywhere behind an offset includes what
    lies behind a later one.
    """
    if len(deps) <= _MAX_DEPS:
        return deps
    spread: dict[tuple[int, bool], int] = {}
    for dep in deps:
        if dep[0] == "T" and dep[3] == 1:
            key = (dep[1], dep[4])
            spread[key] = min(dep[2], spread.get(key, dep[2]))
    kept = [dep for dep in deps if not _covered(dep, spread.get((dep[1], dep[4])))]
    kept.sort()
    kept.sort(key=lambda dep: dep[0] != "X")  # sources first
    return frozenset(kept[:_MAX_DEPS])


def _covered(dep: Dep, start: int | None) -> bool:
    """Whether what lies anywhere behind `start` in the same object includes it."""
    return dep[0] == "T" and start is not None and 0 < dep[2] - start + (dep[3] != 1) < _SPREAD


def same(facts: Iterable[Fact]) -> list[tuple[int, int]]:
    """The pointers to texts that were found to be the same, either way round."""
    return [side for fact in facts if fact[0] == "same" for side in (fact[1:], fact[:0:-1])]


def comparisons(facts: Iterable[Fact]) -> frozenset[Fact]:
    """The facts that tell what a text or a word in memory was found to be."""
    return frozenset(fact for fact in facts if fact[0] in _COMPARED)


class Places(dict[Location, T]):
    """What is held at locations, with those of each root at hand: most questions are about one object."""

    __slots__ = ("_roots",)

    def __init__(self, items: Iterable[tuple[Location, T]] = ()) -> None:
        super().__init__()
        self._roots: dict[int, tuple[Location, ...]] = {}
        for key, value in items:
            self[key] = value

    def __setitem__(self, key: Location, value: T) -> None:
        if key not in self:
            self._roots[key[0]] = (*self._roots.get(key[0], ()), key)
        super().__setitem__(key, value)

    def __delitem__(self, key: Location) -> None:
        super().__delitem__(key)
        self._roots[key[0]] = tuple(one for one in self._roots[key[0]] if one != key)

    def of(self, root: int) -> tuple[Location, ...]:
        """The places under one root, oldest first."""
        return self._roots.get(root, ())

    def copy(self) -> "Places[T]":
        new: Places[T] = Places()
        new.update(self)
        new._roots = self._roots.copy()
        return new


class Case(NamedTuple):
    """One of the ways by which control may have come here: what holds on it beyond what holds on all of them."""

    values: dict[int, int]
    """For phis: what they are on this way."""
    facts: frozenset[Fact]
    ranges: dict[int, tuple[int, int]]
    masks: dict[int, int]


class State:
    """Mutable; copied at branches."""

    __slots__ = ("cases", "facts", "masks", "private", "ranges", "registers", "shared", "texts", "untold", "words")

    def __init__(self) -> None:
        self.registers: dict[int, int] = {}
        self.words: Places[tuple[int, int]] = Places()
        self.texts: Places[Content] = Places()
        self.facts: frozenset[Fact] = frozenset()
        self.masks: dict[int, int] = {}
        """Which byte values (a bit each) a byte-sized term can still have."""
        self.ranges: dict[int, tuple[int, int]] = {}
        self.cases: tuple[Case, ...] = ()
        """One of these is what happened, if there are any: they are kept apart where their facts differ, so that a
        later test of what distinguishes them tells the facts again.
        """
        self.private: frozenset[int] = frozenset()
        """Heap objects that only this function can reach yet, and in `shared` those that it gave to others."""
        self.shared: frozenset[int] = frozenset()
        self.untold: frozenset[Location] = frozenset()
        """Places of texts that nobody else had the time to read yet, see `untold`."""

    def learn(self, facts: frozenset[Fact]) -> None:
        """Add facts, while there are not too many. What a text is, or does not have, comes before numbers."""
        if len(self.facts) < _MAX_FACTS:
            self.facts = self.facts | facts
        elif len(self.facts) < 2 * _MAX_FACTS:
            self.facts = self.facts | {fact for fact in facts if fact[0] in _OF_TEXTS}

    def word(self, pointer: int) -> str | None:
        """The word that a text was found to be, to its end."""
        words = [fact[2] for fact in self.facts if fact[:2] == ("eq", pointer)]
        if len(words) != 1 or not any(
            fact[:2] == ("lacks", pointer) and not fact[2] + 1 & fact[2] for fact in self.facts
        ):
            return None
        return str(words[0])

    def copy(self) -> "State":
        new = State.__new__(State)
        new.registers = self.registers.copy()
        new.words = self.words.copy()
        new.texts = self.texts.copy()
        new.facts = self.facts
        new.masks = self.masks.copy()
        new.ranges = self.ranges.copy()
        new.cases = self.cases
        new.private, new.shared, new.untold = self.private, self.shared, self.untold
        return new

    def probe(self) -> "State":
        """What is known of values here, to be refined on trial; nothing of registers and memory."""
        new = State()
        new.facts = self.facts
        new.masks = self.masks.copy()
        new.ranges = self.ranges.copy()
        return new

    def same(self, other: "State") -> bool:
        return (
            self.registers == other.registers
            and self.words == other.words
            and self.texts == other.texts
            and self.facts == other.facts
            and self.masks == other.masks
            and self.ranges == other.ranges
            and self.cases == other.cases
            and (self.private, self.shared, self.untold) == (other.private, other.shared, other.untold)
        )
