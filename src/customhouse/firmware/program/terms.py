"""Symbolic values of the analysis: hash-consed terms, named by small integers.

A term says what a register or a memory cell holds in words of the function's own parameters, its frame, global
addresses, allocation sites and calls.
Kinds, with their fields:
  CONST value | PARAM index | STACK function | HEAP site | ADDR base offset stride (base + offset + k*stride)
  LOAD base offset stride size (what memory held when the function was entered) | BYTE address base offset stride size
  (a byte or a table's entry, named
  by its address)
  RESULT site name arguments | PHI function block slot (alternatives are kept aside) | MERGE alternatives | OP
  operation a b | DERIVED pointer result
  (a pointer somewhere into what `pointer` points to) | UNKNOWN tag
Roots of locations are base terms; all constant addresses share the root `GLOBAL`.
"""

from typing import Any

from . import lift
from .tables import table

(CONST, PARAM, STACK, HEAP, ADDR, LOAD, BYTE, RESULT, PHI, MERGE, OP, DERIVED, UNKNOWN) = range(13)

GLOBAL = 0
"""Root of every location with a constant address; the offset is the address."""

_SCALED = frozenset((lift.SHL, lift.MUL, lift.SHR, lift.SAR, lift.AND))
MAX_DEPTH = 20
MAX_ALTERNATIVES = 10

NUMERIC = frozenset(table("libc.toml")["names"]["numeric"])

Location = tuple[int, int, int]
"""(root term, offset, stride); stride 0 is exact, 1 is anywhere behind."""


class Terms:
    """All terms of one program. `word` in bytes; constants below `floor` are numbers, not addresses."""

    def __init__(self, word: int, floor: int = 4096) -> None:
        self.floor = floor
        self.mask = (1 << (8 * word)) - 1
        self.sign = 1 << (8 * word - 1)
        self.word = word
        self.nodes: list[tuple[Any, ...]] = [(UNKNOWN, "global")]
        self.depth: list[int] = [0]
        self.open: list[bool] = [False]
        """Whether the term speaks of a parameter."""
        self.index: dict[tuple[Any, ...], int] = {self.nodes[0]: 0}
        self.alternatives: dict[int, set[int]] = {}
        self._flat: dict[int, frozenset[int]] = {}
        self._located: dict[int, tuple[Location, ...]] = {}
        self._several: dict[int, bool] = {}
        self._twins: dict[tuple[int, int, frozenset[int]], int] = {}
        self._ranks: dict[int, float] = {}
        self._users: dict[int, set[int]] = {}
        """For a phi: the terms whose kept answers read its alternatives."""
        self._read: dict[int, set[int]] = {}
        """For a term: the phis that its kept answers read."""
        self._trace: set[int] | None = None
        """The phis read by the answer that is being found."""
        self._short = False
        """Whether a rank was asked for too deep down to be found."""
        self.zero = self.const(0)

    def make(self, node: tuple[Any, ...], *parts: int) -> int:
        """Intern a node whose sub-terms are `parts`; too deep a term becomes unknown."""
        found = self.index.get(node)
        if found is not None:
            return found
        depth = 0
        is_open = node[0] == PARAM
        for one in parts:
            if self.depth[one] > depth:
                depth = self.depth[one]
            is_open = is_open or self.open[one]
        if depth >= MAX_DEPTH:
            return self.make((UNKNOWN, "deep"))
        number = len(self.nodes)
        self.nodes.append(node)
        self.depth.append(depth + 1)
        self.open.append(is_open)
        self.index[node] = number
        return number

    def const(self, value: int) -> int:
        node = (CONST, value & self.mask)
        found = self.index.get(node)
        return found if found is not None else self.make(node)

    def value(self, term: int) -> int | None:
        node = self.nodes[term]
        return node[1] if node[0] == CONST else None

    def signed(self, value: int) -> int:
        return value - self.mask - 1 if value & self.sign else value

    def param(self, index: int) -> int:
        return self.make((PARAM, index))

    def unknown(self, tag: object) -> int:
        return self.make((UNKNOWN, tag))

    def based(self, term: int) -> tuple[int, int]:
        """The term without a constant that is added to it, and that constant."""
        node = self.nodes[term]
        if node[0] == ADDR and not node[3]:
            return node[1], node[2]
        if node[0] == MERGE:
            parts = [self.nodes[one] for one in node[1]]
            if all(one[0] == ADDR and not one[3] and one[2] == parts[0][2] for one in parts):
                return self.merge({one[1] for one in parts}), parts[0][2]
        return term, 0

    def result(self, site: object, name: str, arguments: tuple[int, ...] = ()) -> int:
        return self.make((RESULT, site, name, arguments), *arguments)

    def phi(self, function: int, block: int, slot: object) -> int:
        node = (PHI, function, block, slot)
        term = self.make(node)
        if term not in self.alternatives:
            self.alternatives[term] = set()
        return term

    def add_alternative(self, phi: int, term: int) -> bool:
        known = self.alternatives[phi]
        if term == phi or term in known:
            return False
        if len(known) >= MAX_ALTERNATIVES:
            return False
        known.add(term)
        if self.open[term]:
            self.open[phi] = True
        for one in self._users.pop(phi, ()):
            self._flat.pop(one, None)
            self._located.pop(one, None)
            self._ranks.pop(one, None)
        return True

    def _keep(self, term: int, outer: set[int] | None, read: set[int]) -> None:
        """What was found for `term` holds until one of the phis read for it gets another alternative."""
        known = self._read.setdefault(term, set())
        known |= read
        for phi in read:
            self._users.setdefault(phi, set()).add(term)
        self._trace = outer
        if outer is not None:
            outer |= known

    def load(self, root: int, offset: int, stride: int, size: int) -> int:
        """What memory held at a place. The same field again (`p->next->next`) is the same term: objects of one list
        are one.
        """
        inner = self.nodes[root]
        if inner[0] == LOAD and inner[2:] == (offset, stride, size):
            return root
        return self.make((LOAD, root, offset, stride, size), root)

    def merge(self, terms: "set[int] | frozenset[int]") -> int:
        flat: set[int] = set()
        for one in terms:
            node = self.nodes[one]
            if node[0] == MERGE:
                flat |= node[1]
            else:
                flat.add(one)
        if len(flat) == 1:
            return next(iter(flat))
        if len(flat) > MAX_ALTERNATIVES:
            flat = set(sorted(flat)[:MAX_ALTERNATIVES])
        return self.make((MERGE, frozenset(flat)), *flat)

    def add(self, term: int, offset: int, stride: int = 0) -> int:
        """`term + offset` (+ k * stride)."""
        if not offset and not stride:
            return term
        node = self.nodes[term]
        if node[0] == CONST:
            if not stride:
                return self.const(node[1] + offset)
            return self.make((ADDR, self.const(node[1] + offset), 0, stride), term)
        if node[0] == ADDR:
            base, before, old = node[1], node[2], node[3]
            offset = self._near(before + offset)
            stride = _both(old, stride)
            if not offset and not stride:
                return base  # type: ignore[no-any-return]  # fields of a node are of any type
            return self.make((ADDR, base, offset, stride), base)
        if node[0] == MERGE:
            return self.merge({self.add(one, offset, stride) for one in node[1]})
        return self.make((ADDR, term, self._near(offset), stride), term)

    def _near(self, offset: int) -> int:
        offset &= self.mask
        return offset - self.mask - 1 if offset & self.sign else offset

    # -- alternatives and locations
    def flat(self, term: int) -> frozenset[int]:
        """The term without phis and merges: what it may be. Steps of a loop become a stride on where the loop began."""
        node = self.nodes[term]
        kind = node[0]
        if kind == MERGE and not any(self.nodes[one][0] in (PHI, ADDR, UNKNOWN) for one in node[1]):
            return node[1]  # type: ignore[no-any-return]  # fields of a node are of any type
        if kind not in (PHI, MERGE, ADDR):
            return frozenset((term,))
        if kind == ADDR and self.nodes[node[1]][0] not in (PHI, MERGE):
            return frozenset((term,))
        found = self._flat.get(term)
        if found is None:
            outer, read = self._trace, set[int]()
            found = self._flat[term] = self._flatten(term, read)
            self._keep(term, outer, read)
        elif self._trace is not None:
            self._trace |= self._read[term]
        return found

    def _flatten(self, term: int, read: set[int]) -> frozenset[int]:
        walk = _Walk()
        stack: list[tuple[int, int, int, int]] = [(term, 0, 0, -1)]
        found: list[tuple[int, int, int, int]] = []
        while stack:
            one, offset, stride, phi = stack.pop()
            node = self.nodes[one]
            if node[0] == PHI:
                if walk.enter(one, phi, offset, stride) and len(walk.seen) <= 40:
                    read.add(one)
                    stack += [(other, offset, stride, one) for other in self.alternatives[one]]
            elif node[0] == MERGE:
                stack += [(other, offset, stride, phi) for other in node[1]]
            elif node[0] == OP and node[1] == lift.SELECT:
                stack += [(node[3], offset, stride, phi), (node[4], offset, stride, phi)]
            elif node[0] == ADDR and self.nodes[node[1]][0] in (PHI, MERGE):
                stack.append((node[1], offset + node[2], _both(stride, node[3]), phi))
            else:
                found.append((one, offset, stride, phi))
        out: set[int] = set()
        for one, offset, stride, phi in found:
            node = self.nodes[one]
            if node[0] in (UNKNOWN,) and len(found) > 1:
                continue
            whole = _both(stride, walk.stride(phi))
            # a null pointer plus an offset, or a counter, is no place; keep plain constants exact
            if node[0] == CONST and node[1] < self.floor:
                whole = 0 if not offset else whole
            out.add(self.add(one, offset, whole))
        if len(out) > MAX_ALTERNATIVES:
            return frozenset(sorted(out)[:MAX_ALTERNATIVES])
        return frozenset(out)

    def several(self, term: int) -> bool:
        """Whether the term is one of several things and does not say which: an entry of a table, what a loop found."""
        known = self._several.get(term)
        if known is None:
            self._several[term] = False
            node = self.nodes[term]
            known = node[0] in (PHI, MERGE) or (
                node[0] in (ADDR, LOAD, BYTE) and bool(node[3 if node[0] != BYTE else 4])
            )
            known = known or any(self.several(one) for one in self._parts(node))
            self._several[term] = known
        return known

    def _parts(self, node: tuple[Any, ...]) -> tuple[int, ...]:
        kind = node[0]
        if kind in (ADDR, LOAD):
            return (node[1],)
        if kind in (BYTE, DERIVED):
            return (node[1], node[2])
        if kind == OP:
            return node[2:]
        return tuple(node[3]) if kind == RESULT else ()

    def linear(self, term: int, factor: int = 1, level: int = 0) -> tuple[dict[int, int], int]:
        """A sum as its unknown parts with their factors, and its constant."""
        node = self.nodes[term]
        kind = node[0]
        if kind == CONST:
            return {}, factor * self.signed(node[1])
        sides: tuple[tuple[int, int], ...] = ()
        plus = 0
        if kind == ADDR and not node[3]:
            sides, plus = ((node[1], factor),), node[2]
        elif kind == OP and node[1] in (lift.ADD, lift.SUB):
            sides = ((node[2], factor), (node[3], factor if node[1] == lift.ADD else -factor))
        elif kind == OP and node[1] == lift.NEG:
            sides = ((node[2], -factor),)
        if not sides or level > 8:
            return {self._twin(term, node): factor}, 0
        parts: dict[int, int] = {}
        total = factor * plus
        for one, scale in sides:
            more, constant = self.linear(one, scale, level + 1)
            total += constant
            for part, count in more.items():
                parts[part] = parts.get(part, 0) + count
        return {part: count for part, count in parts.items() if count}, total

    def _twin(self, term: int, node: tuple[Any, ...]) -> int:
        """One name for the registers in which a loop keeps the same number, narrow and widened."""
        if node[0] != PHI:
            return term
        return self._twins.setdefault((node[1], node[2], frozenset(self.alternatives[term])), term)

    def reach(self, pointer: int, size: int) -> tuple[int, int] | None:
        """Where a block always lies whose size shrinks as its pointer moves on (`buffer + got, sizeof buffer - got`):
        the buffer and its size.
        """
        before, start = self.linear(pointer)
        after, end = self.linear(size)
        moving = {part for part, count in before.items() if after.get(part) == -count}
        if not moving or set(after) != moving:
            return None
        left = [part for part in before if part not in moving]
        if not left:
            return (self.const(start), end) if start >= self.floor and end > 0 else None
        if len(left) > 1 or before[left[0]] != 1 or end <= 0:
            return None
        return self.add(left[0], start), end

    def moved(self, value: int, size: int, inside: int) -> Location | None:
        """Where the bytes of a stored word come from, when it is a word of memory moved as it is; `inside` it, in
        bytes.
        """
        node = self.nodes[value]
        if size < 4:
            return None
        if node[0] == LOAD and node[4] == size:
            return node[1], node[2] + inside, node[3]
        if node[0] == BYTE and node[5] == size:
            return node[2], node[3] + inside, node[4]
        return None

    def locate(self, term: int) -> tuple[Location, ...]:
        """Where the term points when it is used as an address: one location an alternative."""
        found = self._located.get(term)
        if found is None:
            outer = self._trace
            read = self._trace = set()
            found = self._located[term] = self._locate(term, {})
            self._keep(term, outer, read)
        return found

    def _locate(self, term: int, met: dict[int, tuple[Location, ...]]) -> tuple[Location, ...]:
        """`met`: what this question asked before; a term that is met on the way to itself adds nothing."""
        known = met.get(term)
        if known is not None:
            return known
        met[term] = ()
        out: list[Location] = []
        for one in self.flat(term):
            node = self.nodes[one]
            kind = node[0]
            if kind == CONST:
                if node[1] >= self.floor or len(self.flat(term)) == 1:
                    out.append((GLOBAL, node[1], 0))
            elif kind == ADDR:
                base = self.nodes[node[1]]
                if base[0] == CONST:
                    out.append((GLOBAL, base[1] + node[2], node[3]))
                elif node[2] >= self.floor and self._is_index(node[1]):
                    out.append((GLOBAL, node[2], _both(node[3], self.scale(node[1]))))
                elif base[0] == DERIVED:
                    out += [(root, off, 1) for root, off, _ in self._locate(node[1], met)]
                elif base[0] == OP:
                    out += [
                        (root, off + node[2], _both(step, node[3]) or 1)
                        for root, off, step in self._locate(node[1], met)
                    ]
                else:
                    out.append((node[1], node[2], node[3]))
            elif kind == DERIVED:
                out += [(root, off, 1) for root, off, _ in self._locate(node[1], met)]
            elif kind == OP:
                out += self._indexed(node, met)
            else:
                out.append((one, 0, 0))
        met[term] = self._real(tuple(dict.fromkeys(out)))
        return met[term]

    def _real(self, places: tuple[Location, ...]) -> tuple[Location, ...]:
        """A null pointer that is moved on is no place."""
        if len(places) < 2:
            return places
        return tuple(one for one in places if one[0] != GLOBAL or one[1] >= self.floor) or places

    def _indexed(self, node: tuple[Any, ...], met: dict[int, tuple[Location, ...]]) -> list[Location]:
        """`pointer + index`: the side that looks like a pointer is the base."""
        if node[1] == lift.AND:
            return list(self._locate(node[2], met))
        if node[1] not in (lift.ADD, lift.SUB):
            return []
        left, right = node[2], node[3]
        stride = self.scale(right)
        if node[1] == lift.ADD and self.rank(right) > self.rank(left):
            left, stride = right, self.scale(left)
        return [(root, off, _both(old, stride)) for root, off, old in self._locate(left, met)]

    def _is_index(self, term: int, level: int = 0) -> bool:
        """Whether the term can only be a number: what is added to it is the address."""
        node = self.nodes[term]
        if node[0] == OP:
            if node[1] in (lift.ADD, lift.SUB):
                return level < 6 and self._is_index(node[2], level + 1) and self._is_index(node[3], level + 1)
            return node[1] in _SCALED and self.rank(term) < 1
        if node[0] == CONST:
            return -self.floor < self.signed(_small(node[1]) & self.mask) < self.floor
        if node[0] == MERGE:
            return level < 6 and all(self._is_index(one, level + 1) for one in node[1])
        if node[0] == LOAD:
            return node[4] < self.word  # type: ignore[no-any-return]  # fields of a node are of any type
        if node[0] == PHI:
            self._reads(term)
            return (
                all(self.nodes[one][0] in (CONST, ADDR, BYTE, PHI) for one in self.alternatives[term])
                and self.rank(term) < 1
            )
        if node[0] == RESULT:
            return node[2] in NUMERIC
        return node[0] == BYTE and node[5] < self.word  # type: ignore[no-any-return]  # fields of a node are of any type

    def _reads(self, phi: int) -> None:
        if self._trace is not None:
            self._trace.add(phi)

    def rank(self, term: int, level: int = 0) -> float:
        """How much a term looks like a pointer rather than an index."""
        known = self._ranks.get(term)
        if known is not None:
            if self._trace is not None:
                self._trace |= self._read[term]
            return known
        if level > 6:
            self._short = True
            return -1
        outer, before = self._trace, self._short
        read = self._trace = set()
        self._short = False
        best = self._rank(term, level)
        if not self._short or not level:
            self._ranks[term] = best
            self._keep(term, outer, read)
        else:
            self._trace = outer
            if outer is not None:
                outer |= read
        self._short = before or (self._short and level > 0)
        return best

    def _rank(self, term: int, level: int) -> float:
        best: float = -1
        for one in self.flat(term):
            node = self.nodes[one]
            kind = node[0]
            score: float
            if kind == CONST:
                score = 4 if node[1] >= self.floor else -2
            elif kind == ADDR:
                score = 6 if self.nodes[node[1]][0] in (STACK, HEAP, CONST) else max(1, self.rank(node[1], level + 1))
            elif kind in (STACK, HEAP, DERIVED):
                score = 6
            elif kind == PARAM:
                score = 2 - node[1] / 100
            elif kind == LOAD:
                score = 2 if node[4] == self.word else -1
            elif kind == RESULT:
                score = -1 if node[2] in NUMERIC else 1
            elif kind == OP:
                score = max(self.rank(node[2], level + 1), self.rank(node[3], level + 1)) if node[1] == lift.ADD else -1
            else:
                score = 0
            best = max(best, score)
        return best

    def scale(self, term: int, level: int = 0) -> int:
        """The step of an index: 12 for `i * 12`."""
        if level > 6:
            return 1
        node = self.nodes[term]
        base, factor = self.multiple(term)
        if base != term:
            return factor * self.scale(base, level + 1) if 0 < factor < 1 << 20 else 1
        if node[0] == OP and node[1] == lift.ADD:
            left, right = self.scale(node[2], level + 1), self.scale(node[3], level + 1)
            return _both(left, right)
        if node[0] == PHI:
            self._reads(term)
            steps = {
                self.nodes[one][2]
                for one in self.alternatives[term]
                if self.nodes[one][0] == ADDR and self.nodes[one][1] == term
            }
            if len(steps) == 1:
                return abs(int(steps.pop())) or 1
        return 1

    def multiple(self, term: int, level: int = 0) -> tuple[int, int]:
        """The term as a multiple of another, but for constants that are added: compilers write `i * 36` as
        `((i << 3) + i) << 2`.
        """
        node = self.nodes[term]
        if node[0] == ADDR and not node[3] and level <= 6:
            return self.multiple(node[1], level + 1)
        if node[0] != OP or level > 6:
            return term, 1
        if node[1] in (lift.MUL, lift.SHL):
            factor, other = self._factor(node[3]), node[2]
            if factor is None and node[1] == lift.MUL:
                factor, other = self._factor(node[2]), node[3]
            if not factor or factor >= 1 << 20 or (node[1] == lift.SHL and factor > 20):
                return term, 1
            base, inner = self.multiple(other, level + 1)
            return base, inner * (factor if node[1] == lift.MUL else 1 << factor)
        if node[1] in (lift.ADD, lift.SUB):
            left, many = self.multiple(node[2], level + 1)
            right, more = self.multiple(node[3], level + 1)
            if left == right:
                return left, many + more if node[1] == lift.ADD else many - more
        return term, 1

    def _factor(self, term: int) -> int | None:
        """A constant, also one that was loaded on the condition under which it is used."""
        node = self.nodes[term]
        if node[0] == OP and node[1] == lift.SELECT:
            sides = {self.value(one) for one in node[3:5]} - {None, 0}
            return sides.pop() if len(sides) == 1 else None
        return self.value(term)


class _Walk:
    """The phis met on the way down from a term: a loop's step counts for what lies below its phi and nothing else."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        """The offset at which a phi was first met."""
        self.above: dict[int, set[int]] = {}
        self.steps: dict[int, int] = {}

    def enter(self, phi: int, above: int, offset: int, stride: int) -> bool:
        """Whether the phi is met for the first time; met again further on, it steps."""
        self.above.setdefault(phi, set()).add(above)
        before = self.seen.get(phi)
        if before is None:
            self.seen[phi] = offset
            return True
        if before != offset or stride:
            self.steps[phi] = _both(self.steps.get(phi, 0), abs(offset - before) or stride)
        return False

    def stride(self, phi: int) -> int:
        """The steps of a phi and of all above it."""
        if not self.steps:
            return 0
        out = 0
        stack, done = [phi], {-1}
        while stack:
            one = stack.pop()
            if one not in done:
                done.add(one)
                out = _both(out, self.steps.get(one, 0))
                stack += self.above[one]
        return out


def _small(value: int) -> int:
    """A number as an int of 32 bits, where it may be one."""
    return value - (1 << 32) if value >> 31 == 1 else value


def _both(a: int, b: int) -> int:
    """The stride that covers two strides."""
    while b:
        a, b = b, a % b
    return abs(a)


def overlap(off: int, stride: int, other: int, other_stride: int, size: int = 1) -> bool:
    """Whether two places under the same root may be the same: one place, and one of `size` bytes."""
    if not stride and not other_stride:
        return other <= off < other + size
    if other_stride and not stride and off < other:
        return False
    if stride and not other_stride and other + size <= off:
        return False
    step = _both(stride, other_stride)
    return step == 1 or (off - other) % step < size
