"""For which byte values a condition holds: a byte that was read is tried with all 256 values.

Sets of byte values are integers with one bit a value. Character classes are those of the C locale (ISO C 7.4); the
layout of glibc's table
behind `__ctype_b_loc` is that of its <ctype.h>.
"""

from typing import Any

import numpy as np

from .elf import Image
from .lift import ADD, SHR
from .terms import ADDR, BYTE, CONST, DERIVED, GLOBAL, LOAD, MERGE, OP, PHI, RESULT, Terms
from .trials import ALWAYS, UNTOLD, Tried, asks_sign, drawn, operate, signed

ALL = (1 << 256) - 1
NUL = 1


_READERS = frozenset(("fgetc", "getc", "_IO_getc", "getc_unlocked", "getchar"))


def of(text: bytes | str) -> int:
    """The set of the bytes in `text`."""
    raw = text.encode("latin-1", "replace") if isinstance(text, str) else text
    out = 0
    for one in raw:
        out |= 1 << one
    return out


SHELL = of(";|&`$\n")
"""What a shell string must not hold; a check that lets one of them through is no check. Quotes, blanks and
redirections alone start no command.
"""
NUMBER = of(bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b"+-. \t\v\f\r")
"""What texts of numbers are written with, in any base, and the blanks that may stand before them. A newline may stand
there too: a number on a line of its own is no command.
"""
_LOWER, _UPPER, _DIGIT = of(bytes(range(97, 123))), of(bytes(range(65, 91))), of("0123456789")
_XDIGIT = _DIGIT | of("abcdefABCDEF")
_SPACE = of(" \t\n\v\f\r")
_PRINT = of(bytes(range(32, 127)))
_PUNCT = _PRINT & ~(_LOWER | _UPPER | _DIGIT | of(" "))
CLASSES = {
    "isalnum": _LOWER | _UPPER | _DIGIT,
    "isalpha": _LOWER | _UPPER,
    "isdigit": _DIGIT,
    "isxdigit": _XDIGIT,
    "isspace": _SPACE,
    "isprint": _PRINT,
    "isgraph": _PRINT & ~of(" "),
    "ispunct": _PUNCT,
    "isupper": _UPPER,
    "islower": _LOWER,
    "isblank": of(" \t"),
    "iscntrl": of(bytes(range(32))) | 1 << 127,
    "isascii": (1 << 128) - 1,
}
OF_BYTES = dict.fromkeys((*CLASSES, "tolower", "toupper"), 1) | {"strchr": 2, "index": 2, "memchr": 2}
"""Functions that give the same for the same byte, wherever they are called, and how many arguments tell it."""
_BITS = (
    "isupper",
    "islower",
    "isalpha",
    "isdigit",
    "isxdigit",
    "isspace",
    "isprint",
    "isgraph",
    "isblank",
    "iscntrl",
    "ispunct",
    "isalnum",
)


def vector(mask: int) -> np.ndarray:
    """0 or 1 for each of the 256 byte values."""
    return np.array([mask >> value & 1 for value in range(256)], dtype=np.int64)


def mask_of(truth: np.ndarray) -> int:
    return int.from_bytes(np.packbits(truth.astype(bool), bitorder="little").tobytes(), "little")


def ctype_table(big: bool) -> np.ndarray:
    """glibc's flags: bit 8+n for the first eight classes on little-endian, n on big-endian."""
    table = np.zeros(256, dtype=np.int64)
    for bit, name in enumerate(_BITS):
        place = bit if big else (bit + 8 if bit < 8 else bit - 8)
        table |= vector(CLASSES[name]) << place
    return table


_IDENTITY = np.arange(256, dtype=np.int64)
_TO_LOWER = np.array([value + 32 if 65 <= value < 91 else value for value in range(256)], dtype=np.int64)
_TO_UPPER = np.array([value - 32 if 97 <= value < 123 else value for value in range(256)], dtype=np.int64)


class ByteSets:
    """Evaluates terms over the values of one byte. Results are kept by term."""

    def __init__(self, terms: Terms, image: Image) -> None:
        self.terms = terms
        self.image = image
        self._variables: dict[int, frozenset[int]] = {}
        self.filled: frozenset[int] = frozenset()
        """Zeroed global tables of 256 entries that the program fills with constants: lists of allowed characters."""
        self._sets: dict[tuple[int, int], tuple[int, int]] = {}
        self._ctype = ctype_table(image.big)

    def variables(self, term: int, seen: dict[int, frozenset[int]] | None = None) -> frozenset[int]:
        """The byte-sized unknowns that a term depends on. `seen` keeps what was found for parts of the same question:
        what depends on a phi changes as the phi does, and is not kept for longer.
        """
        found = self._variables.get(term)
        if found is not None:
            return found
        seen = {} if seen is None else seen
        if term in seen:
            return seen[term]
        seen[term] = frozenset()
        node = self.terms.nodes[term]
        out = self._own_variable(term, node)
        if out is None:
            out = frozenset[int]().union(*(self.variables(one, seen) for one in self._depends(node)))
            if not out and node[0] == BYTE and node[5] == 1:
                out = frozenset((term,))
        seen[term] = out
        if node[0] != PHI and not any(self.terms.nodes[one][0] == PHI for one in out):
            self._variables[term] = out
        return out

    def _own_variable(self, term: int, node: tuple[Any, ...]) -> frozenset[int] | None:
        """The term itself when it is a byte, nothing when it is no unknown at all; None when it is made of others."""
        kind = node[0]
        if kind == PHI:
            return frozenset((term,)) if self._is_byte(term) else frozenset()
        if kind == LOAD:
            return frozenset((term,)) if node[4] == 1 else frozenset()
        if kind == BYTE and not self.is_table(node):
            return frozenset((term,)) if node[5] == 1 else frozenset()
        if kind == RESULT and node[2] in _READERS:
            return frozenset((term,))
        return None

    def _depends(self, node: tuple[Any, ...]) -> tuple[int, ...]:
        kind = node[0]
        if kind == OP:
            return tuple(node[2:])
        if kind in (ADDR, BYTE):
            return (node[1],)
        if kind == RESULT:
            return tuple(node[3][:1]) if node[2] in CLASSES or node[2] in ("tolower", "toupper") else ()
        if kind == DERIVED:
            name = self.terms.nodes[node[2]]
            sought = name[0] == RESULT and name[2] in ("strchr", "memchr", "index") and len(name[3]) > 1
            return (name[3][1],) if sought else ()
        return tuple(node[1]) if kind == MERGE else ()

    def is_table(self, node: tuple[Any, ...]) -> bool:
        """Whether a BYTE node reads a constant table by an index."""
        root = self.terms.nodes[node[2]]
        if node[2] == GLOBAL:
            return bool(node[4]) and (self.image.constant(node[3]) or (node[5] == 1 and node[3] in self.filled))
        return self._library_table(root) is not None

    def looked_up(self, node: tuple[Any, ...]) -> int | None:
        """The index with which a BYTE node reads one of the library's tables of characters."""
        if node[2] == GLOBAL or self._library_table(self.terms.nodes[node[2]]) is None:
            return None
        top = self.terms.nodes[node[1]]
        if top[0] == ADDR:
            top = self.terms.nodes[top[1]]
        if top[0] != OP or top[1] != ADD:
            return None
        return int(top[3] if top[2] == node[2] else top[2])

    def _library_table(self, root: tuple) -> np.ndarray | None:  # type: ignore[type-arg]  # numpy
        if root[0] == LOAD:
            root = self.terms.nodes[root[1]]
        if root[0] != RESULT:
            return None
        return {
            "__ctype_b_loc": self._ctype,
            "__ctype_b": self._ctype,
            "__ctype_tolower_loc": _TO_LOWER,
            "__ctype_tolower": _TO_LOWER,
            "__ctype_toupper_loc": _TO_UPPER,
            "__ctype_toupper": _TO_UPPER,
        }.get(root[2])

    def _is_byte(self, phi: int, seen: frozenset[int] = frozenset()) -> bool:
        found = False
        given = [self.terms.nodes[one] for one in self.terms.alternatives[phi]]
        # what may have been put there is one of several
        for one in frozenset(self.terms.alternatives[phi]).union(*(node[1] for node in given if node[0] == MERGE)):
            node = self.terms.nodes[one]
            if node[0] == MERGE:
                continue
            if (node[0] == BYTE and node[5] == 1) or (node[0] == LOAD and node[4] == 1):
                found = True
            elif node[0] == CONST:
                if node[1] >= 256:
                    return False
            elif node[0] == PHI:
                if one not in seen and len(seen) < 5:
                    if not self._is_byte(one, seen | {phi}):
                        return False
                    found = True
            elif node[0] == RESULT and node[2] in ("fgetc", "getc", "_IO_getc", "getchar"):
                found = True
            else:
                return False
        return found

    def holding(self, condition: int) -> list[tuple[int, int, int]]:
        """For each byte that the condition depends on: the term, the values with which it can hold, and with which it
        can fail.

        What else the condition depends on is taken for unknown.
        """
        out = []
        for variable in sorted(self.variables(condition)):
            key = (condition, variable)
            found = self._sets.get(key)
            if found is None:
                truth = self._evaluate(condition, variable, {})
                found = self._sets[key] = (
                    mask_of(~truth.known | (truth.values != 0)),
                    mask_of(~truth.known | (truth.values == 0)),
                )
            if found != (ALL, ALL):
                out.append((variable, *found))
        return out

    def learn(self, filled: frozenset[int]) -> bool:
        """Take note of tables; True when they were not known."""
        if filled <= self.filled:
            return False
        self.filled |= filled
        self._variables.clear()
        self._sets.clear()
        return True

    def values(self, term: int, variable: int) -> np.ndarray | None:
        """The term's value for each value of the byte; None when it depends on more than that."""
        found = self._evaluate(term, variable, {})
        return found.values if found.known.all() else None

    def _evaluate(self, term: int, variable: int, memo: dict[int, Tried]) -> Tried:
        if term == variable:
            return Tried(_IDENTITY, ALWAYS)
        if term in memo:
            return memo[term]
        memo[term] = UNTOLD
        node = self.terms.nodes[term]
        kind = node[0]
        out = UNTOLD
        if kind == CONST:
            out = Tried(np.full(256, self.terms.signed(node[1]), dtype=np.int64), ALWAYS)
        elif kind == ADDR and not node[3]:
            base = self._evaluate(node[1], variable, memo)
            out = Tried(base.values + node[2], base.known)
        elif kind == OP:
            out = self._operation(node, variable, memo)
        elif kind == RESULT and node[3]:
            out = self._call(node, variable, memo)
        elif kind == BYTE:
            out = self._lookup(node, variable, memo)
        elif kind == DERIVED:
            out = self._search(self.terms.nodes[node[2]], variable, memo)
        memo[term] = out
        return out

    def _operation(self, node: tuple[Any, ...], variable: int, memo: "dict[int, Tried]") -> "Tried":
        """An operation. Extensions are not kept in terms: where one asks for the sign of a few bytes that were read,
        they were read with their sign.
        """
        parts = [self._evaluate(one, variable, memo) for one in node[2:]]
        if len(parts) == 2:
            nodes = [self.terms.nodes[one] for one in node[2:4]]
            values = [self.terms.signed(one[1]) if one[0] == CONST else None for one in nodes]
            for index, one in enumerate(nodes):
                if one[0] == BYTE and one[5] <= 2 and asks_sign(node[1], 8 * one[5], *values):
                    parts[index] = signed(parts[index], 8 * one[5])
            if node[1] == SHR and values[0] is not None and nodes[0][1] >> 32:
                return drawn(nodes[0][1], parts[1])
        return operate(node[1], parts)

    def _call(self, node: tuple[Any, ...], variable: int, memo: dict[int, Tried]) -> Tried:
        argument = self._evaluate(node[3][0], variable, memo)
        index = argument.values & 255
        if node[2] in CLASSES:
            return Tried(vector(CLASSES[node[2]])[index], argument.known)
        if node[2] == "tolower":
            return Tried(_TO_LOWER[index], argument.known)
        return Tried(_TO_UPPER[index], argument.known) if node[2] == "toupper" else UNTOLD

    def _search(self, node: tuple[Any, ...], variable: int, memo: dict[int, Tried]) -> Tried:
        """strchr(constant set, byte): a pointer or null."""
        if node[0] != RESULT or node[2] not in ("strchr", "index", "memchr") or len(node[3]) < 2:
            return UNTOLD
        where = self.terms.value(node[3][0])
        text = self.image.text(where) if where is not None else None
        if text is None:
            return UNTOLD
        needle = self._evaluate(node[3][1], variable, memo)
        return Tried(vector(of(text) | (NUL if node[2] != "memchr" else 0))[needle.values & 255], needle.known)

    def _lookup(self, node: tuple[Any, ...], variable: int, memo: dict[int, Tried]) -> Tried:
        _, address, root, node_offset, _stride, size = node
        table = self._library_table(self.terms.nodes[root])
        top = self.terms.nodes[address]
        if table is not None:
            plus = 0
            if top[0] == ADDR:
                plus, top = top[2], self.terms.nodes[top[1]]
            if top[0] != OP or top[1] != ADD:
                return UNTOLD
            index = self._evaluate(top[3] if top[2] == root else top[2], variable, memo)
            entry = 2 if table is self._ctype else 4
            place = index.values + plus
            found = table[(place // entry) & 255] if size == entry else self._half(table, place, entry, size)
            return Tried(found, index.known)
        if not self.is_table(node):
            return UNTOLD
        if root == GLOBAL and node_offset in self.filled:
            # which characters are allowed is not followed; that the list names them is a whitelist
            return Tried(vector(CLASSES["isalnum"]), ALWAYS) if variable in self.variables(address) else UNTOLD
        where = self._evaluate(address, variable, memo)
        if not where.known.any():
            return UNTOLD
        cells = [self.image.number(int(one) & self.terms.mask, size) for one in where.values]
        return Tried(np.array([one or 0 for one in cells], dtype=np.int64), where.known)

    def _half(self, table: np.ndarray, offset: np.ndarray, entry: int, size: int) -> np.ndarray:
        """One byte of an entry: compilers test the byte that holds the flag."""
        part = offset % entry
        shift = (entry - size - part) * 8 if self.image.big else part * 8
        return (table[(offset // entry) & 255] >> shift) & ((1 << (8 * size)) - 1)  # type: ignore[no-any-return]  # numpy
