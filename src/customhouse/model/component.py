"""Third-party software that a device carries."""

from .base import Confidence, How, Model, Purl
from .evidence import Evidence


class Component(Model, frozen=True, kw_only=True):
    """A named component. `version` is upstream's, empty when unknown; a packaging revision is kept in `revision`."""

    name: str
    version: str = ""
    revision: str = ""
    purl: Purl = Purl("")
    cpes: tuple[str, ...] = ()
    """CPE 2.3 names, the present vendor and product first, former ones after."""
    how: How
    confidence: Confidence
    evidence: tuple[Evidence, ...] = ()
    files: tuple[str, ...] = ()
    """Image paths of the files that are (part of) this component."""


class SbomDifference(Model, frozen=True, kw_only=True):
    """A disagreement between a supplier's SBOM and what the image holds. `kind`: missing, extra, version."""

    component: str
    kind: str
    supplier: str = ""
    found: str = ""
