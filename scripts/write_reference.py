"""Writes the pages of docs/reference that come from the code; a test compares them, so that they cannot drift."""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import typer
from typer.testing import CliRunner

from customhouse.cli.main import app
from customhouse.firmware.checks import CHECKS
from customhouse.firmware.checks.reference import reference_page
from customhouse.firmware.facts.component_reference import reference as components_page
from customhouse.firmware.facts.component_rules import rules
from customhouse.firmware.unpack.reference import markdown as formats_page
from customhouse.reports.json import schema

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/reference"


def commands_page() -> str:
    """Every command's help, as its user sees it."""
    lines = ["# Commands", "", "Written from the commands themselves by `make docs`.", ""]
    for words in ((), *command_names(app)):
        title = " ".join(("customhouse", *words))
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"}).output
        text = shown.replace("Usage: root", "Usage: customhouse").rstrip()
        lines.extend([f"{'#' * (len(words) + 2)} `{title}`", "", "```text", text, "```", ""])
    return "\n".join(lines)


def command_names(group: typer.Typer, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All commands below `group`, those of sub-groups after them."""
    for command in group.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        yield (*above, name.replace("_", "-"))
    for below in group.registered_groups:
        if below.typer_instance is not None:
            words = (*above, below.name or str(below.typer_instance.info.name))
            yield words
            yield from command_names(below.typer_instance, words)


def schema_page() -> str:
    return msgspec.json.format(msgspec.json.encode(schema()), indent=1).decode() + "\n"


PAGES = {
    "checks.md": lambda: reference_page(CHECKS),
    "components.md": lambda: components_page(rules()),
    "formats.md": formats_page,
    "commands.md": commands_page,
    "dossier.schema.json": schema_page,
}


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), "utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
