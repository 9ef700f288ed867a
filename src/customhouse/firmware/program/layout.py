"""How the operations of a decoded block lie: which instruction each belongs to, and where its branches lead within."""

import pypcode

_O = pypcode.OpCode


class Layout:
    """`positions` has for each operation its place among the steps, which are all but the marks of instructions."""

    def __init__(self, ops: list[pypcode.PcodeOp], pc: int) -> None:
        self.places: dict[int, int] = {}
        self.positions: list[int] = []
        self.end = pc
        kept = 0
        for op in ops:
            self.positions.append(kept)
            if op.opcode != _O.IMARK:
                kept += 1
                continue
            for node in op.inputs:
                self.places.setdefault(node.offset, kept)
                self.end = max(self.end, node.offset + node.size)
        self.positions.append(kept)
        self._marks = sorted(self.places)

    def after(self, here: int) -> int:
        """Behind the instruction at an address."""
        return next((one for one in self._marks if one > here), self.end)

    def target(self, op: pypcode.PcodeOp, index: int) -> int | None:
        """The step that a branch leads to; None where it leaves the block. Backwards to an instruction it goes through
        the table of blocks, where operations are counted.
        """
        node = op.inputs[0]
        if node.space.name == "const":
            jump = node.offset if node.offset < 1 << 31 else node.offset - (1 << (8 * node.size))
            return self.positions[index + jump]
        place = self.places.get(node.offset)
        return place if place is not None and place > self.positions[index] else None
