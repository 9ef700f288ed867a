"""Where a string ends: what a NUL byte says of the string that was walked to it, and of its length."""

from collections.abc import Callable, Iterator
from typing import Any

from . import bounds, bytesets, fold
from .formats import only_numbers
from .lift import ADD, EQ, LE, LT, SLE, SLT, SUB
from .names import CONSUMED, NUMBER_END
from .pieces import SPANS, Pieces
from .state import Fact, State
from .terms import BYTE, CONST, DERIVED, LOAD, MERGE, OP, PHI, RESULT, STACK, Terms

_STARTS = 3
_FAR = 1 << 16
_UNSIGNED = {SLT: LT, SLE: LE}
_FIRST = frozenset(("strchr", "index", "memchr", "strchrnul", "strpbrk"))
"""Searches for the first of some bytes."""


class Ends:
    """Learns from bytes that are NUL. `text` gives the constant string that a pointer term names, else None."""

    def __init__(self, terms: Terms, text: Callable[[int], str | None]) -> None:
        self.terms = terms
        self.text = text
        self.pieces = Pieces(terms, text)
        self.walked: Callable[[int], frozenset[Fact]] = lambda _term: frozenset()
        """What is known of a string that a loop walked to its last byte."""
        self.extent: Callable[[State, int], int] = lambda _state, _text: 0
        """How many bytes a text has at most, with its end, by what wrote it; 0 when that is not known."""

    def at(self, state: State, variable: int) -> None:
        """The byte is NUL: the string that starts there is empty; at `x[strspn(x, set)]` x is made of the set, and when
        it is where strtol stopped, the string is a number.
        """
        state.learn(self.walked(variable))
        self._behind_checked(state, variable)
        node = self.terms.nodes[variable]
        if node[0] != BYTE:
            return
        state.learn(frozenset({("lacks", node[1], bytesets.ALL)}))
        state.learn(frozenset(("ends", text, length) for text, length in self._before(state, node[1])))
        where, more = self.terms.based(node[1])
        empty = self.terms.result("strlen", "strlen", (node[1],))
        state.learn(frozenset({("most", empty, self.terms.zero, 0)}))
        top = self.terms.nodes[where]
        if top[0] == DERIVED and not more and self.terms.nodes[top[2]][2] == NUMBER_END:
            state.learn(frozenset({("lacks", top[1], bytesets.ALL & ~bytesets.NUMBER)}))
        for base, index in self._indexed(node[1]):
            self.spanned(state, index, base)
        self._lasts(state, where, more)

    def _behind_checked(self, state: State, variable: int) -> None:
        """A text whose first bytes were checked ends behind them."""
        node = self.terms.nodes[variable]
        place = node[1:3] if node[0] == LOAD else node[2:4] if node[0] == BYTE and not node[4] else None
        for fact in [fact for fact in state.facts if fact[0] == "first"]:
            for root, offset, stride in self.terms.locate(fact[1]):
                if place is not None and not stride and root == place[0] and 0 <= place[1] - offset <= fact[3]:
                    state.learn(frozenset({("lacks", *fact[1:3])}))

    def _lasts(self, state: State, where: int, more: int) -> None:
        """A NUL byte stands at the place and an offset: the string that a walk came along ends there at the latest."""
        top = self.terms.nodes[where]
        if top[0] == OP and top[1] == ADD:
            for base, index in ((top[2], top[3]), (top[3], top[2])):
                if self.terms.rank(base) >= self.terms.rank(index):
                    first = self._first(index)
                    self._ends_by(state, self.terms.add(base, first + more), index, -first)
        elif top[0] == RESULT and more >= self.terms.floor:  # of a buffer at a known place
            self._ends_by(state, self.terms.const(more), where, 0)
        elif top[0] == PHI:
            for start in self.terms.alternatives[where]:
                if self.terms.based(start)[0] != where and len(self.terms.alternatives[where]) <= _STARTS:
                    index = fold.binary(self.terms, SUB, where, start, self.terms.word)
                    self._ends_by(state, self.terms.add(start, more), index, 0)

    def _first(self, index: int) -> int:
        """Where a counter begins: most often 0, or -1 when it is moved before it is used."""
        node = self.terms.nodes[index]
        values = [self.terms.value(one) for one in self.terms.alternatives[index]] if node[0] == PHI else []
        return min((self.terms.signed(one) for one in values if one is not None), default=0)

    def _ends_by(self, state: State, text: int, index: int, more: int) -> None:
        """The text is no longer than the index of a NUL byte: a length that was counted by hand."""
        base, offset = self.terms.based(index)
        if self.terms.nodes[base][0] != CONST:
            for back in (0, 1):  # the first byte is often looked at before the loop
                length = self.terms.result("strlen", "strlen", (self.terms.add(text, -back),))
                state.learn(frozenset({("most", length, base, offset + more + back)}))

    def cut(self, state: State, address: int) -> None:
        """A NUL byte is put where one of a set of bytes stands first: what is before it has none of them. Put where a
        walk came to, it is as long as the walk.
        """
        base, more = self.terms.based(address)
        self._lasts(state, base, more)
        state.learn(frozenset(("ends", text, length) for text, length in self._before(state, address)))
        node = self.terms.nodes[address]
        if node[0] == DERIVED:
            name = self.terms.nodes[node[2]]
            if name[0] == RESULT and name[2] in _FIRST and len(name[3]) > 1 and name[3][0] == node[1]:
                one = self.terms.value(name[3][1])
                text = self.text(name[3][1]) if name[2] == "strpbrk" else chr((one or 0) & 255)
                if text is not None and (one is not None or name[2] == "strpbrk"):
                    state.learn(frozenset({("lacks", node[1], bytesets.of(text))}))
        else:
            for base, index in self._indexed(address):
                if self.terms.nodes[index][0] == RESULT and self.terms.nodes[index][2] in ("strspn", "strcspn"):
                    self.spanned(state, index, base)

    def _before(self, state: State, address: int) -> Iterator[tuple[int, int]]:
        """The texts that lie before an address, and how far: what the address is so far behind of, and what begins in
        the same buffer.
        """
        base, more = self._furthest(*self.terms.based(address))
        if self.terms.nodes[base][0] not in (CONST, STACK):
            if 0 < more < self.terms.floor:
                yield base, more
            for node in (self.terms.nodes[term] for term in state.ranges):
                if node[0] == RESULT and node[2] == "strlen":
                    text, first = self.terms.based(node[3][0])
                    if text == base and 0 < first < more:
                        yield node[3][0], more - first
            return
        for root, offset, _ in self.terms.places(address)[:1]:
            starts = [at for _root, at, stride in state.texts.of(root) if at < offset and not stride]
            if starts:
                yield self.terms.add(address, max(starts) - offset), offset - max(starts)
                continue
            for node in (self.terms.nodes[term] for term in state.ranges):  # received by another function
                for text, start, _ in self.terms.places(node[3][0])[:1] if self._is_strlen(node) else ():
                    if text == root and 0 < offset - start < _FAR:
                        yield node[3][0], offset - start

    def _is_strlen(self, node: tuple[Any, ...]) -> bool:
        return bool(node[0] == RESULT and node[2] == "strlen" and node[3])

    def _furthest(self, base: int, more: int) -> tuple[int, int]:
        """A place in a text that begins at one of two places, by the text in which both lie: `if (prefix) id += 4`."""
        node = self.terms.nodes[base]
        begun = self.terms.alternatives[base] if node[0] == PHI else node[1] if node[0] == MERGE else ()
        parts = [self.terms.based(one) for one in begun]
        texts = {text for text, _ in parts}
        if len(texts) != 1 or base in texts:
            return base, more
        return texts.pop(), more + max(further for _, further in parts)

    def _indexed(self, address: int) -> list[tuple[int, int]]:
        """The ways to read an address as a base and an index; of an array at a known place, the place is the base."""
        base, more = self.terms.based(address)
        node = self.terms.nodes[base]
        if node[0] == OP and node[1] == ADD:
            return [(self.terms.add(one, more), other) for one, other in ((node[2], node[3]), (node[3], node[2]))]
        return [(self.terms.const(more), base)] if node[0] == RESULT and more >= self.terms.floor else []

    def spanned(self, state: State, index: int, base: int) -> bool:
        node = self.terms.nodes[index]
        if node[0] == RESULT and node[2] == CONSUMED and node[3][0] == base:
            return self._scanned(state, base, node[3][1])
        if node[0] != RESULT or node[2] not in SPANS or len(node[3]) < 2 or node[3][0] != base:
            return False
        allowed = self.text(node[3][1])
        if allowed is None:
            return False
        lacks = bytesets.of(allowed)
        state.learn(frozenset({("lacks", base, lacks if node[2] == "strcspn" else ~lacks & bytesets.ALL)}))
        return True

    def counted(self, state: State) -> None:
        """A text is no longer than the number of its first bytes that were checked, or are of a set: all of it is.
        `strlen(key) == 64 && strspn(key, digits) == 64`
        """
        for fact in [fact for fact in state.facts if fact[0] == "first"]:
            length = self._longest(state, fact[1])
            if length is not None and length <= fact[3]:
                state.learn(frozenset({("lacks", *fact[1:3])}))
        for term, (low, _high) in list(state.ranges.items()):
            node = self.terms.nodes[term]
            if node[0] == RESULT and node[2] in SPANS and node[3] and low > 0:
                length = self._longest(state, node[3][0])
                if length is not None and length <= low:
                    self.spanned(state, term, node[3][0])

    def empty(self, state: State, length: int) -> None:
        """A length is none: the text is empty, and whatever may be asked of its bytes is so."""
        node = self.terms.nodes[length]
        if node[0] == RESULT and node[2] == "strlen" and node[3]:
            state.learn(frozenset({("lacks", node[3][0], bytesets.ALL)}))

    def met(self, state: State, kind: int, a: int, b: int, truth: bool) -> None:
        """A text's beginning was compared with its end, `s < s + strlen(s)`, and there is nothing between them."""
        difference, constant = self.terms.linear(fold.binary(self.terms, SUB, a, b, self.terms.word))
        if kind == EQ and truth and not constant:
            state.learn(self.pieces.equal(difference))
        if constant or len(difference) != 1:
            return
        [(length, factor)] = difference.items()
        none = {EQ: truth, LT: factor < 0 and not truth, LE: factor > 0 and truth}
        if abs(factor) == 1 and none.get(_UNSIGNED.get(kind, kind), False):
            self.empty(state, length)

    def _longest(self, state: State, text: int) -> int | None:
        """How long a text is at most, by what was found of its length."""
        found = [span[1] for term, span in state.ranges.items() if self._is_length(term, text)]
        extent = self.extent(state, text)
        if extent:
            found.append(extent - 1)
        for fact in state.facts:
            if fact[0] == "most" and self._is_length(fact[1], text):
                known = bounds.span(self.terms, fact[2], state.ranges)
                if known is not None:
                    found.append(known[1] + fact[3])
        return min(found, default=None)

    def _is_length(self, term: int, text: int) -> bool:
        node = self.terms.nodes[term]
        return bool(node[0] == RESULT and node[2] == "strlen" and node[3] and node[3][0] == text)

    def _scanned(self, state: State, base: int, form: int) -> bool:
        """All of a text was taken by a scan: what its format allows is all that it holds."""
        lacks = only_numbers(self.text(form) or "%s")
        if lacks is None:
            return False
        state.learn(frozenset({("lacks", base, lacks)}))
        return True
