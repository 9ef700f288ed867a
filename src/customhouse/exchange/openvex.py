"""OpenVEX 0.2.0, both ways (https://github.com/openvex/spec)."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from customhouse.host.errors import InputError
from customhouse.model import Purl, VexStatement, VexSubject, Vulnerability

from .vex import action, grounds, objects, parts_of, product_purl, purl_of, text, texts

CONTEXT = "https://openvex.dev/ns/v0.2.0"
STATUSES = ("not_affected", "affected", "fixed", "under_investigation")
JUSTIFICATIONS = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)


def write(rows: Sequence[Vulnerability], subject: VexSubject, *, author: str, timestamp: str, tool: str) -> str:
    """The document as text. `timestamp` is RFC 3339. OpenVEX has no document without statements: with no rows the list
    is empty, and readers that insist will say so."""
    statements = [_statement(row, subject) for row in rows]
    seed = json.dumps([author, statements], sort_keys=True).encode()
    document = {
        "@context": CONTEXT,
        "@id": f"urn:customhouse:vex:{hashlib.sha256(seed).hexdigest()[:32]}",
        "author": author,
        "timestamp": timestamp,
        "version": 1,
        "tooling": tool,
        "statements": statements,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _statement(row: Vulnerability, subject: VexSubject) -> dict[str, Any]:
    component = purl_of(row.component, row.version)
    product: dict[str, Any] = {"@id": product_purl(subject)}
    if (subject.name, subject.version) != (row.component, row.version):
        product["subcomponents"] = [{"@id": component}]
    vulnerability: dict[str, Any] = {"name": row.id}
    if row.aliases:
        vulnerability["aliases"] = list(row.aliases)
    statement: dict[str, Any] = {
        "vulnerability": vulnerability,
        "products": [product],
        "status": row.reachability.status,
        "status_notes": grounds(row),
    }
    if row.reachability.status == "not_affected":
        statement["justification"] = row.reachability.justification
    if row.reachability.status == "affected":
        statement["action_statement"] = action(row)
    return statement


def read(name: str, document: dict[str, Any]) -> tuple[VexStatement, ...]:
    """Statements of a document. Raises InputError for one whose statements cannot be understood."""
    author = text(document.get("author"))
    source = f"{name} ({author})" if author else name
    found = []
    for item in objects(document.get("statements")):
        vulnerability = item.get("vulnerability")
        status = text(item.get("status"))
        if not isinstance(vulnerability, dict) or not text(vulnerability.get("name")) or status not in STATUSES:
            raise InputError(f"{name}: a statement without a vulnerability or with an unknown status")
        purls = _purls(item)
        notes = text(item.get("status_notes")) or text(item.get("impact_statement"))
        found.append(
            VexStatement(
                vulnerability=text(vulnerability["name"]),
                aliases=texts(vulnerability.get("aliases")),
                status=status,
                justification=text(item.get("justification")),
                detail=notes,
                action=text(item.get("action_statement")),
                components=tuple(parts_of(purl) for purl in purls),
                purls=purls,
                perimeter="Only NAT keeps" in notes,
                source=source,
            )
        )
    return tuple(found)


def _purls(item: dict[str, Any]) -> tuple[Purl, ...]:
    """Of the subcomponents where there are any, else of the products."""
    inner: list[str] = []
    outer: list[str] = []
    for product in objects(item.get("products")):
        outer += _identified(product)
        for part in objects(product.get("subcomponents")):
            inner += _identified(part)
    return tuple(Purl(purl) for purl in (inner or outer))


def _identified(entry: dict[str, Any]) -> list[str]:
    identifiers = entry.get("identifiers")
    named = [text(entry.get("@id")), text(identifiers.get("purl")) if isinstance(identifiers, dict) else ""]
    return [purl for purl in named if purl.startswith("pkg:")][:1]
