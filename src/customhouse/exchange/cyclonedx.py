"""Lists of components as CycloneDX: out through its library (1.6, JSON), in from JSON and XML of any version.

Source: CycloneDX 1.6 (ECMA-424). What the format has no place for (how we know, the packager's revision, further CPE
names, digests of evidence) is kept in properties under `customhouse:`, so that writing and reading loses nothing.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component as CdxComponent
from cyclonedx.model.component import ComponentType
from cyclonedx.model.component_evidence import (
    AnalysisTechnique,
    ComponentEvidence,
    Identity,
    IdentityField,
    Method,
    Occurrence,
)
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from customhouse.host.errors import InputError
from customhouse.model import Component, Confidence, Dossier, Evidence, How, Purl

_NAMESPACE = uuid.UUID("6f1f6e4e-8a2c-5d0b-9a55-2f0d6d1c7a10")  # ours, for serial numbers made of image digests
_HOW, _SURE, _REVISION, _CPE = "customhouse:how", "customhouse:confidence", "customhouse:revision", "customhouse:cpe"
_EVIDENCE, _FILE = "customhouse:evidence", "customhouse:file"
_CERTAINTY = {Confidence.HIGH: Decimal("0.95"), Confidence.MEDIUM: Decimal("0.7"), Confidence.LOW: Decimal("0.4")}
_TECHNIQUE = {
    How.DEFINES: AnalysisTechnique.BINARY_ANALYSIS,
    How.PACKAGE_DATABASE: AnalysisTechnique.MANIFEST_ANALYSIS,
    How.BANNER: AnalysisTechnique.BINARY_ANALYSIS,
    How.BUILD_STRING: AnalysisTechnique.BINARY_ANALYSIS,
    How.MENTIONS: AnalysisTechnique.OTHER,
}
_Word = TypeVar("_Word", How, Confidence)
_MOST = 100_000  # components a document may list
_DEEPEST = 64


def write(dossier: Dossier) -> str:
    """A CycloneDX 1.6 document in JSON: the image as its root, its components, how each was identified and where.

    The serial number follows from the image's digest; apart from `metadata.timestamp` the bytes follow from the
    dossier.
    """
    root = CdxComponent(
        name=dossier.image.name,
        type=ComponentType.FIRMWARE,
        bom_ref="image",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=str(dossier.image.sha256))],
    )
    tool = CdxComponent(name=dossier.tool.name, version=dossier.tool.version, type=ComponentType.APPLICATION)
    listed = [_written(component, f"component-{number}") for number, component in enumerate(dossier.components, 1)]
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, f"sbom:{dossier.image.sha256}"),
        metadata=BomMetaData(
            component=root, tools=ToolRepository(components=[tool]), timestamp=datetime.fromisoformat(dossier.created)
        ),
        components=listed,
    )
    bom.register_dependency(root, listed)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _written(component: Component, reference: str) -> CdxComponent:
    digests = sorted({str(one.digest) for one in component.evidence if one.digest and one.path in component.files})
    alone = len(component.files) == 1 and len(digests) == 1
    properties = [
        Property(name=_HOW, value=str(component.how)),
        Property(name=_SURE, value=str(component.confidence)),
        *(Property(name=_FILE, value=_encodable(path)) for path in component.files),
        *(
            Property(name=f"{_EVIDENCE}:{number}", value=msgspec.json.encode(_portable(one)).decode())
            for number, one in enumerate(component.evidence)
        ),
        *(Property(name=f"{_CPE}:{number}", value=cpe) for number, cpe in enumerate(component.cpes)),
    ]
    if component.revision:
        properties.append(Property(name=_REVISION, value=component.revision))
    operating = any(cpe.startswith("cpe:2.3:o:") for cpe in component.cpes)
    return CdxComponent(
        name=component.name,
        version=component.version or None,
        type=ComponentType.OPERATING_SYSTEM if operating else ComponentType.LIBRARY,
        bom_ref=reference,
        purl=PackageURL.from_string(component.purl) if component.purl else None,
        cpe=component.cpes[0] if component.cpes else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digests[0])] if alone else None,
        evidence=_evidence(component, reference),
        properties=properties,
    )


def _evidence(component: Component, reference: str) -> ComponentEvidence:
    sure = _CERTAINTY[component.confidence]
    method = Method(technique=_TECHNIQUE[component.how], confidence=sure, value=str(component.how))
    fields = [IdentityField.NAME] + ([IdentityField.VERSION] if component.version else [])
    return ComponentEvidence(
        identity=[Identity(field=field, confidence=sure, methods=[method]) for field in fields],
        occurrences=[
            Occurrence(
                bom_ref=f"{reference}-place-{number}",  # without one the library's order is that of chance
                location=_encodable(one.path),
                offset=one.offset,
                additional_context=_encodable(one.excerpt) or None,
            )
            for number, one in enumerate(component.evidence, 1)
        ],
    )


def _portable(one: Evidence) -> dict[str, Any]:
    return {
        name: _encodable(value) if isinstance(value, str) else value
        for name, value in msgspec.structs.asdict(one).items()
        if value not in (None, "")
    }


def _encodable(text: str) -> str:
    """Text that UTF-8 can carry: bytes of names that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_json(document: Mapping[str, Any]) -> tuple[Component, ...]:
    """Components of a parsed CycloneDX JSON document, nested ones too. Raises `InputError` for one that is none."""
    return tuple(_component(entry) for entry in _entries(document.get("components"), 0))


def _entries(listed: object, depth: int) -> Iterator[Mapping[str, Any]]:
    if listed is None:
        return
    if not isinstance(listed, list) or len(listed) > _MOST or depth > _DEEPEST:
        raise InputError("the SBOM's components are no list of sensible length and depth")
    for entry in listed:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise InputError("the SBOM lists a component without a name")
        yield entry
        yield from _entries(entry.get("components"), depth + 1)


def _component(entry: Mapping[str, Any]) -> Component:
    kept = {
        item["name"]: str(item.get("value", ""))
        for item in _list(entry.get("properties"))
        if isinstance(item, Mapping) and isinstance(item.get("name"), str) and item["name"] != _FILE
    }
    files = [
        str(item.get("value", ""))
        for item in _list(entry.get("properties"))
        if isinstance(item, Mapping) and item.get("name") == _FILE
    ]
    ours = [kept[name] for name in sorted(kept, key=_numbered) if name.startswith(f"{_CPE}:")]
    cpe = entry.get("cpe")
    return Component(
        name=entry["name"],
        version=_string(entry.get("version")),
        revision=kept.get(_REVISION, ""),
        purl=Purl(_string(entry.get("purl"))),
        cpes=tuple(ours) if ours else ((cpe,) if isinstance(cpe, str) and cpe else ()),
        how=_member(How, kept.get(_HOW), How.PACKAGE_DATABASE),
        confidence=_member(Confidence, kept.get(_SURE), Confidence.MEDIUM),
        evidence=tuple(_read_evidence(kept)),
        files=tuple(files),
    )


def _read_evidence(kept: Mapping[str, str]) -> Iterator[Evidence]:
    for name in sorted(kept, key=_numbered):
        if name.startswith(f"{_EVIDENCE}:"):
            try:
                yield msgspec.json.decode(kept[name], type=Evidence)
            except msgspec.MsgspecError as error:
                raise InputError(f"the SBOM's {name} is not what customhouse writes: {error}") from error


def _numbered(name: str) -> tuple[str, int]:
    base, _, number = name.rpartition(":")
    return base, int(number) if number.isdecimal() and len(number) < 9 else 0


def _member(kind: type[_Word], text: str | None, otherwise: _Word) -> _Word:
    try:
        return kind(text) if text else otherwise
    except ValueError:
        return otherwise


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def from_xml(text: bytes) -> tuple[Component, ...]:
    """Components of a CycloneDX XML document. Raises `InputError`, for entity tricks too."""
    # At first use: reading XML is rare, and start-up must stay fast.
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(f"the SBOM is no well-formed XML: {error}") from error
    if not root.tag.startswith("{http://cyclonedx.org/schema/bom/"):
        raise InputError("the XML document is no CycloneDX SBOM", hint="CycloneDX (JSON, XML) and SPDX 2 are read.")
    space = root.tag.partition("}")[0] + "}"
    listed = root.find(f"{space}components")
    return tuple(_component(entry) for entry in _xml_entries(listed, space))


def _xml_entries(listed: Any, space: str) -> Iterator[dict[str, Any]]:
    elements = [] if listed is None else list(listed.iter(f"{space}component"))
    if len(elements) > _MOST:
        raise InputError("the SBOM lists more components than any device has")
    for element in elements:
        fields = {child.tag.removeprefix(space): child for child in element}
        if "name" not in fields:
            raise InputError("the SBOM lists a component without a name")
        properties = fields.get("properties")
        yield {
            **{
                name: (fields[name].text or "").strip() for name in ("name", "version", "purl", "cpe") if name in fields
            },
            "properties": [
                {"name": one.get("name", ""), "value": one.text or ""}
                for one in ([] if properties is None else properties)
            ],
        }


def parsed(data: bytes) -> object:
    """JSON with nesting and errors under control. Raises `InputError`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the SBOM is no JSON: {error}") from error
