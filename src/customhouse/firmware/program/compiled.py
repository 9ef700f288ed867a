"""Blocks that run often, as Python functions made of their operations.

Only numbers go into the text that is compiled. A function gives the address where to go on, on ARM with the mode as its
lowest bit. Registers and temporaries are variables meanwhile; registers are written back wherever the block is left.
"""

from collections.abc import Callable
from typing import Any

import pypcode

from .blocktext import BlockText, Pair, Recorder, either, names
from .emulator import Machine
from .formulas import BINARY, UNARY, Term
from .liveness import LEAVING, Item, Slot, Unfit
from .userops import meaning

__all__ = ["Compiler", "Pair", "Recorder", "Work"]

_O = pypcode.OpCode
_MOST = 600
"""Operations of a block that is compiled."""
_DEEPEST = 12
Work = Callable[[], int]


class Compiler:
    """Makes functions of the blocks of one machine."""

    def __init__(self, machine: Machine, recorder: Recorder) -> None:
        self.machine, self.recorder = machine, recorder
        self._names = names(machine, recorder)

    def work(self, ops: list[pypcode.PcodeOp], pc: int) -> Work | None:
        """What a block in the machine's present mode does; None where it is better left as it is."""
        try:
            writer = _Writer(self.machine, self.recorder, ops, pc)
            return writer.work(dict(self._names)) if len(ops) <= _MOST else None
        except Unfit:
            return None


class _Writer(BlockText):
    """Writes the function of one block, and how it goes on."""

    def work(self, names: dict[str, Any]) -> Work:
        self._begin()
        self._region(0, len(self.items))
        if not self.items or self.items[-1].op.opcode not in (_O.BRANCH, *LEAVING) or not self.is_straight:
            self._leave(str(self._key(self.end)))
        text = "def work():\n" + "\n".join(self.lines)
        names |= self.names
        exec(compile(text, "<block>", "exec"), names)  # noqa: S102  # our own text, with nothing but numbers in it
        work: Work = names["work"]
        return work

    # -- flow
    def _region(self, low: int, high: int) -> None:
        """The steps from one to another, which nothing enters or leaves in the middle."""
        if self.depth > _DEEPEST:
            raise Unfit
        self._steps(low, high)
        self._tell()

    def _steps(self, low: int, high: int) -> None:
        at = low
        while at < high:
            item = self.items[at]
            code, target = item.op.opcode, item.target
            if code in (_O.BRANCH, _O.CBRANCH) and target is not None:
                self._tell()
                at = self._skip(at, target, high)
                continue
            if self.live.kept[at]:
                self._item(item, at)
            at += 1
            if code == _O.BRANCH or code in LEAVING:
                self._unreached(at, high)
                return

    def _unreached(self, low: int, high: int) -> None:
        """Nothing may lead to what is behind a jump, but from outside of the region."""
        if any(low <= (one.target if one.target is not None else -1) < high for one in self.items):
            raise Unfit

    def _skip(self, at: int, target: int, high: int) -> int:
        """A branch within the block; the step behind what depends on it."""
        item = self.items[at]
        if target > high:
            raise Unfit
        if item.op.opcode == _O.BRANCH:
            self._unreached(at + 1, target)
            return target
        self._closed(at + 1, target, at)
        self._line(f"if not {self._read(item.op.inputs[1]).text}:")
        last = self.items[target - 1]
        beyond = last.target if last.op.opcode == _O.BRANCH and target - 1 > at else None
        known = dict(self.known)
        if beyond is None or not target < beyond <= high:
            self._nested(at + 1, target, known)
            return target
        self._closed(target, beyond, at)
        self._nested(at + 1, target - 1, known)
        first = self.known
        self.known = dict(known)
        self._line("else:")
        self._nested(target, beyond, first)
        return beyond

    def _closed(self, low: int, high: int, entry: int) -> None:
        """Branches into a region come from inside of it, or from its entry."""
        for index, one in enumerate(self.items):
            if one.target is not None and low <= one.target < high and not low <= index < high and index != entry:
                raise Unfit

    def _nested(self, low: int, high: int, other: dict[Slot, Term]) -> None:
        """A region that may be passed by; behind it a variable holds what it does either way."""
        self.depth += 1
        self._line("pass")
        self._region(low, high)
        self.depth -= 1
        self.known = {slot: either(self.known[slot], other[slot]) for slot in self.known.keys() & other.keys()}

    # -- steps
    def _item(self, item: Item, index: int) -> None:
        code, op = item.op.opcode, item.op
        if code not in UNARY and code not in BINARY:
            self._tell()
        if code in (_O.BRANCH, _O.CBRANCH):
            self._jump(item)
        elif code == _O.CALL:
            self._call(self.machine.named(op.inputs[0].offset, item.site), item.site)
        elif code in LEAVING:
            self._indirect(item, code == _O.CALLIND)
        elif code == _O.STORE:
            self._store(self._read(op.inputs[1]), self._read(op.inputs[2]), op.inputs[2].size)
        elif code == _O.CALLOTHER:
            self._other(item, index)
        else:
            self._value(item, index)

    def _other(self, item: Item, index: int) -> None:
        """An operation with a name: it may look at all registers, and change them."""
        op, behind = item.op, self.live.after[index]
        name = op.inputs[0].getUserDefinedOpName()
        made = meaning(name)
        if made is None:
            raise Unfit
        terms = [self._read(one) for one in op.inputs[1:]]
        self._flush()
        self._line(f"M.pc = {self.end}; M.after = {item.after}")
        sizes = [one.size for one in op.inputs[1:]]
        self._line(f"v = {self._name(made)}(M, [{', '.join(one.text for one in terms)}], {self._name(sizes)})")
        self._line("W = R.written; X = R.fixed")
        for slot in self.slots.all:
            if slot.is_register and slot.bits & (behind | self.slots.part(op.output)):
                self.known.pop(slot, None)
                self._line(f"{slot.name} = {self._stored(slot)}")
        out = self.live.output(op)
        if out is not None:
            limit = (1 << (8 * out.size)) - 1
            self._write(out, Term(f"(v or 0) & {limit}", 8 * out.size), behind)

    def _key(self, address: int) -> int:
        if self.machine.arm and address & 1:
            raise Unfit
        return address | self.mode

    # -- leaving
    def _leave(self, key: str) -> None:
        self._flush()
        self._line(f"return {key}")

    def _jump(self, item: Item) -> None:
        key = str(self._key(item.op.inputs[0].offset))
        if item.op.opcode == _O.BRANCH:
            self._leave(key)
            return
        self._line(f"if {self._read(item.op.inputs[1]).text}:")
        self.depth += 1
        self._leave(key)
        self.depth -= 1

    def _call(self, named: int, site: int) -> None:
        self._flush()
        if self.machine.arm:
            self._line(f"F[{self.machine.mode}] = {named & 1}; M.thumb = {bool(named & 1)}")
        self._line(f"M.pc = {named & ~1 if self.machine.arm else named}")
        self._line(f"if M.called is not None: M.called({named}, {site})")
        self._line(f"return {named}")

    def _indirect(self, item: Item, is_call: bool) -> None:
        pointer = self._read(item.op.inputs[0])
        self._flush()
        self._line(f"k = {pointer.text}")
        if self.machine.arm:
            self._line(f"t = F[{self.machine.mode}] != 0; k = k & -2 | t")
        if is_call:
            self._line("M.pc = k & -2; M.thumb = t" if self.machine.arm else "M.pc = k")
            self._line(f"if M.called is not None: M.called(k, {item.site})")
        self._line("return k")
