"""Statements about flaws that one party makes to another (VEX), whatever document carries them."""

from .base import Model, Purl


class VexSubject(Model, frozen=True, kw_only=True):
    """The product that statements are made of: an image, a supplier's list, or a component by itself."""

    name: str
    version: str = ""
    sha256: str = ""


class VexStatement(Model, frozen=True, kw_only=True):
    """One statement, as read. Statuses and justifications are OpenVEX's, whatever the document called them."""

    vulnerability: str
    aliases: tuple[str, ...] = ()
    status: str
    justification: str = ""
    detail: str = ""
    action: str = ""
    components: tuple[tuple[str, str], ...] = ()
    """(name, version) of what it is said of; the version may be empty. Nothing: of the whole product."""
    purls: tuple[Purl, ...] = ()
    perimeter: bool = False
    source: str = ""
    """File name of the document, and who wrote it."""
