"""Calls: library models, summaries of the program's own functions, and whatever a pointer may name."""

from . import library
from .activation import MAX_TARGETS, Activation
from .elf import IMPORT_BASE
from .join import join
from .lift import Block
from .state import State
from .summary import Application
from .terms import RECURSION


class Calls:
    """Makes the calls of one function."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.function = activation.function.address
        self.terms = activation.terms
        self.whole = activation.whole
        self.link = activation.link

    def call(self, block: Block, state: State) -> bool:
        """Apply a call; False when it does not return."""
        leave = block.exit
        target = self.terms.const(leave.target) if leave.kind == "call" else self.activation.value(state, leave.value)
        result = self.invoke(state, target, leave.site)
        if result is None:
            return False
        self._after_call(state, result, self._changed(target, leave.site))
        return True

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
        """Call whatever `target` may be. The result's term, or None."""
        known = [
            value
            for one in self.terms.flat(target)
            if (value := self.terms.value(one)) is not None and value >= self.terms.floor
        ]
        known += [one for one in self.whole.resolved.get((self.function, site), ()) if one not in known]
        arguments = tuple(self.activation.argument(state, index) for index in range(6))
        if any(self.terms.value(one) is None for one in self.terms.flat(target)):
            self.activation.note(("icall", site, target, arguments, self.function))
        if not known:
            return self.terms.result(site, "icall", arguments[:3])
        if len(known) == 1:
            return self._invoke_one(state, known[0], site)
        return self._invoke_many(state, known[:MAX_TARGETS], site)

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
        merged = join(self.terms, self.function, site, states, self.whole.lifter.flags, {})
        for name in State.__slots__:
            setattr(state, name, getattr(merged, name))
        return self.terms.merge(results)

    def _invoke_one(self, state: State, target: int, site: int) -> int | None:
        self.activation.site = site
        name = self.whole.code.name(target)
        if name is not None:
            model = self.whole.model(name)
            if model is not None:
                return library.call(self.activation, state, name, model)
            return library.plain_result(self.activation, state, name)
        if target >= IMPORT_BASE or not self.activation.image.executable(target & ~1 if self.whole.arm else target):
            return self.terms.result(site, "unknown", ())
        summary = self.whole.summary(target)
        if summary is None:
            return self.terms.result(site, RECURSION, (self.terms.const(target),))
        return Application(self.activation, state, summary, site).apply()
