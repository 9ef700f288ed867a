"""The formats of feeds, with what real records do, and with what no record should."""

import contextlib
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.knowledge.feeds import archive, cve5, nvd, osv, ratings
from customhouse.knowledge.feeds.errors import FeedError, WrongSchema
from customhouse.knowledge.match import match_one
from customhouse.knowledge.names import split_cpe
from customhouse.knowledge.records import RECORD, affects, compact
from customhouse.knowledge.store import KnowledgeStore, StoreError
from customhouse.model import Component, Confidence, How


def cve(*affected, cve_id="CVE-2026-1000", **extra):
    return {
        "cveMetadata": {"cveId": cve_id, "state": "PUBLISHED", "datePublished": "2026-01-01T00:00:00Z"},
        "containers": {"cna": {"affected": list(affected), **extra}},
    }


def product(name, *versions, default="unaffected", vendor="acme"):
    return {"vendor": vendor, "product": name, "defaultStatus": default, "versions": list(versions)}


def one(document):
    [statement] = cve5.read(document).statements
    return statement


def verdicts(statement, *versions):
    return [affects(statement, version) for version in versions]


def test_a_cve_record_with_plain_ranges():
    statement = one(cve(product("x", {"version": "1.0", "lessThan": "1.5", "status": "affected"})))
    assert verdicts(statement, "0.9", "1.0", "1.4", "1.5") == [False, True, True, False]


def test_a_cve_record_that_is_affected_by_default_and_lists_what_is_not():
    statement = one(
        cve(
            product(
                "linux",
                {"version": "a87cb3e48ee8", "lessThan": "051c0bde9f04", "status": "affected", "versionType": "git"},
                {"version": "4.6", "status": "affected"},
                {"version": "0", "lessThan": "4.6", "status": "unaffected", "versionType": "semver"},
                {"version": "5.4.278", "lessThanOrEqual": "5.4.*", "status": "unaffected", "versionType": "semver"},
                {"version": "6.10", "lessThanOrEqual": "*", "status": "unaffected"},
                default="affected",
                vendor="linux",
            )
        )
    )
    assert statement.key == "linux-kernel"
    assert verdicts(statement, "4.5", "4.9.1", "5.4.277", "5.4.278", "5.5", "6.10.3") == [
        False,
        True,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("version", "inside", "outside"), [("<= 4.9", "4.9", "4.10"), ("< 2.0", "1.9", "2.0"), ("= 3.1", "3.1", "3.2")]
)
def test_a_comparison_inside_the_version_is_understood(version, inside, outside):
    statement = one(cve(product("x", {"version": version, "status": "affected"})))
    assert verdicts(statement, inside, outside) == [True, False]


def test_a_record_bounded_by_commits_says_nothing_of_releases():
    row = {"version": "a87cb3e48ee8", "lessThan": "051c0bde9f04", "status": "affected", "versionType": "git"}
    assert verdicts(one(cve(product("x", row))), "1.0") == [None]


def test_a_product_without_a_vendor_is_known_by_its_name():
    row = {"version": "1.0", "lessThan": "1.5", "status": "affected"}
    assert one(cve(product("busybox", row, vendor="n/a"))).key == "busybox"
    assert one(cve(product("mbed_tls", row, vendor="Arm"))).key == "mbedtls"


def test_the_newest_widespread_score_is_kept():
    metrics = [
        {"cvssV2_0": {"vectorString": "AV:N/AC:L/Au:N/C:C/I:C/A:C", "baseScore": 10.0}},
        {"cvssV3_1": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "baseScore": 7.5}},
    ]
    advisory = cve5.read(cve(product("x"), metrics=metrics)).advisory
    assert (advisory.cvss[:8], advisory.severity) == ("CVSS:3.1", "high")


def nvd_feed(tmp_path, *matches):
    document = {
        "format": "NVD_CVE",
        "version": "2.0",
        "timestamp": "2026-11-20T00:00:00.000",
        "vulnerabilities": [
            {
                "cve": {
                    "id": "CVE-2026-1000",
                    "published": "2026-01-02T03:04:05.000",
                    "lastModified": "2026-01-02T03:04:05.000",
                    "configurations": [{"nodes": [{"cpeMatch": [{"vulnerable": True, **item} for item in matches]}]}],
                }
            }
        ],
    }
    path = tmp_path / "nvd.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    records, _, _ = nvd.read(path)
    [record] = records
    return record


def test_nvd_ranges_exact_versions_updates_and_brackets(tmp_path):
    record = nvd_feed(
        tmp_path,
        {"criteria": "cpe:2.3:a:busybox:busybox:*:*:*:*:*:*:*:*", "versionEndIncluding": "1.19.4"},
        {"criteria": "cpe:2.3:a:busybox:busybox:1.0.0:pre8:*:*:*:*:*:*"},
        {"criteria": r"cpe:2.3:o:tenda:ac9_firmware:15.03.05.19\(6318\)_cn:*:*:*:*:*:*:*"},
        {"criteria": "cpe:2.3:o:edimax:ic-7100_firmware:-:*:*:*:*:*:*:*"},
        {"criteria": "cpe:2.3:h:edimax:ic-7100:-:*:*:*:*:*:*:*"},
    )
    by_key = {statement.key: statement for statement in record.statements}
    assert set(by_key) == {"busybox", "tenda:ac9_firmware", "edimax:ic-7100_firmware"}
    assert verdicts(by_key["busybox"], "1.19.4", "1.20", "1.00-pre8") == [True, False, True]
    assert verdicts(by_key["tenda:ac9_firmware"], "15.03.05.19(6318)_cn", "15.03.05.20(1)_cn") == [True, False]
    assert by_key["edimax:ic-7100_firmware"].everything
    assert verdicts(by_key["edimax:ic-7100_firmware"], "3.08") == [True]


def test_cpe_names_of_both_bindings_are_split():
    assert split_cpe(r"cpe:2.3:a:treck:tcp\/ip:1.0:*:*:*:*:*:*:*") == ("a", "treck", "tcp/ip")
    assert split_cpe("cpe:/a:busybox:busybox:1.0") == ("a", "busybox", "busybox")
    assert split_cpe("busybox") is None


def test_osv_events_open_and_close_ranges():
    events = [{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"last_affected": "2.3"}]
    document = {
        "id": "OSV-1",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {"package": {"ecosystem": "OSS-Fuzz", "name": "x"}, "ranges": [{"type": "SEMVER", "events": events}]}
        ],
    }
    record, _ = osv.read(json.dumps(document).encode(), "x")
    assert verdicts(record.statements[0], "1.1", "1.2", "2.3", "2.4") == [True, False, True, False]


def test_osv_tags_of_releases_are_versions():
    document = {
        "id": "OSV-1",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "OSS-Fuzz", "name": "mbedtls"},
                "ranges": [{"type": "GIT", "events": [{"introduced": "5b0e"}]}],
                "versions": ["mbedtls-2.16.1", "v3.0.0", "yotta-1"],
            }
        ],
    }
    record, _ = osv.read(json.dumps(document).encode(), "x")
    assert verdicts(record.statements[0], "2.16.1", "3.0.0", "2.16.2") == [True, True, False]


def test_a_record_survives_the_store(tmp_path):
    record = nvd_feed(tmp_path, {"criteria": "cpe:2.3:a:busybox:busybox:*:*:*:*:*:*:*:*", "versionEndIncluding": "1.1"})
    assert RECORD.decode(compact(record)) == record


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ratings, "MOST_TEXT", 1000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"0" * 100_000))
    with pytest.raises(WrongSchema, match="more than"):
        ratings.unpacked(path)


KEYS = [
    "cveMetadata",
    "containers",
    "cna",
    "affected",
    "versions",
    "version",
    "status",
    "cveId",
    "product",
    "vendor",
    "adp",
    "id",
    "modified",
    "package",
    "ranges",
    "events",
    "vulnerabilities",
    "cve",
    "count",
    "cveID",
    "dateAdded",
    "format",
    "timestamp",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["CVE-2026-1000", "1.0", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_document_is_a_record_or_refused(document):
    with contextlib.suppress(cve5.NotARecord):
        cve5.read(document)
    with contextlib.suppress(cve5.NotARecord):
        cve5.read({"cveMetadata": {"cveId": "CVE-2026-1000"}, "containers": {"cna": {"affected": [document]}}})
    with contextlib.suppress(WrongSchema):
        osv.read(json.dumps(document).encode(), "x")


@settings(max_examples=60)
@given(st.binary(max_size=300), st.booleans())
def test_any_file_is_a_feed_or_refused(tmp_path_factory, content, packed):
    path = tmp_path_factory.mktemp("feed") / "file"
    path.write_bytes(gzip.compress(content) if packed else content)
    for read in (nvd.read, ratings.read_kev, ratings.read_epss, lambda where: list(archive.members(where))):
        with contextlib.suppress(FeedError):
            read(path)
    with contextlib.suppress(StoreError):
        KnowledgeStore.read(path)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=60))
def test_any_component_is_looked_up(name, version, cpe):
    component = Component(
        name=name, version=version, cpes=(cpe, f"cpe:2.3:{cpe}"), how=How.DEFINES, confidence=Confidence.LOW
    )
    assert match_one(component, KnowledgeStore.empty()) == []
