"""For forty versions each, our matches are those of the vendors' own records, computed here by another road."""

import csv
import json
import re

import pytest

from customhouse.knowledge.match import match_one
from customhouse.knowledge.snapshot import open_store
from customhouse.model import Component, Confidence, How

pytestmark = pytest.mark.corpus

OPENSSL = [
    "0.9.6",
    "0.9.6d",
    "0.9.6m",
    "0.9.7",
    "0.9.7c",
    "0.9.7m",
    "0.9.8",
    "0.9.8g",
    "0.9.8m",
    "0.9.8y",
    "0.9.8zf",
    "0.9.8zh",
    "1.0.0",
    "1.0.0a",
    "1.0.0k",
    "1.0.0t",
    "1.0.1",
    "1.0.1c",
    "1.0.1f",
    "1.0.1g",
    "1.0.1t",
    "1.0.1u",
    "1.0.2",
    "1.0.2a",
    "1.0.2h",
    "1.0.2k",
    "1.0.2u",
    "1.0.2za",
    "1.0.2zd",
    "1.1.0",
    "1.1.0g",
    "1.1.0l",
    "1.1.1",
    "1.1.1a",
    "1.1.1k",
    "1.1.1w",
    "3.0.0",
    "3.0.7",
    "3.1.4",
    "3.5.0",
]
CURL = [
    "6.0",
    "6.5",
    "7.1.1",
    "7.4",
    "7.10.3",
    "7.10.6",
    "7.12.0",
    "7.14.1",
    "7.15.4",
    "7.16.4",
    "7.18.1",
    "7.19.4",
    "7.19.7",
    "7.20.0",
    "7.21.6",
    "7.24.0",
    "7.28.1",
    "7.30.0",
    "7.33.0",
    "7.36.0",
    "7.40.0",
    "7.43.0",
    "7.46.0",
    "7.50.1",
    "7.52.1",
    "7.54.1",
    "7.58.0",
    "7.60.0",
    "7.61.1",
    "7.64.1",
    "7.68.0",
    "7.71.1",
    "7.76.1",
    "7.80.0",
    "7.84.0",
    "7.88.1",
    "8.0.1",
    "8.5.0",
    "8.11.0",
    "8.20.0",
]


def openssl_key(version):
    number, letters = re.fullmatch(r"(\d+\.\d+\.\d+)([a-z]*)", version).groups()
    rank = 0 if not letters else (len(letters) - 1) * 26 + ord(letters[-1]) - ord("a") + 1
    return (*map(int, number.split(".")), rank)


def pre_release(version):
    return not re.fullmatch(r"\d+\.\d+\.\d+[a-z]*", version)


def openssl_affected(folder):
    rows = {}
    for path in folder.glob("CVE-*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        for product in document["containers"]["cna"]["affected"]:
            for entry in product["versions"]:
                if entry["status"] == "affected" and not entry["version"].startswith("fips"):  # the module's own count
                    rows.setdefault(path.stem, []).append(entry)
    return rows


def holds(entry, version):
    start, end = entry["version"], entry.get("lessThan") or entry["lessThanOrEqual"]
    start = re.sub(r"-?(beta|alpha|pre|rc)\d*$", "", start)  # every release asked about comes after a start like this
    if pre_release(end):
        return openssl_key(start) <= openssl_key(version) < openssl_key(re.sub(r"-.*", "", end))
    below = openssl_key(version) < openssl_key(end) or ("lessThanOrEqual" in entry and version == end)
    return openssl_key(start) <= openssl_key(version) and below


def ours(store, name, version):
    component = Component(name=name, version=version, how=How.DEFINES, confidence=Confidence.HIGH)
    return {item.advisory.id for item in match_one(component, store)}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(tmp_path_factory.mktemp("store") / "knowledge.sqlite")


def test_openssl_matches_its_own_records_across_its_history(shared, store):
    rows = openssl_affected(shared / "feeds" / "openssl-cve-records")
    assert len(OPENSSL) == 40
    for version in OPENSSL:
        expected = {cve for cve, entries in rows.items() if any(holds(entry, version) for entry in entries)}
        assert ours(store, "openssl", version) == expected, version


def test_curl_matches_its_own_table_across_its_history(shared, store):
    def key(version):
        return tuple(map(int, version.split(".")))

    with (shared / "feeds" / "curl_vulnerabilities.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(CURL) == 40
    for version in CURL:
        expected = {
            row["cve"] for row in rows if key(row["first_affected"]) <= key(version) <= key(row["last_affected"])
        }
        assert ours(store, "curl", version) == expected, version


def test_the_snapshot_is_what_its_sources_compile_to(shared, tmp_path):
    import subprocess
    import sys
    from importlib import resources
    from pathlib import Path

    script = Path(__file__).parents[2] / "scripts" / "compile_snapshot.py"
    subprocess.run([sys.executable, str(script), str(shared / "feeds"), str(tmp_path)], check=True, capture_output=True)
    shipped = resources.files("customhouse.knowledge.snapshot")
    for path in tmp_path.iterdir():
        assert path.read_bytes() == shipped.joinpath(path.name).read_bytes(), path.name
