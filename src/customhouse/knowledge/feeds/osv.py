"""OSV records (https://ossf.github.io/osv-schema/), one zip an ecosystem."""

import datetime
from collections.abc import Iterable, Iterator

import msgspec

from customhouse.knowledge.names import names
from customhouse.knowledge.records import PackageFix, Record, Statement
from customhouse.knowledge.versions import is_version
from customhouse.model import Advisory, VersionRange

from .errors import WrongSchema

_DISTRIBUTIONS = {"Debian": "deb", "Ubuntu": "deb", "Alpine": "apk", "Red Hat": "rpm", "openSUSE": "rpm", "SUSE": "rpm"}


class _Event(msgspec.Struct, frozen=True):
    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""


class _Range(msgspec.Struct, frozen=True):
    type: str
    events: list[_Event]


class _Package(msgspec.Struct, frozen=True):
    ecosystem: str
    name: str


class _Affected(msgspec.Struct, frozen=True):
    package: _Package | None = None
    ranges: list[_Range] = []
    versions: list[str] = []


class _Severity(msgspec.Struct, frozen=True):
    type: str
    score: str


class Vulnerability(msgspec.Struct, frozen=True):
    """The part of an OSV record that is read."""

    id: str
    modified: str
    published: str = ""
    withdrawn: str = ""
    aliases: list[str] = []
    upstream: list[str] = []
    affected: list[_Affected] = []
    severity: list[_Severity] = []


_DECODER = msgspec.json.Decoder(Vulnerability)


def read(content: bytes, name: str) -> tuple[Record, str]:
    """One record, and when it was last modified. Raises WrongSchema."""
    try:
        found = _DECODER.decode(content)
    except msgspec.DecodeError as error:
        raise WrongSchema(f"{name}: not an OSV record ({error})") from None
    if not found.id or not found.modified[:4].isdigit():
        raise WrongSchema(f"{name}: an OSV record without an id or a date")
    return record_of(found), found.modified


def record_of(found: Vulnerability) -> Record:
    aliases = tuple(dict.fromkeys([*found.aliases, *found.upstream]))
    statements: list[Statement] = []
    packages: list[PackageFix] = []
    for item in found.affected:
        if item.package is None:
            continue
        ecosystem = item.package.ecosystem.split(":", 1)[0]
        key = names().component(item.package.name)
        if ecosystem in _DISTRIBUTIONS:
            packages += _fixes(item, _DISTRIBUTIONS[ecosystem])
            statements.append(Statement(key=key, origin=f"osv {item.package.ecosystem}", silent=True))
        else:
            statements.append(_statement(item, key, item.package))
    return Record(
        advisory=Advisory(
            id=found.id,
            aliases=aliases,
            component=statements[0].key if statements else "",
            published=_day(found.published),
            cvss=next((item.score for item in found.severity if item.type.startswith("CVSS_V3")), ""),
            source="osv",
        ),
        statements=_unique(statements),
        packages=tuple(dict.fromkeys(packages)),
        withdrawn=bool(found.withdrawn),
    )


def _fixes(item: _Affected, ecosystem: str) -> Iterator[PackageFix]:
    for span in item.ranges:
        for event in span.events:
            if event.fixed and item.package is not None:
                yield PackageFix(ecosystem=ecosystem, package=item.package.name, version=event.fixed)


def _statement(item: _Affected, key: str, package: _Package) -> Statement:
    spans = [span for given in item.ranges if given.type != "GIT" for span in _spans(given.events)]
    if not spans:
        plain = [version.removeprefix(f"{package.name}-").removeprefix("v") for version in item.versions]
        spans = [VersionRange(introduced=version, last=version) for version in plain if is_version(version)]
    return Statement(key=key, origin="osv", ranges=tuple(spans))


def _spans(events: Iterable[_Event]) -> Iterator[VersionRange]:
    """Events in order: what an `introduced` opens, the next `fixed` or `last_affected` closes."""
    start: str | None = None
    for event in events:
        if event.introduced:
            start = "" if event.introduced == "0" else event.introduced
        elif start is not None and (event.fixed or event.last_affected):
            yield VersionRange(introduced=start, fixed=event.fixed, last=event.last_affected)
            start = None
    if start is not None:
        yield VersionRange(introduced=start or "0")


def _unique(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    return tuple({(one.key, one.origin, one.ranges): one for one in statements}.values())


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
