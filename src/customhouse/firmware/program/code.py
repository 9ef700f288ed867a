"""Functions of a program as control-flow graphs, recovered by following the code.

Code addresses of ARM carry bit 0 for Thumb wherever a function is named; block addresses do not.
"""

from dataclasses import dataclass, field
from typing import Protocol

from . import constants, crossjumps, switches
from .elf import Image
from .lift import UNIQUE, VIRTUAL, Block, Exit
from .lifter import STUB, Lifter
from .order import loop_order
from .sweep import Calls, behind_padding, direct_calls, starts
from .tables import NORETURN

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


class Names(Protocol):
    """What knows functions of a static program by their address."""

    def name(self, target: int) -> str | None: ...


class Code:
    """Lifts functions on demand and keeps them."""

    def __init__(self, image: Image, lifter: Lifter) -> None:
        self.image = image
        self.lifter = lifter
        self.functions: dict[int, Function] = {}
        self.stubs: dict[int, str | None] = {}
        self.starts: set[int] = set()
        """Known function starts: a jump to one is a tail call, and a call in front of one does not return."""
        self._calls: Calls | None = None
        self._changed: dict[int, frozenset[int] | None] = {}
        self._parameters: dict[int, frozenset[int]] = {}
        self.library: Names | None = None
        """The C library that a static program brings along."""

    def direct_calls(self) -> Calls:
        """The calls that one look at all of the code finds."""
        if self._calls is None:
            self._calls = direct_calls(self.image)
        return self._calls

    def look_for_starts(self) -> None:
        """Take note of where functions begin: so they are kept apart when one ends in another."""
        self.starts |= starts(self.image, self.direct_calls())

    def function(self, address: int) -> Function:
        if address not in self.functions:
            self.functions[address] = _Recovery(self, address).run()
        return self.functions[address]

    def changed(self, address: int) -> frozenset[int] | None:
        """The registers that a function of the program writes, with all that it calls; None when that is not known."""
        if address in self._changed:
            return self._changed[address]
        self._changed[address] = None  # recursion
        target = address & ~1 if self.image.architecture == "arm" else address
        if self.name(address) is not None or not self.image.executable(target):
            return None
        function = self.function(address)
        out: set[int] = set()
        for block in function.blocks.values():
            out.update(op[1] for op in block.ops if op[1] < UNIQUE)
            leave = block.exit
            inner: frozenset[int] | None = frozenset()
            if leave.kind == "call":
                inner = self.changed(leave.target)
            elif block.address in function.tails:
                inner = self.changed(function.tails[block.address])
            elif leave.kind == "icall" or (leave.kind == "ijump" and not function.successors.get(block.address)):
                inner = None
            if inner is None or function.cut:
                return None
            out |= inner
        self._changed[address] = frozenset(out)
        return self._changed[address]

    def parameters(self, address: int) -> frozenset[int]:
        """Registers that a function may read before it writes them; those that it never writes it may pass on."""
        found = self._parameters.get(address)
        if found is not None:
            return found
        read: set[int] = set()
        written: set[int] = set()
        calls = False
        for block in self.function(address).blocks.values():
            here: set[int] = set()
            for op in block.ops:
                read.update(one for one in op[2:4] if 0 <= one < UNIQUE and one not in here)
                here.add(op[1])
            written |= here
            calls = (
                calls or block.exit.kind in ("call", "icall", "ijump") or block.address in self.functions[address].tails
            )
        passed = {one for one in self.lifter.arguments if one not in written} if calls else set()
        self._parameters[address] = frozenset(read | passed)
        return self._parameters[address]

    def name(self, target: int) -> str | None:
        """The imported (or recognised) function at a call target, through its PLT stub."""
        direct = self.image.import_name(target)
        if direct:
            return direct
        if self.library is not None:
            return self.library.name(target)
        if not self.image.dynamic:
            return None
        if target not in self.stubs:
            self.stubs[target] = self._stub(target) if self.may_be_stub(target) else None
        return self.stubs[target]

    def may_be_stub(self, target: int) -> bool:
        """By the first instruction of stubs, as linkers write them. Most targets are none, and lifting them costs."""
        image = self.image
        if image.architecture == "mips":
            return True
        if image.architecture in ("x86_64", "i386"):
            return image.bytes_at(target, 2) in (b"\xff\x25", b"\xff\xa3", b"\xf3\x0f", b"\xf2\xff")
        if image.architecture == "arm64":
            word = image.number(target, 4) or 0
            return word & 0x9F00001F == 0x90000010 or word == 0xD503245F  # adrp x16; bti c
        word = image.number(target & ~1, 4) or 0
        if target & 1:
            half = (word >> 16 if image.big else word) & 0xFFFF
            return half == 0x4778 or half & 0xFBF0 == 0xF240  # bx pc; movw
        # add ip, pc; ldr ip or pc, [pc]; b
        return word & 0xFFFFF000 in (0xE28FC000, 0xE59FC000, 0xE59FF000, 0xE51FF000) or word >> 24 == 0xEA

    def _stub(self, target: int) -> str | None:
        image = self.image
        if image.architecture == "mips":
            named = self._lazy_stub(target)
            if named:
                return named
        thumb = image.architecture == "arm" and bool(target & 1)
        address = target & ~1 if image.architecture == "arm" else target
        registers = self.entry_registers(target)
        passed = {self.lifter.registers[one] for one in self.lifter.convention.arguments}
        if image.architecture == "i386" and image.gp is not None:
            registers[self.lifter.registers["EBX"]] = image.gp  # who calls a stub has the table's address there
        for _ in range(4):
            if not image.executable(address):
                return None
            block = self.lifter.block(address, thumb, address + STUB)[0]
            if len(block.ops) > 40 or any(op[0] == 4 or op[1] in passed for op in block.ops):
                return None  # what changes an argument is a function that ends in a call
            constants.run(block.ops, registers, image)
            leave = block.exit
            if leave.kind == "ijump":
                value = ~leave.value if leave.value < 0 else registers.get(leave.value)
                if not isinstance(value, int):
                    return None
                if thumb and image.executable(value) and not value & 1:
                    address, thumb = value, False  # `bx pc` in front of an ARM stub
                    continue
                return image.import_name(value)
            if leave.kind == "jump" and image.architecture == "arm":
                address, thumb = leave.target & ~1, False
                continue
            if leave.kind != "fall":
                return None
            address = leave.next
        return None

    def _lazy_stub(self, target: int) -> str | None:
        """MIPS lazy binding: `lw t9,-32752(gp); move; jalr t9; li t8,index` names its symbol by index."""
        words = [self.image.number(target + 4 * index, 4) or 0 for index in range(6)]
        if words[0] != 0x8F998010:
            return None
        for word in words[1:]:
            if word >> 16 in (0x2418, 0x3418):
                index = word & 0xFFFF
                symbols = self.image.dynamic_symbols
                return symbols[index].name if index < len(symbols) else None
        return None

    def entry_registers(self, address: int) -> dict[int, constants.Known]:
        """What is known when a function starts: on MIPS its own address in t9 and the global pointer."""
        if self.image.architecture != "mips":
            return {}
        registers: dict[int, constants.Known] = {self.lifter.registers["t9"]: address}
        if self.image.gp is not None:
            registers[self.lifter.registers["gp"]] = self.image.gp
        return registers


class _Recovery:
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
        mips = code.image.architecture == "mips" and code.image.gp is not None
        self.lasting = code.lifter.registers["gp"] if mips else None
        self.stack = code.lifter.registers[code.lifter.convention.stack]

    def run(self) -> Function:
        known = dict(self.code.entry_registers(self.function.address))
        known[self.stack] = constants.Frame(0)
        pending = [(self.entry, known, 0)]
        blocks = self.function.blocks
        while pending:
            address, registers, _ = pending.pop()
            if address in blocks or (address < VIRTUAL and self._split(address)):
                self._other_target(blocks[address], registers)
                continue
            if len(blocks) >= _MAX_BLOCKS:
                self.function.cut = True
                break
            limit = min((one for one in self.leaders if one > address), default=1 << 62)
            made = self.code.lifter.block(address, self.thumb, limit)
            for one in made:
                blocks[one.address] = one
            for one in made:  # the block, then the conditional parts that it leads to
                registers = constants.run(one.ops, dict(registers), self.image, self.lasting)
                self._follow(one, registers, pending)
        self._order()
        return self.function

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
                    return True
        return False

    def _follow(
        self,
        block: Block,
        registers: dict[int, constants.Known],
        pending: list[tuple[int, dict[int, constants.Known], int]],
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
                pending.append((one, dict(keep), 0))

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
        ends = crossjumps.copied(function.blocks, function.successors, function.order)
        for one, branch in ends.items():
            function.blocks[one] = crossjumps.joined(function.blocks[one], function.blocks[branch])
            function.successors[one] = function.successors.get(branch, ())
            if branch in function.tails:
                function.tails[one] = function.tails[branch]
        if ends:
            function.order = loop_order(self.entry, function.blocks, function.successors)
        for one in crossjumps.shared(function.blocks, function.successors, function.tails):
            del function.tails[one]  # each way that leads there names another function
