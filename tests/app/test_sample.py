"""The sample camera: 1.0 gives every check something to say, 2.0 gives none of them anything."""

import datetime
from pathlib import Path

import pytest

from customhouse.app.audit import AuditOptions, audit
from customhouse.firmware.checks import CHECKS
from customhouse.host import isolation
from customhouse.host.context import Context
from customhouse.judgement.policy import default_policy
from customhouse.model import Component, Confidence, Decision, Dossier, How, Severity

SAMPLE = Path(__file__).parents[2] / "sample"
TODAY = datetime.date(2026, 11, 22)
NOT_IN_THE_SAMPLE = {
    "accounts.empty": "its empty password is good over the network, which is accounts.no-password",
    "boot.telnet-present": "its telnet servers do start",
    "updates.none": "it has an update path, a bad one",
    "updates.unclear": "its update path is clear",
    "components.versions": "it holds no component twice: all programs are its own",
}
"""Checks that cannot speak of the same device as another one does."""


@pytest.fixture(scope="module")
def dossiers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dossier]:
    supplier = (Component(name="openssl", version="1.0.2k", how=How.MENTIONS, confidence=Confidence.HIGH),)
    found = {}
    for version in ("1.0", "2.0"):
        options = AuditOptions(policy=default_policy(), today=TODAY, supplier=supplier if version == "1.0" else ())
        context = Context(work=tmp_path_factory.mktemp("work"), isolate=isolation.available())
        found[version] = audit(SAMPLE / f"camera-{version}.img", options, context)
    return found


def rules_of(dossier: Dossier) -> set[str]:
    return {finding.rule for finding in dossier.findings}


def test_the_faulty_camera_is_refused_for_what_makes_it_dangerous(dossiers: dict[str, Dossier]) -> None:
    verdict = dossiers["1.0"].verdict
    assert verdict.decision is Decision.REFUSE
    refusing = {reason.rule for reason in verdict.reasons if reason.decision is Decision.REFUSE}
    assert refusing >= {"remote-root", "back-door", "universal-password"}
    assert all(reason.findings for reason in verdict.reasons if reason.decision is Decision.REFUSE)


def test_the_same_camera_done_right_is_let_in(dossiers: dict[str, Dossier]) -> None:
    assert dossiers["2.0"].verdict.decision in (Decision.ADMIT, Decision.ADMIT_CONTAINED)


@pytest.mark.parametrize("rule", sorted(check.rule for check in CHECKS))
def test_every_check_speaks_of_the_faulty_camera(rule: str, dossiers: dict[str, Dossier]) -> None:
    if rule in NOT_IN_THE_SAMPLE:
        assert rule not in rules_of(dossiers["1.0"]), "it does speak: take it off the list"
    else:
        assert rule in rules_of(dossiers["1.0"])


def test_no_check_finds_anything_wrong_with_the_other(dossiers: dict[str, Dossier]) -> None:
    assert [f.title for f in dossiers["2.0"].findings if f.severity is not Severity.INFO] == []


def test_the_debug_daemon_is_found_with_its_port_magic_and_start(dossiers: dict[str, Dossier]) -> None:
    [flow] = [f for f in dossiers["1.0"].flows if f.program == "/usr/sbin/debugd"]
    assert (flow.port, flow.protocol, flow.port_certainty) == (41795, "udp", "exact")
    assert flow.magic == "LUMEN_DEBUG_EXEC:"
    assert "/etc/init.d/S60debug" in flow.started_by
    assert flow.confidence is Confidence.HIGH
    [finding] = [
        f for f in dossiers["1.0"].findings if f.rule == "programs.command-from-network" and "debugd" in f.title
    ]
    assert finding.severity is Severity.CRITICAL


def test_the_recovered_password_is_said_to_be_good_over_the_network(dossiers: dict[str, Dossier]) -> None:
    [root] = [account for account in dossiers["1.0"].accounts if account.user == "root"]
    assert root.password == "12345"
    assert root.remote


def test_every_byte_has_an_explanation(dossiers: dict[str, Dossier]) -> None:
    for dossier in dossiers.values():
        assert sum(extent.size for extent in dossier.coverage.extents) == dossier.image.size
        assert dossier.coverage.share > 0.99
