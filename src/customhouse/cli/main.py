"""The command line: options in, a Context made, one room of `app` called, an exit status out."""

import os
import sys
import traceback
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated

import typer

from customhouse import __version__
from customhouse.host.errors import CustomhouseError, Interrupted

from . import advise, audit, feeds, gate

ERROR = 1
INTERRUPTED = 130
"""128 + SIGINT, as shells expect."""

app = typer.Typer(
    name="customhouse",
    help="Audits the firmware of devices, says whether they may pass and why, and holds them to what they declared.",
    epilog="Example: customhouse audit camera.bin -o html:camera.html",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"customhouse {__version__}")
        raise typer.Exit


@app.callback()
def customhouse(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Example: customhouse audit camera.bin -o html:camera.html"""


app.command("audit", epilog="Example: customhouse audit camera.bin -o html:camera.html")(audit.audit)
app.command("schema", epilog="Example: customhouse schema > dossier.schema.json")(audit.schema)
app.command("isolation", epilog="Example: customhouse isolation")(audit.isolation)
app.command("advise", epilog=advise.EPILOG)(advise.advise)
app.add_typer(feeds.app, name="feeds", epilog="Example: customhouse feeds sync")
app.add_typer(gate.app, name="gate", epilog="Example: customhouse gate run --config gate.toml")


def run() -> None:
    """Entry point of the command; every expected failure is one line on stderr."""
    _write_what_the_terminal_can_show()
    try:
        app()
    except CustomhouseError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        sys.exit(INTERRUPTED if isinstance(error, Interrupted) else ERROR)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ERROR)
    except OSError as trouble:  # a full disk, a broken device: the machine's fault, said in its own words
        if os.environ.get("CUSTOMHOUSE_TRACEBACK"):
            traceback.print_exc()
        named = f"{trouble.filename}: " if trouble.filename else ""
        sys.stderr.write(f"error: {named}{trouble.strerror or trouble}\n")
        _leave_unwritten()
        sys.exit(ERROR)
    except Exception as error:  # a bug of ours: the user gets one line, the maker the whole story on request
        if os.environ.get("CUSTOMHOUSE_TRACEBACK"):
            traceback.print_exc()
        sys.stderr.write(f"error: this is a fault of ours: {type(error).__name__}: {error}\n")
        sys.stderr.write("hint: run it again with CUSTOMHOUSE_TRACEBACK=1 and report what it prints\n")
        sys.exit(ERROR)


def _write_what_the_terminal_can_show() -> None:
    """In a locale without a letter, `?` stands for it: a report must not fail for a dash."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def _leave_unwritten() -> None:
    """What standard output could not take is dropped; Python would complain of it once more at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
