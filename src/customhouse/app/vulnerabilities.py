"""Known flaws of a device: matched, judged by who can reach them, and ranked.

Wires knowledge and judgement; `audit` and `advise` both come here.
"""

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from customhouse.judgement.clock import clock_start
from customhouse.judgement.exposure import expose
from customhouse.judgement.ranking import ranked
from customhouse.judgement.situation import Seen, situation_of
from customhouse.knowledge.match import match
from customhouse.knowledge.snapshot import open_store
from customhouse.model import Component, Deployment, DeviceFacts, FeedStatus, How, Match, Reachability, Vulnerability

from .seen import seen_of


def vulnerabilities_of(
    device: DeviceFacts,
    deployment: Deployment | None,
    today: datetime.date,
    vex: Sequence[tuple[str, bytes]] = (),
    store: Path | None = None,
) -> tuple[tuple[Vulnerability, ...], tuple[FeedStatus, ...]]:
    """Rows of the dossier, the one that matters most first, and the state of the feeds they rest on.

    `vex` holds suppliers' statements as (file name, content). Raises InputError for one that is none.
    """
    return rows_of(device.components, deployment, seen_of(device), today, vex, store)


def rows_of(
    components: Iterable[Component],
    deployment: Deployment | None,
    seen: Sequence[Seen],
    today: datetime.date,
    vex: Sequence[tuple[str, bytes]] = (),
    store: Path | None = None,
) -> tuple[tuple[Vulnerability, ...], tuple[FeedStatus, ...]]:
    """The same for any list of components, whatever is known of their use."""
    del today  # records carry their dates; the day only matters to the policy
    known = open_store(store)
    matches = match(distinct(components), known)
    rows = [row_of(found, deployment, seen) for found in matches]
    if vex:
        # Here, not above: suppliers' statements are rare, and their readers are not needed without them.
        from .suppliers import apply_statements

        rows = apply_statements(rows, vex)
    feeds = known.feeds()
    known.close()
    return ranked(rows), feeds


def distinct(components: Iterable[Component]) -> list[Component]:
    """One of each name and version: the same flaw is not told twice for two copies. A copy that a package database
    names is kept before one without, since the package may carry fixes back."""
    best: dict[tuple[str, str], Component] = {}
    for component in components:
        key = (component.name, component.version)
        if component.how is not How.MENTIONS and (key not in best or (component.revision and not best[key].revision)):
            best[key] = component
    return list(best.values())


def row_of(found: Match, deployment: Deployment | None, seen: Sequence[Seen]) -> Vulnerability:
    """One match, judged."""
    advisory = found.advisory
    reachability = expose(found, situation_of(found.component, found.version, deployment, seen))
    return Vulnerability(
        id=advisory.id,
        aliases=advisory.aliases,
        component=found.component,
        version=found.version,
        matched_because=found.matched_because,
        title=advisory.title,
        published=advisory.published,
        clock_start=clock_start(advisory),
        fixed=advisory.fixed,
        severity=advisory.severity,
        cvss=advisory.cvss,
        epss=advisory.epss,
        known_exploited=advisory.known_exploited is not None,
        certain=found.certain or reachability.status == "affected",
        note=advisory.note,
        source=advisory.source,
        reachability=reachability,
    )


def restated(row: Vulnerability, reachability: Reachability) -> Vulnerability:
    """The row with another statement."""
    return msgspec.structs.replace(row, reachability=reachability)
