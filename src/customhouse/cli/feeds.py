"""`customhouse feeds sync|status`."""

import datetime
import sys
from pathlib import Path
from typing import Annotated

import typer

from .progress import progress_for
from .values import day

app = typer.Typer(
    help="What is known of published flaws: bring it up to date, see how old it is.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog="Example: customhouse feeds sync kev epss")
def sync(
    feeds: Annotated[
        list[str] | None, typer.Argument(metavar="[FEED...]", help="osv, nvd, cvelist, kev, epss; without one, all.")
    ] = None,
    base: Annotated[
        str, typer.Option(metavar="URL|FOLDER", help="A mirror instead of the public addresses (or CUSTOMHOUSE_FEEDS).")
    ] = "",
    store: Annotated[Path | None, typer.Option(help="The store (or CUSTOMHOUSE_KNOWLEDGE).")] = None,
    ecosystem: Annotated[list[str] | None, typer.Option(help="Of OSV, only this ecosystem; repeatable.")] = None,
    year: Annotated[list[int] | None, typer.Option(help="Of NVD, only this year; repeatable.")] = None,
    today: Annotated[str | None, typer.Option(metavar="DATE", help="The day to judge by (default: today).")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fetch what is new. What was cut is resumed; what is damaged, older or of another format is refused.

    The store is always the old one or the new one. Exit status: 0 done, 1 when a feed failed, 2 wrong usage.
    """
    # Loaded here so that --help, --version and other commands start at once.
    from customhouse.app.feeds import FEEDS, synced

    for name in feeds or []:
        if name not in FEEDS:
            raise typer.BadParameter(f"{name!r} is no feed; there are {', '.join(FEEDS)}", param_hint="FEED")
    done, failed = synced(
        feeds or [],
        base=base,
        store=store,
        today=_day(today),
        ecosystems=ecosystem or [],
        years=year or [],
        progress=progress_for(quiet),
    )
    for status in done:
        sys.stdout.write(f"{status.name}: {status.date or 'no date'}, {status.records} records\n")
    for error in failed:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
    if failed:
        raise typer.Exit(1)


@app.command(epilog="Example: customhouse feeds status")
def status(
    store: Annotated[Path | None, typer.Option(help="The store (or CUSTOMHOUSE_KNOWLEDGE).")] = None,
    today: Annotated[str | None, typer.Option(metavar="DATE", help="The day to judge by (default: today).")] = None,
) -> None:
    """How old each feed is, and for which components it holds everything."""
    # Loaded here so that --help, --version and other commands start at once.
    from customhouse.app.feeds import status_text

    sys.stdout.write(status_text(_day(today), store))


def _day(text: str | None) -> datetime.date:
    return day(text) if text else datetime.datetime.now(datetime.UTC).date()
