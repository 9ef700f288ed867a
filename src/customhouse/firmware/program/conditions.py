"""What a branch tells: byte sets, ranges, and facts from checks, added to the state on the edge where the condition
holds.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

from . import alphabets, bounds, bytesets, cases, composed, fold
from .answers import Answers
from .bytesets import ByteSets
from .ends import Ends
from .implications import Implications
from .join import shared
from .lift import ADD, AND, BAND, BNOT, BOR, EQ, LE, LT, NE, OR, SBORROW, SELECT, SHR, SLE, SLT, SUB, XOR
from .orders import Orders, collected_bit, is_condition, plain, set_bits, signed_word, together
from .searches import sought
from .state import UPTO, State
from .terms import ADDR, BYTE, CONST, DERIVED, GLOBAL, HEAP, LOAD, MERGE, OP, PARAM, PHI, RESULT, Terms


class Conditions:
    """Refines states. `text` gives the constant string that a pointer term names, else None."""

    def __init__(
        self, terms: Terms, sets: ByteSets, text: Callable[[int], str | None], data: Callable[[int, int], bytes | None]
    ) -> None:
        self.terms = terms
        self.sets = sets
        self.ends = Ends(terms, text)
        self.orders = Orders(terms)
        self.answers = Answers(
            terms,
            text,
            data,
            lambda address: sets.image.number(address, terms.word),
            sets.image.musl,
            lambda: sets.image.keys,
        )
        self.implications = Implications(terms, self.answers, self.refine)
        self.implied = self.implications.implied

    def refine(self, state: State, term: int, truth: bool, level: int = 0) -> bool:
        """Add what holds when `term` is (non-)zero. False when that cannot be."""
        node = self.terms.nodes[term]
        if node[0] == CONST:
            return bool(node[1]) == truth
        if level > 12:
            return True
        if level == 0 and not self._bytes(state, term, truth):
            return False
        if fold.is_truth(self.terms, term):
            self.implications.tally(state, term, lambda value: bool(value) == truth)
        if node[0] != OP:
            return self._against(state, term, 0, not truth)
        kind = node[1]
        if kind == BNOT:
            return self.refine(state, node[2], not truth, level + 1)
        if (kind == BAND and truth) or (kind == BOR and not truth):
            both = self.refine(state, node[2], truth, level + 1) and self.refine(state, node[3], truth, level + 1)
            return both and all(self.orders.apart(state, one, truth) for one in node[2:4])
        if kind in (BAND, BOR):
            return self._one_side(state, node, truth, level)
        if kind in (EQ, NE, LT, LE, SLT, SLE):
            return self._compared(state, term, truth, level)
        if kind == SELECT:
            if all(self.terms.value(one) is None for one in node[3:5]):
                return self._chosen(state, node, truth, level)
            return self._select(state, node, 0, not truth, level)
        return True

    def _compared(self, state: State, term: int, truth: bool, level: int) -> bool:
        node = self.terms.nodes[term]
        kind = node[1]
        made = self._made_of_truth(term, node)
        if made is not None:
            inner, yes, no = made
            return self.refine(state, inner, yes == truth, level + 1) if yes != no else yes == truth
        state.ranges[term] = (int(truth),) * 2
        if kind in (EQ, NE):
            return self._equality(state, node, (kind == EQ) == truth, level)
        if (kind in (LT, SLT)) != truth:
            self._reached(state, *(node[2:4] if not truth else node[3:1:-1]))
        self.ends.met(state, kind, node[2], node[3], truth)
        self.orders.compared(state, kind, node[2], node[3], truth)
        return self.implications.ordered(state, node, truth)

    def _made_of_truth(self, term: int, node: tuple[Any, ...]) -> tuple[int, bool, bool] | None:
        """The comparison from which a number was made that is tested here, and what the test gives when that holds and
        when it does not: `2 + 3 * (a == b) == 5`.
        """
        parts = [one for one in node[2:4] if self.terms.nodes[one][0] != CONST]
        inner = cases.truth_in(self.terms, parts[0]) if len(parts) == 1 else None
        if inner is None or inner == parts[0]:
            return None
        sides = [cases.replaced(self.terms, term, {inner: self.terms.const(one)}) for one in (1, 0)]
        yes, no = map(self.terms.value, sides)
        return None if yes is None or no is None else (inner, bool(yes), bool(no))

    def _one_side(self, state: State, node: tuple[Any, ...], truth: bool, level: int) -> bool:
        """One side of `or` is true, or one of `and` is false."""
        whole = together(self.terms, node)
        if whole is not None:
            return self.refine(state, whole, truth == (node[1] == BOR), level + 1)
        return self._either(state, tuple(((one, truth),) for one in node[2:4]), level)

    def _chosen(self, state: State, node: tuple[Any, ...], truth: bool, level: int) -> bool:
        """A comparison that depends on one before it, as conditional compares of AArch64 make them."""
        decided = self._decided(state, node[2])
        if decided is not None:
            return self.refine(state, node[3] if decided else node[4], truth, level + 1)
        ways = [((node[2], side), (one, truth)) for side, one in ((True, node[3]), (False, node[4]))]
        possible = [way for way in ways if plain(self.terms, *way[0]) != plain(self.terms, way[1][0], not truth)]
        return bool(possible) and self._either(state, tuple(possible), level)

    def _decided(self, state: State, term: int) -> bool | None:
        """Whether an equality holds, when the value it asks for is known here."""
        node = self.terms.nodes[term]
        if node[0] != OP:
            return None
        if node[1] == BNOT:
            inner = self._decided(state, node[2])
            return None if inner is None else not inner
        if node[1] in (EQ, NE) and self.terms.nodes[node[3]][0] == CONST:
            base, more = self.terms.based(node[2])
            span = state.ranges.get(base)
            if span is not None and span[0] == span[1]:
                wanted = self.terms.signed(int(self.terms.nodes[node[3]][1]))
                return bool((span[0] + more == wanted) == (node[1] == EQ))
        return None

    def _either(self, state: State, ways: tuple[tuple[tuple[int, bool], ...], ...], level: int) -> bool:
        """One way or the other holds: what all would tell is known."""
        sides = []
        for way in ways:
            side = state.probe()
            if all(
                self.orders.possible(side, one, truth) and self.refine(side, one, truth, level + 1)
                for one, truth in way
            ):
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
        for key, span in first.ranges.items():
            if span != state.ranges.get(key):
                self.orders.measured(state, key, span[1])
        state.ranges = first.ranges
        state.masks = first.masks
        return True

    def _bytes(self, state: State, term: int, truth: bool) -> bool:
        possible = True
        for variable, holds, fails in self.sets.holding(term):
            left = state.masks.get(variable, bytesets.ALL) & (holds if truth else fails)
            state.masks[variable] = left
            if left == bytesets.NUL:
                self.ends.at(state, variable)
            possible = possible and left != 0
        return possible

    # -- equality
    def _equality(self, state: State, node: tuple[Any, ...], equal: bool, level: int) -> bool:
        a, b = node[2], node[3]
        nodes = self.terms.nodes
        self.ends.met(state, EQ, a, b, equal)
        for one, other in ((a, b), (b, a)):
            if nodes[other][0] == OP and nodes[other][1] == SBORROW:
                # N == V says that the first operand of the subtraction is not less (signed)
                x, y = nodes[other][2], nodes[other][3]
                self.orders.compared(state, SLT, x, y, not equal)
                return self.implications.ordered(state, (OP, SLT, x, y), not equal)
            if nodes[other][0] == CONST:
                return self._against(state, one, nodes[other][1], equal, level)
            low, high = state.ranges.get(other, (0, 1))
            if low == high:  # a value that an earlier test settled
                return self._against(state, one, low & self.terms.mask, equal, level)
        if equal:
            for one, other in ((a, b), (b, a)):
                letter, byte = sought(self.terms, other), self.terms.byte_at(one)
                if letter is not None and byte is not None:
                    state.masks[byte] = 1 << letter
                listed = self._listed(other)
                if listed and nodes[one][0] in (BYTE, PHI):
                    state.masks[one] = state.masks.get(one, bytesets.ALL) & listed
                self._reached(state, one, other)
                self._among(state, one, other)
                span = nodes[one]
                length = nodes[other]
                if (
                    span[0] == RESULT
                    and length[0] == RESULT
                    and length[2] == "strlen"
                    and span[3]
                    and span[3][0] == length[3][0]
                ):
                    self.ends.spanned(state, one, span[3][0])
            self.implications.tallied(state, a, b)
            if self._is_number(a) and self._is_number(b):
                self.orders.bounded(state, a, b, 0)
                self.orders.bounded(state, b, a, 0)
        return True

    def _listed(self, term: int, level: int = 0) -> int:
        """The bytes that one of a constant text may be, which is walked; 0 when it is none of one."""
        node, image = self.terms.nodes[term], self.sets.image
        if node[0] == PHI and level == 0:  # the first one is often looked at before the loop
            sides = [(one, self.terms.value(one)) for one in self.terms.alternatives[term]]
            told = [self._listed(one, 1) if value is None else 1 << (value & 255) for one, value in sides]
            return functools.reduce(operator.or_, told, 0) if all(told) else 0
        if node[0] != BYTE or node[2] != GLOBAL or node[4] != 1 or node[5] != 1 or not image.constant(node[3]):
            return 0
        text = image.text(node[3])
        return bytesets.of(text) | bytesets.NUL if text else 0

    def _reached(self, state: State, start: int, end: int) -> None:
        """What was sought was found at once: the text begins with it."""
        node = self.terms.nodes[end]
        if node[0] == DERIVED and node[1] == start and sought(self.terms, end) is not None:
            state.learn(frozenset({(UPTO, start, end, bytesets.ALL)}))

    def _among(self, state: State, byte: int, other: int) -> None:
        """A byte that is equal to a letter of a constant text, as a loop walks over it, is one of them."""
        among = alphabets.letters(self.terms, self.sets.image, other)
        if among is not None and self.sets.variables(byte) == {byte}:
            state.masks[byte] = state.masks.get(byte, bytesets.ALL) & among

    def _is_number(self, term: int) -> bool:
        node = self.terms.nodes[term]
        return bool(node[0] != CONST and not (node[0] == OP and node[1] in fold.BOOLEAN))

    def _against(self, state: State, term: int, value: int, equal: bool, level: int = 0) -> bool:
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
            if kind in (OP, RESULT):
                state.learn(composed.of_bytes(self.terms, term, value, self.sets.image.big))
        if kind == OP:
            self.implications.tally(state, term, lambda known: (known == value) == equal)
            return self._operation(state, node, value, equal, level)
        if kind == ADDR and not node[3] and self.terms.nodes[node[1]][0] in (OP, RESULT, PHI):
            return self._against(state, node[1], (value - node[2]) & self.terms.mask, equal, level + 1)
        if kind == DERIVED:
            term = node[2]
        base, more = self.terms.based(term)
        if more:
            value = (value - more) & self.terms.mask
            term = base
            if equal:
                state.ranges[term] = (self.terms.signed(value),) * 2
        if equal:
            self._is(state, term, value)
        elif term in state.ranges and state.ranges[term][0] == value:
            state.ranges[term] = (value + 1, max(value + 1, state.ranges[term][1]))
        asked = signed_word(self.terms, value)
        possible = self.implications.learn(
            state, term, lambda known: (signed_word(self.terms, known) == asked) == equal
        )
        self.ends.counted(state)
        return possible

    def _is(self, state: State, term: int, value: int) -> None:
        """What was read from memory is a value there too."""
        node = self.terms.nodes[term]
        if node[0] == BYTE:
            base, off = (node[2], node[3]) if not node[4] else self.terms.based(node[1])
            state.learn(frozenset({("word", base, off, node[5], value)}))
        elif node[0] == LOAD and not node[3]:
            state.learn(frozenset({("word", node[1], node[2], node[4], value)}))
        elif node[0] == PHI:
            self._cell(state, node, term, value)
        elif node[0] == MERGE:
            self._one_of(state, term, value)
        elif node[0] == RESULT and not value:
            self.ends.empty(state, term)
        elif node[0] == RESULT and (lacks := self.ends.pieces.lacking(term)) is not None:
            state.learn(frozenset({(UPTO, node[3][0], self.terms.add(node[3][0], value), lacks)}))
        state.ranges[term] = (self.terms.signed(value),) * 2

    def _one_of(self, state: State, term: int, value: int) -> None:
        """What was read from a field of one of several objects has a value there: it is known by what was read."""
        read = [self.terms.nodes[one] for one in self.terms.flat(term)]
        places = {(one[2], one[4]) for one in read if one[0] == LOAD and not one[3]}
        places |= {(one[3], one[5]) for one in read if one[0] == BYTE and not one[4]}
        if len(places) == 1 and all(one[0] in (LOAD, BYTE) for one in read):
            [(offset, size)] = places
            state.learn(frozenset({("word", term, offset, size, value)}))

    def _settle(self, state: State, term: int, value: int) -> None:
        """Registers that hold the term hold the value here: behind a `strcmp` that gave 0, `strtok(r0)` gets NULL."""
        kind = self.terms.nodes[term][0]
        if kind not in (RESULT, PHI, LOAD, DERIVED, HEAP, PARAM) and (kind != BYTE or value):
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
            state.learn(frozenset({("word", slot[0], slot[1], max(needed, *sizes), value)}))

    def _operation(self, state: State, node: tuple[Any, ...], value: int, equal: bool, level: int) -> bool:
        kind = node[1]
        if kind in (EQ, NE, LT, LE, SLT, SLE, BAND, BOR, BNOT):
            if value in (0, 1):
                term = self.terms.make(node)
                return self.refine(state, term, bool(value) == equal, level + 1)
            return True
        if kind == SELECT and value in (0, 1) and all(is_condition(self.terms, one) for one in node[3:5]):
            return self._chosen(state, node, bool(value) == equal, level + 1)
        if kind == SELECT:
            return self._select(state, node, value, equal, level)
        if kind == SUB or (kind == XOR and not value):
            other = self.terms.add(node[3], self.terms.signed(value & self.terms.mask))
            return self._equality(state, (OP, EQ, node[2], other), equal, level + 1)
        if kind == XOR and self.terms.nodes[node[3]][0] == CONST:
            return self._against(state, node[2], value ^ self.terms.nodes[node[3]][1], equal, level + 1)
        if kind == OR and not value and equal:
            return self._against(state, node[2], 0, True, level + 1) and self._against(
                state, node[3], 0, True, level + 1
            )
        signed = self._sign_of(node) if value in (0, 1) else None
        if signed is not None:
            negative = fold.binary(self.terms, SLT, signed, self.terms.zero, self.terms.word)
            return self.refine(state, negative, bool(value) == equal, level + 1)
        collected = collected_bit(self.terms, node) if not value else None
        if collected is not None:
            return self._against(state, collected, value, equal, level + 1)
        if kind == ADD:
            return self.implications.equal(state, self.terms.make(node), value, equal)
        if kind == AND and equal:
            state.learn(frozenset({("masked", node[2], node[3], value)}))
        return True

    def _sign_of(self, node: tuple[Any, ...]) -> int | None:
        """The number whose sign bit a value is, as AArch64 code tests it (`tbnz w0, #31`)."""
        if node[1] == AND and self.terms.value(node[3]) == 1:
            node = self.terms.nodes[node[2]]
        return node[2] if node[:2] == (OP, SHR) and self.terms.value(node[3]) in (31, 63) else None

    def _select(self, state: State, node: tuple[Any, ...], value: int, equal: bool, level: int) -> bool:
        """A conditional value: when only one of its sides fits, its condition is known too, and what is asked of the
        value is so of that side.
        """
        fits = []
        for side in (node[3], node[4]):
            known = self.terms.value(side) if value else set_bits(self.terms, side)
            fits.append(known is None or (known == value) == equal)
        if fits[0] == fits[1]:
            return fits[0]
        side = node[3] if fits[0] else node[4]
        return self.refine(state, node[2], fits[0], level + 1) and self._against(state, side, value, equal, level + 1)
