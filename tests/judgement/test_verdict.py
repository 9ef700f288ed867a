"""What the default policy says, question by question."""

import datetime

import pytest

from customhouse.judgement.policy import default_policy, parse_policy
from customhouse.judgement.verdict import Examined, judge
from customhouse.model import (
    Confidence,
    Coverage,
    Decision,
    Deployment,
    FeedStatus,
    Finding,
    NotExamined,
    Port,
    Reachability,
    Service,
    Severity,
    Vulnerability,
)

TODAY = datetime.date(2026, 11, 1)
FULL = Coverage(bytes=100, explained=99)
LITTLE = Coverage(bytes=100, explained=20)
SEEN = Examined(root_file_system=True, programs=10, programs_read=10)


def finding(*tags, severity=Severity.CRITICAL, confidence=Confidence.HIGH, rule="boot.telnet", title="It is open"):
    return Finding(rule=rule, severity=severity, confidence=confidence, title=title, tags=tags)


def flaw(status="affected", positions=("P2",), clock="2026-01-01", *, exploited=False, severity=Severity.HIGH):
    return Vulnerability(
        id="CVE-2026-1",
        component="dnsmasq",
        version="2.80",
        matched_because="2.80 < 2.83",
        clock_start=datetime.date.fromisoformat(clock) if clock else None,
        known_exploited=exploited,
        severity=severity,
        reachability=Reachability(status=status, positions=positions),
    )


def verdict(**values):
    asked = {"coverage": FULL, "examined": SEEN, "findings": (), "policy": default_policy(), "today": TODAY, **values}
    return judge(**asked)


def test_an_image_with_nothing_against_it_is_admitted_with_a_reason():
    result = verdict()
    assert result.decision is Decision.ADMIT
    assert "99%" in result.reasons[0].text


@pytest.mark.parametrize("tag", ["remote-root", "back-door", "universal-password", "known-exploited"])
def test_what_the_default_policy_refuses_is_refused_and_named(tag):
    result = verdict(findings=(finding(tag, title="telnetd gives root"),))
    assert result.decision is Decision.REFUSE
    assert result.reasons[0].findings == ("boot.telnet",)
    assert "telnetd gives root" in result.reasons[0].text


def test_a_proven_reason_to_refuse_holds_when_little_was_examined():
    result = verdict(coverage=LITTLE, findings=(finding("remote-root"),))
    assert result.decision is Decision.REFUSE
    assert {reason.decision for reason in result.reasons} == {Decision.REFUSE, Decision.INCONCLUSIVE}


def test_a_guess_is_no_reason_to_refuse():
    result = verdict(findings=(finding("remote-root", confidence=Confidence.LOW),))
    assert result.decision is Decision.ADMIT


def test_too_little_explained_is_inconclusive_whatever_else_is_fine():
    result = verdict(coverage=LITTLE, not_examined=(NotExamined(what="0x40", outcome="encrypted", why="entropy"),))
    assert result.decision is Decision.INCONCLUSIVE
    assert "20%" in result.reasons[0].text
    assert "0x40: encrypted (entropy)" in result.reasons[0].text


def test_what_was_not_examined_is_told_once():
    left = (NotExamined(what="0x40", outcome="unknown", why="dense"),)
    result = verdict(coverage=LITTLE, examined=Examined(root_file_system=False), not_examined=left)
    assert [("Not examined" in reason.text) for reason in result.reasons] == [True, False]


@pytest.mark.parametrize(
    "examined",
    [Examined(root_file_system=False), Examined(root_file_system=True, programs=10, programs_read=3)],
)
def test_an_image_whose_key_parts_were_not_examined_is_inconclusive(examined):
    assert verdict(examined=examined).decision is Decision.INCONCLUSIVE


def test_what_the_gateway_can_keep_out_is_admitted_contained_with_its_ports():
    telnet = Service(kind="telnet", program="/sbin/telnetd", at_boot=True, ports=(Port(number=23, protocol="tcp"),))
    result = verdict(findings=(finding(severity=Severity.HIGH),), services=(telnet,))
    assert result.decision is Decision.ADMIT_CONTAINED
    assert any("tcp/23 (telnet)" in condition for condition in result.conditions)


def test_lesser_findings_do_not_count_against_a_device():
    assert verdict(findings=(finding(severity=Severity.MEDIUM),)).decision is Decision.ADMIT


def test_an_exploited_flaw_that_can_be_reached_is_refused():
    result = verdict(vulnerabilities=(flaw(exploited=True, clock="2026-10-30"),))
    assert result.decision is Decision.REFUSE
    assert result.reasons[0].findings == ("CVE-2026-1",)


def test_an_exploited_flaw_that_nobody_can_reach_is_no_reason():
    assert verdict(vulnerabilities=(flaw("not_affected", (), exploited=True),)).decision is Decision.ADMIT


def test_an_exploited_flaw_that_takes_code_on_the_device_first_is_not_refused_for_that():
    result = verdict(vulnerabilities=(flaw(exploited=True, positions=("P6",), clock="2026-10-30"),))
    assert result.decision is Decision.ADMIT_CONTAINED


def test_an_overdue_flaw_without_an_update_is_refused():
    newest = Deployment(firmware_date="2026-06-01", latest_firmware="2026-06-01")
    assert verdict(vulnerabilities=(flaw(),), deployment=newest).decision is Decision.REFUSE


def test_an_overdue_flaw_with_an_update_since_asks_to_install_it():
    older = Deployment(firmware_date="2025-06-01", latest_firmware="2026-06-01")
    result = verdict(vulnerabilities=(flaw(),), deployment=older)
    assert result.decision is Decision.ADMIT_CONTAINED
    assert any("next firmware" in condition for condition in result.conditions)


def test_an_update_that_is_older_than_the_flaw_is_none():
    stale = Deployment(firmware_date="2024-06-01", latest_firmware="2025-06-01")
    assert verdict(vulnerabilities=(flaw(),), deployment=stale).decision is Decision.REFUSE


def test_an_overdue_flaw_is_inconclusive_while_nobody_says_whether_an_update_exists():
    result = verdict(vulnerabilities=(flaw(),))
    assert result.decision is Decision.INCONCLUSIVE
    assert "--latest-firmware" in result.reasons[0].text


def test_support_that_has_ended_means_that_no_update_will_come():
    ended = Deployment(support_until="2025-12-31")
    assert verdict(vulnerabilities=(flaw(),), deployment=ended).decision is Decision.REFUSE


def test_a_device_whose_support_has_ended_is_contained():
    result = verdict(deployment=Deployment(support_until="2025-12-31"))
    assert result.decision is Decision.ADMIT_CONTAINED
    assert "2025-12-31" in result.reasons[0].text
    assert verdict(deployment=Deployment(support_until="2027-12-31")).decision is Decision.ADMIT


def test_a_flaw_younger_than_the_clock_is_contained_where_the_gateway_takes_its_positions():
    result = verdict(vulnerabilities=(flaw(positions=("P1", "P4"), clock="2026-10-20"),))
    assert result.decision is Decision.ADMIT_CONTAINED
    assert "P1, P4" in result.conditions[0]


def test_an_undecided_grave_flaw_leaves_the_question_open_and_a_slight_one_does_not():
    assert verdict(vulnerabilities=(flaw("under_investigation"),)).decision is Decision.INCONCLUSIVE
    slight = flaw("under_investigation", severity=Severity.LOW)
    local = flaw("under_investigation", positions=("P6",))
    assert verdict(vulnerabilities=(slight, local)).decision is Decision.ADMIT


def test_stale_knowledge_is_inconclusive_only_where_there_was_something_to_look_up():
    old = (FeedStatus(name="nvd", date=datetime.date(2025, 1, 1), records=9),)
    assert verdict(feeds=old, components=3).decision is Decision.INCONCLUSIVE
    assert verdict(feeds=old, components=0).decision is Decision.ADMIT
    fresh_rating = (*old, FeedStatus(name="kev", date=TODAY, records=9))
    assert verdict(feeds=fresh_rating, components=3).decision is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('name = "x"\n[coverage]\nexplained_at_lest = 1', "explained_at_lest"),
        ('name = "x"\n[[findings]]\nid = "a"\ndecision = "refuse"\ntext = "t"', "rule a"),
        ('name = "x"\n[[findings]]\nid = "a"\ntags = ["t"]\ndecision = "admit-contained"\ntext = "t"', "no condition"),
        ('name = "x"\n[[findings]]\nid = "a"\ntags = ["t"]\ndecision = "maybe"\ntext = "t"', "maybe"),
        ("name = ", "policy"),
    ],
)
def test_a_policy_with_a_mistake_is_an_error_that_names_it(text, named):
    with pytest.raises(ValueError, match=named):
        parse_policy(text)
