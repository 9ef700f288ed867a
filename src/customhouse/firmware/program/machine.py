"""What differs from one architecture to the next: the lifter's language, calling convention, registers worth ignoring.

Source: procedure call standards of ARM (AAPCS), AArch64, MIPS o32, x86-64 and i386 (System V).
"""

from typing import NamedTuple

import pypcode


class Convention(NamedTuple):
    """Names are those of the p-code specification. `stack_arguments` is the offset of the first argument that is
    not in a register.
    """

    language: str
    arguments: tuple[str, ...]
    result: str
    stack: str
    stack_arguments: int
    link: int
    """Bytes that a call itself pushes."""
    preserved: tuple[str, ...]
    ignored: tuple[str, ...]
    """Flags that nothing we ask depends on."""
    flags: tuple[str, ...] = ()
    shadow: int = 0
    """Stack space that belongs to register arguments (MIPS o32)."""


_ARM_FLAGS = ("NG", "ZR", "CY", "OV", "tmpNG", "tmpZR", "tmpCY", "tmpOV", "shift_carry")
_X86_FLAGS = ("CF", "PF", "AF", "ZF", "SF", "OF")

CONVENTIONS = {
    "arm": Convention(
        "ARM:LE:32:v8",
        ("r0", "r1", "r2", "r3"),
        "r0",
        "sp",
        0,
        0,
        ("r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "sp"),
        ("ISAModeSwitch", "TB", "Q"),
        _ARM_FLAGS,
    ),
    "arm-big": Convention(
        "ARM:BE:32:v8",
        ("r0", "r1", "r2", "r3"),
        "r0",
        "sp",
        0,
        0,
        ("r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "sp"),
        ("ISAModeSwitch", "TB", "Q"),
        _ARM_FLAGS,
    ),
    "arm64": Convention(
        "AARCH64:LE:64:v8A",
        ("x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"),
        "x0",
        "sp",
        0,
        0,
        (*(f"x{n}" for n in range(19, 30)), "sp"),
        (),
        _ARM_FLAGS,
    ),
    "mips": Convention(
        "MIPS:LE:32:default",
        ("a0", "a1", "a2", "a3"),
        "v0",
        "sp",
        16,
        0,
        ("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "sp", "gp"),
        ("ISAModeSwitch",),
        (),
        16,
    ),
    "mips-big": Convention(
        "MIPS:BE:32:default",
        ("a0", "a1", "a2", "a3"),
        "v0",
        "sp",
        16,
        0,
        ("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "sp", "gp"),
        ("ISAModeSwitch",),
        (),
        16,
    ),
    "x86_64": Convention(
        "x86:LE:64:default",
        ("RDI", "RSI", "RDX", "RCX", "R8", "R9"),
        "RAX",
        "RSP",
        8,
        8,
        ("RBX", "RBP", "R12", "R13", "R14", "R15", "RSP"),
        ("PF", "AF"),
        _X86_FLAGS,
    ),
    "i386": Convention(
        "x86:LE:32:default",
        (),
        "EAX",
        "ESP",
        4,
        4,
        ("EBX", "EBP", "ESI", "EDI", "ESP"),
        ("PF", "AF"),
        _X86_FLAGS,
    ),
}

_CONTEXTS: dict[tuple[str, bool], pypcode.Context] = {}
_USED: set[tuple[str, bool]] = set()


def context(language: str, thumb: bool) -> pypcode.Context:
    """A lifter for the language; building one takes 50 ms, so each process keeps what it built."""
    key = (language, thumb)
    found = _CONTEXTS.get(key)
    if found is None:
        found = _CONTEXTS[key] = pypcode.Context(language)
        if thumb:
            found.setVariableDefault("TMode", 1)
    return found


def remembers(language: str, thumb: bool) -> None:
    """Say that a lifter has seen code that it keeps something of, by address: If-Then blocks, mode switches."""
    _USED.add((language, thumb))


def forget(language: str) -> None:
    """Drop the lifters of a language that remember addresses: what those held in one program means nothing in the
    next.

    They are built anew, which takes no longer than `Context.reset`; a lifter that was reset reads freed memory.
    """
    for thumb in (False, True):
        if (language, thumb) in _USED:
            _USED.discard((language, thumb))
            _CONTEXTS.pop((language, thumb), None)
