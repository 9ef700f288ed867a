"""What a check has to say."""

from .base import Confidence, Model, Severity
from .evidence import Evidence


class Finding(Model, frozen=True, kw_only=True):
    """One answered question, with its evidence and what to do about it."""

    rule: str
    severity: Severity
    confidence: Confidence
    title: str
    """One sentence that holds for this image."""
    detail: str = ""
    remedy: str = ""
    evidence: tuple[Evidence, ...] = ()
    clauses: tuple[str, ...] = ()
    """Clauses of standards that this bears on: "EN 303 645 5.1-1", "CRA I(2)(d)", "PSTI 1", "EN 18031-1 AUM"."""
    tags: tuple[str, ...] = ()
    """What the policy asks about: `remote-root`, `universal-password`, `back-door`, `debug-interface` ..."""
    subject: str = ""
    """What it is said of (a program, a user, a key), so that findings on one thing can be joined."""


class ClauseResult(Model, frozen=True, kw_only=True):
    """What the image says about one clause. `result`: supports, contradicts, not-testable."""

    clause: str
    result: str
    findings: tuple[str, ...] = ()
    """Rules of the findings it rests on."""
    note: str = ""
