"""Calls: library models, summaries of the program's own functions, and whatever a pointer may name."""

from . import cases, library, whens
from .activation import MAX_TARGETS, Activation
from .answers import ASKING, COMPARING
from .application import Application
from .elf import IMPORT_BASE
from .fieldtests import HOLDS
from .join import join
from .lift import AND, Block
from .state import Case, Content, State
from .terms import OP, RECURSION
from .traces import Made
from .untold import Looks, both


class Calls:
    """Makes the calls of one function."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.function = activation.function.address
        self.terms = activation.terms
        self.whole = activation.whole
        self.link = activation.link
        self.rows = activation.rows

    def call(self, block: Block, state: State) -> bool:
        """Apply a call; False when it does not return."""
        leave = block.exit
        if leave.kind == "call":
            target = self.terms.const(leave.target)
        else:
            target = self._pointer(self.activation.value(state, leave.value))
        result = self.invoke(state, target, leave.site)
        if result is None:
            return False
        self._after_call(state, result, self._changed(target, leave.site))
        return True

    def _pointer(self, target: int) -> int:
        """The pointer that is called: where code has a second form, the bit that tells it is cut off first."""
        node = self.terms.nodes[target]
        if node[0] == OP and node[1] == AND and self.terms.value(node[3]) == self.terms.mask - 1:
            return int(node[2])
        return target

    def _changed(self, target: int, site: int) -> frozenset[int] | None:
        """The registers that a call changes, None when it may be all that the convention lets it: compilers keep values
        in registers that they know a function of the same program leaves alone.
        """
        value = self.terms.value(target)
        if value is None or self.whole.resolved.get((self.function, site)):
            return None
        return self.whole.code.changed(value)

    def _after_call(self, state: State, result: int, changed: frozenset[int] | None) -> None:
        registers = state.registers
        if changed is None:
            kept = {key: value for key, value in registers.items() if key in self.activation.preserved}
        else:
            kept = {
                key: value for key, value in registers.items() if key in self.activation.preserved or key not in changed
            }
        if self.link:
            kept[self.activation.stack_register] = self.terms.add(
                registers.get(self.activation.stack_register, self.activation.memory.frame), self.link
            )
        kept[self.activation.result_register] = result
        state.registers = kept

    def invoke(self, state: State, target: int, site: int) -> int | None:
        """Call whatever `target` may be. The result's term, or None.

        Where what is called, or what it is given, differs between the ways by which control came here, it is called
        once for each.
        """
        told = state.cases if self._differs(state, target) else self._told(state)
        if not told:
            return self._invoke(state, target, site)
        ways = []
        for case in told:
            way = self.activation.now = cases.settled(self.terms, state, case)
            result = self._invoke(way, cases.replaced(self.terms, target, case.values), site)
            if result is not None:
                way.registers[self.activation.result_register] = result
                ways.append(way)
        return self._behind(state, ways, site)

    def _told(self, state: State) -> tuple[Case, ...]:
        """The ways that differ in what is known of what is given, by a key that was asked for."""
        given = [state.registers.get(one) for one in self.activation.argument_registers]
        return whens.ways(state.facts, [one for one in given if one is not None])

    def _differs(self, state: State, target: int) -> bool:
        """Whether the ways that led here call different functions, or give what one of them has checked."""
        if not state.cases:
            return False
        if self.rows.pointers(target):
            return True
        if any(cases.replaced(self.terms, target, case.values) != target for case in state.cases):
            return True
        known = self.terms.value(target)
        if known is not None and self.whole.code.name(known) in ASKING:
            return False
        given = [state.registers.get(one) for one in self.activation.argument_registers]
        held = [one for one in given if one is not None]
        for case in state.cases:
            checked = {fact[1] for fact in cases.telling(case.facts)}
            now = [cases.replaced(self.terms, one, case.values) for one in held] if checked else held
            if now != held and not checked.isdisjoint(now):
                return True
            inside = [one for one in now if self.rows.entry(one) is not None] if checked else []
            if inside and any(self.rows.entries(cases.seen(state, case), one) for one in inside):
                return True
        return False

    def _behind(self, state: State, ways: list[State], site: int) -> int | None:
        """The state behind a call that was made in several ways, and the result's term."""
        self.activation.now = state
        if not ways:
            return None
        flags = self.whole.lifter.flags
        merged = join(self.terms, self.function, site, ways, flags, self.activation.conditions.implied)
        for name in State.__slots__:
            setattr(state, name, getattr(merged, name))
        return state.registers[self.activation.result_register]

    def _invoke(self, state: State, target: int, site: int) -> int | None:
        known = [
            value
            for one in self.terms.flat(target)
            if (value := self.terms.value(one)) is not None and value >= self.terms.floor
        ]
        if self.terms.value(target) is None:
            resolved = self.whole.resolved.get((self.function, site), ())
            known += [one for one in resolved if one not in known]
            known = self.rows.possible(state, target, known)
        self.whole.chosen.setdefault((self.function, site), {}).update(dict.fromkeys(known))
        arguments = tuple(self.activation.argument(state, index) for index in range(6))
        if any(self.terms.value(one) is None for one in self.terms.flat(target)):
            self.activation.note(("icall", site, target, arguments, self.function))
        if not known:
            self.activation.memory.share(state, arguments)
            self._looked(state, None)
            return self.terms.result(site, "icall", arguments[:3])
        if len(known) == 1:
            return self._invoke_one(state, known[0], site, arguments)
        return self._invoke_many(state, target, known[:MAX_TARGETS], site, arguments)

    def _invoke_many(
        self, state: State, target: int, targets: list[int], site: int, arguments: tuple[int, ...]
    ) -> int | None:
        ways: list[State] = []
        for one in targets:
            way = self.activation.now = state.copy()
            way.ranges[target] = (self.terms.signed(one),) * 2
            result = self._invoke_one(way, one, site, arguments)
            if result is not None:
                way.registers[self.activation.result_register] = result
                ways.append(way)
        return self._behind(state, ways, site)

    def _invoke_one(self, state: State, target: int, site: int, arguments: tuple[int, ...]) -> int | None:
        self.activation.site = site
        name = self.whole.code.name(target)
        texts = self._compared(state, arguments) if name in COMPARING else ()
        order = self.activation.conditions.answers.order(name or "", arguments)
        result = self._call(state, target, site, name) if order is None else self.terms.const(order)
        self.activation.made.append(Made(target if name is None else 0, name or "", arguments, result, texts))
        return result

    def _compared(self, state: State, arguments: tuple[int, ...]) -> tuple[Content | None, ...]:
        """Texts that were put together to be looked for."""
        places = [self.terms.locate(one) for one in arguments[:2]]
        return tuple(state.texts.get(one[0]) if len(one) == 1 else None for one in places)

    def _call(self, state: State, target: int, site: int, name: str | None) -> int | None:
        if name is not None:
            if name in library.RELEASING:
                self.whole.waiting.add((self.function, site))
            if name not in library.QUIET and (self.whole.concurrent or name not in library.WAITING):
                self._looked(state, None)
            model = self.whole.model(name)
            if model is not None:
                return library.call(self.activation, state, name, model)
            return library.plain_result(self.activation, state, name)
        if target >= IMPORT_BASE or not self.activation.image.executable(target & ~1 if self.whole.arm else target):
            return self.terms.result(site, "unknown", ())
        self.whole.called.setdefault((self.function, site), {})[target] = None
        summary = self.whole.summary(target)
        if summary is None:
            self.whole.recursive.add(target)
            self._looked(state, None)
            return self.terms.result(site, RECURSION, (self.terms.const(target),))
        self._looked(state, summary.looks)
        self._tested(state, site)
        return Application(self.activation, state, summary, site).apply()

    def _tested(self, state: State, site: int) -> None:
        """Tests of words that mean the same everywhere: what is called is called only when they hold."""
        held = frozenset(fact for fact in state.facts if fact[0] == HOLDS and not self.terms.open[fact[1]])
        key = (self.function, site)
        self.whole.asked[key] = self.whole.asked.get(key, held) & held

    def _looked(self, state: State, looks: Looks) -> None:
        """What is called reads texts at these places."""
        self.activation.reveal(state, looks)
        self.activation.looks = both(self.activation.looks, looks)
