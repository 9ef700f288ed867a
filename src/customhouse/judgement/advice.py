"""Is there any point in upgrading? For one component: the moves there are, what each clears, leaves, brings and costs.

The version in use and every candidate are judged by the same rules for the same deployment, so a move is only called
a gain when it takes away something that can be used. Branches are never ranked by how many flaws match them.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from customhouse.model import Advice, Branch, BranchCost, Cost, Move, Vulnerability

from .wording import answer_of

Assess = Callable[[str], Sequence[Vulnerability]]
Order = Callable[[str], tuple[Any, ...]]


@dataclass(frozen=True)
class Landscape:
    """What there is to move to. `assess` judges a version, `order` gives its sort key, `candidates` are releases known
    to exist."""

    assess: Assess
    order: Order
    candidates: Sequence[str] = ()
    branches: Sequence[Branch] = ()
    costs: Sequence[BranchCost] = ()
    complete: bool = False
    """Everything published on the component is known."""


def advise(component: str, version: str, landscape: Landscape, today: datetime.date) -> Advice:
    """The advice on one component."""
    rows = landscape.assess(version)
    reachable = _ids(rows, "affected")
    undecided = _ids(rows, "under_investigation")
    branch = branch_of(version, landscape)
    moves = _moves(version, reachable + undecided, landscape, today)
    point = True if reachable else (None if undecided else False)
    if point and not any(set(move.clears) & set(reachable) for move in moves):
        point = False  # nothing known to exist would take away what can be reached
    missing = tuple(dict.fromkeys(name for row in rows for name in row.reachability.missing))
    return Advice(
        component=component,
        version=version,
        point_in_upgrading=point,
        answer=answer_of(component, version, rows, point, branch, moves, landscape.complete, today),
        matched=len(rows),
        reachable=reachable,
        undecided=undecided,
        missing=missing,
        branch=branch.name if branch else "",
        branch_ends=branch.ends if branch else "",
        complete=landscape.complete,
        moves=moves,
    )


def branch_of(version: str, landscape: Landscape) -> Branch | None:
    """The branch that holds `version`."""
    key = landscape.order(version)
    for branch in landscape.branches:
        if landscape.order(branch.starts) <= key < landscape.order(branch.before):
            return branch
    return None


def _ids(rows: Sequence[Vulnerability], status: str) -> tuple[str, ...]:
    return tuple(row.id for row in rows if row.reachability.status == status)


def _open(rows: Sequence[Vulnerability]) -> tuple[str, ...]:
    return _ids(rows, "affected") + _ids(rows, "under_investigation")


_UNSUPPORTED = "its branch has ended: makers seldom say whether later flaws concern it"


def _ended(branch: Branch | None, month: str) -> bool:
    return branch is not None and bool(branch.ends) and branch.ends < month


def _moves(version: str, now: tuple[str, ...], landscape: Landscape, today: datetime.date) -> tuple[Move, ...]:
    order, here = landscape.order, branch_of(version, landscape)
    later = sorted({item for item in landscape.candidates if order(item) > order(version)}, key=order)
    found: list[tuple[str, str]] = []
    inside = [item for item in later if here and branch_of(item, landscape) == here]
    if now and inside:
        found.append((_smallest(inside, now, landscape.assess), "same-branch"))
    for branch in landscape.branches:
        if branch.newest in later and branch != here:
            found.append((branch.newest, "next-branch"))
    month = f"{today:%Y-%m}"
    outside = [item for item in later if item not in inside and not _ended(branch_of(item, landscape), month)]
    if here and outside and not any(kind == "next-branch" for _, kind in found):
        found.append((outside[-1], "next-branch"))
    elif not here and outside and now:
        found.append((_smallest(outside, now, landscape.assess), "smallest"))
    if later and not found:
        found.append((later[-1], "newest"))
    moves: dict[str, Move] = {}
    for target, kind in found:
        move = _move(target, kind, now, here, landscape)
        if _ended(branch_of(target, landscape), month):
            move = msgspec.structs.replace(move, note=_UNSUPPORTED)
        moves.setdefault(target, move)
    return tuple(moves.values())


def _smallest(versions: Sequence[str], now: tuple[str, ...], assess: Assess) -> str:
    """The first version that leaves the fewest of what is open now."""
    best = versions[-1]
    fewest = len(_left(best, now, assess))
    low, high = 0, len(versions) - 1
    while low < high:  # fixes stay fixed along a branch, so what is left only shrinks
        middle = (low + high) // 2
        if len(_left(versions[middle], now, assess)) <= fewest:
            high = middle
        else:
            low = middle + 1
    return versions[high]


def _left(version: str, now: tuple[str, ...], assess: Assess) -> set[str]:
    return set(now) & set(_open(assess(version)))


def _move(target: str, kind: str, now: tuple[str, ...], here: Branch | None, landscape: Landscape) -> Move:
    then = _open(landscape.assess(target))
    there = branch_of(target, landscape)
    return Move(
        to=target,
        kind=kind,
        clears=tuple(name for name in now if name not in then),
        leaves=then,
        brings=tuple(name for name in then if name not in now),
        branch=there.name if there else "",
        branch_ends=there.ends if there else "",
        cost=_cost(here, there, landscape.costs),
    )


def _cost(here: Branch | None, there: Branch | None, costs: Sequence[BranchCost]) -> Cost:
    if here and there and here == there:
        return Cost(note="same branch: the public interface stays")
    for cost in costs:
        if here and there and (cost.origin, cost.to) == (here.name, there.name):
            of = f" of {cost.functions_of} public functions" if cost.functions_of else ""
            return Cost(
                functions_removed=cost.functions_removed,
                options_removed=cost.options_removed,
                note=f"counted from {cost.measured}{of}",
            )
    return Cost(note="what it costs was not counted")
