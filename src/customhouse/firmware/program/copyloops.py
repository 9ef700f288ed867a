"""Copies that a loop makes byte by byte: where they go, what they read, and what ends them.

A loop that looks only at the bytes it copies goes on as far as the text does: it is a `strcpy` written out. One that
compares its pointer, its index or another number that moves with it copies at most as much as that comparison lets
it. A loop that something else may end, of which we cannot say when, is believed to fit.
"""

from collections.abc import Iterator
from typing import NamedTuple

from . import bounds, fold
from .activation import Activation
from .copied import Copied
from .lift import AND, BAND, BNOT, BOR, EQ, LE, LT, MUL, NE, OR, SBORROW, SELECT, SLE, SLT
from .loops import Loops
from .moving import Moving
from .rings import BYTES, compares, is_byte, together
from .state import Content, State
from .summary import LOOP, Event
from .terms import ADDR, BYTE, CONST, DERIVED, MERGE, OP, PHI, RESULT, UNKNOWN

COMPARED = frozenset((EQ, NE, LT, LE, SLT, SLE))
_LOGIC = frozenset((BAND, BOR, BNOT, SELECT))
_MAX_PARTS = 4
_DEEP = 10
_BLOCK = 8
_TERMS = 2
_STRIDE = 256
"""Bytes of an entry, at most, that a loop goes on by."""


class _Store(NamedTuple):
    """A byte that a block stores, as it was when the block was last looked at."""

    block: int
    address: int
    value: int
    content: Content
    guard: int | None
    """The condition of a conditional instruction."""
    state: State
    """The numbers that were tested, and what was compared."""
    size: int


class _Copy(NamedTuple):
    """A store that moves on as its loop goes round: where it starts, what moves, and how many bytes a round makes at
    least.
    """

    head: int
    target: int
    moving: int
    step: int


class CopyLoops:
    """The loops of one function that copy bytes."""

    def __init__(self, activation: Activation, loops: Loops) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.loops = loops
        self.moving = Moving(activation.terms, loops)
        self.striding = Moving(activation.terms, loops, _STRIDE)
        self.copied = Copied(activation, loops, self.moving)
        self.stores: dict[int, _Store] = {}
        self.tests: dict[int, int] = {}
        """The condition with which a block was last left."""

    def stored(self, state: State, block: int, address: int, value: int, size: int, guard: int | None = None) -> None:
        """A byte goes to an address, or several that were put together or read as a word. What it means is asked when
        the function was read to its end (`events`).
        """
        node = self.terms.nodes[value]
        if size > 1 and node[:2] != (OP, OR) and node[0] not in (BYTE, MERGE):
            return
        if self.terms.value(value) is not None or not self.loops.heads_of(address):
            return
        deps = self.activation.memory.deps_of(state, value)
        if not deps:
            return
        there = State()
        there.ranges, there.facts = dict(state.ranges), state.facts
        self.stores[self.activation.site] = _Store(block, address, value, Content(deps, "%s"), guard, there, size)

    def events(self) -> Iterator[Event]:
        """Copies that may be longer than their target, for `Overflows` to judge."""
        for site, store in self.stores.items():
            copy = self._copy(store.block, store.address, self._by(store))
            if copy is None or (store.size > 1 and (copy.head == site or copy.step == store.size == _BLOCK)):
                continue  # a memcpy that the compiler wrote out: an instruction that goes round by itself, or a loop
            bound = self._bound(store, copy)
            if bound is None:
                continue
            limit, size = bound
            if size != -1 and together(self.terms, store.state, copy.target, size):
                continue
            read = self.copied.read(copy.head, copy.target, store.value, store.content.deps)
            if read is None and store.size > 1:
                read = self.copied.entries(copy.target, store.content.deps, copy.step)
            if read is None:
                continue
            sources, step = read
            up, down = self._rate(store, copy)
            steps = (step * down, copy.step * up)
            chain = ((self.activation.function.address, site),)
            told = tuple((one, self.activation.string_limit(store.state, one)) for one in sources)
            yield (
                "over",
                LOOP,
                site,
                copy.target,
                limit,
                store.content,
                size,
                store.state.facts,
                chain,
                told,
                steps,
                None,
                None,
                True,
                1,
            )

    def walks(self) -> set[int]:
        """The stores that move on as a loop goes round."""
        return {site for site, store in self.stores.items() if self._copy(store.block, store.address) is not None}

    def counter(self, site: int) -> tuple[int, list[int]] | None:
        """The number that says how many bytes a store has written that moves on as a loop goes round, and all that it
        is compared with.
        """
        store = self.stores[site]
        copy = self._copy(store.block, store.address, self._by(store))
        if copy is None or copy.step != 1 or self.moving.start(copy.moving, copy.head) != self.terms.zero:
            return None
        return copy.moving, self._tested(store, copy.head) or []

    def begun(self, block: int, pointer: int) -> int | None:
        """Where a walk began by which a block writes in every round of its loop; None when it is no such walk."""
        copy = self._copy(block, pointer)
        return copy.target if copy is not None and not self.comes_back(copy.head, copy.head, {block}) else None

    def _by(self, store: _Store) -> Moving:
        """What tells how far a store moves on: words may be those of an entry."""
        return self.striding if store.size > 1 else self.moving

    def _copy(self, block: int, address: int, by: Moving | None = None) -> _Copy | None:
        by = by or self.moving
        parts, plus = self.terms.linear(address)
        if len(parts) > _MAX_PARTS:
            return None
        bodies = self.loops.bodies
        heads = [head for head in bodies if block in bodies[head]]
        for head in sorted(heads, key=lambda one: len(bodies[one])):
            parts, plus = by.led(parts, plus, head)
            moving = [one for one in parts if by.at(one, head)]
            if not moving:
                continue
            step = (by.least(moving[0], head) or 0) * parts[moving[0]]
            if len(moving) > 1 or step <= 0:
                return None
            target = by.sum(parts, plus, moving[0], head)
            return None if target is None else _Copy(head, target, moving[0], step)
        return None

    def _bound(self, store: _Store, copy: _Copy) -> tuple[int | None, int] | None:
        """How many bytes the tests of the loop let pass: a number, and a term for what is not a number (-1 when there
        is none). None when what ends the loop is not known.
        """
        told = None if self._is_ring(store, copy) else self._tested(store, copy.head)
        gap = max(copy.step - store.size, 0)
        """Bytes that the last round leaves out."""
        if told is None:
            return None
        values = [(one, self.terms.value(one)) for one in told]
        numbers = [abs(self.terms.signed(value)) * copy.step - gap for _one, value in values if value is not None]
        terms = sorted({one for one, value in values if value is None})
        if len(terms) > _TERMS:
            return None
        size = terms[0] if terms else -1
        if size != -1:
            for one in terms[1:]:  # the lesser of them ends the loop
                (lower, less), (upper, more) = self.terms.based(size), self.terms.based(one)
                store.state.learn(frozenset({("most", lower, upper, more - less)}))
            numbers += [most * copy.step - gap for one in terms for most in self._most(store.state, one)]
            size = fold.binary(self.terms, MUL, size, self.terms.const(copy.step), self.terms.word)
            size = self.terms.add(size, -gap)
        if is_byte(self.terms, store.address, copy.moving):
            numbers.append(BYTES)
        high = store.state.ranges.get(copy.moving, (0, bounds.HUGE))[1]
        start = self.moving.start(copy.moving, copy.head)
        first = self.terms.value(start) if start is not None else None
        if high < bounds.HUGE and first is not None:
            numbers.append(high + 1 - self.terms.signed(first))
        return min(numbers, default=None), size

    def _is_ring(self, store: _Store, copy: _Copy) -> bool:
        """Whether the loop compares what moves to begin it anew: such a test ends neither the loop nor a store."""
        ends = {block for block, _ in self._controlling(store, copy.head)}
        others = [self.tests[one] for one in self.loops.bodies[copy.head] - ends if one in self.tests]
        atoms = [atom for one in others for atom in self.atoms(one)]
        if self.moving.returns(copy.moving, copy.head):
            atoms += range(len(self.terms.nodes))
        return any(compares(self.moving, copy.moving, copy.head, *both) for both in map(self._compared, atoms) if both)

    def _compared(self, atom: int) -> tuple[int, int] | None:
        node = self.terms.nodes[atom]
        return self.sides(node) if node[0] == OP and node[1] in COMPARED else None

    def _most(self, state: State, size: int) -> list[int]:
        """Numbers that a size is not above: what was tested, and what it was cut down to."""
        limit = self.activation.limit(state, size)
        found = [] if limit is None else [limit]
        parts = [self.terms.value(one) for one in self.terms.flat(size)]
        constants = [self.terms.signed(one) for one in parts if one is not None]
        return [*found, max(constants)] if max(constants, default=0) > 0 and None in parts else found

    def _tested(self, store: _Store, head: int) -> list[int] | None:
        """The numbers of rounds that the tests let pass which every round that stores has to pass one of: of a test
        that stands there once for each way through the round, the largest. None when they are not known.
        """
        every = [] if store.guard is None else self.rounds(store.guard, head, self._by(store))
        some: dict[int, list[int]] = {}
        for block, condition in self._controlling(store, head):
            told = self.rounds(condition, head, self._by(store))
            if self.comes_back(store.block, head, {block}):
                if told != []:
                    some[block] = told or []
            elif told is None:
                return None
            elif every is not None:
                every += told
        if every is None or not some or self.comes_back(store.block, head, set(some)):
            return every
        if all(some.values()) and len({tuple(told) for told in some.values()}) == 1:
            return [*every, *next(iter(some.values()))]
        values = [self.terms.value(one) for told in some.values() for one in told]
        if not all(some.values()) or None in values:
            return None
        return [*every, self.terms.const(max(abs(self.terms.signed(value)) for value in values if value is not None))]

    def leaving(self, head: int) -> Iterator[tuple[int, int]]:
        """The blocks from which a loop may be left, each with its condition."""
        for block in sorted(self.loops.bodies[head]):
            condition = self.tests.get(block)
            ways = self.activation.function.successors.get(block, ())
            if condition is not None and not all(way in self.loops.bodies[head] for way in ways):
                yield block, condition

    def rounds(self, condition: int, head: int, moving: Moving | None = None) -> list[int] | None:
        """The numbers of rounds that a condition lets pass, None when that is not known of one of its comparisons."""
        out: list[int] = []
        for atom in self.atoms(condition):
            told = self.told(atom, head, moving or self.moving)
            if told is None:
                return None
            out += told
        return out

    def _controlling(self, store: _Store, head: int) -> Iterator[tuple[int, int]]:
        """Blocks and conditions that may end the loop, or decide whether the round stores."""
        body = self.loops.bodies[head]
        for one in sorted(body):
            condition = self.tests.get(one)
            ways = self.activation.function.successors.get(one, ())
            if condition is None or self.activation.function.blocks[one].exit.kind != "cond":
                continue
            if any(way not in body for way in ways) or len(ways) < 2:
                yield one, condition
            elif one != store.block:
                reached = [self._reaches((way,), store.block, body - {head}) for way in ways]
                if any(reached) and not all(reached):
                    yield one, condition

    def _rate(self, store: _Store, copy: _Copy) -> tuple[int, int]:
        """How many bytes are stored of how many that are read, where bits are gathered: six of eight in base64."""
        for _block, condition in self._controlling(store, copy.head):
            for atom in self.atoms(condition):
                node = self.terms.nodes[atom]
                for side in node[2:4] if node[0] == OP and node[1] in COMPARED else ():
                    for one in self.terms.linear(side)[0]:
                        swing = self.moving.swings(one, copy.head)
                        if swing is not None:
                            return swing
        return 1, 1

    def comes_back(self, block: int, head: int, without: set[int]) -> bool:
        """Whether the loop can come to a block again without passing some others."""
        after = self.activation.function.successors.get(block, ())
        return block not in without and self._reaches(after, block, self.loops.bodies[head] - without)

    def leads(self, block: int, other: int, without: set[int]) -> bool:
        """Whether the function can come from a block to another one without passing some others."""
        blocks = self.activation.function.blocks
        return self._reaches(self.activation.function.successors.get(block, ()), other, set(blocks) - without)

    def _reaches(self, ways: tuple[int, ...], block: int, inside: set[int]) -> bool:
        after = self.activation.function.successors
        seen: set[int] = set()
        stack = list(ways)
        while stack:
            one = stack.pop()
            if one == block:
                return True
            if one in inside and one not in seen:
                seen.add(one)
                stack += after.get(one, ())
        return False

    def atoms(self, condition: int, level: int = 0) -> list[int]:
        """The single comparisons of a condition."""
        node = self.terms.nodes[condition]
        if node[0] == OP and level < _DEEP:
            if node[1] in _LOGIC or self._both(node):
                return [atom for one in node[2:] for atom in self.atoms(one, level + 1)]
            if node[1] in (EQ, NE) and self.terms.value(node[3]) == 0 and self._logical(node[2]):
                return self.atoms(node[2], level + 1)
        return [condition]

    def _logical(self, term: int) -> bool:
        node = self.terms.nodes[term]
        return node[0] == OP and (node[1] in _LOGIC or node[1] in COMPARED or self._both(node))

    def _both(self, node: tuple[int, ...]) -> bool:
        """Whether a number is what a comparison and something else have in common."""
        return node[1] == AND and any(self._logical(one) for one in node[2:])

    def told(self, atom: int, head: int, by: Moving) -> list[int] | None:
        """The numbers of rounds that a comparison lets pass; empty when it looks at bytes only, None when it is not
        known what it looks at.
        """
        node = self.terms.nodes[atom]
        if node[0] in (CONST, UNKNOWN):
            return [] if node[0] == CONST else None
        if node[0] == OP and node[1] in COMPARED:
            left, right = self.sides(node)
            parts, plus = self.terms.linear(left)
            more, constant = self.terms.linear(right, -1)
            for one, count in more.items():
                parts[one] = parts.get(one, 0) + count
            parts, plus = by.led(parts, plus + constant, head)
            steps = {one: step for one in parts if parts[one] and (step := by.step(one, head)) is not None}
            if steps:
                return by.rounds(parts, plus, steps, head)
            if any(self.terms.nodes[one] == (UNKNOWN, "deep") for one in parts):
                return None
            varying = [one for one in parts if self.moving.varies(one, head)]
            if varying and all(self.moving.swings(one, head) is not None for one in varying):
                return []
        if self._of_bytes(atom, head):
            return []
        return None if by.varies(atom, head) else []

    def sides(self, node: tuple[int, ...]) -> tuple[int, int]:
        """What a comparison compares; one of numbers with a sign may be written as that of two flags."""
        for one in node[2:4]:
            flag = self.terms.nodes[one]
            if flag[0] == OP and flag[1] == SBORROW:
                return flag[2], flag[3]
        return node[2], node[3]

    def _of_bytes(self, term: int, head: int, level: int = 0) -> bool:
        """Whether a condition is about the bytes that are read as the loop goes round."""
        return bool(self.activation.whole.sets.variables(term)) or self._asks(term, head, level)

    def _asks(self, term: int, head: int, level: int) -> bool:
        """Whether a number is what a call in the loop gives."""
        node = self.terms.nodes[term]
        if level > _DEEP:
            return False
        if node[0] == RESULT:
            return self.called(node[1], head)
        if node[0] == DERIVED:
            return self._asks(node[2], head, level + 1)
        if node[0] == PHI:
            return bool(node[3] == "result" or (isinstance(node[3], tuple) and node[3][:1] == ("result",)))
        if node[0] == OP or node[0] == ADDR:
            return any(self._asks(one, head, level + 1) for one in (node[2:] if node[0] == OP else node[1:2]))
        return False

    def called(self, site: object, head: int) -> bool:
        blocks = self.activation.function.blocks
        return isinstance(site, int) and any(
            blocks[one].exit.kind in ("call", "icall") and blocks[one].exit.site == site
            for one in self.loops.bodies[head]
        )
