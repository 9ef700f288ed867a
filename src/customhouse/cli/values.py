"""Options as the user writes them, turned into values; what does not fit is wrong usage (exit status 2)."""

import datetime
import re
from pathlib import Path
from typing import NamedTuple

import typer

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


class OutputTo(NamedTuple):
    """`-o FORMAT:FILE`."""

    format: str
    file: Path


def duration(text: str) -> float:
    """Seconds of `90`, `90s`, `5m`, `1h30m`."""
    match = _DURATION.fullmatch(text.strip().lower())
    if not match or not any(match.groups()):
        raise typer.BadParameter(f"{text!r} is no time; write 30s, 5m or 1h30m")
    hours, minutes, seconds = (float(group or 0) for group in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise typer.BadParameter("a budget must be more than nothing")
    return total


def day(text: str) -> datetime.date:
    """`2026-11-22`."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; write 2026-11-22") from None


def output(text: str, formats: tuple[str, ...]) -> OutputTo:
    name, colon, file = text.partition(":")
    if not colon or not file:
        raise typer.BadParameter(f"{text!r} is not FORMAT:FILE, such as html:report.html")
    if name not in formats:
        raise typer.BadParameter(f"{name!r} is no format; there are {', '.join(formats)}")
    return OutputTo(name, Path(file))
