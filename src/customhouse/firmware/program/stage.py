"""Memory and registers for a loop that is run by itself: what was known where it was entered, made into numbers.

A term of which nothing is known gets a number of its own: an address with room before and behind it, which is large
where it bounds something. A `cast` gives other numbers, since what is found must not depend on them.
"""

from typing import Any, NamedTuple

from . import fold, process
from .calling import LINKS
from .emulator import RETURN, Machine
from .lift import BNOT, NEG, NOT, SELECT, UNIQUE
from .ram import Fault, Ram
from .state import State
from .terms import ADDR, BYTE, CONST, GLOBAL, LOAD, MERGE, OP, PHI, RESULT, STACK, UNKNOWN, Terms

ROOM = 1 << 14
"""Bytes for each unknown; it points behind a quarter of them."""
FIRST = 0x60000000
FRAME = process.STACK - process.STACK_SIZE // 4
"""Where the frame of the function lies."""
UNKNOWNS = 200
_UNARY = frozenset((NEG, NOT, BNOT))
_DEEP = 40


class Cast(NamedTuple):
    """How unknowns are chosen: whether each lies behind the one before it, which alternative is taken where all are
    numbers, and a number for those that are no pointers to texts.
    """

    upwards: bool
    choice: int
    number: int | None


class Stage:
    """One state, made into numbers in a memory."""

    def __init__(self, terms: Terms, state: State, ram: Ram, cast: Cast) -> None:
        self.terms = terms
        self.state = state
        self.ram = ram
        self.cast = cast
        self.text = range(0)
        """Where the text lies that is tried."""
        self.owners: dict[int, int] = {}
        """The unknowns by their numbers."""
        self.pointers: set[int] = set()
        """Unknowns that are pointers, whatever the cast says."""
        self._numbers: dict[int, int] = {}

    def number(self, term: int, level: int = 0) -> int:
        """What a term is in this cast."""
        found = self._numbers.get(term)
        if found is None:
            if level > _DEEP:
                raise Fault("a term is too deep")
            self._numbers[term] = self._unknown(term)
            found = self._numbers[term] = self._made(term, self.terms.nodes[term], level + 1) & self.terms.mask
        return found

    def _made(self, term: int, node: tuple[Any, ...], level: int) -> int:
        kind = node[0]
        if kind == CONST:
            return int(node[1])
        if kind == STACK:
            return FRAME
        if kind == ADDR:
            return self.number(node[1], level) + int(node[2])
        if kind == OP:
            return self._operation(term, node, level)
        if kind in (BYTE, LOAD):
            where = self.number(node[1], level) + (int(node[2]) if kind == LOAD else 0)
            size = int(node[5] if kind == BYTE else node[4])
            if size == 1 and where in self.text:
                return self.ram.load(where, 1)
            return self._unknown(term) & ((1 << (8 * size)) - 1) >> 1
        if kind == RESULT and node[2] == "strlen" and node[3]:
            where = self.number(node[3][0], level)
            if where in self.text:
                return self.text.stop - 1 - where
        if kind in (PHI, MERGE):
            return self._chosen(term, node)
        return self._unknown(term)

    def _operation(self, term: int, node: tuple[Any, ...], level: int) -> int:
        parts = [self.number(one, level) for one in node[2:]]
        if node[1] == SELECT:
            return parts[1] if parts[0] else parts[2]
        if node[1] in _UNARY:
            made: int | None = self.terms.value(
                fold.unary(self.terms, node[1], self.terms.const(parts[0]), self.terms.word)
            )
        else:
            made = fold.constant(node[1], parts[0], parts[1], self.terms.word)
        return self._unknown(term) if made is None else made

    def _chosen(self, term: int, node: tuple[Any, ...]) -> int:
        """One of several numbers."""
        parts = self.terms.alternatives[term] if node[0] == PHI else node[1]
        values = sorted(value for one in parts if (value := self.terms.value(one)) is not None)
        if len(values) < len(parts) or not values:
            return self._unknown(term)
        return values[self.cast.choice % len(values)]

    def _unknown(self, term: int) -> int:
        """A number for what is not known."""
        if self.cast.number is not None and term not in self.pointers:
            return self.cast.number
        known = self._numbers.get(term)
        if known is not None and known in self.owners:
            return known
        if len(self.owners) >= UNKNOWNS:
            raise Fault("too much is unknown")
        place = len(self.owners) if self.cast.upwards else UNKNOWNS - 1 - len(self.owners)
        number = FIRST + place * ROOM + ROOM // 4
        self.owners[number] = term
        return number

    def owner(self, address: int) -> int | None:
        """The unknown that an address lies near to."""
        return self.owners.get(((address - FIRST) & -ROOM) + FIRST + ROOM // 4)

    # -- setting it up
    def put(self, address: int, text: bytes) -> None:
        """The text that is tried."""
        self.text = range(address, address + len(text) + 1)
        self.ram.write(address, text + b"\0")

    def set_up(self, machine: Machine, flags: frozenset[int]) -> None:
        """Registers, and the words of memory that were known."""
        terms, file = self.terms, machine.file
        link = LINKS.get(machine.image.architecture)
        back = machine.nodes[link][0] if link else -1
        file[:] = bytes(len(file))
        if link:
            machine.set(link, RETURN)
        else:
            self.ram.store(FRAME, RETURN, terms.word)
        for key, value in self.state.registers.items():
            if key < UNIQUE:
                size = 1 if key in flags else terms.word
                file[key : key + size] = self._held(value, back, size)
        for (root, offset, stride), (size, value) in self.state.words.items():
            if not stride and size <= terms.word and self._is_there(root):
                base = 0 if root == GLOBAL else self.number(root)
                self.ram.write(base + offset, self._held(value, back, size))

    def _is_there(self, root: int) -> bool:
        return root == GLOBAL or self.terms.nodes[root][0] == STACK or root in self._numbers

    def _held(self, value: int, link: int, size: int) -> bytes:
        node = self.terms.nodes[value]
        back = node[0] == UNKNOWN and isinstance(node[1], tuple) and node[1][0] == "register" and node[1][2] == link
        number = RETURN if back else self.number(value)
        return (number & ((1 << (8 * size)) - 1)).to_bytes(size, self.ram.order)
