"""Feeds synced from a mirror: the store is always the old one or the new one, and says which."""

import datetime
import importlib.util
import os
import resource
from pathlib import Path

import pytest

from customhouse.app.feeds import status_text, synced
from customhouse.host.errors import CustomhouseError
from customhouse.host.progress import Silent
from customhouse.knowledge.feeds.errors import BackInTime, FeedError, WrongSchema
from customhouse.knowledge.feeds.sync import Sync
from customhouse.knowledge.match import match_one
from customhouse.knowledge.snapshot import open_store
from customhouse.knowledge.store import StoreError
from customhouse.model import Component, Confidence, How

spec = importlib.util.spec_from_file_location("feed_documents", Path(__file__).with_name("conftest.py"))
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)

TODAY = datetime.date(2026, 11, 22)
KEV = "kev/known_exploited_vulnerabilities.json"
EPSS = "epss/epss_scores-current.csv.gz"


@pytest.fixture
def sync(mirror, tmp_path):
    return Sync(
        store=tmp_path / "knowledge.sqlite", base=mirror.base, today=TODAY, ecosystems=("OSS-Fuzz",), years=(2026,)
    )


def matched(sync, name, version, **values):
    store = open_store(sync.store)
    component = Component(name=name, version=version, how=How.DEFINES, confidence=Confidence.HIGH, **values)
    found = match_one(component, store)
    store.close()
    return {item.advisory.id: item for item in found}


def dated(sync, name):
    return next(item for item in open_store(sync.store).feeds() if item.name == name)


def kev_of(day, count=1700):
    return made.kev(day, *(f"CVE-2025-{number}" for number in range(10000, 10000 + count)))


def test_exploited_flaws_are_synced_and_rate_what_matches(mirror, sync):
    cves = [f"CVE-2025-{number}" for number in range(10000, 11700)]
    mirror.files[KEV] = made.kev("2026-11-20", "CVE-2018-20679", *cves)
    assert not matched(sync, "busybox", "1.19.4")["CVE-2018-20679"].advisory.known_exploited
    status = sync.run("kev")
    assert (status.date, status.records) == (datetime.date(2026, 11, 20), 1701)
    assert matched(sync, "busybox", "1.19.4")["CVE-2018-20679"].advisory.known_exploited
    assert dated(sync, "kev").origin == mirror.base


def test_the_table_of_exploited_flaws_is_read_as_csv_too(tmp_path):
    from customhouse.knowledge.feeds.ratings import read_kev

    path = tmp_path / "kev.csv"
    path.write_text("cveID,vendorProject,dateAdded\nCVE-2026-1000,V,2026-07-01\n", encoding="utf-8")
    assert read_kev(path) == ([("CVE-2026-1000", "2026-07-01")], datetime.date(2026, 7, 1))


def test_what_has_not_changed_is_not_fetched_again(mirror, sync):
    mirror.files[KEV] = kev_of("2026-11-20")
    sync.run("kev")
    sync.run("kev")
    assert mirror.requests == [(KEV, 200), (KEV, 304)]


def test_scores_are_kept_with_their_day(mirror, sync):
    mirror.files[EPSS] = made.epss("2026-11-21", {"CVE-2018-20679": 0.25})
    assert sync.run("epss").date == datetime.date(2026, 11, 21)
    assert matched(sync, "busybox", "1.19.4")["CVE-2018-20679"].advisory.epss == 0.25


def test_nvd_is_synced_by_year_and_then_by_what_was_modified(mirror, sync):
    mirror.files["nvd/nvdcve-2.0-2026.json.gz"] = made.nvd(
        "2026-11-19", made.nvd_item("CVE-2026-1000", "widget"), made.nvd_item("CVE-2026-1001", "widget")
    )
    mirror.files["nvd/nvdcve-2.0-modified.json.gz"] = made.nvd(
        "2026-11-21",
        made.nvd_item("CVE-2026-1001", "widget", status="Rejected"),
        made.nvd_item("CVE-2026-1002", "widget"),
    )
    assert sync.run("nvd").records == 2
    widget = {"cpes": ("cpe:2.3:a:acme:widget:1.0:*:*:*:*:*:*:*",)}
    assert set(matched(sync, "widget", "1.0", **widget)) == {"CVE-2026-1000", "CVE-2026-1001"}
    assert sync.run("nvd").date == datetime.date(2026, 11, 21)
    assert set(matched(sync, "widget", "1.0", **widget)) == {"CVE-2026-1000", "CVE-2026-1002"}
    assert [path for path, _ in mirror.requests] == [
        "nvd/nvdcve-2.0-2026.json.gz",
        "nvd/nvdcve-2.0-modified.json.gz",
    ]
    innocent = {"cpes": ("cpe:2.3:a:acme:innocent:1.0:*:*:*:*:*:*:*",)}
    assert matched(sync, "innocent", "1.0", **innocent) == {}


def test_a_renamed_cpe_is_found_under_both_names(mirror, sync):
    mirror.files["nvd/nvdcve-2.0-2026.json.gz"] = made.nvd(
        "2026-11-19",
        made.nvd_item("CVE-2026-1000", "mbed_tls", vendor="arm", end="3.0.0"),
        made.nvd_item("CVE-2026-1001", "mbed_tls", vendor="trustedfirmware", end="3.0.0"),
    )
    sync.run("nvd")
    assert {"CVE-2026-1000", "CVE-2026-1001"} <= set(matched(sync, "mbedtls", "2.16.0"))


def test_osv_is_incremental_by_modification(mirror, sync):
    path = "osv/OSS-Fuzz/all.zip"
    first = {"A.json": made.osv_record("OSV-2026-1", "2026-11-01T00:00:00Z")}
    mirror.files[path] = made.zipped(first)
    sync.run("osv")
    second = {
        **first,
        "B.json": made.osv_record("OSV-2026-2", "2026-11-10T00:00:00Z", aliases=["CVE-2026-5"]),
    }
    mirror.files[path] = made.zipped(second)
    assert sync.run("osv").records == 2
    found = matched(sync, "widget", "1.5")
    assert set(found) == {"OSV-2026-1", "OSV-2026-2"}
    assert found["OSV-2026-2"].advisory.aliases == ("CVE-2026-5",)
    assert matched(sync, "widget", "2.0") == {}


def test_the_distributions_own_word_counts_for_its_packages(mirror, tmp_path):
    sync = Sync(store=tmp_path / "k.sqlite", base=mirror.base, today=TODAY, ecosystems=("Debian",))
    record = made.osv_record(
        "DEBIAN-CVE-2026-9", "2026-11-01T00:00:00Z", package="widget", ecosystem="Debian:12", fixed="2.28.3-1+deb12u1"
    )
    mirror.files["osv/Debian/all.zip"] = made.zipped({"D.json": record})
    sync.run("osv")
    debian = {"purl": "pkg:deb/debian/widget@2.28.3", "revision": "1"}
    found = matched(sync, "widget", "2.28.3", **debian)
    assert found["DEBIAN-CVE-2026-9"].certain
    assert "2.28.3-1+deb12u1" in found["DEBIAN-CVE-2026-9"].matched_because
    assert matched(sync, "widget", "2.28.3", purl=debian["purl"], revision="1+deb12u1") == {}
    assert matched(sync, "widget", "2.28.3") == {}


def test_the_cve_list_is_read_record_by_record(mirror, sync):
    folder = "cvelistV5-main/cves/2026/1xxx"
    mirror.files["cvelist/main.zip"] = made.zipped(
        {
            f"{folder}/CVE-2026-1000.json": made.cve_record("CVE-2026-1000", "2026-11-01T00:00:00.000Z"),
            f"{folder}/CVE-2026-1001.json": made.cve_record(
                "CVE-2026-1001", "2026-11-02T00:00:00.000Z", state="REJECTED"
            ),
            "cvelistV5-main/cves/delta.json": {},
        }
    )
    assert sync.run("cvelist").records == 1
    gadget = {"cpes": ("cpe:2.3:a:acme:gadget:2.0:*:*:*:*:*:*:*",)}
    assert set(matched(sync, "gadget", "2.0", **gadget)) == {"CVE-2026-1000"}


def test_a_folder_serves_as_an_offline_mirror(tmp_path):
    folder = tmp_path / "mirror"
    (folder / "kev").mkdir(parents=True)
    (folder / KEV).write_bytes(kev_of("2026-11-20"))
    sync = Sync(store=tmp_path / "knowledge.sqlite", base=str(folder), today=TODAY)
    assert sync.run("kev").records == 1700
    assert sync.run("kev").records == 1700


def test_a_download_that_is_cut_goes_on_where_it_stopped(mirror, sync):
    mirror.files[KEV] = content = kev_of("2026-11-20")
    mirror.cut[KEV] = len(content) // 3
    assert sync.run("kev").records == 1700
    assert mirror.requests == [(KEV, 200), (KEV, 206)]


def test_a_download_cut_for_good_leaves_the_old_store_and_is_resumed_by_the_next_run(mirror, sync, monkeypatch):
    before = open_store(sync.store).feeds()
    mirror.files[KEV] = content = kev_of("2026-11-20")
    monkeypatch.setattr("customhouse.knowledge.feeds.fetch.fetch.__defaults__", ("", 1, lambda count: None))
    mirror.cut[KEV] = len(content) // 2
    with pytest.raises(FeedError, match="cut after"):
        sync.run("kev")
    assert open_store(sync.store).feeds() == before
    assert sync.run("kev").records == 1700
    assert mirror.requests[-1] == (KEV, 206)


def test_a_part_of_an_older_file_is_not_joined_to_a_newer_one(mirror, sync, monkeypatch):
    mirror.files[KEV] = content = kev_of("2026-11-20")
    monkeypatch.setattr("customhouse.knowledge.feeds.fetch.fetch.__defaults__", ("", 1, lambda count: None))
    mirror.cut[KEV] = len(content) // 2
    with pytest.raises(FeedError):
        sync.run("kev")
    mirror.files[KEV] = kev_of("2026-11-21", 1710)
    assert sync.run("kev").records == 1710


BROKEN = {
    "corrupted gzip": ("epss", EPSS, made.epss("2026-11-21", {"CVE-2018-20679": 0.25})[:-12], WrongSchema),
    "not a table": ("epss", EPSS, b"<html>captive portal</html>", WrongSchema),
    "a probability above one": ("epss", EPSS, made.epss("2026-11-21", {"CVE-2018-20679": 3}), WrongSchema),
    "another document": ("kev", KEV, b'{"hello": 1}', WrongSchema),
    "a count that lies": ("kev", KEV, kev_of("2026-11-20").replace(b'"count": 1700', b'"count": 1701'), WrongSchema),
    "most entries gone": ("kev", KEV, kev_of("2026-11-20", 3), WrongSchema),
    "back in time": ("kev", KEV, kev_of("2026-01-01"), BackInTime),
    "from the future": ("kev", KEV, kev_of("2027-06-01"), WrongSchema),
    "a damaged archive": ("osv", "osv/OSS-Fuzz/all.zip", b"PK\x03\x04 no zip", WrongSchema),
    "an empty archive": ("osv", "osv/OSS-Fuzz/all.zip", made.zipped({}), WrongSchema),
    "an archive of something else": ("osv", "osv/OSS-Fuzz/all.zip", made.zipped({"x.json": "[]"}), WrongSchema),
    "nvd of another format": (
        "nvd",
        "nvd/nvdcve-2.0-2026.json.gz",
        made.gzip.compress(b'{"CVE_data_type": "CVE"}'),
        WrongSchema,
    ),
    "no cve record": ("cvelist", "cvelist/main.zip", made.zipped({"c/CVE-2026-1.json": {"a": 1}}), WrongSchema),
}


@pytest.mark.parametrize(("feed", "path", "content", "error"), BROKEN.values(), ids=BROKEN)
def test_what_is_damaged_wrong_or_older_changes_nothing(mirror, sync, feed, path, content, error):
    before = (open_store(sync.store).feeds(), sync.store.read_bytes())
    mirror.files[path] = content
    with pytest.raises(error):
        sync.run(feed)
    assert (open_store(sync.store).feeds(), sync.store.read_bytes()) == before


def test_a_feed_that_is_not_there_is_one_clear_line(sync):
    with pytest.raises(FeedError, match="404"):
        sync.run("kev")


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit of file size here")
def test_a_full_disk_leaves_the_old_store(mirror, sync):
    open_store(sync.store).close()
    before = sync.store.read_bytes()
    mirror.files[KEV] = kev_of("2026-11-20", 30000)
    mirror.files[EPSS] = made.epss("2026-11-21", {f"CVE-2025-{number}": 0.1 for number in range(10000, 60000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 8192, limits[1]))
        with pytest.raises(FeedError) as download:
            sync.run("kev")  # the download itself does not fit
        with pytest.raises(StoreError) as written:
            sync.run("epss")  # the download fits, the new store does not
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "free space" in download.value.hint
    assert "old one" in written.value.hint
    assert sync.store.read_bytes() == before
    assert not list(sync.store.parent.glob("*.new*"))
    assert sync.run("epss").records == 50000


def test_one_feed_that_fails_does_not_stop_the_others(mirror, tmp_path):
    mirror.files[KEV] = kev_of("2026-11-20")
    done, failed = synced(
        ["epss", "kev"], base=mirror.base, store=tmp_path / "k.sqlite", today=TODAY, progress=Silent()
    )
    assert [item.name for item in done] == ["kev"]
    assert len(failed) == 1
    assert isinstance(failed[0], CustomhouseError)


def test_the_status_says_how_old_each_feed_is_and_where_it_came_from(mirror, sync):
    mirror.files[KEV] = kev_of("2026-11-20")
    sync.run("kev")
    text = status_text(datetime.date(2027, 11, 20), sync.store)
    assert "kev      2026-11-20   365 days old" in text
    assert f"from {mirror.base}" in text
    assert "came with the package  complete for mbedtls" in text
    assert "STALE" in text
    assert "never synced: osv, nvd, cvelist, epss" in text


def test_a_new_package_renews_its_own_facts_and_keeps_what_was_synced(mirror, sync, monkeypatch):
    mirror.files[KEV] = kev_of("2026-11-20")
    sync.run("kev")
    monkeypatch.setattr("customhouse.knowledge.snapshot.digest", lambda: "another")
    store = open_store(sync.store)
    assert store.meta("snapshot") == "another"
    assert next(item for item in store.feeds() if item.name == "kev").origin == mirror.base


def test_a_store_that_is_damaged_is_rebuilt_from_the_package(sync):
    open_store(sync.store).close()
    sync.store.write_bytes(b"SQLite format 3\0" + os.urandom(4096))
    assert {item.name for item in open_store(sync.store).feeds()} >= {"mbedtls", "openssl", "curl", "devices", "kev"}


def test_a_store_that_cannot_be_written_is_held_in_memory(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = open_store(blocked / "knowledge.sqlite")
    assert len(store.records(["mbedtls"])) == 105
