"""`customhouse advise`: is there any point in upgrading? From an image, from an SBOM, or from a bare name@version."""

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from customhouse import __version__
from customhouse.host.context import Context
from customhouse.host.errors import InputError
from customhouse.judgement.advice import Landscape, advise
from customhouse.judgement.deployment import parse_deployment
from customhouse.judgement.letter import letter
from customhouse.judgement.ranking import ranked
from customhouse.judgement.situation import Seen
from customhouse.knowledge.branches import branches_of, costs_of
from customhouse.knowledge.match import match
from customhouse.knowledge.names import keys_of, names
from customhouse.knowledge.snapshot import open_store
from customhouse.knowledge.store import KnowledgeStore
from customhouse.knowledge.versions import is_version, sort_key, upstream
from customhouse.model import (
    Advice,
    Component,
    Confidence,
    Deployment,
    FeedStatus,
    How,
    Model,
    Purl,
    Tool,
    Vulnerability,
)

from .suppliers import apply_statements
from .vulnerabilities import distinct, row_of

SCHEMA = "customhouse/advice/1"
_BARE = re.compile(r"(?:pkg:(?P<type>[a-z]+)/(?:[^@\s]*/)?)?(?P<name>[A-Za-z0-9._+-]+)@(?P<version>[^\s?#]+)")


class Advised(Model, frozen=True, kw_only=True):
    """What `advise` prints as JSON."""

    schema: str = SCHEMA
    tool: Tool = Tool(name="customhouse", version=__version__)
    subject: str
    deployment: Deployment
    feeds: tuple[FeedStatus, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()
    advice: tuple[Advice, ...] = ()


def component_of(text: str) -> Component | None:
    """The component that `name@version` or a package URL names; None when the text is neither."""
    found = _BARE.fullmatch(text)
    if found is None or not found["version"]:
        return None
    version, revision = found["version"], ""
    if found["type"] in ("deb", "rpm", "apk", "opkg"):
        version, _, revision = version.rpartition("-") if "-" in version else (version, "", "")
    return Component(
        name=names().component(found["name"]),
        version=version,
        revision=revision,
        purl=Purl(text if text.startswith("pkg:") else ""),
        how=How.DEFINES,
        confidence=Confidence.HIGH,
    )


def read_deployment(path: Path | None) -> Deployment:
    """A deployment file, or one in which nothing is said. Raises InputError with one line."""
    if path is None:
        return Deployment(name="no deployment was described", source="nothing declared")
    try:
        return parse_deployment(
            path.read_text(encoding="utf-8"),
            source=path.name,
            read_file=lambda name: (path.parent / name).read_text(encoding="utf-8", errors="replace"),
        )
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: {error}", hint="docs/guides/deployment.md explains the file") from None


def advised(
    subject: str,
    components: Sequence[Component],
    deployment: Deployment,
    today: datetime.date,
    seen: Sequence[Seen] = (),
    store: Path | None = None,
    vex: Sequence[tuple[str, bytes]] = (),
) -> Advised:
    """Advice on every component of which a flaw is known, the ones that can be reached first."""
    known = open_store(store)
    rows: list[Vulnerability] = []
    advice: list[Advice] = []
    for component in distinct(components):
        found = _rows(component, known, deployment, seen)
        if not found and len(components) > 1:
            continue
        rows += apply_statements(found, vex) if vex else found
        advice.append(_advice(component, known, deployment, seen, today))
    feeds = known.feeds()
    known.close()
    order = {True: 0, None: 1, False: 2}
    advice.sort(key=lambda item: (order[item.point_in_upgrading], -len(item.reachable), item.component))
    return Advised(
        subject=subject,
        deployment=deployment,
        feeds=feeds,
        vulnerabilities=ranked(rows),
        advice=tuple(advice),
    )


def _rows(
    component: Component, known: KnowledgeStore, deployment: Deployment, seen: Sequence[Seen]
) -> list[Vulnerability]:
    return [row_of(found, deployment, seen) for found in match([component], known)]


def _advice(
    component: Component,
    known: KnowledgeStore,
    deployment: Deployment,
    seen: Sequence[Seen],
    today: datetime.date,
) -> Advice:
    judged: dict[str, list[Vulnerability]] = {}

    def assess(version: str) -> Sequence[Vulnerability]:
        if version not in judged:
            there = component if version == component.version else msgspec.structs.replace(component, version=version)
            judged[version] = _rows(there, known, deployment, seen)
        return judged[version]

    branches = branches_of(component.name)
    candidates = {branch.newest for branch in branches if branch.newest} | releases(component, known)
    return advise(
        component.name,
        component.version,
        Landscape(
            assess=assess,
            order=lambda version: sort_key(upstream(version).base),
            candidates=sorted(candidates),
            branches=branches,
            costs=costs_of(component.name),
            complete=known.complete_for(component.name),
        ),
        today,
    )


def releases(component: Component, known: KnowledgeStore) -> set[str]:
    """Releases that records name as fixed, or as the first of a range by the vendor's word: they exist."""
    keys = set(keys_of(component))
    found: set[str] = set()
    for record in known.records(keys):
        found |= {version for version in record.advisory.fixed if is_version(version)}
        for statement in record.statements:
            if statement.key in keys and (statement.origin == "vendor" or not record.advisory.fixed):
                found |= {span.fixed for span in statement.ranges if is_version(span.fixed)}
            if statement.key in keys and statement.origin == "vendor":
                found |= {span.introduced for span in statement.ranges if is_version(span.introduced)}
    return {version for version in found if not re.search(r"pre|alpha|beta|dev", version)}


def letters(result: Advised, today: datetime.date) -> str:
    """A letter a component, one after the other."""
    sheets = []
    for advice in result.advice:
        rows = [
            row for row in result.vulnerabilities if row.component == advice.component and row.version == advice.version
        ]
        sheets.append(letter(advice, rows, result.deployment, result.feeds, today))
    if not sheets:
        return f"Nothing that is known to this snapshot concerns {result.subject}.\n"
    return ("\n" + "-" * 40 + "\n\n").join(sheets)


def from_image(path: Path, context: Context) -> tuple[tuple[Component, ...], tuple[Seen, ...]]:
    """Components of an image, and what it shows of their use. Raises InputError for what cannot be read."""
    # Here, not above: a bare name@version needs none of the machinery that takes images apart.
    from customhouse.firmware.extractors import EXTRACTORS
    from customhouse.firmware.facts import map_contents
    from customhouse.firmware.link import link
    from customhouse.host.store import Store

    from .contents import remembered_or_unpacked
    from .seen import seen_of

    with Store.open(context.cache) as store:
        unpacked, contents = remembered_or_unpacked(path, context, store)
        facts = map_contents(contents, EXTRACTORS, context, store=store)
        device = link(unpacked.tree, facts, context, contents)
    return device.components, seen_of(device)
