"""What known flaws mean for a verdict: exploited and reachable, overdue without an update, undecided, containable."""

import datetime
from collections.abc import Sequence

from customhouse.model import Decision, Deployment, Reason, Vulnerability

from .clock import Update, overdue, parse_date, update_since
from .policy import VulnerabilityRule


def reasons_of_vulnerabilities(
    vulnerabilities: Sequence[Vulnerability],
    rule: VulnerabilityRule,
    deployment: Deployment,
    today: datetime.date,
) -> tuple[list[Reason], list[str]]:
    """Reasons, and conditions of containment. Flaws that cannot be reached, or are fixed, give neither."""
    reachable = [row for row in vulnerabilities if row.reachability.status == "affected"]
    undecided = [row for row in vulnerabilities if _open_question(row, rule)]
    reasons = _exploited(reachable, rule)
    reasons += _late(reachable, rule, deployment, today)
    reasons += _undecided(undecided, rule, deployment, today)
    contained, conditions = _containment(reachable, rule)
    ended, also = _end_of_life(rule, deployment, today)
    return reasons + contained + ended, conditions + also


def _end_of_life(
    rule: VulnerabilityRule, deployment: Deployment, today: datetime.date
) -> tuple[list[Reason], list[str]]:
    ended = parse_date(deployment.support_until)
    if ended is None or ended >= today or rule.end_of_life is Decision.ADMIT:
        return [], []
    text = f"The maker's support ended on {ended}: flaws found since will not be fixed."
    condition = (
        "The gateway lets the device talk to declared hosts only, and it is replaced when a flaw of it is reachable."
    )
    return [_reason(text, "end-of-life", rule.end_of_life, ())], [condition]


def _open_question(row: Vulnerability, rule: VulnerabilityRule) -> bool:
    if row.reachability.status != "under_investigation":
        return False
    if not set(row.reachability.positions) & set(rule.undecided_positions):
        return False
    return row.known_exploited or row.severity in rule.undecided_severities


def _names(rows: Sequence[Vulnerability], most: int = 5) -> str:
    named = ", ".join(f"{row.id} ({row.component} {row.version})" for row in rows[:most])
    return named + (f" and {len(rows) - most} more" if len(rows) > most else "")


def _reason(text: str, name: str, decision: Decision, rows: Sequence[Vulnerability]) -> Reason:
    return Reason(text=text, rule=name, decision=decision, findings=tuple(row.id for row in rows))


def _exploited(reachable: Sequence[Vulnerability], rule: VulnerabilityRule) -> list[Reason]:
    rows = [
        row
        for row in reachable
        if row.known_exploited and set(row.reachability.positions) & set(rule.exploited_positions)
    ]
    if not rows:
        return []
    text = f"Flaws that are exploited in the wild can be reached: {_names(rows)}."
    return [_reason(text, "known-exploited-reachable", rule.known_exploited_reachable, rows)]


def _late(
    rows: Sequence[Vulnerability], rule: VulnerabilityRule, deployment: Deployment, today: datetime.date
) -> list[Reason]:
    """Reachable flaws whose maker has had more than the policy's days."""
    late = [row for row in rows if overdue(row.clock_start, today, rule.clock_days)]
    missing = [row for row in late if update_since(row.clock_start, deployment, today) is Update.MISSING]
    unknown = [row for row in late if update_since(row.clock_start, deployment, today) is Update.UNKNOWN]
    reasons = []
    if missing:
        text = (
            f"Reachable flaws are known for more than {rule.clock_days} days and no firmware update exists: "
            f"{_names(missing)}."
        )
        reasons.append(_reason(text, "overdue", rule.overdue_without_update, missing))
    if unknown:
        text = (
            f"Reachable flaws are known for more than {rule.clock_days} days: {_names(unknown)}. "
            "Whether the maker offers an update is not known; "
            "--firmware-date and --latest-firmware (or a deployment file) say so."
        )
        reasons.append(_reason(text, "update-unknown", rule.update_unknown, unknown))
    return reasons


def _undecided(
    rows: Sequence[Vulnerability], rule: VulnerabilityRule, deployment: Deployment, today: datetime.date
) -> list[Reason]:
    """Grave flaws of which it is not settled whether anybody can reach them: the 45-day question stays open."""
    late = [
        row
        for row in rows
        if overdue(row.clock_start, today, rule.clock_days)
        and update_since(row.clock_start, deployment, today) is not Update.EXISTS
    ]
    if not late:
        return []
    text = (
        f"Whether grave flaws older than {rule.clock_days} days can be reached is not settled: {_names(late)}. "
        "A deployment file settles how the components are used; `customhouse advise` says which facts are missing."
    )
    return [_reason(text, "reach-undecided", rule.update_unknown, late)]


def _containment(reachable: Sequence[Vulnerability], rule: VulnerabilityRule) -> tuple[list[Reason], list[str]]:
    """What remains reachable is admitted under conditions: kept from those who could reach it, and updated."""
    removable = [row for row in reachable if set(row.reachability.positions) <= set(rule.gateway_removes)]
    rest = [row for row in reachable if row not in removable]
    reasons: list[Reason] = []
    conditions: list[str] = []
    if removable:
        taken = sorted({position for row in removable for position in row.reachability.positions})
        reasons.append(
            _reason(
                f"The gateway takes away the positions that reach these flaws: {_names(removable)}.",
                "contained-flaws",
                Decision.ADMIT_CONTAINED,
                removable,
            )
        )
        conditions.append(
            f"The gateway keeps {', '.join(taken)} away from the device: "
            "only hosts that the owner approves may connect to it."
        )
    if rest:
        reasons.append(
            _reason(
                f"Containment does not close these reachable flaws, an update does: {_names(rest)}.",
                "update-needed",
                Decision.ADMIT_CONTAINED,
                rest,
            )
        )
        conditions.append(
            "The maker's next firmware is installed when it appears; "
            f"until then the device talks to declared hosts only ({_names(rest, 3)})."
        )
    return reasons, conditions
