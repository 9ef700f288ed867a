"""SPDX 2.3: valid by its own library, and suppliers' documents read in both forms."""

import json

from spdx_tools.spdx.parser.json.json_parser import parse_from_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from customhouse.exchange import spdx
from customhouse.exchange.sbom import read_sbom
from customhouse.model import (
    Component,
    Confidence,
    Coverage,
    Decision,
    Digest,
    Dossier,
    FileCount,
    How,
    Image,
    Purl,
    Rules,
    Tool,
    Verdict,
)

ZLIB = Component(
    name="zlib",
    version="1.2.11",
    purl=Purl("pkg:github/madler/zlib@1.2.11"),
    cpes=("cpe:2.3:a:zlib:zlib:1.2.11:*:*:*:*:*:*:*",),
    how=How.DEFINES,
    confidence=Confidence.HIGH,
)
BARE = Component(name="bearssl", how=How.BANNER, confidence=Confidence.MEDIUM)


def dossier(*components: Component) -> Dossier:
    return Dossier(
        tool=Tool(name="customhouse", version="0.1"),
        created="2026-01-02T03:04:05+00:00",
        rules=Rules(version="1"),
        image=Image(name="camera.bin", size=4, sha256=Digest("0f" * 32)),
        coverage=Coverage(bytes=4, explained=4),
        files=FileCount(total=3, unique=3),
        components=components,
        verdict=Verdict(decision=Decision.ADMIT),
    )


def test_the_document_is_valid_spdx_2_3(tmp_path):
    written = tmp_path / "sbom.spdx.json"
    written.write_text(spdx.write(dossier(ZLIB, BARE)))
    assert validate_full_spdx_document(parse_from_file(str(written)), "SPDX-2.3") == []


def test_what_is_written_is_read_again_without_the_image_itself():
    assert read_sbom(spdx.write(dossier(ZLIB, BARE)).encode()) == (ZLIB, BARE)


def test_the_same_dossier_gives_the_same_bytes():
    assert spdx.write(dossier(ZLIB, BARE)) == spdx.write(dossier(ZLIB, BARE))


TAG_VALUE = b"""SPDXVersion: SPDX-2.2
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: camera
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-camera

PackageName: camera
SPDXID: SPDXRef-camera

PackageName: openssl
SPDXID: SPDXRef-1
PackageVersion: 1.0.2k
ExternalRef: SECURITY cpe23Type cpe:2.3:a:openssl:openssl:1.0.2k:*:*:*:*:*:*:*
"""


def test_a_tag_value_document_is_read():
    [openssl] = read_sbom(TAG_VALUE)
    assert (openssl.name, openssl.version) == ("openssl", "1.0.2k")
    assert openssl.cpes == ("cpe:2.3:a:openssl:openssl:1.0.2k:*:*:*:*:*:*:*",)


def test_a_package_with_odd_fields_is_still_read():
    document = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a", "versionInfo": 7, "externalRefs": [None, {}]}]}
    [one] = read_sbom(json.dumps(document).encode())
    assert (one.name, one.version) == ("a", "")
