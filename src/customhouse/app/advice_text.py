"""Advice to read on a terminal: the answer first, then the moves, then the flaws and what the answer rests on."""

import datetime
import textwrap
from collections.abc import Sequence

from customhouse.judgement.wording import listed, month, title
from customhouse.model import Advice, Move, Vulnerability

from .advise import Advised

_SHOWN = 8
_STATUS = {
    "affected": "REACHABLE",
    "under_investigation": "OPEN",
    "not_affected": "not usable",
    "fixed": "fixed",
}


def text_of(result: Advised, today: datetime.date, width: int = 100) -> str:
    """Everything, component by component."""
    if not result.advice:
        return f"{result.subject}: nothing known to this snapshot matches.\n"
    parts = [_component(advice, _of(advice, result), today, width) for advice in result.advice]
    parts.append(f"deployment: {result.deployment.name or 'unnamed'} ({result.deployment.source})")
    return "\n\n".join(parts) + "\n"


def _of(advice: Advice, result: Advised) -> list[Vulnerability]:
    return [row for row in result.vulnerabilities if (row.component, row.version) == (advice.component, advice.version)]


def _component(advice: Advice, rows: Sequence[Vulnerability], today: datetime.date, width: int) -> str:
    point = {True: "yes", False: "no", None: "it depends"}[advice.point_in_upgrading]
    lines = [f"{title(advice.component)} {advice.version} – any point in upgrading? {point}", ""]
    lines += textwrap.wrap(advice.answer, width)
    if advice.moves:
        lines += ["", "moves:"]
        for move in advice.moves:
            lines += textwrap.wrap(_move(move, today), width, initial_indent="  ", subsequent_indent="      ")
    if rows:
        lines += ["", f"flaws: {advice.matched} match, {len(advice.reachable)} reachable, {len(advice.undecided)} open"]
        for row in rows[:_SHOWN]:
            lines += textwrap.wrap(_row(row), width, initial_indent="  ", subsequent_indent="      ")
        if len(rows) > _SHOWN:
            lines.append(f"  ... and {len(rows) - _SHOWN} more (--format json lists them all)")
    if not advice.complete:
        lines += ["", "This rests on a snapshot that is not complete for this component: `customhouse feeds sync`."]
    return "\n".join(lines)


def _move(move: Move, today: datetime.date) -> str:
    verb = "ended" if move.branch_ends < f"{today:%Y-%m}" else "maintained until"
    branch = f"branch {move.branch}" + (f", {verb} {month(move.branch_ends)}" if move.branch_ends else "")
    cost = move.cost
    price = cost.note
    if cost.functions_removed is not None:
        options = f", {cost.options_removed} options" if cost.options_removed is not None else ""
        price = f"removes {cost.functions_removed} functions{options} ({cost.note})"
    brings = f"; brings {listed(move.brings, 3)}" if move.brings else ""
    return (
        f"{move.to} ({move.kind}{'; ' + branch if move.branch else ''}): clears {len(move.clears)}, "
        f"leaves {len(move.leaves)}{brings}; {price}" + (f"; {move.note}" if move.note else "")
    )


def _row(row: Vulnerability) -> str:
    exploited = ", exploited in the wild" if row.known_exploited else ""
    grave = f", {row.severity}" if row.severity else ""
    named = f" – {row.title}." if row.title else "."
    return f"{_STATUS[row.reachability.status]}: {row.id}{grave}{exploited}{named} {row.reachability.explanation}"
