"""What a branch tells: byte sets, ranges, and facts from checks, added to the state on the edge where the condition
holds.
"""

from collections.abc import Callable
from typing import Any

from . import bounds, bytesets, fold
from .bytesets import ByteSets
from .join import Implied, shared
from .lift import ADD, AND, BAND, BNOT, BOR, EQ, LE, LT, NE, OR, SBORROW, SELECT, SLE, SLT, SUB, XOR
from .state import Fact, State
from .terms import ADDR, BYTE, CONST, DERIVED, GLOBAL, LOAD, OP, PARAM, PHI, RESULT, Terms

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
_SEARCH = {"strchr", "strpbrk", "strstr", "strrchr", "index", "rindex", "memchr", "strcasestr", "memmem"}
_FACTS_LIMIT = 60
_STARTS = 3


class Conditions:
    """Refines states. `text` gives the constant string that a pointer term names, else None."""

    def __init__(
        self, terms: Terms, sets: ByteSets, text: Callable[[int], str | None], data: Callable[[int, int], bytes | None]
    ) -> None:
        self.terms = terms
        self.sets = sets
        self.text = text
        self.data = data
        self.implied: Implied = {}
        self.walked: Callable[[int], frozenset[Fact]] = lambda _term: frozenset()
        """What is known of a string that a loop walked to its last byte."""

    def refine(self, state: State, term: int, truth: bool, level: int = 0) -> bool:
        """Add what holds when `term` is (non-)zero. False when that cannot be."""
        node = self.terms.nodes[term]
        if node[0] == CONST:
            return bool(node[1]) == truth
        if level > 12:
            return True
        if level == 0 and not self._bytes(state, term, truth):
            return False
        if node[0] != OP:
            return self._against(state, term, 0, not truth)
        kind = node[1]
        if kind == BNOT:
            return self.refine(state, node[2], not truth, level + 1)
        if (kind == BAND and truth) or (kind == BOR and not truth):
            return self.refine(state, node[2], truth, level + 1) and self.refine(state, node[3], truth, level + 1)
        if kind in (BAND, BOR):
            return self._either(state, tuple(((one, truth),) for one in node[2:4]), level)
        if kind in (EQ, NE):
            return self._equality(state, node, (kind == EQ) == truth, level)
        if kind in (LT, LE, SLT, SLE):
            self._order(state, kind, node[2], node[3], truth)
            return self._ordered_implied(state, node, truth)
        if kind == SELECT:
            if all(self.terms.value(one) is None for one in node[3:5]):
                return self._chosen(state, node, truth, level)
            return self._select(state, node, lambda value: bool(value) == truth, level)
        return True

    def _chosen(self, state: State, node: tuple[Any, ...], truth: bool, level: int) -> bool:
        """A comparison that depends on one before it, as conditional compares of AArch64 make them."""
        decided = self._decided(state, node[2])
        if decided is not None:
            return self.refine(state, node[3] if decided else node[4], truth, level + 1)
        return self._either(state, (((node[2], True), (node[3], truth)), ((node[2], False), (node[4], truth))), level)

    def _decided(self, state: State, term: int) -> bool | None:
        """Whether an equality holds, when the value it asks for is known here."""
        node = self.terms.nodes[term]
        if node[0] != OP:
            return None
        if node[1] == BNOT:
            inner = self._decided(state, node[2])
            return None if inner is None else not inner
        if node[1] in (EQ, NE) and self.terms.nodes[node[3]][0] == CONST:
            base, more = self._base(node[2])
            span = state.ranges.get(base)
            if span is not None and span[0] == span[1]:
                wanted = self.terms.signed(int(self.terms.nodes[node[3]][1]))
                return bool((span[0] + more == wanted) == (node[1] == EQ))
        return None

    def _either(self, state: State, ways: tuple[tuple[tuple[int, bool], ...], ...], level: int) -> bool:
        """One way or the other holds: what all would tell is known."""
        sides = []
        for way in ways:
            side = State()
            side.facts, side.masks, side.ranges = state.facts, dict(state.masks), dict(state.ranges)
            if all(self.refine(side, one, truth, level + 1) for one, truth in way):
                sides.append(side)
        if not sides:
            return False
        first = sides[0]
        orders = bounds.agreed([side.facts for side in sides])
        for other in sides[1:]:
            first.facts = shared([first.facts, other.facts])
            first.ranges = {
                key: (min(span[0], other.ranges[key][0]), max(span[1], other.ranges[key][1]))
                for key, span in first.ranges.items()
                if key in other.ranges
            }
            first.masks = {key: mask | other.masks[key] for key, mask in first.masks.items() if key in other.masks}
        state.facts = state.facts | first.facts | orders
        state.ranges = first.ranges
        state.masks = first.masks
        return True

    def _bytes(self, state: State, term: int, truth: bool) -> bool:
        possible = True
        for variable, holds, fails in self.sets.holding(term):
            left = state.masks.get(variable, bytesets.ALL) & (holds if truth else fails)
            state.masks[variable] = left
            if left == bytesets.NUL:
                self._ends(state, variable)
            possible = possible and left != 0
        return possible

    def _ends(self, state: State, variable: int) -> None:
        """The byte is NUL: the string that starts there is empty; at `x[strspn(x, set)]` x is made of the set."""
        self._add(state, self.walked(variable))
        node = self.terms.nodes[variable]
        if node[0] != BYTE:
            return
        self._add(state, frozenset({("lacks", node[1], bytesets.ALL)}))
        where, more = self._base(node[1])
        empty = self.terms.result("strlen", "strlen", (node[1],))
        self._add(state, frozenset({("most", empty, self.terms.zero, 0)}))
        top = self.terms.nodes[where]
        if top[0] == OP and top[1] == ADD:
            for base, index in ((top[2], top[3]), (top[3], top[2])):
                self._spanned(state, index, base)
                if self.terms.rank(base) >= self.terms.rank(index):
                    first = self._first(index)
                    self._ends_by(state, self.terms.add(base, first + more), index, -first)
        elif top[0] == PHI:
            for start in self.terms.alternatives[where]:
                if self._base(start)[0] != where and len(self.terms.alternatives[where]) <= _STARTS:
                    index = fold.binary(self.terms, SUB, where, start, self.terms.word)
                    self._ends_by(state, self.terms.add(start, more), index, 0)

    def _first(self, index: int) -> int:
        """Where a counter begins: most often 0, or -1 when it is moved before it is used."""
        node = self.terms.nodes[index]
        values = [self.terms.value(one) for one in self.terms.alternatives[index]] if node[0] == PHI else []
        return min((self.terms.signed(one) for one in values if one is not None), default=0)

    def _ends_by(self, state: State, text: int, index: int, more: int) -> None:
        """The text is no longer than the index of a NUL byte: a length that was counted by hand."""
        base, offset = self._base(index)
        if self.terms.nodes[base][0] != CONST:
            for back in (0, 1):  # the first byte is often looked at before the loop
                length = self.terms.result("strlen", "strlen", (self.terms.add(text, -back),))
                self._add(state, frozenset({("most", length, base, offset + more + back)}))

    def _spanned(self, state: State, index: int, base: int) -> bool:
        node = self.terms.nodes[index]
        if node[0] != RESULT or node[2] not in ("strspn", "strcspn") or len(node[3]) < 2 or node[3][0] != base:
            return False
        allowed = self.text(node[3][1])
        if allowed is None:
            return False
        lacks = bytesets.of(allowed)
        self._add(state, frozenset({("lacks", base, lacks if node[2] == "strcspn" else ~lacks & bytesets.ALL)}))
        return True

    def _add(self, state: State, facts: frozenset[Fact]) -> None:
        if len(state.facts) < _FACTS_LIMIT:
            state.facts = state.facts | facts

    # -- equality
    def _equality(self, state: State, node: tuple[Any, ...], equal: bool, level: int) -> bool:
        a, b = node[2], node[3]
        nodes = self.terms.nodes
        for one, other in ((a, b), (b, a)):
            if nodes[other][0] == OP and nodes[other][1] == SBORROW:
                # N == V says that the first operand of the subtraction is not less (signed)
                x, y = nodes[other][2], nodes[other][3]
                self._order(state, SLT, x, y, not equal)
                return self._ordered_implied(state, (OP, SLT, x, y), not equal)
            if nodes[other][0] == CONST:
                return self._against(state, one, nodes[other][1], equal, level)
            low, high = state.ranges.get(other, (0, 1))
            if low == high:  # a value that an earlier test settled
                return self._against(state, one, low & self.terms.mask, equal, level)
        if equal:
            for one, other in ((a, b), (b, a)):
                span = nodes[one]
                length = nodes[other]
                if (
                    span[0] == RESULT
                    and length[0] == RESULT
                    and length[2] == "strlen"
                    and span[3]
                    and span[3][0] == length[3][0]
                ):
                    self._spanned(state, one, span[3][0])
            if self._is_number(a) and self._is_number(b):
                self._bounded_by(state, a, b, 0)
                self._bounded_by(state, b, a, 0)
        return True

    def _is_number(self, term: int) -> bool:
        node = self.terms.nodes[term]
        return bool(node[0] != CONST and not (node[0] == OP and node[1] in fold.BOOLEAN))

    def _against(self, state: State, term: int, value: int, equal: bool, level: int = 0) -> bool:  # noqa: C901 - one case a kind; a table of functions would hide the order
        """`term == value` or not."""
        node = self.terms.nodes[term]
        kind = node[0]
        if kind == CONST:
            return (node[1] == value) == equal  # type: ignore[no-any-return]  # fields of a node are of any type
        if level > 10:
            return True
        if equal:
            state.ranges[term] = (self.terms.signed(value),) * 2
            self._settle(state, term, value)
        if kind == OP:
            return self._operation(state, node, value, equal, level)
        if kind == ADDR and not node[3] and self.terms.nodes[node[1]][0] not in (LOAD, BYTE):
            inner = self.terms.nodes[node[1]]
            if inner[0] in (OP, RESULT, PHI):
                return self._against(state, node[1], (value - node[2]) & self.terms.mask, equal, level + 1)
        if kind == DERIVED:
            term, node, kind = node[2], self.terms.nodes[node[2]], RESULT
        base, more = self._base(term)
        if more:
            value = (value - more) & self.terms.mask
            term, node = base, self.terms.nodes[base]
            kind = node[0]
        if equal and kind == BYTE:
            base, off = (node[2], node[3]) if not node[4] else self._base(node[1])
            self._add(state, frozenset({("word", base, off, node[5], value)}))
        if equal and kind == LOAD and not node[3]:
            self._add(state, frozenset({("word", node[1], node[2], node[4], value)}))
        if equal and kind == PHI:
            self._cell(state, node, term, value)
        if equal:
            state.ranges[term] = (self.terms.signed(value),) * 2
        elif value == 0 and term in state.ranges and state.ranges[term][0] == 0:
            state.ranges[term] = (1, max(1, state.ranges[term][1]))
        return self._implied(state, term, lambda known: (known == value) == equal)

    def _settle(self, state: State, term: int, value: int) -> None:
        """Registers that hold the term hold the value here: behind a `strcmp` that gave 0, `strtok(r0)` gets NULL."""
        if self.terms.nodes[term][0] not in (RESULT, PHI, LOAD, DERIVED, PARAM):
            return
        known = self.terms.const(value)
        for register, held in state.registers.items():
            if held == term:
                state.registers[register] = known

    def _cell(self, state: State, node: tuple[Any, ...], term: int, value: int) -> None:
        """What memory holds after paths met is compared: the cell is known by the phi."""
        slot = node[3]
        if not isinstance(slot, tuple) or len(slot) != 3 or slot[2]:
            return
        read = [self.terms.nodes[one] for one in self.terms.flat(term)]
        sizes = {one[4] for one in read if one[0] == LOAD and one[1:3] == slot[:2]}
        needed = next(size for size in (1, 2, 4, 8) if value < 1 << (8 * size))
        if sizes:
            self._add(state, frozenset({("word", slot[0], slot[1], max(needed, *sizes), value)}))

    def _operation(self, state: State, node: tuple[Any, ...], value: int, equal: bool, level: int) -> bool:
        kind = node[1]
        if kind in (EQ, NE, LT, LE, SLT, SLE, BAND, BOR, BNOT):
            if value in (0, 1):
                term = self.terms.make(node)
                return self.refine(state, term, bool(value) == equal, level + 1)
            return True
        if kind == SELECT:
            return self._select(state, node, lambda known: (known == value) == equal, level)
        if kind == SUB or (kind == XOR and not value):
            other = self.terms.add(node[3], self.terms.signed(value & self.terms.mask))
            return self._equality(state, (OP, EQ, node[2], other), equal, level + 1)
        if kind == XOR and self.terms.nodes[node[3]][0] == CONST:
            return self._against(state, node[2], value ^ self.terms.nodes[node[3]][1], equal, level + 1)
        if kind == OR and not value and equal:
            return self._against(state, node[2], 0, True, level + 1) and self._against(
                state, node[3], 0, True, level + 1
            )
        if kind == AND and equal:
            self._add(state, frozenset({("masked", node[2], node[3], value)}))
        return True

    def _select(self, state: State, node: tuple[Any, ...], holds: Callable[[int], bool], level: int) -> bool:
        """A conditional value: when only one of its sides fits, its condition is known too."""
        fits = []
        for side in (node[3], node[4]):
            value = self.terms.value(side)
            fits.append(value is None or holds(value))
        if fits[0] and not fits[1]:
            return self.refine(state, node[2], True, level + 1)
        if fits[1] and not fits[0]:
            return self.refine(state, node[2], False, level + 1)
        return fits[0] or fits[1]

    # -- what a value implies
    def _implied(self, state: State, term: int, holds: Callable[[int], bool]) -> bool:
        alternatives = self.implied.get(term)
        if alternatives is None:
            node = self.terms.nodes[term]
            alternatives = self._library(node) if node[0] == RESULT else None
        if not alternatives:
            return True
        told = [facts for value, facts in alternatives if (known := self.terms.value(value)) is None or holds(known)]
        if told:
            self._add(state, shared(told))
        return True

    def _ordered_implied(self, state: State, node: tuple[Any, ...], truth: bool) -> bool:
        """`result < 0` and the like, for results whose values imply facts."""
        kind, a, b = node[1], node[2], node[3]
        limit = self.terms.value(b)
        signed = kind in (SLT, SLE)
        view = self._signed if signed else (lambda value: value)
        if limit is not None:
            base, off = self._base(a)
            bound = view(limit) - off
            return self._implied(state, base, lambda value: self._less(kind, view(value), bound) == truth)
        limit = self.terms.value(a)
        if limit is not None:
            base, off = self._base(b)
            bound = view(limit) - off
            return self._implied(state, base, lambda value: self._less(kind, bound, view(value)) == truth)
        return True

    def _less(self, kind: int, a: int, b: int) -> bool:
        return a < b if kind in (LT, SLT) else a <= b

    def _base(self, term: int) -> tuple[int, int]:
        return self.terms.based(term)

    def _library(self, node: tuple[Any, ...]) -> tuple[tuple[int, frozenset[Fact]], ...] | None:
        """Values of a library call, with what they say of its arguments."""
        _, _site, name, arguments = node
        const = self.terms.const
        none: frozenset[Fact] = frozenset()
        if name in _EQUALITY and len(arguments) > 1:
            facts = self._compared(arguments, _EQUALITY[name])
            return (const(0), facts), (const(1), none), (const(-1), none)
        if name in _SEARCH and len(arguments) > 1 and name not in ("strstr", "strcasestr", "memmem"):
            lacks = self._sought(name, arguments)
            return (const(0), lacks), (const(1 << 20), none)
        clean: frozenset[Fact] = frozenset()
        if name == "inet_pton" and len(arguments) > 1:
            clean = frozenset({("lacks", arguments[1], bytesets.ALL)})
            return (const(1), clean), (const(0), none), (const(-1), none)
        if name in ("inet_aton", "ether_aton", "ether_aton_r") and arguments:
            return (const(1), frozenset({("lacks", arguments[0], bytesets.ALL)})), (const(0), none)
        if name == "inet_addr" and arguments:
            return (
                (const(0x1000), frozenset({("lacks", arguments[0], bytesets.ALL)})),
                (const(-1), none),
                (const(0xFFFFFFFF), none),
            )
        return None

    def _compared(self, arguments: tuple[int, ...], bounded: bool) -> frozenset[Fact]:
        for one, other in ((arguments[0], arguments[1]), (arguments[1], arguments[0])):
            count = self.terms.value(arguments[2]) if bounded and len(arguments) > 2 else None
            text = self.text(other)
            if text is None and bounded and count and count < 256:
                raw = self.data(other, count)
                text = raw.decode("latin-1") if raw is not None else None
            if text is None:
                if self._constant_table(other):
                    return frozenset({("lacks", one, bytesets.ALL)})
                continue
            whole = count is None or count > len(text)
            facts: set[Fact] = {("eq", one, text[:count] if count is not None else text)}
            if whole:
                facts.add(("lacks", one, bytesets.ALL))
            return frozenset(facts)
        return frozenset()

    def _constant_table(self, term: int) -> bool:
        """A pointer out of a table of constant strings (a list of allowed words)."""
        spots = self.terms.locate(term)
        for root, _offset, _stride in spots:
            node = self.terms.nodes[root]
            if not (
                node[0] == LOAD and node[1] == GLOBAL and node[2] >= self.terms.floor and node[4] == self.terms.word
            ):
                return False
        return bool(spots)

    def _sought(self, name: str, arguments: tuple[int, ...]) -> frozenset[Fact]:
        if name == "strpbrk":
            text = self.text(arguments[1])
            return frozenset({("lacks", arguments[0], bytesets.of(text))}) if text else frozenset()
        value = self.terms.value(arguments[1])
        return frozenset({("lacks", arguments[0], 1 << (value & 255))}) if value is not None else frozenset()

    # -- ranges
    def _signed(self, value: int) -> int:
        if value >> 31 == 1 and value < 1 << 32:
            return value - (1 << 32)
        return self.terms.signed(value)

    def _order(self, state: State, kind: int, a: int, b: int, truth: bool) -> None:
        nodes = self.terms.nodes
        signed = kind in (SLT, SLE)
        strict = kind in (LT, SLT)
        if nodes[b][0] == CONST:
            limit = self._signed(nodes[b][1]) if signed else nodes[b][1]
            if truth:
                self._bound(state, a, None if signed else 0, limit - strict)
            else:
                self._bound(state, a, limit + (not strict), None)
        elif nodes[a][0] == CONST:
            limit = self._signed(nodes[a][1]) if signed else nodes[a][1]
            if truth:
                self._bound(state, b, limit + strict, None)
            else:
                self._bound(state, b, None if signed else 0, limit - (not strict))
        elif truth:
            self._bounded_by(state, a, b, int(strict))
        else:
            self._bounded_by(state, b, a, int(not strict))

    def _bounded_by(self, state: State, a: int, b: int, less: int) -> None:
        """a <= b - less for two unknowns: what bounds b bounds a, and whoever learns more of b learns it of a."""
        base, off = self._base(a)
        other, more = self._base(b)
        span = bounds.span(self.terms, other, state.ranges)
        if span is not None and span[1] < bounds.HUGE:
            self._bound(state, a, None, span[1] + more - less)
        if base != other:
            self._add(state, frozenset({("most", base, other, more - off - less)}))

    def _bound(self, state: State, term: int, low: int | None, high: int | None) -> None:
        base, off = self._base(term)
        span = state.ranges.get(base, (-(1 << 63), 1 << 63))
        if low is not None:
            span = (max(span[0], low - off), span[1])
        if high is not None:
            span = (span[0], min(span[1], high - off))
        if span[0] <= span[1]:
            state.ranges[base] = span
            self._measured(state, base, span[1])

    def _measured(self, state: State, counter: int, high: int) -> None:
        """A length that is no larger than the counter: now it is known how large that is."""
        if not 0 <= high < 1 << 31:
            return
        found = {
            ("most", fact[1], self.terms.zero, high + fact[3])
            for fact in state.facts
            if fact[0] == "most" and fact[2] == counter and self.terms.nodes[fact[1]][1] == "strlen"
        }
        if found:
            self._add(state, frozenset(found))
