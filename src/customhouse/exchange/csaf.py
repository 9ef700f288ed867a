"""CSAF 2.0, profile 5 (VEX), both ways (https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html)."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from customhouse.host.errors import InputError
from customhouse.model import Purl, VexStatement, VexSubject, Vulnerability

from .vex import action, components_of, grounds, objects, parts_of, product_purl, purl_of, text, texts

STATUSES = {
    "not_affected": "known_not_affected",
    "affected": "known_affected",
    "fixed": "fixed",
    "under_investigation": "under_investigation",
}
_READ_STATUSES = {
    "known_not_affected": "not_affected",
    "known_affected": "affected",
    "first_affected": "affected",
    "last_affected": "affected",
    "fixed": "fixed",
    "first_fixed": "fixed",
    "under_investigation": "under_investigation",
}
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")


def write(
    rows: Sequence[Vulnerability],
    subject: VexSubject,
    *,
    author: str,
    timestamp: str,
    tool: str,
    namespace: str = "https://customhouse.invalid",
) -> str:
    """The document as text. `timestamp` is RFC 3339, `namespace` the publisher's own URL."""
    pairs = components_of(rows)
    ids = {pair: f"CSAFPID-{number:04}" for number, pair in enumerate(pairs, 1)}
    names, _, version = tool.partition(" ")
    vulnerabilities = [_vulnerability(row, ids[(row.component, row.version)]) for row in rows]
    seed = json.dumps([author, str(product_purl(subject)), vulnerabilities], sort_keys=True).encode()
    document = {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "lang": "en",
            "publisher": {"category": "other", "name": author, "namespace": namespace},
            "title": f"Exploitability of known vulnerabilities in {subject.name} {subject.version}".rstrip(),
            "tracking": {
                "current_release_date": timestamp,
                "generator": {"engine": {"name": names, **({"version": version} if version else {})}},
                "id": f"customhouse-{hashlib.sha256(seed).hexdigest()[:16]}",
                "initial_release_date": timestamp,
                "revision_history": [{"date": timestamp, "number": "1", "summary": "First statement."}],
                "status": "final",
                "version": "1",
            },
        },
        "product_tree": {
            "full_product_names": [
                {
                    "name": f"{name} {version} in {subject.name}" if subject.sha256 else f"{name} {version}",
                    "product_id": ids[(name, version)],
                    "product_identification_helper": {"purl": purl_of(name, version)},
                }
                for name, version in pairs
            ]
        },
        "vulnerabilities": vulnerabilities,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _vulnerability(row: Vulnerability, product: str) -> dict[str, Any]:
    reach = row.reachability
    cve = next((name for name in (row.id, *row.aliases) if _CVE.fullmatch(name)), "")
    others = [name for name in (row.id, *row.aliases) if name != cve]
    found: dict[str, Any] = {}
    if cve:
        found["cve"] = cve
    if others:
        found["ids"] = [{"system_name": _system(name), "text": name} for name in others]
    found["notes"] = [{"category": "details", "title": "What the statement rests on", "text": grounds(row)}]
    found["product_status"] = {STATUSES[reach.status]: [product]}
    if reach.status == "not_affected":
        found["flags"] = [{"label": reach.justification, "product_ids": [product]}]
        found["threats"] = [{"category": "impact", "details": grounds(row), "product_ids": [product]}]
    if reach.status == "affected":
        category = "vendor_fix" if row.fixed and not reach.perimeter else "mitigation"
        found["remediations"] = [{"category": category, "details": action(row), "product_ids": [product]}]
    if row.title:
        found["title"] = row.title
    return found


def _system(name: str) -> str:
    if name.startswith("GHSA-"):
        return "GitHub Security Advisory"
    return "CVE" if name.startswith("CVE-") else "Vendor advisory"


def read(name: str, document: dict[str, Any]) -> tuple[VexStatement, ...]:
    """One statement a vulnerability and status. Raises InputError for a vulnerability without a name."""
    products = dict(_products(document.get("product_tree")))
    publisher = (document.get("document") or {}).get("publisher")
    by = text(publisher.get("name")) if isinstance(publisher, dict) else ""
    found = []
    for item in objects(document.get("vulnerabilities")):
        names = [text(item.get("cve")), *(text(entry.get("text")) for entry in objects(item.get("ids")))]
        names = [entry for entry in names if entry]
        if not names:
            raise InputError(f"{name}: a vulnerability without a CVE or another id")
        status = item.get("product_status")
        for label, members in status.items() if isinstance(status, dict) else ():
            if label not in _READ_STATUSES:
                continue
            ids = texts(members)
            found.append(_read_one(item, names, _READ_STATUSES[label], ids, products, f"{name} ({by})" if by else name))
    return tuple(found)


def _read_one(
    item: dict[str, Any],
    names: Sequence[str],
    status: str,
    ids: Sequence[str],
    products: dict[str, tuple[str, str, str]],
    source: str,
) -> VexStatement:
    def about(entries: object) -> list[dict[str, Any]]:
        return [
            entry
            for entry in objects(entries)
            if not texts(entry.get("product_ids")) or set(texts(entry.get("product_ids"))) & set(ids)
        ]

    detail = " ".join(text(note.get("text")) for note in objects(item.get("notes")))
    known = [products[entry] for entry in ids if entry in products]
    return VexStatement(
        vulnerability=names[0],
        aliases=tuple(names[1:]),
        status=status,
        justification=next((text(flag.get("label")) for flag in about(item.get("flags"))), "")
        if status == "not_affected"
        else "",
        detail=detail,
        action=" ".join(text(entry.get("details")) for entry in about(item.get("remediations"))),
        components=tuple((entry[0], entry[1]) for entry in known),
        purls=tuple(Purl(entry[2]) for entry in known if entry[2]),
        perimeter="Only NAT keeps" in detail,
        source=source,
    )


def _products(tree: object, depth: int = 0) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Every product of a tree: (id, (name, version, purl)). Hostile depth ends the walk, not the program."""
    if not isinstance(tree, dict) or depth > 40:
        return
    for entry in (*objects(tree.get("full_product_names")), *objects([tree.get("product")])):
        yield from _product(entry)
    for relation in objects(tree.get("relationships")):
        yield from _product(relation.get("full_product_name"))
    for branch in objects(tree.get("branches")):
        yield from _products(branch, depth + 1)


def _product(entry: object) -> Iterator[tuple[str, tuple[str, str, str]]]:
    if not isinstance(entry, dict):
        return
    helper = entry.get("product_identification_helper")
    purl = text(helper.get("purl")) if isinstance(helper, dict) else ""
    name, version = parts_of(purl) if purl else _split(text(entry.get("name")))
    yield text(entry.get("product_id")), (name, version, purl)


def _split(name: str) -> tuple[str, str]:
    """`busybox 1.36.1` as name and version; a name without a version stays whole."""
    head, _, tail = name.rpartition(" ")
    return (head, tail) if head and tail[:1].isdigit() else (name, "")
