"""`customhouse feeds` as a user meets it."""

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from customhouse.cli.feeds import app

spec = importlib.util.spec_from_file_location(
    "feed_documents", Path(__file__).parents[1] / "knowledge" / "feeds" / "conftest.py"
)
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)


@pytest.fixture
def run(tmp_path):
    store = str(tmp_path / "knowledge.sqlite")
    return lambda *words: CliRunner().invoke(app, [*words, "--store", store, "--today", "2026-11-22"])


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "mirror"
    (place / "kev").mkdir(parents=True)
    cves = [f"CVE-2025-{number}" for number in range(10000, 11700)]
    (place / "kev" / "known_exploited_vulnerabilities.json").write_bytes(made.kev("2026-11-20", *cves))
    return str(place)


def test_a_sync_says_what_it_brought_and_the_status_shows_it(run, folder):
    result = run("sync", "kev", "--base", folder, "--quiet")
    assert (result.exit_code, result.stdout) == (0, "kev: 2026-11-20, 1700 records\n")
    assert f"from {folder}" in run("status").stdout


def test_a_sync_that_fails_says_so_in_one_line_and_ends_with_one(run, folder):
    result = run("sync", "kev", "epss", "--base", folder, "--quiet")
    assert result.exit_code == 1
    assert "kev: 2026-11-20" in result.stdout
    assert result.stderr.startswith("error: ")


def test_a_feed_that_does_not_exist_is_wrong_usage(run):
    assert run("sync", "gossip").exit_code == 2


def test_the_mirror_may_be_named_in_the_environment(run, folder, monkeypatch):
    monkeypatch.setenv("CUSTOMHOUSE_FEEDS", folder)
    assert run("sync", "kev", "--quiet").exit_code == 0
