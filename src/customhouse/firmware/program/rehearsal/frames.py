"""Functions of a program are entered, and answered calls go back to it, by the convention of the processor."""

import struct
from abc import ABC, abstractmethod

from .. import calling
from ..elf import Image
from ..emulator import RETURN, Stop
from .noting import Noting
from .turns import Blocked, Standing
from .watched import Watched

_BELOW = 512
"""Bytes of the stack that stay as they are below who calls."""
_WIDE = {"arm": ("r0", "r1"), "mips": ("v0", "v1")}
_DOUBLE = {"x86_64": "XMM0_Qa", "arm64": "d0", "arm": "d0", "mips": "f0_1"}


class Frames(ABC):
    """A machine whose functions are called from outside."""

    def __init__(self, machine: Watched, ram: Noting, image: Image) -> None:
        self.machine, self.ram, self.image = machine, ram, image
        self.convention = machine.lifter.convention

    # -- results
    def give(self, result: int) -> None:
        self.machine.set(self.convention.result, result)

    def give_wide(self, value: int) -> None:
        """A result of 64 bits."""
        if self.image.word == 8:
            return self.give(value)
        low, high = value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF
        first, second = _WIDE.get(self.image.architecture, ("EAX", "EDX"))
        if self.image.big:
            low, high = high, low
        self.machine.set(first, low)
        self.machine.set(second, high)
        return None

    def give_double(self, value: float) -> None:
        """A result that is a floating point number, in the register where it is looked for."""
        bits = struct.unpack("<Q", struct.pack("<d", value))[0]
        name = _DOUBLE.get(self.image.architecture, "")
        if name in self.machine.nodes:
            self.machine.set(name, bits)
        if self.image.architecture == "arm":
            self.give_wide(bits)

    def go_back(self) -> None:
        calling.go_back(self.machine, self.convention)

    # -- functions
    def enter(self, function: int, arguments: tuple[int, ...]) -> None:
        """Go to a function as if it were called; the stack pointer is where the caller's is."""
        stack = (self.machine.get(self.convention.stack) - _BELOW) & ~15
        calling.enter(self.machine, self.convention, stack, function, arguments, RETURN)
        self.entered(function, 0)

    @abstractmethod
    def entered(self, function: int, site: int) -> None:
        """A function was called, from outside where there is no site."""

    def invoke(self, function: int, *arguments: int) -> int:
        """Call a function of the program to its end, out of turn."""
        before = self.standing()
        self.enter(function, arguments)
        try:
            while True:
                self.machine._block()  # the machine's own step
        except Stop as stop:
            if str(stop) != "return":
                raise
        except Blocked:
            raise Stop("a callback waits") from None
        result = self.machine.get(self.convention.result)
        self.stand(before)
        return result

    # -- where the machine stands
    def standing(self) -> Standing:
        return Standing(bytes(self.machine.file), self.machine.pc, self.machine.thumb)

    def stand(self, where: Standing) -> None:
        self.machine.file[:] = where.file
        self.machine.pc, self.machine.thumb = where.pc, where.thumb
