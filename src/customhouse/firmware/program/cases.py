"""Ways that met, kept apart: where a join loses a fact that held on one of them, what distinguishes the ways is kept.

After `if (row->checked && !valid(x)) return;` either the row asks for no check or x is valid: no fact is common, and
yet a branch on the row, or a call through it, tells again. Ways with the same facts are one case; a function that
checks nothing has none.
"""

from collections.abc import Iterable

from . import fold
from .computed import again
from .lift import ADD, EQ, LE, LT, NE, SELECT, SLE, SLT
from .orders import signed_word
from .state import CHECKED, Case, Fact, State
from .terms import ADDR, CONST, OP, PHI, Terms

MAX_CASES = 8
NONE = Case({}, frozenset(), {}, {})
"""What is so in any case."""
_TELLING = frozenset(("lacks", "eq", "ne"))
_DEPTH = 6
_ORDERS = frozenset((EQ, NE, LT, LE, SLT, SLE))


def met(terms: Terms, states: list[State], new: State) -> tuple[Case, ...]:
    """The cases of a state behind several others."""
    if not any(one.cases for one in states) and len({telling(one.facts) for one in states}) == 1:
        return ()
    phis = [(key, value) for key, value in new.registers.items() if terms.nodes[value][0] == PHI]
    cells = [(key, entry[1]) for key, entry in new.words.items() if terms.nodes[entry[1]][0] == PHI]
    found: list[Case] = []
    for state in states:
        values = {phi: state.registers[key] for key, phi in phis if state.registers[key] != phi}
        for place, phi in cells:
            entry = state.words.get(place)
            if entry is not None and entry[1] != phi:
                values[phi] = entry[1]
        for case in state.cases or (NONE,):
            bound = {phi: replaced(terms, value, case.values) for phi, value in values.items()}
            whole = seen(state, case)
            found.append(beyond(new, {**case.values, **bound}, whole))
    return few(found)


def answered(state: State, result: int, returns: list[tuple[int, frozenset[Fact]]]) -> tuple[Case, ...]:
    """The cases behind a call that may return in several ways: each with what was so before."""
    if len({telling(facts) for _, facts in returns}) == 1:
        return state.cases
    ways = [Case({result: value}, facts - state.facts, {}, {}) for value, facts in returns]
    before = [one for one in state.cases if result not in one.values]
    if len(ways) * len(before) > MAX_CASES:
        before = []
    if not before:
        return few(ways)
    return few(
        Case({**one.values, **way.values}, one.facts | way.facts, one.ranges, one.masks)
        for one in before
        for way in ways
    )


def seen(state: State, case: Case) -> State:
    """What is known of values here if the case is what happened."""
    out = state.probe()
    out.learn(telling(case.facts))
    out.learn(case.facts)
    for term, span in case.ranges.items():
        known = out.ranges.get(term, span)
        low, high = max(span[0], known[0]), min(span[1], known[1])
        out.ranges[term] = (low, high) if low <= high else span
    for term, mask in case.masks.items():
        out.masks[term] = out.masks.get(term, mask) & mask
    return out


def beyond(state: State, values: dict[int, int], known: State) -> Case:
    """A case of the state: what is known on its way and not on all of them."""
    return Case(
        values,
        known.facts - state.facts,
        {term: span for term, span in known.ranges.items() if state.ranges.get(term) != span},
        {term: mask for term, mask in known.masks.items() if state.masks.get(term) != mask},
    )


def few(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Different cases, when they are not too many; cases that tell the same are one when there are. None when all tell
    the same.
    """
    out: list[Case] = []
    for one in cases:
        if one not in out:
            out.append(one)
    if len(out) > MAX_CASES:
        groups: dict[frozenset[Fact], Case] = {}
        for one in out:
            key = telling(one.facts)
            groups[key] = _either(groups[key], one) if key in groups else one
        out = list(groups.values())
    if len(out) > MAX_CASES or len({telling(one.facts) for one in out}) < 2:
        return ()
    return tuple(out)


def _either(a: Case, b: Case) -> Case:
    return Case(
        {phi: value for phi, value in a.values.items() if b.values.get(phi) == value},
        a.facts & b.facts,
        {
            term: (min(span[0], b.ranges[term][0]), max(span[1], b.ranges[term][1]))
            for term, span in a.ranges.items()
            if term in b.ranges
        },
        {term: mask | b.masks[term] for term, mask in a.masks.items() if term in b.masks},
    )


def telling(facts: frozenset[Fact]) -> frozenset[Fact]:
    """The facts for whose sake ways are kept apart: those that may make a text harmless."""
    return frozenset(fact for fact in facts if fact[0] in _TELLING)


def settled(terms: Terms, state: State, case: Case) -> State:
    """The state if the case is what happened."""
    out = state.copy()
    out.cases = ()
    known = seen(state, case)
    out.facts, out.ranges, out.masks = named(known.facts, case.values), known.ranges, known.masks
    for phi, value in case.values.items():
        number = terms.value(value)
        if number is not None:
            out.ranges[phi] = (terms.signed(number),) * 2
    if case.values:
        for register, held in state.registers.items():
            out.registers[register] = replaced(terms, held, case.values)
        for place, (size, held) in state.words.items():
            now = replaced(terms, held, case.values)
            if now != held:
                out.words[place] = (size, now)
    return out


def named(facts: frozenset[Fact], values: dict[int, int]) -> frozenset[Fact]:
    """The facts, of which those of a text by a name are those by what the name stands for, too."""
    checked = [fact for fact in facts if fact[0] in CHECKED and fact[1] in values]
    return facts | {(fact[0], values[fact[1]], *fact[2:]) for fact in checked}


def truth_in(terms: Terms, term: int) -> int | None:
    """The comparison of which a number is made, and of nothing else that is not known; itself, if it is one."""
    for _ in range(_DEPTH):
        node = terms.nodes[term]
        if node[0] == ADDR and not node[3]:
            term = node[1]
            continue
        if node[0] != OP:
            return None
        if node[1] in fold.BOOLEAN:
            return term
        parts = node[2:3] if node[1] == SELECT else [one for one in node[2:] if terms.nodes[one][0] != CONST]
        if len(parts) != 1:
            return None
        term = parts[0]
    return None


def added(terms: Terms, term: int) -> int | None:
    """The comparison that is added to what a loop counts: `known += !strcmp(text, "on")`."""
    node = terms.nodes[term]
    if node[:2] != (OP, ADD):
        return None
    truths = [one for one in node[2:4] if truth_in(terms, one) == one]
    others = [one for one in node[2:4] if terms.nodes[one][0] == PHI]
    return truths[0] if truths and others else None


def replaced(terms: Terms, term: int, values: dict[int, int], level: int = 0) -> int:
    """A term with phis replaced by what they are."""
    if not values:
        return term
    if term in values:
        return values[term]
    node = terms.nodes[term]
    if level > _DEPTH:
        return term
    if node[0] == ADDR:
        base = replaced(terms, node[1], values, level + 1)
        return term if base == node[1] else terms.add(_extended(terms, base), node[2], node[3])
    if node[0] != OP:
        return term
    parts = [replaced(terms, one, values, level + 1) for one in node[2:]]
    if parts == list(node[2:]):
        return term
    if node[1] == SELECT:
        decided = terms.nodes[parts[0]]
        if decided[0] == CONST:
            return parts[1] if decided[1] else parts[2]
    elif len(parts) == 2:
        if node[1] in _ORDERS:
            parts = [_extended(terms, one) for one in parts]
        return again(terms, node[1], parts)
    return terms.make((OP, node[1], *parts), *parts)


def _extended(terms: Terms, term: int) -> int:
    """A constant int with its sign where words are wider: -1 is one number."""
    node = terms.nodes[term]
    return terms.const(signed_word(terms, node[1])) if node[0] == CONST else term
