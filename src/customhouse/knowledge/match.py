"""Which known flaws cover a component, and why we say so.

Every origin of a flaw is asked by itself. The vendor's own statement prevails; others that contradict each other give
a match that is not certain, and both are quoted. A record without a usable range is not dropped: it matches, marked.
"""

import datetime
from collections.abc import Iterable, Sequence

import msgspec

from customhouse.model import Advisory, Component, How, Match

from .names import keys_of, names
from .records import Record, Statement, affects
from .store import KnowledgeStore
from .versions import distribution_order, is_version, sort_key, upstream, within

_DISTRIBUTIONS = {"pkg:deb/": "deb", "pkg:rpm/": "rpm", "pkg:apk/": "apk", "pkg:opkg/": "opkg"}

_DATABASES = {"/dpkg/": "deb", "/apk/": "apk", "/opkg/": "opkg", "/rpm/": "rpm"}
"""Folders of package databases, where the evidence of a package stands."""


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """What one origin says of one version. `affected` None: its record cannot tell."""

    record: Record
    statement: Statement
    affected: bool | None


def match(components: Iterable[Component], store: KnowledgeStore) -> tuple[Match, ...]:
    """All matches, component by component. Components of which only a mention was seen are passed over."""
    found: list[Match] = []
    for component in components:
        if component.how is not How.MENTIONS:
            found += match_one(component, store)
    return tuple(found)


def match_one(component: Component, store: KnowledgeStore) -> list[Match]:
    keys = set(keys_of(component))
    if not component.version:
        return []
    matches = []
    for records in _by_flaw(store.records(keys)):
        said = [
            Say(record=record, statement=statement, affected=_says(statement, component, record))
            for record in records
            for statement in record.statements
            if statement.key in keys and not statement.silent
        ]
        decided = _packaged(records, component) or _decide(said, component)
        if isinstance(decided, Match):
            matches.append(_rated(decided, store))
    return sorted(matches, key=lambda item: item.advisory.id)


def _by_flaw(records: Sequence[Record]) -> list[list[Record]]:
    """Records of one flaw together: those that share an id or an alias."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        joined: list[Record] = [record]
        for known in {id(group): group for name in record.ids if (group := groups.get(name))}.values():
            joined = known + joined
        for member in joined:
            for name in member.ids:
                groups[name] = joined
    return list({id(group): group for group in groups.values()}.values())


def _says(statement: Statement, component: Component, record: Record) -> bool | None:
    answer = affects(statement, component.version)
    if answer and statement.origin != "vendor" and _past(component.version, record.advisory.fixed):
        return None
    return answer


def _past(version: str, fixed: Sequence[str]) -> bool:
    """Not before any version that the record itself calls fixed: listing it as affected too is a contradiction."""
    named = [sort_key(text) for text in fixed if is_version(text)]
    return bool(named) and is_version(version) and sort_key(upstream(version).base) >= max(named)


def _decide(said: Sequence[Say], component: Component) -> Match | None:
    own = [say for say in said if say.record.advisory.vendor]
    counted = own or said
    yes = [say for say in counted if say.affected]
    no = [say for say in counted if say.affected is False]
    unknown = [say for say in counted if say.affected is None]
    if not yes and not unknown:
        return None
    if own and yes:
        no = []
    if no and not yes:
        return None
    base = (yes or unknown)[0]
    why, certain = _reasons(yes, no, unknown, component)
    backport = bool(_distribution(component)) and certain
    if backport:
        certain = False
        shown = f"{component.name} {installed_as(component)}"
        why += f"; {shown} is a distribution's package, which may carry the fix as a backport"
    return Match(
        advisory=_merged([say.record for say in said], base),
        component=component.name,
        version=component.version,
        matched_because=why,
        certain=certain,
        backport=backport,
    )


def _reasons(yes: Sequence[Say], no: Sequence[Say], unknown: Sequence[Say], component: Component) -> tuple[str, bool]:
    version = component.version
    if not yes:
        return f"{_unusable(unknown[0], version)}; whether {version} is affected is not known", False
    why = f"{version} is {_quoted(yes[0].statement, version)}"
    if no:
        return f"{why}, but {_quoted(no[0].statement, version)}: the sources disagree", False
    seen = upstream(version)
    if seen.modified:
        return f"{why}; the build is of a changed tree", False
    if unknown and not yes[0].record.advisory.vendor:
        return f"{why}; {_unusable(unknown[0], version)}", True
    return why, True


def _unusable(say: Say, version: str) -> str:
    if say.affected is None and say.statement.usable and upstream(version).snapshot:
        return f"{version} is a development snapshot around the edge of the range of {_source(say.statement)}"
    if say.statement.usable and say.record.advisory.fixed and affects(say.statement, version):
        return f"the record lists {version} as affected and as fixed"
    if say.statement.usable:
        return f"the ranges of {_source(say.statement)} are incomplete around {version}"
    return f"{_source(say.statement)} gives no range"


def _source(statement: Statement) -> str:
    return {"vendor": "the vendor", "text": "its wording", "nvd-cpe": "NVD", "cna": "the CNA"}.get(
        statement.origin, statement.origin if statement.origin not in ("", "record") else "the record"
    )


def _quoted(statement: Statement, version: str) -> str:
    """The range that holds, or all that do not."""
    base = upstream(version).base
    if statement.everything:
        return f"in the range \u201call versions\u201d ({_source(statement)})"
    holding = [span for span in statement.ranges if within(base, span)]
    inside = bool(holding) and affects(statement, version) is not False
    shown = ", ".join(_shown(span.introduced, span.fixed, span.last) for span in (holding or statement.ranges)[:4])
    return f"{'' if inside else 'not '}in the range “{shown}” ({_source(statement)})"


def _shown(introduced: str, fixed: str, last: str) -> str:
    if introduced and introduced == last:
        return introduced
    end = f"before {fixed}" if fixed else f"up to {last}" if last else "on" if introduced else "all"
    return f"from {introduced} {end}" if introduced else end


def _distribution(component: Component) -> str:
    """`deb`, `rpm`, `apk` or `opkg` where the component is a distribution's package, whose version hides backports."""
    for start, ecosystem in _DISTRIBUTIONS.items():
        if component.purl.startswith(start):
            return ecosystem
    if not component.revision and component.how is not How.PACKAGE_DATABASE:
        return ""
    for item in component.evidence:
        for part, ecosystem in _DATABASES.items():
            if part in item.path:
                return ecosystem
    return "package"


def installed_as(component: Component) -> str:
    """The package's full version; `revision` holds either that or only what follows upstream's."""
    if not component.revision:
        return component.version
    if component.revision.startswith(component.version) or ":" in component.revision:
        return component.revision
    return f"{component.version}-{component.revision}"


class _Fixed:
    """The distribution says that this package holds the fix."""


def _packaged(records: Sequence[Record], component: Component) -> Match | _Fixed | None:
    """What the component's own distribution says of this very package; None when it says nothing.

    Distributions carry fixes back, so only their own order and data can tell; several lines of one distribution may be
    maintained, and only a fix of the same upstream version (or an older one) is of this line.
    """
    ecosystem = _distribution(component)
    installed = installed_as(component)
    mine = [
        (record, fix)
        for record in records
        for fix in record.packages
        if fix.ecosystem == ecosystem and names().component(fix.package) == component.name
    ]
    orders = [(record, fix, distribution_order(ecosystem, installed, fix.version)) for record, fix in mine]
    same = [entry for entry in orders if upstream(entry[1].version).base == upstream(installed).base]
    if any(order is not None and order >= 0 for _, _, order in same):
        return _Fixed()
    below = [entry for entry in orders if entry[2] == -1]
    if not below or len(below) < len(orders):
        return None
    record, fix, _ = below[0]
    return Match(
        advisory=_merged(records, Say(record=record, statement=_NO_STATEMENT, affected=True)),
        component=component.name,
        version=component.version,
        matched_because=f"package {installed} is before {fix.version}, in which the distribution fixed it",
    )


_NO_STATEMENT = Statement(key="", origin="distribution")


def _merged(records: Sequence[Record], base: Say) -> Advisory:
    """One advisory for one flaw: the base's words, and what only others know."""
    chosen = base.record.advisory
    others = [record.advisory for record in records]
    ids = [chosen.id, *chosen.aliases, *(name for one in others for name in (one.id, *one.aliases))]
    spans = base.statement.ranges
    fixed = chosen.fixed or tuple(dict.fromkeys(span.fixed for span in spans if span.fixed))
    return msgspec.structs.replace(
        chosen,
        aliases=tuple(name for name in dict.fromkeys(ids) if name != chosen.id),
        ranges=spans,
        fixed=fixed or next((one.fixed for one in others if one.fixed), ()),
        published=_earliest(one.published for one in others),
        fixed_release=_earliest(one.fixed_release for one in others),
        severity=chosen.severity or next((one.severity for one in others if one.severity), None),
        cvss=chosen.cvss or next((one.cvss for one in others if one.cvss), ""),
        title=chosen.title or next((one.title for one in others if one.title), ""),
        roles=chosen.roles or next((one.roles for one in others if one.roles), ()),
        attackers=chosen.attackers or next((one.attackers for one in others if one.attackers), ()),
        needs=chosen.needs or next((one.needs for one in others if one.needs), ()),
        applets=chosen.applets or next((one.applets for one in others if one.applets), ()),
        symbols=chosen.symbols or next((one.symbols for one in others if one.symbols), ()),
        note=chosen.note or next((one.note for one in others if one.note), ""),
        known_exploited=_earliest(one.known_exploited for one in others),
    )


def _earliest(days: Iterable[datetime.date | None]) -> datetime.date | None:
    return min((day for day in days if day is not None), default=None)


def _rated(found: Match, store: KnowledgeStore) -> Match:
    advisory = found.advisory
    rated = store.ratings([advisory.id, *advisory.aliases])
    exploited = _earliest([advisory.known_exploited, *(day for day, _ in rated.values())])
    scores = [score for _, score in rated.values() if score is not None]
    if exploited == advisory.known_exploited and not scores:
        return found
    return msgspec.structs.replace(
        found,
        advisory=msgspec.structs.replace(advisory, known_exploited=exploited, epss=max(scores) if scores else None),
    )
