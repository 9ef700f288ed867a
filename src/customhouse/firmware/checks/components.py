"""What the device is made of: does it agree with its supplier, with its own kernel, and is it known at all?"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from customhouse.model import (
    Component,
    Confidence,
    DeviceFacts,
    Evidence,
    FileNode,
    Finding,
    How,
    SbomDifference,
    Severity,
)

from .check import Check

_KERNEL = "linux-kernel"
_SHOWN = 20
_WORDS = {
    "missing": "the image holds {name} {found}, which the supplier's SBOM does not list",
    "extra": "the supplier's SBOM lists {name} {supplier}, of which the image shows nothing",
    "version": "the supplier's SBOM lists {name} {supplier}, the image holds {found}",
}


class SbomDisagrees(Check):
    """The supplier's list against the image."""

    rule = "components.sbom"
    asks = "Does the image hold what its supplier's SBOM lists, in the versions that it lists?"
    clauses = ("CRA I(2)(1)", "EN 303 645 5.2-3")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for one in device.sbom_differences:
            yield self.finding(
                # A wrong or missing entry hides known flaws from those who trust the list; an entry too many does not.
                severity=Severity.LOW if one.kind == "extra" else Severity.MEDIUM,
                confidence=Confidence.MEDIUM if one.kind == "extra" else Confidence.HIGH,
                title=_sentence(one),
                remedy="Have the supplier correct the SBOM, and make it from the build rather than by hand.",
                evidence=_evidence_of(device.components, one.component),
                subject=one.component,
            )


def _sentence(one: SbomDifference) -> str:
    text = _WORDS.get(one.kind, "the SBOM and the image disagree about {name}")
    sentence = text.format(name=one.component, supplier=one.supplier, found=one.found)
    return sentence[0].upper() + sentence[1:]


def _evidence_of(components: Sequence[Component], name: str) -> tuple[Evidence, ...]:
    return tuple(evidence for one in components if one.name == name for evidence in one.evidence[:2])[:_SHOWN]


class KernelDisagrees(Check):
    """Kernel image, modules and module folders name one kernel, or something was exchanged by half."""

    rule = "components.kernel"
    asks = "Are the kernel and its modules of one version?"

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        kernels = [one for one in device.components if one.name == _KERNEL and one.version]
        proven = {one.version for one in kernels if one.how in (How.DEFINES, How.BANNER)}
        strangers = [(version, place) for version, place in _built_for(device) if version not in proven]
        if proven and strangers:
            others = _listed({version for version, _ in strangers})
            yield self.finding(
                severity=Severity.LOW,
                confidence=Confidence.MEDIUM,
                title=f"The kernel is {_listed(proven)}, but modules are built for {others}",
                detail="Modules of another kernel do not load; or the image carries files of an earlier release.",
                remedy="Build kernel and modules together, and remove what is left of earlier releases.",
                evidence=(*_evidence_of(kernels, _KERNEL)[:2], *(place for _, place in strangers[:_SHOWN])),
                subject=_KERNEL,
            )


def _built_for(device: DeviceFacts) -> Iterable[tuple[str, Evidence]]:
    """Kernel versions that modules say they are built for, each with its module."""
    for node in device.tree.files():
        facts = device.facts.get(node.digest) if node.digest else None
        for hint in facts.components.hints if facts is not None and facts.components is not None else ():
            if hint.rule == _KERNEL and hint.how == How.BUILD_STRING and hint.version:
                yield (
                    hint.version,
                    Evidence(path=node.path, digest=node.digest, offset=hint.offset, excerpt=hint.excerpt),
                )


class SeveralVersions(Check):
    """A second copy of a library is the one that updates forget."""

    rule = "components.versions"
    asks = "Does the image carry one component in several versions?"

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        held = [one for one in device.components if one.version and one.files and one.name != _KERNEL]
        for name, same in groupby(sorted(held, key=lambda one: one.name), key=lambda one: one.name):
            copies = list(same)
            versions = {one.version for one in copies}
            if len(versions) > 1:
                yield self.finding(
                    severity=Severity.LOW,
                    title=f"{name} is there in {len(versions)} versions: {_listed(versions)}",
                    remedy="Link every program against one maintained copy.",
                    evidence=tuple(one.evidence[0] for one in copies if one.evidence),
                    subject=name,
                )


class UnnamedPrograms(Check):
    """The extent of what is not known about the device's software."""

    rule = "components.unnamed"
    asks = "Which programs could not be named, and so cannot be matched with known vulnerabilities?"

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        unnamed = device.unnamed_programs
        if unnamed:
            yield self.finding(
                severity=Severity.INFO,
                title=f"{len(unnamed)} programs and libraries are of unknown origin",
                detail="Network-facing and largest first: " + ", ".join(unnamed[:_SHOWN]),
                remedy="Ask the supplier what they are; known vulnerabilities cannot be looked up for them.",
                evidence=tuple(
                    Evidence(path=node.path, digest=node.digest) for node in _nodes(device, unnamed[:_SHOWN])
                ),
            )


def _nodes(device: DeviceFacts, paths: Sequence[str]) -> list[FileNode]:
    wanted = set(paths)
    return [node for node in device.tree.nodes if node.path in wanted]


def _listed(versions: set[str]) -> str:
    return ", ".join(sorted(versions))
