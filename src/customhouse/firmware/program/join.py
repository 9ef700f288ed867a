"""Where paths meet: equal values stay, others become phis; facts hold when they held on every path."""

import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

from . import bounds, cases, pieces, private, tallied, untold, whens
from .alike import Alike, is_byte
from .fields import checked, meet
from .measured import ended
from .state import UPTO, Fact, State
from .terms import ADDR, PHI, RESULT, STACK, Location, Terms

_NOTHING = (0, 0)
_MAX_FACTS = 60
_HEADER = 64
"""As far a text of unknown length is believed to reach where a number was that is gone."""
_MAX_WAYS = 12
"""Ways to a value that are told apart; of more than that nothing is known."""
Implied = dict[int, tuple[tuple[int, frozenset[Fact]], ...]]
"""For a phi: each value it may have, with the facts that held on the path that gave it."""


def join(
    terms: Terms,
    function: int,
    block: int,
    states: list[State],
    flags: frozenset[int],
    implied: Implied,
    stack: int = -1,
) -> State:
    """The state behind `states` at the head of `block`. `stack` is the stack register: a loop that probes pages is
    followed step by step.
    """
    first = states[0]
    if len(states) == 1:
        return first.copy()
    new = State()
    common = _common(states)
    new.facts = common
    differs = any(one.facts != common for one in states)
    if differs:
        new.facts = new.facts | ended(terms, states) | whens.shared([one.facts for one in states])
    _registers(terms, function, block, states, flags, new, implied, differs)
    if stack >= 0 and all(stack in one.registers for one in states):
        new.registers[stack] = _lowest(terms, [one.registers[stack] for one in states])
    _words(terms, function, block, states, new)
    new.texts = meet([checked(terms, state, common) if differs else state.texts for state in states], terms)
    for key in {key for one in states for key in one.masks if key in first.masks or key < 0}:
        # a byte that was not replaced on a way is there as it was read
        found = [one.masks.get(key, one.masks.get(-key) if key < 0 else None) for one in states]
        whole = 0
        for mask in found:
            if mask is None:
                break
            whole |= mask
        else:
            new.masks[key] = whole
    for key, (low, high) in first.ranges.items():
        for one in states[1:]:
            span = one.ranges.get(key)
            if span is None:
                break
            low, high = min(low, span[0]), max(high, span[1])  # noqa: PLW2901 - the running value
        else:
            new.ranges[key] = (low, high)
    new.cases = cases.met(terms, states, new)
    new.private, new.shared = private.met(states)
    new.untold = untold.met(states, new)
    return new


class Head(NamedTuple):
    """A loop's head when it was last visited: the state that entered the loop, and that joined with the back edges."""

    entry: State
    whole: State


def carried(terms: Terms, block: int, entry: State, back: State, before: Head) -> State:
    """The state of a back edge, with what went round the loop unchanged replaced by what enters the loop now.

    Unchanged is what the loop was entered with, and the head's own phis: such values are out of date when the loop is
    entered with something else.
    """
    new = back.copy()
    for kind in ("registers", "words", "texts", "masks", "ranges"):
        now, there = getattr(entry, kind), getattr(new, kind)
        entered, whole = getattr(before.entry, kind), getattr(before.whole, kind)
        for key, value in whole.items():
            if there.get(key) != value:
                continue
            if entered.get(key) != value:
                if kind not in ("registers", "words") or not _own(terms, block, value):
                    continue
                if now.get(key) == entered.get(key):
                    continue  # it did change in an earlier round, and it is entered with the same
            if key in now:
                there[key] = now[key]
            else:
                del there[key]
        for key, value in now.items():
            if key not in whole and key not in there and key not in entered:  # else the loop lost it
                there[key] = value
    lost = (before.whole.facts - back.facts) | (before.entry.facts - before.whole.facts)  # now, or in an earlier round
    new.facts = (entry.facts - lost) | (back.facts - before.whole.facts)
    return new


def _own(terms: Terms, block: int, value: int | tuple[int, int]) -> bool:
    node = terms.nodes[value if isinstance(value, int) else value[1]]
    return bool(node[0] == PHI and node[2] == block)


def _registers(
    terms: Terms,
    function: int,
    block: int,
    states: list[State],
    flags: frozenset[int],
    new: State,
    implied: Implied,
    differs: bool,
) -> None:
    registers = new.registers
    made: dict[tuple[int, ...], int] = {}
    compared = any(fact[0] == "most" for state in states for fact in state.facts)
    told = tallied.told(states)
    lacking = [_lacking(one.facts) for one in states]
    begun = [pieces.begun(one.facts) for one in states]
    others = [one.registers for one in states[1:]]
    for key, value in states[0].registers.items():
        same = True
        whole = True
        for one in others:
            other = one.get(key)
            if other is None:
                whole = False
                break
            if other != value:
                same = False
        if not whole:
            continue
        if same:
            registers[key] = value
        elif key not in flags:
            values = tuple(state.registers[key] for state in states)
            # one byte in two registers: a test of one is a test of the other
            one_byte = values in made and any(is_byte(terms, one) for one in values)
            known = made[values] if one_byte else terms.anyone(values)
            known = _found(terms, states, values) if known is None else known
            phi = terms.phi(function, block, key) if known is None else known
            new.facts = new.facts | tallied.met(terms, phi, values, states, told)
            if known is not None:
                registers[key] = known
                continue
            for state, given in zip(states, values, strict=True):
                # a pointer that was found to be null leads nowhere: what it may be elsewhere is nothing here
                terms.add_alternative(phi, terms.zero if state.ranges.get(given) == _NOTHING else given)
            terms.edges[phi] = values
            terms.joined.setdefault((function, block), {})[phi] = None
            registers[key] = made[values] = phi
            _learned(terms, states, key, phi, new, compared)
            new.facts = (
                new.facts | _absent(terms, phi, values, lacking) | pieces.ahead(terms, phi, values, states, begun)
            )
            if differs or any(one in implied for one in values):
                implied[phi] = _implied(terms, states, key, implied)
    Alike(terms, states, new, made).rewrite()
    if compared:
        new.facts = new.facts | bounds.left(terms, states, made)
        new.facts = new.facts | bounds.between(terms, states, made, _MAX_FACTS - len(new.facts))


def _learned(terms: Terms, states: list[State], key: int, phi: int, new: State, compared: bool) -> None:
    """What every path knows of its value is known of the phi."""
    mask = _mask(terms, states, key)
    if mask is not None:
        new.masks[phi] = mask
    span = _span(terms, states, [state.registers[key] for state in states])
    if span is not None:
        new.ranges[phi] = span
    if compared and len(new.facts) < _MAX_FACTS:
        new.facts = new.facts | bounds.ordered(terms, phi, [(state.registers[key], state) for state in states])


def _absent(terms: Terms, phi: int, values: Sequence[int], lacking: Sequence[dict[object, int]]) -> frozenset[Fact]:
    """The bytes that the text of one of several values lacks whichever it is, by what its path tells; where it is NULL
    there is none.
    """
    found = [known.get(value, 0) for known, value in zip(lacking, values, strict=True) if terms.value(value) != 0]
    lacks = functools.reduce(operator.and_, found) if found else 0
    return frozenset({("lacks", phi, lacks)} if lacks else ())


def _common(states: list[State]) -> frozenset[Fact]:
    """Facts of every path."""
    return shared([one.facts for one in states])


def shared(paths: Sequence[frozenset[Fact]]) -> frozenset[Fact]:
    """What each of several sets of facts tells; of sets of absent bytes, what is absent by all of them, of ends of a
    text the last one.
    """
    first = paths[0]
    if all(one == first for one in paths):
        return first
    common = first
    for one in paths[1:]:
        common = common & one
    lacking = [_lacking(one) for one in paths]
    out = set(common | bounds.agreed(list(paths)))
    for pointer, mask in lacking[0].items():
        for other in lacking[1:]:
            mask &= other.get(pointer, 0)  # noqa: PLW2901 - the running value
        if mask:
            out.add(("lacks", pointer, mask))
    begun = [pieces.begun(one) for one in paths]
    for piece, mask in begun[0].items() if all(begun) else ():
        lacks = functools.reduce(operator.and_, (known.get(piece, 0) for known in begun), mask)
        out |= {(UPTO, *piece, lacks)} if lacks else set()
    ends = [_ending(one) for one in paths]
    out |= {("ends", one, max(end[one] for end in ends)) for one in ends[0] if all(one in end for end in ends)}
    return frozenset(out)


def _ending(facts: frozenset[Fact]) -> dict[int, int]:
    """By text: where it ends at the latest."""
    out: dict[int, int] = {}
    for fact in facts:
        if fact[0] == "ends":
            out[fact[1]] = min(fact[2], out.get(fact[1], fact[2]))
    return out


def _lacking(facts: frozenset[Fact]) -> dict[object, int]:
    out: dict[object, int] = {}
    for fact in facts:
        if fact[0] == "lacks":
            out[fact[1]] = out.get(fact[1], 0) | int(fact[2])
    return out


def _mask(terms: Terms, states: list[State], key: int) -> int | None:
    """Byte values of a phi: those that each path left to its value; None when one of them is not bounded."""
    out = 0
    tested = False
    for state in states:
        value = state.registers[key]
        mask = state.masks.get(value)
        if mask is None:
            constant = terms.value(value)
            if constant is None or constant > 255:
                return None
            mask = 1 << constant
        else:
            tested = True
        out |= mask
    return out if tested else None


def _span(terms: Terms, states: list[State], values: Sequence[int]) -> tuple[int, int] | None:
    """The range of a phi, when every path knows that of its value."""
    low, high = 1 << 62, -(1 << 62)
    tested = False
    for state, value in zip(states, values, strict=True):
        span = bounds.span(terms, value, state.ranges)
        if span is None:
            return None
        tested = tested or terms.value(value) is None
        low, high = min(low, span[0]), max(high, span[1])
    return (low, high) if tested else None


def _lowest(terms: Terms, values: list[int]) -> int:
    """The deepest of several stack pointers: frames larger than a page are made in a loop."""
    return min(values, key=lambda one: terms.nodes[one][2] if terms.nodes[one][0] == ADDR else 0)


def _implied(terms: Terms, states: list[State], key: int, implied: Implied) -> tuple[tuple[int, frozenset[Fact]], ...]:
    out: list[tuple[int, frozenset[Fact]]] = []
    for state in states:
        value = state.registers[key]
        for other, facts in implied.get(value) or ((value, frozenset()),):  # there may have been too many to tell
            low, high = state.ranges.get(other, (0, 1))
            known = terms.const(low) if low == high else other  # a test on the way told
            told = cases.named(state.facts, {value: known})
            out.append((known, facts | told | pieces.led(terms, state, known)))
    ways = tuple(dict.fromkeys(out))
    return ways if len(ways) <= _MAX_WAYS else ()


def _found(terms: Terms, states: list[State], values: tuple[int, ...]) -> int | None:
    """The result of a call that was found to be each of these constants, on the way where it is: `n == 2 || n == 5`."""
    told = [terms.value(one) for one in values]
    if None in told:
        return None
    found = (one for one, span in states[0].ranges.items() if span == (told[0], told[0]))
    results = (one for one in found if terms.nodes[one][0] == RESULT)
    alike = (one for one in results if all(s.ranges.get(one) == (n, n) for s, n in zip(states, told, strict=True)))
    return next(alike, None)


def _words(terms: Terms, function: int, block: int, states: list[State], new: State) -> None:
    keys = set(states[0].words)
    for one in states[1:]:
        if one.words is not states[0].words:
            keys.update(one.words)
    for key in keys:
        values = [one.words.get(key) for one in states]
        first = values[0]
        if first is not None and all(one == first for one in values):
            new.words[key] = first
            continue
        size = max(one[0] for one in values if one is not None)
        if _overwritten(terms, key, states):
            continue
        anyone = terms.anyone([one[1] for one in values if one is not None]) if None not in values else None
        if anyone is not None:
            new.words[key] = (size, anyone)
            continue
        phi = terms.phi(function, block, key)
        own = terms.nodes[key[0]][0] == STACK
        edges = tuple(one[1] if one is not None else phi if own else before(terms, key, size) for one in values)
        for value in edges:
            terms.add_alternative(phi, value)
        terms.edges[phi] = edges
        new.words[key] = (size, phi)
        span = _span(terms, states, edges) if None not in values else None
        if span is not None:
            new.ranges[phi] = span


def _overwritten(terms: Terms, place: Location, states: list[State]) -> bool:
    """Whether a number stands here on some paths and a text from outside on another: then only the text is told."""
    root, offset, stride = place
    if stride:
        return False
    texted = False
    for one in states:
        entry = one.words.get(place)
        if entry is None:
            near = (key for key in one.texts.of(root) if offset - _HEADER < key[1] <= offset and not key[2])
            begun = max(near, default=None)
            text = None if begun is None else one.texts[begun]
            if begun is not None and text is not None and text.deps:
                texted = texted or offset < begun[1] + (text.extent or _HEADER)
        elif any((value := terms.value(part)) is None or value >= terms.floor for part in terms.flat(entry[1])):
            return False
    return texted


def before(terms: Terms, place: Location, size: int) -> int:
    """The value that memory held at a place before the function ran."""
    root, offset, stride = place
    return terms.load(root, offset, stride, size)
