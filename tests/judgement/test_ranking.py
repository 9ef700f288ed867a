"""What an expert would read first."""

import random

from customhouse.judgement.ranking import ranked
from customhouse.model import Reachability, Severity, Vulnerability


def row(name, status="affected", positions=("P4",), *, exploited=False, severity=Severity.HIGH, missing=(), **values):
    return Vulnerability(
        id=name,
        component="x",
        version="1",
        matched_because="",
        severity=severity,
        known_exploited=exploited,
        reachability=Reachability(status=status, positions=positions, missing=missing),
        **values,
    )


ORDER = [
    row("exploited-and-reached", exploited=True, severity=Severity.MEDIUM),
    row("critical-and-reached", severity=Severity.CRITICAL),
    row("reached"),
    row("low-and-reached", severity=Severity.LOW),
    row("local-exploited", positions=("P6",), exploited=True, severity=Severity.CRITICAL),
    row("open-exploited", "under_investigation", exploited=True, missing=("runs-x",)),
    row("open-critical", "under_investigation", severity=Severity.CRITICAL, missing=("runs-x",)),
    row("open-high", "under_investigation", missing=("runs-x",)),
    row("open-critical-on-a-condition", "under_investigation", severity=Severity.CRITICAL, missing=("dnssec",)),
    row("open-doubtful-version", "under_investigation", certain=False, missing=("affected-version",)),
    row("open-local", "under_investigation", ("P6",), severity=Severity.CRITICAL, missing=("local-users",)),
    row("settled", "not_affected", (), exploited=True, severity=Severity.CRITICAL),
]


def test_reach_and_exploitation_come_before_gravity():
    shuffled = list(ORDER)
    random.Random(7).shuffle(shuffled)
    assert [item.id for item in ranked(shuffled)] == [item.id for item in ORDER]


def test_how_likely_it_is_to_be_exploited_decides_between_equals_and_then_age():
    rows = [row("CVE-2020-1", epss=0.1), row("CVE-2020-2", epss=0.9), row("CVE-2024-3", epss=0.1)]
    assert [item.id for item in ranked(rows)] == ["CVE-2020-2", "CVE-2024-3", "CVE-2020-1"]
