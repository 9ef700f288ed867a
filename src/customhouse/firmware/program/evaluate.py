"""Evaluates one function over symbolic values: every path together, loops to a fixpoint, calls by summary."""

from typing import TYPE_CHECKING

from . import cases, counters, fieldtests, pieces, private, whens
from .activation import Activation
from .agenda import Agenda
from .appends import Appends
from .application import Application
from .awaited import awaited
from .built import Built
from .calls import Calls
from .copyloops import CopyLoops
from .fields import remembered
from .gathered import Gathered
from .guards import Noted
from .harmless import Harmless
from .instructions import Instructions
from .join import Head, carried, join, shared
from .lift import UNIQUE, VIRTUAL, Block
from .loops import Loops
from .piecewise import Piecewise
from .recovery import Function
from .returns import Returns
from .selectors import selected
from .soughtletters import SoughtLetters
from .state import Case, Fact, State
from .summary import MAX_RETURNS, Event, Sites, Summary, Verdicts
from .tallies import Tallies
from .terms import PHI, Terms
from .traces import Made, traced
from .unrolled import FORK, distance
from .ways import Ways, within
from .wordcopies import WordCopy, copied, word_copy

if TYPE_CHECKING:
    from .whole import Whole

_NO_FACTS: frozenset[Fact] = frozenset()
_NEVER = frozenset((0,))
_VISITS = ((150, 7, 3), (300, 4, 3), (500, 2, 3), (1 << 30, 2, 1))
"""For functions of so many blocks: how often each is looked at, and how many times as often inside loops. The first
time everything is seen once, the second time what loops carry round.
"""
_SEARCH = 24
"""Blocks of a loop that looks for an entry, at most."""


class Evaluation:
    """One function being evaluated."""

    def __init__(self, whole: "Whole", function: Function) -> None:
        self.whole = whole
        self.function = function
        self.terms: Terms = whole.terms
        self.position = {address: index for index, address in enumerate(function.order)}
        self.activation = Activation(whole, function)
        self.conditions = self.activation.conditions
        self.narrowing = self.activation.narrowing
        self.loops = Loops(function, self.position, whole.terms, whole.sets)
        self.piecewise = Piecewise(function, whole.terms, self.loops, self.conditions.ends.pieces)
        self.conditions.ends.walked = self.loops.walked
        self.conditions.ends.extent = lambda state, text: self.activation.memory.text(state, text).extent
        self.ways = Ways(self.activation, self.loops, self.position)
        self.activation.memory.written = self.ways.written
        self.copies = CopyLoops(self.activation, self.loops)
        self.gathered = Gathered(self.activation)
        self.instructions = Instructions(self.activation, self.loops, self.copies, self.gathered)
        self.tallies = Tallies(whole.terms, self.conditions, self.loops, self.ways, self.instructions.choices.moves)
        self.letters = SoughtLetters(whole.terms, whole.image, self.loops)
        self.harmless = Harmless(self.activation, self.loops, self.ways)
        self.ways.behind = self.harmless.behind
        self.activation.memory.harmless = lambda value: self.harmless.bits(self.instructions.block, value)
        self.built = Built(self.activation, self.copies, lambda: self.instructions.block)
        self.activation.printing = self.built.piece
        self.calls = Calls(self.activation)
        self.returns = Returns(self.activation)
        self.events: dict[int, Noted] = {}
        """What each block does that outlives the function, with the comparisons that held each time."""
        self.verdicts: dict[int, dict[Event, Verdicts]] = {}
        """The words that each block stores, with what they say of the texts beside them."""
        self.rounds: dict[int, Noted] = {}
        """What is told of texts that a round of a loop leaves behind, by the loop's head."""
        self.unseen: dict[int, Noted] = {}
        """What is told of texts that came to a block which was not looked at again."""
        self.later: dict[int, list[Application]] = {}
        """The calls in blocks of loops, as they were last looked at."""
        self.searches = frozenset(one for body in self.loops.bodies.values() if len(body) <= _SEARCH for one in body)
        """Blocks of loops that may look for an entry."""
        self.looped = frozenset[int]().union(*self.loops.bodies.values())
        self.made: dict[int, list[Made]] = {}
        """The calls of each block, as they were last looked at."""
        self.tested: dict[tuple[int, int], tuple[int, frozenset[int] | None]] = {}
        """The terms that lead from block to block, each with the values with which it does."""
        self.heads: dict[int, Head] = {}
        self.numbers: dict[int, int] = {}
        """How many things the registers may be at a loop's head: where there are more, the same state says more."""
        self.appends = self.activation.appends = Appends(self.copies, self.heads)
        self.word_copies: dict[int, WordCopy] = {}
        """Loops that copy a block of memory."""
        for head, body in self.loops.bodies.items():
            found = word_copy(function.blocks[head]) if len(body) == 1 else None
            if found is not None:
                self.word_copies[head] = found

    def run(self) -> Summary:
        order, position = self.function.order, self.position
        visits: dict[int, int] = {}
        agenda = Agenda(
            {position[head]: frozenset(position[one] for one in body) for head, body in self.loops.bodies.items()}
        )
        while (index := agenda.next()) is not None:
            address = order[index]
            if visits.get(address, 0) >= self._limit(address) or self.whole.expired():
                self.whole.cut = self.whole.cut or self.whole.expired()
                self._passed_over(address, index)
                continue
            state = self._arrived(address, index)
            if state is None:
                continue
            visits[address] = visits.get(address, 0) + 1
            for after, out in self._block(self.function.blocks[address], state):
                if after in position:
                    self.harmless.leave(address, after, out)
                    self.ways.edges[(address, after)] = out
                    agenda.add(index, position[after])
        for address, calls in self.later.items():
            self.activation.here, self.activation.verdicts = self.events[address], self.verdicts[address]
            self.activation.putting.here = self.activation.putting.found[address]
            self.appends.block = address
            for call in calls:
                self.activation.now, self.activation.site = call.state, call.site
                call.note_events()
        self.whole.sites[self.function.address] = Sites(self.events, self.verdicts)
        self.whole.traces[self.function.address] = traced(self)
        puts = self.activation.putting.settled(self.ways.edges, self.position)
        self.whole.puts[self.function.address] = puts
        self.whole.awaited[self.function.address] = awaited(self.activation.putting, self.ways.edges)
        copies = Noted()
        copies.update(dict.fromkeys(self.copies.events(), _NO_FACTS))
        self.whole.counters.update(counters.told(self.copies, copies))
        copies.update(dict.fromkeys(self.gathered.events(self.copies), _NO_FACTS))
        return self.returns.summary([*self.events.values(), *self.rounds.values(), *self.unseen.values(), copies])

    def _passed_over(self, address: int, index: int) -> None:
        """A block is not looked at again: the texts that only lead there are told."""
        head, old = self._met(address, index), self.heads.get(address)
        if head is None:
            return
        state = head.whole
        self.activation.here = self.unseen[address] = Noted()
        known = old.whole.texts if old is not None else {}
        state.untold = frozenset(one for one in state.untold if known.get(one) != state.texts.get(one))
        self.activation.reveal(state)

    # -- what a block begins with
    def _arrived(self, address: int, index: int) -> State | None:
        """The state that a block is to be looked at with; None when nothing is new there."""
        head = self._met(address, index)
        if head is None:
            return None
        state = head.whole
        if address in self.loops.bodies:
            if state.cases:
                state.learn(whens.shared([cases.seen(state, one).facts for one in state.cases]))
            state.cases = ()  # what was found out in one round is not known of the next
            phis = self.terms.joined.get((self.function.address, address), ())
            known = sum(len(self.terms.alternatives[one]) for one in phis)
            if self.numbers.get(address, known) != known:
                self.loops.again(address)
            self.numbers[address] = known
        self.loops.enter(address, state)
        old = self.heads.get(address)
        if old is not None and old.whole.same(state) and not self.loops.changed(address):
            return None
        self.heads[address] = Head(head.entry, state.copy())
        return state

    def _met(self, address: int, index: int) -> Head | None:
        """The state at a block's head: its edges joined; None when none was taken yet."""
        old = self.heads.get(address)
        states = [self._entry()] if not index else []
        backs: list[State] = []
        for one, state in self.ways.into(address):
            (backs if self.position[one] >= index else states).append(state)
        if not states:
            states, backs = backs, []
        if not states:
            return None
        entry = self._join(address, self.calls.rows.settled(states))
        if not backs:
            return Head(entry, entry)
        if old is not None:
            backs = [carried(self.terms, address, entry, one, old) for one in backs]
        whole = self._join(address, [entry, *backs])
        self.activation.here = self.rounds[address] = Noted()
        remembered(self.terms, entry, whole, self.activation.tell)
        if old is not None:
            self._widen(old.whole, whole)
        return Head(entry, whole)

    def _widen(self, before: State, now: State) -> None:
        """What grows as the loop goes round has no end, unless a test in the loop gives it one: ranges, texts, and how
        far one number may be above another.
        """
        for key, text in now.texts.items():
            if 0 < before.texts.get(key, text).extent < text.extent:
                now.texts[key] = text._replace(extent=0)
        above = {fact[1:3]: fact[3] for fact in before.facts if fact[0] == "most"}
        grown = {fact for fact in now.facts if fact[0] == "most" and fact[3] > above.get(fact[1:3], fact[3])}
        if grown:
            now.facts -= grown
        for term in [term for term in now.ranges if self.terms.nodes[term][0] == PHI]:
            known, span = before.ranges.get(term), now.ranges[term]
            if known is None:
                continue
            if span[1] > known[1]:
                del now.ranges[term]
            elif span[0] < known[0]:
                now.ranges[term] = (-(1 << 63), span[1])

    def _join(self, address: int, states: list[State]) -> State:
        return join(
            self.terms,
            self.function.address,
            address,
            self.built.settled(states),
            self.whole.lifter.flags,
            self.conditions.implied,
            self.activation.stack_register,
        )

    def _limit(self, address: int) -> int:
        """Visits allowed to a block; one that only moves the stack pointer is a page probe and may go round often."""
        block = self.function.blocks[address]
        if len(block.ops) <= 12 and address in self.function.successors.get(address, ()):
            return 300
        size = len(self.function.blocks)
        visits, rounds = next((visits, rounds) for most, visits, rounds in _VISITS if size <= most)
        if address not in self.looped:
            return visits
        inside = sum(address in body for body in self.loops.bodies.values())
        return visits * min(1 + inside, rounds)

    def _entry(self) -> State:
        state = State()
        arguments = self.activation.argument_registers
        if self.function.address != self.whole.image.entry:  # which nobody calls
            state.registers = {register: self.terms.param(index) for index, register in enumerate(arguments)}
        state.registers[self.activation.stack_register] = self.activation.memory.frame
        for key, value in self.whole.code.entry_registers(self.function.address).items():
            if isinstance(value, int):
                state.registers[key] = self.terms.const(value)
        return state

    # -- what a block does, and where it leads
    def _block(self, block: Block, state: State) -> list[tuple[int, State]]:
        activation = self.activation
        activation.here = self.events[block.address] = Noted()
        activation.verdicts = self.verdicts[block.address] = {}
        activation.putting.begin(block.address)
        activation.made = self.made[block.address] = []
        if block.address in self.looped:
            activation.later = self.later[block.address] = []
        else:
            activation.later = None
        activation.now = state
        activation.looping = any(block.address in body for body in self.loops.bodies.values())
        self.appends.block = block.address
        activation.site = block.address
        activation.round = distance(block.address)
        known = state.facts
        copy = self.word_copies.get(block.address)
        if copy is not None and copied(activation, state, copy):
            return [(one, state) for one in self.function.successors[block.address] if one != block.address]
        self.ways.open = self.instructions.choices.open
        self.instructions.run(block, state)
        activation.site = block.exit.site
        tested: int | None = None
        if block.exit.kind == "cond":
            tested = activation.value(state, block.exit.value)
            self.copies.tests[block.address] = tested
            out = self._condition(block, state, tested)
        else:
            out = self._leave(block, state)
        for target, one in out:
            if target < VIRTUAL:
                one.registers = {key: value for key, value in one.registers.items() if key < UNIQUE}
            self.loops.leave(block.address, target, one, tested)
            self.piecewise.leave(block.address, target, one, self.heads)
            self.tallies.leave(block.address, target, one, tested)
            self.letters.leave(block.address, target, one, tested)
            changed = one.facts is not known
            one.learn(pieces.told(self.conditions.sets, one) if changed else pieces.measured(self.terms, one))
            if any(fact[0] == "first" for fact in one.facts):
                self.conditions.ends.counted(one)
        return out

    def _leave(self, block: Block, state: State) -> list[tuple[int, State]]:
        """Calls, returns and jumps."""
        leave = block.exit
        after = self.function.successors.get(block.address, ())
        if leave.kind in ("call", "icall"):
            return [(after[0], state)] if self.calls.call(block, state) and after else []
        if leave.kind == "ret":
            self.returns.add(block.address, state)
        elif leave.kind == "ijump" and block.address not in self.function.tails and not after:
            self._tail(block, state, self.activation.value(state, leave.value))
        elif block.address in self.function.tails:
            self._tail(block, state, self.terms.const(self.function.tails[block.address]))
        elif leave.kind == "ijump":
            return self._switch(block, state, after)
        elif leave.kind == FORK:
            return self._fork(state, self.activation.value(state, leave.value), after)
        else:
            return [(one, state if index == 0 else state.copy()) for index, one in enumerate(after)]
        return []

    def _switch(self, block: Block, state: State, after: tuple[int, ...]) -> list[tuple[int, State]]:
        """A jump through a table: what leads to each place is known of the number that selects."""
        target = self.activation.value(state, block.exit.value)
        leaf, values = selected(self.terms, self.activation.image, target, after) or (0, {})
        out = []
        for one in after:
            way = state.copy()
            if one not in values or self.narrowing.among(way, leaf, values[one]):
                out.append((one, way))
                if one in values:
                    self.tested[block.address, one] = (leaf, frozenset(values[one]))
        return out

    def _fork(self, state: State, result: int, after: tuple[int, ...]) -> list[tuple[int, State]]:
        """One way for each entry of a table that a call may have given, and one for all else."""
        terms = self.terms
        told = self.conditions.implied.get(result, ())
        left = set(terms.flat(result))
        out: list[tuple[int, State]] = []
        for one in sorted(left):
            value = terms.value(one)
            if value is not None and value >= terms.floor and len(out) < len(after) - 1:
                facts = [held for other, held in told if other == one]
                way = Case({result: one}, shared(facts) if facts else _NO_FACTS, {}, {})
                out.append((after[len(out) + 1], cases.settled(terms, state, way)))
                left.discard(one)
        if left:
            facts = [held for other, held in told if other in left] if len(told) < MAX_RETURNS else []
            way = Case({result: terms.merge(left)}, shared(facts) if facts else _NO_FACTS, {}, {})
            out.append((after[0], cases.settled(terms, state, way)))
        return out

    def _tail(self, block: Block, state: State, target: int) -> None:
        """A call that is the last thing a function does."""
        result = self.calls.invoke(state, target, block.exit.site)
        if result is not None:
            state.registers[self.activation.result_register] = result
            self.returns.add(block.address, state)

    def _condition(self, block: Block, state: State, term: int) -> list[tuple[int, State]]:
        """The sides of a branch on a condition, with what each tells."""
        after = self.function.successors.get(block.address, ())
        choices = self.instructions.choices
        out = []
        taken = state.copy()
        choices.settle(taken, term, True)
        choices.settle(state, term, False)
        known = state.facts
        ways = self.ways.split(block.address, term)
        if ways is not None:
            within(taken, ways[0])
            within(state, ways[1])
        at = (self.function.address, block.address)
        if self.narrowing.refine(taken, term, True):
            taken.learn(fieldtests.told(self.terms, term, True, at))
            private.refused(self.terms, taken)
            self._found(block, taken, known)
            if block.exit.target in after:
                out.append((block.exit.target, taken))
                self.tested[block.address, block.exit.target] = (term, None)
            elif block.address in self.function.tails:
                self._tail(block, taken.copy(), self.terms.const(self.function.tails[block.address]))
        if self.narrowing.refine(state, term, False) and block.exit.next in after:
            state.learn(fieldtests.told(self.terms, term, False, at))
            private.refused(self.terms, state)
            self._found(block, state, known)
            out.append((block.exit.next, state))
            self.tested[block.address, block.exit.next] = (term, _NEVER)
        return out

    def _found(self, block: Block, state: State, known: frozenset[Fact]) -> None:
        """An entry may have been found by its key."""
        if block.address in self.searches and state.facts is not known:
            self.activation.memory.keys.found(state, state.facts - known)
