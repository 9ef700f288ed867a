"""A call of a function of the C library while it is answered: its arguments, by the convention of the processor."""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from .. import calling
from ..emulator import Machine
from ..machine import Convention
from ..ram import Fault, Ram

LONGEST = 1 << 16
"""Bytes of a text that a function is given."""
_FLOATS = {"x86_64": "XMM{}_Qa", "arm64": "d{}"}


class Arguments(Protocol):
    """Arguments of a function that takes any number of them, one after the other."""

    def word(self) -> int:
        """An unsigned machine word: a pointer, a `long`, an `int` with what stands above it."""

    def wide(self) -> int:
        """An unsigned number of 64 bits (`long long`)."""

    def double(self) -> float: ...


class Call:
    """One call. Numbers are unsigned machine words unless said otherwise."""

    def __init__(self, machine: Machine, convention: Convention, host: Any, name: str) -> None:
        self.machine, self.convention, self.host, self.name = machine, convention, host, name
        self.ram: Ram = machine.ram
        self.word_size = machine.image.word
        self.architecture = machine.image.architecture

    # -- arguments
    def number(self, index: int) -> int:
        """An argument, unsigned."""
        return calling.argument(self.machine, self.convention, index)

    def int32(self, index: int) -> int:
        """An argument of type `int`."""
        return signed(self.number(index), 32)

    def signed(self, index: int) -> int:
        """An argument of type `long`."""
        return signed(self.number(index), 8 * self.word_size)

    def text(self, index: int) -> bytes:
        """The text that an argument points to."""
        return self.text_at(self.number(index))

    def text_at(self, address: int) -> bytes:
        return text(self.ram, address)

    def rest(self, index: int) -> Arguments:
        """The variable arguments, from one on."""
        return _Passed(self, index)

    def listed(self, address: int) -> Arguments:
        """The arguments of a `va_list`, whose value (where it is a pointer) or address is given."""
        if self.architecture == "x86_64":
            return _ListedX86(self.ram, address)
        if self.architecture == "arm64":
            return _ListedArm64(self.ram, address)
        return _Plain(self.ram, address, self.architecture != "i386")

    # -- what is told
    def compared(self, kind: str, left: bytes, right: bytes) -> None:
        """Say what was compared with what, or (`find`) in what (left) something was looked for (right)."""
        self.host.compared(kind, left, right)

    def invoke(self, function: int, *arguments: int) -> int:
        """Call a function of the program, to its end."""
        return int(self.host.invoke(function, *arguments))


Answer = Callable[[Call], int | None]
"""What a function gives; None of a function that gives nothing."""


class _Passed:
    """Variable arguments as the caller passed them."""

    def __init__(self, call: Call, index: int) -> None:
        self.call, self.index = call, index
        self.floats = 0
        """How many lie in registers of their own so far."""
        self.paired = call.architecture in ("arm", "mips")

    def word(self) -> int:
        self.index += 1
        return self.call.number(self.index - 1)

    def wide(self) -> int:
        if self.call.word_size == 8:
            return self.word()
        if self.paired:
            self.index += self.index & 1
        first, second = self.word(), self.word()
        return first << 32 | second if self.call.ram.order == "big" else second << 32 | first

    def double(self) -> float:
        form = _FLOATS.get(self.call.architecture)
        if form is None:
            return as_double(self.wide())
        if self.floats >= 8:
            return as_double(self.word())
        self.floats += 1
        machine = self.call.machine
        name = form.format(self.floats - 1)
        return as_double(machine.get(name) & (1 << 64) - 1) if name in machine.nodes else 0.0


class _Plain:
    """A `va_list` that is a pointer to arguments, one behind the other."""

    def __init__(self, ram: Ram, at: int, paired: bool) -> None:
        self.ram, self.at, self.paired = ram, at, paired

    def word(self) -> int:
        self.at += 4
        return self.ram.load(self.at - 4, 4)

    def wide(self) -> int:
        if self.paired:
            self.at = (self.at + 7) & ~7
        self.at += 8
        return self.ram.load(self.at - 8, 8)

    def double(self) -> float:
        return as_double(self.wide())


class _ListedX86:
    """System V ABI for x86-64, figure 3.34. What is taken is written back, as the callee would."""

    def __init__(self, ram: Ram, address: int) -> None:
        self.ram, self.address = ram, address

    def word(self) -> int:
        return self._next(0, 48, 8)

    wide = word

    def double(self) -> float:
        return as_double(self._next(4, 176, 16))

    def _next(self, field: int, end: int, step: int) -> int:
        ram, offset = self.ram, self.ram.load(self.address + field, 4)
        if offset < end:
            ram.store(self.address + field, offset + step, 4)
            return ram.load(ram.load(self.address + 16, 8) + offset, 8)
        more = ram.load(self.address + 8, 8)
        ram.store(self.address + 8, more + 8, 8)
        return ram.load(more, 8)


class _ListedArm64:
    """Procedure call standard for AArch64, appendix on variable arguments."""

    def __init__(self, ram: Ram, address: int) -> None:
        self.ram, self.address = ram, address

    def word(self) -> int:
        return self._next(8, 24, 8)

    wide = word

    def double(self) -> float:
        return as_double(self._next(16, 28, 16))

    def _next(self, top: int, field: int, step: int) -> int:
        ram = self.ram
        offset = signed(ram.load(self.address + field, 4), 32)
        if offset < 0:
            ram.store(self.address + field, (offset + step) & 0xFFFFFFFF, 4)
            return ram.load(ram.load(self.address + top, 8) + offset, 8)
        more = ram.load(self.address, 8)
        ram.store(self.address, more + 8, 8)
        return ram.load(more, 8)


def signed(value: int, bits: int) -> int:
    """The lower bits as a number with a sign."""
    half = 1 << (bits - 1)
    return ((value & (2 * half - 1)) ^ half) - half


def as_double(bits: int) -> float:
    return float(struct.unpack("<d", (bits & (1 << 64) - 1).to_bytes(8, "little"))[0])


def text(ram: Ram, address: int) -> bytes:
    """The bytes up to a NUL, page by page. Raises `Fault` where there is no memory or no end."""
    out = bytearray()
    for page in _pages(ram, address):
        end = page.find(b"\0")
        if end >= 0:
            return bytes(out + page[:end])
        out += page
    raise Fault(f"no end of a text at {address:#x}")


def _pages(ram: Ram, address: int) -> Iterator[bytes]:
    at = address
    while at < address + LONGEST:
        size = 4096 - (at & 4095)
        yield ram.read(at, size)
        at += size
