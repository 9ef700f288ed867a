"""One self-contained HTML page: no script, no network, light and dark, prints well.

Everything from the image is escaped by the template engine (autoescape is on for every template).
"""

from importlib import resources

import jinja2

from customhouse.model import Dossier, Evidence, Service, Severity

from .summary import REHEARSED, SEVERITIES, header_words, outstanding, ranked, shown, size_in_words, summarise

CLAUSE_ORDER = {"contradicts": 0, "supports": 1, "not-testable": 2}


def render(dossier: Dossier) -> str:
    """The page, as text to be written in UTF-8."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("customhouse.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalised,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "shown": shown,
        "size": size_in_words,
        "place": _place,
        "command": _command,
        "header_words": header_words,
    }
    style = resources.files("customhouse.reports").joinpath("templates/report.css").read_text("utf-8")
    return environment.get_template("report.html.jinja").render(
        dossier=dossier,
        summary=summarise(dossier),
        style=style,
        findings=ranked([finding for finding in dossier.findings if finding.severity is not Severity.INFO]),
        notes=[finding for finding in dossier.findings if finding.severity is Severity.INFO],
        severities=SEVERITIES,
        rehearsed=REHEARSED,
        outstanding=outstanding(dossier.vulnerabilities),
        settled=[v for v in dossier.vulnerabilities if v.reachability.status in ("not_affected", "fixed")],
        headers=[volume for volume in dossier.volumes if volume.detail],
        clauses=sorted(dossier.clauses, key=lambda c: (CLAUSE_ORDER.get(c.result, 3), c.clause)),
        started=[service for service in dossier.services if service.at_boot],
        dormant=[service for service in dossier.services if not service.at_boot],
        accounts=[a for a in dossier.accounts if a.empty or a.password is not None or a.hash_kind not in _NO_LOGIN],
    )


_NO_LOGIN = ("", "none", "locked")


def _finalised(value: object) -> object:
    """Every text on the page without control characters, whether or not its place in the template asks for it."""
    return shown(value) if type(value) is str else value  # markup of ours is a subclass


def _place(evidence: Evidence) -> str:
    if evidence.offset is not None:
        return f"{shown(evidence.path)} at {evidence.offset:#x}"
    if evidence.address is not None:
        return f"{shown(evidence.path)} address {evidence.address:#x}"
    return shown(evidence.path)


def _command(service: Service) -> str:
    return shown(" ".join((service.program, *service.arguments)))
