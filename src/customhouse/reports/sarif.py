"""SARIF 2.1.0, for code-scanning viewers. Source: OASIS sarif-v2.1.0, sections 3.13-3.27."""

import json
from typing import Any
from urllib.parse import quote

from customhouse.model import Confidence, Dossier, Evidence, Finding, Severity

LEVEL = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
RANK = {Confidence.HIGH: 90.0, Confidence.MEDIUM: 60.0, Confidence.LOW: 30.0}
SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.5",
    Severity.INFO: "0.0",
}
"""Viewers sort by this number; it is the middle of CVSS's band of the same name, not a score of ours."""


def render(dossier: Dossier) -> str:
    rules = sorted({finding.rule for finding in dossier.findings})
    first = {finding.rule: finding for finding in reversed(dossier.findings)}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": dossier.tool.name,
                        "version": dossier.tool.version,
                        "rules": [_rule(first[rule]) for rule in rules],
                    }
                },
                "artifacts": [
                    {
                        "location": {"description": {"text": f"firmware image {dossier.image.name}"}},
                        "length": dossier.image.size,
                        "hashes": {"sha-256": dossier.image.sha256},
                    }
                ],
                "results": [_result(finding, rules.index(finding.rule)) for finding in dossier.findings],
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "warning", "message": {"text": f"not examined: {n.what} ({n.outcome}): {n.why}"}}
                            for n in dossier.not_examined
                        ],
                    }
                ],
                "properties": {"verdict": str(dossier.verdict.decision), "image": dossier.image.sha256},
            }
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def _rule(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.rule,
        "shortDescription": {"text": finding.rule},
        "help": {"text": finding.remedy or finding.title},
        "properties": {"security-severity": SECURITY_SEVERITY[finding.severity], "tags": sorted(finding.clauses)},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVEL[finding.severity],
        "rank": RANK[finding.confidence],
        "message": {"text": ". ".join(part for part in (finding.title.rstrip("."), finding.detail) if part)},
        "locations": [_location(evidence) for evidence in finding.evidence],
    }


def _location(evidence: Evidence) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(evidence.path)}}
    if evidence.offset is not None:
        physical["region"] = {"byteOffset": evidence.offset}
        if evidence.excerpt:
            physical["region"]["snippet"] = {"text": evidence.excerpt}
    elif evidence.address is not None:
        physical["address"] = {"absoluteAddress": evidence.address}
    return {"physicalLocation": physical}


def _uri(path: str) -> str:
    """Relative to the image's root, percent-encoded as RFC 3986 asks."""
    return quote(path.lstrip("/"), safe="/", errors="surrogateescape") or "."
