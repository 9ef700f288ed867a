"""What the values that library functions give say of their arguments: `strcmp` gave 0, `strchr` gave NULL."""

from collections.abc import Callable, Mapping
from typing import Any

from . import bytesets
from .formats import conversions, only_numbers
from .state import Fact
from .terms import BYTE, CONST, GLOBAL, LOAD, Terms

_EQUALITY = {
    "strcmp": False,
    "strcasecmp": False,
    "strncmp": True,
    "strncasecmp": True,
    "memcmp": True,
    "bcmp": True,
    "strcoll": False,
    "__memcmpeq": True,
}
_BLOCKS = frozenset(("memcmp", "bcmp", "__memcmpeq"))
_NAME = 8
"""Letters after which names of things differ seldom."""
SCANS = frozenset(("sscanf", "__isoc99_sscanf", "__isoc23_sscanf"))
FINDERS = frozenset(("strstr", "strcasestr"))
"""Searches for a word: where they point, the text begins with it."""
_SEARCH = {"strchr", "strpbrk", "strstr", "strrchr", "index", "rindex", "memchr", "strcasestr", "memmem"}
_MEASURES = ("strlen", "strnlen", "strspn", "strcspn", "inet_pton", "inet_aton", "inet_addr")
BOUNDED = frozenset(name for name, bounded in _EQUALITY.items() if bounded)
"""Those of them that look at so many bytes at most."""
COMPARING = frozenset((*_EQUALITY, *FINDERS))
"""Functions that compare a text with another one, or look for one in it."""
ASKING = frozenset((*_EQUALITY, *_SEARCH, *_MEASURES))
"""Functions that look at a text and leave it."""
_LOOSE = ("inet_aton", "inet_addr")
"""Checks of an address that may let anything through behind a blank."""
_Told = tuple[tuple[int, frozenset[Fact]], ...]


class Answers:
    """`text` gives the constant string that a pointer term names, `data` the constant bytes there, `initial` the word
    that an address holds when the program is loaded, else None. `strict`: the C library's `inet_aton` takes addresses
    only.
    """

    def __init__(
        self,
        terms: Terms,
        text: Callable[[int], str | None],
        data: Callable[[int, int], bytes | None],
        initial: Callable[[int], int | None],
        strict: bool = False,
        keys: Callable[[], Mapping[int, str]] = dict,
    ) -> None:
        self.terms = terms
        self.text = text
        self.data = data
        self.initial = initial
        self.strict = strict
        self.keys = keys
        """Keys of tables by their places, or by those of pointers to them."""

    def of(self, node: tuple[Any, ...], known: frozenset[Fact] = frozenset()) -> _Told | None:
        """Values of a library call, with what they say of its arguments; `known` is what holds already."""
        _, _site, name, arguments = node
        const = self.terms.const
        none: frozenset[Fact] = frozenset()
        if name in _EQUALITY and len(arguments) > 1:
            facts = self._compared(name, arguments, _EQUALITY[name])
            others = self._differs(facts)
            return (const(0), facts), (const(1), others), (const(-1), others)
        if name in FINDERS and len(arguments) > 1:
            key = self.text(arguments[1])
            found: frozenset[Fact] = frozenset({("eq", self.terms.make(node, *arguments), key)}) if key else none
            return (const(0), none), (const(1 << 20), found)
        if name in _SEARCH and len(arguments) > 1 and name != "memmem":
            lacks = self._sought(name, arguments)
            return (const(0), lacks), (const(1 << 20), none)
        if name in SCANS and len(arguments) == 2:
            return self._scans(arguments)
        return self._addresses(name, arguments, known)

    def _addresses(self, name: str, arguments: tuple[int, ...], known: frozenset[Fact]) -> _Told | None:
        """`inet_aton` gave 1: the text is an address up to its end, or up to its first blank. glibc
        (resolv/inet_addr.c) and uClibc take anything behind a blank (`1.2.3.4 ;reboot`), musl (src/network/inet_aton.c)
        does not.
        """
        const = self.terms.const
        at = 1 if name == "inet_pton" else 0
        if name not in (*_LOOSE, "inet_pton", "ether_aton", "ether_aton_r") or len(arguments) <= at:
            return None
        none: frozenset[Fact] = frozenset()
        clean: frozenset[Fact] = frozenset({("lacks", arguments[at], bytesets.ALL)})
        if name in _LOOSE and not self.strict and not self._without_blanks(arguments[at], known):
            clean = none
        if name == "inet_addr":
            return (const(0x1000), clean), (const(-1), none), (const(0xFFFFFFFF), none)
        failed = (const(0), none), (const(-1), none)
        return ((const(1), clean), *(failed if name == "inet_pton" else failed[:1]))

    def _without_blanks(self, text: int, known: frozenset[Fact]) -> bool:
        lacks = 0
        for fact in known:
            if fact[0] == "lacks" and (fact[1] == text or self.terms.flat(fact[1]) == {text}):
                lacks |= fact[2]
        return not bytesets.of(" ") & ~lacks

    def _scans(self, arguments: tuple[int, ...]) -> tuple[tuple[int, frozenset[Fact]], ...]:
        """`sscanf(text, "%d%c", ...)` gave 1: behind the number nothing is left."""
        form = self.text(arguments[1]) or ""
        count = sum(
            1 for piece in conversions(form, scanning=True) if piece.kind and piece.kind != "n" and not piece.stars
        )
        out: list[tuple[int, frozenset[Fact]]] = [(self.terms.const(-1), frozenset())]
        for taken in range(count + 1):
            lacks = only_numbers(form, taken) if taken else None
            facts: frozenset[Fact] = frozenset({("lacks", arguments[0], lacks)}) if lacks is not None else frozenset()
            out.append((self.terms.const(taken), facts))
        return tuple(out)

    def order(self, name: str, arguments: tuple[int, ...]) -> int | None:
        """How two constant texts compare: less than 0, 0 or more; None when they are not constant, or not compared."""
        if name not in _EQUALITY or name in _BLOCKS or len(arguments) < 2:
            return None
        one, other = (self.text(term) or self._key(term) for term in arguments[:2])
        count = self.terms.value(arguments[2]) if _EQUALITY[name] and len(arguments) > 2 else None
        if one is None or other is None or (_EQUALITY[name] and count is None):
            return None
        if "case" in name:
            one, other = one.lower(), other.lower()
        return (one[:count] > other[:count]) - (one[:count] < other[:count])

    def _key(self, term: int) -> str | None:
        """The key of one entry of a table that holds values as well."""
        node = self.terms.nodes[term]
        known = node[0] == CONST or (node[0] == LOAD and node[1] == GLOBAL and not node[3])
        return self.keys().get(node[1] if node[0] == CONST else node[2]) if known else None

    def _compared(self, name: str, arguments: tuple[int, ...], bounded: bool) -> frozenset[Fact]:
        for one, other in ((arguments[0], arguments[1]), (arguments[1], arguments[0])):
            count = self.terms.value(arguments[2]) if bounded and len(arguments) > 2 else None
            text = self.text(other)
            if text is None and bounded and count and count < 256:
                raw = self.data(other, count)
                text = raw.decode("latin-1") if raw is not None else None
            if text is None:
                if not bounded and self._constant_table(other):
                    return frozenset({("lacks", one, bytesets.ALL), ("same", *arguments[:2])})
                continue
            whole = count is None or count > len(text)
            facts: set[Fact] = {("eq", one, text[:count] if count is not None else text)}
            if whole:
                facts.add(("lacks", one, bytesets.ALL))
            return frozenset(facts)
        return frozenset({("same", *arguments[:2])}) if self._to_the_end(name, arguments) else frozenset()

    def _differs(self, facts: frozenset[Fact]) -> frozenset[Fact]:
        """What is known where a whole text was found not to be the key of an entry."""
        whole = {fact[1] for fact in facts if fact[0] == "lacks"}
        words = [fact for fact in facts if fact[0] == "eq" and fact[1] in whole]
        return frozenset(("ne", *fact[1:]) for fact in words if fact[2] in self.keys().values())

    def _to_the_end(self, name: str, arguments: tuple[int, ...]) -> bool:
        """Whether texts are compared up to their ends, or as far as names of things go."""
        if name in _BLOCKS:
            return False
        count = self.terms.value(arguments[2]) if _EQUALITY[name] and len(arguments) > 2 else _NAME
        return count is not None and count >= _NAME

    def _constant_table(self, term: int) -> bool:
        """A pointer out of a table of constant strings (a list of allowed words), its first one perhaps by name."""
        spots = self.terms.locate(term)
        return bool(spots) and all(
            self._is_entry(self.terms.nodes[root])
            or (root == GLOBAL and not stride and self.text(self.terms.const(offset)) is not None)
            for root, offset, stride in spots
        )

    def _is_entry(self, node: tuple[Any, ...]) -> bool:
        """Whether it is a word of a global table; of one that is walked, one that begins with a constant string."""
        if node[0] == BYTE and node[2] == GLOBAL and node[5] == self.terms.word:
            first = self.initial(node[3])
            return first is not None and self.text(self.terms.const(first)) is not None
        return bool(
            node[0] == LOAD and node[1] == GLOBAL and node[2] >= self.terms.floor and node[4] == self.terms.word
        )

    def _sought(self, name: str, arguments: tuple[int, ...]) -> frozenset[Fact]:
        if name == "strpbrk":
            text = self.text(arguments[1])
            return frozenset({("lacks", arguments[0], bytesets.of(text))}) if text else frozenset()
        value = self.terms.value(arguments[1])
        return frozenset({("lacks", arguments[0], 1 << (value & 255))}) if value is not None else frozenset()
