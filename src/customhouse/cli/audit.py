"""`customhouse audit`, and the small commands about it."""

import datetime
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from customhouse.host.errors import CustomhouseError, Interrupted

from .progress import progress_for
from .values import OutputTo, day, duration, output

FORMATS = ("terminal", "json", "html", "sarif", "cyclonedx", "spdx", "openvex")
DEFAULT_BUDGET = "10m"
PROCESSORS = len(os.sched_getaffinity(0))


def audit(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="A firmware image, a folder of partitions (one device), or a root file system (folder or tar).",
        ),
    ],
    format: Annotated[
        str, typer.Option("--format", help=f"What goes to standard output: {', '.join(FORMATS)}.")
    ] = "terminal",
    outputs: Annotated[
        list[str] | None, typer.Option("-o", "--output", metavar="FORMAT:FILE", help="A further output; repeatable.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file (TOML); without it the default policy.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="How and where the device is used (TOML).")] = None,
    sbom: Annotated[list[Path] | None, typer.Option(help="A supplier's SBOM to compare with; repeatable.")] = None,
    vex: Annotated[list[Path] | None, typer.Option(help="A supplier's VEX statements; repeatable.")] = None,
    today: Annotated[str | None, typer.Option(metavar="DATE", help="The day to judge by (default: today).")] = None,
    firmware_date: Annotated[str | None, typer.Option(metavar="DATE", help="When this firmware was released.")] = None,
    latest_firmware: Annotated[
        str | None, typer.Option(metavar="DATE", help="When the maker's newest firmware for the device was released.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Time for one image, such as 30s, 5m, 1h.")] = DEFAULT_BUDGET,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes (default: one a processor).")] = PROCESSORS,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Remember nothing and use nothing remembered.")] = False,
    no_package_database: Annotated[
        bool, typer.Option("--no-package-database", help="Name components from the files alone.")
    ] = False,
    no_isolation: Annotated[
        bool, typer.Option("--no-isolation", help="Unpack without isolation. Only for images you trust.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Say what is inside a firmware image, and whether the device may pass.

    Exit status: 0 admit, 10 admit-contained, 20 refuse, 30 inconclusive; 1 an error, 2 wrong usage.
    """
    # Loaded here so that --help, --version and other commands start at once.
    from customhouse.app.audit_run import AuditRun, options_from_files

    wanted = [OutputTo(format, Path("-")), *(output(text, FORMATS) for text in outputs or [])]
    if format not in FORMATS:
        raise typer.BadParameter(f"{format!r} is no format; there are {', '.join(FORMATS)}", param_hint="--format")
    seconds = duration(budget)
    options = options_from_files(
        policy=policy,
        deployment=deployment,
        sbom=tuple(sbom or ()),
        vex=tuple(vex or ()),
        today=day(today) if today else datetime.date.today(),
        firmware_date=day(firmware_date) if firmware_date else None,
        latest_firmware=day(latest_firmware) if latest_firmware else None,
        package_database=not no_package_database,
    )
    heard = _Interrupts()
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with progress_for(quiet) as progress:
        run = AuditRun(
            options=options,
            outputs=tuple(wanted),
            budget=seconds,
            jobs=jobs,
            use_cache=not no_cache,
            isolate=not no_isolation,
            progress=progress,
            colour=colour,
        )
        try:
            status, text = run.all(images)
            heard.settle()
        except KeyboardInterrupt:
            remembered = "what was read until then is remembered: the next audit of the image goes on from there"
            raise Interrupted(
                f"interrupted while {progress.doing or 'starting'}; nothing was left behind",
                "" if no_cache else remembered,
            ) from None
    sys.stdout.write(text)
    sys.stdout.flush()
    raise typer.Exit(status)


def schema() -> None:
    """Print the JSON Schema of the dossier."""
    import msgspec

    from customhouse.reports.json import schema as dossier_schema

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(dossier_schema()), indent=1).decode() + "\n")


def isolation() -> None:
    """Say how images would be isolated on this machine; exit status 1 where nothing can be had."""
    from customhouse.host import isolation as host_isolation

    sys.stdout.write(host_isolation.describe() + "\n")
    if not host_isolation.available():
        raise CustomhouseError("images cannot be isolated on this machine", "install bubblewrap")


class _Interrupts:
    """Ctrl-C and SIGTERM as `KeyboardInterrupt`, remembered: one that is raised inside a destructor or a callback of
    a library is swallowed there, and the audit goes on to its end.
    """

    def __init__(self) -> None:
        self.heard = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def settle(self) -> None:
        """Raises `KeyboardInterrupt` when one was swallowed."""
        if self.heard:
            raise KeyboardInterrupt

    def _hear(self, _signal: int, _frame: object) -> None:
        self.heard = True
        raise KeyboardInterrupt
