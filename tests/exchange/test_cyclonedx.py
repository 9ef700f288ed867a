"""CycloneDX: valid against its schema, nothing lost on the way out and in, hostile documents refused."""

import json
import re

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from customhouse.exchange import cyclonedx
from customhouse.exchange.sbom import read_sbom
from customhouse.host.errors import InputError
from customhouse.model import (
    Component,
    Confidence,
    Coverage,
    Decision,
    Digest,
    Dossier,
    Evidence,
    FileCount,
    How,
    Image,
    ImagePath,
    Purl,
    Rules,
    Tool,
    Verdict,
)

BUSYBOX = Component(
    name="busybox",
    version="1.22.1",
    purl=Purl("pkg:generic/busybox@1.22.1"),
    cpes=("cpe:2.3:a:busybox:busybox:1.22.1:*:*:*:*:*:*:*",),
    how=How.DEFINES,
    confidence=Confidence.HIGH,
    evidence=(
        Evidence(path=ImagePath("/bin/busybox"), digest=Digest("ab" * 32), offset=4096, excerpt="BusyBox v1.22.1 ("),
    ),
    files=("/bin/busybox",),
)
MBEDTLS = Component(
    name="mbedtls",
    version="2.16.0",
    revision="2.16.0-1",
    purl=Purl("pkg:github/mbed-tls/mbedtls@2.16.0"),
    cpes=(
        "cpe:2.3:a:trustedfirmware:mbed_tls:2.16.0:*:*:*:*:*:*:*",
        "cpe:2.3:a:arm:mbed_tls:2.16.0:*:*:*:*:*:*:*",
    ),
    how=How.BANNER,
    confidence=Confidence.MEDIUM,
    evidence=(
        Evidence(path=ImagePath("/usr/lib/libmbedtls.so.12"), digest=Digest("cd" * 32), excerpt="mbed TLS 2.16.0"),
        Evidence(path=ImagePath("/usr/lib/libmbedx509.so.0"), digest=Digest("ef" * 32)),
    ),
    files=("/usr/lib/libmbedtls.so.12", "/usr/lib/libmbedx509.so.0"),
)
UNVERSIONED = Component(name="bearssl", how=How.DEFINES, confidence=Confidence.HIGH)


def dossier(*components: Component, created: str = "2026-01-02T03:04:05+00:00") -> Dossier:
    return Dossier(
        tool=Tool(name="customhouse", version="0.1"),
        created=created,
        rules=Rules(version="1"),
        image=Image(name="camera.bin", size=4, sha256=Digest("0f" * 32)),
        coverage=Coverage(bytes=4, explained=4),
        files=FileCount(total=3, unique=3),
        components=components,
        verdict=Verdict(decision=Decision.ADMIT),
    )


def test_the_document_is_valid_cyclonedx_1_6():
    written = cyclonedx.write(dossier(BUSYBOX, MBEDTLS, UNVERSIONED))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None


def test_the_image_is_the_root_and_every_component_hangs_on_it():
    document = json.loads(cyclonedx.write(dossier(BUSYBOX, MBEDTLS)))
    root = document["metadata"]["component"]
    assert (root["name"], root["type"], root["hashes"][0]["content"]) == ("camera.bin", "firmware", "0f" * 32)
    [on_root] = [one["dependsOn"] for one in document["dependencies"] if one["ref"] == root["bom-ref"]]
    assert sorted(on_root) == sorted(one["bom-ref"] for one in document["components"])


def test_a_component_has_purl_cpe_hash_and_evidence():
    document = json.loads(cyclonedx.write(dossier(BUSYBOX)))
    [listed] = document["components"]
    assert listed["purl"] == "pkg:generic/busybox@1.22.1"
    assert listed["cpe"] == BUSYBOX.cpes[0]
    assert listed["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    [place] = listed["evidence"]["occurrences"]
    assert (place["location"], place["offset"]) == ("/bin/busybox", 4096)
    assert listed["evidence"]["identity"][0]["methods"][0]["technique"] == "binary-analysis"


def test_writing_and_reading_loses_nothing():
    components = (BUSYBOX, MBEDTLS, UNVERSIONED)
    read = read_sbom(cyclonedx.write(dossier(*components)).encode())
    assert sorted(read, key=lambda one: one.name) == sorted(components, key=lambda one: one.name)


def test_two_runs_differ_in_the_timestamp_only():
    first = cyclonedx.write(dossier(BUSYBOX, MBEDTLS))
    second = cyclonedx.write(dossier(BUSYBOX, MBEDTLS, created="2027-05-05T00:00:00+00:00"))
    assert first != second
    without = [re.sub(r'"timestamp": "[^"]+"', "", text) for text in (first, second)]
    assert without[0] == without[1]


def test_names_that_are_no_text_do_not_break_the_document():
    odd = Component(
        name="zlib",
        how=How.DEFINES,
        confidence=Confidence.HIGH,
        evidence=(Evidence(path=ImagePath("/bin/\udcff")),),
        files=("/bin/\udcff",),
    )
    assert (
        "\\udcff"
        in json.loads(cyclonedx.write(dossier(odd)))["components"][0]["evidence"]["occurrences"][0]["location"]
    )


SUPPLIER = b"""<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components>
<component type="library"><name>openssl</name><version>1.1.1k</version>
<purl>pkg:generic/openssl@1.1.1k</purl></component>
<component type="library"><name>parent</name><components>
<component type="library"><name>child</name></component>
</components></component>
</components></bom>"""


def test_xml_is_read_with_nested_components():
    read = read_sbom(SUPPLIER)
    assert [(one.name, one.version) for one in read] == [("openssl", "1.1.1k"), ("parent", ""), ("child", "")]


def test_nested_components_of_a_json_document_are_read():
    document = {"bomFormat": "CycloneDX", "components": [{"name": "a", "components": [{"name": "b", "version": "2"}]}]}
    assert [one.name for one in read_sbom(json.dumps(document).encode())] == ["a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an SBOM",
        b"{}",
        b'{"bomFormat": "CycloneDX", "components": 7}',
        b'{"bomFormat": "CycloneDX", "components": [{}]}',
        b"[" * 100_000,
        b'{"bomFormat": "CycloneDX", "components": '
        + b'[{"name":"a","components":' * 2000
        + b"[]"
        + b"}]" * 2000
        + b"}",
        b"<html/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><bom xmlns="http://cyclonedx.org/schema/bom/1.4">&b;</bom>',
        b"<bom",
    ],
)
def test_what_is_no_sbom_is_refused_in_one_line(data):
    with pytest.raises(InputError) as caught:
        read_sbom(data, "supplier.json")
    assert str(caught.value).startswith("supplier.json: ")
    assert "\n" not in str(caught.value)


@given(
    st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(
                        ["bomFormat", "components", "name", "properties", "purl", "spdxVersion", "packages"]
                    ),
                    inner,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_bytes_are_read_or_refused(data):
    try:
        read = read_sbom(data)
    except InputError:
        return
    assert all(isinstance(one, Component) for one in read)


def test_a_file_of_the_supplier_is_named_in_the_refusal():
    with pytest.raises(InputError, match=r"list\.txt"):
        read_sbom(b"a,b,c", "list.txt")
