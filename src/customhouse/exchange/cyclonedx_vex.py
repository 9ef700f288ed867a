"""CycloneDX VEX (specification 1.6, `vulnerabilities[].analysis`), both ways."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from typing import Any

from customhouse.host.errors import InputError
from customhouse.model import Purl, VexStatement, VexSubject, Vulnerability

from .vex import action, components_of, grounds, objects, parts_of, product_purl, purl_of, text

STATES = {
    "not_affected": "not_affected",
    "affected": "exploitable",
    "fixed": "resolved",
    "under_investigation": "in_triage",
}
_READ_STATES = {
    **{state: status for status, state in STATES.items()},
    "resolved_with_pedigree": "fixed",
    "false_positive": "not_affected",
}
JUSTIFICATIONS = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "vulnerable_code_cannot_be_controlled_by_adversary": "requires_environment",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}
_READ_JUSTIFICATIONS = {
    "code_not_present": "vulnerable_code_not_present",
    "requires_configuration": "vulnerable_code_not_present",
    "requires_dependency": "vulnerable_code_not_present",
    "code_not_reachable": "vulnerable_code_not_in_execute_path",
    "requires_environment": "vulnerable_code_cannot_be_controlled_by_adversary",
    "protected_by_compiler": "inline_mitigations_already_exist",
    "protected_at_runtime": "inline_mitigations_already_exist",
    "protected_by_mitigating_control": "inline_mitigations_already_exist",
    "protected_at_perimeter": "inline_mitigations_already_exist",
}
_OURS = "customhouse:justification"


def write(rows: Sequence[Vulnerability], subject: VexSubject, *, author: str, timestamp: str, tool: str) -> str:
    """The document as text. `timestamp` is RFC 3339; `author` the organisation that makes the statements."""
    refs = {pair: purl_of(*pair) for pair in components_of(rows)}
    main = {
        "type": "firmware" if subject.sha256 else "library",
        "bom-ref": "subject",
        "name": subject.name,
        "purl": product_purl(subject),
    }
    if subject.version:
        main["version"] = subject.version
    vulnerabilities = [_vulnerability(row, refs[(row.component, row.version)]) for row in rows]
    seed = hashlib.sha256(json.dumps([main, vulnerabilities], sort_keys=True).encode()).digest()
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=seed[:16], version=4)}",
        "version": 1,
        "metadata": {
            "timestamp": timestamp,
            "tools": {"components": [{"type": "application", "name": tool}]},
            "manufacturer": {"name": author},
            "component": main,
        },
        "components": [
            {"type": "library", "bom-ref": ref, "name": name, "version": version, "purl": ref}
            for (name, version), ref in refs.items()
        ],
        "vulnerabilities": vulnerabilities,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _vulnerability(row: Vulnerability, ref: str) -> dict[str, Any]:
    reach = row.reachability
    analysis: dict[str, Any] = {"state": STATES[reach.status], "detail": grounds(row)}
    properties = []
    if reach.status == "not_affected":
        analysis["justification"] = _justification(row)
        properties.append({"name": _OURS, "value": reach.justification})
    if reach.perimeter:
        analysis["justification"] = "protected_at_perimeter"
    if reach.status == "affected":
        analysis["response"] = ["update"] if row.fixed else ["workaround_available"]
    found: dict[str, Any] = {
        "bom-ref": f"{row.id}@{ref}",
        "id": row.id,
        "analysis": analysis,
        "affects": [{"ref": ref, "versions": [{"version": row.version, "status": _ranged(reach.status)}]}],
    }
    if row.aliases:
        found["references"] = [{"id": name, "source": {"name": _system(name)}} for name in row.aliases]
    if row.severity:
        found["ratings"] = [{"severity": str(row.severity)}]
    if row.published:
        found["published"] = f"{row.published}T00:00:00Z"
    if reach.status == "affected":
        found["recommendation"] = action(row)
    if properties:
        found["properties"] = properties
    return found


def _justification(row: Vulnerability) -> str:
    """A build option that is off is a matter of configuration; code that the version lacks is not there at all."""
    facts = row.reachability.facts
    if row.reachability.justification == "vulnerable_code_not_present" and facts:
        return "code_not_present" if facts[0].source.startswith("version") else "requires_configuration"
    return JUSTIFICATIONS[row.reachability.justification]


def _ranged(status: str) -> str:
    return {"affected": "affected", "under_investigation": "unknown"}.get(status, "unaffected")


def _system(name: str) -> str:
    return "NVD" if name.startswith("CVE-") else "GitHub" if name.startswith("GHSA-") else "vendor"


def read(name: str, document: dict[str, Any]) -> tuple[VexStatement, ...]:
    """Statements of a document; vulnerabilities without an analysis make none. Raises InputError for a state that the
    specification does not know."""
    by_ref = _components(document)
    found = []
    for item in objects(document.get("vulnerabilities")):
        analysis = item.get("analysis")
        if not isinstance(analysis, dict) or not text(analysis.get("state")):
            continue
        status = _READ_STATES.get(text(analysis["state"]))
        if status is None:
            raise InputError(f"{name}: {analysis['state']!r} is no state of an analysis")
        said = text(analysis.get("justification"))
        ours = [text(entry.get("value")) for entry in objects(item.get("properties")) if entry.get("name") == _OURS]
        refs = [text(entry.get("ref")) for entry in objects(item.get("affects"))]
        purls = tuple(Purl(purl) for ref in refs if (purl := by_ref.get(ref, ("", "", ref))[2]).startswith("pkg:"))
        found.append(
            VexStatement(
                vulnerability=text(item.get("id")),
                aliases=tuple(text(entry.get("id")) for entry in objects(item.get("references"))),
                status=status,
                justification=(ours or [_READ_JUSTIFICATIONS.get(said, "")])[0] if status == "not_affected" else "",
                detail=text(analysis.get("detail")),
                action=text(item.get("recommendation")),
                components=tuple(_named(ref, by_ref) for ref in refs),
                purls=purls,
                perimeter=said == "protected_at_perimeter",
                source=name,
            )
        )
    return tuple(found)


def _components(document: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    metadata = document.get("metadata")
    main = metadata.get("component") if isinstance(metadata, dict) else None
    entries = [*objects(document.get("components")), *([main] if isinstance(main, dict) else [])]
    return {
        text(entry.get("bom-ref")): (text(entry.get("name")), text(entry.get("version")), text(entry.get("purl")))
        for entry in entries
    }


def _named(ref: str, by_ref: dict[str, tuple[str, str, str]]) -> tuple[str, str]:
    """A component by its reference, or by what a BOM-Link or purl says of itself."""
    if ref in by_ref:
        return by_ref[ref][:2]
    return parts_of(ref.rsplit("#", 1)[-1])
