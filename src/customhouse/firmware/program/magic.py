"""The word that a packet must begin with, from the comparisons that hold on the way to the sink."""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Literal

from .answers import FINDERS
from .dispatched import Chain, Dispatched
from .state import Dep, Fact
from .terms import RESULT
from .whole import Whole

_SHORTEST = 3
_READABLE = re.compile(rb"[ -~]{3,}")
_Place = tuple[int, int]
_Found = tuple[str, tuple[int, int]]
"""A word with how surely it stands at the head of a packet, and how early that part of the packet is received."""
_BEGINS, _FIRST, _FIXED, _SOMEWHERE = 3, 2, 1, 0


class Magics:
    """The magics of one program. `receivers` are the names of calls that bring bytes from the network."""

    def __init__(self, whole: Whole, receivers: frozenset[str]) -> None:
        self.whole = whole
        self.terms = whole.terms
        self.receivers = receivers

    def of(self, facts: Iterable[Fact], trail: Iterable[Fact], chain: Chain) -> str:
        """The compared constant, rebuilt from words where the compiler made word loads of it; empty when there is none.
        What holds at the sink tells more than what held where its text was stored (`trail`), unless only there the
        packet's own beginning was looked at. The row of a table by which the sink's function is called says as much.
        """
        here, before = self._found(facts), self._found(trail)
        heads = [one for one in (*here, *before) if one[1][0] >= _FIRST]
        row = next(self._dispatched.words(chain), "") if not heads else ""
        if row:
            here.append((row, (_FIXED, 1)))
        return max(heads or here or before, key=lambda one: (one[1], len(one[0]), one[0]), default=("", (0, 0)))[0]

    def _found(self, facts: Iterable[Fact]) -> list[_Found]:
        facts = list(facts)
        found = self._words(facts)
        for fact in facts:
            if fact[0] == "eq" and len(str(fact[2])) >= (_SHORTEST if self._is_found(fact[1]) else 2):
                found.append((str(fact[2]), self._rank(fact[1])))
        return found

    def _is_found(self, pointer: int) -> bool:
        """Whether a search gave the pointer: what it found may stand anywhere."""
        node = self.terms.nodes[pointer]
        return bool(node[0] == RESULT and node[2] in FINDERS)

    def _rank(self, pointer: int) -> tuple[int, int]:
        """The head of a packet is at a fixed place; words that a parser looks for further in are not."""
        if self._is_found(pointer):
            return (_SOMEWHERE, 0)
        places = self.terms.locate(pointer)
        early = [self._received[root, offset] for root, offset, _ in places if (root, offset) in self._received]
        if any(stride for _, _, stride in places):
            return (_FIRST, min(early)) if early and len(early) == len(places) else (_SOMEWHERE, 0)
        return (_BEGINS, max(early)) if early else (_FIXED, 0)

    @cached_property
    def _dispatched(self) -> Dispatched:
        return Dispatched(self.whole)

    @cached_property
    def _received(self) -> dict[_Place, int]:
        """Where packets are received, with a number that is the higher the earlier that is."""
        out: dict[_Place, int] = {}
        for number, event in enumerate(self.whole.events):
            if event[0] == "text" and not event[3] and self._brings(event[4].deps):
                out.setdefault((event[1], event[2]), -number)
        return out

    def _brings(self, deps: frozenset[Dep]) -> bool:
        nodes = self.terms.nodes
        calls = [nodes[dep[1]] for dep in deps if dep[0] == "X"]
        return bool(calls) and len(calls) == len(deps) and all(one[2] in self.receivers for one in calls)

    def _begins(self, root: int, offset: int) -> tuple[int, int]:
        early = self._received.get((root, offset))
        return (_FIXED, 0) if early is None else (_BEGINS, early)

    def _words(self, facts: Iterable[Fact]) -> list[_Found]:
        cells: dict[int, dict[int, bytes]] = {}
        order: Literal["big", "little"] = "big" if self.whole.image.big else "little"
        values: dict[tuple[int, int, int], set[int]] = {}
        for _, root, offset, size, value in (one for one in facts if one[0] == "word"):
            values.setdefault((root, offset, size), set()).add(int(value))
        # of words at one place the widest counts; where it may be one or the other, neither is a must
        for (root, offset, size), (value, *others) in sorted(values.items()):
            if others:
                continue
            raw = (int(value) & ((1 << (8 * int(size))) - 1)).to_bytes(int(size), order)
            cells.setdefault(root, {})[int(offset)] = raw
        # numbers stand beside the text (a state, a length): what can be read counts, with a blank that ends a word
        return [
            (text.decode("ascii").lstrip(), self._begins(root, start) if not at else (_FIXED, 0))
            for root, parts in cells.items()
            for start, run in _runs(parts)
            for at, text in ((match.start(), match.group()) for match in _READABLE.finditer(run))
            if len(text.strip()) >= _SHORTEST
        ]


def _runs(parts: dict[int, bytes]) -> list[tuple[int, bytes]]:
    """Words that lie side by side as one, each with where it begins."""
    out: list[tuple[int, bytes]] = []
    for offset in sorted(parts):
        start, run = out[-1] if out else (offset, b"")
        end = start + len(run)
        if offset > end:
            out.append((offset, parts[offset]))
        elif out:
            out[-1] = (start, run + parts[offset][end - offset :])
        else:
            out.append((start, parts[offset]))
    return out
