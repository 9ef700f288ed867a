"""Loops that write a text into a shell's line, escaped or between quotes: run on chosen texts, their copies are looked
at as a shell would.

A loop is harmless at a place of the line when the shell acts on nothing of any copy, and is at the same place behind
it: then what is written behind the loop stands where it would stand without the text.
"""

from typing import NamedTuple

from . import quoting
from .activation import Activation
from .lift import VIRTUAL
from .loops import Loops
from .plays import Found, Play
from .process import STACK_SIZE
from .ram import Fault
from .stage import FRAME, Stage
from .standins import stands_in
from .state import State
from .terms import GLOBAL, PHI, Location
from .ways import Ways

_MARKS = "'\"\\`"
_ACTIVE = "$;&|\n`"
_QUOTES = frozenset(b"'\"\\")
_FIRST_TEXTS = ("", "'", '"', "\\", "`", "k$(k)k", "';k", '";k', "\\';k", '\\";k', "k;k")
"""Texts on which most loops fail that are not harmless."""
_MOST_BLOCKS = 60
_MOST_EDGES = 3
_OPENING = 2
"""Bytes that may stand before the copy in its buffer: a quote, a blank and a quote."""
_MOST_LOOKS = 3
"""Times that a loop is run anew because it is entered otherwise than was thought."""
_PLACES = (quoting.OUTSIDE, quoting.SINGLE, quoting.DOUBLE)


def _texts() -> tuple[bytes, ...]:
    marks = [first + second for first in _MARKS for second in _MARKS + _ACTIVE]
    texts = [form.format(one) for one in marks for form in ("{}", "k{}k;k", "{}$k")]
    texts += ["k" + one + "k" for one in (*_MARKS, *_ACTIVE)] + [one * 3 + ";k" for one in _MARKS]
    texts += ["k%27;k", "k%3bk", "k\\x27;k", "k\\47;k", "k\\u0027;k", "k&#39;;k", "k&apos;;k", "k=27;k", "k+;k", "k^;k"]
    texts += ["k\\nk", "k\\\nk", "k\r\nk"]
    return tuple(one.encode("latin-1") for one in dict.fromkeys((*_FIRST_TEXTS, *texts)))


_TEXTS = _texts()
_REST = bytes(one for one in range(1, 256) if chr(one) not in _MARKS + _ACTIVE)
"""Bytes that are tried all together."""


class Judged(NamedTuple):
    """What was found of a loop: how it was entered then, the places in a line that its copy begins at, and for which
    beginnings of the line it is harmless.
    """

    entered: object
    looks: int
    starts: frozenset[int]
    """Where the text may begin that it was run on."""
    places: quoting.Places
    bits: int
    acts: int
    """For which beginnings a shell acts on something in it."""
    copies: frozenset[Location]
    """Where its copies begin."""


class Harmless:
    """The loops of one function that write texts."""

    def __init__(self, activation: Activation, loops: Loops, ways: Ways) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.loops = loops
        self.ways = ways
        self.judged: dict[int, Judged] = {}
        self._runnable: dict[int, tuple[bool, bool]] = {}
        """Whether a loop can be run, and whether it speaks of quotes itself."""

    def bits(self, block: int, value: int) -> tuple[int, int]:
        """For which beginnings of a line the copy is harmless that a block writes a byte of, and for which it is not,
        whatever is thought of single bytes.
        """
        bodies = self.loops.bodies
        heads = [head for head in bodies if block in bodies[head] and self._can_run(head)]
        acts = 0
        for head in sorted(heads, key=lambda one: len(bodies[one])):
            found = self._judge(head, value)
            if found is not None and found.bits:
                return found.bits, found.acts
            acts = acts or (found.acts if found is not None else 0)
        return 0, acts

    def behind(self, source: int, target: int, address: int) -> quoting.Places | None:
        """The place of an address that a harmless loop went on to, by the edge on which it is left."""
        for head, found in self.judged.items():
            body = self.loops.bodies[head]
            if found.bits and source in body and target not in body and self.loops.heads_of(address) & body:
                return found.places
        return None

    def leave(self, source: int, target: int, state: State) -> None:
        """A harmless loop is left: what its single steps say of places in the line is not needed, and what lay there
        before is not a part of the copy.
        """
        for head, found in self.judged.items():
            body = self.loops.bodies[head]
            if not found.bits or source not in body or target in body:
                continue
            state.facts = frozenset(
                fact for fact in state.facts if fact[0] != "place" or not self.loops.heads_of(fact[1]) & body
            )
            for root, offset, _ in found.copies:
                for key in state.texts.of(root):
                    text = state.texts[key]
                    fresh = frozenset(dep for dep in text.deps if dep[:4] != ("T", *key) or key[1] > offset)
                    if fresh and fresh != text.deps and offset - _OPENING <= key[1] <= offset and not key[2]:
                        state.texts[key] = text._replace(deps=fresh)

    # -- judging
    def _can_run(self, head: int) -> bool:
        """Whether there are stand-ins for all that a loop calls of libraries, and quotes are nothing to it or to what
        was read before it.
        """
        known = self._runnable.get(head)
        if known is None:
            body, name = self.loops.bodies[head], self.activation.whole.code.name
            known = (len(body) <= _MOST_BLOCKS and head < VIRTUAL, False)
            for one in body if known[0] else ():
                block = self.activation.function.blocks[one]
                called = name(block.exit.target) if block.exit.kind == "call" else None
                marks = any(~part in _QUOTES for op in block.ops for part in op[2:4])
                known = (known[0] and (called is None or stands_in(called)), known[1] or marks)
            self._runnable[head] = known
        return known[0] and (known[1] or self.activation.memory.quotes)

    def _judge(self, head: int, value: int) -> Judged | None:
        body = self.loops.bodies[head]
        edges = [edge for before, edge in self.ways.into(head) if before not in body]
        if not 0 < len(edges) <= _MOST_EDGES:
            return None
        entered = tuple(tuple(sorted(edge.registers.items())) for edge in edges)
        sets = self.activation.whole.sets
        starts = frozenset[int]().union(*(self.loops.starts(head, one) for one in sets.variables(value)))
        known = self.judged.get(head)
        if known is not None and not starts & known.starts:
            return None  # of another text
        if known is None or (known.entered != entered and known.looks < _MOST_LOOKS):
            looks = known.looks + 1 if known is not None else 1
            known = self.judged[head] = self._look(head, edges, starts)._replace(entered=entered, looks=looks)
        return known

    def _look(self, head: int, edges: list[State], starts: frozenset[int]) -> Judged:
        """Run a loop, entered in each of some ways."""
        bits, acts = quoting.SAFE, 0
        every, copies = set[quoting.Places](), set[Location]()
        for edge in edges:
            play = Play(self.activation, head, self.loops.bodies[head], edge)
            stage = play.look(sorted(starts))
            if stage is None or play.found is None:
                bits = 0
                continue
            places = self._place(edge, stage, play.found)
            safe, unsafe = _tried(play, {one for one in places if one in _PLACES})
            bits &= sum(1 << begin for begin, place in enumerate(places) if place in safe)
            acts |= sum(1 << begin for begin, place in enumerate(places) if place in unsafe)
            every.add(places)
            copies.add(self._lies(play.found))
        return Judged(None, 0, starts, quoting.alike(every or {quoting.UNTOLD}), bits, acts, frozenset(copies))

    def _lies(self, found: Found) -> Location:
        """Where a copy begins."""
        if found.owner is not None:
            return found.owner, found.output, 0
        inside = found.output - FRAME
        return (GLOBAL, found.output, 0) if abs(inside) > STACK_SIZE else (self.activation.memory.frame, inside, 0)

    def _place(self, edge: State, stage: Stage, found: Found) -> quoting.Places:
        """Where in the line the copy begins."""
        begin = found.output if found.owner is None else found.output + stage.number(found.owner)
        try:
            for fact in edge.facts:
                if fact[0] == "place" and stage.number(fact[1]) == begin:
                    return fact[2]  # type: ignore[no-any-return]  # facts are of any type
            for term in sorted(set(edge.registers.values())):
                if stage.number(term) == begin:
                    return quoting.alike(one for _, one in self.ways.written(edge, term, term))
        except Fault:
            return quoting.UNTOLD
        walks = found.owner is not None and self.terms.nodes[found.owner][:2] == (PHI, self.activation.function.address)
        return quoting.UNTOLD if walks else quoting.START


def _tried(play: Play, places: set[int]) -> tuple[set[int], set[int]]:
    """The places at which all copies are harmless, and those at which a shell acts on something in one."""
    safe, acts = set(places), set[int]()
    whole = bytes(_REST)
    out = next(iter(play.copies([whole])))
    singles = () if out is not None and out.endswith(whole[-1:]) else tuple(b"k%ck" % one for one in _REST)
    for copy in (out or b"", *play.copies((*_TEXTS, *singles))):
        passed = {one: quoting.passed(one, copy) if copy is not None else quoting.UNKNOWN for one in places}
        acts |= {one for one, place in passed.items() if place is None}
        safe = {one for one in safe if passed[one] == one}
        if acts == places:
            return set(), acts
    for copy in play.others(_TEXTS[: len(_FIRST_TEXTS)]) if safe else ():
        safe = {one for one in safe if quoting.passed(one, copy) == one}
    return safe if play.all_seen() else set(), acts
