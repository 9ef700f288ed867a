"""Where the computed jump of a switch goes: entries of its table, as many as the comparison in front lets through."""

from collections.abc import Callable, Mapping

from . import constants
from .elf import Image
from .lift import EQ, LE, LT, SLE, SLT, SUB, Block

_MAX_TABLE = 512
_UNBOUND = 64
"""Entries looked at where nothing tells how many there are; the first that is no address nearby ends them."""


def targets(image: Image, value: constants.Known | None, count: int, near: Callable[[int], bool]) -> list[int]:
    """The places that a jump to `value` can go to. `count` is the number of entries, 0 when unknown; `near` says
    whether an address can belong to the function.
    """
    if isinstance(value, constants.Scaled) and value.scale in (4, 8):  # `add pc, pc, index * 4`: branches in a row
        return [one for index in range(count) if near(one := value.base + index * value.scale)]
    if not isinstance(value, constants.Entry):
        return []
    out: list[int] = []
    for index in range(count or _UNBOUND):
        target = _entry(image, value, index)
        if target is None or not near(target):
            break
        if target not in out:
            out.append(target)
    return out


def _entry(image: Image, value: constants.Entry, index: int) -> int | None:
    entry = image.number(value.table + index * value.stride, value.size)
    if entry is None:
        return None
    if value.signed or (value.size == 4 and value.scale == 1 and value.plus):
        sign = 1 << (8 * value.size - 1)
        entry = (entry ^ sign) - sign
    return image.even((value.plus + entry * value.scale) & ((1 << (8 * image.word)) - 1))


def bound(block: Block, blocks: Mapping[int, Block], successors: Mapping[int, tuple[int, ...]]) -> int:
    """Entries of the table, from the last comparison in front of the jump: in a block that leads here or in this
    one; 0 when there is none.
    """
    before = [one for one, after in successors.items() if block.address in after]
    guards = [one for one in before if one in blocks and blocks[one].exit.kind == "cond"]
    for address in [*guards, block.address, *before]:
        one = blocks.get(address)
        count = _compared(one) if one is not None else 0
        if count > 1:
            return count
    return 0


def _compared(block: Block) -> int:
    """One more than the constant that the last comparison of a block compares with."""
    best, where = 0, -1
    for kind, _out, a, b, _size, at in reversed(block.ops):
        if best and at != where:
            break
        limit = 0
        if kind in (LT, LE, SUB, EQ, SLT, SLE) and b < 0:
            limit = ~b
        elif kind in (LT, LE) and a < 0:
            limit = ~a
        if 0 < limit < _MAX_TABLE:
            best, where = max(best, limit + 1), at
    return best
