"""Everything that an audit found out about one image: the JSON that scripts read."""

import msgspec

from .base import Decision, Model
from .component import Component, SbomDifference
from .device import (
    Account,
    ConstructedCommand,
    Endpoint,
    Flow,
    Hardening,
    Secret,
    Service,
    UpdatePath,
)
from .evidence import NotExamined
from .finding import ClauseResult, Finding
from .tree import Coverage, Image, Volume
from .vulnerability import FeedStatus, Vulnerability

SCHEMA = "customhouse/dossier/1"


class Tool(Model, frozen=True, kw_only=True):
    name: str
    version: str


class Rules(Model, frozen=True, kw_only=True):
    version: str


class FileCount(Model, frozen=True, kw_only=True):
    """`total` entries of all kinds in the image, `unique` contents among its regular files."""

    total: int
    unique: int


class Reason(Model, frozen=True, kw_only=True):
    """Why the verdict is what it is: one sentence, the policy rule that said it, and the findings it names."""

    text: str
    rule: str
    decision: Decision
    findings: tuple[str, ...] = ()


class Verdict(Model, frozen=True, kw_only=True):
    decision: Decision
    reasons: tuple[Reason, ...] = ()
    conditions: tuple[str, ...] = ()
    """What must hold for `admit-contained`."""


class Dossier(Model, frozen=True, kw_only=True):
    schema: str = SCHEMA
    tool: Tool
    created: str
    rules: Rules
    feeds: tuple[FeedStatus, ...] = ()
    image: Image
    coverage: Coverage
    files: FileCount
    volumes: tuple[Volume, ...] = ()
    """What was unpacked, with what its headers say: the chip and the IDF version of an ESP image, the kernel's name."""
    components: tuple[Component, ...] = ()
    accounts: tuple[Account, ...] = ()
    services: tuple[Service, ...] = ()
    secrets: tuple[Secret, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    updates: tuple[UpdatePath, ...] = ()
    flows: tuple[Flow, ...] = ()
    constructed_commands: tuple[ConstructedCommand, ...] = ()
    hardening: tuple[Hardening, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()
    findings: tuple[Finding, ...] = ()
    clauses: tuple[ClauseResult, ...] = ()
    sbom_differences: tuple[SbomDifference, ...] = ()
    unnamed_programs: tuple[str, ...] = ()
    """Executables that no component rule named, network-facing and largest first."""
    not_examined: tuple[NotExamined, ...] = ()
    verdict: Verdict
    timing: dict[str, float] = msgspec.field(default_factory=dict)
    """Seconds by stage."""
