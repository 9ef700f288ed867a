"""Machine code to a small intermediate language, a basic block at a time.

p-code (SLEIGH) is lowered to tuples `(operation, out, a, b, size, address)`. Operands are integers: registers by
their p-code offset, temporaries from
`UNIQUE` up, constants as `~value` (negative). Conditional instructions become `SELECT` or weak stores, so a block is
straight.
"""

from typing import Literal, NamedTuple

import pypcode

from .elf import Image
from .machine import CONVENTIONS, context, forget, remembers

UNIQUE = 1 << 40
VIRTUAL = 1 << 56
"""Added to an instruction's address for the block that holds the conditional call or return of that instruction."""
STUB = 24
"""The longest code, in bytes, that is looked at to see whether it is a stub."""

(
    MOV,
    ADD,
    SUB,
    LOAD,
    STORE,
    MUL,
    SHL,
    SHR,
    SAR,
    AND,
    OR,
    XOR,
    NEG,
    NOT,
    EQ,
    NE,
    LT,
    SLT,
    LE,
    SLE,
    BAND,
    BOR,
    BXOR,
    BNOT,
    ZEXT,
    SEXT,
    PIECE,
    DIV,
    REM,
    CARRY,
    SCARRY,
    SBORROW,
    OTHER,
    SELECT,
    WEAK_STORE,
    TRUNC,
    REPEAT,
) = range(37)

_COUNTER_READERS = {0x04: "EAX", 0x0C: "ECX", 0x14: "EDX", 0x1C: "EBX", 0x2C: "EBP", 0x34: "ESI", 0x3C: "EDI"}
Op = tuple[int, int, int, int, int, int]

_O = pypcode.OpCode
_BINARY = {
    _O.INT_ADD: ADD,
    _O.INT_SUB: SUB,
    _O.INT_MULT: MUL,
    _O.INT_LEFT: SHL,
    _O.INT_RIGHT: SHR,
    _O.INT_SRIGHT: SAR,
    _O.INT_AND: AND,
    _O.INT_OR: OR,
    _O.INT_XOR: XOR,
    _O.INT_EQUAL: EQ,
    _O.INT_NOTEQUAL: NE,
    _O.INT_LESS: LT,
    _O.INT_SLESS: SLT,
    _O.INT_LESSEQUAL: LE,
    _O.INT_SLESSEQUAL: SLE,
    _O.BOOL_AND: BAND,
    _O.BOOL_OR: BOR,
    _O.BOOL_XOR: BXOR,
    _O.PIECE: PIECE,
    _O.INT_DIV: DIV,
    _O.INT_SDIV: DIV,
    _O.INT_REM: REM,
    _O.INT_SREM: REM,
    _O.INT_CARRY: CARRY,
    _O.INT_SCARRY: SCARRY,
    _O.INT_SBORROW: SBORROW,
}
_UNARY = {
    _O.COPY: MOV,
    _O.INT_2COMP: NEG,
    _O.INT_NEGATE: NOT,
    _O.BOOL_NEGATE: BNOT,
    _O.INT_ZEXT: ZEXT,
    _O.INT_SEXT: SEXT,
}
_IMARK, _LOAD, _STORE, _CBRANCH, _BRANCH, _CALL = _O.IMARK, _O.LOAD, _O.STORE, _O.CBRANCH, _O.BRANCH, _O.CALL
_CALLIND, _RETURN, _BRANCHIND, _SUBPIECE, _CALLOTHER = _O.CALLIND, _O.RETURN, _O.BRANCHIND, _O.SUBPIECE, _O.CALLOTHER

_UNDECODABLE = (pypcode.BadDataError, pypcode.UnimplError, RuntimeError, ValueError, IndexError, pypcode.LowlevelError)


class Exit(NamedTuple):
    """How a block ends.

    kind: jump, cond, call, icall, ret, ijump, fall, stop. `value` is the condition or the called pointer as an
    operand; `target` and `next` are addresses
    (targets of calls carry bit 0 for Thumb); `site` is the instruction's address.
    """

    kind: str
    value: int = 0
    target: int = 0
    next: int = 0
    site: int = 0


class Block(NamedTuple):
    """Straight code. `marks` are (instruction address, index of its first op)."""

    address: int
    ops: list[Op]
    marks: list[tuple[int, int]]
    exit: Exit
    end: int


class Lifter:
    """Lifts blocks of one image. `registers` are p-code offsets by name."""

    def __init__(self, image: Image) -> None:
        self.image = image
        big = image.big and image.architecture in ("mips", "arm")
        self.convention = CONVENTIONS[image.architecture + ("-big" if big else "")]
        self.x86 = image.architecture in ("x86_64", "i386")
        self.arm = image.architecture == "arm"
        if self.arm:
            forget(self.convention.language)
        self.plain = context(self.convention.language, False)
        self.low = ~3 if image.big and image.word == 4 else ~0
        """On big-endian machines the low part of a register has a higher offset: it is named by the whole register."""
        self.registers: dict[str, int] = {name: node.offset for name, node in self.plain.registers.items()}
        self.arguments = tuple(self.registers[name] for name in self.convention.arguments)
        self.ignored = frozenset(self.registers[name] for name in self.convention.ignored if name in self.registers)
        self.flags = frozenset(self.registers[name] for name in self.convention.flags if name in self.registers)
        self.zero = self.registers.get("zero", -1) if image.architecture == "mips" else self.registers.get("xzr", -1)
        self.counter = self.registers["pc"] if self.arm else -1
        self.fresh = UNIQUE * 2
        self.instructions = 0

    def block(self, address: int, thumb: bool, limit: int = 1 << 62) -> list[Block]:
        """The block at `address` that ends before `limit`, and the virtual blocks that its conditional instructions
        need.
        """
        if self.arm and (thumb or limit - address > STUB):
            remembers(self.convention.language, thumb)
        work = _Lowering(self, address, thumb, limit)
        return work.run()

    def thumb_context(self) -> pypcode.Context:
        return context(self.convention.language, True)


class _Lowering:
    """One block being lifted."""

    def __init__(self, lifter: Lifter, address: int, thumb: bool, limit: int) -> None:
        self.lifter = lifter
        self.address, self.thumb, self.limit = address, thumb, limit
        self.ops: list[Op] = []
        self.marks: list[tuple[int, int]] = []
        self.extra: list[Block] = []
        self.exit: Exit | None = None
        self.here = address
        self.after = address
        self.guards: list[tuple[int, int, bool]] = []
        self.settled: set[int] = set()
        """What the instruction at hand wrote unconditionally."""
        self.repeated = False

    def run(self) -> list[Block]:
        position = self.address
        context = self.lifter.thumb_context() if self.thumb else self.lifter.plain
        while self.exit is None:
            raw, size = self._bytes(position)
            if size <= 0:
                self.exit = Exit("stop") if position < self.limit else Exit("fall", next=position)
                break
            translated: pypcode.Translation | None
            try:
                translated = context.translate(raw, position, 0, size, 48, pypcode.TranslateFlags.BB_TERMINATING)
            except _UNDECODABLE:
                translated = self._until_bad(context, raw, position, size)
            if translated is None:
                self.exit = Exit("stop")
                break
            self.after = position
            self._lower(translated)
            if self.after == position:
                self.exit = self.exit or Exit("stop")
            position = self.after
            if self.exit is None and position >= self.limit:
                self.exit = Exit("fall", next=position)
        wanted = {self.exit.value, *(one.exit.value for one in self.extra)}
        wanted |= {part for one in self.extra for op in one.ops for part in op[2:4]}
        ops, marks = _drop_dead(self.ops, self.marks, self.lifter.flags, wanted)
        return [Block(self.address, ops, marks, self.exit, position), *self.extra]

    def _until_bad(self, context: pypcode.Context, raw: bytes, position: int, size: int) -> pypcode.Translation | None:
        """Fewer and fewer instructions, up to the one that is none."""
        for count in (16, 4, 1):
            try:
                return context.translate(raw, position, 0, size, count, pypcode.TranslateFlags.BB_TERMINATING)
            except _UNDECODABLE:
                continue
        return None

    def _bytes(self, position: int) -> tuple[bytes, int]:
        segment = self.lifter.image.segment(position)
        if segment is None or not segment.executable:
            return b"", 0
        offset = position - segment.start
        size = min(self.limit - position, 160, len(segment.data) - offset)
        raw = segment.data[offset : offset + size + 8]
        if self.thumb:
            plain_thumb(raw)
        elif self.lifter.arm:
            plain_arm(raw, self.lifter.image.big)
        if self.lifter.image.architecture == "mips":
            size = min(size + 4, len(raw))  # the delay slot of the last branch
        return bytes(raw), size

    # -- p-code to ops
    def _lower(self, translated: pypcode.Translation) -> None:
        ops = list(translated.ops)
        index = 0
        start = 0
        for index, op in enumerate(ops):
            code = op.opcode
            if code == _IMARK:
                if op.inputs[0].offset >= self.limit and self.marks and op.inputs[0].offset >= self.after:
                    self.exit = Exit("fall", next=self.after)
                    return
                if self._mark(op):
                    start = index
                continue
            if self.repeated:
                continue
            while self.guards and index >= self.guards[-1][0]:
                self.guards.pop()
            if code in _BINARY or code in _UNARY or code == _SUBPIECE:
                self._compute(code, op)
            elif code == _LOAD and op.output is not None:
                self._out(LOAD, op.output, self._operand(op.inputs[1]), 0, op.output.size)
            elif code == _STORE:
                self._store(self._operand(op.inputs[1]), self._operand(op.inputs[2]), op.inputs[2].size)
            elif code in (_CBRANCH, _BRANCH, _CALL, _CALLIND, _RETURN, _BRANCHIND):
                self._control(code, op, index, start)
            elif op.output is not None:
                inputs = [self._operand(one) for one in op.inputs if one.space.name != "const"][:2]
                self._out(
                    OTHER, op.output, inputs[0] if inputs else ~0, inputs[1] if len(inputs) > 1 else ~0, op.output.size
                )

    def _mark(self, op: pypcode.PcodeOp) -> bool:
        nodes = op.inputs
        first = nodes[0].offset
        end = max(one.offset + one.size for one in nodes)
        if first < self.after and self.after > self.address and self.marks:
            return False  # a delay slot, already counted with its branch
        self.here = first
        self.after = max(self.after, end)
        self.guards = []
        self.settled.clear()
        self.marks.append((first, len(self.ops)))
        self.lifter.instructions += len(nodes)
        self.repeated = self.lifter.x86 and (self._repeat(first) or self._bytes_swapped(first))
        return True

    def _repeat(self, address: int) -> bool:
        """x86 `rep movs` and `rep stos`: one REPEAT op, `a` is the element's size, `b` says what is done."""
        raw = self.lifter.image.bytes_at(address, 4)
        if len(raw) < 4 or raw[0] != 0xF3:
            return False
        wide = raw[1] == 0x48
        code = raw[2] if wide else raw[1]
        if code not in (0xA4, 0xA5, 0xAA, 0xAB):
            return False
        size = 1 if code in (0xA4, 0xAA) else 8 if wide else 4
        self.ops.append((REPEAT, 0, ~size, ~int(code in (0xA4, 0xA5)), size, address))
        return True

    def _bytes_swapped(self, address: int) -> bool:
        """x86 `xchg %ah,%al`, a short htons: the second byte of a register is no register here."""
        raw = self.lifter.image.bytes_at(address, 2)
        if (
            len(raw) < 2
            or raw[0] != 0x86
            or raw[1] < 0xC0
            or raw[1] >> 3 & 3 != raw[1] & 3
            or not (raw[1] ^ raw[1] >> 3) & 4
        ):
            return False
        names = ("RAX", "RCX", "RDX", "RBX") if "RAX" in self.lifter.registers else ("EAX", "ECX", "EDX", "EBX")
        register = self.lifter.registers[names[raw[1] & 3]]
        low, left, right = (self.lifter.fresh + one for one in (1, 2, 3))
        self.lifter.fresh += 3
        self.ops += [
            (AND, low, register, ~0xFFFF, 2, address),
            (SHL, left, low, ~8, 2, address),
            (SHR, right, low, ~8, 2, address),
            (OR, register, left, right, 2, address),
        ]
        return True

    def _operand(self, node: pypcode.Varnode) -> int:
        space = node.space.name
        offset: int = node.offset
        if space == "register":
            offset &= self.lifter.low
            return offset if offset != self.lifter.zero else ~0
        if space == "unique":
            return UNIQUE + offset
        if space == "const":
            return ~offset
        self.lifter.fresh += 1
        self.ops.append((LOAD, self.lifter.fresh, ~offset, 0, node.size, self.here))
        return self.lifter.fresh

    def _compute(self, code: pypcode.OpCode, op: pypcode.PcodeOp) -> None:
        inputs = op.inputs
        out = op.output
        if out is None:
            return
        if code == _SUBPIECE:
            low = inputs[1].offset
            if low:
                self._out(SHR, out, self._operand(inputs[0]), ~(8 * low), out.size)
            else:
                self._out(TRUNC, out, self._operand(inputs[0]), 0, out.size)
        elif code in _UNARY:
            kind = _UNARY[code]
            self._out(
                kind,
                out,
                self._operand(inputs[0]),
                0,
                inputs[0].size if kind in (ZEXT, SEXT) else out.size,
            )
        else:
            kind = _BINARY[code]
            size = out.size if kind < EQ or kind > SLE else inputs[0].size
            if kind in (CARRY, SCARRY, SBORROW):
                size = inputs[0].size
            elif kind == PIECE:
                size = inputs[1].size
            self._out(kind, out, self._operand(inputs[0]), self._operand(inputs[1]), size)

    def _out(self, kind: int, node: pypcode.Varnode, a: int, b: int, size: int) -> None:
        space = node.space.name
        if space == "ram":
            self.lifter.fresh += 1
            self.ops.append((kind, self.lifter.fresh, a, b, size, self.here))
            self._store(~node.offset, self.lifter.fresh, node.size)
            return
        out = node.offset & self.lifter.low if space == "register" else UNIQUE + node.offset
        if space == "register" and (out in self.lifter.ignored or out == self.lifter.zero):
            return
        if self.guards and not self._passing(space, out):
            _, condition, negated = self.guards[-1]
            self.lifter.fresh += 1
            self.ops.append((kind, self.lifter.fresh, a, b, size, self.here))
            # SELECT out = condition ? a : previous; the size field tells the sense
            self.ops.append((SELECT, out, condition, self.lifter.fresh, 0 if negated else 1, self.here))
            return
        if not self.guards:
            self.settled.add(out)
        self.ops.append((kind, out, a, b, size, self.here))

    def _passing(self, space: str, out: int) -> bool:
        """Whether nobody asks for the old value when a condition fails: temporaries of the conditional part itself, and
        the program counter.
        """
        return (space == "unique" and out not in self.settled) or out == self.lifter.counter

    def _store(self, address: int, value: int, size: int) -> None:
        if not self.guards:
            self.ops.append((STORE, 0, address, value, size, self.here))
            return
        _, condition, negated = self.guards[-1]
        self.ops.append((WEAK_STORE, condition << 1 | negated, address, value, size, self.here))

    # -- control flow
    def _control(self, code: pypcode.OpCode, op: pypcode.PcodeOp, index: int, start: int) -> None:
        node = op.inputs[0]
        if code in (_CBRANCH, _BRANCH) and (
            node.space.name == "const" or (self.here <= node.offset <= self.after and self.here != self.after)
        ):
            inside = (
                node.space.name == "const"
                or node.offset == self.after
                or (node.offset == self.here and not self._loops(index, start))
            )
            if inside and self._inside(code, op, index):
                return
        if code == _CBRANCH:
            self.exit = Exit("cond", self._operand(op.inputs[1]), node.offset, self.after, self.here)
            return
        leaving = self._leaving(code, node)
        if self.guards:
            self._conditional(leaving)
        elif self.exit is None or self.exit.kind != "cond":
            self.exit = leaving

    def _loops(self, index: int, start: int) -> bool:
        """A branch to its own instruction is a loop of one instruction when nothing else happened before it."""
        return index == start + 1

    def _inside(self, code: pypcode.OpCode, op: pypcode.PcodeOp, index: int) -> bool:
        """A branch inside one instruction: guard the ops that it skips."""
        node = op.inputs[0]
        if node.space.name == "const":
            jump = node.offset if node.offset < 1 << 31 else node.offset - (1 << (8 * node.size))
            target = index + jump
        else:
            target = 1 << 30 if node.offset == self.after else -1
        if code == _CBRANCH:
            if target > index:
                condition = self._operand(op.inputs[1])
                self.lifter.fresh += 1
                self.ops.append((MOV, self.lifter.fresh, condition, 0, 1, self.here))
                self.guards.append((target, self.lifter.fresh, True))
            return True
        if self.guards and target > index:
            end, condition, negated = self.guards.pop()
            if end == index + 1 or end >= 1 << 30:
                self.guards.append((target, condition, not negated))
        return True

    def _leaving(self, code: pypcode.OpCode, node: pypcode.Varnode) -> Exit:
        site, after = self.here, self.after
        if code == _BRANCH:
            return Exit("jump", target=node.offset, site=site)
        if code == _CALL:
            target = self._call_target(node.offset)
            if target == after and self.lifter.image.architecture == "mips":
                return Exit("fall", next=after)  # bal .+8 reads the program counter
            if self._reads_counter(target):
                return Exit("fall", next=after)
            return Exit("call", target=target, next=after, site=site)
        if code == _CALLIND:
            return Exit("icall", self._operand(node), 0, after, site)
        if code == _RETURN:
            return Exit("ret", site=site)
        return Exit("ijump", self._operand(node), site=site)

    def _reads_counter(self, target: int) -> bool:
        """i386: a function `mov (%esp), register; ret` gives the address behind its call; done here, without a call."""
        lifter = self.lifter
        if lifter.image.architecture != "i386":
            return False
        raw = lifter.image.bytes_at(target, 4)
        register = _COUNTER_READERS.get(raw[1]) if len(raw) == 4 and raw[0] == 0x8B and raw[2:] == b"\x24\xc3" else None
        if register is None:
            return False
        stack = lifter.registers["ESP"]
        self.ops.append((MOV, lifter.registers[register], ~self.after, 0, 4, self.here))
        self.ops.append((ADD, stack, stack, ~4, 4, self.here))
        return True

    def _call_target(self, target: int) -> int:
        """On ARM the real target with its mode, read from the instruction, since BLX was lifted as BL."""
        if not self.lifter.arm:
            return target
        image = self.lifter.image
        if self.thumb:
            second = image.number(self.here + 2, 2) or 0
            if second & 0x1000:
                return target | 1
            return target & ~3
        word = image.number(self.here, 4) or 0
        return (target + ((word >> 23) & 2)) | 1 if word >> 25 == 0x7D else target & ~1

    def _conditional(self, leaving: Exit) -> None:
        """A guarded call, return or jump: the block ends in a condition, its instruction gets a block of its own."""
        _, condition, negated = self.guards[-1]
        virtual = self.here + VIRTUAL
        ops = self._taken_only(condition)
        if leaving.kind == "jump" and not ops:
            taken = leaving.target
        else:
            taken = virtual
            self.extra.append(Block(virtual, ops, [(self.here, 0)] if ops else [], leaving, self.after))
        if negated:
            self.lifter.fresh += 1
            self.ops.append((BNOT, self.lifter.fresh, condition, 0, 1, self.here))
            condition = self.lifter.fresh
        self.exit = Exit("cond", condition, taken, self.after, self.here)

    def _taken_only(self, condition: int) -> list[Op]:
        """What the instruction does besides leaving (`popeq {r4, pc}` restores registers): cut out of the block, since
        where it does not leave it does nothing.
        """
        start = next(
            (index + 1 for index in range(len(self.ops) - 1, -1, -1) if self.ops[index][1] == condition), len(self.ops)
        )
        if start < self.marks[-1][1] or len(self.guards) > 1:
            return []
        out: list[Op] = []
        for kind, target, a, b, size, at in self.ops[start:]:
            if kind == SELECT:
                out.append((MOV, target, b, 0, size, at))
            else:
                out.append((STORE, 0, a, b, size, at) if kind == WEAK_STORE else (kind, target, a, b, size, at))
        del self.ops[start:]
        return out


def plain_thumb(raw: bytearray) -> None:
    """Turn Thumb BLX into BL: lifting BLX would switch the lifter's mode for everything behind its target. What the
    lifter would die of is made nothing.
    """
    at = 0
    while at + 3 < len(raw):
        high = raw[at + 1]
        if high >= 0xE8:
            if high & 0xF8 == 0xF0 and raw[at + 3] & 0xD0 == 0xC0:
                raw[at + 3] |= 0x10
            elif high & 0xFE == 0xEC and _too_many(high << 24 | raw[at] << 16 | raw[at + 3] << 8 | raw[at + 2]):
                raw[at : at + 4] = b"\x00\xbf\x00\xbf"
            at += 4
        else:
            at += 2


def plain_arm(raw: bytearray, big: bool) -> None:
    """The same for ARM code."""
    order: Literal["big", "little"] = "big" if big else "little"
    top = 0 if big else 3
    for at in range(0, len(raw) - 3, 4):
        high = raw[at + top]
        if high & 0xFE == 0xFA:
            raw[at + top] = 0xEB
        elif high & 0x0E == 0x0C and _too_many(int.from_bytes(raw[at : at + 4], order)):
            raw[at : at + 4] = 0xE1A00000.to_bytes(4, order)


def _too_many(word: int) -> bool:
    """Data that reads as a load or store of more floating-point registers than there are: the lifter recurses until
    the process dies.
    """
    if word & 0xE00 != 0xA00 or (word >> 24 & 1 and not word >> 21 & 1):
        return False
    count = word & 0xFF
    first = word >> 12 & 15
    if word & 0x100:
        return first + (word >> 22 & 1) * 16 + count // 2 > 32 or count < 2 or count > 33
    return first * 2 + (word >> 22 & 1) + count > 32 or not count


def _drop_dead(
    ops: list[Op], marks: list[tuple[int, int]], flags: frozenset[int], wanted: set[int]
) -> tuple[list[Op], list[tuple[int, int]]]:
    """Remove computations of flags and temporaries that nothing reads (on x86 more than half). `wanted` are read
    behind the block.
    """
    dead: set[int] = set()
    live: set[int] = set(wanted)
    keep = [True] * len(ops)
    for index in range(len(ops) - 1, -1, -1):
        kind, out, a, b, _size, _at = ops[index]
        if kind == REPEAT:
            dead.clear()
            continue
        if kind in (STORE, WEAK_STORE):
            live.add(a)
            live.add(b)
            dead.discard(a)
            dead.discard(b)
            continue
        if (out >= UNIQUE and out not in live and out < 2 * UNIQUE) or (out in dead):
            keep[index] = False
            continue
        if kind == SELECT:
            live.add(out)
        elif out in flags:
            dead.add(out)
        live.add(a)
        live.add(b)
        dead.discard(a)
        dead.discard(b)
        if kind == SELECT:
            dead.discard(out)
    kept = [op for index, op in enumerate(ops) if keep[index]]
    position = 0
    new_index = []
    for flag in keep:
        new_index.append(position)
        position += flag
    new_index.append(position)
    return kept, [(address, new_index[at]) for address, at in marks]
