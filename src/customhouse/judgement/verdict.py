"""The verdict: what a policy says of an audit. Pure; the same values give the same verdict.

Every question of the policy (findings, coverage, known flaws, age of the feeds) is answered by itself, as reasons
that carry a decision each. The gravest decision wins, in the order refuse, inconclusive, admit-contained, admit: a
proven reason to refuse holds whatever could not be examined, and without one too much unexamined is inconclusive.
"""

import datetime
from collections.abc import Iterable, Sequence

from customhouse.model import (
    Confidence,
    Coverage,
    Decision,
    Deployment,
    FeedStatus,
    Finding,
    Model,
    NotExamined,
    Reason,
    Service,
    Verdict,
    Vulnerability,
)

from .openflaws import reasons_of_vulnerabilities
from .policy import FindingRule, Policy

GRAVITY = (Decision.REFUSE, Decision.INCONCLUSIVE, Decision.ADMIT_CONTAINED, Decision.ADMIT)
_RATINGS = ("kev", "epss")
"""Feeds that rate flaws and name none: a fresh rating says nothing of what is newly known."""
_SURENESS = {Confidence.LOW: 0, Confidence.MEDIUM: 1, Confidence.HIGH: 2}


class Examined(Model, frozen=True, kw_only=True):
    """How far the audit could look: `programs` found, and `programs_read` whose facts are there."""

    root_file_system: bool
    programs: int = 0
    programs_read: int = 0


def gravest(decisions: Iterable[Decision]) -> Decision:
    """The decision that prevails; `admit` when there is none."""
    return min(decisions, key=GRAVITY.index, default=Decision.ADMIT)


def judge(
    *,
    coverage: Coverage,
    examined: Examined,
    findings: Sequence[Finding],
    policy: Policy,
    today: datetime.date,
    vulnerabilities: Sequence[Vulnerability] = (),
    services: Sequence[Service] = (),
    not_examined: Sequence[NotExamined] = (),
    deployment: Deployment | None = None,
    feeds: Sequence[FeedStatus] = (),
    components: int = 0,
) -> Verdict:
    """What `policy` says of what was found on `today`.

    `components` counts the third-party components that were looked up; with none, the age of the feeds is no question.
    """
    deployment = deployment or Deployment()
    reasons, conditions = _of_findings(findings, policy, services)
    reasons += _of_coverage(coverage, examined, not_examined, policy)
    more, also = reasons_of_vulnerabilities(vulnerabilities, policy.vulnerabilities, deployment, today)
    reasons += more
    conditions += also
    if components:
        reasons += _of_feeds(feeds, policy, today)
    decision = gravest(reason.decision for reason in reasons)
    if decision is Decision.ADMIT:
        reasons.append(_nothing_against(coverage, findings))
    reasons.sort(key=lambda reason: GRAVITY.index(reason.decision))
    return Verdict(
        decision=decision,
        reasons=tuple(reasons),
        conditions=tuple(dict.fromkeys(conditions)) if decision is Decision.ADMIT_CONTAINED else (),
    )


def _applies(rule: FindingRule, finding: Finding) -> bool:
    if _SURENESS[finding.confidence] < _SURENESS[rule.confidence_at_least]:
        return False
    return (
        any(tag in finding.tags for tag in rule.tags)
        or finding.severity in rule.severities
        or any(finding.rule.startswith(start) for start in rule.rules)
    )


def _of_findings(
    findings: Sequence[Finding], policy: Policy, services: Sequence[Service]
) -> tuple[list[Reason], list[str]]:
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        for rule in policy.findings:
            if _applies(rule, finding):
                by_rule.setdefault(rule.id, []).append(finding)
                break
    reasons: list[Reason] = []
    conditions: list[str] = []
    for rule in policy.findings:
        hits = by_rule.get(rule.id, [])
        if not hits:
            continue
        reasons.append(
            Reason(
                text=f"{rule.text} {_titles(hits)}",
                rule=rule.id,
                decision=rule.decision,
                findings=tuple(dict.fromkeys(hit.rule for hit in hits)),
            )
        )
        if rule.decision is Decision.ADMIT_CONTAINED:
            conditions.append(rule.condition)
    if conditions and (ports := listening(services)):
        conditions.append(f"The gateway blocks connections to {ports} from everybody whom the owner did not approve.")
    return reasons, conditions


def listening(services: Sequence[Service]) -> str:
    """The ports that boot opens, as `tcp/23 (telnet), udp/1900 (upnp)`; empty when none is known."""
    ports = {
        (port.protocol, port.number): service.kind for service in services if service.at_boot for port in service.ports
    }
    return ", ".join(f"{protocol}/{number} ({kind})" for (protocol, number), kind in sorted(ports.items()))


def _titles(findings: Sequence[Finding], most: int = 3) -> str:
    titles = list(dict.fromkeys(finding.title.rstrip(".") for finding in findings))
    more = f"; and {len(titles) - most} more" if len(titles) > most else ""
    return "Found: " + "; ".join(titles[:most]) + more + "."


def _of_coverage(
    coverage: Coverage, examined: Examined, not_examined: Sequence[NotExamined], policy: Policy
) -> list[Reason]:
    rule = policy.coverage
    gaps: list[tuple[str, str]] = []
    if coverage.share < rule.explained_at_least:
        share = f"{coverage.share:.0%}"
        gaps.append(
            (
                "coverage",
                f"Only {share} of the image's bytes could be explained "
                f"(the policy asks for {rule.explained_at_least:.0%})",
            )
        )
    if rule.root_file_system and not examined.root_file_system:
        gaps.append(
            (
                "root-file-system",
                "No root file system was found (a microcontroller's firmware has none), so accounts, start-up and"
                " services are unknown",
            )
        )
    elif examined.programs and examined.programs_read / examined.programs < rule.programs_read_at_least:
        gaps.append(("programs", f"Only {examined.programs_read} of {examined.programs} programs could be read"))
    named = "; ".join(
        f"{item.what}: {item.outcome}" + (f" ({item.why})" if item.why else "") for item in not_examined[:3]
    )
    more = f"; and {len(not_examined) - 3} more" if len(not_examined) > 3 else ""
    suffixes = [f" Not examined: {named}{more}." if named else "", *([""] * len(gaps))]  # told once
    return [
        Reason(text=f"{text}.{suffix}", rule=name, decision=rule.decision)
        for (name, text), suffix in zip(gaps, suffixes, strict=False)
    ]


def _of_feeds(feeds: Sequence[FeedStatus], policy: Policy, today: datetime.date) -> list[Reason]:
    dates = [feed.date for feed in feeds if feed.date is not None and feed.name not in _RATINGS]
    limit = policy.feeds.stale_after_days
    if not dates:
        text = "Nothing is known of published flaws: no feed is in the store. `customhouse feeds sync` fetches them."
    elif (age := (today - max(dates)).days) > limit:
        text = (
            f"What is known of published flaws is {age} days old (limit {limit}). `customhouse feeds sync` renews it."
        )
    else:
        return []
    return [Reason(text=text, rule="stale-feeds", decision=policy.feeds.decision)]


def _nothing_against(coverage: Coverage, findings: Sequence[Finding]) -> Reason:
    lesser = f"; {len(findings)} lesser findings do not count against it" if findings else ""
    share = f"{coverage.share:.0%}"
    text = f"Nothing that the policy refuses was found, and {share} of the image's bytes were explained{lesser}."
    return Reason(text=text, rule="nothing-against", decision=Decision.ADMIT)
