"""Numbers put together from bytes of memory: with shifts, as readers of packets write them, or with their order turned.

Each bit of such a number is a bit of memory, or the exclusive or of some: machines without an instruction for it turn
a word round with rotations and exclusive ors. A comparison with a constant then says what the bytes in memory are.
"""

from . import lift
from .state import Fact
from .terms import BYTE, CONST, LOAD, OP, RESULT, Terms

_Bit = frozenset[tuple[int, int]] | None
"""The bits, each of a leaf and with its number there, whose exclusive or it is; None when that is not known."""
_ZERO: _Bit = frozenset()
_SHIFTS = frozenset((lift.SHL, lift.SHR))
_MADE = frozenset((lift.OR, lift.ADD, lift.XOR, lift.AND)) | _SHIFTS
_MAX_DEPTH = 20


def of_bytes(terms: Terms, term: int, value: int, big: bool) -> frozenset[Fact]:
    """What the bytes in memory are when the number that is made of them has a value."""
    node = terms.nodes[term]
    if not (node[0] == OP and node[1] in _MADE) and not _turns(node):
        return frozenset()
    if value >> 31 == (1 << 33) - 1:
        value &= 0xFFFFFFFF  # extended with its sign
    # what is above the number's own width is not tracked
    width = 32 if value < 1 << 32 else 64
    known: dict[int, dict[int, int]] = {}
    for at, bit in enumerate(_Bits(terms).of(term, 0)[:width]):
        wanted = value >> at & 1
        if not bit:
            if bit is not None and wanted:
                return frozenset()  # cannot be
            continue
        if len(bit) == 1:
            [(leaf, index)] = bit
            known.setdefault(leaf, {})[index] = wanted
    return frozenset(fact for leaf, bits in known.items() for fact in _facts(terms, leaf, bits, big))


def _turns(node: tuple[object, ...]) -> bool:
    return node[0] == RESULT and str(node[2]).startswith("swap")


def _facts(terms: Terms, leaf: int, bits: dict[int, int], big: bool) -> list[Fact]:
    """The bytes of a leaf of which every bit is known."""
    node = terms.nodes[leaf]
    if node[0] == BYTE:
        base, offset = (node[2], node[3]) if not node[4] else terms.based(node[1])
        size = int(node[5])
    else:
        base, offset, size = node[1], node[2], int(node[4])
    out: list[Fact] = []
    for inside in range(size):
        byte = [bits.get(8 * inside + at) for at in range(8)]
        if None not in byte:
            value = sum(1 << at for at, one in enumerate(byte) if one)
            out.append(("word", base, offset + (size - 1 - inside if big else inside), 1, value))
    return out


class _Bits:
    """The bits of numbers, from the lowest on."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.width = 8 * terms.word
        self.known: dict[int, tuple[_Bit, ...]] = {}

    def of(self, term: int, level: int) -> tuple[_Bit, ...]:
        """All bits of a term."""
        found = self.known.get(term)
        if found is None:
            out = self._find(term, level) if level < _MAX_DEPTH else []
            found = self.known[term] = tuple([*out, *[_ZERO if out else None] * self.width][: self.width])
        return found

    def _find(self, term: int, level: int) -> list[_Bit]:
        """The bits up to the last that can be set; none when nothing is known of the number."""
        node = self.terms.nodes[term]
        if node[0] == CONST:
            return []
        if node[0] == BYTE or (node[0] == LOAD and not node[3]):
            size = int(node[5] if node[0] == BYTE else node[4])
            return [frozenset({(term, at)}) for at in range(8 * size)]
        if _turns(node) and node[3]:
            size = int(str(node[2])[4:])
            inner = self.of(node[3][0], level + 1)
            return [inner[8 * (size - 1 - at // 8) + at % 8] for at in range(8 * size)]
        if node[0] != OP or node[1] not in _MADE:
            return []
        left = self.of(node[2], level + 1)
        amount = self.terms.value(node[3])
        if node[1] in _SHIFTS:
            if amount is None or amount >= self.width:
                return []
            return [*[_ZERO] * amount, *left] if node[1] == lift.SHL else [*left[amount:]]
        if node[1] == lift.AND:
            return [] if amount is None else [one if amount >> at & 1 else _ZERO for at, one in enumerate(left)]
        return self._joined(node[1], left, self.of(node[3], level + 1))

    def _joined(self, kind: int, left: tuple[_Bit, ...], right: tuple[_Bit, ...]) -> list[_Bit]:
        out: list[_Bit] = []
        for a, b in zip(left, right, strict=True):
            if a is None or b is None:
                out.append(None)
            elif kind == lift.XOR:
                out.append(a ^ b)
            elif not a or not b or (a == b and kind == lift.OR):
                out.append(a or b)
            else:
                out.append(None)
        if kind == lift.ADD and None in out:
            first = out.index(None)
            out[first:] = [None] * (len(out) - first)  # it may carry
        return out
