"""Conditions that symbol tables settle: which functions of a shared library are called, and which it has at all."""

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import msgspec

from customhouse.model import ElfFacts


class Library(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `symbols.toml`."""

    component: str
    any: dict[str, tuple[str, ...]] = {}
    all: dict[str, tuple[str, ...]] = {}
    none: dict[str, tuple[str, ...]] = {}
    exports: dict[str, tuple[str, ...]] = {}


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    library: tuple[Library, ...]


@lru_cache(maxsize=1)
def libraries() -> dict[str, Library]:
    """The table that ships with the package, by component."""
    text = resources.files(__package__).joinpath("symbols.toml").read_text(encoding="utf-8")
    return {row.component: row for row in msgspec.toml.decode(text, type=_Table).library}


def conditions_of(component: str, copies: Sequence[ElfFacts], users: Sequence[ElfFacts]) -> dict[str, bool]:
    """Facts about `component`, of whose shared libraries `copies` are all and `users` all that load them.

    The library's own parts (its TLS part loads its cryptography) are users of their sister, not of the interface that
    the conditions speak of, and are left out.
    """
    row = libraries().get(component)
    if row is None:
        return {}
    own = {elf.soname for elf in copies}
    calls = [frozenset(elf.imports) for elf in users if elf.soname not in own]
    exported = frozenset(name for elf in copies for name in elf.exports)
    facts: dict[str, bool] = {}
    if calls:
        facts |= {name: any(call & set(named) for call in calls) for name, named in row.any.items()}
        for name, named in row.all.items():
            hits = sum(1 for call in calls if call & set(named))
            if hits in (0, len(calls)):
                facts[name] = bool(hits)
        facts |= {name: False for name, named in row.none.items() if not any(call & set(named) for call in calls)}
    if exported:
        facts |= {name: False for name, named in row.exports.items() if not exported & set(named)}
    return facts
