"""Which flaws match, and why: contradictions, gaps, backports, names."""

import datetime
import time

import pytest

from customhouse.knowledge.match import match, match_one
from customhouse.knowledge.names import keys_of, names
from customhouse.knowledge.records import PackageFix, Record, Statement
from customhouse.knowledge.snapshot import fill, open_store
from customhouse.knowledge.store import KnowledgeStore
from customhouse.model import Advisory, Component, Confidence, Evidence, How, ImagePath, VersionRange

COMMON = [
    "mbedtls",
    "openssl",
    "curl",
    "busybox",
    "dropbear",
    "dnsmasq",
    "lighttpd",
    "hostapd",
    "wpa_supplicant",
    "uclibc",
    "musl",
    "miniupnpd",
    "libupnp",
    "boa",
    "goahead",
    "samba",
    "pppd",
    "zlib",
    "expat",
    "libpng",
    "sqlite",
    "lwip",
    "freertos",
    "esp-idf",
    "linux-kernel",
    "realtek-sdk",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(tmp_path_factory.mktemp("store") / "knowledge.sqlite")


def component(name, version, **values):
    values = {"how": How.DEFINES, "confidence": Confidence.HIGH, **values}
    return Component(name=name, version=version, **values)


def found(store, name, version, **values):
    return {item.advisory.id: item for item in match_one(component(name, version, **values), store)}


def record(*statements, cve="CVE-2026-1", vendor=False, packages=(), **values):
    advisory = Advisory(id=cve, component="widget", vendor=vendor, **values)
    return Record(advisory=advisory, statements=statements, packages=packages)


def says(origin, *spans, **values):
    return Statement(
        key="widget", origin=origin, ranges=tuple(VersionRange(introduced=a, fixed=b) for a, b in spans), **values
    )


def holding(*records):
    store = KnowledgeStore.empty()
    for number, item in enumerate(records):
        store.put(f"feed{number}", item)
    return store


def test_the_snapshot_knows_the_components_that_are_most_common_in_devices(store):
    for name in COMMON:
        assert store.records([name]), name
    assert [store.complete_for(name) for name in ("mbedtls", "openssl", "curl", "busybox")] == [True, True, True, False]
    assert len(store.ratings(["CVE-2021-35394"])) == 1


def test_each_match_says_why(store):
    assert found(store, "dropbear", "2014.63")["CVE-2016-7406"].matched_because == (
        "2014.63 is in the range “up to 2016.73” (NVD)"
    )


def test_a_packaging_revision_keeps_the_fix(store):
    assert "CVE-2019-16910" in found(store, "mbedtls", "2.16.2")
    assert "CVE-2019-16910" not in found(store, "mbedtls", "2.16.3-r1")


def test_letters_count_on_past_z(store):
    late = found(store, "openssl", "1.0.2za")
    assert "CVE-2022-0778" in late  # fixed in 1.0.2zd
    assert "CVE-2022-0778" not in found(store, "openssl", "1.0.2zd")
    assert "CVE-2016-2107" in found(store, "openssl", "1.0.2g")
    assert "CVE-2016-2107" not in late


def test_fixes_without_a_cve_are_kept(store):
    rows = found(store, "mbedtls", "2.16.0")
    assert sum(1 for name in rows if not name.startswith("CVE-")) == 18


def test_the_clock_of_a_cve_that_lags_its_release_starts_at_the_release(store):
    from customhouse.judgement.clock import clock_start

    advisory = found(store, "mbedtls", "2.16.0")["CVE-2020-36475"].advisory
    assert advisory.published == datetime.date(2021, 8, 23)
    assert clock_start(advisory) == datetime.date(2020, 12, 11)


def test_sources_that_disagree_are_both_quoted(store):
    item = found(store, "busybox", "1.36.0")["CVE-2022-48174"]
    assert not item.certain
    assert "up to 1.36.1" in item.matched_because
    assert "before 1.35" in item.matched_because
    assert found(store, "busybox", "1.22.1")["CVE-2022-48174"].certain


def test_a_record_without_a_range_is_marked_not_dropped(store):
    item = found(store, "linux-kernel", "5.12.3")["CVE-2020-24588"]
    assert not item.certain
    assert "no range" in item.matched_because


def test_a_hole_between_ranges_is_in_doubt(store):
    assert not found(store, "linux-kernel", "5.12.3")["CVE-2022-0847"].certain  # Dirty Pipe: 5.11 to 5.14 in no range
    assert found(store, "linux-kernel", "5.10.50")["CVE-2022-0847"].certain
    assert "CVE-2022-0847" not in found(store, "linux-kernel", "5.4.1")
    assert "CVE-2022-0847" not in found(store, "linux-kernel", "6.1")


def test_a_fixed_version_that_is_listed_as_affected_is_in_doubt(store):
    item = found(store, "dnsmasq", "2.73")["CVE-2015-3294"]
    assert not item.certain
    assert "affected and as fixed" in item.matched_because


def test_a_release_candidate_written_as_a_fourth_number_is_put_right(store):
    assert "CVE-2018-21027" in found(store, "boa", "0.94.14rc21")


def test_a_range_over_two_ways_of_counting_holds(store):
    assert "CVE-2012-0920" in found(store, "dropbear", "0.53")
    assert "CVE-2012-0920" in found(store, "dropbear", "2012.54")
    assert "CVE-2012-0920" not in found(store, "dropbear", "2012.55")


def test_what_is_stated_by_branch_is_read_by_branch(store):
    assert "CVE-2024-36971" in found(store, "linux-kernel", "4.9.118")
    assert "CVE-2024-36971" not in found(store, "linux-kernel", "5.4.280")
    assert "CVE-2024-36971" not in found(store, "linux-kernel", "4.4.1")
    assert "CVE-2024-36971" not in found(store, "linux-kernel", "6.12")


def test_other_products_of_a_like_name_do_not_match(store):
    zlib = found(store, "zlib", "1.2.8")
    assert "CVE-2023-6992" not in zlib  # Cloudflare's fork
    assert "CVE-2026-22184" not in zlib  # a demonstration tool
    assert not any("perl" in item.advisory.title for item in found(store, "dropbear", "0.16").values())


def test_a_mention_is_not_the_library(store):
    assert match([component("openssl", "1.0.1f", how=How.MENTIONS)], store) == ()


def test_a_development_snapshot_at_the_edge_of_a_range_is_in_doubt():
    known = holding(record(says("nvd-cpe", ("", "2.1"))))
    assert not found(known, "widget", "2.1-devel")["CVE-2026-1"].certain
    assert found(known, "widget", "2.0-devel")["CVE-2026-1"].certain
    assert found(known, "widget", "2.2-devel") == {}


def test_a_build_from_a_changed_tree_is_in_doubt():
    known = holding(record(says("nvd-cpe", ("", "2.17"))))
    assert not found(known, "widget", "2.16.0-dirty")["CVE-2026-1"].certain


def test_the_vendors_own_word_prevails():
    known = holding(
        record(says("vendor", ("1.0", "1.5")), vendor=True), record(says("nvd-cpe", ("1.0", "2.0")), cve="CVE-2026-1")
    )
    assert found(known, "widget", "1.7") == {}
    assert found(known, "widget", "1.2")["CVE-2026-1"].certain


def test_one_flaw_under_two_names_is_told_once():
    known = holding(
        record(says("osv", ("", "2.0")), cve="OSV-1", aliases=("CVE-2026-1",), published=datetime.date(2026, 3, 1)),
        record(says("nvd-cpe", ("", "2.0")), cve="CVE-2026-1", published=datetime.date(2026, 2, 1)),
    )
    [item] = match_one(component("widget", "1.0"), known)
    assert {item.advisory.id, *item.advisory.aliases} == {"OSV-1", "CVE-2026-1"}
    assert item.advisory.published == datetime.date(2026, 2, 1)


@pytest.mark.parametrize(
    "package",
    [
        {"purl": "pkg:deb/debian/widget@1.0-1", "revision": "1"},
        {"purl": "pkg:opkg/widget@1.0-1", "revision": "1", "how": How.PACKAGE_DATABASE},
    ],
)
def test_a_distributions_package_may_carry_the_fix(package):
    known = holding(record(says("nvd-cpe", ("", "2.0"))))
    item = found(known, "widget", "1.0", **package)["CVE-2026-1"]
    assert not item.certain
    assert "backport" in item.matched_because


def test_a_package_database_beside_the_file_tells_the_distribution():
    fix = (PackageFix(ecosystem="deb", package="widget", version="1.0-3"),)
    known = holding(record(says("nvd-cpe", ("", "2.0")), packages=fix))
    at = (Evidence(path=ImagePath("/var/lib/dpkg/status")),)
    assert found(known, "widget", "1.0", revision="1.0-3", evidence=at) == {}
    assert (
        "1.0-2 is before 1.0-3"
        in found(known, "widget", "1.0", revision="1.0-2", evidence=at)["CVE-2026-1"].matched_because
    )
    openwrt = (Evidence(path=ImagePath("/usr/lib/opkg/status")),)
    assert not found(known, "widget", "1.0", revision="1.0-9", evidence=openwrt)["CVE-2026-1"].certain


def test_alpines_own_data_settle_its_packages():
    fix = (PackageFix(ecosystem="apk", package="widget", version="1.0-r3"),)
    known = holding(record(says("nvd-cpe", ("", "2.0")), packages=fix))
    apk = {"purl": "pkg:apk/alpine/widget@1.0"}
    assert found(known, "widget", "1.0", revision="r3", **apk) == {}
    assert found(known, "widget", "1.0", revision="r2", **apk)["CVE-2026-1"].certain


@pytest.mark.parametrize("name", ["arm:mbed_tls", "trustedfirmware:mbed_tls", "polarssl:polarssl"])
def test_every_name_of_a_component_leads_to_it(name):
    vendor, product = name.split(":")
    assert names().key(vendor, product) == "mbedtls"
    other = component("libmbed", "2.16.0", cpes=(f"cpe:2.3:a:{vendor}:{product}:2.16.0:*:*:*:*:*:*:*",))
    assert "mbedtls" in keys_of(other)


def test_other_spellings_are_known():
    pairs = {"readymedia": "minidlna", "pupnp": "libupnp", "ppp": "pppd", "contiki-ng": "contiki", "php-cgi": "php"}
    assert {name: names().component(name) for name in pairs} == pairs


def test_a_hundred_thousand_advisories_are_matched_within_a_second(tmp_path):
    store = KnowledgeStore.empty()
    fill(store)
    for number in range(100_000):
        key = "busybox" if number % 50 == 0 else f"vendor{number % 4000}:product"
        span = VersionRange(introduced="1.0", fixed=f"2.{number % 30}")
        store.put(
            "nvd",
            Record(
                advisory=Advisory(id=f"CVE-2025-{number + 100000}", component=key, source="nvd"),
                statements=(Statement(key=key, origin="nvd-cpe", ranges=(span,)),),
            ),
        )
    parts = [component(name, "1.19.4") for name in ("busybox", "dropbear", "zlib", "openssl", "curl", "linux-kernel")]
    start = time.perf_counter()
    matches = match(parts, store)
    assert time.perf_counter() - start < 1.0
    assert len(matches) > 2000
