"""Branches that the compiler wrote once for several tests ("cross jumping"): each test gets its own again.

Where two ways end in a comparison and share the branch behind it, nothing would be known of either comparison after
the branch.
"""

from collections import Counter
from collections.abc import Mapping

from .lift import LOAD, OTHER, REPEAT, STORE, UNIQUE, VIRTUAL, WEAK_STORE, Block

_MOST_OPS = 6
_TOUCHING = frozenset((LOAD, STORE, WEAK_STORE, OTHER, REPEAT))


def copied(blocks: Mapping[int, Block], successors: Mapping[int, tuple[int, ...]], order: list[int]) -> dict[int, int]:
    """The blocks that only lead to a branch which others lead to as well, and the branch. A test that loops go round
    stays as it is.
    """
    before: dict[int, list[int]] = {}
    position = {address: index for index, address in enumerate(order)}
    for address in order:
        for one in successors.get(address, ()):
            before.setdefault(one, []).append(address)
    return {
        one: address
        for address, ways in before.items()
        if len(ways) > 1 and _is_branch(blocks.get(address)) and all(position[one] < position[address] for one in ways)
        for one in ways
        if blocks[one].exit.kind in ("jump", "fall") and successors.get(one) == (address,)
    }


def shared(
    blocks: Mapping[int, Block], successors: Mapping[int, tuple[int, ...]], tails: Mapping[int, int]
) -> list[int]:
    """The jumps through a register, for good, that several ways lead to."""
    ways = Counter(one for after in successors.values() for one in after)
    return [one for one in tails if blocks[one].exit.kind == "ijump" and ways[one] > 1]


def joined(block: Block, branch: Block) -> Block:
    """A block with the branch that it leads to as its own end."""
    marks = [(at, index + len(block.ops)) for at, index in branch.marks]
    return Block(block.address, block.ops + branch.ops, block.marks + marks, branch.exit, block.end)


def _is_branch(block: Block | None) -> bool:
    """Whether a block does nothing but branch."""
    return (
        block is not None
        and block.exit.kind == "cond"
        and block.address < VIRTUAL
        and len(block.ops) <= _MOST_OPS
        and all(op[0] not in _TOUCHING and op[1] >= UNIQUE for op in block.ops)
    )
