"""Is there any point in upgrading: branches, moves between versions, and the answer."""

import msgspec

from .base import Model


class Branch(Model, frozen=True, kw_only=True):
    """A line of releases that its maker maintains together, from `starts` (inclusive) to `before` (exclusive)."""

    component: str
    name: str
    starts: str
    before: str
    newest: str = ""
    """Newest release known to us."""
    ends: str = ""
    """Month in which maintenance ends or ended, YYYY-MM."""


class BranchCost(Model, frozen=True, kw_only=True):
    """Public functions and build options that are gone after a move. None: not counted."""

    component: str
    origin: str = msgspec.field(name="from")
    to: str
    functions_removed: int | None = None
    functions_of: int | None = None
    options_removed: int | None = None
    measured: str = ""
    """The two releases whose headers were compared."""


class Cost(Model, frozen=True, kw_only=True):
    functions_removed: int | None = None
    options_removed: int | None = None
    note: str = ""


class Move(Model, frozen=True, kw_only=True):
    """One way to upgrade. `clears` and `leaves` are ids of flaws that are reachable or undecided now, or would be."""

    to: str
    kind: str
    """same-branch, next-branch, newest, or smallest where no branches are known."""
    clears: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    """Of `leaves`, those that the version in use does not have."""
    branch: str = ""
    branch_ends: str = ""
    cost: Cost = Cost()
    note: str = ""


class Advice(Model, frozen=True, kw_only=True):
    """`point_in_upgrading`: yes, no, or None while facts that nobody has stated decide it."""

    component: str
    version: str
    point_in_upgrading: bool | None
    answer: str
    matched: int = 0
    reachable: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Facts that would settle what is undecided, as a deployment file names them."""
    branch: str = ""
    branch_ends: str = ""
    complete: bool = False
    """Everything published on the component is known to the store."""
    moves: tuple[Move, ...] = ()
