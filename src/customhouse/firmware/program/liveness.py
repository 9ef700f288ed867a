"""What of a block's operations must be computed, and where its registers and temporaries are kept meanwhile."""

from dataclasses import dataclass
from typing import NamedTuple

import pypcode

from .formulas import BINARY, UNARY
from .layout import Layout
from .userops import meaning

_O = pypcode.OpCode
_INDIRECT = (_O.CALLIND, _O.BRANCHIND, _O.RETURN)
LEAVING = (_O.CALL, *_INDIRECT)


class Unfit(Exception):  # no error: the block stays as it is
    """The block is not compiled."""


class Item(NamedTuple):
    """A step: its operation, its instruction, what is behind that, and where it branches to within the block."""

    op: pypcode.PcodeOp
    site: int
    after: int
    target: int | None
    record: bool
    """Whether the numbers that it compares are wanted."""

    @property
    def is_idle(self) -> bool:
        """Whether it does nothing."""
        code, op = self.op.opcode, self.op
        if code == _O.CALLOTHER:
            return op.output is None and meaning(op.inputs[0].getUserDefinedOpName()) is None
        return op.output is None and code not in (_O.BRANCH, _O.CBRANCH, _O.STORE, *LEAVING)

    @property
    def reads(self) -> list[pypcode.Varnode]:
        """Operands that are numbers."""
        code, inputs = self.op.opcode, list(self.op.inputs)
        if code in (_O.BRANCH, _O.CALL):
            return []
        return inputs[1:] if code in (_O.CBRANCH, _O.CALLOTHER, _O.LOAD, _O.STORE) else inputs


@dataclass(frozen=True)
class Slot:
    """Bytes that are kept in one variable. `bits` stand for them in sets of bytes."""

    name: str
    is_register: bool
    start: int
    size: int
    first: int

    @property
    def bits(self) -> int:
        return ((1 << self.size) - 1) << self.first

    def part(self, node: pypcode.Varnode) -> int:
        """The bits of some of the bytes."""
        return ((1 << node.size) - 1) << (self.first + node.offset - self.start)

    def shift(self, node: pypcode.Varnode, is_big: bool) -> int:
        """How far above the lowest bit they lie."""
        before = node.offset - self.start
        return 8 * (self.size - before - node.size if is_big else before)


class Slots:
    """Where the bytes that a block uses are kept: those that any operation takes together stay together."""

    def __init__(self, items: list[Item]) -> None:
        nodes = [node for item in items for node in (*item.reads, item.op.output) if node is not None]
        ranges = {(node.space.name, node.offset, node.offset + node.size) for node in nodes if _is_kept(node)}
        self.all: list[Slot] = []
        self._of: dict[tuple[str, int, int], Slot] = {}
        group: list[tuple[str, int, int]] = []
        end = 0
        for one in sorted(ranges):
            if group and (one[0] != group[0][0] or one[1] >= end):
                self._add(group, end)
                group, end = [], 0
            group.append(one)
            end = max(end, one[2])
        if group:
            self._add(group, end)
        self.registers = sum(one.bits for one in self.all if one.is_register)

    def _add(self, group: list[tuple[str, int, int]], end: int) -> None:
        number = len(self.all)
        first = self.all[-1].first + self.all[-1].size if self.all else 0
        is_register = group[0][0] == "register"
        start = group[0][1]
        slot = Slot(f"{'r' if is_register else 'u'}{number}", is_register, start, end - start, first)
        self.all.append(slot)
        for one in group:
            self._of[one] = slot

    def get(self, node: pypcode.Varnode | None) -> Slot | None:
        """Where a number is kept; None for a constant, or what is in memory."""
        if node is None:
            return None
        return self._of.get((node.space.name, node.offset, node.offset + node.size))

    def part(self, node: pypcode.Varnode | None) -> int:
        """The bits of its bytes."""
        slot = self.get(node)
        return slot.part(node) if slot is not None and node is not None else 0


def _is_kept(node: pypcode.Varnode) -> bool:
    return node.space.name in ("register", "unique")


class Liveness:
    """`after` has for each step the bytes that are read behind it, `before` those that are read from it on."""

    def __init__(self, items: list[Item], slots: Slots, zero: int) -> None:
        count = len(items)
        self.before = [0] * count + [slots.registers]
        self.after = [0] * count
        self.kept = [True] * count
        self._slots, self._zero = slots, zero
        for index in reversed(range(count)):
            self._step(items[index], index)

    def output(self, op: pypcode.PcodeOp) -> pypcode.Varnode | None:
        """Where the result goes, if anywhere."""
        out = op.output
        return None if out is not None and out.space.name == "register" and out.offset == self._zero else out

    def _step(self, item: Item, index: int) -> None:
        slots, op = self._slots, item.op
        behind = self._behind(item, index)
        out = self.output(op)
        written = slots.part(out)
        self.after[index] = behind
        if item.is_idle or (_is_pure(op) and not behind & written and not item.record and not _is_memory(out)):
            self.kept[index] = False
            self.before[index] = behind
            return
        self.before[index] = behind & ~written
        for node in item.reads:
            self.before[index] |= slots.part(node)
        if op.opcode == _O.CALLOTHER:
            self.before[index] |= slots.registers

    def _behind(self, item: Item, index: int) -> int:
        code, everything = item.op.opcode, self._slots.registers
        if code not in (_O.BRANCH, _O.CBRANCH):
            return everything if code in LEAVING else self.before[index + 1]
        if item.target is not None and item.target <= index:
            raise Unfit
        taken = everything if item.target is None else self.before[item.target]
        return taken if code == _O.BRANCH else taken | self.before[index + 1]


def _is_memory(node: pypcode.Varnode | None) -> bool:
    return node is not None and not _is_kept(node)


def _is_pure(op: pypcode.PcodeOp) -> bool:
    """Whether nothing is missed when its result is not."""
    return (op.opcode in UNARY or op.opcode in BINARY) and not any(map(_is_ram, op.inputs))


def _is_ram(node: pypcode.Varnode) -> bool:
    return node.space.name not in ("register", "unique", "const")


def items(ops: list[pypcode.PcodeOp], pc: int, recorded: frozenset[pypcode.OpCode]) -> tuple[list[Item], int]:
    """The steps of a block, and where it ends."""
    layout, site, after = Layout(ops, pc), pc, pc
    found: list[Item] = []
    for index, op in enumerate(ops):
        if op.opcode == _O.IMARK:
            site = op.inputs[0].offset
            after = layout.after(site)
            continue
        branches = op.opcode in (_O.BRANCH, _O.CBRANCH)
        target = layout.target(op, index) if branches else None
        record = op.opcode in recorded and op.inputs[0].size <= 8
        found.append(Item(op, site, after, target, record))
    return found, layout.end
