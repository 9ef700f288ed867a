"""A machine that tells what it came by: ways between blocks, and numbers that were compared."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

import pypcode

from ..compiled import Compiler, Pair, Work
from ..elf import IMPORT_BASE
from ..emulator import Block, Machine, Step, Stop
from ..lifter import Lifter
from ..ram import Ram
from .copies import Stored

_O = pypcode.OpCode
_COMPARISONS = frozenset((_O.INT_EQUAL, _O.INT_NOTEQUAL, _O.INT_LESS, _O.INT_LESSEQUAL, _O.INT_SLESS))
_PAIRS = 24
"""Pairs of numbers that are kept of one comparison."""
_STORED, _LONGEST, _RECENT = 400, 8192, 4
"""Copies by loops that are told of in one run, their bytes, and how many of them go on at the same time."""
_OFTEN = 16
"""How often a block runs before it is compiled."""


class Host(Protocol):
    """What answers the calls of imported functions."""

    def answer(self, name: str) -> None: ...

    def led_to(self, site: int) -> tuple[int, ...]: ...


class NoKernel:
    """Programs that ask the kernel by themselves are not run."""

    def call(self, machine: Machine, immediate: int) -> None:
        raise Stop(f"a system call {immediate}")


class Watched(Machine):
    """`ways` are the passages from block to block since `watch`; `pairs` the numbers compared since then: where, both,
    and their size in bytes. Blocks that run often are compiled.
    """

    recorded = _COMPARISONS
    often = _OFTEN

    def __init__(self, lifter: Lifter, ram: Ram) -> None:
        super().__init__(lifter, ram, NoKernel())
        self.host: Host | None = None
        self.ways: set[tuple[int, int]] = set()
        self.pairs: dict[Pair, None] = {}
        self.left = bytearray()
        """How many pairs are still wanted of each comparison."""
        self.spots: set[int] = set()
        """Instructions that are told of when they store something."""
        self.stored: list[Stored] = []
        self._calling: set[int] = set()
        """Instructions of the block that is built which call something: what those store is no copy."""
        self._numbers: dict[int, int] = {}
        self._last = 0
        self._ops: dict[int, list[pypcode.PcodeOp]] = {}
        self._runs: Counter[int] = Counter()
        self._works: dict[int, tuple[Work, int, int]] = {}
        """What does the work of a block, where that lies, and its operations; by address and mode."""
        self._compiler = Compiler(self, self)
        self._even = ~1 if self.arm else ~0

    def watch(self) -> None:
        self.ways, self._last = set(), 0
        self.pairs = {}
        self.stored = []
        self.left[:] = bytes([_PAIRS]) * len(self.left)

    def number(self, site: int) -> int:
        """The index in `left` of an instruction that compares."""
        found = self._numbers.get(site)
        if found is None:
            found = self._numbers[site] = len(self.left)
            self.left.append(_PAIRS)
        return found

    def some(self, pairs: tuple[Pair, ...]) -> None:
        number = self.number(pairs[0][0])
        for pair in pairs[: self.left[number]]:
            self.left[number] -= 1
            self.pairs[pair] = None

    def _block(self) -> None:
        """Run blocks that are compiled, one after the other, and one that is not."""
        key = self._compiled(self.pc | self.thumb)
        pc = self.pc
        if pc >= IMPORT_BASE:
            name = self.image.import_name(pc)
            if name is not None and self.host is not None:
                self.operations += 20
                self.host.answer(name)
                return
        self.ways.add((self._last, pc))
        self._last = pc
        self._runs[key] += 1
        if self._runs[key] > self.often and key in self._ops:
            self._compile(key)
        super()._block()

    def _compiled(self, key: int) -> int:
        """Go on as long as blocks are compiled; where that ended."""
        works, add, last = self._works, self.ways.add, self._last
        try:
            while (found := works.get(key)) is not None:
                work, pc, count = found
                add((last, pc))
                last = pc
                self.operations += count
                if self.operations > self.limit:
                    self._place(key)
                    raise Stop("limit")
                key = work()
        finally:
            self._last = last
        self._place(key)
        return key

    def _place(self, key: int) -> None:
        self.pc = key & self._even
        if self.arm:
            self.thumb = key & 1 == 1

    def _compile(self, key: int) -> None:
        ops = self._ops.pop(key)
        if self.spots and not self.spots.isdisjoint(_instructions(ops)):
            return
        work = self._compiler.work(ops, self.pc)
        if work is not None:
            self._works[key] = (work, self.pc, sum(one.opcode != _O.IMARK for one in ops))

    def _build(self, block: Block, ops: list[pypcode.PcodeOp], pc: int) -> None:
        self._calling = (
            {site for site, op in _placed(ops) if op.opcode in (_O.CALL, _O.CALLIND)} if self.spots else set()
        )
        self._ops[pc | self.thumb] = ops
        super()._build(block, ops, pc)

    def _store(self, op: pypcode.PcodeOp) -> Step:
        step, site = super()._store(op), self._here
        if site not in self.spots or site in self._calling:
            return step
        pointer, value, size = self.reader(op.inputs[1]), self.reader(op.inputs[2]), op.inputs[2].size
        stack, order = self.lifter.convention.stack, self.ram.order

        def store() -> int | None:
            self._told(site, self.get(stack), pointer(), value().to_bytes(size, order))
            return step()

        return store

    def _told(self, site: int, stack: int, at: int, data: bytes) -> None:
        """Something was stored that is told of, behind what was stored before or at another place."""
        last = next((one for one in reversed(self.stored[-_RECENT:]) if (one.site, one.stack) == (site, stack)), None)
        if last is not None and last.target + len(last.data) == at:
            if len(last.data) < _LONGEST:
                last.data.extend(data)
        elif len(self.stored) < _STORED:
            chain = self.host.led_to(site) if self.host is not None else ()
            self.stored.append(Stored(site, stack, at, bytearray(data), chain))

    def _value(self, op: pypcode.PcodeOp) -> Step:
        if op.opcode not in _COMPARISONS or op.inputs[0].size > 8:
            return super()._value(op)
        site, left, number = self._here, self.left, self.number(self._here)
        first, second, size = self.reader(op.inputs[0]), self.reader(op.inputs[1]), op.inputs[0].size
        step: Any = super()._value(op)

        def compare() -> int | None:
            if left[number]:
                left[number] -= 1
                self.pairs[(site, first(), second(), size)] = None
            return step()  # type: ignore[no-any-return]

        return compare


def _placed(ops: list[pypcode.PcodeOp]) -> Iterator[tuple[int, pypcode.PcodeOp]]:
    """Operations with their instructions."""
    site = 0
    for op in ops:
        if op.opcode == _O.IMARK:
            site = op.inputs[0].offset
        else:
            yield site, op


def _instructions(ops: list[pypcode.PcodeOp]) -> Iterator[int]:
    return (op.inputs[0].offset for op in ops if op.opcode == _O.IMARK)
