"""Maintained branches of components, and what a move between two of them costs."""

from functools import lru_cache
from importlib import resources

import msgspec

from customhouse.model import Branch, BranchCost


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    branch: tuple[Branch, ...]
    cost: tuple[BranchCost, ...]


@lru_cache(maxsize=1)
def _table() -> _Table:
    text = resources.files(__package__).joinpath("branches.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=_Table)


def branches_of(component: str) -> tuple[Branch, ...]:
    """Branches of a component, oldest first; empty where none are known."""
    return tuple(branch for branch in _table().branch if branch.component == component)


def costs_of(component: str) -> tuple[BranchCost, ...]:
    return tuple(cost for cost in _table().cost if cost.component == component)
