"""Pieces that are put one behind the other, again and again: how often, and what bounds their sum.

`strcat` in a loop goes on with what the round before left; so does a copy to where the last one ended. A constant
number of rounds bounds the sum by so many pieces. Pieces of one text are together no longer than that; bytes that each
round receives anew, and entries of a list, have no end. A loop that counts something else, and is compared with what
we do not understand, is believed to fit.
"""

from .copyloops import COMPARED, CopyLoops
from .growth import growing
from .join import Head
from .lift import EQ, NE
from .state import Content, State
from .summary import ENDLESS, ONCE, ONE_TEXT, OPEN
from .terms import BYTE, LOAD, OP, RESULT

_UNKNOWN = 0
"""Rounds that something limits of which it is not known what it lets pass."""
_LENGTHS = frozenset(("strlen", "strnlen"))


class Appends:
    """The loops of one function that put pieces behind one another."""

    def __init__(self, copies: CopyLoops, heads: dict[int, Head]) -> None:
        self.copies = copies
        self.activation = copies.activation
        self.terms, self.loops, self.moving = copies.terms, copies.loops, copies.moving
        self.heads = heads
        self.block = 0
        """The block that is being looked at."""
        self.put: dict[int, tuple[int, int]] = {}
        """What instructions put at the end of a text: by the instruction, its block and the text that it puts."""

    def again(self, state: State, target: int, content: Content, site: int) -> int:
        """How often loops go on with the text at `target` from the instruction at `site`, at most."""
        if self.activation.measured.compared(state, target):
            return ONCE
        heads = self._carrying(state, target, site)
        if any(self._measures(head, target) for head in heads):
            return ONCE
        return self._times(heads, content) if heads else OPEN

    def before(self, text: Content, site: int, source: int) -> tuple[int, ...]:
        """The texts that others put at the end of a text before the instruction at `site` puts `source` there, all on
        one way through the function.
        """
        self.put[site] = (self.block, source)
        way = [self.block]
        out: list[int] = []
        for one in sorted(text.appended - {site}):
            block, put = self.put.get(one, (self.block, source))
            if one in self.put and all(self._in_order(block, other) for other in way):
                way.append(block)
                out.append(put)
        return tuple(out)

    def _in_order(self, one: int, other: int) -> bool:
        """Whether a function can come to one of two blocks behind the other, before a loop around both goes round."""
        bodies = self.loops.bodies
        around = {head for head in bodies if one in bodies[head] and other in bodies[head]}
        return one == other or self.copies.leads(one, other, around) or self.copies.leads(other, one, around)

    def repeated(self, moving: int, content: Content) -> int:
        """The same for a text that goes to a place which a loop moves on."""
        return self._times(self._heads(moving), content)

    def _times(self, heads: list[int], content: Content) -> int:
        """How often loops, one in the other, put such a content."""
        rounds, unknown = ONCE, []
        for head in heads:
            most = self._rounds(head)
            if most == _UNKNOWN:
                return ONCE
            if most is None:
                unknown.append(head)
            else:
                rounds *= most
        if not unknown:
            return min(rounds, ONE_TEXT - 1)
        return ENDLESS if any(self._fresh(head, content) for head in unknown) else ONE_TEXT

    def _measures(self, head: int, target: int) -> bool:
        """Whether the loop asks anywhere how long the whole is: it may begin it anew then."""
        asked = (self.copies.tests.get(block) for block in self.loops.bodies[head])
        atoms = [atom for one in asked if one is not None for atom in self.copies.atoms(one)]
        return any(target in self.activation.measured.of(part) for one in atoms for part in self._difference(one)[0])

    def endless(self, moving: int, content: Content) -> bool:
        """Whether each round of the loops that a copy's place moves on with brings bytes of its own."""
        return any(self._fresh(head, content) and self._rounds(head) is None for head in self._heads(moving))

    def rounds_of(self, moving: int) -> int | None:
        """How often the one loop that adds to a number goes round at most, by tests that every round passes."""
        heads = self._heads(moving)
        if len(heads) != 1:
            return None
        found: list[int] = []
        for block, condition in self.copies.leaving(heads[0]):
            if not self.copies.comes_back(heads[0], heads[0], {block}):
                told = self.copies.rounds(condition, heads[0], self.copies.striding) or ()
                found += [abs(self.terms.signed(value)) for one in told if (value := self.terms.value(one)) is not None]
        return min(found, default=None)

    def _heads(self, moving: int) -> list[int]:
        """The loops that add to a number."""
        walks = growing(self.terms, moving)
        return [head for head in self.loops.bodies if any(self.moving.at(one, head) for walk in walks for one in walk)]

    def _carrying(self, state: State, target: int, site: int) -> list[int]:
        """The loops that the text goes round without beginning anew, from the innermost on."""
        out: list[int] = []
        text = self.activation.memory.text
        if site not in text(state, target).appended:
            return out
        bodies = self.loops.bodies
        for head in sorted((one for one in bodies if self.block in bodies[one]), key=lambda one: len(bodies[one])):
            here = self.heads.get(head)
            if here is None or site not in text(here.whole, target).appended:
                break
            out.append(head)
            if site not in text(here.entry, target).appended:
                break
        return out

    def _fresh(self, head: int, content: Content) -> bool:
        """Whether what is copied is received in the loop, or lies in what the loop goes on to."""
        entry = self.heads.get(head)
        if entry is None:
            return False
        before = {dep[:2] for text in entry.entry.texts.values() for dep in text.deps if dep[0] == "X"}
        entries = {one for phi in self._joined(head) if self._chased(phi) for one in self.terms.flat(phi)}
        return any(
            dep[:2] not in before or self.copies.called(self.terms.nodes[dep[1]][1], head)
            if dep[0] == "X"
            else dep[0] == "T" and (dep[1] in entries or head in self.loops.heads_of(dep[1]))
            for dep in content.deps
        )

    def _joined(self, head: int) -> list[int]:
        """The numbers and pointers that a loop's head joins."""
        return list(self.terms.joined.get((self.activation.function.address, head), ()))

    # -- what ends the loop
    def _rounds(self, head: int) -> int | None:
        """How often a loop comes to the block at most; None when it ends with what it reads, or never."""
        found: list[int] = []
        for block, condition in self.copies.leaving(head):
            if self.copies.comes_back(self.block, head, {block}):
                continue
            for atom in self.copies.atoms(condition):
                sums = any(growing(self.terms, one) for one in self._difference(atom)[0])
                told = None if sums else self.copies.told(atom, head, self.copies.striding)
                if told is None and not self._goes_on(atom, head):
                    return _UNKNOWN
                found += told or []
        now = self.activation.now
        numbers = [most for one in found if (most := self.activation.limit(now, one)) is not None]
        if numbers:
            return max(min(numbers), ONCE)
        return _UNKNOWN if found else None

    def _goes_on(self, atom: int, head: int) -> bool:
        """Whether a comparison asks for the end of a list or of the text that the loop walks through."""
        parts, plus = self._difference(atom)
        moving = [one for one in parts if self.moving.at(one, head)]
        alone = len(moving) == len(parts) == 1 and not plus
        if alone and self.terms.nodes[atom][1] in (EQ, NE) and self._chased(moving[0]):
            return True
        if any(self._is_length(one) for one in self._added(parts, moving)):
            return False
        rest = {one for one in parts if not self.moving.varies(one, head)}
        rest.update(part for one in moving for part in self._begun(one))
        if not rest:
            return False
        return any(self.terms.rank(one) >= 1 for one in parts) or any(self._reads(one) for one in moving)

    def _difference(self, atom: int) -> tuple[dict[int, int], int]:
        """What a comparison compares with nothing, as a sum."""
        node = self.terms.nodes[atom]
        if node[0] != OP or node[1] not in COMPARED:
            return {}, 0
        left, right = self.copies.sides(node)
        parts, plus = self.terms.linear(left)
        more, constant = self.terms.linear(right, -1)
        for one, count in more.items():
            parts[one] = parts.get(one, 0) + count
        return {one: count for one, count in parts.items() if count}, plus + constant

    def _chased(self, pointer: int) -> bool:
        """Whether a pointer goes on to what the last one led to."""
        among = {pointer, *self.terms.flat(pointer)}
        found = [self.terms.nodes[one] for one in among]
        return any(node[0] == LOAD and node[1] in among for node in found)

    def _added(self, parts: dict[int, int], moving: list[int]) -> set[int]:
        """What is compared beside the numbers that move, and what these move by."""
        out = set(parts) - set(moving)
        for one in moving:
            for other in self.terms.alternatives[one]:
                inner = self.terms.linear(other)[0]
                out |= inner.keys() - {one} if one in inner else set()
        return out

    def _begun(self, moving: int) -> set[int]:
        """What a number is made of before the first round."""
        ways = self.terms.edges.get(moving) or self.terms.alternatives[moving]
        starts = [self.terms.linear(one)[0] for one in ways]
        return {part for one in starts if moving not in one for part in one}

    def _is_length(self, term: int) -> bool:
        node = self.terms.nodes[term]
        return bool(node[0] == RESULT and node[2] in _LENGTHS)

    def _reads(self, index: int) -> bool:
        """Whether bytes are read where a number leads to."""
        return any(node[0] == BYTE and index in self.terms.linear(node[1])[0] for node in self.terms.nodes)
