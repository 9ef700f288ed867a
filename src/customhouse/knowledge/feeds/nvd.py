"""NVD's yearly JSON feeds, format 2.0 (https://nvd.nist.gov/vuln/data-feeds)."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import msgspec

from customhouse.knowledge.names import names, split_cpe
from customhouse.knowledge.records import Record, Statement
from customhouse.model import Advisory, VersionRange

from .cve5 import severity_of
from .errors import WrongSchema
from .ratings import unpacked


class _Cpe(msgspec.Struct, frozen=True, rename="camel"):
    vulnerable: bool
    criteria: str
    version_start_including: str = ""
    version_start_excluding: str = ""
    version_end_including: str = ""
    version_end_excluding: str = ""


class _Node(msgspec.Struct, frozen=True, rename="camel"):
    cpe_match: list[_Cpe] = []
    negate: bool = False


class _Configuration(msgspec.Struct, frozen=True):
    nodes: list[_Node] = []
    negate: bool = False


class _Score(msgspec.Struct, frozen=True, rename="camel"):
    vector_string: str = ""
    base_score: float | None = None


class _Metric(msgspec.Struct, frozen=True, rename="camel"):
    cvss_data: _Score
    type: str = ""


class _Text(msgspec.Struct, frozen=True):
    value: str = ""


class _Weakness(msgspec.Struct, frozen=True):
    description: list[_Text] = []


class _Cve(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    published: str
    last_modified: str
    vuln_status: str = ""
    configurations: list[_Configuration] = []
    weaknesses: list[_Weakness] = []
    metrics: dict[str, list[msgspec.Raw]] = {}
    cisa_exploit_add: str = ""


class _Item(msgspec.Struct, frozen=True):
    cve: _Cve


class _Feed(msgspec.Struct, frozen=True, rename="camel"):
    format: str
    version: str
    timestamp: str
    vulnerabilities: list[_Item]


_METRIC = msgspec.json.Decoder(_Metric)
_METRICS = ("cvssMetricV31", "cvssMetricV30", "cvssMetricV40", "cvssMetricV2")


def read(path: Path) -> tuple[Iterator[Record], datetime.date, int]:
    """Records of a feed, the feed's own day, and how many there are. Raises WrongSchema."""
    try:
        feed = msgspec.json.decode(unpacked(path), type=_Feed)
        day = datetime.date.fromisoformat(feed.timestamp[:10])
    except (msgspec.DecodeError, ValueError) as error:
        raise WrongSchema(f"{path.name}: not an NVD feed ({error})") from None
    if feed.format != "NVD_CVE" or not feed.version.startswith("2."):
        raise WrongSchema(f"{path.name}: {feed.format} {feed.version} is not NVD_CVE 2.x")
    return (record_of(item.cve) for item in feed.vulnerabilities), day, len(feed.vulnerabilities)


def record_of(cve: _Cve) -> Record:
    vector, score = _scored(cve)
    statements = tuple(_statements(cve))
    return Record(
        advisory=Advisory(
            id=cve.id,
            component=statements[0].key if statements else "",
            title="; ".join(dict.fromkeys(t.value for w in cve.weaknesses for t in w.description if t.value))[:120],
            published=_day(cve.published),
            severity=severity_of(score),
            cvss=vector,
            known_exploited=_day(cve.cisa_exploit_add),
            source="nvd",
        ),
        statements=statements,
        withdrawn=cve.vuln_status == "Rejected",
    )


def _statements(cve: _Cve) -> Iterator[Statement]:
    """One a product. What a node pairs with (hardware, a host system) is marked not vulnerable and left out."""
    spans: dict[str, list[VersionRange]] = {}
    everything: set[str] = set()
    for configuration in cve.configurations:
        for node in configuration.nodes:
            for entry in node.cpe_match:
                if not entry.vulnerable or node.negate or configuration.negate:
                    continue
                parts = split_cpe(entry.criteria)
                if parts is None or parts[0] == "h":
                    continue
                key = names().key(parts[1], parts[2])
                span = _span(entry)
                spans.setdefault(key, [])
                if span is None:
                    everything.add(key)
                else:
                    spans[key].append(span)
    for key, found in spans.items():
        yield Statement(key=key, origin="nvd-cpe", ranges=tuple(dict.fromkeys(found)), everything=key in everything)


def _span(entry: _Cpe) -> VersionRange | None:
    """None for every version: both `*` and `-` without bounds stand for that."""
    if entry.version_start_including or entry.version_end_including or entry.version_end_excluding:
        return VersionRange(
            introduced=entry.version_start_including or entry.version_start_excluding,
            fixed=entry.version_end_excluding,
            last=entry.version_end_including,
        )
    if entry.version_start_excluding:
        return VersionRange(introduced=entry.version_start_excluding)
    fields = [field.replace("\\", "") for field in _fields(entry.criteria)]
    version = fields[3] if len(fields) > 3 else "*"
    update = fields[4] if len(fields) > 4 else "*"
    if version in ("*", "-", ""):
        return None
    if update not in ("*", "-", ""):
        version = f"{version}-{update}"
    return VersionRange(introduced=version, last=version)


def _fields(cpe: str) -> list[str]:
    out, current, escaped = [], "", False
    for char in cpe.removeprefix("cpe:2.3:"):
        if char == ":" and not escaped:
            out.append(current)
            current = ""
        else:
            current += char
        escaped = char == "\\" and not escaped
    return [*out, current]


def _scored(cve: _Cve) -> tuple[str, float | None]:
    for name in _METRICS:
        metrics = []
        for raw in cve.metrics.get(name, ()):
            try:
                metrics.append(_METRIC.decode(raw))
            except msgspec.DecodeError:
                continue
        metrics.sort(key=lambda metric: metric.type != "Primary")
        if metrics:
            return metrics[0].cvss_data.vector_string, metrics[0].cvss_data.base_score
    return "", None


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
