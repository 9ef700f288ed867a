"""Which components the device holds, joined over its files, file names, kernel and package databases.

Every statement is a `Claim`; claims on the same component and version become one `Component`, known as surely as the
surest of them. Mentions are no claims. A file that is the component without saying its version takes the version that
another file of the image proves, where there is only one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from customhouse.firmware.facts.component_rules import Rule, expression, rules, version_of
from customhouse.model import (
    Component,
    Confidence,
    Digest,
    Evidence,
    FileNode,
    FileTree,
    How,
    ImagePath,
    NodeKind,
    Purl,
)

from .files import Files
from .package_databases import Package, packages

_MAX_EVIDENCE = 8
_STRENGTH = {How.DEFINES: 4, How.PACKAGE_DATABASE: 3, How.BANNER: 2, How.BUILD_STRING: 1, How.MENTIONS: 0}
_CONFIDENCE = {
    How.DEFINES: Confidence.HIGH,
    How.PACKAGE_DATABASE: Confidence.HIGH,
    How.BANNER: Confidence.MEDIUM,
    How.BUILD_STRING: Confidence.MEDIUM,
}
_KERNEL = "linux-kernel"
_IDF, _IDF_DETAIL = "esp-idf", "IDF version"
_IDF_VERSION = re.compile(r"v?(?P<version>[0-9]+\.[0-9]+(?:\.[0-9]+)?)")
_KERNEL_DETAIL = re.compile(r"Linux[- ](?:version )?" + expression("<V>"))


@dataclass(frozen=True)
class Claim:
    """One place that says a component is there. `file`: that file is part of it."""

    name: str
    version: str
    how: How
    evidence: Evidence
    file: str = ""
    revision: str = ""


def components(
    files: Files,
    tree: FileTree,
    contents: Mapping[Digest, Path] | None = None,
    *,
    package_database: bool = True,
) -> tuple[Component, ...]:
    """All components, by name and version. `package_database=False`: what the files themselves prove."""
    known = {rule.name: rule for rule in rules()}
    claims = [*_file_claims(files, tree, known), *_volume_claims(tree), *_module_folders(tree)]
    strangers: list[Component] = []
    if package_database:
        proven = frozenset(claim.name for claim in claims)
        for package in packages(files, contents):
            rule = rule_of_package(package.name, tuple(known.values()), proven)
            if rule is None:
                strangers.append(_stranger(package))
            else:
                claims.append(_declared(package, rule))
    # Facts from a cache may name rules that are gone.
    standing = _without_hearsay([claim for claim in claims if claim.name in known])
    found = [_component(known[name], version, group) for (name, version), group in merged(standing).items()]
    return tuple(sorted(found + strangers, key=lambda one: (one.name, one.version, one.revision, one.purl)))


def rule_of_package(name: str, known: Sequence[Rule], proven: frozenset[str] = frozenset()) -> Rule | None:
    """The rule for a package: of its own name first, then one that the files prove (`libc`), then any that fits."""
    plain = re.sub(r"(?<=\d)t64$", "", name)  # Debian's mark of 64-bit time
    fitting = [rule for rule in known if any(re.fullmatch(form, plain, re.IGNORECASE) for form in rule.packages)]
    fitting.sort(key=lambda rule: (rule.name != name.lower(), rule.name not in proven))
    return fitting[0] if fitting else None


def _file_claims(files: Files, tree: FileTree, known: Mapping[str, Rule]) -> Iterator[Claim]:
    forms = [
        (rule, form, re.compile(expression(form.regex))) for rule in known.values() for form in rule.paths if form.regex
    ]
    alone = [triple for triple in forms if triple[1].alone]
    for node in tree.files():
        facts = files.facts.get(node.digest) if node.digest else None
        hints = facts.components.hints if facts is not None and facts.components is not None else ()
        certain = {hint.rule for hint in hints if hint.how == How.DEFINES}
        named: dict[str, str] = {}
        for rule, form, compiled in forms if certain else alone:
            if (form.alone or rule.name in certain) and (match := compiled.search(node.path)):
                named[rule.name] = version_of(match)
        for hint in hints:
            if hint.how == How.MENTIONS or hint.rule not in known:
                continue
            version = hint.version or named.pop(hint.rule, "")
            evidence = Evidence(path=node.path, digest=node.digest, offset=hint.offset, excerpt=hint.excerpt)
            yield Claim(hint.rule, version, How(hint.how), evidence, str(node.path))
            named.pop(hint.rule, None)
        for name, version in named.items():
            yield Claim(
                name,
                version,
                How.DEFINES,
                Evidence(path=node.path, digest=node.digest, excerpt=_last(node)),
                str(node.path),
            )


def _last(node: FileNode) -> str:
    return node.path.rpartition("/")[2][:120]


def _volume_claims(tree: FileTree) -> Iterator[Claim]:
    """What image headers say: a uImage is called `Linux-3.10.14`, an ESP32 application names its framework."""
    for volume in tree.volumes:
        for key, value in sorted(volume.detail.items()):
            place = Evidence(path=ImagePath(f"@{volume.name}"), excerpt=f"{volume.kind} {key}: {value}"[:120])
            if match := _KERNEL_DETAIL.search(value):
                yield Claim(_KERNEL, version_of(match), How.BANNER, place)
            if key == _IDF_DETAIL and (match := _IDF_VERSION.match(value)):
                yield Claim(_IDF, version_of(match), How.DEFINES, place)


def _module_folders(tree: FileTree) -> Iterator[Claim]:
    """`/lib/modules/3.3.8` says for which kernel the modules are."""
    seen: set[str] = set()
    for node in tree.nodes:
        match = re.search(r"/lib/modules/" + expression("<V>") + r"[^/]*(?=/|$)", node.path)
        if match and match[0] not in seen and (node.kind is NodeKind.DIRECTORY or match.end() < len(node.path)):
            seen.add(match[0])
            yield Claim(_KERNEL, version_of(match), How.BUILD_STRING, Evidence(path=node.path, excerpt=match[0]))


def _declared(package: Package, rule: Rule) -> Claim:
    return Claim(rule.name, package.upstream, How.PACKAGE_DATABASE, package.evidence, revision=package.revision)


def merged(claims: Sequence[Claim]) -> dict[tuple[str, str], list[Claim]]:
    """Claims by component and version.

    Where the files prove a single version, a file without one is of that version, and so is a package whose own
    version is written otherwise: a snapshot's date for what calls itself 2.1-devel. Where they prove several, a
    versionless claim says nothing new.
    """
    stated: dict[str, set[str]] = {}
    proven: dict[str, set[str]] = {}
    for claim in claims:
        if claim.version:
            stated.setdefault(claim.name, set()).add(claim.version)
            if claim.how is not How.PACKAGE_DATABASE:
                proven.setdefault(claim.name, set()).add(claim.version)
    groups: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        at_hand = proven.get(claim.name) or stated.get(claim.name, set())
        if claim.how is How.PACKAGE_DATABASE and len(proven.get(claim.name, ())) == 1:
            groups.setdefault((claim.name, next(iter(at_hand))), []).append(claim)
        elif claim.version or not at_hand:
            groups.setdefault((claim.name, claim.version), []).append(claim)
        elif len(at_hand) == 1:
            groups.setdefault((claim.name, next(iter(at_hand))), []).append(claim)
    return groups


def _without_hearsay(claims: Sequence[Claim]) -> list[Claim]:
    """Claims without build strings that contradict a proof: a module built for another kernel is no second kernel."""
    sure: dict[str, set[str]] = {}
    for claim in claims:
        if claim.version and claim.how in (How.DEFINES, How.BANNER):
            sure.setdefault(claim.name, set()).add(claim.version)
    return [
        claim
        for claim in claims
        if claim.how is not How.BUILD_STRING or claim.name not in sure or claim.version in sure[claim.name]
    ]


def _component(rule: Rule, version: str, group: Sequence[Claim]) -> Component:
    stating = [claim for claim in group if claim.version] or list(group)
    how = max((claim.how for claim in stating), key=lambda one: _STRENGTH[one])
    ordered = sorted(group, key=lambda claim: (not claim.version, -_STRENGTH[claim.how], claim.evidence.path))
    revisions = sorted({claim.revision for claim in group if claim.revision})
    return Component(
        name=rule.name,
        version=version,
        revision=revisions[0] if len(revisions) == 1 else "",
        purl=purl_of(rule.purl, version),
        cpes=tuple(cpe_of(rule.part, pair, version) for pair in rule.cpes),
        how=how,
        confidence=_CONFIDENCE[how],
        evidence=tuple(dict.fromkeys(claim.evidence for claim in ordered))[:_MAX_EVIDENCE],
        files=tuple(sorted({claim.file for claim in group if claim.file})),
    )


def _stranger(package: Package) -> Component:
    """A package of which no rule knows the component: named as the database names it."""
    kind = {"deb": "deb/debian", "apk": "apk/alpine", "rpm": "rpm"}.get(package.system, "generic")
    return Component(
        name=package.name,
        version=package.upstream,
        revision=package.revision,
        purl=purl_of(f"pkg:{kind}/{quote(package.name.lower(), safe='.-_~')}", package.version),
        how=How.PACKAGE_DATABASE,
        confidence=Confidence.HIGH,
        evidence=(package.evidence,),
    )


def purl_of(base: str, version: str) -> Purl:
    """The package URL with its version, percent-encoded as the specification wants it."""
    return Purl(f"{base}@{quote(version, safe='.-_~')}" if version else base)


def cpe_of(part: str, pair: str, version: str) -> str:
    """A CPE 2.3 formatted string for `vendor:product`."""
    vendor, _, product = pair.partition(":")
    fields = [_cpe_quoted(vendor), _cpe_quoted(product), _cpe_quoted(version) if version else "*"]
    return f"cpe:2.3:{part}:" + ":".join(fields) + ":*" * 7


def _cpe_quoted(text: str) -> str:
    return re.sub(r"([^A-Za-z0-9._-])", r"\\\1", text.lower())
