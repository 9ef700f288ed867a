"""The report on a terminal: the answer in the first ten lines, then what it rests on.

Text from the image goes through `shown`, so that a hostile file name cannot move the reader's cursor.
"""

import textwrap
from collections.abc import Iterator
from io import StringIO

from rich.console import Console
from rich.text import Text

from customhouse.model import Decision, Dossier, Evidence, Finding, Severity, Vulnerability

from .summary import REHEARSED, Summary, header_words, outstanding, ranked, shown, size_in_words, summarise

COLOUR = {
    Decision.ADMIT: "bold green",
    Decision.ADMIT_CONTAINED: "bold cyan",
    Decision.REFUSE: "bold red",
    Decision.INCONCLUSIVE: "bold yellow",
}
SEVERITY_COLOUR = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
REASONS_SHOWN = 5
ROWS_SHOWN = 12
"""Of a list that the JSON and HTML reports show whole."""

Line = tuple[str, str]
"""Text and rich style."""


def render(dossier: Dossier, width: int = 100, colour: bool = False) -> str:
    """Plain text (with ANSI colour where asked), `width` columns, ending in a newline."""
    target = StringIO()
    console = Console(
        file=target, width=width, force_terminal=colour, color_system="standard" if colour else None, highlight=False
    )
    for text, style in lines(dossier, width):
        console.print(Text(text, style=style), soft_wrap=True)
    return target.getvalue()


def lines(dossier: Dossier, width: int) -> Iterator[Line]:
    """The whole report, one styled line at a time."""
    summary = summarise(dossier)
    yield from _answer(dossier, summary, width)
    for title, body in (
        ("Findings", _findings(dossier, width)),
        ("What starts by itself", _services(dossier)),
        ("Who can log in", _accounts(dossier)),
        ("From the network into a command or over a buffer", _flows(dossier)),
        ("Known vulnerabilities, by who can reach them", _vulnerabilities(dossier)),
        ("What the headers say", _headers(dossier, width)),
        ("What it is made of", _components(dossier)),
        ("Whom it talks to", _endpoints(dossier)),
        ("How it is updated", _updates(dossier)),
        ("Not examined", _not_examined(dossier, summary)),
    ):
        block = list(body)
        if block:
            yield "", ""
            yield title, "bold underline"
            yield from block


def _answer(dossier: Dossier, summary: Summary, width: int) -> Iterator[Line]:
    image = dossier.image
    yield f"{shown(image.name)}  {size_in_words(image.size)}  sha256 {image.sha256[:16]}…", "dim"
    yield summary.answer, COLOUR[dossier.verdict.decision]
    for number, reason in enumerate(summary.reasons[:REASONS_SHOWN], 1):
        yield from _wrapped(f"  {number}. ", shown(reason), width)
    if len(summary.reasons) > REASONS_SHOWN:
        yield f"     and {len(summary.reasons) - REASONS_SHOWN} more", ""
    if summary.besides:
        yield f"  besides: {len(summary.besides)} lesser reasons, in the JSON and HTML reports", "dim"
    for condition in summary.conditions[:3]:
        yield from _wrapped("  if: ", shown(condition), width)
    counted = ", ".join(f"{count} {severity}" for severity, count in summary.counts if count)
    yield f"{len(dossier.findings)} findings{': ' + counted if counted else ''}", ""
    yield _vulnerability_line(summary), ""
    yield (
        f"{summary.explained:.1%} of the bytes explained; {dossier.files.total} entries,"
        f" {len(dossier.components)} components; {len(dossier.not_examined)} things not examined",
        "",
    )


def _vulnerability_line(summary: Summary) -> str:
    text = f"known vulnerabilities: {summary.matched} match, {summary.reachable} can be reached"
    return f"{text} ({summary.snapshot_note})" if summary.snapshot_note else text


def _findings(dossier: Dossier, width: int) -> Iterator[Line]:
    for finding in ranked(dossier.findings):
        if finding.severity is Severity.INFO:
            continue
        yield from _finding(finding, width)
    notes = [finding for finding in dossier.findings if finding.severity is Severity.INFO]
    for finding in notes:
        yield from _wrapped("  note      ", shown(finding.title), width, "dim")


def _finding(finding: Finding, width: int) -> Iterator[Line]:
    sure = "" if finding.confidence == "high" else f" ({finding.confidence} confidence)"
    label = f"  {finding.severity:<9} "
    yield from _wrapped(
        label, f"{shown(finding.title)}{sure}  [{finding.rule}]", width, SEVERITY_COLOUR[finding.severity]
    )
    for evidence in finding.evidence[:3]:
        yield f"            {where(evidence)}", "dim"
    if len(finding.evidence) > 3:
        yield f"            and {len(finding.evidence) - 3} more places", "dim"
    if finding.remedy:
        yield from _wrapped("            do: ", shown(finding.remedy), width)


def where(evidence: Evidence) -> str:
    """`/etc/init.d/rcS at 0x1f: telnetd &`."""
    place = shown(evidence.path)
    if evidence.offset is not None:
        place += f" at {evidence.offset:#x}"
    elif evidence.address is not None:
        place += f" address {evidence.address:#x}"
    return f"{place}: {shown(evidence.excerpt)[:90]}" if evidence.excerpt else place


def _services(dossier: Dossier) -> Iterator[Line]:
    started = [service for service in dossier.services if service.at_boot]
    for service in started:
        ports = " ".join(f"{port.protocol}/{port.number}" for port in service.ports)
        condition = f"  if {shown(service.condition)}" if service.condition else ""
        arguments = " ".join(service.arguments)
        command = shown(f"{service.applet or service.program} {arguments}".strip())
        login = "" if service.authentication == "unknown" else f"  authentication: {service.authentication}"
        yield f"  {service.kind:<8} {command}  {ports}{login}{condition}"[:200], ""


def _accounts(dossier: Dossier) -> Iterator[Line]:
    for account in dossier.accounts:
        if not (account.empty or account.password is not None or account.hash_kind not in ("", "none", "locked")):
            continue
        secret = (
            "no password"
            if account.empty
            else f"password {account.password!r}"
            if account.password is not None
            else f"{account.hash_kind} hash, not recovered"
        )
        remote = "  over " + ", ".join(account.via) if account.remote else ""
        yield f"  {shown(account.user):<12} uid {account.uid}  {secret}{remote}", ""


def _flows(dossier: Dossier) -> Iterator[Line]:
    for flow in dossier.flows:
        port = f" {flow.protocol}/{flow.port} ({flow.port_certainty})" if flow.port is not None else ""
        magic = f" after {shown(flow.magic)!r}" if flow.magic else ""
        yield (
            f"  {flow.kind:<8} {shown(flow.program)}: {shown(flow.source)} -> {shown(flow.sink)}{port}{magic}"
            f" [{', '.join(filter(None, (flow.confidence, REHEARSED.get(flow.rehearsed))))}]",
            "",
        )
    rest = len(dossier.constructed_commands)
    if rest:
        yield f"  {rest} further commands are built from parts; the JSON and HTML reports list them", "dim"


def _vulnerabilities(dossier: Dossier) -> Iterator[Line]:
    rows = outstanding(dossier.vulnerabilities)
    for vulnerability in rows[:ROWS_SHOWN]:
        yield f"  {_vulnerability(vulnerability)}", "red" if vulnerability.known_exploited else ""
    if len(rows) > ROWS_SHOWN:
        yield f"  and {len(rows) - ROWS_SHOWN} more", "dim"


def _vulnerability(row: Vulnerability) -> str:
    exploited = "  EXPLOITED" if row.known_exploited else ""
    positions = " ".join(row.reachability.positions) or "–"
    status = "affected" if row.reachability.status == "affected" else "open question"
    what = shown(f"{row.component} {row.version}")
    return f"{row.id:<18} {what}  {status}  from {positions}{exploited}  {shown(row.title)[:60]}"


def _headers(dossier: Dossier, width: int) -> Iterator[Line]:
    """Volumes of which a header tells something: the chip and the IDF version, the kernel's name, the board."""
    told = [volume for volume in dossier.volumes if volume.detail]
    for volume in told[:ROWS_SHOWN]:
        yield from _wrapped(f"  {shown(volume.name or volume.kind)}: ", shown(header_words(volume)), width)
    if len(told) > ROWS_SHOWN:
        yield f"  and {len(told) - ROWS_SHOWN} more", "dim"


def _components(dossier: Dossier) -> Iterator[Line]:
    named = sorted((c.name, c.version or "version unknown", c.how) for c in dossier.components)
    for name, version, how in named[: 3 * ROWS_SHOWN]:
        yield f"  {shown(name)} {shown(version)}  ({how})", ""
    if len(named) > 3 * ROWS_SHOWN:
        yield f"  and {len(named) - 3 * ROWS_SHOWN} more", "dim"
    if dossier.unnamed_programs:
        first = ", ".join(shown(path) for path in dossier.unnamed_programs[:5])
        yield f"  {len(dossier.unnamed_programs)} programs no rule could name, among them {first}", "dim"


def _endpoints(dossier: Dossier) -> Iterator[Line]:
    for endpoint in dossier.endpoints[: 2 * ROWS_SHOWN]:
        clear = "  clear text" if endpoint.clear_text else ""
        programs = ", ".join(shown(path) for path in endpoint.programs[:3])
        yield f"  {endpoint.scheme or 'host':<6} {shown(endpoint.host)}{clear}  {programs}", ""
    if len(dossier.endpoints) > 2 * ROWS_SHOWN:
        yield f"  and {len(dossier.endpoints) - 2 * ROWS_SHOWN} more", "dim"


def _updates(dossier: Dossier) -> Iterator[Line]:
    answer = {
        True: "signature checked",
        False: "signature NOT checked",
        None: "could not tell whether a signature is checked",
    }
    for update in dossier.updates:
        yield f"  {shown(update.mechanism)} over {update.transport}: {answer[update.signature_checked]}", ""


def _not_examined(dossier: Dossier, summary: Summary) -> Iterator[Line]:
    for text in summary.not_understood[:ROWS_SHOWN]:
        yield f"  {shown(text)}", ""
    for entry in dossier.not_examined[: 2 * ROWS_SHOWN]:
        yield f"  {shown(entry.what)}: {entry.outcome}, {shown(entry.why)}"[:220], ""
    if len(dossier.not_examined) > 2 * ROWS_SHOWN:
        yield f"  and {len(dossier.not_examined) - 2 * ROWS_SHOWN} more", "dim"


def _wrapped(label: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    """`label` in front of the first line, the rest hanging below it."""
    pieces = textwrap.wrap(text, max(30, width - len(label))) or [""]
    yield label + pieces[0], style
    for piece in pieces[1:]:
        yield " " * len(label) + piece, style
