"""Lists of components as SPDX 2: out through its library (2.3, JSON), in from JSON and tag-value.

Source: SPDX specification 2.3. Licences are not ours to judge and are written as NOASSERTION.
"""

import datetime
import io
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from customhouse.host.errors import InputError
from customhouse.model import Component, Confidence, Dossier, How, Purl

_MOST = 100_000
_NAMESPACE = "https://customhouse.invalid/spdx/"  # SPDX wants a URI that is unique, not one that can be visited


def write(dossier: Dossier) -> str:
    """An SPDX 2.3 document in JSON that describes the image and contains its components."""
    # At first use: the library takes a second to import, and few runs need it.
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.document import CreationInfo, Document
    from spdx_tools.spdx.model.package import (
        ExternalPackageRef,
        ExternalPackageRefCategory,
        Package,
        PackagePurpose,
    )
    from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
    from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

    created = datetime.datetime.fromisoformat(dossier.created).astimezone(datetime.UTC).replace(tzinfo=None)
    root = Package(
        spdx_id="SPDXRef-image",
        name=dossier.image.name,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, str(dossier.image.sha256))],
        primary_package_purpose=PackagePurpose.FIRMWARE,
    )
    packages = [root]
    relationships = [Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, "SPDXRef-image")]
    for number, component in enumerate(dossier.components, 1):
        security = ExternalPackageRefCategory.SECURITY
        references = [ExternalPackageRef(security, "cpe23Type", cpe) for cpe in component.cpes]
        if component.purl:
            references.append(ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", component.purl))
        packages.append(
            Package(
                spdx_id=f"SPDXRef-component-{number}",
                name=component.name,
                version=component.version or None,
                download_location=SpdxNoAssertion(),
                files_analyzed=False,
                external_references=references,
                comment=f"known by {component.how}, confidence {component.confidence}",
            )
        )
        contained = f"SPDXRef-component-{number}"
        relationships.append(Relationship("SPDXRef-image", RelationshipType.CONTAINS, contained))
    document = Document(
        CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id="SPDXRef-DOCUMENT",
            name=dossier.image.name,
            document_namespace=_NAMESPACE + str(uuid.uuid5(uuid.NAMESPACE_URL, str(dossier.image.sha256))),
            creators=[Actor(ActorType.TOOL, f"{dossier.tool.name}-{dossier.tool.version}")],
            created=created,
        ),
        packages=packages,
        relationships=relationships,
    )
    stream = io.StringIO()
    write_document_to_stream(document, stream, validate=False)
    return stream.getvalue()


def read_json(document: Mapping[str, Any]) -> tuple[Component, ...]:
    """Packages of a parsed SPDX 2 JSON document, without those that the document is about. Raises `InputError`."""
    packages = document.get("packages", [])
    if not isinstance(packages, list) or len(packages) > _MOST:
        raise InputError("the SPDX document's packages are no list of sensible length")
    subjects = set(_described(document))
    listed = []
    for package in packages:
        if not isinstance(package, Mapping) or not isinstance(package.get("name"), str):
            raise InputError("the SPDX document lists a package without a name")
        if package.get("SPDXID") in subjects and len(packages) > 1:
            continue
        references = [one for one in _list(package.get("externalRefs")) if isinstance(one, Mapping)]
        listed.append(
            _component(
                package["name"],
                _string(package.get("versionInfo")),
                [(_string(one.get("referenceType")), _string(one.get("referenceLocator"))) for one in references],
                _string(package.get("comment")),
            )
        )
    return tuple(listed)


def _described(document: Mapping[str, Any]) -> Iterator[str]:
    yield from (one for one in _list(document.get("documentDescribes")) if isinstance(one, str))
    for one in _list(document.get("relationships")):
        if isinstance(one, Mapping) and one.get("relationshipType") == "DESCRIBES":
            yield _string(one.get("relatedSpdxElement"))


def _component(name: str, version: str, references: list[tuple[str, str]], comment: str = "") -> Component:
    said = re.match(r"known by ([a-z-]+), confidence ([a-z]+)$", comment)
    return Component(
        name=name,
        version=version,
        purl=Purl(next((place for kind, place in references if kind == "purl"), "")),
        cpes=tuple(place for kind, place in references if kind == "cpe23Type"),
        how=How(said[1]) if said and said[1] in tuple(How) else How.PACKAGE_DATABASE,
        confidence=Confidence(said[2]) if said and said[2] in tuple(Confidence) else Confidence.MEDIUM,
    )


def read_tag_value(text: str) -> tuple[Component, ...]:
    """Packages of an SPDX 2 tag-value document. Raises `InputError` when it lists too many."""
    packages: list[dict[str, list[str]]] = []
    subjects: set[str] = set()
    for line in text.splitlines():
        tag, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z]+", tag):
            continue
        value = value.strip()
        if tag == "PackageName":
            packages.append({})
        elif tag in ("FileName", "SnippetSPDXID", "LicenseID"):
            packages.append({"other": [value]})
        if tag == "Relationship" and " DESCRIBES " in value:
            subjects.add(value.rpartition(" ")[2])
        if packages:
            packages[-1].setdefault(tag, []).append(value)
        if len(packages) > _MOST:
            raise InputError("the SPDX document lists more than any device has")
    named = [one for one in packages if "PackageName" in one]
    wanted = [one for one in named if one.get("SPDXID", [""])[0] not in subjects or len(named) == 1]
    return tuple(
        _component(
            one["PackageName"][0],
            one.get("PackageVersion", [""])[0],
            [(parts[1], parts[2]) for ref in one.get("ExternalRef", []) if len(parts := ref.split(None, 2)) == 3],
            one.get("PackageComment", [""])[0],
        )
        for one in wanted
    )


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
