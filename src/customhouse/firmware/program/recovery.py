"""One function's control-flow graph, by following its code from the entry.

Code addresses of ARM carry bit 0 for Thumb wherever a function is named; block addresses do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import constants, crossjumps, switches
from .lift import UNIQUE, VIRTUAL, Block, Exit
from .order import loop_order
from .sweep import behind_padding
from .tables import NORETURN

if TYPE_CHECKING:
    from .code import Code

_MAX_BLOCKS = 1500


@dataclass
class Function:
    """Blocks by address, in reverse post-order in `order`; `successors` without calls."""

    address: int
    blocks: dict[int, Block] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    successors: dict[int, tuple[int, ...]] = field(default_factory=dict)
    tails: dict[int, int] = field(default_factory=dict)
    """Block -> function that its jump goes to for good (a tail call)."""
    calls: list[tuple[int, int]] = field(default_factory=list)
    """(site, target) of direct calls."""
    named: set[str] = field(default_factory=set)
    """Functions of libraries that are called."""
    cut: bool = False


class Recovery:
    """One function being followed from its entry."""

    def __init__(self, code: Code, address: int) -> None:
        self.code = code
        self.image = code.image
        self.function = Function(address)
        self.arm = code.image.architecture == "arm"
        self.thumb = self.arm and bool(address & 1)
        self.entry = address & ~1 if self.arm else address
        self.leaders: set[int] = {self.entry}
        self.jumped: dict[int, int] = {}  # where computed jumps go, by the way on which they were first met
        self.entered: dict[int, dict[int, constants.Known]] = {}
        self.varying: dict[int, set[int]] = {}  # by block, what another way to it brings another value of
        mips = code.image.architecture == "mips" and code.image.gp is not None
        self.lasting = code.lifter.registers["gp"] if mips else None
        self.stack = code.lifter.registers[code.lifter.convention.stack]

    def run(self) -> Function:
        """The function; followed once more where a computed jump was read with the first value of what changes."""
        self._walk()
        if self.varying and self.jumped:
            again = Recovery(self.code, self.function.address)
            again.varying = self.varying
            again.leaders.update(self.varying)
            again._walk()
            self.function, self.jumped = again.function, again.jumped
        self._order()
        return self.function

    def _walk(self) -> None:
        known = dict(self.code.entry_registers(self.function.address))
        known[self.stack] = constants.Frame(0)
        pending = [(self.entry, known)]
        blocks = self.function.blocks
        while pending:
            address, registers = pending.pop()
            if address in blocks or (address < VIRTUAL and self._split(address)):
                self._other_target(blocks[address], registers)
                self._compare(address, registers)
                continue
            if len(blocks) >= _MAX_BLOCKS:
                self.function.cut = True
                break
            for register in self.varying.get(address, ()):
                registers.pop(register, None)
            self.entered[address] = registers
            limit = min((one for one in self.leaders if one > address), default=1 << 62)
            made = self.code.lifter.block(address, self.thumb, limit)
            for one in made:
                blocks[one.address] = one
            for one in made:  # the block, then the conditional parts that it leads to
                registers = constants.run(one.ops, dict(registers), self.image, self.lasting)
                self._follow(one, registers, pending)

    def _compare(self, address: int, registers: dict[int, constants.Known]) -> None:
        """Note which registers another way to a block brings with other constants: counters, for the most part."""
        first = self.entered.get(address, {})
        other = {key for key, value in first.items() if isinstance(value, int) and registers.get(key) != value}
        if other:
            self.varying.setdefault(address, set()).update(other)

    def _split(self, address: int) -> bool:
        """Cut a block that contains the address, when an instruction starts there."""
        for block in list(self.function.blocks.values()):
            if not (block.address < address < block.end) or block.address >= VIRTUAL:
                continue
            for at, index in block.marks:
                if at == address:
                    head = [mark for mark in block.marks if mark[0] < address]
                    tail = [(mark[0], mark[1] - index) for mark in block.marks if mark[0] >= address]
                    blocks = self.function.blocks
                    blocks[block.address] = Block(
                        block.address, block.ops[:index], head, Exit("fall", next=address), address
                    )
                    blocks[address] = Block(address, block.ops[index:], tail, block.exit, block.end)
                    self.function.successors[address] = self.function.successors.get(block.address, ())
                    self.function.successors[block.address] = (address,)
                    if block.address in self.function.tails:
                        self.function.tails[address] = self.function.tails.pop(block.address)
                    if block.address in self.jumped:
                        self.jumped[address] = self.jumped.pop(block.address)
                    known = dict(self.entered.get(block.address, {}))
                    self.entered[address] = constants.run(block.ops[:index], known, self.image, self.lasting)
                    return True
        return False

    def _follow(
        self,
        block: Block,
        registers: dict[int, constants.Known],
        pending: list[tuple[int, dict[int, constants.Known]]],
    ) -> None:
        leave = block.exit
        kind = leave.kind
        targets: list[int] = []
        if kind == "fall":
            targets = [leave.next]
        elif kind == "jump":
            targets = self._jump(block, leave.target)
        elif kind == "cond":
            targets = [one for one in (leave.next, leave.target) if self._inside(one, block)]
        elif kind in ("call", "icall"):
            targets = self._call(leave, registers)
        elif kind == "ijump":
            targets = self._table(block, leave, registers)
        self.function.successors[block.address] = tuple(targets)
        keep = {key: value for key, value in registers.items() if key < UNIQUE or key >= constants.SLOTS}
        if kind in ("call", "icall"):
            kept = self._kept() if self.lasting is None else [*self._kept(), self.lasting]
            keep = {key: value for key, value in keep.items() if key in kept or key >= constants.SLOTS}
            top = keep.get(self.stack)
            if isinstance(top, constants.Frame):
                keep[self.stack] = constants.Frame(top.offset + self.code.lifter.convention.link)
        for one in targets:
            self.leaders.add(one)
            if one < VIRTUAL:
                pending.append((one, dict(keep)))

    def _kept(self) -> list[int]:
        names = self.code.lifter.registers
        return [names[name] for name in self.code.lifter.convention.preserved if name in names]

    def _inside(self, target: int, block: Block) -> bool:
        if target >= VIRTUAL:
            return True
        if not self.image.executable(target):
            return False
        if target != self.entry and self._start(target):
            self.function.tails.setdefault(block.address, self._named(target))
            return False
        return True

    def _start(self, target: int) -> bool:
        return (
            target in self.code.starts or (target | 1) in self.code.starts if self.arm else target in self.code.starts
        )

    def _named(self, target: int) -> int:
        if self.arm:
            return target | 1 if self.thumb else target
        return target

    def _jump(self, block: Block, target: int) -> list[int]:
        named = self._named(target)
        if not self.image.executable(target):
            return []
        if target == self.entry:
            return [target]
        if self._start(target) or self.code.name(named) or (self.thumb and self.code.name(target)):
            self.function.tails[block.address] = named if self.code.name(named) or self._start(target) else target
            return []
        return [target]

    def _call(self, leave: Exit, registers: dict[int, constants.Known]) -> list[int]:
        target: constants.Known | None = leave.target
        if leave.kind == "icall":
            target = ~leave.value if leave.value < 0 else registers.get(leave.value)
        if isinstance(target, int):
            name = self.code.name(target)
            if name is not None:
                self.function.named.add(name)
            if name in NORETURN:
                return []
            if leave.kind == "call" or self.image.executable(target & ~1 if self.arm else target):
                self.function.calls.append((leave.site, target))
        return [] if self._ends(leave.next) else [leave.next]

    def _ends(self, after: int) -> bool:
        """Whether another function begins behind a call: the call does not come back."""
        return after != self.entry and self._start(behind_padding(self.image, after))

    def _table(self, block: Block, leave: Exit, registers: dict[int, constants.Known]) -> list[int]:
        value = ~leave.value if leave.value < 0 else registers.get(leave.value)
        if not isinstance(value, int):
            count = switches.bound(block, self.function.blocks, self.function.successors)
            return switches.targets(self.image, value, count, self._near)
        self.jumped[block.address] = value
        if self.image.architecture != "mips" and self._near(value) and not self.image.import_name(value):
            return [self.image.even(value)]
        if self.image.import_name(value) or self.image.executable(self.image.even(value)):
            self.function.tails[block.address] = value
        return []

    def _other_target(self, block: Block, registers: dict[int, constants.Known]) -> None:
        """A computed jump that goes elsewhere on another way to it is a call of what was chosen before, at the end."""
        value = self.jumped.get(block.address)
        if value is None or block.exit.value < 0 or self.code.name(value):
            return
        other = constants.run(block.ops, dict(registers), self.image, self.lasting).get(block.exit.value)
        if other != value:
            self.function.tails.pop(block.address, None)
        if isinstance(other, int) and other != value and self.image.executable(self.image.even(other)):
            self.function.successors[block.address] = ()
            self.code.starts.update((value, other))

    def _near(self, target: int) -> bool:
        target = target & ~1 if self.arm else target
        return (
            self.image.executable(target)
            and abs(target - self.entry) < 1 << 16
            and not (target != self.entry and self._start(target))
        )

    def _order(self) -> None:
        function = self.function
        function.order = loop_order(self.entry, function.blocks, function.successors)
        registers = crossjumps.Registers(self.code.lifter.flags, self.code.lifter.arguments)
        ends = crossjumps.copied(function.blocks, function.successors, function.order, registers)
        for one, branch in ends.items():
            function.blocks[one] = crossjumps.joined(function.blocks[one], function.blocks[branch])
            function.successors[one] = function.successors.get(branch, ())
            if branch in function.tails:
                function.tails[one] = function.tails[branch]
        if ends:
            function.order = loop_order(self.entry, function.blocks, function.successors)
        for one in crossjumps.shared(function.blocks, function.successors, function.tails):
            del function.tails[one]  # each way that leads there names another function
