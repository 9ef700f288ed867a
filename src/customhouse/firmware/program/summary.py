"""What a function does, in words of its parameters, and how that reads at a call."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import bounds, cases, fold, quoting
from .join import shared
from .state import Content, Dep, Fact, State, either, few, form, kept, settled
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
)

if TYPE_CHECKING:
    from .activation import Activation

Event = tuple[Any, ...]
LOOP = "loop"
"""The name under which such a copy is told."""
_MAX_CHAIN = 12
_SAME = frozenset((CONST, STACK, HEAP, MERGE, OP, RESULT, UNKNOWN))
"""Terms that say the same everywhere unless they speak of parameters."""
MAX_RETURNS = 10
"""Ways to return of one function that its callers hear of."""
_MOST = 1 << 20
"""Bytes of a buffer; more is no size of one."""


@dataclass
class Summary:
    """`returns` pairs each returned value with the facts that hold when it is returned; `events` are those that
    speak of parameters.
    """

    function: int
    returns: list[tuple[int, frozenset[Fact]]] = field(default_factory=list)
    words: dict[Location, tuple[int, int]] = field(default_factory=dict)
    texts: dict[Location, Content] = field(default_factory=dict)
    sure: set[Location] = field(default_factory=set)
    """Places that are written whichever way the function returns."""
    events: list[Event] = field(default_factory=list)
    returning: bool = False


class Application:
    """A summary being read at one call."""

    def __init__(self, caller: "Activation", state: State, summary: Summary, site: int) -> None:
        self.caller, self.state, self.summary, self.site = caller, state, summary, site
        self.terms = caller.terms
        self.memory = caller.memory
        self.known: dict[int, int] = {}
        self.recursive = caller.terms.unknown("recursive")
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

    def term(self, term: int) -> int:
        """The callee's term in the caller's words."""
        found = self.known.get(term)
        if found is not None:
            return found
        if not self.terms.open[term] and self.terms.nodes[term][0] in _SAME:
            return term
        self.known[term] = self.recursive
        found = self.known[term] = self._term(term)
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
        if kind in (PHI, MERGE):
            if not terms.open[term] and (kind == MERGE or terms.is_new(term)):
                return term
            flat = terms.flat(term)
            return terms.merge({self.term(one) for one in flat if one != term}) if flat else term
        if not terms.open[term]:
            return self._closed(term, node)
        if kind == ADDR:
            return terms.add(self.term(node[1]), node[2], node[3])
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
        return 0, room if self.terms.open[room] else -1

    def _part(self, dep: Dep, where: tuple[quoting.Places, ...]) -> Content:
        found = self.parts.get((dep, where))
        if found is None:
            found = self._dep(dep)
            found = found._replace(deps=settled(found.deps, where))
            if dep[4] and found.deps:
                found = found._replace(deps=kept(found.deps, dep[4]))
            self.parts[(dep, where)] = found
        return found

    def _dep(self, dep: Dep) -> Content:
        kind = dep[0]
        if kind == "X":
            return Content(frozenset({("X", self.term(dep[1]), 0, 0, dep[4])}), "%s")
        if kind == "V":
            return self._format(dep)
        root, offset, stride = dep[1], dep[2], dep[3]
        if self.terms.nodes[root][0] == STACK:
            return Content(frozenset({dep}), "%s")
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
                    frozenset({("V", one, arguments, 0, dep[4])}) | self.memory.text(self.state, one).deps, "%s"
                )
            else:
                continue
            out = part if out is None else either(out, part)
        return out if out is not None else Content(frozenset(), "%s")

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

    def _moved(self, fact: Fact) -> list[Fact]:
        """A fact in the caller's words."""
        kind = fact[0]
        if kind in ("lacks", "eq"):
            return [(kind, self.term(fact[1]), fact[2])]
        if kind == "most" and not self._counter(fact[2]):
            one, off = self.terms.based(self.term(fact[1]))
            other, more = self.terms.based(self.term(fact[2]))
            if one != other and self.terms.nodes[one][0] != CONST:
                return [("most", one, other, fact[3] + more - off)]
        elif kind == "word":
            places = self.terms.locate(self.address(fact[1], fact[2], 0))[:2]
            return [("word", root, offset, *fact[3:]) for root, offset, stride in places if not stride]
        return []

    def _counter(self, term: int) -> bool:
        """A counter of the callee's: in words of the caller it has no end."""
        node = self.terms.nodes[self.terms.based(term)[0]]
        return bool(node[0] == PHI and node[1] == self.summary.function and not self.terms.open[term])

    # -- the whole
    def apply(self) -> int | None:
        """Change the caller's state as the callee does; the result's term, or None when the callee does not return."""
        summary = self.summary
        before = None
        if summary.events and self.caller.later is not None:
            before = self.state.copy()
            self.caller.later.append(self)
        else:
            self.note_events()
        words = [
            (self.address(*key), size, self.term(value), key in summary.sure, (*key[:2], 0) in summary.texts)
            for key, (size, value) in summary.words.items()
        ]
        texts = [(self.address(*key), self.content(text), key in summary.sure) for key, text in summary.texts.items()]
        returns = [(self.term(value), self.facts(facts)) for value, facts in summary.returns]
        for address, text, sure in texts:
            spots = self.terms.locate(address)
            for spot in spots[:4]:
                self.memory.write_text(self.state, spot, text, weak=not sure or len(spots) > 1)
        for address, size, value, sure, told in words:
            self.memory.store(self.state, address, value, size, weak=not sure, told=told)
        result = self._result(returns) if summary.returning else None
        if before is not None:
            self.state = before  # what is noted later is noted as it is at the call
        return result

    def note_events(self) -> None:
        """What the callee does that outlives it, in the caller's words."""
        for event in self.summary.events:
            moved = self.event(event)
            if moved is not None:
                self.caller.note(moved)

    def _result(self, returns: list[tuple[int, frozenset[Fact]]]) -> int:
        if not returns:
            return self.terms.unknown(("void", self.site))
        self.state.facts = self.state.facts | shared([facts for _, facts in returns])
        made = any(self.terms.nodes[value][0] == HEAP for value, _ in self.summary.returns)
        if len({value for value, _ in returns}) == 1 and not made and not self.terms.several(returns[0][0]):
            return returns[0][0]
        phi = self.terms.named(self.caller.function.address, self.site) if made else self._named()
        for value, _ in returns:
            self.terms.add_alternative(phi, value)
        self.caller.conditions.implied[phi] = tuple(returns)
        if len(returns) < MAX_RETURNS:  # else there may be others
            self.state.cases = cases.answered(self.state, phi, returns)
        return phi

    def _named(self) -> int:
        """A name for the result that may be one of several things: two entries of one table are not the same.

        A function that changes nothing gives the same for the same arguments.
        """
        summary, function = self.summary, self.caller.function.address
        if summary.words or summary.texts or any(event[0] in ("word", "text") for event in summary.events):
            return self.terms.named(function, self.site)
        live = self.caller.whole.code.parameters(summary.function)
        arguments = tuple(
            self.caller.argument(self.state, index)
            for index, register in enumerate(self.caller.argument_registers)
            if register in live
        )
        return self.terms.phi(function, summary.function, ("result", arguments))

    def event(self, event: Event) -> Event | None:
        """An event of the callee in the caller's words."""
        kind = event[0]
        if kind in ("word", "text"):
            self._write(event)
            return None
        if kind == "sink":
            _, name, site, content, facts, chain, extra = event
            if len(chain) >= _MAX_CHAIN:
                return None
            content = self.content(content)
            if not content.deps:
                return None
            gathered = self.facts(facts) | self.state.facts
            return ("sink", name, site, content, gathered, ((self.caller.function.address, self.site), *chain), extra)
        if kind == "start":
            return self._start(event)
        if kind == "over":
            return self._over(event)
        return self._simple(event)

    def _simple(self, event: Event) -> Event | None:
        kind = event[0]
        if kind == "bind":
            return ("bind", event[1], self.term(event[2]), self.term(event[3]), self.term(event[4]))
        if kind == "service":
            return ("service", event[1], self.term(event[2]), self.content(event[3]), self.term(event[4]))
        if kind == "out":
            moved = ("out", self.term(event[1]), self.content(event[2]), event[3])
            proof = self.caller.whole.proofs.get(event)
            if proof:
                self.caller.whole.prove(moved, self.facts(proof))
            return moved
        if kind == "put":
            return ("put", event[1], event[2], self.content(event[3]))
        if kind == "dup2":
            return ("dup2", self.term(event[1]), self.term(event[2]))
        if kind == "icall":
            _, site, target, arguments, function = event
            return ("icall", site, self.term(target), tuple(self.term(one) for one in arguments), function)
        return None

    def _start(self, event: Event) -> Event | None:
        """A program started with arguments of ours: read again what it runs."""
        from .library import started, vector_of  # the models need the memory, which needs nothing of this module

        _, name, site, path, vector, facts, chain = event
        if len(chain) >= _MAX_CHAIN:
            return None
        path, vector = self.term(path), self.term(vector)
        gathered = self.facts(facts) | self.state.facts
        step = ((self.caller.function.address, self.site), *chain)
        found, more = started(self.memory, self.state, path, vector_of(self.memory, self.state, vector))
        for content, extra in found:
            if content.deps and not extra:  # a path is an event of its own
                self.caller.note(("sink", name, site, content, gathered, step, extra))
        return ("start", name, site, path, vector, gathered, step) if more else None

    def _write(self, event: Event) -> None:
        """A store that the callee's final state does not show: it counts for the whole program, not for the state."""
        address = self.address(event[1], event[2], event[3])
        for spot in self.terms.locate(address)[:3]:
            if event[0] == "text":
                self.caller.note(("text", *spot, self.content(event[4])))
            else:
                self.caller.note(("word", *spot, event[4], self.term(event[5])))

    def _over(self, event: Event) -> Event | None:
        _, name, site, target, limit, content, size, facts, chain, sources, literal, moving, low = event
        if len(chain) >= 6:
            return None
        moved = self.content(content)
        if not moved.deps:
            return None
        address = self.term(target)
        gathered = self.facts(facts) | self.state.facts
        step = ((self.caller.function.address, self.site), *chain)
        if size != -1:
            size = self.term(size)
            before = size
            low = bounds.higher(low, bounds.least(self.terms, self.state, size))
            if moving is not None:
                moving = self.term(moving)
            elif name != LOOP:
                address, size, moving = self.caller.whole_copy(self.state, address, size, limit)
            limit = bounds.lower(limit if size == before else None, self._limit(size))
        if self._lengths is None:
            self._lengths = self.caller.string_limits(self.state)
        told = []
        for source, known in sources:
            pointer = self.term(source)
            told.append((pointer, bounds.lower(known, self._lengths.get(pointer))))
        return ("over", name, site, address, limit, moved, size, gathered, step, tuple(told), literal, moving, low)

    def _limit(self, size: int) -> int | None:
        if size not in self._limits:
            self._limits[size] = self.caller.limit(self.state, size)
        return self._limits[size]
