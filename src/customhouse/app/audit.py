"""`customhouse audit`: from bytes to a verdict. Wires the rooms; decides nothing itself."""

import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from customhouse import __version__
from customhouse.firmware.checks import check
from customhouse.firmware.extractors import EXTRACTORS
from customhouse.firmware.facts import map_contents
from customhouse.firmware.link import link
from customhouse.firmware.link.programs import analyse_programs
from customhouse.host.context import Context
from customhouse.host.store import Store
from customhouse.judgement.clauses import judge_clauses
from customhouse.judgement.policy import Policy
from customhouse.judgement.verdict import Examined, judge
from customhouse.model import (
    Component,
    Deployment,
    DeviceFacts,
    Digest,
    Dossier,
    FileCount,
    FileFacts,
    FileKind,
    FileTree,
    NotExamined,
    Rules,
    Tool,
)

from .contents import Remembered, remembered_or_unpacked
from .linked import remembered_or_linked
from .rules import fact_versions, rules_version
from .vulnerabilities import vulnerabilities_of

SECONDS_DIGITS = 3


class AuditOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user said besides the image. Files are read and checked before any work begins."""

    policy: Policy
    today: datetime.date
    deployment: Deployment | None = None
    supplier: tuple[Component, ...] = ()
    """What the supplier's SBOMs list."""
    vex: tuple[tuple[str, bytes], ...] = ()
    """File name and content of each of the supplier's statements."""
    package_database: bool = True


class Timing:
    """Seconds by stage, in the order in which the stages ran."""

    def __init__(self, context: Context) -> None:
        self.seconds: dict[str, float] = {}
        self._context = context

    @contextmanager
    def stage(self, name: str, words: str) -> Iterator[None]:
        """Announces `words` and books the time under `name`."""
        self._context.progress.stage(words)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.seconds[name] = round(spent, SECONDS_DIGITS)


def audit(path: Path, options: AuditOptions, context: Context) -> Dossier:
    """One image, audited. Raises `InputError` and `MissingTool`; whatever an image does ends in the dossier."""
    timing = Timing(context)
    with Store.open(context.cache) as store:
        with timing.stage("unpack", "unpacking"):
            unpacked, contents = remembered_or_unpacked(path, context, store)
        with timing.stage("facts", "reading files"):
            facts = map_contents(contents, EXTRACTORS, context, store=store)
        with timing.stage("programs", "reading programs"):
            facts = analyse_programs(contents, facts, unpacked.tree, context, store=store)
        with timing.stage("link", "joining what was read"):
            device = _linked(unpacked, facts, contents, options, context, store)
        store.prune(fact_versions())
    with timing.stage("checks", "asking questions"):
        findings = check(device, options.today)
    with timing.stage("vulnerabilities", "looking up known vulnerabilities"):
        vulnerabilities, feeds = vulnerabilities_of(device, options.deployment, options.today, vex=options.vex)
    not_examined = _merged(unpacked.not_examined, device.not_examined)
    with timing.stage("verdict", "judging"):
        verdict = judge(
            coverage=unpacked.coverage,
            examined=_examined(unpacked.tree, facts),
            findings=findings,
            policy=options.policy,
            today=options.today,
            vulnerabilities=vulnerabilities,
            services=device.services,
            not_examined=not_examined,
            deployment=options.deployment,
            feeds=feeds,
            components=len(device.components),
        )
    return Dossier(
        tool=Tool(name="customhouse", version=__version__),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        rules=Rules(version=rules_version()),
        feeds=feeds,
        image=unpacked.image,
        coverage=unpacked.coverage,
        files=_count(unpacked.tree),
        volumes=unpacked.tree.volumes,
        components=device.components,
        accounts=device.accounts,
        services=device.services,
        secrets=device.secrets,
        endpoints=device.endpoints,
        updates=device.updates,
        flows=device.flows,
        constructed_commands=device.constructed_commands,
        hardening=device.hardening,
        vulnerabilities=vulnerabilities,
        findings=findings,
        clauses=judge_clauses(findings, verdict, _looked_at(unpacked.tree, facts, device, options)),
        sbom_differences=device.sbom_differences,
        unnamed_programs=device.unnamed_programs,
        not_examined=not_examined,
        verdict=verdict,
        timing=timing.seconds,
    )


def _linked(
    unpacked: Remembered,
    facts: Mapping[Digest, FileFacts],
    contents: Mapping[Digest, Path],
    options: AuditOptions,
    context: Context,
    store: Store,
) -> DeviceFacts:
    def link_now() -> DeviceFacts:
        return link(
            unpacked.tree,
            facts,
            context,
            contents,
            package_database=options.package_database,
            supplier=options.supplier,
        )

    choice = (options.package_database, options.supplier)
    return remembered_or_linked(unpacked.key, unpacked.tree, facts, choice, store, link_now)


def _merged(*parts: Sequence[NotExamined]) -> tuple[NotExamined, ...]:
    """All of them once, in a stable order."""
    return tuple(dict.fromkeys(entry for part in parts for entry in part))


def _examined(tree: FileTree, facts: Mapping[Digest, FileFacts]) -> Examined:
    digests = {node.digest for node in tree.files() if node.digest is not None}
    programs = [d for d in digests if d in facts and facts[d].kind in (FileKind.ELF, FileKind.SCRIPT)]
    read = [digest for digest in programs if facts[digest].elf or facts[digest].text]
    return Examined(
        root_file_system=any(volume.root for volume in tree.volumes),
        programs=len(programs),
        programs_read=len(read),
    )


def _count(tree: FileTree) -> FileCount:
    return FileCount(total=len(tree.nodes), unique=len({node.digest for node in tree.files()}))


def _looked_at(
    tree: FileTree, facts: Mapping[Digest, FileFacts], device: DeviceFacts, options: AuditOptions
) -> frozenset[str]:
    """What was examined, in the words of the clause table."""
    deployment = options.deployment or Deployment()
    examined = _examined(tree, facts)
    answers = {
        "root-file-system": examined.root_file_system,
        "certificate-checks": any(update.certificate_checked is True for update in device.updates),
        "components": bool(device.components),
        "update-signature": any(update.signature_checked is not None for update in device.updates),
        "firmware-dates": bool(deployment.firmware_date or deployment.latest_firmware),
        "support-period": bool(deployment.support_until),
        "declared-ports": deployment.listeners is not None,
    }
    return frozenset(name for name, answer in answers.items() if answer)
