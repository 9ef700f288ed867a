"""CVE records, format 5 (https://github.com/CVEProject/cve-schema; cvelistV5 holds one file a CVE)."""

import datetime
import re
from typing import Any

from customhouse.knowledge.names import names
from customhouse.knowledge.records import Record, Statement
from customhouse.knowledge.versions import is_version
from customhouse.model import Advisory, Severity, VersionRange

_COMPARED = re.compile(r"^(<=|<|>=|=)\s*v?(\S+)$")


class NotARecord(ValueError):
    """The document is not what the format asks for."""


def read(document: Any) -> Record:
    """One CVE record. Raises NotARecord for anything else."""
    try:
        meta = document["cveMetadata"]
        containers = document["containers"]
        cna = containers["cna"]
        if not re.fullmatch(r"CVE-\d{4}-\d{4,}", meta["cveId"]):
            raise NotARecord(f"no CVE id: {meta['cveId']!r}")
        statements = [*statements_of(cna, "cna")]
        for adp in containers.get("adp", ()):
            statements += statements_of(adp, str(adp.get("title") or "adp")[:40])
        vector, score = _cvss([cna, *containers.get("adp", ())])
        return Record(
            advisory=Advisory(
                id=meta["cveId"],
                component=statements[0].key if statements else "",
                title=_kind(cna),
                published=_day(meta.get("datePublished") or cna.get("datePublic")),
                severity=severity_of(score),
                cvss=vector,
                source="cvelist",
            ),
            statements=tuple(statements),
            withdrawn=meta.get("state") == "REJECTED",
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise NotARecord(f"not a CVE record: {type(error).__name__} {error}") from None


def statements_of(container: dict[str, Any], origin: str) -> list[Statement]:
    """What one container (of the CNA or an ADP) says of versions, one statement a product."""
    found = []
    for item in container.get("affected") or ():
        vendor, product = item.get("vendor") or "", item.get("product") or item.get("packageName") or ""
        if not product:
            continue
        key = names().key(vendor, product)
        if vendor.lower() in ("", "n/a") and names().known(product):
            key = names().component(product)
        found.append(_statement(key, origin, item))
    return found


def _statement(key: str, origin: str, item: dict[str, Any]) -> Statement:
    default = item.get("defaultStatus", "unknown")
    spans: list[VersionRange] = []
    holes: list[VersionRange] = []
    everything = default == "affected"
    for row in item.get("versions") or ():
        if row.get("status") == "unknown" or _by_commit(row):
            continue
        target = spans if row.get("status") == "affected" else holes
        span = _span(row, open_ended=everything)
        if span is not None:
            target.append(span)
    if spans and everything:
        everything = False
    return Statement(key=key, origin=origin, ranges=tuple(spans), holes=tuple(holes), everything=everything)


def _by_commit(row: dict[str, Any]) -> bool:
    """Bounded by commits, which say nothing of a release; some CNAs type plain versions as git."""
    bounds = [str(row.get(name) or "0") for name in ("version", "lessThan", "lessThanOrEqual")]
    return row.get("versionType") == "git" and not all(is_version(bound) for bound in bounds)


def _span(row: dict[str, Any], *, open_ended: bool) -> VersionRange | None:
    """A row as a range. A single affected version beside `defaultStatus: affected` is where the flaw came in."""
    version = str(row.get("version", "")).strip()
    if found := _COMPARED.match(version):
        sign, end = found.groups()
        spans = {
            "<": VersionRange(fixed=end),
            "<=": VersionRange(last=end),
            ">=": VersionRange(introduced=end),
            "=": VersionRange(introduced=end, last=end),
        }
        return spans[sign]
    introduced = "" if version in ("0", "*", "n/a", "unspecified", "-") else version
    if re.fullmatch(r"[0-9a-f]{10,40}", introduced):
        return None
    if "lessThan" in row:
        return VersionRange(introduced=introduced, fixed="" if row["lessThan"] == "*" else str(row["lessThan"]))
    if "lessThanOrEqual" in row:
        return VersionRange(introduced=introduced, last=str(row["lessThanOrEqual"]))
    if not introduced:
        return VersionRange(introduced="0") if version in ("*", "0") else None
    if open_ended and row.get("status") == "affected":
        return VersionRange(introduced=introduced)
    return VersionRange(introduced=introduced, last=introduced)


def _cvss(containers: list[dict[str, Any]]) -> tuple[str, float | None]:
    best: tuple[int, str, float | None] = (0, "", None)
    order = {"cvssV2_0": 1, "cvssV4_0": 2, "cvssV3_0": 3, "cvssV3_1": 4}
    for container in containers:
        for metric in container.get("metrics") or ():
            for name, rank in order.items():
                if name in metric and rank > best[0]:
                    best = (rank, metric[name].get("vectorString", ""), metric[name].get("baseScore"))
    return best[1], best[2]


def severity_of(score: float | None) -> Severity | None:
    """The qualitative rating of a CVSS base score (CVSS 3.1, section 5)."""
    if score is None:
        return None
    steps = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
    return next((name for limit, name in steps if score >= limit), Severity.INFO)


def _kind(cna: dict[str, Any]) -> str:
    """The record's weakness, which is a classification; descriptions are prose and stay where they are."""
    kinds = [
        str(text.get("cweId") or text.get("description") or "")
        for row in cna.get("problemTypes") or ()
        for text in row.get("descriptions") or ()
    ]
    return "; ".join(dict.fromkeys(kind for kind in kinds if kind))[:120]


def _day(text: str | None) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
