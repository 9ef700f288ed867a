"""A dossier with something in every part, and with hostile text wherever a device chose it."""

from datetime import date

import pytest

from customhouse.model import (
    Account,
    ClauseResult,
    Component,
    Confidence,
    ConstructedCommand,
    Coverage,
    Decision,
    Digest,
    Dossier,
    Endpoint,
    Evidence,
    Extent,
    FeedStatus,
    FileCount,
    Finding,
    Flow,
    FlowStep,
    Hardening,
    How,
    Image,
    ImagePath,
    NotExamined,
    Offset,
    Outcome,
    Port,
    Reachability,
    Reason,
    Rules,
    Secret,
    Service,
    Severity,
    Tool,
    UpdatePath,
    Verdict,
    Vulnerability,
)

HOSTILE = "</code><script>alert(1)</script>\x1b[2J\x07'\"&"
"""Markup, a terminal's clear-screen sequence, a bell and quotes."""


@pytest.fixture
def dossier() -> Dossier:
    where = Evidence(path=ImagePath("/etc/init.d/S50telnet"), digest=Digest("ab" * 32), offset=31, excerpt=HOSTILE)
    return Dossier(
        tool=Tool(name="customhouse", version="0.1.0"),
        created="2026-11-22T00:00:00+00:00",
        rules=Rules(version="1"),
        feeds=(FeedStatus(name="snapshot", date=date(2026, 11, 1), records=500, complete_for=("mbedtls",)),),
        image=Image(name=f"camera{HOSTILE}.bin", size=412_000, sha256=Digest("cd" * 32)),
        coverage=Coverage(
            bytes=412_000,
            explained=400_000,
            extents=(
                Extent(offset=Offset(0), size=400_000, kind="squashfs", outcome=Outcome.DONE),
                Extent(offset=Offset(400_000), size=12_000, kind="unknown", outcome=Outcome.UNKNOWN, entropy=7.9),
            ),
        ),
        files=FileCount(total=40, unique=31),
        components=(
            Component(name="busybox", version="1.22.1", how=How.DEFINES, confidence=Confidence.HIGH, evidence=(where,)),
        ),
        accounts=(Account(user="root", uid=0, shell="/bin/sh", empty=True, remote=True, via=("/usr/sbin/telnetd",)),),
        services=(
            Service(
                kind="telnet",
                program="/usr/sbin/telnetd",
                at_boot=True,
                started_by=("/etc/inittab", "/etc/init.d/rcS"),
                ports=(Port(number=23, protocol="tcp"),),
                authentication="none",
            ),
            Service(kind="ftp", program="/usr/sbin/ftpd"),
        ),
        secrets=(Secret(kind="private-key", subject=HOSTILE, evidence=(where,)),),
        endpoints=(Endpoint(host="cloud.example.org", scheme="http", clear_text=True, programs=("/bin/app",)),),
        updates=(UpdatePath(mechanism="script", transport="http", signature_checked=False, evidence=(where,)),),
        flows=(
            Flow(
                program="/bin/debugd",
                architecture="mipsel",
                source="recvfrom@0x11a4",
                sink="system@0x1200",
                kind="command",
                port=55123,
                port_certainty="exact",
                protocol="udp",
                magic="Backdoor" + HOSTILE,
                path=(FlowStep(function="main", address=0x1000),),
                confidence=Confidence.HIGH,
            ),
        ),
        constructed_commands=(
            ConstructedCommand(program="/bin/app", sink="system", address=0x99, format="ping %s", inputs=("argv",)),
        ),
        hardening=(Hardening(program="/bin/app", nx=False, pie=False, relro="none", canary=False, fortify=False),),
        vulnerabilities=(
            Vulnerability(
                id="CVE-2016-2148",
                component="busybox",
                version="1.22.1",
                matched_because="1.22.1 is below 1.25.0",
                title=HOSTILE,
                fixed=("1.25.0",),
                known_exploited=True,
                reachability=Reachability(status="affected", positions=("P2", "P4")),
            ),
        ),
        findings=(
            Finding(
                rule="boot.telnet",
                severity=Severity.CRITICAL,
                confidence=Confidence.HIGH,
                title=f"telnetd starts at boot {HOSTILE}",
                remedy="Remove it.",
                evidence=(where,) * 8,
                clauses=("EN 303 645 5.6-1",),
            ),
            Finding(rule="note.x", severity=Severity.INFO, confidence=Confidence.LOW, title="A note", evidence=()),
        ),
        clauses=(ClauseResult(clause="EN 303 645 5.6-1", result="contradicts", findings=("boot.telnet",)),),
        not_examined=(NotExamined(what="extent 0x61a80", outcome="unknown", why="nothing here knows it"),),
        verdict=Verdict(
            decision=Decision.REFUSE,
            reasons=(
                Reason(
                    text="Anyone on the network is root",
                    rule="remote-root",
                    decision=Decision.REFUSE,
                    findings=("boot.telnet",),
                ),
            ),
        ),
        timing={"total": 1.0},
    )
