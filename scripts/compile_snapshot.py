"""Compile the knowledge that ships with the package from public sources: facts only, no prose of others.

    compile_snapshot.py FEEDS [OUT]

FEEDS holds `mbedtls_advisories.json`, `device_components.json`, `openssl-cve-records/`, `curl_vulnerabilities.csv` and
`known_exploited_vulnerabilities.csv`; OUT is the package's snapshot folder. The output is sorted and stable: the same
sources give the same bytes.
"""

import argparse
import csv
import datetime
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from customhouse.knowledge.feeds.cve5 import severity_of, statements_of
from customhouse.knowledge.names import names
from customhouse.knowledge.records import PackageFix, Record, Statement, compact
from customhouse.knowledge.versions import is_version
from customhouse.model import Advisory, Severity, VersionRange

HERE = Path(__file__).parent / "snapshot"
CONDITIONS: dict[str, list[str]] = tomllib.loads((HERE / "mbedtls_conditions.toml").read_text(encoding="utf-8"))
CORRECTIONS: dict[str, Any] = tomllib.loads((HERE / "corrections.toml").read_text(encoding="utf-8"))
SEVERITIES = {"moderate": Severity.MEDIUM, **{item.value: item for item in Severity}}
SOFTWARE_ONLY = set(names().components)


def day(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text[:10]) if text else None


def severity(text: str | None) -> Severity | None:
    return SEVERITIES.get((text or "").strip().lower())


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


# Mbed TLS: one record an advisory, with conditions.


def mbedtls(source: dict[str, Any]) -> Iterable[Record]:
    released = release_dates(source)
    for item in source["advisories"]:
        cves = tuple(item["cves"])
        own = "MBEDTLS-" + item["id"]
        statement = Statement(
            key="mbedtls",
            origin="vendor",
            ranges=tuple(VersionRange(introduced=r["introduced"], fixed=r["fixed"] or "") for r in item["affected"]),
        )
        fixed = tuple(version for version in item["fixed"].values() if version) if item["fixed"] else ()
        dates = [released[version] for version in fixed if version in released]
        vector = (item["cvss"] or {}).get("vector") or ""
        score = (item["cvss"] or {}).get("base_score")
        yield Record(
            advisory=Advisory(
                id=cves[0] if cves else own,
                aliases=(*cves[1:], own) if cves and item["id"] != cves[0] else cves[1:],
                component="mbedtls",
                title=", ".join(item["surface"]),
                published=day(item["published"]),
                fixed_release=min(dates) if dates else None,
                fixed=fixed,
                severity=severity(item["vendor_severity"]) or severity_of(score),
                cvss=vector,
                roles=tuple(item["roles"]),
                attackers=tuple(item["attacker_positions"]),
                needs=mbedtls_needs(item),
                surface="tls" if any("TLS" in word for word in item["surface"]) else "",
                note="; ".join(text for text in (item["v2_16"], item["note"]) if text),
                vendor=True,
                source="mbedtls",
            ),
            statements=(statement,),
        )


def release_dates(source: dict[str, Any]) -> dict[str, datetime.date]:
    """A release is no younger than the first entry that names it as fixed."""
    dates: dict[str, datetime.date] = {}
    for item in source["advisories"]:
        when = day(item["published"])
        for version in (item["fixed"] or {}).values():
            if version and when:
                dates[version] = min(when, dates.get(version, when))
    for branch in source["meta"]["branches"].values():
        if branch.get("released"):
            dates[branch["last"]] = min(day(branch["released"]) or datetime.date.max, dates[branch["last"]])
    return dates


def mbedtls_needs(item: dict[str, Any]) -> tuple[str, ...]:
    needs = list(item["config_required"]) + ["!" + option for option in item["config_absent"]]
    for phrase in item["conditions"]:
        needs += CONDITIONS[phrase]
    surfaces = item["surface"]
    if surfaces and all(word.startswith("DTLS") for word in surfaces):
        needs.append("dtls")
    if any(word.startswith("TLS 1.3") for word in surfaces) and not any("TLS 1.2" in word for word in surfaces):
        needs.append("tls13")
    return tuple(dict.fromkeys(needs))


# OpenSSL: the vendor's CVE records.


def openssl(folder: Path) -> Iterable[Record]:
    for path in sorted(folder.glob("CVE-*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if "cveMetadata" not in data:
            continue
        cna = data["containers"]["cna"]
        kind = [text["description"] for row in cna.get("problemTypes", []) for text in row["descriptions"]]
        yield Record(
            advisory=Advisory(
                id=data["cveMetadata"]["cveId"],
                component="openssl",
                title="; ".join(dict.fromkeys(kind)),
                published=day(cna.get("datePublic")),
                severity=openssl_severity(cna),
                vendor=True,
                source="openssl",
            ),
            statements=tuple(
                Statement(key="openssl", origin="vendor", ranges=found.ranges, holes=found.holes)
                for found in statements_of(cna, "vendor")
            ),
        )


def openssl_severity(cna: dict[str, Any]) -> Severity | None:
    words = [(m.get("other") or {}).get("content", {}).get("text", "") for m in cna.get("metrics", [])]
    return next((found for word in words if (found := severity(word))), None)


# curl: the vendor's table.


def curl(path: Path) -> Iterable[Record]:
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            when = row["announced"]
            yield Record(
                advisory=Advisory(
                    id=row["cve"],
                    component="curl",
                    title=f"{row['area']} ({row['cwe']})",
                    published=datetime.date(int(when[:4]), int(when[4:6]), int(when[6:8])),
                    severity=severity(row["severity"]),
                    roles=("client",),
                    needs=("curl-tool",) if row["tool_or_lib"] == "tool" else (),
                    surface=row["area"],
                    vendor=True,
                    source="curl",
                ),
                statements=(
                    Statement(
                        key="curl",
                        origin="vendor",
                        ranges=(VersionRange(introduced=row["first_affected"], last=row["last_affected"]),),
                    ),
                ),
            )


# Components of devices: many records of many origins.


def devices(source: dict[str, Any]) -> Iterable[Record]:
    for item in source["records"]:
        kept = device_statements(item)
        if not kept and item["affected"]:
            continue  # only about other products: a fork, an example, a distribution
        if not kept:
            kept = (Statement(key=names().component(item["component"]), origin="record"),)
        vector = (item["cvss"] or {}).get("vector") or ""
        named = re.split(r",\s*", (item["fixed"] or {}).get("version") or "")
        note = CORRECTIONS["disputed"].get(item["id"], "")
        yield Record(
            advisory=Advisory(
                id=item["id"],
                aliases=tuple(item["aliases"]),
                component=names().component(item["component"]),
                title=item["surface"] or "",
                partial_ranges=bool(item["partial"]),
                published=day(item["published"]),
                fixed=tuple(version for version in named if is_version(version)),
                severity=severity_of((item["cvss"] or {}).get("score")),
                cvss=vector,
                known_exploited=day(item["known_exploited"]),
                roles=(item["role"],) if item["role"] else (),
                needs=needs(item),
                applets=applets(item),
                symbols=tuple(CORRECTIONS["symbols"].get(item["id"], ())),
                surface=item["surface"] or "",
                note=note,
                source="devices",
            ),
            statements=kept,
            packages=tuple(
                PackageFix(ecosystem="apk", package=row["package"], version=row["version"])
                for row in item["alpine_fixed"] or ()
            ),
        )


def needs(item: dict[str, Any]) -> tuple[str, ...]:
    """The record's conditions as fact names; where it names only a subsystem, that it is built in."""
    if item["id"] in CORRECTIONS["needs"]:
        return tuple(CORRECTIONS["needs"][item["id"]])
    if item["needs"]:
        return (slug(item["needs"]),)
    if item["component"] in CORRECTIONS["component_needs"]:
        return (CORRECTIONS["component_needs"][item["component"]],)
    found = [fact for words, fact in CORRECTIONS["surface_needs"].items() if words in (item["surface"] or "")]
    return tuple(dict.fromkeys(found)) if item["component"] != "net-snmp" else ()


def applets(item: dict[str, Any]) -> tuple[str, ...]:
    if item["component"] != "busybox":
        return ()
    if item["id"] in CORRECTIONS["applets"]:
        return tuple(CORRECTIONS["applets"][item["id"]])
    found = re.match(r"applets? ([\w, ]+?)( over| and anything|:|$)", item["surface"] or "")
    return tuple(word.strip() for word in found[1].split(",")) if found else ()


def device_statements(item: dict[str, Any]) -> tuple[Statement, ...]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in item["affected"] or ():
        if not wanted(item, row):
            continue
        key = key_of(item, row)
        groups.setdefault((key, row["origin"]), []).append(row)
    incomplete = bool(item["partial"]) or item["id"] in CORRECTIONS["incomplete"]["ids"]
    found = [device_statement(key, origin, rows, incomplete) for (key, origin), rows in groups.items()]
    if item["id"] in CORRECTIONS["text_ranges"]:
        introduced, fixed = CORRECTIONS["text_ranges"][item["id"]]
        span = VersionRange(introduced=introduced, fixed=fixed)
        found.append(Statement(key=names().component(item["component"]), origin="text", ranges=(span,)))
    return tuple(found)


def key_of(item: dict[str, Any], row: dict[str, Any]) -> str:
    """Under which name a row is found; some CNAs write a URL or nothing where the vendor stands."""
    vendor, product = row["vendor"] or "n/a", row["product"] or item["component"]
    if vendor == "n/a" or vendor.startswith("http"):
        return names().component(product) if names().known(product) else names().component(item["component"])
    return names().key(vendor, product)


def wanted(item: dict[str, Any], row: dict[str, Any]) -> bool:
    """Rows about the component itself or about a device's firmware; distributions and desktop products are left out."""
    if row.get("part") == "h":
        return False
    key = key_of(item, row)
    if key in SOFTWARE_ONLY:
        return True
    own_group = item["component"] not in SOFTWARE_ONLY and "red_hat" not in key and "fedora" not in key
    return own_group or key.endswith("_firmware")


def device_statement(key: str, origin: str, rows: list[dict[str, Any]], incomplete: bool) -> Statement:
    spans: list[VersionRange] = []
    holes: list[VersionRange] = []
    everything = False
    for row in rows:
        target = holes if row.get("status") == "unaffected" else spans
        if row.get("status") == "unknown" or by_commit(row):
            continue
        if row.get("start_including") or row.get("end_excluding") or row.get("end_including"):
            target.append(bounded(key, row))
        exact = [version.replace(":-", "").replace(":", "-") for version in row.get("exact") or ()]
        if opens_a_default_range(rows, row):
            target.append(VersionRange(introduced=exact[0]))
            continue
        pairs = [corrected(key, version) for version in exact]
        target += [VersionRange(introduced=version, last=version) for version in pairs]
        if str(row.get("versions", "")).startswith(("all", "not applicable")) and target is spans:
            everything = True
    return Statement(
        key=key,
        origin=origin,
        ranges=tuple(spans),
        holes=tuple(holes),
        everything=everything,
        incomplete=incomplete,
    )


def by_commit(row: dict[str, Any]) -> bool:
    """Bounded by commits, which say nothing of a release; some CNAs type plain versions as git."""
    bounds = [row.get(name) for name in ("start_including", "end_excluding", "end_including")]
    bounds += row.get("exact") or []
    return row.get("version_type") == "git" and not all(
        is_version(bound) for bound in bounds if bound not in (None, "0")
    )


def opens_a_default_range(rows: list[dict[str, Any]], row: dict[str, Any]) -> bool:
    """`affected 4.6` beside `unaffected 0 .. 4.6`: affected from 4.6 on, except where other rows say so."""
    exact: list[str] = row.get("exact") or []
    before = {other.get("end_excluding") for other in rows if other.get("status") == "unaffected"}
    return row.get("status") == "affected" and len(exact) == 1 and exact[0] in before


def bounded(key: str, row: dict[str, Any]) -> VersionRange:
    introduced = row.get("start_including") or row.get("start_excluding") or ""
    return VersionRange(
        introduced="" if introduced == "0" else introduced,
        fixed=corrected(key, row.get("end_excluding") or ""),
        last=corrected(key, row.get("end_including") or ""),
    )


def corrected(key: str, version: str) -> str:
    return str(CORRECTIONS["versions"].get(f"{key} {version}", version))


# KEV, and the whole.


def kev(path: Path) -> tuple[list[tuple[str, str]], datetime.date]:
    with path.open(encoding="utf-8", newline="") as handle:
        rows = sorted((row["cveID"], row["dateAdded"]) for row in csv.DictReader(handle))
    return rows, datetime.date.fromisoformat(max(added for _, added in rows))


def write(out: Path, name: str, records: Iterable[Record]) -> tuple[int, datetime.date]:
    rows = sorted(records, key=lambda record: record.advisory.id)
    (out / f"{name}.jsonl").write_bytes(b"".join(compact(record) + b"\n" for record in rows))
    return len(rows), max(row.advisory.published for row in rows if row.advisory.published)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("feeds", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("src/customhouse/knowledge/snapshot"))
    given = parser.parse_args()
    advisories = json.loads((given.feeds / "mbedtls_advisories.json").read_text(encoding="utf-8"))
    components = json.loads((given.feeds / "device_components.json").read_text(encoding="utf-8"))
    exploited, exploited_on = kev(given.feeds / "known_exploited_vulnerabilities.csv")
    (given.out / "kev.tsv").write_text("".join(f"{cve}\t{added}\n" for cve, added in exploited), encoding="utf-8")
    mbed, _ = write(given.out, "mbedtls", mbedtls(advisories))
    ssl, ssl_on = write(given.out, "openssl", openssl(given.feeds / "openssl-cve-records"))
    fetch, fetch_on = write(given.out, "curl", curl(given.feeds / "curl_vulnerabilities.csv"))
    rest, _ = write(given.out, "devices", devices(components))
    feeds = [
        {"name": "mbedtls", "date": "2026-08-20", "records": mbed, "complete_for": ["mbedtls"]},
        {"name": "openssl", "date": str(ssl_on), "records": ssl, "complete_for": ["openssl"]},
        {"name": "curl", "date": str(fetch_on), "records": fetch, "complete_for": ["curl"]},
        {"name": "devices", "date": components["meta"]["generated"], "records": rest, "complete_for": []},
        {"name": "kev", "date": str(exploited_on), "records": len(exploited), "complete_for": []},
    ]
    text = json.dumps({"format": 1, "feeds": feeds}, indent=1)
    (given.out / "feeds.json").write_text(text + "\n", encoding="utf-8")
    print(f"mbedtls {mbed}, openssl {ssl}, curl {fetch}, devices {rest}, kev {len(exploited)}")


if __name__ == "__main__":
    main()
