"""Functions of a program are entered, and answered calls go back to it, by the convention of the processor."""

import struct

from ..elf import Image
from ..emulator import RETURN, Stop
from ..machine import CONVENTIONS
from ..ram import Ram
from ..stage import LINKS
from .turns import Blocked, Standing
from .watched import Watched

_WIDE = {"arm": ("r0", "r1"), "mips": ("v0", "v1")}
_DOUBLE = {"x86_64": "XMM0_Qa", "arm64": "d0", "arm": "d0", "mips": "f0_1"}


class Frames:
    """A machine whose functions are called from outside."""

    def __init__(self, machine: Watched, ram: Ram, image: Image) -> None:
        self.machine, self.ram, self.image = machine, ram, image
        big = image.big and image.architecture in ("mips", "arm")
        self.convention = CONVENTIONS[image.architecture + ("-big" if big else "")]

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
        machine, convention = self.machine, self.convention
        if convention.link:
            stack = machine.get(convention.stack)
            machine.set(convention.stack, stack + convention.link)
            machine.go(self.ram.word(stack))
        else:
            machine.go(machine.get(LINKS[self.image.architecture]))

    # -- functions
    def prepare(self, function: int) -> None:
        """Registers that a function expects to hold something."""
        if self.image.architecture == "mips":
            self.machine.set("t9", function)
            if self.image.gp is not None:
                self.machine.set("gp", self.image.gp)
        elif self.image.architecture == "x86_64":
            self.machine.set("DF", 0)

    def enter(self, function: int, arguments: tuple[int, ...], back: int = RETURN) -> None:
        """Go to a function as if it were called; the stack pointer is where the caller's is."""
        machine, convention, word = self.machine, self.convention, self.image.word
        stack = (machine.get(convention.stack) - 512) & ~15
        for index, value in enumerate(arguments):
            if index < len(convention.arguments):
                machine.set(convention.arguments[index], value)
            else:
                place = stack + convention.stack_arguments - convention.link
                self.ram.store(place + word * (index - len(convention.arguments)), value & self.ram.mask, word)
        if convention.link:
            stack -= convention.link
            self.ram.store(stack, back, word)
        else:
            machine.set(LINKS[self.image.architecture], back)
        machine.set(convention.stack, stack)
        self.prepare(function)
        machine.go(function)

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
