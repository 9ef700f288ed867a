"""What is left of a function's evaluation for those who ask afterwards: on which ways control went, what was tested on
each, and what was called with what.

Nothing of it is read while functions are evaluated, so that what is found does not depend on it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .state import Content, Fact, State
from .terms import PHI

if TYPE_CHECKING:
    from .evaluate import Evaluation

_TOLD = frozenset(("eq", "word"))


class Edge(NamedTuple):
    """A way from one block to the next."""

    told: frozenset[Fact]
    """What texts and words in memory were found to be."""
    tested: int | None
    """The term that led here, and the values with which it does; no values where any but 0 does."""
    values: frozenset[int] | None


class Made(NamedTuple):
    """A call: a function of the program, or the name of another one, with what, and what it gave."""

    target: int
    name: str
    arguments: tuple[int, ...]
    result: int | None
    texts: tuple[Content | None, ...]
    """For functions that compare texts: those of them that were put together."""


class Trace(NamedTuple):
    """One function's."""

    order: tuple[int, ...]
    edges: Mapping[tuple[int, int], Edge]
    joins: Mapping[int, tuple[int, Mapping[int, int]]]
    """For a phi: its block, and its value by the block that control comes from."""
    returned: Mapping[int, int]
    """The value that each block returns."""
    made: Mapping[int, tuple[Made, ...]]
    """The call that each block ends with, once for each way in which it is made."""


def traced(evaluation: "Evaluation") -> Trace:
    """What is kept of an evaluation that is done."""
    edges = {
        at: Edge(frozenset(fact for fact in state.facts if fact[0] in _TOLD), *evaluation.tested.get(at, (None, None)))
        for at, state in evaluation.ways.edges.items()
    }
    joins: dict[int, tuple[int, dict[int, int]]] = {}
    for block, head in evaluation.heads.items():
        ways = evaluation.ways.into(block)
        if len(ways) < 2 and not (ways and block == evaluation.function.order[0]):
            continue
        for phi in _phis(evaluation, block, head.whole):
            slot = evaluation.terms.nodes[phi][3]
            joins[phi] = (block, {one: found for one, state in ways if (found := _held(state, slot)) is not None})
    returned = {block: value for block, (value, _) in evaluation.returns.returned.items()}
    made = {block: tuple(calls) for block, calls in evaluation.made.items() if calls}
    return Trace(tuple(evaluation.function.order), edges, joins, returned, made)


def _phis(evaluation: "Evaluation", block: int, state: State) -> set[int]:
    nodes = evaluation.terms.nodes
    held = {*state.registers.values(), *(value for _, value in state.words.values())}
    own = (PHI, evaluation.function.address, block)
    return {one for one in held if nodes[one][:3] == own}


def _held(state: State, slot: object) -> int | None:
    if isinstance(slot, int):
        return state.registers.get(slot)
    entry = state.words.get(slot) if isinstance(slot, tuple) and len(slot) == 3 else None
    return None if entry is None else entry[1]
