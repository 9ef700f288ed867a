"""Evaluates one function over symbolic values: every path together, loops to a fixpoint, calls by summary."""

from typing import TYPE_CHECKING, TypeVar

from . import bounds, fold, library, quoting
from .agenda import Agenda
from .choices import Choice, normal, settle
from .code import Function
from .conditions import Conditions
from .elf import IMPORT_BASE
from .join import Head, Implied, carried, join
from .lift import (
    ADD,
    BAND,
    BNOT,
    BOR,
    EQ,
    MOV,
    MUL,
    NE,
    NEG,
    NOT,
    OTHER,
    PIECE,
    REPEAT,
    SELECT,
    SEXT,
    STORE,
    SUB,
    TRUNC,
    UNIQUE,
    VIRTUAL,
    WEAK_STORE,
    XOR,
    ZEXT,
    Block,
)
from .lift import LOAD as OP_LOAD
from .loops import Loops
from .memory import Memory
from .state import Content, Places, State
from .summary import Application, Event, Summary
from .terms import ADDR, CONST, LOAD, OP, PARAM, PHI, RESULT, STACK, Location, Terms

if TYPE_CHECKING:
    from .whole import Whole

T = TypeVar("T")
_UNARY = frozenset((MOV, ZEXT, SEXT, TRUNC, NEG, NOT, BNOT))
_VISITS = ((150, 7), (300, 4), (1 << 30, 2))
"""For functions of so many blocks: how often each is looked at. The first time everything is seen once, the second
time what loops carry round.
"""
_MAX_WORDS = 120
_MAX_TEXTS = 60
"""Places that a function's callers hear of. Those that one function of a device's daemon fills are a tenth of it."""
_MAX_TARGETS = 24
_MAX_FACTS = 60
_MAX_PATHS = 40
"""Ways that are gone back from a byte that is written."""


class Evaluation:
    """One function being evaluated. The surface that library models use is `library.Caller`."""

    def __init__(self, whole: "Whole", function: Function) -> None:
        self.whole = whole
        self.function = function
        self.terms: Terms = whole.terms
        self.image = whole.image
        self.conditions = Conditions(whole.terms, whole.sets, self._constant_text, self._constant_bytes)
        self.implied: Implied = self.conditions.implied
        self.memory = Memory(whole.terms, whole.image, function.address, self.note, whole.sets)
        convention = whole.lifter.convention
        registers = whole.lifter.registers
        self.memory.stack_arguments = convention.stack_arguments
        self.memory.register_arguments = len(convention.arguments)
        self.memory.shadow = convention.shadow
        self.memory.number_deps = whole.number_deps
        self.memory.buffers = whole.buffers
        self.memory.written = self._written
        self.argument_registers = [registers[name] for name in convention.arguments]
        self.result_register = registers[convention.result]
        self.stack_register = registers[convention.stack]
        self.gp = registers["gp"] if whole.image.architecture == "mips" else -1
        self.link = convention.link
        self.preserved = frozenset(registers[name] for name in convention.preserved if name in registers)
        self.events: dict[int, dict[Event, None]] = {}
        self.here: dict[Event, None] = {}
        self.returned: dict[int, tuple[int, State]] = {}
        self.edges: dict[tuple[int, int], State] = {}
        self.befores: dict[int, list[int]] = {}
        self.heads: dict[int, Head] = {}
        self.site = 0
        self.choices: dict[int, tuple[int, int, int, int]] = {}
        """Registers that a conditional instruction of the block set: the value, the condition, and both its sides."""
        self.now = State()
        """The state that the block at hand works on."""
        self.frame_marks: set[int] = set()
        self.tested = 0
        """The condition that the block at hand ends with."""
        self.chosen: dict[int, Choice] = {}

    # -- driving
    def run(self) -> Summary:
        order = self.function.order
        position = {address: index for index, address in enumerate(order)}
        self.position = position
        self.loops = Loops(self.function, position, self.terms, self.whole.sets)
        self.conditions.walked = self.loops.walked
        befores: dict[int, list[int]] = {address: [] for address in order}
        self.befores = befores
        for address in order:
            for after in self.function.successors.get(address, ()):
                if after in befores:
                    befores[after].append(address)
        visits: dict[int, int] = {}
        agenda = Agenda(
            {position[head]: frozenset(position[one] for one in body) for head, body in self.loops.bodies.items()}
        )
        while (index := agenda.next()) is not None:
            address = order[index]
            if visits.get(address, 0) >= self._limit(address) or self.whole.expired():
                self.whole.cut = self.whole.cut or self.whole.expired()
                continue
            head = self._met(address, index, befores[address])
            if head is None:
                continue
            state = head.whole
            self.loops.enter(address, state)
            old = self.heads.get(address)
            if old is not None and old.whole.same(state) and not self.loops.changed(address):
                continue
            self.heads[address] = Head(head.entry, state.copy())
            visits[address] = visits.get(address, 0) + 1
            for after, out in self._block(self.function.blocks[address], state):
                if after not in position:
                    continue
                self.edges[(address, after)] = out
                agenda.add(index, position[after])
        return self._summary()

    def _met(self, address: int, index: int, befores: list[int]) -> Head | None:
        """The state at a block's head: its edges joined; None when none was taken yet."""
        old = self.heads.get(address)
        states = [self._entry()] if not index else []
        backs: list[State] = []
        for one in befores:
            state = self.edges.get((one, address))
            if state is not None:
                (backs if self.position[one] >= index else states).append(state)
        if not states:
            states, backs = backs, []
        if not states:
            return None
        entry = self._join(address, states)
        if not backs:
            return Head(entry, entry)
        if old is not None:
            backs = [carried(self.terms, address, entry, one, old) for one in backs]
        whole = self._join(address, [entry, *backs])
        if old is not None:
            self._widen(old.whole, whole)
        return Head(entry, whole)

    def _widen(self, before: State, now: State) -> None:
        """A range that grows as the loop goes round has no end, unless a test in the loop gives it one."""
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
            states,
            self.whole.lifter.flags,
            self.implied,
            self.stack_register,
        )

    def _limit(self, address: int) -> int:
        """Visits allowed to a block; one that only moves the stack pointer is a page probe and may go round often."""
        block = self.function.blocks[address]
        if len(block.ops) <= 12 and address in self.function.successors.get(address, ()):
            return 300
        size = len(self.function.blocks)
        inside = sum(address in body for body in self.loops.bodies.values())
        return next(visits for most, visits in _VISITS if size <= most) * min(1 + inside, 3)

    def _entry(self) -> State:
        state = State()
        state.registers = {register: self.terms.param(index) for index, register in enumerate(self.argument_registers)}
        state.registers[self.stack_register] = self.memory.frame
        for key, value in self.whole.code.entry_registers(self.function.address).items():
            if isinstance(value, int):
                state.registers[key] = self.terms.const(value)
        return state

    def _block(self, block: Block, state: State) -> list[tuple[int, State]]:
        self.here = self.events[block.address] = {}
        self.choices = {}
        self.now = state
        self.site = block.address
        self._ops(block, state)
        leave = block.exit
        kind = leave.kind
        after = self.function.successors.get(block.address, ())
        self.site = leave.site
        out: list[tuple[int, State]] = []
        if kind == "cond":
            out = self._condition(block, state, after)
        elif kind in ("call", "icall"):
            if self._call(block, state) and after:
                out = [(after[0], state)]
        elif kind == "ret":
            self._return(block.address, state)
        elif kind == "ijump" and block.address not in self.function.tails and not after:
            self._tail_pointer(block, state)
        elif block.address in self.function.tails:
            self._tail(block.address, state, self.function.tails[block.address])
        else:
            out = [(one, state if index == 0 else state.copy()) for index, one in enumerate(after)]
        for target, one in out:
            if target < VIRTUAL:
                one.registers = {key: value for key, value in one.registers.items() if key < UNIQUE}
            self.loops.leave(block.address, target, one, self.tested if kind == "cond" else None)
        return out

    def _condition(self, block: Block, state: State, after: tuple[int, ...]) -> list[tuple[int, State]]:
        term = self.tested = self._value(state, block.exit.value)
        out = []
        taken = state.copy()
        self._choose(taken, term, True)
        self._choose(state, term, False)
        ways = self._ways(block.address, term)
        if ways is not None:
            _within(taken, ways[0])
            _within(state, ways[1])
        if self.conditions.refine(taken, term, True):
            if block.exit.target in after:
                out.append((block.exit.target, taken))
            elif block.address in self.function.tails:
                self._tail(block.address, taken.copy(), self.function.tails[block.address])
        if self.conditions.refine(state, term, False) and block.exit.next in after:
            out.append((block.exit.next, state))
        return out

    def _ways(self, block: int, condition: int) -> tuple[list[State], list[State]] | None:
        """Where several tests end in one branch (`a && b || c`): what holds on the ways here that take it, and on those
        that do not. None when the condition is the same on all ways.
        """
        nodes = self.terms.nodes
        holds = True
        while nodes[condition][0] == OP and (
            nodes[condition][1] == BNOT
            or (nodes[condition][1] in (EQ, NE) and self.terms.value(nodes[condition][3]) == 0)
        ):
            holds = holds if nodes[condition][1] == NE else not holds
            condition = nodes[condition][2]
        node = nodes[condition]
        if node[0] != PHI or node[1:3] != (self.function.address, block):
            return None
        out: tuple[list[State], list[State]] = ([], [])
        for before in self.befores[block]:
            state = self.edges.get((before, block))
            value = state.registers.get(node[3]) if state is not None else None
            if state is None or value is None:
                return None
            for index, truth in enumerate((True, False)):
                probe = State()
                probe.masks, probe.ranges, probe.facts = dict(state.masks), dict(state.ranges), state.facts
                if self.conditions.refine(probe, value, truth == holds):
                    out[index].append(probe)
        return out

    def _choose(self, state: State, term: int, truth: bool) -> None:
        """Behind a branch by the condition of conditional instructions, which of two pointers they chose is known."""
        settle(self.terms, state, term, truth)
        for register, (merged, condition, yes, no) in self.choices.items():
            if state.registers.get(register) != merged:
                continue
            now = normal(self.terms, term, truth)
            if normal(self.terms, condition, True) == now:
                state.registers[register] = yes
            elif normal(self.terms, condition, False) == now:
                state.registers[register] = no

    # -- a shell's line that is written byte by byte
    def _written(self, state: State, address: int, value: int) -> list[tuple[int | None, quoting.Places]]:
        """By which paths an address was reached: what a byte can be on each, and the place in a shell's line."""
        out: list[tuple[int | None, quoting.Places]] = []
        seen: set[tuple[int, int, int]] = set()
        here = self.memory.byte_mask(state, value)
        work: list[tuple[State, int, int | None, int | None]] = [(state, address, value, here)]
        while work:
            there, where, what, mask = work.pop()
            blocks = self.loops.heads_of(where)
            known = _place(there, where) if blocks else _place(there, where) or quoting.START
            if known is not None:
                out.append((mask, known))
                continue
            block = max(blocks, key=lambda one: self.position.get(one, -1))
            if len(seen) > _MAX_PATHS:
                return [(here, quoting.UNTOLD)]
            for edge in self._edges_to(block, where, seen):
                moved = self._carried_by(edge, block, where)
                if moved != where:
                    work.append((edge, moved, *self._value_on(edge, block, what, mask)))
        return out or [(here, quoting.UNTOLD)]

    def _edges_to(self, block: int, where: int, seen: set[tuple[int, int, int]]) -> list[State]:
        """The ways to a block that were not gone back yet for this address."""
        out = []
        for before in self.befores.get(block, ()):
            edge = self.edges.get((before, block))
            if edge is not None and (before, block, where) not in seen:
                seen.add((before, block, where))
                out.append(edge)
        return out

    def _value_on(self, edge: State, block: int, value: int | None, mask: int | None) -> tuple[int | None, int | None]:
        """A byte on one way to a block and what is known of it there; no byte any more once it was not read yet."""
        if value is None:
            return None, mask
        moved = self._carried_by(edge, block, value)
        if block in self.loops.heads_of(moved):
            return None, mask
        constant = self.terms.value(moved)
        more = self.memory.byte_mask(edge, moved) if constant is None else 1 << (constant & 255)
        return moved, more if mask is None else mask if more is None else mask & more

    def _carried_by(self, edge: State, block: int, term: int) -> int:
        """A term with what the block's head joins replaced by what came over one edge."""
        node = self.terms.nodes[term]
        kind = node[0]
        if kind == PHI and node[1] == self.function.address and node[2] == block:
            if isinstance(node[3], int):
                return edge.registers.get(node[3], term)
            entry = edge.words.get(node[3])
            return term if entry is None else entry[1]
        if kind == ADDR:
            return self.terms.add(self._carried_by(edge, block, node[1]), node[2], node[3])
        if kind == OP and node[1] in (ADD, SUB):
            left, right = (self._carried_by(edge, block, one) for one in node[2:4])
            return fold.binary(self.terms, node[1], left, right, self.terms.word)
        return term

    # -- straight code
    def _value(self, state: State, operand: int) -> int:
        if operand < 0:
            return self.terms.const(~operand)
        found = state.registers.get(operand)
        if found is None:
            if operand == self.gp and self.image.gp is not None:
                return self.terms.const(self.image.gp)
            found = self.terms.unknown(("register", self.function.address, operand))
        return found

    def _ops(self, block: Block, state: State) -> None:  # noqa: C901 - one case a kind; a table of functions would hide the order
        registers = state.registers
        terms = self.terms
        const = terms.const
        value = self._value
        gp = self.gp if self.image.gp is not None else -1
        for kind, out, a, b, size, at in block.ops:
            if kind in (STORE, WEAK_STORE):
                self.site = at
                if kind == WEAK_STORE:
                    self._guarded_store(state, value(state, a), b, size, out)
                elif size > terms.word:
                    self._wide_store(state, value(state, a), b, size, False)
                else:
                    self._store(state, value(state, a), value(state, b), size)
                continue
            if size > terms.word and kind in (OP_LOAD, MOV, XOR):
                self._wide(state, kind, out, a, b, size, at)
                continue
            if kind == REPEAT:
                self.site = at
                self._repeat(state, size, bool(~b))
                continue
            left = const(~a) if a < 0 else registers.get(a)
            if left is None:
                left = value(state, a)
            if kind == OP_LOAD:
                self.site = at
                result = self.memory.load(state, left, size)
            elif kind in _UNARY:
                result = left if kind in (MOV, ZEXT) else fold.unary(terms, kind, left, size)
            elif kind == SELECT:
                self._select(state, out, left, value(state, b), size)
                continue
            elif kind == OTHER:
                result = terms.unknown(("other", self.function.address, at))
            else:
                right = const(~b) if b < 0 else registers.get(b)
                if right is None:
                    right = value(state, b)
                if kind == PIECE:
                    result = right if terms.nodes[left][0] == CONST else fold.binary(terms, kind, left, right, size)
                else:
                    result = fold.binary(terms, kind, left, right, size)
            if out == gp:
                continue
            registers[out] = result

    def _store(self, state: State, address: int, value: int, size: int) -> None:
        self.memory.store(state, address, value, size)
        if size == 1 and self.loops.bodies:
            self._overwritten(state, address, value, None)

    def _overwritten(self, state: State, address: int, value: int, condition: tuple[int, bool] | None) -> None:
        constant = self.terms.value(value)
        mask = 1 << (constant & 255) if constant is not None else self.memory.byte_mask(state, value)
        self.loops.overwritten(state, address, mask, condition)

    def _guarded_store(self, state: State, address: int, operand: int, size: int, guard: int) -> None:
        """A store of a conditional instruction: done or not, and what is stored is what the condition lets pass.

        For `guard` see the lifter.
        """
        condition, truth = self._value(state, guard >> 1), not guard & 1
        decided = self.terms.value(condition)
        if decided is not None and bool(decided) != truth:
            return
        if size > self.terms.word:
            self._wide_store(state, address, operand, size, decided is None)
            return
        value = self._value(state, operand)
        if decided is not None:
            self._store(state, address, value, size)
            return
        masks = state.masks
        probe = State()
        probe.masks, probe.ranges, probe.facts = dict(masks), dict(state.ranges), state.facts
        self.conditions.refine(probe, condition, truth)
        state.masks = probe.masks
        self.memory.store(state, address, value, size, weak=True)
        state.masks = masks
        if size == 1 and self.loops.bodies:
            self._overwritten(state, address, value, (condition, truth))

    def _wide_store(self, state: State, address: int, operand: int, size: int, weak: bool) -> None:
        """A vector register holds several words; each is stored where it goes."""
        word = self.terms.word
        for at in range(0, min(size, 64), word):
            part = self.terms.zero if operand < 0 else self._value(state, operand + at)
            self.memory.store(state, self.terms.add(address, at), part, word, weak)

    def _wide(self, state: State, kind: int, out: int, a: int, b: int, size: int, site: int) -> None:
        """Loads, moves and clearing of vector registers, a word at a time."""
        word = self.terms.word
        self.site = site
        values = []
        for at in range(0, min(size, 64), word):
            if kind == OP_LOAD:
                values.append(self.memory.load(state, self.terms.add(self._value(state, a), at), word))
            elif kind == MOV:
                values.append(self.terms.const(~a >> (8 * at)) if a < 0 else self._value(state, a + at))
            else:
                values.append(self.terms.zero if a == b else self.terms.unknown(("vector", site, at)))
        for index, one in enumerate(values):
            state.registers[out + index * word] = one

    def _repeat(self, state: State, size: int, copies: bool) -> None:
        """`rep movs` and `rep stos`: block copies and fills."""
        names = self.whole.lifter.registers
        wide = self.terms.word == 8
        target, source, count = (names[name] for name in (("RDI", "RSI", "RCX") if wide else ("EDI", "ESI", "ECX")))
        where, length = self._value(state, target), self._value(state, count)
        total = fold.binary(self.terms, MUL, length, self.terms.const(size), self.terms.word)
        end = fold.binary(self.terms, ADD, where, total, self.terms.word)
        if copies:
            origin = self._value(state, source)
            library.block_copy(self, state, where, origin, total, size == 1)
            state.registers[source] = fold.binary(self.terms, ADD, origin, total, self.terms.word)
        elif self.terms.value(length) is not None and self.terms.value(self._value(state, self.result_register)) == 0:
            library.block_fill(self, state, where, total)
        state.registers[target] = end
        state.registers[count] = self.terms.zero

    def _select(self, state: State, out: int, condition: int, new: int, sense: int) -> None:
        """`out = condition ? new : out` (the other way round when sense is 0)."""
        old = state.registers.get(out)
        terms = self.terms
        decided = terms.value(condition)
        if old is None and decided is None and out not in self.whole.lifter.flags:
            state.registers[out] = new  # where nothing is put there, nothing reads it
            return
        if old is None:
            old = self.terms.unknown(("register", self.function.address, out))
        before = self.chosen.get(out)
        if (
            before is not None
            and before.made == old
            and normal(terms, condition, bool(sense)) == normal(terms, before.condition, not before.sense)
        ):
            old = before.new  # where this one does not choose, the one before did
        if old == new:
            state.registers[out] = new
            return
        if decided is not None:
            state.registers[out] = new if bool(decided) == bool(sense) else old
            return
        yes, no = (new, old) if sense else (old, new)
        if out in self.whole.lifter.flags:
            state.registers[out] = self._flag(condition, yes, no)
            return
        if (terms.nodes[yes][0] == CONST and terms.nodes[no][0] == CONST) or self._is_byte_choice(yes, no):
            made = state.registers[out] = terms.make((OP, SELECT, condition, yes, no), condition, yes, no)
            mask = self.memory.byte_mask(state, made)
            if mask is not None:
                state.masks[made] = mask
        else:
            merged = state.registers[out] = terms.merge({yes, no})
            self.choices[out] = (merged, condition, yes, no)
            self._choice_range(state, condition, yes, no, merged)
        self.chosen[out] = Choice(condition, bool(sense), new, state.registers[out])

    def _choice_range(self, state: State, condition: int, yes: int, no: int, merged: int) -> None:
        """`n < 80 ? n : 80` is at most 80."""
        sides = []
        for side, truth in ((yes, True), (no, False)):
            probe = State()
            probe.masks, probe.ranges, probe.facts = dict(state.masks), dict(state.ranges), state.facts
            self.conditions.refine(probe, condition, truth)
            sides.append((side, probe))
        spans = [bounds.span(self.terms, side, probe.ranges) for side, probe in sides]
        highs = [one[1] for one in spans if one is not None]
        if len(highs) == len(sides):
            state.ranges[merged] = (0, max(highs))
        ordered = bounds.ordered(self.terms, merged, [(side, probe.facts) for side, probe in sides])
        if ordered and len(state.facts) < _MAX_FACTS:
            state.facts = state.facts | ordered

    def _is_byte_choice(self, yes: int, no: int) -> bool:
        """`test(c) ? c : '_'`: kept whole, so that the values it can have are known."""
        return len(self.whole.sets.variables(yes) | self.whole.sets.variables(no)) == 1

    def _flag(self, condition: int, yes: int, no: int) -> int:
        """A flag that a conditional compare sets: `condition ? yes : no` as and/or."""
        terms = self.terms
        if terms.value(no) is not None:
            if terms.value(no):
                inverted = fold.unary(terms, BNOT, condition, 1)
                return fold.binary(terms, BOR, inverted, yes, 1)
            return fold.binary(terms, BAND, condition, yes, 1)
        if terms.value(yes) is not None:
            if terms.value(yes):
                return fold.binary(terms, BOR, condition, no, 1)
            return fold.binary(terms, BAND, fold.unary(terms, BNOT, condition, 1), no, 1)
        return terms.make((OP, SELECT, condition, yes, no), condition, yes, no)

    # -- calls
    def _call(self, block: Block, state: State) -> bool:
        """Apply a call; False when it does not return."""
        leave = block.exit
        target = self.terms.const(leave.target) if leave.kind == "call" else self._value(state, leave.value)
        result = self._invoke(state, target, leave.site)
        if result is None:
            return False
        self._after_call(state, result, self._changed(target, leave.site))
        return True

    def _changed(self, target: int, site: int) -> frozenset[int] | None:
        """The registers that a call changes, None when it may be all that the convention lets it: compilers keep values
        in registers that they know a function of the same program leaves alone.
        """
        value = self.terms.value(target)
        if value is None or self.whole.resolved.get((self.function.address, site)):
            return None
        return self.whole.code.changed(value)

    def _after_call(self, state: State, result: int, changed: frozenset[int] | None) -> None:
        registers = state.registers
        if changed is None:
            kept = {key: value for key, value in registers.items() if key in self.preserved}
        else:
            kept = {key: value for key, value in registers.items() if key in self.preserved or key not in changed}
        if self.link:
            kept[self.stack_register] = self.terms.add(registers.get(self.stack_register, self.memory.frame), self.link)
        kept[self.result_register] = result
        state.registers = kept

    def _invoke(self, state: State, target: int, site: int) -> int | None:
        """Call whatever `target` may be. The result's term, or None."""
        known = [
            value
            for one in self.terms.flat(target)
            if (value := self.terms.value(one)) is not None and value >= self.terms.floor
        ]
        known += [one for one in self.whole.resolved.get((self.function.address, site), ()) if one not in known]
        if not known:
            arguments = tuple(self.argument(state, index) for index in range(6))
            if self.terms.nodes[target][0] != CONST:
                self.note(("icall", site, target, arguments, self.function.address))
            return self.terms.result(site, "icall", arguments[:3])
        if len(known) == 1:
            return self._invoke_one(state, known[0], site)
        return self._invoke_many(state, known[:_MAX_TARGETS], site)

    def _invoke_many(self, state: State, targets: list[int], site: int) -> int | None:
        states: list[State] = []
        results: set[int] = set()
        before = state.copy()
        for one in targets:
            branch = before.copy()
            result = self._invoke_one(branch, one, site)
            if result is not None:
                results.add(result)
                states.append(branch)
        if not states:
            return None
        merged = join(self.terms, self.function.address, site, states, self.whole.lifter.flags, {})
        for name in State.__slots__:
            setattr(state, name, getattr(merged, name))
        return self.terms.merge(results)

    def _invoke_one(self, state: State, target: int, site: int) -> int | None:
        self.site = site
        name = self.whole.code.name(target)
        if name is not None:
            model = self.whole.model(name)
            if model is not None:
                return library.call(self, state, name, model)
            return library.plain_result(self, state, name)
        if target >= IMPORT_BASE or not self.image.executable(target & ~1 if self.whole.arm else target):
            return self.terms.result(site, "unknown", ())
        summary = self.whole.summary(target)
        if summary is None:
            return self.terms.result(site, "recursion", ())
        return Application(self, state, summary, site).apply()

    def _tail(self, address: int, state: State, target: int) -> None:
        if self.link:
            state.registers[self.stack_register] = self.terms.add(
                state.registers.get(self.stack_register, self.memory.frame), 0
            )
        result = self._tail_invoke(state, self.terms.const(target), self.function.blocks[address].exit.site)
        if result is not None:
            state.registers[self.result_register] = result
            self._return(address, state)

    def _tail_invoke(self, state: State, target: int, site: int) -> int | None:
        return self._invoke(state, target, site)

    def _tail_pointer(self, block: Block, state: State) -> None:
        result = self._invoke(state, self._value(state, block.exit.value), block.exit.site)
        if result is not None:
            state.registers[self.result_register] = result
            self._return(block.address, state)

    def _return(self, address: int, state: State) -> None:
        value = state.registers.get(self.result_register, self.terms.unknown("void"))
        self._tested(state)
        low, high = state.ranges.get(value, (0, 1))
        if low == high:
            value = self.terms.const(low)  # tested on the way here
        self.returned[address] = (value, state)

    def _is_length(self, term: int) -> bool:
        node = self.terms.nodes[term]
        return node[0] in (RESULT, LOAD, PARAM) or (node[0] == OP and node[1] not in fold.BOOLEAN)

    def _tested(self, state: State) -> None:
        """Lengths that the function tested, as facts that a caller can read."""
        found = set()
        for term, (_low, high) in state.ranges.items():
            if self.terms.open[term] and 0 <= high < 1 << 31 and self._is_length(term):
                found.add(("most", term, self.terms.zero, high))
        for fact in state.facts:
            span = state.ranges.get(fact[2]) if fact[0] == "most" else None
            if span is not None and 0 <= span[1] < 1 << 31:
                found.add(("most", fact[1], self.terms.zero, span[1] + fact[3]))
        if found and len(state.facts) < _MAX_FACTS:
            state.facts = state.facts | found

    # -- the surface for library models
    def argument(self, state: State, index: int) -> int:
        if index < len(self.argument_registers):
            register = self.argument_registers[index]
            found = state.registers.get(register)
            return found if found is not None else self.terms.unknown(("argument", index))
        offset = self.memory.stack_arguments + (index - len(self.argument_registers)) * self.terms.word
        stack = state.registers.get(self.stack_register, self.memory.frame)
        return self.memory.load(state, self.terms.add(stack, offset), self.terms.word)

    def variable_arguments(self, state: State, first: int, count: int) -> tuple[int, ...]:
        return tuple(self.argument(state, first + index) for index in range(count))

    def list_arguments(self, state: State, pointer: int, count: int) -> tuple[int, ...]:
        """What a va_list yields; its layout is the platform's."""
        word, load, add = self.terms.word, self.memory.load, self.terms.add
        architecture = self.image.architecture
        if architecture == "x86_64":
            saved = load(state, add(pointer, 16), word)
            more = load(state, add(pointer, 8), word)
            start = self.terms.value(load(state, pointer, 4))
            start = 48 if start is None else start
            places = [
                add(saved, start + 8 * index) if start + 8 * index < 48 else add(more, start + 8 * index - 48)
                for index in range(count)
            ]
            return tuple(load(state, one, word) for one in places)
        if architecture == "arm64":
            top = load(state, add(pointer, 8), word)
            stack = load(state, pointer, word)
            start = self.terms.value(load(state, add(pointer, 24), 4))
            offset = 0 if start is None else start - (1 << 32 if start >> 31 else 0)
            places = [
                add(top, offset + 8 * index) if offset + 8 * index < 0 else add(stack, offset + 8 * index)
                for index in range(count)
            ]
            return tuple(load(state, one, word) for one in places)
        return tuple(load(state, add(pointer, word * index), word) for index in range(count))

    def sink(self, state: State, name: str, content: Content, extra: str = "") -> None:
        if content.deps:
            self.note(("sink", name, self.site, content, state.facts, ((self.function.address, self.site),), extra))

    def start(self, state: State, name: str, path: int, vector: int) -> None:
        """A program is started with arguments that are not all known here."""
        step = ((self.function.address, self.site),)
        self.note(("start", name, self.site, path, vector, state.facts, step))

    def overrun(
        self,
        state: State,
        name: str,
        target: int,
        content: Content | None,
        size: int | None,
        sources: tuple[tuple[int, int | None], ...] = (),
        literal: int = 0,
    ) -> None:
        """A copy that may be longer than its target; `size` is the length argument, None when the texts at `sources`
        (each with a bound when one is known) and `literal` bytes between them say how much is written.
        """
        if content is None or not content.deps:
            return
        limit = self.limit(state, size) if size is not None else None
        told = []
        for source, known in sources:
            tested = self.string_limit(state, source)
            told.append((source, tested if known is None else known if tested is None else min(known, tested)))
        self.note(
            (
                "over",
                name,
                self.site,
                target,
                limit,
                content,
                -1 if size is None else size,
                state.facts,
                ((self.function.address, self.site),),
                tuple(told),
                literal,
            )
        )

    def limit(self, state: State, size: int) -> int | None:
        """An upper bound of a length here, None when nothing bounds it but the width of a word."""
        found = min(bounds.most(self.terms, size, state.ranges), bounds.part(self.terms, size, state.ranges))
        return found if 0 <= found < bounds.HUGE else None

    def string_limit(self, state: State, source: int) -> int | None:
        """A length that was tested: bytes of the text at `source` with its end, when `strlen(source)` has a bound
        here.
        """
        found = [high + 1 for term, (_low, high) in state.ranges.items() if self._measures(term, source)]
        for fact in state.facts:
            if fact[0] == "most" and self._measures(fact[1], source):
                known = bounds.span(self.terms, fact[2], state.ranges)
                found += [known[1] + fact[3] + 1] if known is not None else []
        return min((one for one in found if 0 < one < 1 << 31), default=None)

    def _measures(self, term: int, source: int, level: int = 0) -> bool:
        """Whether the number is the length of the text, or that and more."""
        node = self.terms.nodes[term]
        if node[0] == RESULT:
            return node[2] in ("strlen", "strnlen") and bool(node[3]) and node[3][0] == source
        if node[0] == OP and node[1] == ADD and level < 4:
            return any(self._measures(one, source, level + 1) for one in node[2:4])
        return node[0] == ADDR and not node[3] and self._measures(node[1], source, level + 1)

    def note(self, event: Event) -> None:
        self.here[event] = None
        if event[0] in ("text", "out", "put") and self.now.facts:
            proof = frozenset(fact for fact in self.now.facts if fact[0] in ("eq", "word"))
            if proof:
                self.whole.prove(event[4] if event[0] == "text" else event if event[0] == "out" else event[3], proof)

    def callback(self, state: State, function: int, arguments: tuple[int, ...]) -> None:
        """A function that the library will call: with what memory may hold by then, not with what it holds now."""
        site = self.site
        for target in self._targets(function, arguments):
            summary = self.whole.summary(target)
            if summary is not None:
                application = Application(self, self._later(state), summary, site)
                application.arguments = dict(enumerate(arguments))
                application.apply()
            self.site = site

    def _targets(self, function: int, arguments: tuple[int, ...]) -> list[int]:
        """The program's own functions that a callback may be."""
        out: list[int] = []
        for one in self.terms.flat(function):
            target = self.terms.value(one)
            if target is None:
                self.note(("icall", self.site, one, arguments, self.function.address))
                out += self.whole.resolved.get((self.function.address, self.site), ())
            else:
                out.append(target)
        return [one for one in dict.fromkeys(out) if self._is_own(one)][:_MAX_TARGETS]

    def _is_own(self, target: int) -> bool:
        if target < self.terms.floor or self.whole.code.name(target) is not None:
            return False
        return bool(self.image.executable(target & ~1 if self.whole.arm else target))

    def _later(self, state: State) -> State:
        """What is still known when a thread, a timer or a handler runs: frames, and what was compared."""
        out = state.copy()
        nodes = self.terms.nodes
        out.words = Places((key, value) for key, value in state.words.items() if nodes[key[0]][0] == STACK)
        out.texts = Places((key, value) for key, value in state.texts.items() if nodes[key[0]][0] == STACK)
        return out

    def range_of(self, state: State, term: int) -> tuple[int, int] | None:
        """What is known of a number's size: constants, tests in force, widths of loads."""
        value = self.terms.value(term)
        if value is not None:
            signed = self.terms.signed(value)
            return (signed, signed)
        known = state.ranges.get(term)
        node = self.terms.nodes[term]
        if known is not None and known[1] < 1 << 62:
            return known
        if node[0] == LOAD and node[4] <= 2:
            return (0, (1 << (8 * node[4])) - 1)
        if node[0] == ADDR:
            inner = self.range_of(state, node[1]) if not node[3] else None
            return None if inner is None else (inner[0] + node[2], inner[1] + node[2])
        return None

    def _constant_text(self, term: int) -> str | None:
        texts = set()
        for one in self.terms.flat(term):
            value = self.terms.value(one)
            if value is None or value < self.terms.floor:
                return None
            text = self.image.text(value) if self.image.constant(value) else None
            if text is None:
                return None
            texts.add(text)
        return texts.pop() if len(texts) == 1 else None

    def _constant_bytes(self, term: int, size: int) -> bytes | None:
        value = self.terms.value(term)
        if value is None or value < self.terms.floor or not self.image.constant(value):
            return None
        return self.image.bytes_at(value, size) or None

    # -- what callers see
    def _split(self) -> list[tuple[int, State]]:
        """The values returned, with the states they are returned in. A comparison of a length that was counted is
        returned as the two values it may have: what each says of the length is lost with the counter otherwise.
        """
        out: list[tuple[int, State]] = []
        for value, state in self.returned.values():
            counted = {fact[2] for fact in state.facts if fact[0] == "most"}
            node = self.terms.nodes[value]
            while node[0] == OP and node[1] in (BNOT, EQ) and node[2:] and self._of_boolean(node):
                node = self.terms.nodes[node[2]]
            sides = [self.terms.based(one)[0] for one in node[2:4]] if node[0] == OP and node[1] in fold.BOOLEAN else []
            if not counted & set(sides):
                out.append((value, state))
                continue
            for truth in (True, False):
                probe = state.copy()
                if self.conditions.refine(probe, value, truth):
                    self._tested(probe)
                    out.append((self.terms.const(int(truth)), probe))
        return out

    def _of_boolean(self, node: tuple[int, ...]) -> bool:
        inner = self.terms.nodes[node[2]]
        return bool(inner[0] == OP and inner[1] in fold.BOOLEAN)

    def _summary(self) -> Summary:
        out = Summary(self.function.address)
        out.returning = bool(self.returned)
        seen: dict[Event, None] = {}
        for events in self.events.values():
            seen.update(events)
        states = [state for _, state in self.returned.values()]
        if states:
            flags = self.whole.lifter.flags
            end = join(self.terms, self.function.address, -1, states, flags, {})
            nodes = self.terms.nodes
            out.words = dict(_few([one for one in end.words.items() if nodes[one[0][0]][0] != STACK], _MAX_WORDS))
            out.texts = dict(_few([one for one in end.texts.items() if nodes[one[0][0]][0] != STACK], _MAX_TEXTS))
            out.sure = {
                key for key in (*out.words, *out.texts) if all(key in one.words or key in one.texts for one in states)
            }
            for value, state in self._split():
                alternatives = self.implied.get(value) or ((value, frozenset()),)
                out.returns += [(one, facts | state.facts) for one, facts in alternatives]
            out.returns = out.returns[:10]
        self.whole.record(seen, out)
        return out


def _few(items: list[tuple[Location, T]], limit: int) -> list[tuple[Location, T]]:
    """At most so many, those of known places first."""
    return items if len(items) <= limit else sorted(items, key=lambda one: one[0][2] != 0)[:limit]


def _within(state: State, ways: list[State]) -> None:
    """One of the ways was taken: the bytes are what one of them leaves them to be."""
    if not ways:
        return
    for key in set.intersection(*(set(one.masks) for one in ways)):
        mask = 0
        for one in ways:
            mask |= one.masks[key]
        state.masks[key] = state.masks.get(key, mask) & mask


def _place(state: State, address: int) -> quoting.Places | None:
    """Where in a shell's line an address is, when what was written before it tells."""
    return next((fact[2] for fact in state.facts if fact[0] == "place" and fact[1] == address), None)
