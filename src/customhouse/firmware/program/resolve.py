"""The program's memory regardless of order: what any function may have put into globals, heap objects and escaped
frames.

Questions are answered on demand: what does a pointer point to, what is a text made of in the end.
"""

import bisect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from . import quoting
from .formats import conversions
from .library import COMMAND_OPTIONS, SHELL
from .state import Content, Dep, Fact, form
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
    Location,
    overlap,
)

if TYPE_CHECKING:
    from .whole import Whole

_MAX_POINTS = 24
_MAX_TABLE = 128
_MAX_STEPS = 600
"""Places that one text is followed through. In daemons whose memory we can keep apart it is a few dozen."""
_MAX_TEXTS = 2000
_MAX_STRIDED = 400
_MAX_VALUES = 60
_MAX_COPIES = 6
_SPREAD = 1 << 16
"""How far apart two places of one array are at most, in bytes."""
_PREFIX = 16
_ROOM = 4096
"""How far a text of unknown length reaches at most."""
_NOWHERE: frozenset[Location] = frozenset()


_Part = tuple[Dep, str, int, bool]
"""A part of a text, the form of the text, for which beginnings it has to be safe, and whether memory lay between."""


class Origin(NamedTuple):
    """Where bytes come from in the end: a RESULT term, whether a check cleans them, and whether memory lay between."""

    term: int
    clean: bool
    stored: bool


class Cells:
    """The words stored under one root: by exact offset, and those of arrays."""

    def __init__(self, end: Callable[[int, int], int] | None = None) -> None:
        self.exact: dict[int, dict[int, None]] = {}
        self.strided: dict[tuple[int, int, int], None] = {}
        self.end = end or (lambda place, _step: place + _SPREAD)
        """Where an array ends that begins at a place, by its step."""

    def add(self, offset: int, stride: int, value: int) -> bool:
        if stride:
            key = (offset, stride, value)
            if key in self.strided or len(self.strided) > _MAX_STRIDED:
                return False
            self.strided[key] = None
            return True
        values = self.exact.setdefault(offset, {})
        if value in values or len(values) > _MAX_VALUES:
            return False
        values[value] = None
        return True

    def at(self, offset: int, stride: int) -> list[int]:
        """What may be stored at a place."""
        out: list[int] = []
        if not stride:
            out += self.exact.get(offset, ())
        else:
            end = self.end(offset, stride)
            for place, values in self.exact.items():
                if offset <= place < end and overlap(offset, stride, place, 0):
                    out += values
        for place, step, value in self.strided:
            if (place < offset and self.end(place, step) <= offset) or (stride and place >= self.end(offset, stride)):
                continue
            if abs(place - offset) < _SPREAD and overlap(offset, stride, place, step):
                out.append(value)
        return out[:_MAX_VALUES]

    def all(self) -> list[int]:
        return [value for values in self.exact.values() for value in values] + [value for _, _, value in self.strided]


class Store:
    """Flow-insensitive contents, from the events of a whole program."""

    def __init__(self, whole: "Whole") -> None:
        self.whole = whole
        self.terms = whole.terms
        self.image = whole.image
        self.words: dict[int, Cells] = {}
        self.texts: dict[int, dict[tuple[int, int, Content], None]] = {}
        self.puts: dict[str, list[Content]] = {}
        self.standing: dict[int, set[int]] = {}
        """What was put under a fixed number (dup2): standard input and output of children."""
        self.renamed: dict[str, set[str]] = {}
        """Constant file names by the names that they get."""
        self.outs: list[tuple[int, Content, frozenset[Fact]]] = []
        self._points: dict[int, frozenset[Location]] = {}
        self._known: set[int] = set()
        """Terms whose answer of this round is in `_points`; a cycle meets the answer of the round before."""
        self._changed = False
        self.trail: set[Fact] = set()
        """Comparisons that held where the texts of the last question were stored."""
        self.lost = False
        """Whether the last question had no end: its answer is only a part, and most of that is mixed up."""
        self._channels: dict[int, frozenset[object]] = {}
        self._holding: dict[Location, list[tuple[int, int, Content]]] = {}
        self._answers: dict[Location, tuple[tuple[int, ...], tuple[tuple[Dep, str], ...], frozenset[Fact]]] = {}
        """Of places whose texts were asked for: calls that gave them, what else they are made of, proofs."""
        self._starts: dict[int, list[int]] = {}
        later = self._gather()
        for _ in range(6):
            if whole.expired():
                whole.cut = True
                break
            self._known.clear()
            self._changed = False
            placed = self._place(later)
            for root in list(self.words):
                for value in self.words[root].all():
                    self.points(value)
            if not placed and not self._changed:
                break
        self._marks = sorted(self._places())

    def _places(self) -> set[int]:
        cells = self.words.get(GLOBAL)
        return {one[0] for one in self.texts.get(GLOBAL, ())} | set(cells.exact if cells is not None else ())

    def _gather(self) -> list[tuple[Any, ...]]:
        later = []
        for event in self.whole.events:
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
            elif kind == "rename":
                self.renamed.setdefault(event[2], set()).add(event[1])
        return later

    def _add(self, event: tuple[Any, ...], root: int, offset: int, stride: int) -> bool:
        if event[0] == "word":
            return self._cells(root).add(offset, stride, event[5])
        texts = self.texts.setdefault(root, {})
        text = (offset, stride, event[4])
        if text in texts or len(texts) > _MAX_TEXTS:
            return False
        texts[text] = None
        return True

    def _cells(self, root: int) -> Cells:
        cells = self.words.get(root)
        if cells is None:
            cells = self.words[root] = Cells(self._array_end if root == GLOBAL else None)
        return cells

    def _array_end(self, place: int, step: int) -> int:
        """An array of numbers or pointers ends where the code names the next object."""
        if step > self.terms.word:
            return place + _SPREAD
        at = bisect.bisect_right(self.whole.references, place + 2 * step)
        return self.whole.references[at] if at < len(self.whole.references) else place + _SPREAD

    def _place(self, later: list[tuple[Any, ...]]) -> bool:
        """Stores through pointers that memory held: now that more is known, where do they go?"""
        changed = False
        for event in later:
            for root, offset, stride in self.points(event[1]):
                node = self.terms.nodes[root]
                if self._is_place(root, offset) and (root == GLOBAL or node[0] in (HEAP, STACK, RESULT)):
                    changed |= self._add(event, root, offset + event[2], _step(stride, event[3]))
        return changed

    # -- pointers
    def points(self, term: int) -> frozenset[Location]:
        """What the term may point to; constants are locations under GLOBAL."""
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

    def _find(self, term: int) -> frozenset[Location]:  # noqa: C901 - one case a kind; a table of functions would hide the order
        node = self.terms.nodes[term]
        kind = node[0]
        if term == GLOBAL:
            return frozenset({(GLOBAL, 0, 0)})
        if kind == CONST:
            return frozenset({(GLOBAL, node[1], 0)})
        if kind in (HEAP, STACK, RESULT):
            return frozenset({(term, 0, 0)})
        if kind == ADDR:
            mask = self.terms.mask
            return frozenset(
                (root, (off + node[2]) & mask if root == GLOBAL else off + node[2], _step(stride, node[3]))
                for root, off, stride in self.points(node[1])
            )
        if kind in (PHI, MERGE):
            out: frozenset[Location] = frozenset()
            for one in self.terms.flat(term):
                if one != term:
                    out |= self.points(one)
            return out
        if kind == DERIVED:
            return frozenset((root, off, 1) for root, off, _ in self.points(node[1]))
        if kind == LOAD:
            return self._loaded(node[1], node[2], node[3], node[4])
        if kind == BYTE and node[5] == self.terms.word:
            return self._loaded(node[2], node[3], node[4], node[5])
        if kind == OP:
            out = frozenset()
            for root, offset, stride in self.terms.locate(term):
                if root != term:
                    out |= frozenset(
                        (r, o + offset, _step(s, stride))
                        for r, o, s in (self.points(root) if root != GLOBAL else [(GLOBAL, 0, 0)])
                    )
            return out
        return frozenset()

    def _bases(self, root: int, offset: int, stride: int) -> list[Location]:
        if root == GLOBAL:
            return [(GLOBAL, offset, stride)]
        node = self.terms.nodes[root]
        if node[0] in (HEAP, STACK, RESULT):
            return [(root, offset, stride)]
        return [
            (base, off + offset, _step(step, stride))
            for base, off, step in self.points(root)
            if self._is_place(base, off)
        ]

    def _is_place(self, root: int, offset: int) -> bool:
        """Whether a pointer can point there: small constants are numbers that share a cell with pointers."""
        return root != GLOBAL or (offset >= self.terms.floor and self.image.segment(offset) is not None)

    def _loaded(self, root: int, offset: int, stride: int, size: int, copies: int = 0) -> frozenset[Location]:
        out: set[Location] = set()
        for base, off, step in self._bases(root, offset, stride):
            cells = self.words.get(base) if base != GLOBAL or not self.image.constant(off) else None
            for value in cells.at(off, step) if cells is not None else ():
                out |= self.points(value)
            out |= self._copied(base, off, step, size, copies)
            if base == GLOBAL:
                out |= self._initial(off, step, size)
            if len(out) > _MAX_POINTS:
                break
        return frozenset(out)

    def _copied(self, base: int, off: int, step: int, size: int, copies: int) -> set[Location]:
        """Words inside structures that were copied whole; a ring of copies (A to B to A) is followed a few times."""
        out: set[Location] = set()
        if size != self.terms.word or copies >= _MAX_COPIES:
            return out
        for text_off, text_step, content in self.texts.get(base, ()):
            if (
                not content.verbatim
                or not content.extent
                or not overlap(off, step, text_off, text_step, content.extent)
            ):
                continue
            inside = (off - text_off) % _step(step, text_step) if step or text_step else off - text_off
            for dep in content.deps:
                if dep[0] == "T":
                    out |= self._loaded(dep[1], dep[2] + inside, dep[3], size, copies + 1)
        return out

    def _initial(self, address: int, stride: int, size: int) -> set[Location]:
        """Pointers in initialised data; a table is read to its end."""
        out: set[Location] = set()
        count = 1 if not stride else _MAX_TABLE
        word = self.terms.word
        step = stride if stride > 1 else word
        if stride and (size != word or step % word):
            return out
        end = self._table_end(address, step) if stride else 1 << 62
        for index in range(count):
            at = address + index * step
            value = self.image.number(at, size)
            if value is None or at >= end or (stride and not value and self._is_end(at, step)):
                break
            if stride and self.image.movable and at not in self.image.places and self.image.executable(value):
                continue  # a number: an address would have been relocated
            name = self.image.data_imports.get(at)
            if name is not None:
                out.add((self.terms.result("data", name), 0, 0))
            elif self.image.segment(value) is not None or value >= 0xF8000000 or not stride:
                out.add((GLOBAL, value, 0))
            elif value >= self.terms.floor or self.image.constant(address):
                break
        return out

    def _is_end(self, at: int, step: int) -> bool:
        """Whether a word belongs to an entry of nothing but zeros, with which tables end."""
        word = self.terms.word
        if step <= word:
            return False
        around = self.image.bytes_at(at - step + word, 2 * step - word)
        return any(not any(around[start : start + step]) for start in range(0, step, word)) and len(around) >= step

    def _table_end(self, address: int, step: int) -> int:
        """The next address that code names behind the first entries of a table."""
        at = bisect.bisect_right(self.whole.references, address + 2 * step)
        return self.whole.references[at] if at < len(self.whole.references) else 1 << 62

    def started(self, path: int, vector: int) -> list[Content]:
        """What a shell with -c is given, in argument vectors that lie in memory."""
        out = []
        program = self._literals(self.points(path))
        for root, offset, stride in sorted(self.points(vector)):
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
        for root, offset, stride in sorted(self.points(term)):
            if root != GLOBAL or stride or offset < self.terms.floor:
                continue
            if self.image.import_name(offset) or self.image.executable(offset & ~1 if arm else offset):
                out.append(offset)
        return tuple(out[:_MAX_POINTS])

    # -- texts
    def origins(self, content: Content) -> frozenset[Origin]:
        """The sources of a text in the end: everything that its parts lead to, each part followed once."""
        out: set[Origin] = set()
        self.trail = set(self.whole.proofs.get(content, ()))
        seen: set[tuple[Any, ...]] = set()
        work: list[_Part] = [(dep, form(content), 1 << quoting.OUTSIDE, False) for dep in content.deps]
        while work and len(seen) < _MAX_STEPS:
            dep, template, need, stored = work.pop()
            need &= ~dep[4]
            clean = not need
            need = quoting.reached(need, template)
            key = (dep[0], dep[1], dep[2], dep[3], need)
            if key in seen:
                continue
            seen.add(key)
            if dep[0] == "X":
                out.add(Origin(dep[1], clean, stored))
                work += [(one, "%s", need, True) for one in self._written(dep[1])]
            elif dep[0] == "T":
                self._held(dep, need, stored, out, work)
            else:
                shape = max(self.formats(dep), key=len, default="%s")
                work += [(("T", one, 0, 0, 0), shape, need, stored) for one in self.texts_of(dep)]
        self.lost = bool(work) and len(seen) >= _MAX_STEPS
        return frozenset(out)

    def formats(self, dep: Dep) -> list[str]:
        """The format strings that an open format turns out to be."""
        out = []
        for root, offset, stride in sorted(self.points(dep[1])):
            text = self.image.text(offset) if root == GLOBAL and not stride and offset >= self.terms.floor else None
            if text and "%" in text:
                out.append(text)
        return out

    def texts_of(self, dep: Dep) -> list[int]:
        """The arguments of an open format that are texts; all of them when the format stays unknown."""
        arguments: tuple[int, ...] = dep[2]
        texts = self.formats(dep)
        if not texts:
            return list(arguments)
        used: set[int] = set()
        for text in texts:
            index = 0
            for piece in conversions(text):
                if piece.kind:
                    index += piece.stars
                    if piece.kind == "s" and index < len(arguments):
                        used.add(arguments[index])
                    index += 1
        return sorted(used)

    def _held(self, dep: Dep, need: int, stored: bool, out: set[Origin], work: list[_Part]) -> None:
        place = (dep[1], dep[2], dep[3])
        found = self._answers.get(place)
        if found is None:
            found = self._answers[place] = self._answer(place)
        calls, parts, proofs = found
        out.update(Origin(base, not need, stored) for base in calls)
        work += [(one, template, need, True) for one, template in parts]
        self.trail |= proofs

    def _answer(self, place: Location) -> tuple[tuple[int, ...], tuple[tuple[Dep, str], ...], frozenset[Fact]]:
        calls: list[int] = []
        parts: dict[tuple[Dep, str], None] = {}
        proofs: frozenset[Fact] = frozenset()
        for base, off, step in self._bases(*place):
            node = self.terms.nodes[base]
            if base != GLOBAL and node[0] == RESULT:
                if node[1] == "store":
                    stored = [text for name in (node[2], "?") for text in self.puts.get(name, ())]
                    parts.update(((one, form(text)), None) for text in stored for one in text.deps)
                else:
                    calls.append(base)
            parts.update((one, None) for one in self._texts_at(base, off, step))
            for _, _, content in self.holding(base, off, step):
                proofs |= self.whole.proofs.get(content, frozenset())
        return tuple(calls), tuple(parts), proofs

    def holding(self, base: int, off: int, step: int) -> list[tuple[int, int, Content]]:
        """The texts that were written where a place lies, with their offsets and strides."""
        found = self._holding.get((base, off, step))
        if found is None:
            found = [one for one in self.texts.get(base, ()) if self._covers(base, off, step, *one)]
            if not step and all(dep[:3] == ("T", base, off) for one in found for dep in one[2].deps):
                found += self._behind(base, off)
            self._holding[(base, off, step)] = found
        return found

    def _behind(self, base: int, off: int) -> list[tuple[int, int, Content]]:
        """Texts that follow a few bytes which the program put there one by one: an opening quote, a blank, a dash."""
        if self.terms.nodes[base][0] != HEAP:
            return []
        cells = self.words.get(base)
        places = cells.exact if cells is not None else {}
        return [
            one
            for one in self.texts.get(base, ())
            if not one[1] and off < one[0] <= off + _PREFIX and not any(off <= at < one[0] for at in places)
        ]

    def _texts_at(self, base: int, off: int, step: int) -> list[tuple[Dep, str]]:
        """The parts of what lies at a place, each with the form of the text that it is in."""
        out: list[tuple[Dep, str]] = []
        for text_off, text_step, content in self.holding(base, off, step):
            for dep in content.deps:
                if content.verbatim and dep[0] == "T":
                    both = _step(step, text_step)
                    inside = (off - text_off) % both if both else off - text_off
                    out.append((("T", dep[1], dep[2] + inside, dep[3], dep[4]), "%s"))
                else:
                    out.append((dep, form(content)))
        return out + [(one, "%s") for one in self._moved(base, off, step)]

    def _moved(self, base: int, off: int, step: int) -> list[Dep]:
        """Texts that were copied word by word into a place."""
        cells = self.words.get(base)
        if cells is None:
            return []
        out: list[Dep] = []
        # what a frame held when it was copied from there was told with the copy
        own = any(one[:2] == (off, 0) for one in self.texts.get(base, ()))
        for back in range(self.terms.word):
            # how far an array reaches is not known: a word of its elements may lie before this place, and need not
            for value in cells.at(off - back, step) if step else cells.exact.get(off - back, ()):
                for one in self.terms.flat(value):
                    for size in (4, 8):
                        place = self.terms.moved(one, size, back) if back < size <= self.terms.word else None
                        if place is not None and not (own and self.terms.nodes[place[0]][0] == STACK):
                            out.append(("T", *place, False))
        return out[:_MAX_VALUES]

    def _covers(self, base: int, off: int, step: int, text_off: int, text_step: int, content: Content) -> bool:
        if base == GLOBAL and (
            (step > 1 and text_off >= self._table_end(off, step))
            or (text_step > 1 and off >= self._table_end(text_off, text_step))
        ):
            return False
        if content.extent or text_step > 1:
            return overlap(off, step, text_off, text_step, content.extent or 1)
        if base == GLOBAL and not text_step:
            at = bisect.bisect_right(self._marks, text_off)
            end = self._marks[at] if at < len(self._marks) else text_off + _ROOM
        else:
            end = self._next_text(base, text_off)
        room = min(end - text_off, _ROOM) if not text_step else end - text_off
        return overlap(off, step, text_off, 0, room)

    def _next_text(self, base: int, off: int) -> int:
        """Where the next text begins: what a loop writes byte by byte ends there at the latest."""
        starts = self._starts.get(base)
        if starts is None:
            starts = self._starts[base] = sorted({one[0] for one in self.texts.get(base, ())})
        at = bisect.bisect_right(starts, off)
        return starts[at] if at < len(starts) else off + _SPREAD

    def _written(self, term: int) -> list[Dep]:
        """What was written to the pipe or file that a read reads."""
        node = self.terms.nodes[term]
        mine = self.channels(node[3][0]) if node[0] == RESULT and node[3] else frozenset()
        if not mine:
            return []
        found = [one for one in self.outs if one[1].deps and self.channels(one[0]) & mine]
        for _, _, proofs in found:
            self.trail |= proofs
        return [dep for _, content, _ in found for dep in content.deps]

    def channels(self, term: int) -> frozenset[object]:
        """Pipes and constant file names behind a descriptor."""
        found = self._channels.get(term)
        if found is None:
            found = self._channels[term] = self._find_channels(term)
        return found

    def _find_channels(self, term: int) -> frozenset[object]:
        out: set[object] = set()
        for root in self.leaves(term):
            node = self.terms.nodes[root]
            if node[2] == "pipe":
                out.add(("pipe", node[1]))
            elif node[2] in ("fopen", "open", "open64", "fopen64", "mq_open", "mkfifo") and node[3]:
                path = self.terms.nodes[node[3][0]]
                if path[0] == RESULT and path[1] == "path" and path[2] not in ("?", ""):
                    out |= {("path", name) for name in (path[2], *self.renamed.get(path[2], ()))}
        for number in self.constants(term):
            for other in self.standing.get(number, ()) if number < 3 else ():
                if other != term and self.terms.value(other) is None:
                    out |= self.channels(other)
        return frozenset(out)

    def leaves(self, term: int, level: int = 0) -> frozenset[int]:
        """The calls (and library variables) that gave a descriptor, through fdopen, dup and TLS handles."""
        out: set[int] = set()
        for root, _off, _step in self.points(term):
            node = self.terms.nodes[root]
            if root == GLOBAL or node[0] != RESULT:
                continue
            if (
                node[2] in ("fdopen", "dup", "SSL_new", "BIO_new_socket", "BIO_new_fd", "fcntl")
                and node[3]
                and level < 4
            ):
                inner = self.leaves(node[3][0], level + 1)
                out |= inner or {root}
            else:
                out.add(root)
        return frozenset(out)

    def tables(self) -> frozenset[int]:
        """Zeroed globals that are only filled with constants, byte by byte: their addresses as the code names them."""
        cells = self.words.get(GLOBAL)
        if cells is None:
            return frozenset()
        out: set[int] = set()
        texts = [one[0] for one in self.texts.get(GLOBAL, ())]
        values: dict[int, set[int | None]] = {}
        for place, step, value in cells.strided:
            if step == 1:
                values.setdefault(place, set()).add(self.terms.value(value))
        for place, exact in cells.exact.items():
            values.setdefault(place, set()).update(self.terms.value(value) for value in exact)
        for node in self.terms.nodes:
            if node[0] != BYTE or node[2] != GLOBAL or node[5] != 1 or not node[4] or node[3] in out:
                continue
            base = node[3]
            near = [one for place, found in values.items() if base <= place < base + 256 for one in found]
            if not near or not any(near) or any(one is None or one & ~0x0101010101010101 for one in near):
                continue
            if self.image.number(base, 8) == 0 and not any(base <= one < base + 256 for one in texts):
                out.add(base)
        return frozenset(out)

    def constants(self, term: int) -> frozenset[int]:
        return frozenset(off for root, off, stride in self.points(term) if root == GLOBAL and not stride)

    def unresolved(self, term: int) -> bool:
        return self.terms.nodes[term][0] == PARAM or not self.points(term)


def _step(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return abs(a)
