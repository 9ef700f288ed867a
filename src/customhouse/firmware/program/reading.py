"""How what a function's summary says reads at a call."""

from typing import TYPE_CHECKING, Any

from . import counters, fold, quoting
from .fieldtests import HOLDS
from .measured import from_start
from .state import (
    CHECKED,
    ENTRY,
    GIVEN,
    NUMBER,
    UPTO,
    WHEN,
    Content,
    Dep,
    Fact,
    State,
    changed,
    either,
    few,
    form,
    kept,
    same,
    settled,
)
from .summary import MAX_RETURNS, Summary, Verdicts
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
    OP,
    PARAM,
    PHI,
    RECURSIVE,
    RESULT,
    STACK,
    UNKNOWN,
    Location,
)

if TYPE_CHECKING:
    from .activation import Activation

_MOST = 1 << 20
"""Bytes of a buffer; more is no size of one."""
_UNKEYED = 2
"""Parts of the node of an object that has no name by a key."""
_BYTE = 0xFF
"""The most that a byte can be, whatever it is: what bounds one that tells a length its caller may know."""
_SAME = frozenset((CONST, STACK, HEAP, MERGE, OP, RESULT, UNKNOWN))
"""Terms that say the same everywhere unless they speak of parameters."""


class Reading:
    """Terms, texts and facts of a callee, in the words of its caller."""

    def __init__(self, caller: "Activation", state: State, summary: Summary, site: int) -> None:
        self.caller, self.state, self.summary, self.site = caller, state, summary, site
        self.terms = caller.terms
        self.memory = caller.memory
        self.made = {heap: self._made(heap) for heap in summary.fresh}
        """The objects that the callee makes for its caller, by this call."""
        self.known: dict[int, int] = dict(self.made)
        self.recursive = caller.terms.unknown(RECURSIVE[1])
        self._level = 0
        self._partial: set[int] = set()
        """Terms that were read on the way to one that they are made of as its loop goes round."""
        self._met = False
        """Whether such a one was met."""
        self._first: dict[int, int] = {}
        """What such terms were read as then: what is read anew may be too deep."""
        self.parts: dict[tuple[Dep, tuple[quoting.Places, ...]], Content] = {}
        self.texts: dict[Content, Content] = {}
        """Texts, and parts of them, in the caller's words. Nothing is written before all is read, so that one answer
        holds for all.
        """
        self.arguments: dict[int, int] | None = None
        self._facts: dict[frozenset[Fact], frozenset[Fact]] = {}
        self._fact: dict[Fact, tuple[Fact, ...]] = {}
        self._limits: dict[int, int | None] = {}
        self._lengths: dict[int, int] | None = None

    def _made(self, heap: int) -> int:
        """An object that the callee makes is one of its own at each call, to some depth of calls."""
        site = self.terms.nodes[heap][1]
        if isinstance(site, tuple) and isinstance(site[1], tuple):
            return heap
        return self.terms.make((HEAP, (self.site + self.caller.round, site)))

    def giving(self, key: Location) -> int | None:
        """The name of what the callee gives, where a text lies in an object that it made: what it did not make it knows
        by other names.
        """
        node = self.terms.nodes[key[0]]
        made = node[0] == HEAP and len(node) == _UNKEYED
        return self.terms.named(self.caller.function.address, self.site) if made else None

    def _is_made(self, term: int) -> bool:
        """Whether a term may be such an object, or a pointer into one."""
        if not self.made or self.terms.nodes[term][0] not in (PHI, MERGE):
            return False
        return any(root in self.made for root, _, _ in self.terms.locate(term))

    def term(self, term: int) -> int:
        """The callee's term in the caller's words."""
        found = self.known.get(term)
        if found is not None:
            self._met = self._met or found == self.recursive or term in self._partial
            return found
        if not self.terms.open[term] and self.terms.nodes[term][0] in _SAME and not self._is_made(term):
            return term
        before, self._met = self._met, False
        self.known[term] = self.recursive
        self._level += 1
        found = self._term(term)
        if term in self._first and self.terms.nodes[found] == (UNKNOWN, "deep"):
            found = self._first[term]
        self.known[term] = found
        self._level -= 1
        if not self._level:
            self._first.update((one, self.known.pop(one)) for one in self._partial)
            self._partial.clear()
        elif self._met:
            self._partial.add(term)
        self._met = (before or self._met) and self._level > 0
        return found

    def _term(self, term: int) -> int:  # noqa: C901 - one case a kind; a table of functions would hide the order
        terms = self.terms
        node = terms.nodes[term]
        kind = node[0]
        if kind == PARAM:
            if self.arguments is not None:
                return self.arguments.get(node[1], terms.unknown("argument"))
            return self.caller.argument(self.state, node[1])
        if kind == LOAD:
            root, offset, stride, size = node[1:]
            if terms.nodes[root][0] == STACK:
                return term
            return self.memory.load(self.state, self.address(root, offset, stride), size)
        if kind in (PHI, MERGE, ADDR):
            written = counters.parts(terms, self.caller.whole.counters, term)
            if written is not None:
                return terms.merge({self.term(one) for one in written})
        if kind in (PHI, MERGE):
            if not terms.open[term] and (kind == MERGE or terms.is_new(term)) and not self._is_made(term):
                return term
            flat = terms.flat(term)
            if self._counts(term, flat):
                return term
            return terms.merge({self.term(one) for one in flat if one != term}) if flat else term
        if not terms.open[term]:
            return self._closed(term, node)
        if kind == ADDR:
            return terms.add(self.term(node[1]), node[2], node[3])
        if kind == KEYED:
            return self.memory.keys.place(self.term(node[1]), self._key(node[2]))
        if kind == HEAP:
            return self.memory.keys.heap(term, self._key(node[2]))
        if kind == BYTE:
            if terms.nodes[node[2]][0] == STACK:
                return term
            address = self.term(node[1])
            return self.memory.load(self.state, address, node[5])
        if kind == OP:
            parts = [self.term(one) for one in node[2:]]
            if len(parts) == 2:
                return fold.binary(terms, node[1], parts[0], parts[1], terms.word)
            return terms.make((OP, node[1], *parts), *parts)
        if kind == RESULT:
            arguments = tuple(self.term(one) for one in node[3])
            if (
                node[2].startswith("swap")
                and arguments
                and terms.nodes[arguments[0]][0] == CONST
                and not self.memory.image.big
            ):
                size = int(node[2][4:])
                value = terms.nodes[arguments[0]][1] & ((1 << (8 * size)) - 1)
                return terms.const(int.from_bytes(value.to_bytes(size, "big"), "little"))
            return terms.make((RESULT, node[1], node[2], arguments), *arguments)
        if kind == DERIVED:
            pointer = self.term(node[1])
            result = self.term(node[2])
            return terms.make((DERIVED, pointer, result), pointer, result)
        return term

    def _key(self, term: int) -> int:
        """The text by which an entry is named, in the caller's words."""
        return self.word(self.term(term))

    def word(self, pointer: int) -> int:
        """A text by the word that it was found to be, if it was."""
        word = self.state.word(pointer)
        return pointer if word is None else self.memory.keys.literal(word)

    def _counts(self, term: int, flat: frozenset[int]) -> bool:
        """Whether a term is a counter of the callee: the numbers that it begins with are not all that it comes to."""
        nodes = self.terms.nodes
        return (
            nodes[term][0] == PHI
            and all(nodes[one][0] == CONST and nodes[one][1] < self.terms.floor for one in flat)
            and any(nodes[one][0] == ADDR and nodes[one][1] == term for one in self.terms.alternatives[term])
        )

    def _closed(self, term: int, node: tuple[Any, ...]) -> int:
        if node[0] == ADDR:
            base = self.term(node[1])
            return term if base == node[1] else self.terms.add(base, node[2], node[3])
        if node[0] == DERIVED:
            pointer = self.term(node[1])
            return term if pointer == node[1] else self.terms.make((DERIVED, pointer, node[2]), pointer)
        return term

    def address(self, root: int, offset: int, stride: int) -> int:
        if root == GLOBAL:
            return self.terms.add(self.terms.const(offset), 0, stride)
        return self.terms.add(self.term(root), offset, stride)

    # -- texts
    def content(self, content: Content) -> Content:
        """A text in the caller's words, with the comparisons that held where it was stored."""
        if not content.deps:
            return content
        found = self.texts.get(content)
        if found is None:
            found = self.texts[content] = self._content(content)
            proofs = self.caller.whole.proofs
            proof = proofs.get(content)
            if proof and found != content:
                proofs[found] = proofs.get(found, frozenset()) | self.facts(proof)
        return found

    def _content(self, content: Content) -> Content:
        single = len(content.deps) == 1
        where = quoting.holes(form(content))
        parts = [self._part(dep, where) for dep in sorted(content.deps)]
        out = parts[0]
        if not single:
            deps = few(frozenset().union(*(one.deps for one in parts)))
            out = Content(deps, "".join(one.template for one in parts)[:400])
        template = content.template
        if single and template.count("%s") == 1:
            hole = out.template if out.template and (not out.deps or "%s" in out.template) else "%s"
            template = template.replace("%s", hole, 1)
        elif single and next(iter(content.deps))[0] == "V":
            template = out.template
        verbatim = content.verbatim and out.verbatim and single
        extent, room = self._size(content)
        extent = extent or (out.extent if content.verbatim else 0)
        return Content(out.deps, template[:400], extent, verbatim, content.grown, room)

    def _size(self, content: Content) -> tuple[int, int]:
        """How long a text is for this caller, or by which number of its own caller."""
        if content.extent or content.room == -1:
            return content.extent, -1
        room = self.term(content.room)
        value = self.terms.value(room)
        if value is not None:
            return (value if value < _MOST else 0), -1
        most = self.caller.limit(self.state, room) or 0
        if 0 < most < _BYTE or (most == _BYTE and not self.terms.open[room]):
            return most, -1
        return 0, room if self.terms.open[room] else -1

    def _part(self, dep: Dep, where: tuple[quoting.Places, ...]) -> Content:
        found = self.parts.get((dep, where))
        if found is None:
            found = self._dep(dep)
            if dep[4] & quoting.CHANGED:
                found = found._replace(deps=changed(found.deps))
            found = found._replace(deps=settled(found.deps, where))
            if dep[4] & quoting.OWN and found.deps:
                found = found._replace(deps=kept(found.deps, dep[4] & quoting.OWN))
            found = self._read(found, dep)
            self.parts[(dep, where)] = found
        return found

    def _read(self, content: Content, dep: Dep) -> Content:
        """What a part of a text is to the caller, with the place where the callee read it."""
        read_places = self.caller.whole.read_places
        place = read_places.place(dep) if content.deps else None
        spots = () if place is None else self.terms.locate(self.address(*place))
        return read_places.read(content, spots[0]) if len(spots) == 1 else content

    def _dep(self, dep: Dep) -> Content:
        kind = dep[0]
        if kind == "X":
            return Content(frozenset({("X", self.term(dep[1]), 0, 0, dep[4] & quoting.OWN)}), "%s")
        if kind == "V":
            return self._format(dep)
        root, offset, stride = dep[1], dep[2], dep[3]
        if self.terms.nodes[root][0] == STACK:
            return Content(frozenset({(*dep[:4], dep[4] & quoting.OWN)}), "%s")
        address = self.address(root, offset, stride)
        if address == self.terms.zero:
            return Content(frozenset(), "")
        return self.memory.text(self.state, address)

    def _format(self, dep: Dep) -> Content:
        from .library import fill  # the models need the memory, which needs nothing of this module

        term = self.term(dep[1])
        arguments = tuple(self.term(one) for one in dep[2])
        out: Content | None = None
        for one in self.terms.flat(term):
            value = self.terms.value(one)
            text = self.memory.image.text(value) if value is not None and value >= self.terms.floor else None
            if text is not None:
                part = fill(self.memory, self.state, text, arguments)
            elif value is None:
                part = Content(
                    frozenset({("V", one, arguments, 0, dep[4] & quoting.OWN)})
                    | self.memory.text(self.state, one).deps,
                    "%s",
                )
            else:
                continue
            out = part if out is None else either(out, part)
        return out if out is not None else Content(frozenset(), "%s")

    # -- entries of tables
    def spots(self, key: Location, facts: frozenset[Fact]) -> tuple[Location, ...] | None:
        """The entries of a table that a text of the callee's goes to, by what the caller asked for, or did not."""
        return self.caller.rows.put(self.state, key, facts, self.caller.constant_text)

    def entry(self, value: int, facts: frozenset[Fact]) -> int:
        """A returned value in the caller's words: of a table, the entries whose words are what the caller asked for.
        Only of this call that is so: the next one comes to another entry.
        """
        sides = [(field, other) for field, other in same(facts) if field != other]
        asked = [(field, self.caller.constant_text(self.term(other))) for field, other in sides]
        known = State()
        known.facts = frozenset(("eq", field, word) for field, word in asked if word is not None)
        spots = self.caller.rows.entries(known, value)
        if not 0 < len(spots) < MAX_RETURNS:
            return self.term(value)
        return self.terms.merge({self.terms.const(at) for _, at, _ in spots})

    # -- facts
    def facts(self, facts: frozenset[Fact]) -> frozenset[Fact]:
        found = self._facts.get(facts)
        if found is None:
            out: set[Fact] = set()
            for fact in sorted(facts):
                moved = self._fact.get(fact)
                if moved is None:
                    moved = self._fact[fact] = tuple(self._moved(fact))
                out.update(moved)
            found = self._facts[facts] = frozenset(out)
        return found

    def verdicts(self, place: Location) -> Verdicts | None:
        """What a word that the callee stores says of the texts beside it; None when the callee has not told."""
        told = self.summary.verdicts.get(place)
        return None if told is None else frozenset((self.term(value), lacking) for value, lacking in told)

    def _moved(self, fact: Fact) -> list[Fact]:
        """A fact in the caller's words."""
        kind = fact[0]
        if kind == UPTO:
            return [(kind, self.term(fact[1]), self.term(fact[2]), fact[3])]
        if kind in (NUMBER, ENTRY):
            return [(kind, self.term(fact[1]), *fact[2:])]
        if kind == GIVEN:
            return []
        if kind == WHEN:
            return [(kind, self.term(fact[1]), fact[2], self.term(fact[3]), fact[4])]
        if kind in ("eq", "ne") or kind in CHECKED:
            return [from_start(self.terms, (kind, self.term(fact[1]), *fact[2:]))]
        if kind == "most" and not self._counter(fact[2]):
            one, off = self.terms.based(self.term(fact[1]))
            other, more = self.terms.based(self.term(fact[2]))
            if one != other and self.terms.nodes[one][0] != CONST:
                return [("most", one, other, fact[3] + more - off)]
        elif kind == "same":
            return [("same", self.term(fact[1]), self.term(fact[2]))]
        elif kind == "word":
            places = self.terms.locate(self.address(fact[1], fact[2], 0))[:2]
            return [("word", root, offset, *fact[3:]) for root, offset, stride in places if not stride]
        elif kind == HOLDS:
            places = self.terms.locate(self.address(*fact[1:4]))[:2]
            return [(HOLDS, *place, *fact[4:]) for place in places if self.terms.nodes[place[0]][0] != STACK]
        return []

    def _counter(self, term: int) -> bool:
        """A counter of the callee's: in words of the caller it has no end."""
        base = self.terms.based(term)[0]
        node = self.terms.nodes[base]
        if node[0] != PHI or node[1] != self.summary.function or self.terms.open[term]:
            return False
        return any(self.terms.nodes[one][0] != CONST for one in self.terms.alternatives[base])
