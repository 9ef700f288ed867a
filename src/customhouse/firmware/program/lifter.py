"""Machine code to the operations of `lift`, a basic block at a time, by way of p-code (SLEIGH)."""

import pypcode

from .decodable import plain_arm, plain_thumb
from .leaving import Leaving
from .lift import LOAD, OTHER, Block, Exit, drop_dead
from .lowering import BINARY, UNARY, Machine
from .machine import remembers

_O = pypcode.OpCode
_IMARK, _LOAD, _STORE, _SUBPIECE = _O.IMARK, _O.LOAD, _O.STORE, _O.SUBPIECE
_LEAVING = (_O.CBRANCH, _O.BRANCH, _O.CALL, _O.CALLIND, _O.RETURN, _O.BRANCHIND)
_UNDECODABLE = (pypcode.BadDataError, pypcode.UnimplError, RuntimeError, ValueError, IndexError, pypcode.LowlevelError)
_PIECE = 160
"""Bytes of code that are decoded at a time."""
_LONGEST = 16
"""Bytes of an instruction, at most."""
STUB = 24
"""The longest code, in bytes, that is looked at to see whether it is a stub."""


class Lifter(Machine):
    """Lifts blocks of one image."""

    def block(self, address: int, thumb: bool, limit: int = 1 << 62) -> list[Block]:
        """The block at `address` that ends before `limit`, and the virtual blocks that its conditional instructions
        need.
        """
        if self.arm and (thumb or limit - address > STUB):
            remembers(self.convention.language, thumb)
        work = _Lowering(self, address, thumb, limit)
        return work.run()


class _Lowering(Leaving):
    """One block, lifted instruction by instruction."""

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
                translated = context.translate(raw, position, 0, len(raw), 48, pypcode.TranslateFlags.BB_TERMINATING)
            except _UNDECODABLE:
                translated = self._until_bad(context, raw, position)
            if translated is None:
                self.exit = Exit("stop")
                break
            self.after = position
            self._lower(translated, position + size)
            if self.after == position:
                self.exit = self.exit or Exit("stop")
            position = self.after
            if self.exit is None and position >= self.limit:
                self.exit = Exit("fall", next=position)
        wanted = {self.exit.value, *(one.exit.value for one in self.extra)}
        wanted |= {part for one in self.extra for op in one.ops for part in op[2:4]}
        ops, marks = drop_dead(self.ops, self.marks, self.lifter.flags, wanted)
        return [Block(self.address, ops, marks, self.exit, position), *self.extra]

    def _until_bad(self, context: pypcode.Context, raw: bytes, position: int) -> pypcode.Translation | None:
        """Fewer and fewer instructions, up to the one that is none."""
        for count in (16, 4, 1):
            try:
                return context.translate(raw, position, 0, len(raw), count, pypcode.TranslateFlags.BB_TERMINATING)
            except _UNDECODABLE:
                continue
        return None

    def _bytes(self, position: int) -> tuple[bytes, int]:
        """Code from `position` on, and how much of it instructions may begin in: the last one is whole, with what may
        stand in its delay slot. (What a decoder does not see of an instruction it takes for zeros.)
        """
        segment = self.lifter.image.segment(position)
        if segment is None or not segment.executable:
            return b"", 0
        offset = position - segment.start
        size = min(self.limit - position, _PIECE, len(segment.data) - offset)
        raw = segment.data[offset : offset + max(size, 0) + _LONGEST]
        if self.thumb:
            plain_thumb(raw)
        elif self.lifter.arm:
            plain_arm(raw, self.lifter.image.big)
        return bytes(raw), size

    # -- p-code to ops
    def _lower(self, translated: pypcode.Translation, end: int) -> None:
        ops = list(translated.ops)
        index = 0
        start = 0
        for index, op in enumerate(ops):
            code = op.opcode
            if code == _IMARK:
                if op.inputs[0].offset >= end and self.marks and op.inputs[0].offset >= self.after:
                    return
                if self._mark(op):
                    start = index
                continue
            if self.repeated:
                continue
            while self.guards and index >= self.guards[-1][0]:
                self.guards.pop()
            if code in BINARY or code in UNARY or code == _SUBPIECE:
                self._compute(code, op)
            elif code == _LOAD and op.output is not None:
                self._out(LOAD, op.output, self._operand(op.inputs[1]), 0, op.output.size)
            elif code == _STORE:
                self._store(self._operand(op.inputs[1]), self._operand(op.inputs[2]), op.inputs[2].size)
            elif code in _LEAVING:
                self._control(code, op, index, start)
            elif op.output is not None:
                inputs = [self._operand(one) for one in op.inputs if one.space.name != "const"][:2]
                self._out(
                    OTHER, op.output, inputs[0] if inputs else ~0, inputs[1] if len(inputs) > 1 else ~0, op.output.size
                )
