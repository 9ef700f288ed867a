"""`customhouse advise`."""

import datetime
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from customhouse.host.errors import InputError

from .progress import progress_for
from .values import day, duration

FORMATS = ("terminal", "json", "openvex", "cyclonedx", "csaf")
EPILOG = "Example: customhouse advise mbedtls@2.16.12 --deployment client.toml --letter"


def advise(
    target: Annotated[
        str, typer.Argument(metavar="IMAGE|SBOM|NAME@VERSION", help="A firmware image, an SBOM, or a component.")
    ],
    deployment: Annotated[Path | None, typer.Option(help="How and where the device is used (TOML).")] = None,
    letter: Annotated[bool, typer.Option("--letter", help="The answer as a letter to a customer.")] = False,
    format: Annotated[
        str, typer.Option("--format", help=f"What goes to standard output: {', '.join(FORMATS)}.")
    ] = "terminal",
    vex: Annotated[list[Path] | None, typer.Option(help="A supplier's VEX statements; repeatable.")] = None,
    today: Annotated[str | None, typer.Option(metavar="DATE", help="The day to judge by (default: today).")] = None,
    budget: Annotated[str, typer.Option(help="Time for an image, such as 30s, 5m, 1h.")] = "10m",
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Remember nothing and use nothing remembered.")] = False,
    no_isolation: Annotated[
        bool, typer.Option("--no-isolation", help="Unpack without isolation. Only for images you trust.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Is there any point in upgrading? Who can reach what is known, and the smallest move that helps.

    Exit status: 0 when it could answer, 1 an error, 2 wrong usage.
    """
    # Loaded here so that --help, --version and other commands start at once.
    from customhouse.app import advise as room
    from customhouse.app.advise_run import AdviseRun, answer

    if format not in FORMATS:
        raise typer.BadParameter(f"{format!r} is no format; there are {', '.join(FORMATS)}", param_hint="--format")
    if room.component_of(target) is None and not Path(target).exists():
        raise InputError(f"{target}: no such file, and not NAME@VERSION either", hint=EPILOG)
    run = AdviseRun(
        target=target,
        deployment=room.read_deployment(deployment),
        vex=tuple((path.name, _read(path)) for path in vex or ()),
        today=day(today) if today else datetime.datetime.now(datetime.UTC).date(),
        format="letter" if letter else format,
        budget=duration(budget),
        use_cache=not no_cache,
        isolate=not no_isolation,
        jobs=len(os.sched_getaffinity(0)),
        progress=progress_for(quiet),
    )
    sys.stdout.write(answer(run))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
