"""Functions of an emulated program are called, and calls that it makes are answered, by the processor's convention."""

from collections.abc import Sequence

from .emulator import Machine
from .machine import Convention

LINKS = {"mips": "ra", "arm64": "x30", "arm": "lr"}
"""Registers that hold where a function goes back to; elsewhere that lies on the stack."""


def argument(machine: Machine, convention: Convention, index: int) -> int:
    """An argument of the call that was just made, as an unsigned machine word."""
    if index < len(convention.arguments):
        return machine.get(convention.arguments[index])
    behind = index - len(convention.arguments)
    stack = machine.get(convention.stack) + convention.stack_arguments
    return machine.ram.word(stack + machine.image.word * behind)


def go_back(machine: Machine, convention: Convention) -> None:
    """Leave a function that was answered instead of run."""
    if convention.link:
        stack = machine.get(convention.stack)
        machine.set(convention.stack, stack + convention.link)
        machine.go(machine.ram.word(stack))
    else:
        machine.go(machine.get(LINKS[machine.image.architecture]))


def enter(
    machine: Machine, convention: Convention, stack: int, function: int, arguments: Sequence[int], back: int
) -> None:
    """Go to a function as if it were called with the stack pointer at `stack`; it will go back to `back`."""
    ram, word = machine.ram, machine.image.word
    for index, value in enumerate(arguments):
        if index < len(convention.arguments):
            machine.set(convention.arguments[index], value)
        else:
            place = stack + convention.stack_arguments - convention.link
            ram.store(place + word * (index - len(convention.arguments)), value & ram.mask, word)
    if convention.link:
        stack -= convention.link
        ram.store(stack, back, word)
    else:
        machine.set(LINKS[machine.image.architecture], back)
    machine.set(convention.stack, stack)
    prepare(machine, function)
    machine.go(function)


def prepare(machine: Machine, function: int) -> None:
    """Registers that a function expects to hold something beside its arguments."""
    if machine.image.architecture == "mips":
        machine.set("t9", function)
        if machine.image.gp is not None:
            machine.set("gp", machine.image.gp)
    elif machine.image.architecture == "x86_64":
        machine.set("RAX", 0)  # no arguments in vector registers
        machine.set("DF", 0)
