"""VEX out and in: each document is valid, and read back it says what was written."""

import datetime
import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from customhouse.app.suppliers import apply_statements
from customhouse.exchange import csaf, cyclonedx_vex, openvex
from customhouse.exchange.vex import read_vex
from customhouse.host.errors import InputError
from customhouse.model import Fact, Reachability, Severity, VexSubject, Vulnerability

SUBJECT = VexSubject(name="camera.bin", sha256="ab" * 32)
BARE = VexSubject(name="mbedtls", version="2.16.0")
WRITERS = {"openvex": openvex.write, "cyclonedx": cyclonedx_vex.write, "csaf": csaf.write}


def row(
    name, status, component="mbedtls", version="2.16.0", *, why="", fixed=("2.16.12",), source="deployment", **values
):
    reach = Reachability(
        status=status,
        justification=why,
        facts=(Fact(fact="no pre-shared keys are configured", source=source),),
        reopens_if=("pre-shared keys are configured",) if status == "not_affected" else (),
        explanation=values.pop("explanation", "Because."),
        **values,
    )
    return Vulnerability(
        id=name,
        aliases=("MBEDTLS-2020-04",) if name == "CVE-2020-10932" else (),
        component=component,
        version=version,
        matched_because="2.16.0 is in the range “from 2.16.0 before 2.16.6” (the vendor)",
        title="ECDSA signing",
        published=datetime.date(2020, 4, 14),
        fixed=fixed,
        severity=Severity.HIGH,
        reachability=reach,
    )


ROWS = [
    row("CVE-2020-10932", "affected", positions=("P2",)),
    row("CVE-2020-16150", "not_affected", why="vulnerable_code_cannot_be_controlled_by_adversary"),
    row("CVE-2026-34872", "not_affected", why="vulnerable_code_not_present", source="version: it came with 3.5.0"),
    row("CVE-2025-52497", "not_affected", why="vulnerable_code_not_present", source="default configuration"),
    row("CVE-2025-48965", "not_affected", why="vulnerable_code_not_in_execute_path"),
    row("CVE-2019-1", "not_affected", why="component_not_present", component="boa", version="0.94"),
    row("MBEDTLS-CL-2.16.11-dhm-bias", "under_investigation", positions=("P2",)),
    row("CVE-2022-48174", "fixed", component="busybox", version="1.36.1"),
    row(
        "CVE-2021-1",
        "affected",
        component="goahead",
        version="3.1",
        fixed=(),
        perimeter=True,
        explanation="Only NAT keeps Internet peers out, which is no fix: keep it closed, and update.",
    ),
]


def written(kind, rows=ROWS, subject=SUBJECT):
    return WRITERS[kind](rows, subject, author="ACME", timestamp="2026-11-22T00:00:00Z", tool="customhouse 0.1")


def open_again(rows):
    """The same flaws before anybody has said anything."""
    blank = Reachability(status="under_investigation", missing=("everything",))
    return [Vulnerability(**{**fields(item), "reachability": blank}) for item in rows]


def fields(item):
    return {name: getattr(item, name) for name in item.__struct_fields__}


@pytest.mark.parametrize("subject", [SUBJECT, BARE], ids=["image", "component"])
def test_openvex_is_valid(subject):
    schema = json.loads(Path(__file__).with_name("openvex_schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(written("openvex", subject=subject)))


@pytest.mark.parametrize("subject", [SUBJECT, BARE], ids=["image", "component"])
def test_cyclonedx_is_valid(subject):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written("cyclonedx", subject=subject)) is None


@pytest.mark.parametrize("subject", [SUBJECT, BARE], ids=["image", "component"])
def test_csaf_is_valid_and_keeps_the_vex_profile(subject):
    schemas = resources.files("csaf_vex.verification.schemas")
    schema = json.loads(schemas.joinpath("csaf_2_0.json").read_text(encoding="utf-8"))
    document = json.loads(written("csaf", subject=subject))
    store = {}
    for name in ("cvss_v2_0.json", "cvss_v3_0.json", "cvss_v3_1.json"):
        part = json.loads(schemas.joinpath(name).read_text(encoding="utf-8"))
        store[part.get("$id") or part["id"]] = part
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    registry = Registry().with_resources(
        [(name, Resource.from_contents(part, default_specification=DRAFT202012)) for name, part in store.items()]
    )
    jsonschema.Draft202012Validator(schema, registry=registry).validate(document)
    assert document["document"]["category"] == "csaf_vex"
    for item in document["vulnerabilities"]:  # profile 5: what a VEX must say besides the schema
        assert item["notes"]
        assert "cve" in item or item["ids"]
        status = item["product_status"]
        assert set(status) <= {"fixed", "known_affected", "known_not_affected", "under_investigation"}
        if "known_not_affected" in status:
            assert item["flags"] and item["threats"][0]["category"] == "impact"
        if "known_affected" in status:
            assert item["remediations"][0]["details"]


def test_csaf_passes_the_mandatory_tests_of_the_standard():
    from csaf_vex.verification import Verifier

    report = Verifier(json.loads(written("csaf"))).run_all()
    assert report.total_tests > 10
    assert [str(item) for item in report.failures] == []


@pytest.mark.parametrize("kind", WRITERS)
def test_what_was_written_read_back_gives_the_same_decisions(kind):
    again = apply_statements(open_again(ROWS), [(f"{kind}.json", written(kind).encode())])
    for ours, read in zip(ROWS, again, strict=True):
        assert read.reachability.status == ours.reachability.status, ours.id
        assert read.reachability.justification == ours.reachability.justification, ours.id
        assert read.reachability.perimeter == ours.reachability.perimeter, ours.id
        assert f"{kind}.json" in read.reachability.facts[-1].source


def test_nat_alone_stays_affected_with_an_action():
    statement = next(
        s for s in json.loads(written("openvex"))["statements"] if s["vulnerability"]["name"] == "CVE-2021-1"
    )
    assert statement["status"] == "affected"
    assert "inbound" in statement["action_statement"]
    analysis = next(v for v in json.loads(written("cyclonedx"))["vulnerabilities"] if v["id"] == "CVE-2021-1")[
        "analysis"
    ]
    assert analysis["justification"] == "protected_at_perimeter"


def test_cyclonedx_tells_code_that_is_not_there_from_code_that_is_configured_out():
    found = {v["id"]: v["analysis"].get("justification") for v in json.loads(written("cyclonedx"))["vulnerabilities"]}
    assert found["CVE-2026-34872"] == "code_not_present"
    assert found["CVE-2025-52497"] == "requires_configuration"
    assert found["CVE-2025-48965"] == "code_not_reachable"
    assert found["CVE-2020-16150"] == "requires_environment"


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_statements_give_the_same_bytes(kind):
    assert written(kind) == written(kind)


# Suppliers.


def said(status, product="pkg:generic/mbedtls@2.16.0", **values):
    statement = {
        "vulnerability": {"name": "CVE-2020-10932"},
        "products": [{"@id": product}],
        "status": status,
        **values,
    }
    document = {"@context": openvex.CONTEXT, "@id": "x", "author": "Maker", "statements": [statement]}
    return [("maker.json", json.dumps(document).encode())]


def joined(ours, documents):
    return apply_statements([ours], documents)[0].reachability


def test_a_supplier_settles_what_is_open():
    blank = row("CVE-2020-10932", "under_investigation", positions=("P2",))
    reach = joined(blank, said("not_affected", justification="vulnerable_code_not_present"))
    assert (reach.status, reach.justification) == ("not_affected", "vulnerable_code_not_present")
    assert "maker.json (Maker)" in [item.source for item in reach.facts]


def test_a_supplier_does_not_talk_away_what_the_device_shows():
    reach = joined(
        row("CVE-2020-10932", "affected", positions=("P2",)),
        said("not_affected", justification="component_not_present"),
    )
    assert reach.status == "affected"
    assert any("component not present" in item.fact for item in reach.facts)


def test_a_supplier_that_calls_it_affected_reopens_our_no():
    ours = row("CVE-2020-10932", "not_affected", why="vulnerable_code_not_in_execute_path")
    reach = joined(ours, said("affected", action_statement="update"))
    assert reach.status == "under_investigation"
    assert reach.missing == ("supplier-disagrees",)


def test_a_supplier_may_say_that_the_fix_was_carried_back():
    assert joined(row("CVE-2020-10932", "affected"), said("fixed")).status == "fixed"


def test_statements_of_other_components_and_versions_do_not_apply():
    blank = row("CVE-2020-10932", "under_investigation")
    for other in ("pkg:generic/openssl@2.16.0", "pkg:generic/mbedtls@2.28.0"):
        assert joined(blank, said("fixed", other)).status == "under_investigation"
    assert joined(blank, said("fixed", "pkg:generic/maker-camera@7")).status == "fixed"  # of the whole product


def test_csaf_products_are_found_in_branches_and_relationships():
    document = {
        "document": {"category": "csaf_vex", "csaf_version": "2.0", "publisher": {"name": "Maker"}},
        "product_tree": {
            "branches": [
                {
                    "category": "vendor",
                    "name": "x",
                    "branches": [
                        {"category": "product_version", "product": {"name": "Mbed TLS 2.16.0", "product_id": "A"}}
                    ],
                }
            ],
            "relationships": [
                {
                    "full_product_name": {
                        "name": "in camera",
                        "product_id": "A:B",
                        "product_identification_helper": {"purl": "pkg:generic/mbedtls@2.16.0"},
                    }
                }
            ],
        },
        "vulnerabilities": [{"cve": "CVE-2020-10932", "product_status": {"fixed": ["A:B"]}}],
    }
    [statement] = read_vex("m.json", json.dumps(document).encode())
    assert statement.components == (("mbedtls", "2.16.0"),)
    assert joined(row("CVE-2020-10932", "affected"), [("m.json", json.dumps(document).encode())]).status == "fixed"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"not json", b'{"bomFormat": "SPDX"}', b"[" * 100_000, b'{"@context": 5}'],
)
def test_what_is_no_vex_is_one_clear_line(content):
    with pytest.raises(InputError) as error:
        read_vex("x.json", content)
    assert "x.json" in str(error.value)
    assert "\n" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_any_document_is_read_or_refused(one, other, third):
    for document in (
        {
            "@context": openvex.CONTEXT,
            "statements": [{"vulnerability": one, "status": "fixed", "products": other}, third],
        },
        {"bomFormat": "CycloneDX", "components": one, "vulnerabilities": [{"id": third, "analysis": other}, one]},
        {"document": {"csaf_version": "2.0", "publisher": one}, "product_tree": other, "vulnerabilities": [third, one]},
        {
            "document": {"csaf_version": "2.0"},
            "product_tree": {"branches": [{"product": one, "branches": other}], "relationships": [third]},
            "vulnerabilities": [{"cve": "CVE-1", "product_status": {"fixed": one, "x": other}, "flags": third}],
        },
    ):
        try:
            read_vex("any.json", json.dumps(document).encode())
        except InputError as error:
            assert "any.json" in str(error)
