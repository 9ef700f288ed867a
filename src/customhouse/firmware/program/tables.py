"""The data tables of this room, read once."""

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """A TOML table of this package, parsed."""
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))


NORETURN = frozenset(table("libc.toml")["noreturn"])
