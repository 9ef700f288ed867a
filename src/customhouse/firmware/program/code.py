"""Functions of a program as control-flow graphs, recovered by following the code.

Code addresses of ARM carry bit 0 for Thumb wherever a function is named; block addresses do not.
"""

from typing import Protocol

from . import constants
from .elf import Image
from .lift import UNIQUE
from .lifter import STUB, Lifter
from .recovery import Function, Recovery
from .sweep import Calls, direct_calls, starts


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
            self.functions[address] = Recovery(self, address).run()
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
