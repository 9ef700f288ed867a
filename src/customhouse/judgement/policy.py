"""A policy: rules over findings, coverage, vulnerabilities and feeds, written in TOML (see docs/guides/policy.md).

Decoding is strict: an unknown key or a wrong type is an error that names the place, since a rule that was misspelt
and silently dropped would let a device pass.
"""

from importlib import resources

import msgspec

from customhouse.model import Confidence, Decision, Severity


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the policy file."""


class CoverageRule(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of an image must have been examined before its silence means anything. Shares are 0..1."""

    explained_at_least: float = 0.75
    root_file_system: bool = True
    """Without a root file system found, nothing is known of accounts and start-up."""
    programs_read_at_least: float = 0.75
    """Share of the programs whose facts could be read."""
    decision: Decision = Decision.INCONCLUSIVE


class FindingRule(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Applies to findings that have one of `tags`, or one of `severities`, or a rule that starts with one of `rules`.

    The first rule of the file that applies to a finding is the one that counts.
    """

    id: str
    decision: Decision
    text: str
    tags: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    rules: tuple[str, ...] = ()
    confidence_at_least: Confidence = Confidence.MEDIUM
    condition: str = ""
    """What must hold for `admit-contained`."""


class VulnerabilityRule(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What known flaws mean for admission."""

    known_exploited_reachable: Decision = Decision.REFUSE
    exploited_positions: tuple[str, ...] = ("P1", "P2", "P3", "P4", "P5", "P8")
    """Reached from one of these; what takes code or hands on the device first is left to the other rules."""
    clock_days: int = 45
    """Days that a maker has, from the earliest of fixed release, advisory and CVE."""
    overdue_without_update: Decision = Decision.REFUSE
    update_unknown: Decision = Decision.INCONCLUSIVE
    end_of_life: Decision = Decision.ADMIT_CONTAINED
    """The maker's support has ended: what is found from now on will not be fixed."""
    undecided_severities: tuple[Severity, ...] = (Severity.CRITICAL, Severity.HIGH)
    """Statements still under investigation leave the question open when the flaw is this grave ..."""
    undecided_positions: tuple[str, ...] = ("P1", "P2", "P3", "P4", "P5")
    """... and could be reached from one of these."""
    gateway_removes: tuple[str, ...] = ("P1", "P4", "P5")
    """Positions from which a customhouse gateway keeps everybody but those whom the owner approved."""


class FeedRule(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How old knowledge may be, in days, before "nothing known" stops meaning anything."""

    stale_after_days: int = 180
    decision: Decision = Decision.INCONCLUSIVE


class Policy(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    version: int = 1
    coverage: CoverageRule = CoverageRule()
    findings: tuple[FindingRule, ...] = ()
    vulnerabilities: VulnerabilityRule = VulnerabilityRule()
    feeds: FeedRule = FeedRule()


def parse_policy(text: str) -> Policy:
    """Read a policy file. Raises ValueError with one line that names the place."""
    try:
        policy = msgspec.toml.decode(text, type=Policy)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"not a policy: {error}") from None
    seen: set[str] = set()
    for rule in policy.findings:
        if rule.id in seen:
            raise ValueError(f"not a policy: two rules are called {rule.id}")
        if not (rule.tags or rule.severities or rule.rules):
            raise ValueError(
                f"not a policy: rule {rule.id} names no tags, severities or rules, so it would never apply"
            )
        if rule.decision is Decision.ADMIT_CONTAINED and not rule.condition:
            raise ValueError(f"not a policy: rule {rule.id} admits contained but states no condition")
        seen.add(rule.id)
    return policy


def default_policy() -> Policy:
    """The policy that ships with the package."""
    return parse_policy(resources.files(__package__).joinpath("default_policy.toml").read_text(encoding="utf-8"))
