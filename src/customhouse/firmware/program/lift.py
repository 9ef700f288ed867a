"""The small intermediate language that machine code is lifted to, a basic block at a time.

Operations are tuples `(operation, out, a, b, size, address)`. Operands are integers: registers by their p-code offset,
temporaries from `UNIQUE` up, constants as `~value` (negative). Conditional instructions become `SELECT` or weak stores,
so a block is straight.
"""

from typing import NamedTuple

UNIQUE = 1 << 40
VIRTUAL = 1 << 56
"""Added to an instruction's address for the block that holds the conditional call or return of that instruction."""

(
    MOV,
    ADD,
    SUB,
    LOAD,
    STORE,
    MUL,
    SHL,
    SHR,
    SAR,
    AND,
    OR,
    XOR,
    NEG,
    NOT,
    EQ,
    NE,
    LT,
    SLT,
    LE,
    SLE,
    BAND,
    BOR,
    BXOR,
    BNOT,
    ZEXT,
    SEXT,
    PIECE,
    DIV,
    REM,
    CARRY,
    SCARRY,
    SBORROW,
    OTHER,
    SELECT,
    WEAK_STORE,
    TRUNC,
    REPEAT,
    ZEROS,
) = range(38)

Op = tuple[int, int, int, int, int, int]


class Exit(NamedTuple):
    """How a block ends.

    kind: jump, cond, call, icall, ret, ijump, fall, stop. `value` is the condition or the called pointer as an
    operand; `target` and `next` are addresses
    (targets of calls carry bit 0 for Thumb); `site` is the instruction's address.
    """

    kind: str
    value: int = 0
    target: int = 0
    next: int = 0
    site: int = 0


class Block(NamedTuple):
    """Straight code. `marks` are (instruction address, index of its first op)."""

    address: int
    ops: list[Op]
    marks: list[tuple[int, int]]
    exit: Exit
    end: int


def drop_dead(
    ops: list[Op], marks: list[tuple[int, int]], flags: frozenset[int], wanted: set[int]
) -> tuple[list[Op], list[tuple[int, int]]]:
    """Remove computations of flags and temporaries that nothing reads (on x86 more than half). `wanted` are read
    behind the block.
    """
    dead: set[int] = set()
    live: set[int] = set(wanted)
    keep = [True] * len(ops)
    for index in range(len(ops) - 1, -1, -1):
        kind, out, a, b, _size, _at = ops[index]
        if kind == REPEAT:
            dead.clear()
            continue
        if kind in (STORE, WEAK_STORE):
            live.add(a)
            live.add(b)
            dead.discard(a)
            dead.discard(b)
            continue
        if (out >= UNIQUE and out not in live and out < 2 * UNIQUE) or (out in dead):
            keep[index] = False
            continue
        if kind == SELECT:
            live.add(out)
        elif out in flags:
            dead.add(out)
        live.add(a)
        live.add(b)
        dead.discard(a)
        dead.discard(b)
        if kind == SELECT:
            dead.discard(out)
    kept = [op for index, op in enumerate(ops) if keep[index]]
    position = 0
    new_index = []
    for flag in keep:
        new_index.append(position)
        position += flag
    new_index.append(position)
    return kept, [(address, new_index[at]) for address, at in marks]
