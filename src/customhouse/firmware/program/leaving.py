"""How a block is left: branches, calls and returns, also those of conditional instructions."""

import pypcode

from .lift import ADD, AND, BNOT, MOV, SELECT, STORE, VIRTUAL, WEAK_STORE, Block, Exit, Op
from .lowering import Straight

_O = pypcode.OpCode
_CBRANCH, _BRANCH, _CALL, _CALLIND, _RETURN = _O.CBRANCH, _O.BRANCH, _O.CALL, _O.CALLIND, _O.RETURN
_EVEN = 0xFFFFFFFE
_COUNTER_READERS = {0x04: "EAX", 0x0C: "ECX", 0x14: "EDX", 0x1C: "EBX", 0x2C: "EBP", 0x34: "ESI", 0x3C: "EDI"}


class Leaving(Straight):
    """One block being lifted, with its end."""

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
        if self.lifter.arm:
            self._keep_mode(self._operand(node))
        if code == _CALLIND:
            return Exit("icall", self._operand(node), 0, after, site)
        if code == _RETURN or (self.lifter.arm and self._pops_counter()):
            return Exit("ret", site=site)
        return Exit("ijump", self._operand(node), site=site)

    def _keep_mode(self, pointer: int) -> None:
        """The lowest bit of a pointer to code says in which mode the code is; the lifter clears it (`pc = r3 & ~1`)."""
        for index in range(len(self.ops) - 1, self.marks[-1][1] - 1, -1):
            kind, target, a, b, size, at = self.ops[index]
            if target == pointer:
                if kind == AND and b == ~_EVEN:
                    self.ops[index] = (MOV, target, a, 0, size, at)
                return

    def _pops_counter(self) -> bool:
        """`ldr pc, [sp], #4`: how compilers return from a function that keeps nothing but where it was called from."""
        number = self.lifter.image.number
        if self.thumb:
            return number(self.here, 2) == 0xF85D and ((number(self.here + 2, 2) or 0) & 0xFF00) == 0xFB00
        return ((number(self.here, 4) or 0) & 0x0FFFF000) == 0x049DF000

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
