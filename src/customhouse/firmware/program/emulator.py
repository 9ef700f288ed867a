"""Runs machine code, a p-code operation at a time, to see what a function does.

Only for short runs of a program's own C library: nothing of the host is touched, system calls go to a `Kernel` that
answers them, and memory is a `Ram`. The code under emulation is hostile: every run has a limit of operations, and what
has no meaning here ends it with a `Fault`.
"""

import struct
from collections.abc import Callable
from typing import Protocol

import pypcode

from .decodable import plain_arm, plain_thumb
from .layout import Layout
from .lifter import Lifter
from .operations import BINARY, UNARY
from .ram import Fault, Ram
from .userops import meaning

RETURN = 0xE1000000
"""Where a function that was called from outside returns to."""
CALLBACK = 0xE1100000
"""Addresses from here on stand for functions that are handed to the code as arguments."""
_SPECIAL_END = 0xE1200000
KUSER = 0xFFFF0F00
"""Helpers that the kernel gives to 32-bit ARM (Documentation/arm/kernel_user_helpers)."""

_O = pypcode.OpCode
_UNDECODABLE = (pypcode.BadDataError, pypcode.UnimplError, RuntimeError, ValueError, IndexError, pypcode.LowlevelError)
_LEAVE = -1
_SCRATCH = 1 << 22
Step = Callable[[], int | None]


class Stop(Exception):
    """The run is over, for a reason that is no fault: it returned, exited, or ran out of operations."""


class System(Protocol):
    """What answers the system calls."""

    def call(self, machine: "Machine", immediate: int) -> None: ...


class Block:
    """Decoded operations of a stretch of code."""

    __slots__ = ("end", "steps")

    def __init__(self, end: int) -> None:
        self.steps: list[Step] = []
        self.end = end


class Machine:
    """A processor with memory. Registers lie in `file` as p-code lays them out."""

    def __init__(self, lifter: Lifter, ram: Ram, system: System) -> None:
        self.lifter, self.ram, self.system = lifter, ram, system
        self.image = lifter.image
        self.arm = lifter.arm
        self.order = ">" if self.image.big else "<"
        self.byteorder = ram.order
        self.nodes = {name: (node.offset, node.size) for name, node in lifter.plain.registers.items()}
        self.file = bytearray(max(offset + size for offset, size in self.nodes.values()) + 64)
        self.scratch = bytearray(_SCRATCH)
        self.pc = 0
        self.thumb = False
        self.thread = 0
        """The thread pointer of machines that keep it out of the register file."""
        self.operations = 0
        self.limit = 0
        self.called: Callable[[int, int], None] | None = None
        """Told of each direct and indirect call: target and site."""
        self.after = 0
        """Behind the instruction that asks for something: a system call, a vector operation."""
        self.mode = self.nodes["ISAModeSwitch"][0] if self.arm else -1
        self._blocks: dict[tuple[int, bool], Block] = {}
        self._here = 0

    # -- registers
    def get(self, name: str) -> int:
        offset, size = self.nodes[name]
        return int.from_bytes(self.file[offset : offset + size], self.byteorder)

    def set(self, name: str, value: int) -> None:
        offset, size = self.nodes[name]
        self.file[offset : offset + size] = (value & ((1 << (8 * size)) - 1)).to_bytes(size, self.byteorder)

    def go(self, target: int) -> None:
        """Continue at an address as a function pointer names it."""
        self.thumb = self.arm and bool(target & 1)
        self.pc = target & ~1 if self.arm else target
        if self.arm:
            self.file[self.mode] = self.thumb

    # -- running
    def run(self, limit: int) -> str:
        """Run until something ends it; what ended it."""
        self.operations, self.limit = 0, limit
        try:
            while True:
                self._block()
        except Stop as stop:
            return str(stop)
        except Fault as fault:
            return f"fault: {fault}"
        except (struct.error, OverflowError, RecursionError, ZeroDivisionError) as error:
            return f"fault: {error}"

    def _block(self) -> None:
        pc = self.pc
        if RETURN <= pc < _SPECIAL_END:
            raise Stop("return" if pc == RETURN else "callback")
        if pc >= KUSER and self.arm and pc <= 0xFFFFFFFF:
            self._kuser(pc)
            return
        block = self._blocks.get((pc, self.thumb)) or self._decode(pc)
        steps = block.steps
        index, count = 0, len(steps)
        self.operations += count
        if self.operations > self.limit:
            raise Stop("limit")
        self.pc = block.end
        while index < count:
            moved = steps[index]()
            if moved is None:
                index += 1
            elif moved < 0:
                return
            else:
                index = moved

    def _kuser(self, pc: int) -> None:
        if pc == 0xFFFF0FE0:
            self.set("r0", self.thread)
        elif pc == 0xFFFF0FC0:
            same = self.ram.load(self.get("r2"), 4) == self.get("r0")
            if same:
                self.ram.store(self.get("r2"), self.get("r1"), 4)
            self.set("r0", 0 if same else 1)
            self.set("CY", int(same))
            self.set("ZR", int(same))
        elif pc != 0xFFFF0FA0:
            raise Fault(f"jump to {pc:#x}")
        self.go(self.get("lr"))

    # -- decoding
    def _decode(self, pc: int) -> Block:
        thumb = self.thumb
        segment = self.image.segment(pc)
        if segment is None or not segment.executable or (self.image.architecture == "mips" and pc & 3):
            raise Fault(f"no code at {pc:#x}")
        raw = segment.data[pc - segment.start : pc - segment.start + _WINDOW]
        if thumb:
            plain_thumb(raw)
        elif self.arm:
            plain_arm(raw, self.image.big)
        context = self.lifter.thumb_context() if thumb else self.lifter.plain
        block = Block(pc)
        for count in (32, 8, 2, 1):
            try:
                found = context.translate(bytes(raw), pc, 0, len(raw), count, pypcode.TranslateFlags.BB_TERMINATING)
            except _UNDECODABLE:
                continue
            whole = pc + (_WINDOW - 16 if len(raw) == _WINDOW else _WINDOW)
            self._build(block, _up_to(found.ops, whole), pc)
            break
        else:
            raise Fault(f"no instruction at {pc:#x}")
        self._blocks[(pc, thumb)] = block
        return block

    def _build(self, block: Block, ops: list[pypcode.PcodeOp], pc: int) -> None:
        layout = Layout(ops, pc)
        block.end = layout.end
        for index, op in enumerate(ops):
            if op.opcode == _O.IMARK:
                self._here = op.inputs[0].offset
                self._after = layout.after(self._here)
            else:
                block.steps.append(self._step(op, index, layout))

    def _step(self, op: pypcode.PcodeOp, index: int, layout: Layout) -> Step:
        code = op.opcode
        if code in (_O.BRANCH, _O.CBRANCH):
            return self._branch(op, index, layout)
        if code == _O.CALL:
            return self._call(op.inputs[0].offset)
        if code in (_O.CALLIND, _O.BRANCHIND, _O.RETURN):
            return self._indirect(op, code == _O.CALLIND)
        if code == _O.CALLOTHER:
            return self._other(op)
        if code == _O.STORE:
            return self._store(op)
        if op.output is None:
            return _nothing
        return self._value(op)

    def reader(self, node: pypcode.Varnode) -> Callable[[], int]:
        """Reads an operand."""
        space, offset, size = node.space.name, node.offset, node.size
        if space == "const":
            value = offset & ((1 << (8 * size)) - 1)
            return lambda: value
        if space not in ("register", "unique"):
            load = self.ram.load
            return lambda: load(offset, size)
        file = self.file if space == "register" else self.scratch
        if offset + size > len(file):
            raise Fault("a temporary out of range")
        if size == 1:
            return lambda: file[offset]
        if size in _FORMS:
            unpack = struct.Struct(self.order + _FORMS[size]).unpack_from
            return lambda: unpack(file, offset)[0]
        order, end = self.byteorder, offset + size
        return lambda: int.from_bytes(file[offset:end], order)

    def writer(self, node: pypcode.Varnode) -> Callable[[int], None]:
        """Writes a result, which must fit."""
        space, offset, size = node.space.name, node.offset, node.size
        if space not in ("register", "unique"):
            store = self.ram.store
            return lambda value: store(offset, value, size)
        file = self.file if space == "register" else self.scratch
        if offset + size > len(file):
            raise Fault("a temporary out of range")
        if space == "register" and offset == self.lifter.zero:
            return lambda value: None
        if size in _FORMS:
            pack = struct.Struct(self.order + _FORMS[size]).pack_into
            return lambda value: pack(file, offset, value)
        order, end = self.byteorder, offset + size

        def write(value: int) -> None:
            file[offset:end] = value.to_bytes(size, order)

        return write

    def _value(self, op: pypcode.PcodeOp) -> Step:
        out = op.output
        assert out is not None
        write = self.writer(out)
        code = op.opcode
        first = self.reader(op.inputs[0])
        if code == _O.LOAD:
            pointer, load, size = self.reader(op.inputs[1]), self.ram.load, out.size
            return lambda: write(load(pointer(), size))
        sizes = (op.inputs[0].size, op.inputs[1].size if len(op.inputs) > 1 else 0, out.size)
        if code in UNARY:
            unary = UNARY[code](*sizes)
            return lambda: write(unary(first()))
        if code in BINARY:
            second = self.reader(op.inputs[1])
            binary = BINARY[code](*sizes)
            return lambda: write(binary(first(), second()))
        return _unknown(str(code))

    def _store(self, op: pypcode.PcodeOp) -> Step:
        pointer, value, size = self.reader(op.inputs[1]), self.reader(op.inputs[2]), op.inputs[2].size
        store = self.ram.store
        return lambda: store(pointer(), value(), size)

    def _branch(self, op: pypcode.PcodeOp, index: int, layout: Layout) -> Step:
        place = layout.target(op, index)
        if place is None:
            taken = self._jump(op.inputs[0].offset)
        elif place <= layout.positions[index]:
            taken = self._again(place)
        else:
            taken = _to(place)
        if op.opcode == _O.BRANCH:
            return taken
        condition = self.reader(op.inputs[1])
        return lambda: taken() if condition() else None

    def _again(self, place: int) -> Step:
        def step() -> int:
            self.operations += 8
            if self.operations > self.limit:
                raise Stop("limit")
            return place

        return step

    def _jump(self, target: int) -> Step:
        def step() -> int:
            self.pc = target
            return _LEAVE

        return step

    def _call(self, target: int) -> Step:
        site = self._here
        named = self.named(target, site)

        def step() -> int:
            self.go(named)
            if self.called is not None:
                self.called(named, site)
            return _LEAVE

        return step

    def named(self, target: int, site: int) -> int:
        """A call's target with its mode: on ARM BLX was decoded as BL, so the instruction is asked again."""
        if not self.arm:
            return target
        number = self.image.number
        if self.thumb:
            return target | 1 if (number(site + 2, 2) or 0) & 0x1000 else target & ~3
        word = number(site, 4) or 0
        return (target + ((word >> 23) & 2)) | 1 if word >> 25 == 0x7D else target & ~1

    def _indirect(self, op: pypcode.PcodeOp, is_call: bool) -> Step:
        pointer, site = self.reader(op.inputs[0]), self._here

        def step() -> int:
            target = pointer()
            if self.arm:
                self.thumb = bool(self.file[self.mode])
                target &= ~1
            self.pc = target
            if is_call and self.called is not None:
                self.called(target | self.thumb, site)
            return _LEAVE

        return step

    def _other(self, op: pypcode.PcodeOp) -> Step:
        name = op.inputs[0].getUserDefinedOpName()
        made = meaning(name)
        inputs = [self.reader(one) for one in op.inputs[1:]]
        write = self.writer(op.output) if op.output is not None else None
        mask = (1 << (8 * op.output.size)) - 1 if op.output is not None else 0
        sizes = [one.size for one in op.inputs[1:]]
        after = self._after
        if made is None:
            return _unknown(name) if write is not None else _nothing

        def step() -> int | None:
            self.after = after
            value = made(self, [one() for one in inputs], sizes)
            if write is not None:
                write((value or 0) & mask)
            return None

        return step


_WINDOW = 168
"""Bytes that are decoded at a time; an instruction near their end may not be whole."""


def _up_to(ops: list[pypcode.PcodeOp], end: int) -> list[pypcode.PcodeOp]:
    for index, op in enumerate(ops):
        if op.opcode == _O.IMARK and op.inputs[0].offset >= end:
            return ops[:index]
    return list(ops)


_FORMS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _nothing() -> None:
    return None


def _to(place: int) -> Step:
    return lambda: place


def _unknown(name: str) -> Step:
    def step() -> None:
        raise Fault(f"operation {name}")

    return step
