"""Evidence for and against the clauses of EN 303 645, the CRA, the UK PSTI regime and EN 18031-1.

Never "complies": an image can support a clause or contradict it, and of many it says nothing.
"""

from collections.abc import Sequence
from importlib import resources

import msgspec

from customhouse.model import ClauseResult, Finding, Severity, Verdict

SUPPORTS, CONTRADICTS, NOT_TESTABLE = "supports", "contradicts", "not-testable"


class ClauseEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `clauses.toml`."""

    topic: str
    clauses: tuple[str, ...]
    looks_at: str
    tags: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    evidence: tuple[ClauseEvidence, ...]


def clause_evidence() -> tuple[ClauseEvidence, ...]:
    """The table that ships with the package."""
    text = resources.files(__package__).joinpath("clauses.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=_Table).evidence


def judge_clauses(
    findings: Sequence[Finding], verdict: Verdict, looked_at: frozenset[str], table: Sequence[ClauseEvidence] = ()
) -> tuple[ClauseResult, ...]:
    """One result a clause, in the table's order.

    `looked_at` says what was examined, in the table's words: `root-file-system`, `components` (some were named and
    looked up), `certificate-checks` (something was seen to check them), `update-signature` (an update path was found
    and its check is known), `firmware-dates`, `support-period` and `declared-ports` (stated by the deployment). A
    clause that a finding contradicts is contradicted; else it is left open where a question of the verdict bears on
    it; else it is supported by what was examined and found in order; else it is not testable.
    """
    rows: dict[str, list[ClauseEvidence]] = {}
    for row in table or clause_evidence():
        for clause in row.clauses:
            rows.setdefault(clause, []).append(row)
    for finding in findings:
        for clause in finding.clauses:
            rows.setdefault(clause, [])
    return tuple(_result(clause, evidence, findings, verdict, looked_at) for clause, evidence in rows.items())


def _result(
    clause: str,
    rows: Sequence[ClauseEvidence],
    findings: Sequence[Finding],
    verdict: Verdict,
    looked_at: frozenset[str],
) -> ClauseResult:
    against = [finding.rule for finding in findings if _contradicts(clause, rows, finding)]
    wanted = {name for row in rows for name in row.reasons}
    against += [
        name for reason in verdict.reasons if reason.rule in wanted for name in reason.findings or (reason.rule,)
    ]
    if against:
        return ClauseResult(clause=clause, result=CONTRADICTS, findings=tuple(dict.fromkeys(against)))
    unsettled = {name for row in rows for name in row.unsettled} & {reason.rule for reason in verdict.reasons}
    if unsettled:
        return ClauseResult(clause=clause, result=NOT_TESTABLE, note=f"not settled: {', '.join(sorted(unsettled))}")
    seen = [row for row in rows if row.looks_at in looked_at]
    if seen:
        return ClauseResult(clause=clause, result=SUPPORTS, note="; ".join(row.topic for row in seen))
    missing = sorted({row.looks_at for row in rows} - {"nothing"})
    note = f"not examined: {', '.join(missing)}" if missing else "not testable from firmware"
    return ClauseResult(clause=clause, result=NOT_TESTABLE, note=note)


def _contradicts(clause: str, rows: Sequence[ClauseEvidence], finding: Finding) -> bool:
    if finding.severity is Severity.INFO:
        return False
    return clause in finding.clauses or any(
        any(tag in finding.tags for tag in row.tags) or any(finding.rule.startswith(start) for start in row.rules)
        for row in rows
    )
