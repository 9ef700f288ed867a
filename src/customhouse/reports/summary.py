"""What every report says first: the answer, why, and what was not looked at. Values from a dossier, no layout."""

import datetime
from collections import Counter
from collections.abc import Sequence

from customhouse.model import Decision, Dossier, Finding, Model, Outcome, Rehearsed, Severity, Volume, Vulnerability

SEVERITIES = tuple(Severity)
"""From the gravest to the least."""

ANSWER = {
    Decision.ADMIT: "ADMIT – nothing was found that speaks against letting this device in",
    Decision.ADMIT_CONTAINED: "ADMIT, CONTAINED – it may come in where the conditions below are enforced",
    Decision.REFUSE: "REFUSE – this device should not be let in as it is",
    Decision.INCONCLUSIVE: "INCONCLUSIVE – what is known is not enough to say yes or no",
}

REHEARSED = {Rehearsed.CONFIRMED: "confirmed by runs", Rehearsed.KEPT_OUT: "kept out in all runs"}
"""What runs in the emulator showed of a flow, where they showed anything."""


class Summary(Model, frozen=True, kw_only=True):
    """The first screen of a report."""

    answer: str
    reasons: tuple[str, ...]
    """Those that the decision rests on."""
    besides: tuple[str, ...]
    """What the policy would also have said something about, had these reasons not been there."""
    conditions: tuple[str, ...]
    counts: tuple[tuple[Severity, int], ...]
    explained: float
    """Share of the image's bytes that was explained, 0..1."""
    not_understood: tuple[str, ...]
    reachable: int
    """Known vulnerabilities that someone can reach."""
    matched: int
    snapshot_note: str
    """Empty, or what the list of vulnerabilities does not cover."""


def summarise(dossier: Dossier) -> Summary:
    """Pure; the same dossier gives the same summary."""
    decisive = [r for r in dossier.verdict.reasons if r.decision is dossier.verdict.decision]
    tally = Counter(finding.severity for finding in dossier.findings)
    return Summary(
        answer=ANSWER[dossier.verdict.decision],
        reasons=tuple(reason.text for reason in decisive),
        besides=tuple(reason.text for reason in dossier.verdict.reasons if reason not in decisive),
        conditions=dossier.verdict.conditions,
        counts=tuple((severity, tally[severity]) for severity in SEVERITIES),
        explained=dossier.coverage.share,
        not_understood=_not_understood(dossier),
        reachable=sum(v.reachability.status == "affected" for v in dossier.vulnerabilities),
        matched=len(dossier.vulnerabilities),
        snapshot_note=_snapshot_note(dossier),
    )


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Gravest first; the order inside a severity is kept."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def size_in_words(count: int) -> str:
    """Bytes for people: `3.6 MB`; powers of ten."""
    if count < 1000:
        return f"{count} bytes"
    for unit, scale in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if count < scale * 1000 or unit == "GB":
            return f"{count / scale:.1f} {unit}"
    raise AssertionError("unreachable: the last unit takes everything")


def outstanding(vulnerabilities: Sequence[Vulnerability]) -> list[Vulnerability]:
    """Those that still need someone's attention: affected, or not decided. The given order is the ranking."""
    return [v for v in vulnerabilities if v.reachability.status in ("affected", "under_investigation")]


def header_words(volume: Volume) -> str:
    """What the header of a volume says, as `esp32: chip ESP32; IDF version 5.5.4; segments 6`; times become days."""
    told = [f"{name} {_day(value) if name == 'created' else value}" for name, value in volume.detail.items() if value]
    return f"{volume.kind}: {'; '.join(told)}"


def _day(seconds: str) -> str:
    try:
        return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return seconds


def shown(text: str) -> str:
    """Text from an image, made safe to print: control characters become escapes (a terminal obeys them otherwise)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _not_understood(dossier: Dossier) -> tuple[str, ...]:
    lines = [
        f"{size_in_words(extent.size)} at {extent.part + ' ' if extent.part else ''}{extent.offset:#x}: "
        f"{extent.kind} ({extent.outcome})" + (f", {extent.detail}" if extent.detail else "")
        for extent in sorted(dossier.coverage.extents, key=lambda extent: -extent.size)
        if extent.outcome is not Outcome.DONE
    ]
    return tuple(lines)


def _snapshot_note(dossier: Dossier) -> str:
    matched = {v.component for v in dossier.vulnerabilities}
    complete = {name for feed in dossier.feeds for name in feed.complete_for}
    if not dossier.feeds:
        return "no feed of known vulnerabilities was consulted"
    partial = sorted(matched - complete) or [
        component.name for component in dossier.components if component.name not in complete
    ]
    if not partial:
        return ""
    return "as known to this snapshot, which is not complete; `customhouse feeds sync` brings the rest"
