"""What pointers point to, regardless of order: the words and texts of a whole program, and the places behind a term."""

import bisect
from typing import TYPE_CHECKING, Any

from .cells import SPREAD, Cells
from .initial import Initial
from .library import COMMAND_OPTIONS, SHELL
from .nodes import both
from .state import Content, Fact
from .terms import (
    ADDR,
    BYTE,
    CONST,
    DERIVED,
    GLOBAL,
    HEAP,
    KEYED,
    LOAD,
    MERGE,
    NUMERIC,
    OP,
    PHI,
    RECURSION,
    RESULT,
    STACK,
    Location,
    overlap,
)
from .views import Keys, narrowed, view

if TYPE_CHECKING:
    from .whole import Whole

_MAX_POINTS = 24
_MAX_TEXTS = 2000
_MAX_COPIES = 6
_NOWHERE: frozenset[Location] = frozenset()
_NO_FACTS: frozenset[Fact] = frozenset()


class Pointers(Initial):
    """Words and texts from the events of a whole program, and what points where."""

    def __init__(self, whole: "Whole") -> None:
        super().__init__()
        self.whole = whole
        self.terms = whole.terms
        self.image = whole.image
        self.held = whole.held()
        self.puts: dict[str, list[Content]] = {}
        self.standing: dict[int, set[int]] = {}
        """What was put under a fixed number (dup2): standard input and output of children."""
        self.renamed: dict[str, set[str]] = {}
        """Constant file names by the names that they get."""
        self.shells: set[tuple[int, int, int]] = set()
        """Programs that are started and may be shells: path, arguments and standard input."""
        self.scripts: set[str] = set()
        """Files whose lines are run."""
        self.outs: list[tuple[int, Content, frozenset[Fact]]] = []
        self.named: dict[tuple[int, int, int, int], set[Location]] = {}
        """What is put somewhere: how those that put it there name the place."""
        self.names: dict[Location, set[Location]] = {}
        """The same, whatever is put there."""
        self._points: dict[int, frozenset[Location]] = {}
        self._known: set[int] = set()
        """Terms whose answer of this round is in `_points`; a cycle meets the answer of the round before."""
        self._changed = False
        self._settle(self._gather())

    def _settle(self, later: list[tuple[Any, ...]]) -> None:
        """Find what points where until nothing is new; `later` are stores through pointers that memory held."""
        for _ in range(6):
            if self.whole.expired():
                self.whole.cut = True
                break
            self._known.clear()
            self._changed = False
            placed = self._place(later)
            for root in list(self.words):
                for value in self.words[root].all():
                    self.seen(value)
            if not placed and not self._changed:
                break

    def _gather(self) -> list[tuple[Any, ...]]:
        later = []
        for event in [*self.whole.events, *self.whole.uncalled()]:
            kind = event[0]
            if kind in ("word", "text"):
                root = self.terms.nodes[event[1]]
                if event[1] == GLOBAL or root[0] in (HEAP, STACK):
                    self._add(event, event[1], event[2], event[3])
                else:
                    later.append(event)
            elif kind == "put":
                self.puts.setdefault(str(event[2]), []).append(event[3])
            elif kind == "out":
                self.outs.append((event[1], event[2], self.whole.proofs.get(event, frozenset())))
            elif kind == "dup2" and self.terms.value(event[2]) is not None:
                self.standing.setdefault(self.terms.value(event[2]) or 0, set()).add(event[1])
            elif kind == "shell":
                self.shells.add(event[1:4])
            elif kind == "script":
                self.scripts.add(event[1])
            elif kind == "rename":
                self.renamed.setdefault(event[2], set()).add(event[1])
        return later

    def _add(self, event: tuple[Any, ...], root: int, offset: int, stride: int) -> bool:
        (root, offset, stride), keys = view(self.terms, root, offset, stride)
        if event[0] == "word":
            value = self.put(event)
            self.named.setdefault((root, offset, stride, value), set()).add(event[1:4])
            self.names.setdefault((root, offset, stride), set()).add(event[1:4])
            fresh = self.keys.add((root, offset, stride, value), keys)
            return self._cells(root).add(offset, stride, value) or fresh
        texts = self.texts.setdefault(root, {})
        text = (offset, stride, event[4])
        facts = self.held.get(event, _NO_FACTS)
        if text not in texts and len(texts) > _MAX_TEXTS:
            return False
        texts[text] = texts.get(text, facts) & facts
        return self.keys.add((root, *text), keys)

    def put(self, event: tuple[Any, ...]) -> int:
        """What a store puts somewhere. Where a word may be left as it was, that says nothing of the word; and where it
        is not known which of several objects it lies in, it does not mean that it is as it was in another.
        """
        flat = self.terms.flat(event[5])
        own = {one for one in flat if self.terms.nodes[one][:4] == (LOAD, *event[1:4])}
        return self.terms.merge(flat - own) if own and len(own) < len(flat) else int(event[5])

    def _cells(self, root: int) -> Cells:
        cells = self.words.get(root)
        if cells is None:
            cells = self.words[root] = Cells(self.array_end if root == GLOBAL else None)
        return cells

    def array_end(self, place: int, step: int) -> int:
        """An array of numbers or pointers ends where the code names the next object. Entries that functions are put in
        are none: those of a table of handlers by number are named one by one where it is filled.
        """
        named = self.whole.references
        at = bisect.bisect_right(named, place + 2 * step)
        while any(self._is_handler(one, place, step) for one in named[at : at + 2]):
            at += 1  # what is named between two of them is an entry as well
        return named[at] if at < len(named) else place + SPREAD

    def _is_handler(self, named: int, place: int, step: int) -> bool:
        """Whether a function and nothing else is put into an entry of an array of pointers."""
        cells = self.words.get(GLOBAL)
        if cells is None or step != self.terms.word or (named - place) % step:
            return False
        values = [self.terms.value(one) for one in cells.exact.get(named, ())]
        return bool(values) and all(one is not None and self._is_code(one) for one in values)

    def _is_code(self, value: int) -> bool:
        place = value & ~1 if self.whole.arm else value
        return value >= self.terms.floor and bool(self.image.executable(place))

    def _place(self, later: list[tuple[Any, ...]]) -> bool:
        """Stores through pointers that memory held: now that more is known, where do they go?"""
        changed = False
        for event in later:
            for root, offset, stride in self.seen(event[1]):
                node = self.terms.nodes[root]
                if not self._is_place(root, offset) and not self._is_distance(root, offset, event[2]):
                    continue
                if root == GLOBAL or node[0] in (HEAP, KEYED, STACK, RESULT):
                    changed |= self._add(event, root, offset + event[2], both(stride, event[3]))
        return changed

    def points(self, term: int) -> frozenset[Location]:
        """What the term may point to; constants are locations under GLOBAL."""
        return frozenset(view(self.terms, *one).place for one in self.seen(term))

    def seen(self, term: int) -> frozenset[Location]:
        """What the term may point to, with the keys by which it is found: see `views`."""
        if term in self._known:
            return self._points.get(term, _NOWHERE)
        self._known.add(term)
        before = self._points.get(term, _NOWHERE)
        out = self._find(term) | before
        if len(out) > _MAX_POINTS:
            out = before if len(before) == _MAX_POINTS else frozenset(sorted(out)[:_MAX_POINTS])
        if out != before:
            self._points[term] = out
            self._changed = True
        return out

    def _find(self, term: int) -> frozenset[Location]:
        node = self.terms.nodes[term]
        kind = node[0]
        if term == GLOBAL:
            return frozenset({(GLOBAL, 0, 0)})
        if kind == CONST:
            return frozenset({(GLOBAL, node[1], 0)})
        if kind == KEYED:
            return frozenset(narrowed(self.terms, one, node[2]) for one in self.seen(node[1]))
        if kind in (HEAP, STACK):
            return frozenset({(term, 0, 0)})
        if kind == RESULT:
            return self._given(term, node)
        if kind == ADDR:
            return self._beside(node[1], node[2], node[3]) or self._entry(term)
        if kind in (PHI, MERGE):
            return frozenset().union(*(self.seen(one) for one in self.terms.flat(term) if one != term))
        if kind == DERIVED:
            return frozenset((root, off, 1) for root, off, _ in self.seen(node[1]))
        if kind == LOAD:
            return self._loaded(node[1], node[2], node[3], node[4])
        if kind == BYTE and node[5] == self.terms.word:
            return self._loaded(node[2], node[3], node[4], node[5])
        return self._indexed(term) if kind == OP else _NOWHERE

    def _given(self, term: int, node: tuple[Any, ...]) -> frozenset[Location]:
        """What a call gave is an object of its own, but for a function that called itself: it gave what it gives."""
        itself: frozenset[Location] = frozenset({(term, 0, 0)})
        if node[2] != RECURSION:
            return itself
        summary = self.whole.summaries.get(self.terms.nodes[node[3][0]][1])
        found = [self.seen(value) for value, _ in summary.returns] if summary is not None else []
        return _NOWHERE.union(*found) or itself

    def _beside(self, base: int, offset: int, stride: int) -> frozenset[Location]:
        mask = self.terms.mask
        return frozenset(
            (root, (off + offset) & mask if root == GLOBAL else off + offset, both(step, stride))
            for root, off, step in self.seen(base)
            if offset < self.terms.floor or not self._is_count(root)
        )

    def _is_count(self, root: int) -> bool:
        """Whether what a call gave is a number of bytes: what it is added to is the address."""
        node = self.terms.nodes[root]
        return bool(node[0] == RESULT and node[2] in NUMERIC)

    def _entry(self, term: int) -> frozenset[Location]:
        """The entries of a global table that an index is added to."""
        return frozenset(one for one in self.terms.locate(term) if one[0] == GLOBAL and one[2])

    def _indexed(self, term: int) -> frozenset[Location]:
        out: frozenset[Location] = frozenset()
        for root, offset, stride in self.terms.locate(term):
            if root == GLOBAL:
                out |= {(GLOBAL, offset, stride)}
            elif root != term:
                out |= frozenset((r, o + offset, both(s, stride)) for r, o, s in self.seen(root))
        return out

    def bases(self, root: int, offset: int, stride: int) -> list[Location]:
        """The places of objects behind a place that is named by a pointer."""
        if root == GLOBAL:
            return [(GLOBAL, offset, stride)]
        node = self.terms.nodes[root]
        if node[0] in (HEAP, STACK) or (node[0] == RESULT and node[2] != RECURSION):
            return [(root, offset, stride)]
        return [
            (base, off + offset, both(step, stride))
            for base, off, step in self.seen(root)
            if self._is_place(base, off) or self._is_distance(base, off, offset)
        ]

    def _is_place(self, root: int, offset: int) -> bool:
        """Whether a pointer can point there: small constants are numbers that share a cell with pointers."""
        return root != GLOBAL or (offset >= self.terms.floor and self.image.segment(offset) is not None)

    def _is_distance(self, root: int, number: int, address: int) -> bool:
        """Whether a number is how far a field lies from the address that it is added to: a table with `offsetof`. What
        nobody can write to is no such object: it is a field of what a null pointer leads to.
        """
        return (
            root == GLOBAL
            and number < self.terms.floor <= address
            and not self.image.constant(address)
            and self._is_place(GLOBAL, address)
            and self._is_place(GLOBAL, address + number)
        )

    def _loaded(self, root: int, offset: int, stride: int, size: int, copies: int = 0) -> frozenset[Location]:
        out: set[Location] = set()
        for base, off, step in self.bases(root, offset, stride):
            (base, off, step), asked = view(self.terms, base, off, step)  # noqa: PLW2901 - seen by its key
            if base != GLOBAL or not self.image.constant(off):
                for value in self.cells_at(base, off, step, asked):
                    out |= self._given_out(value, asked)
            out |= self._copied(base, off, step, size, copies, asked)
            if base == GLOBAL:
                out |= self.initial(off, step, size)
            if len(out) > _MAX_POINTS:
                break
        return frozenset(out)

    def _given_out(self, value: int, asked: Keys) -> frozenset[Location]:
        """What a word in memory points to; who did not ask by a key sees objects made for keys as what they all are."""
        found = self.seen(value)
        if asked:
            return found
        return frozenset(view(self.terms, *one).place if self.terms.nodes[one[0]][0] == HEAP else one for one in found)

    def _copied(self, base: int, off: int, step: int, size: int, copies: int, asked: Keys) -> set[Location]:
        """Words inside structures that were copied whole; a ring of copies (A to B to A) is followed a few times."""
        out: set[Location] = set()
        if size != self.terms.word or copies >= _MAX_COPIES:
            return out
        for text_off, text_step, content in self.visible(base, asked):
            if (
                not content.verbatim
                or not content.extent
                or not overlap(off, step, text_off, text_step, content.extent)
            ):
                continue
            inside = (off - text_off) % both(step, text_step) if step or text_step else off - text_off
            for dep in content.deps:
                if dep[0] == "T":
                    out |= self._loaded(dep[1], dep[2] + inside, dep[3], size, copies + 1)
        return out

    def started(self, path: int, vector: int) -> list[Content]:
        """What a shell with -c is given, in argument vectors that lie in memory."""
        out = []
        program = self._literals(self.seen(path))
        for root, offset, stride in sorted(self.seen(vector)):
            if not self._is_place(root, offset):
                continue
            before = set(program)
            for index in range(8):
                held = self._loaded(root, offset + index * self.terms.word, stride, self.terms.word)
                texts = self._literals(held)
                if texts & COMMAND_OPTIONS and any(SHELL.search(one) for one in before):
                    given = self._loaded(root, offset + (index + 1) * self.terms.word, stride, self.terms.word)
                    out.append(
                        Content(frozenset(("T", *one, False) for one in given if self._is_place(*one[:2])), "%s")
                    )
                    break
                before |= texts
        return [one for one in out if one.deps]

    def _literals(self, places: frozenset[Location]) -> set[str]:
        """The constant strings among places."""
        found = (self.image.text(off) for root, off, step in places if root == GLOBAL and self.image.constant(off))
        return {one for one in found if one is not None}

    def functions(self, term: int) -> tuple[int, ...]:
        """Code addresses that a called pointer may be."""
        out = []
        arm = self.whole.arm
        for root, offset, stride in sorted(self.seen(term)):
            if root != GLOBAL or stride or offset < self.terms.floor:
                continue
            if self.image.import_name(offset) or self.image.executable(offset & ~1 if arm else offset):
                out.append(offset)
        return tuple(out[:_MAX_POINTS])

    def constants(self, term: int) -> frozenset[int]:
        return frozenset(off for root, off, stride in self.seen(term) if root == GLOBAL and not stride)
