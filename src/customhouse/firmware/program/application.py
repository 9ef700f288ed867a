"""A call of a function of the program: its summary, done to the caller's state."""

import functools
import operator

from . import bounds, bytesets, cases, fold, gathered, growth, held, indices, private
from .join import shared
from .lift import ADD
from .reading import Reading
from .state import Content, Fact
from .summary import FILLS, LETTERS, LOOP, MAX_RETURNS, OPEN, SENT, Event
from .terms import HEAP, LOAD, STACK, Location
from .unrolled import distance

_MAX_CHAIN = 12
_PLACE = 3
"""Numbers that name a place."""
_NO_FACTS: frozenset[Fact] = frozenset()
_Return = tuple[int, frozenset[Fact]]


class Application(Reading):
    """A summary being read at one call."""

    def apply(self) -> int | None:
        """Change the caller's state as the callee does; the result's term, or None when the callee does not return."""
        summary = self.summary
        before = None
        if summary.events and self.caller.later is not None:
            before = self.state.copy()
            self.caller.later.append(self)
        else:
            self.note_events()
        guards = {place: self.facts(facts) for place, facts in summary.guards.items() if len(place) == _PLACE}
        never = {place for place, facts in guards.items() if self.caller.refuted(facts)}
        begun = {key[:2] for key in summary.texts}
        words = [
            (key, self.address(*key), size, self._written(key, value), key[:2] in begun, self._most(key, value))
            for key, (size, value) in summary.words.items()
            if key not in never
        ]
        chosen = {key: self.spots(key, guards.get(key, _NO_FACTS)) for key in summary.texts}
        texts = [
            (key, self.terms.add(self.address(*key), at), part)
            for key, text in summary.texts.items()
            if key not in never
            for at, part in ((0, self._text(key, text, chosen[key] is not None)), *self._inner(text))
        ]
        returns = [(self.entry(value, facts), self.facts(facts)) for value, facts in summary.returns]
        returns = [one for one in returns if not self.caller.refuted(one[1])] or returns
        for heap, made in sorted(self.made.items()):
            if made != heap:
                self.memory.born(self.state, made)
        for key, address, text in texts:
            rows = chosen[key]
            spots = self.memory.targets(self.state, address) if rows is None else rows
            self.caller.under, self.memory.giving = guards.get(key, _NO_FACTS), self.giving(key)
            for spot in spots:
                self.memory.write_text(self.state, spot, text, weak=key not in summary.sure or len(spots) > 1)
                if spot in self.state.untold and key not in summary.unread:
                    self.caller.tell(self.state, spot)  # it was read before the callee returned
        self.memory.giving = None
        for key, address, size, value, told, most in words:
            self.caller.under, self.caller.putting.given = guards.get(key, _NO_FACTS), most
            self.caller.given = self.verdicts(key)
            weak = key not in summary.sure or self._another(key)
            self.memory.store(self.state, address, value, size, weak=weak, told=told)
        self.caller.under, self.caller.given, self.caller.putting.given = _NO_FACTS, None, {}
        for index in summary.freed:
            private.drop(self.terms, self.state, self.term(self.terms.param(index)))
        result = self._result(returns) if summary.returning else None
        if before is not None:
            self.state = before  # what is noted later is noted as it is at the call
        return result

    def _written(self, key: Location, value: int) -> int:
        """A word that the callee leaves behind, in the caller's words. Where it may leave what was there, and that is a
        place in the caller's frame which nothing was ever put into, nobody reads what was there. Of several places each
        may be as it was, which does not mean that one is as another was. A byte of a text that the callee writes is one
        of its letters.
        """
        flat = self.terms.flat(value)
        kept = [one for one in flat if self.terms.nodes[one][:4] != (LOAD, *key)]
        if len(kept) == len(flat) or not kept or self._is_letter(key):
            return self.term(value)
        spots = self.terms.locate(self.address(*key))
        if len(spots) == 1:
            fresh = self.terms.nodes[spots[0][0]][0] == STACK and not self._filled(spots[0])
            if key in self.summary.sure or not fresh:
                return self.term(value)
        return self.terms.merge({self.term(one) for one in kept})

    def _is_letter(self, key: Location) -> bool:
        """Whether the callee writes a text byte by byte where a byte of it may be this one."""
        root, offset, _ = key
        if self.summary.words.get(key, (0, 0))[0] != 1:
            return False
        texts = ((*one, text) for one, text in self.summary.texts.items() if text.grown and text.deps)
        return any(base == root and (at == offset or (at < offset and step)) for base, at, step, _ in texts)

    def _text(self, key: Location, text: Content, chosen: bool = False) -> Content:
        """A text that the callee leaves behind, in the caller's words. What it goes on with, others went on with. Where
        the entries of a table are `chosen` to which it goes, each of them may hold what it held.
        """
        if chosen:
            text = text._replace(deps=frozenset(dep for dep in text.deps if dep[:4] != ("T", *key)))
        out, appended = self.content(self._asked(key, text)), text.appended
        if any(dep[:4] == ("T", *key) for dep in text.deps):
            appended |= self.memory.text(self.state, self.address(*key)).appended
        return out._replace(appended=appended)

    def _asked(self, key: Location, text: Content) -> Content:
        """A text without the parts that are put there only where a parameter is another word than it is here."""
        guards = self.summary.guards
        deps = [
            dep
            for dep in text.deps
            if (*key, *dep[:4]) in guards and self.caller.refuted(self.facts(guards[(*key, *dep[:4])]))
        ]
        return text._replace(deps=text.deps.difference(deps)) if deps else text

    def _another(self, key: Location) -> bool:
        """Whether the callee made the object, put it where others reach it, and had made one before: what that holds is
        not gone. All of them have one name.
        """
        node = self.terms.nodes[key[0]]
        if node[0] != HEAP or key[0] in self.made or key not in self.state.words:
            return False
        blocks = self.caller.whole.code.function(self.summary.function).blocks
        return any(block.exit.site + distance(block.address) == node[1] for block in blocks.values())

    def _filled(self, spot: Location) -> bool:
        root, offset, _ = spot
        return spot in self.state.words or any(one[1] <= offset for one in self.state.texts.of(root))

    def note_events(self) -> None:
        """What the callee does that outlives it, in the caller's words."""
        now, self.caller.now = self.caller.now, self.state
        for moved in map(self.event, self.summary.events):
            if moved is not None:
                self.caller.note(moved)
        self.caller.now = now

    def _result(self, returns: list[_Return]) -> int:
        if not returns:
            return self.terms.unknown(("void", self.site))
        self.state.facts = self.state.facts | shared([facts for _, facts in returns])
        made = any(self.terms.nodes[value][0] == HEAP for value, _ in self.summary.returns)
        if len({value for value, _ in returns}) == 1 and not made and not self.terms.several(returns[0][0]):
            return returns[0][0]
        phi = self.terms.named(self.caller.function.address, self.site) if made else self._named()
        for value, _ in returns:
            self.terms.add_alternative(phi, value)
        measured = self._measured(phi)
        returns = [(value, facts | measured.get(value, _NO_FACTS)) for value, facts in returns]
        returns = self._lacking(phi, returns)
        self.state.facts = self.state.facts | shared([facts for _, facts in returns])
        self.caller.conditions.implied[phi] = tuple(returns)
        if len(returns) < MAX_RETURNS:  # else there may be others
            self.state.cases = cases.answered(self.state, phi, returns)
        return phi

    def _lacking(self, result: int, returns: list[_Return]) -> list[_Return]:
        """The ways to return, each with what the text to which the result points lacks on it: a text that was checked
        may be what it is, and so may a constant.
        """
        lacks = [
            functools.reduce(operator.or_, (fact[2] for fact in facts if fact[:2] == ("lacks", value)), 0)
            for value, facts in returns
        ]
        if not any(lacks):
            return returns
        lacks = [mask | self._absent(value) for mask, (value, _) in zip(lacks, returns, strict=True)]
        return [
            (value, facts | {("lacks", one, mask) for one in (result, value)} if mask else facts)
            for mask, (value, facts) in zip(lacks, returns, strict=True)
        ]

    def _absent(self, value: int) -> int:
        """The bytes that are not in a text of the program's own, which a value points to; there is none at NULL."""
        number = self.terms.value(value)
        if number is None:
            return 0
        text = self.caller.constant_text(value)
        return bytesets.ALL & ~bytesets.of(text) if text is not None else 0 if number else bytesets.ALL

    def _measured(self, result: int) -> dict[int, frozenset[Fact]]:
        """By what may be returned: the texts that are no longer than that. The callee counted; to its caller the result
        is the count.
        """
        out: dict[int, frozenset[Fact]] = {}
        for value, facts in self.summary.returns:
            count, plus = self.terms.based(value)
            told = set()
            for fact in facts:
                if fact[0] == "most" and self._counter(fact[2]) and self.terms.based(fact[2])[0] == count:
                    length, off = self.terms.based(self.term(fact[1]))
                    told.add(("most", length, result, fact[3] - off - plus))
            if told:
                out[self.term(value)] = frozenset(told)
        return out

    def _named(self) -> int:
        """A name for the result that may be one of several things: two entries of one table are not the same.

        A function that changes nothing gives the same for the same arguments, and for texts that were found to be the
        same word.
        """
        summary, function = self.summary, self.caller.function.address
        if summary.words or summary.texts or any(event[0] in ("word", "text") for event in summary.events):
            return self.terms.named(function, self.site)
        live = self.caller.whole.code.parameters(summary.function)
        arguments = tuple(
            self.word(self.caller.argument(self.state, index))
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
        if kind in ("sink", "feed"):
            _, name, site, content, facts, chain, extra = event
            if len(chain) >= _MAX_CHAIN:
                return None
            content = self.content(content)
            if not content.deps:
                return None
            known = self.facts(facts)
            if self.caller.refuted(known):
                return None
            known |= self.state.facts
            content = self.caller.whole.read_places.beside(content, known)
            step = ((self.caller.function.address, self.site), *chain)
            return (kind, name, site, content, known, step, self.term(extra) if kind == "feed" else extra)
        if kind == "start":
            return self._start(event)
        if kind == "over":
            return self._over(event)
        return gathered.carried(self, event) if kind == LETTERS else self._simple(event)

    def _simple(self, event: Event) -> Event | None:
        kind = event[0]
        if kind == "bind":
            return ("bind", event[1], self.term(event[2]), self.term(event[3]), self.term(event[4]))
        if kind == "service":
            return ("service", event[1], self.term(event[2]), self.content(event[3]), self.term(event[4]))
        if kind == "out":
            moved = ("out", self.term(event[1]), self._block(event[2]), event[3])
            proof = self.caller.whole.proofs.get(event)
            if proof:
                self.caller.whole.prove(moved, self.facts(proof))
            return moved
        if kind in (FILLS, SENT):
            return (kind, self.term(event[1]), *event[2:])
        if kind == "put":
            return ("put", event[1], event[2], self.content(event[3]))
        if kind == "dup2":
            return ("dup2", self.term(event[1]), self.term(event[2]))
        if kind == "shell":
            return self._shell(event)
        if kind == "icall":
            _, site, target, arguments, function = event
            return ("icall", site, self.term(target), tuple(self.term(one) for one in arguments), function)
        return None

    def _inner(self, content: Content) -> list[tuple[int, Content]]:
        """Texts inside of a structure of the caller's that is copied whole, by where they lie in it."""
        if not content.verbatim or not content.extent or len(content.deps) != 1:
            return []
        kind, root, offset, stride, _ = next(iter(content.deps))
        spots = self.terms.places(self.address(root, offset, 0)) if kind == "T" and self.terms.open[root] else ()
        return [] if stride or len(spots) != 1 else self.memory.inside(self.state, spots[0], content.extent)

    def _block(self, content: Content) -> Content:
        """What is written out, with the texts of all fields where it is a structure of the caller's."""
        out = self.content(content)
        if content.verbatim and content.extent and len(content.deps) == 1:
            kind, root, offset, stride, _ = next(iter(content.deps))
            if kind == "T" and self.terms.open[root]:
                found = self.memory.within(self.state, self.address(root, offset, stride), content.extent)
                out = found if found.verbatim else out._replace(deps=out.deps | found.deps)
        return out

    def _start(self, event: Event) -> Event | None:
        """A program started with arguments of ours: read again what it runs."""
        from .library import started, vector_of  # the models need the memory, which needs nothing of this module

        _, name, site, path, vector, facts, chain = event
        if len(chain) >= _MAX_CHAIN:
            return None
        path, vector = self.term(path), self.term(vector)
        known = self.facts(facts) | self.state.facts
        step = ((self.caller.function.address, self.site), *chain)
        found, more = started(self.memory, self.state, path, vector_of(self.memory, self.state, vector))
        for content, extra in found:
            if content.deps and not extra:  # a path is an event of its own
                self.caller.note(("sink", name, site, content, known, step, extra))
        return ("start", name, site, path, vector, known, step) if more else None

    def _shell(self, event: Event) -> Event | None:
        """A program started that may be a shell: read again what it is, and what stands for its standard input."""
        from .library import Started, run, vector_of

        path, vector, source, name, site, facts, chain = event[1:]
        if len(chain) >= _MAX_CHAIN:
            return None
        program = Started(*(one if one == -1 else self.term(one) for one in (path, vector, source)))
        if path != -1:
            arguments = vector_of(self.memory, self.state, program.vector) if vector != -1 else []
            runs = run(self.memory, self.state, program, arguments)
            if runs is None or isinstance(runs, str):
                return None if runs is None else ("script", runs)
            program = runs
        step = ((self.caller.function.address, self.site), *chain)
        return ("shell", *program, name, site, self.facts(facts) | self.state.facts, step)

    def _write(self, event: Event) -> None:
        """A store that the callee's final state does not show: it counts for the whole program, not for the state."""
        guard = self.facts(self.summary.guards.get(event[1:4], _NO_FACTS))
        if self.caller.refuted(guard):
            return
        self.caller.under = guard
        address = self.address(event[1], event[2], event[3])
        if event[0] == "text":
            replaced = any(key[:2] == event[1:3] for key in self.summary.texts)
            spots = self.spots(event[1:4], guard)
            for spot in self.terms.places(address)[:3] if spots is None else spots:
                if replaced and spot[0] in self.state.private:
                    continue  # nobody else saw what lay there for a while
                for at, part in ((0, self.content(self._asked(event[1:4], event[4]))), *self._inner(event[4])):
                    self.caller.note(("text", spot[0], spot[1] + at, spot[2], part))
        else:
            self.caller.given, self.caller.putting.given = self.verdicts(event[1:4]), self._most(event[1:4], event[5])
            value, spots = self._written(event[1:4], event[5]), self.terms.locate(address)[:3]
            for spot in spots:
                self.caller.note(("word", *spot, event[4], value))
            node = self.terms.nodes[event[5]]
            if node[0] == LOAD and self.terms.open[node[1]]:
                self.memory.carry_from(self.state, spots, self.address(node[1], node[2], node[3]), event[4])
        self.caller.under, self.caller.given, self.caller.putting.given = _NO_FACTS, None, {}

    def _most(self, place: Location, value: int) -> dict[int, int]:
        """What numbers are at most where the callee puts them into memory."""
        return held.told(self.terms, self.caller.whole.puts.get(self.summary.function, {}), place, value, self.term)

    def _over(self, event: Event) -> Event | None:
        _, name, site, target, limit, content, size, facts, chain, sources, literal, moving, low, separate, again = (
            event
        )
        if len(chain) >= 6:
            return None
        moved = self.content(content)
        if not moved.deps:
            return None
        address = self.term(target)
        known = self.facts(facts)
        if self.caller.refuted(known):
            return None
        proven = known | self.state.facts | indices.carried(self.terms, self.state, facts, self.term, size)
        step = ((self.caller.function.address, self.site), *chain)
        if size == -1 and again == OPEN:
            again = self.caller.again(self.state, address, moved, site)
        elif size != -1:
            size = self.term(size)
            before = size
            low = bounds.higher(low, bounds.least(self.terms, self.state, size))
            if moving is not None and not growth.stays(self.terms, moving):
                moving = self.term(moving)
            elif name != LOOP:
                if moving is not None:
                    address = fold.binary(self.terms, ADD, address, self.term(moving), self.terms.word)
                address, size, moving = self.caller.whole_copy(self.state, address, size, limit)
                low = low if size == before else bounds.least(self.terms, self.state, size)
                again = self.caller.endless(moving, moved)
            limit = bounds.lower(limit if size == before else None, self._limit(size))
        if self._lengths is None:
            self._lengths = self.caller.measured.limits(self.state)
        told = []
        for source, known in sources:
            pointer = self.term(source)
            told.append((pointer, bounds.lower(known, self._lengths.get(pointer))))
        separate = separate and self.caller.separate(self.state, frozenset(one for one, _ in told))
        ends = (literal, moving, low, separate, again)
        return ("over", name, site, address, limit, moved, size, proven, step, tuple(told), *ends)

    def _limit(self, size: int) -> int | None:
        if size not in self._limits:
            self._limits[size] = self.caller.limit(self.state, size)
        return self._limits[size]
