"""How far into an object a copy reaches that does not begin at the object's start.

`memcpy(buffer + used, piece, length)` stays inside when `used + length` does. A copy is told by where the object begins
and by the most bytes from there to its end; tests in force, and what a loop keeps as it goes round, say how many that
is.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from . import bounds, fold, lift
from .conditions import Conditions
from .growth import WIDTH, Parts, entries, grows, lasts, leaves, loads_of, narrow, ways
from .state import State
from .terms import ADDR, BYTE, CONST, GLOBAL, HEAP, LOAD, MERGE, OP, PARAM, PHI, RESULT, STACK, Terms

_DEPTH = 5
_LINKS = 8
"""Numbers that one is made of, one in the other."""
_MOST_PARTS = 4
_WAYS = 2
_ROW = 16
"""A table's rows that are at least so long are objects of their own."""
_WIDTHS = (0xFF, WIDTH)
"""The most that narrow numbers can be, whatever they are: what is put where they are kept may say less."""


class Reach(NamedTuple):
    """`start` is where the object begins, `size` the most bytes from there to the copy's end. `moving` is what the
    pieces before have grown to, when the copy begins where they ended and nothing bounds it: then `size` is that of one
    piece.
    """

    start: int
    size: int
    moving: int | None = None


def of(
    terms: Terms,
    conditions: Conditions,
    state: State,
    target: int,
    size: int,
    limit: int | None = None,
    function: int | None = None,
) -> Reach | None:
    """Where a copy really begins and how far it goes; None when it begins where it says, or when nothing is known.
    `limit` is what bounds its length elsewhere; what loops add to is only asked for those of the `function` at hand: of
    others it is not known here what they compared.
    """
    first = _rest(terms, state, target, size)
    found = of(terms, conditions, state, *first, None, function) if first is not None else None
    if found is not None:
        return found
    begun = _begin(terms, target)
    if begun is None:
        return None
    start, index, more = begun
    if _in_row(terms, state, target, index, size):
        return None
    whole = _least(terms, state, index, more, size) if terms.nodes[size][0] == MERGE else None
    lengths = _cases(terms, conditions, state, size) if whole is None else []
    ends = {_least(terms, one, index, more, length) for one, length in lengths} or {whole}
    end = _sum(index, terms.linear(size)[0], 1)  # a number that a size is less by does not lead on
    on = [one for one in index if end.get(one, 0) > 0]
    lasting = next((one for one in on if lasts(terms, state, one, index)), None)
    if None not in ends:
        numbers = [terms.signed(value) for one in ends if one is not None and (value := terms.value(one)) is not None]
        if len(numbers) == len(ends) and max(numbers) < WIDTH:
            return Reach(start, terms.const(max(numbers)))
        if len(ends) == 1 and not numbers and lasting is None:
            return Reach(start, ends.pop() or terms.zero)
    if limit is not None:
        most = _end(terms, state, index, more + limit)
        bound = None if most is None else terms.value(most)
        if most is not None and bound is not None and bound < WIDTH:
            return Reach(start, most)
    moving = next((one for one in on if grows(terms, state, one, function)), lasting)
    if moving is not None:
        return Reach(start, size, moving)
    whole = _announced(terms, state, index, size) if not more else None
    return None if whole is None else Reach(start, whole)


def _rest(terms: Terms, state: State, target: int, size: int) -> tuple[int, int] | None:
    """Where a copy begins in the first round of a loop, and its length there, when each round leaves as much less to
    copy as it moves on: `while (left) { n = recv(fd, p, left, 0); p += n; left -= n; }` always ends at one place. A
    round may also copy less than what is left.
    """
    (pointer, more), (length, plus) = terms.based(target), terms.based(size)
    uppers = [(fact[2], fact[3]) for fact in state.facts if fact[0] == "most" and fact[1] == length]
    for left, above in [(length, 0), *sorted(uppers)]:
        same = terms.nodes[pointer][0] == PHI and terms.nodes[pointer][:3] == terms.nodes[left][:3]
        first = _first_round(terms, pointer, left) if same and left != pointer else None
        if first is not None:
            return terms.add(first[0], more), terms.add(first[1], plus + above)
    return None


def _first_round(terms: Terms, pointer: int, left: int) -> tuple[int, int] | None:
    """What two values of a loop are at first, when what is added to one as it goes round the other is less by."""
    ways = list(zip(terms.edges.get(pointer, ()), terms.edges.get(left, ()), strict=False))
    first: set[tuple[int, int]] = set()
    for one, other in ways:
        parts, constant = terms.linear(one)
        rest, less = terms.linear(other)
        if not {pointer, left} & (parts.keys() | rest.keys()):
            first.add((one, other))
        elif _sum(parts, rest, 1) != {pointer: 1, left: 1} or constant + less:
            return None
    return first.pop() if len(first) == 1 and len(ways) >= _WAYS else None


def _in_row(terms: Terms, state: State, target: int, index: Parts, size: int) -> bool:
    """Whether a copy goes into the row of a table that an index chose: what it may fill is the row, unless the index
    and the length were compared together.
    """
    places = terms.locate(target)
    if not places or any(root != GLOBAL or stride < _ROW for root, _offset, stride in places):
        return False
    chosen, counted = _entries(terms, index), _entries(terms, terms.linear(size)[0])
    sides = ([*terms.linear(lower)[0], *terms.linear(upper)[0]] for lower, upper, _more in _orders(state))
    compared = (_entries(terms, dict.fromkeys(one, 1)) for one in sides)
    return not chosen & counted and not any(one & chosen and one & counted for one in compared)


def _entries(terms: Terms, parts: Parts) -> frozenset[int]:
    return frozenset(narrow(terms, entries(terms, one)[0]) for one in parts)


def _announced(terms: Terms, state: State, index: Parts, size: int) -> int | None:
    """How much comes in pieces altogether, where each is at most what is left of that: `want = total - got` or less. Of
    pieces that are compared with anything else it is not known.
    """
    parts, _ = terms.linear(size)
    own = {*index, *parts}
    found: set[int] = set()
    told = False  # of the pieces
    for lower, upper, _more in _orders(state):
        if not terms.linear(lower)[0].keys() & own or upper in own or terms.flat(upper) & _rounds(terms, index):
            continue
        whole = _sum(terms.linear(upper)[0], index, 1 if lower in parts else 0)
        if whole.keys() & own or not whole or any(factor != 1 for factor in whole.values()):
            return None
        found.add(_of_parts(terms, whole))
        told = told or lower in parts
    return found.pop() if told and len(found) == 1 else None


def _rounds(terms: Terms, index: Parts) -> frozenset[int]:
    """What an index has counted to at the end of a round."""
    return frozenset(other for one in index for other in terms.flat(one) if terms.nodes[other][0] != CONST)


def _of_parts(terms: Terms, parts: Parts) -> int:
    """A sum as one term: the one that the program itself made, where there is one."""
    first, *others = sorted(parts)
    for one in others:
        first = fold.binary(terms, lift.ADD, first, one, terms.word)
    return first


def _cases(terms: Terms, conditions: Conditions, state: State, size: int) -> list[tuple[State, int]]:
    """A length that was chosen from several, each with what is known where it is."""
    node = terms.nodes[size]
    if node[0] == MERGE:
        return [(state, one) for one in node[1]]
    if node[0] != OP or node[1] != lift.SELECT:
        return [(state, size)]
    out = []
    for side, truth in ((node[3], True), (node[4], False)):
        probe = State()
        probe.masks, probe.ranges, probe.facts = dict(state.masks), dict(state.ranges), state.facts
        if conditions.refine(probe, node[2], truth):
            out.append((probe, side))
    return out


def _least(terms: Terms, state: State, index: Parts, more: int, size: int) -> int | None:
    """The least bound of where a copy ends: a number when there is one."""
    parts, length = terms.linear(size)
    ends = _ends(terms, state, _sum(index, parts, 1), more + length)
    found = [one for one in ends if one is not None and not terms.linear(one)[0].keys() & index.keys()]
    numbers = [terms.signed(value) for one in found if (value := terms.value(one)) is not None]
    return terms.const(min(numbers)) if numbers else found[0] if found else None


def _begin(terms: Terms, target: int) -> tuple[int, Parts, int] | None:
    """Where the object begins that a pointer goes into, and the rest of the pointer."""
    parts, constant = terms.linear(target)
    pointers = [one for one, factor in parts.items() if factor == 1 and terms.rank(one) >= 1]
    pointers = pointers or [one for one, factor in parts.items() if factor == 1 and _is_entry(terms, one)]
    pointers = [one for one in pointers if not _is_field(terms, one, parts)]
    if not pointers or (constant >= terms.data and all(loads_of(terms, one) for one in pointers)):
        return (terms.const(constant), parts, 0) if parts and constant >= terms.data else None
    pointer = max(pointers, key=terms.rank)
    if pointer in terms.edges:
        return _walking(terms, pointer, parts, constant)
    rest = {one: factor for one, factor in parts.items() if one != pointer}
    return (terms.add(pointer, constant), rest, 0) if rest and len(rest) <= _MOST_PARTS else None


def _is_entry(terms: Terms, term: int) -> bool:
    """Whether a term is a word of an array, and may be a pointer."""
    node = terms.nodes[term]
    return bool(node[0] == BYTE and node[5] == terms.word)


def _is_field(terms: Terms, term: int, parts: Parts) -> bool:
    """Whether a word is read from the object that another part of a pointer leads to: `s->text + s->used`."""
    roots = {terms.nodes[one][1] for one in loads_of(terms, term)}
    return any(other != term and not roots.isdisjoint((other, *terms.flat(other))) for other in parts)


def _walking(terms: Terms, pointer: int, parts: Parts, constant: int) -> tuple[int, Parts, int] | None:
    """A pointer that a loop moves on began somewhere."""
    values, phis = leaves(terms, pointer)
    begun = {one for one in values if _is_place(terms, one)}
    if len(begun) != 1:
        return None
    start = begun.pop()
    before, first = terms.linear(start)
    for one in values:
        inner, plus = terms.linear(one)
        if not inner.keys() & (phis | before.keys()) and (before or not 0 <= plus - first < WIDTH):
            return None
    index = _sum(parts, before, -1)
    if 0 < constant < terms.scale(pointer):  # a field of an entry
        return terms.add(start, constant), index, -first
    return start, index, constant - first


def _is_place(terms: Terms, term: int) -> bool:
    """Whether the term is the address of one thing, with nothing but a constant added."""
    parts, constant = terms.linear(term)
    if not parts or constant >= terms.data:
        return not parts and constant >= terms.data
    return list(parts.values()) == [1] and terms.nodes[next(iter(parts))][0] in (STACK, HEAP, PARAM, RESULT, LOAD)


def _sum(parts: Parts, other: Parts, factor: int) -> Parts:
    out = dict(parts)
    for one, count in other.items():
        out[one] = out.get(one, 0) + factor * count
    return {one: count for one, count in out.items() if count}


def _ends(terms: Terms, state: State, total: Parts, constant: int) -> Iterator[int | None]:
    """Bounds of a sum, as terms: by itself, and by each test of a sum that has a part in common with it."""
    yield _end(terms, state, total, constant)
    total = _wide(terms, total)
    kin = _akin(terms, total)
    for lower, upper, difference in _orders(state):
        parts, more = terms.linear(lower)
        parts = _wide(terms, parts)
        if _akin(terms, parts) & kin:
            above, plus = terms.linear(upper)
            rest = _sum(_sum(total, parts, -1), _wide(terms, above), 1)
            if len(rest) <= _MOST_PARTS:
                yield _end(terms, state, rest, constant - more + plus + difference)
    for term, (_low, high) in state.ranges.items():
        if high >= bounds.HUGE or (terms.nodes[term][0] != OP and term not in terms.edges):
            continue
        parts, more = terms.linear(term)
        parts = _wide(terms, parts)
        if (len(parts) > 1 or not parts.keys() <= total.keys()) and _akin(terms, parts) & kin:
            yield _end(terms, state, _sum(total, parts, -1), constant - more + high)


def _orders(state: State) -> Iterator[tuple[int, int, int]]:
    """Numbers that are at most other ones and so many more; also by what these are at most."""
    orders = [fact[1:] for fact in state.facts if fact[0] == "most"]
    for lower, upper, difference in orders:
        yield lower, upper, difference
        yield from ((lower, above, difference + more) for other, above, more in orders if other == upper)


def _wide(terms: Terms, parts: Parts) -> Parts:
    """A sum without the masks of narrow numbers, which comparisons may do without."""
    out: Parts = {}
    for one, factor in parts.items():
        number = narrow(terms, one)
        out[number] = out.get(number, 0) + factor
    return out


def _akin(terms: Terms, parts: Parts) -> set[object]:
    """Unknowns of a sum, and the joins at which some of them are made: others of a join may say the same."""
    return {*parts, *(terms.nodes[one][1:3] for one in parts if one in terms.edges)}


def _end(terms: Terms, state: State, parts: Parts, constant: int) -> int | None:
    """The most that a sum can be, as a term in words of parameters; None when it has no bound here."""
    if len(parts) > _MOST_PARTS:
        return None
    parts, constant = _kept(terms, parts, constant)
    if len(parts) > 1:
        parts, constant = _tested(terms, state, parts, constant)
    out = terms.zero
    for one, factor in parts.items():
        if factor < 0:
            if not _positive(terms, state, one):
                return None
            continue
        most = bounds.most(terms, one, state.ranges)
        told = factor == 1 and (_told_by_callers(terms, one) if terms.open[one] else loads_of(terms, one))
        if most < bounds.HUGE and not (told and most in _WIDTHS):
            constant += factor * most
        elif told:
            out = one if out == terms.zero else fold.binary(terms, lift.ADD, out, one, terms.word)
        else:
            return None
    return terms.add(out, constant)


def _tested(terms: Terms, state: State, parts: Parts, constant: int) -> tuple[Parts, int]:
    """A sum with what a test bounds of it in place of that: a number that is put together from its halves is one."""
    for term, (_low, high) in state.ranges.items():
        if high < bounds.HUGE and terms.nodes[term][0] == OP:
            inner, more = terms.linear(term)
            if len(inner) > 1 and all(parts.get(one) == factor for one, factor in inner.items()):
                parts, constant = _sum(parts, inner, -1), constant + high - more
    return parts, constant


def _told_by_callers(terms: Terms, term: int) -> bool:
    return terms.nodes[term][0] in (PARAM, LOAD)


def _positive(terms: Terms, state: State, term: int, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a number cannot be negative. What a loop only adds such numbers to stays one."""
    if term in seen:
        return True
    node = terms.nodes[term]
    if state.ranges.get(term, (-1, 0))[0] >= 0 or (node[0] == CONST and terms.signed(node[1]) >= 0):
        return True
    parts: Iterable[int] = ()
    if node[0] in (PHI, MERGE):
        parts = ways(terms, term)
    elif node[0] == OP and node[1] == lift.ADD:
        parts = node[2:4]
    elif node[0] == ADDR and node[2] >= 0 and not node[3]:
        parts = node[1:2]
    if parts and len(seen) < _LINKS:
        return all(_positive(terms, state, one, seen | {term}) for one in parts)
    return bool((node[0] == LOAD and node[4] <= 2) or (node[0] == BYTE and node[5] <= 2))


def _kept(terms: Terms, parts: Parts, constant: int, seen: frozenset[object] = frozenset()) -> tuple[Parts, int]:
    """A sum of values that one join makes and that is the same on all ways to it, or the most that it is on any of
    them: `out += n; left -= n`. Of several joins the one that leaves the least to be known.
    """
    best = parts, constant
    for block in {terms.nodes[one][1:3] for one in parts if one in terms.edges} - seen:
        found = _before(terms, parts, constant, block, seen | {block})
        if found is not None and _unknown(found) < _unknown(best):
            best = found
    return best


def _unknown(total: tuple[Parts, int]) -> tuple[int, int]:
    """How much of a sum needs an upper bound."""
    return sum(factor > 0 for factor in total[0].values()), len(total[0])


def _before(
    terms: Terms, parts: Parts, constant: int, block: object, seen: frozenset[object]
) -> tuple[Parts, int] | None:
    """A sum before one join. A way round a loop that leaves the sum as it was or makes it smaller says nothing else."""
    mine = [one for one in parts if one in terms.edges and terms.nodes[one][1:3] == block]
    ways = {len(terms.edges[one]) for one in mine}
    if len(ways) != 1 or len(seen) > _DEPTH + 1:
        return None
    told: list[tuple[Parts, int]] = []
    for way in range(ways.pop()):
        there, more = {one: factor for one, factor in parts.items() if one not in mine}, constant
        for one in mine:
            value, plus = terms.linear(_alone(terms, terms.edges[one][way]), parts[one])
            there, more = _sum(there, value, 1), more + plus
        there, more = _kept(terms, there, more, seen)
        if not _lesser(terms, there, more, parts, constant):
            told.append((there, more))
    for rest, most in told:
        if all(_lesser(terms, *one, rest, most) for one in told):
            return _kept(terms, rest, most, seen)
    return None


def _alone(terms: Terms, term: int) -> int:
    """What a join is when it is the same on all ways: a pointer that was kept in the frame while loops went round."""
    flat = terms.flat(term) if terms.nodes[term][0] == PHI else (term,)
    return next(iter(flat)) if len(flat) == 1 else term


def _lesser(terms: Terms, parts: Parts, constant: int, other: Parts, more: int) -> bool:
    """Whether a sum is at most another one, whatever its unknowns are."""
    rest = _sum(parts, other, -1)
    return constant <= more and all(factor < 0 and _positive(terms, State(), one) for one, factor in rest.items())
