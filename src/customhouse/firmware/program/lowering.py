"""p-code (SLEIGH) lowered to the operations of `lift`: what an instruction computes, loads and stores.

How a block is left is read in `leaving`, which builds on this.
"""

import pypcode

from .elf import Image
from .lift import (
    ADD,
    AND,
    BAND,
    BNOT,
    BOR,
    BXOR,
    CARRY,
    DIV,
    EQ,
    LE,
    LOAD,
    LT,
    MOV,
    MUL,
    NE,
    NEG,
    NOT,
    OR,
    PIECE,
    REM,
    REPEAT,
    SAR,
    SBORROW,
    SCARRY,
    SELECT,
    SEXT,
    SHL,
    SHR,
    SLE,
    SLT,
    STORE,
    SUB,
    TRUNC,
    UNIQUE,
    WEAK_STORE,
    XOR,
    ZEROS,
    ZEXT,
    Block,
    Exit,
    Op,
)
from .machine import CONVENTIONS, context, forget

_O = pypcode.OpCode
BINARY = {
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
UNARY = {
    _O.COPY: MOV,
    _O.INT_2COMP: NEG,
    _O.INT_NEGATE: NOT,
    _O.BOOL_NEGATE: BNOT,
    _O.INT_ZEXT: ZEXT,
    _O.INT_SEXT: SEXT,
    _O.LZCOUNT: ZEROS,
}

_HALVES = {0x22: True, 0x26: False, 0x2A: True, 0x2E: False}
"""lwl, lwr, swl and swr: whether they begin with a word's first byte on big-endian machines."""
_FIRST_STORE = 0x2A


class Machine:
    """What lowering knows of the machine whose image is read. `registers` are p-code offsets by name."""

    def __init__(self, image: Image) -> None:
        self.image = image
        big = image.big and image.architecture in ("mips", "arm")
        self.convention = CONVENTIONS[image.architecture + ("-big" if big else "")]
        self.x86 = image.architecture in ("x86_64", "i386")
        self.second: dict[int, int] = {}
        """x86: the registers whose second byte has a name of its own, by the offset of that byte."""
        self.arm = image.architecture == "arm"
        if self.arm:
            forget(self.convention.language)
        self.plain = context(self.convention.language, False)
        self.low = ~3 if image.big and image.word == 4 else ~0
        """On big-endian machines the low part of a register has a higher offset: it is named by the whole register."""
        self.registers: dict[str, int] = {name: node.offset for name, node in self.plain.registers.items()}
        if self.x86:
            self.second = {self.registers[one]: self.registers[one] - 1 for one in ("AH", "BH", "CH", "DH")}
        self.arguments = tuple(self.registers[name] for name in self.convention.arguments)
        self.ignored = frozenset(self.registers[name] for name in self.convention.ignored if name in self.registers)
        self.flags = frozenset(self.registers[name] for name in self.convention.flags if name in self.registers)
        self.zero = self.registers.get("zero", -1) if image.architecture == "mips" else self.registers.get("xzr", -1)
        self.counter = self.registers["pc"] if self.arm else -1
        self.fresh = UNIQUE * 2
        self.instructions = 0

    def thumb_context(self) -> pypcode.Context:
        return context(self.convention.language, True)


class Straight:
    """One block being lifted, as far as it does not leave."""

    def __init__(self, lifter: Machine, address: int, thumb: bool, limit: int) -> None:
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
        self.untouched: int | None = None
        """What one half of an access in a delay slot would write: a register, or -1 for memory."""

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
        if self.lifter.image.architecture == "mips":
            self.repeated = len(nodes) == 1 and self._unaligned(first)
            self.untouched = self._half_in_slot(nodes[1].offset) if len(nodes) > 1 else None
        return True

    def _unaligned(self, address: int) -> bool:
        """MIPS reads and writes words at any address with two instructions, one for each side of a word's border; they
        come in pairs. The one that names the word's first byte is the whole access here, the other one nothing.
        """
        word = self.lifter.image.number(address, 4) or 0
        code = word >> 26
        if code not in _HALVES:
            return False
        first = _HALVES[code] if self.lifter.image.big else not _HALVES[code]
        offset = (word & 0xFFFF ^ 0x8000) - 0x8000
        if not first:
            return True
        base, register = self._general(word >> 21 & 31), self._general(word >> 16 & 31)
        place = self.lifter.fresh + 1
        self.lifter.fresh += 1
        self.ops.append((ADD, place, base, ~(offset & 0xFFFFFFFF), 4, address))
        if code >= _FIRST_STORE:
            self.ops.append((STORE, 0, place, register, 4, address))
        elif register >= 0:
            self.ops.append((LOAD, register, place, 0, 4, address))
        return True

    def _half_in_slot(self, address: int) -> int | None:
        """The same in a delay slot: what the half there writes was written with the whole word, or is now."""
        if not self._unaligned(address):
            return None
        word = self.lifter.image.number(address, 4) or 0
        return -1 if word >> 26 >= _FIRST_STORE else self._general(word >> 16 & 31)

    def _general(self, number: int) -> int:
        """The operand for one of the 32 registers; the first is always zero."""
        return self.lifter.registers["zero"] + 4 * number if number else ~0

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
            if node.size == 1 and offset in self.lifter.second:
                return self._second(self.lifter.second[offset])
            return offset if offset != self.lifter.zero else ~0
        if space == "unique":
            return UNIQUE + offset
        if space == "const":
            return ~offset
        self.lifter.fresh += 1
        self.ops.append((LOAD, self.lifter.fresh, ~offset, 0, node.size, self.here))
        return self.lifter.fresh

    def _second(self, register: int) -> int:
        """The second byte of a register: the upper half of a 16-bit number that was read at once."""
        self.lifter.fresh += 2
        half, byte = self.lifter.fresh - 1, self.lifter.fresh
        self.ops.append((AND, half, register, ~0xFFFF, 2, self.here))
        self.ops.append((SHR, byte, half, ~8, 2, self.here))
        return byte

    def _compute(self, code: pypcode.OpCode, op: pypcode.PcodeOp) -> None:
        inputs = op.inputs
        out = op.output
        if out is None:
            return
        if code == _O.SUBPIECE:
            low = inputs[1].offset
            if low:
                self._out(SHR, out, self._operand(inputs[0]), ~(8 * low), out.size)
            else:
                self._out(TRUNC, out, self._operand(inputs[0]), 0, out.size)
        elif code in UNARY:
            kind = UNARY[code]
            self._out(
                kind,
                out,
                self._operand(inputs[0]),
                0,
                inputs[0].size if kind in (ZEXT, SEXT, ZEROS) else out.size,
            )
        else:
            kind = BINARY[code]
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
        if space == "register" and (out in self.lifter.ignored or out in (self.lifter.zero, self.untouched)):
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
        if self.untouched == -1:
            return
        if not self.guards:
            self.ops.append((STORE, 0, address, value, size, self.here))
            return
        _, condition, negated = self.guards[-1]
        self.ops.append((WEAK_STORE, condition << 1 | negated, address, value, size, self.here))
