"""What an audit says about clauses of standards."""

from customhouse.judgement.clauses import clause_evidence, judge_clauses
from customhouse.model import Confidence, Decision, Finding, Reason, Severity, Verdict

ADMIT = Verdict(decision=Decision.ADMIT)
EVERYTHING = frozenset({"root-file-system", "programs", "components", "update-signature", "firmware-dates"})


def finding(*tags, clauses=(), severity=Severity.HIGH, rule="accounts.password"):
    return Finding(
        rule=rule, severity=severity, confidence=Confidence.HIGH, title="x", tags=tags, clauses=tuple(clauses)
    )


def results(findings=(), verdict=ADMIT, looked_at=EVERYTHING):
    return {row.clause: row for row in judge_clauses(tuple(findings), verdict, looked_at)}


def test_a_universal_password_contradicts_every_clause_on_default_secrets():
    found = results([finding("universal-password")])
    for clause in ("EN 303 645 5.1-1", "CRA I(2)(d)", "PSTI 1", "EN 18031-1 AUM"):
        assert found[clause].result == "contradicts"
        assert found[clause].findings == ("accounts.password",)
    assert found["EN 303 645 5.3-1"].result == "supports"


def test_silence_supports_only_what_was_examined():
    assert results()["EN 303 645 5.1-1"].result == "supports"
    unseen = results(looked_at=frozenset())["EN 303 645 5.1-1"]
    assert unseen.result == "not-testable"
    assert "root-file-system" in unseen.note


def test_what_no_firmware_can_say_is_not_testable():
    assert results()["PSTI 2"].result == "not-testable"
    assert results()["EN 303 645 5.1-5"].result == "not-testable"


def test_a_note_contradicts_nothing():
    assert results([finding("debug-interface", severity=Severity.INFO)])["EN 303 645 5.6-4A"].result == "supports"


def test_an_overdue_flaw_contradicts_the_clauses_on_timely_fixes():
    reason = Reason(text="late", rule="overdue", decision=Decision.REFUSE, findings=("CVE-2026-1",))
    found = results(verdict=Verdict(decision=Decision.REFUSE, reasons=(reason,)))
    assert found["EN 303 645 5.3-8"].findings == ("CVE-2026-1",)


def test_a_clause_that_only_a_finding_names_is_reported():
    assert results([finding(clauses=["EN 303 645 5.8-1"])])["EN 303 645 5.8-1"].result == "contradicts"


def test_the_table_never_says_complies():
    assert all("compl" not in row.topic.lower() for row in clause_evidence())


def test_a_support_period_that_is_over_contradicts_its_clauses():
    reason = Reason(text="ended", rule="end-of-life", decision=Decision.ADMIT_CONTAINED)
    verdict = Verdict(decision=Decision.ADMIT_CONTAINED, reasons=(reason,))
    found = results(verdict=verdict, looked_at=frozenset({"support-period"}))
    assert found["EN 303 645 5.3-13"].result == "contradicts"
    assert results(looked_at=frozenset({"support-period"}))["PSTI 3"].result == "supports"


def test_a_reachable_flaw_contradicts_being_free_of_known_flaws_and_an_open_question_leaves_it_open():
    reachable = Reason(text="r", rule="contained-flaws", decision=Decision.ADMIT_CONTAINED, findings=("CVE-2019-1",))
    asked = Reason(text="q", rule="reach-undecided", decision=Decision.INCONCLUSIVE, findings=("CVE-2020-1",))
    found = results(verdict=Verdict(decision=Decision.INCONCLUSIVE, reasons=(reachable, asked)))
    assert found["CRA I(2)(a)"].result == "contradicts"
    assert found["CRA I(2)(a)"].findings == ("CVE-2019-1",)
    left_open = results(verdict=Verdict(decision=Decision.INCONCLUSIVE, reasons=(asked,)))["CRA I(2)(a)"]
    assert (left_open.result, left_open.note) == ("not-testable", "not settled: reach-undecided")
    assert results()["CRA I(2)(a)"].result == "supports"


def test_a_device_of_which_no_tls_is_known_is_not_said_to_check_certificates():
    assert results()["EN 303 645 5.5-7"].result == "not-testable"
    assert results(looked_at=EVERYTHING | {"certificate-checks"})["EN 303 645 5.5-7"].result == "supports"
