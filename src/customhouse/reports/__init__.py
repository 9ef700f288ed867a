"""A dossier, made readable. `REPORTS` is the register: each entry turns a dossier into text."""

from collections.abc import Callable
from typing import Final

from customhouse.model import Dossier

from . import html, json, sarif, terminal

REPORTS: Final[dict[str, Callable[[Dossier], str]]] = {
    "terminal": terminal.render,
    "json": json.render,
    "html": html.render,
    "sarif": sarif.render,
}

__all__ = ["REPORTS", "html", "json", "sarif", "terminal"]
