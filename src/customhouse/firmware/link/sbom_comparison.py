"""What a supplier's list of components and the image disagree about."""

import re
from collections.abc import Sequence

from customhouse.firmware.facts.component_rules import Rule, rules
from customhouse.model import Component, Confidence, How, SbomDifference

from .components import rule_of_package


def sbom_differences(supplier: Sequence[Component], found: Sequence[Component]) -> tuple[SbomDifference, ...]:
    """Missing from the list, extra in the list (nothing in the image shows it), and listed in another version.

    Names are compared as our rules know them, so that a supplier's `libssl1.1` is our openssl. A component that is
    only declared by the image's own package database is no proof against the supplier, and a listed component is
    called extra only when a rule could have found it.
    """
    known = tuple(rules())
    listed = _by_name(supplier, known)
    present = _by_name([one for one in found if one.how is not How.MENTIONS], known)
    differences = []
    for name in sorted(listed.keys() | present.keys()):
        theirs, ours = listed.get(name, []), present.get(name, [])
        if not theirs:
            if any(one.confidence is not Confidence.LOW and one.how is not How.PACKAGE_DATABASE for one in ours):
                differences.append(SbomDifference(component=name, kind="missing", found=_versions(ours)))
        elif not ours:
            if any(rule.name == name for rule in known):
                differences.append(SbomDifference(component=name, kind="extra", supplier=_versions(theirs)))
        elif _differ(theirs, ours):
            differences.append(
                SbomDifference(component=name, kind="version", supplier=_versions(theirs), found=_versions(ours))
            )
    return tuple(differences)


def _by_name(given: Sequence[Component], known: tuple[Rule, ...]) -> dict[str, list[Component]]:
    grouped: dict[str, list[Component]] = {}
    for one in given:
        grouped.setdefault(_our_name(one, known), []).append(one)
    return grouped


def _our_name(component: Component, known: tuple[Rule, ...]) -> str:
    """The rule's name that a foreign component goes by: by its CPE, its package URL, or its name."""
    pairs = {":".join(cpe.split(":")[3:5]) for cpe in component.cpes if cpe.startswith("cpe:2.3:")}
    base = component.purl.partition("@")[0]
    for rule in known:
        if component.name.lower() == rule.name or pairs & set(rule.cpes) or (base and base == rule.purl):
            return rule.name
    rule_by_package = rule_of_package(component.name, known)
    return rule_by_package.name if rule_by_package is not None else component.name.lower()


def _differ(theirs: Sequence[Component], ours: Sequence[Component]) -> bool:
    """Whether both sides say versions and some version of ours is not listed."""
    said = {_plain(one.version) for one in theirs if one.version}
    seen = {_plain(one.version) for one in ours if one.version}
    return bool(said and seen and not seen <= said)


def _plain(version: str) -> str:
    """A version without epoch and packaging revision, to compare what two tools wrote."""
    bare = re.sub(r"^(?:\d+:|v(?=\d))", "", version.lower())
    return re.sub(r"(?:[+~.](?:dfsg|ds)[\w.]*)?-r?\d[\w.+~]*$", "", bare)


def _versions(components: Sequence[Component]) -> str:
    return ", ".join(sorted({one.version for one in components if one.version})) or "no version"
