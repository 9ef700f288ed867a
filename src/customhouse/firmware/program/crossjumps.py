"""Ends that the compiler wrote once for several ways ("cross jumping"): each way gets its own again.

Where two ways end in a comparison and share the branch behind it, nothing would be known of either comparison after
the branch; nor would it be of what they return, where they share what makes a number of it. Where they share a call,
each with an argument of its own (`system(line)` here, `system("reboot")` there), one would be given what lies in the
other's buffers.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from .lift import LOAD, OTHER, REPEAT, STORE, UNIQUE, VIRTUAL, WEAK_STORE, Block

_MOST_OPS = 6
_MOST_SHARED = 24
"""Operations of a block that gives back what a comparison found, or that calls."""
_MOST_WAYS = 4
_TOUCHING = frozenset((LOAD, STORE, WEAK_STORE, OTHER, REPEAT))
_WRITING = _TOUCHING - {LOAD}


class Registers(NamedTuple):
    """Registers that an architecture uses for what comparisons found, and for what calls are given."""

    flags: frozenset[int] = frozenset()
    arguments: tuple[int, ...] = ()


_NONE = Registers()


def copied(
    blocks: Mapping[int, Block],
    successors: Mapping[int, tuple[int, ...]],
    order: list[int],
    registers: Registers = _NONE,
) -> dict[int, int]:
    """The blocks that only lead to an end which others lead to as well, and that end. A test that loops go round stays
    as it is.
    """
    before: dict[int, list[int]] = {}
    position = {address: index for index, address in enumerate(order)}
    for address in order:
        for one in successors.get(address, ()):
            before.setdefault(one, []).append(address)
    out: dict[int, int] = {}
    for address, ways in before.items():
        end = blocks.get(address)
        if end is None or len(ways) < 2 or any(position[one] >= position[address] for one in ways):
            continue
        leading = [one for one in ways if blocks[one].exit.kind in ("jump", "fall") and successors[one] == (address,)]
        given = [blocks[one] for one in leading]
        if _is_branch(end) or _gives_outcome(end, registers) or _is_call(end, given, registers):
            out.update(dict.fromkeys(leading, address))
    return out


def shared(
    blocks: Mapping[int, Block], successors: Mapping[int, tuple[int, ...]], tails: Mapping[int, int]
) -> list[int]:
    """The jumps through a register, for good, that several ways lead to."""
    ways = Counter(one for after in successors.values() for one in after)
    return [one for one in tails if blocks[one].exit.kind == "ijump" and ways[one] > 1]


def joined(block: Block, branch: Block) -> Block:
    """A block with the end that it leads to as its own."""
    marks = [(at, index + len(block.ops)) for at, index in branch.marks]
    return Block(block.address, block.ops + branch.ops, block.marks + marks, branch.exit, block.end)


def _is_branch(block: Block) -> bool:
    """Whether a block does nothing but branch."""
    return (
        block.exit.kind == "cond"
        and block.address < VIRTUAL
        and len(block.ops) <= _MOST_OPS
        and all(op[0] not in _TOUCHING and op[1] >= UNIQUE for op in block.ops)
    )


def _gives_outcome(block: Block, registers: Registers) -> bool:
    """Whether a block makes a number of what a comparison before it found, and returns or goes on to."""
    if block.exit.kind not in ("fall", "jump", "ret") or block.address >= VIRTUAL or len(block.ops) > _MOST_SHARED:
        return False
    return not any(op[0] in _WRITING for op in block.ops) and bool(_open(block) & registers.flags)


def _is_call(block: Block, before: list[Block], registers: Registers) -> bool:
    """Whether a block calls a function with arguments that each of the ways before it has chosen."""
    if block.exit.kind not in ("call", "icall") or block.address >= VIRTUAL or len(block.ops) > _MOST_SHARED:
        return False
    own = {op[1] for op in block.ops}
    set_before = [{op[1] for op in one.ops} - own for one in before]
    return 1 < len(before) <= _MOST_WAYS and any(
        all(argument in given for given in set_before) for argument in registers.arguments
    )


def _open(block: Block) -> set[int]:
    """The registers that a block reads before it writes them."""
    out: set[int] = set()
    written: set[int] = set()
    for op in block.ops:
        out |= {one for one in op[2:4] if 0 <= one < UNIQUE} - written
        written.add(op[1])
    return out
