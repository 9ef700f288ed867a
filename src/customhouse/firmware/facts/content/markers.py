"""Named features that the update check asks about, from a data file."""

import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec

from ..extractor import Hit, Pattern

_PREFIX: Final = "marker:"
_MOST: Final = 20


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of markers.toml; `sample` must match and `counter` must not."""

    name: str
    expression: str
    sample: str
    counter: str


def _read() -> tuple[Marker, ...]:
    table = tomllib.loads(resources.files(__package__).joinpath("markers.toml").read_text("utf-8"))
    return msgspec.convert(table["marker"], tuple[Marker, ...])


MARKERS: Final = _read()
PATTERNS: Final = tuple(
    Pattern(expression=marker.expression.encode(), tag=_PREFIX + marker.name, multi_line=True, case_insensitive=True)
    for marker in MARKERS
)


def read(hits: Sequence[Hit]) -> dict[str, tuple[int, ...]]:
    """Where each marker ends, by name; the first few."""
    found: dict[str, list[int]] = {}
    for hit in hits:
        if hit.tag.startswith(_PREFIX):
            places = found.setdefault(hit.tag.removeprefix(_PREFIX), [])
            if len(places) < _MOST:
                places.append(hit.end)
    return {name: tuple(found[name]) for name in sorted(found)}
