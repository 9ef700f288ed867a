"""The generated pages are those that the code would write now."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("write_reference", ROOT / "scripts/write_reference.py")
assert _spec is not None and _spec.loader is not None
write_reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(write_reference)


@pytest.mark.parametrize("name", write_reference.PAGES)
def test_the_page_has_not_drifted(name: str) -> None:
    written = (ROOT / "docs/reference" / name).read_text("utf-8")
    assert written == write_reference.PAGES[name](), "run `make docs`"


def test_every_command_has_an_example() -> None:
    page = write_reference.commands_page()
    commands = page.split("\n#")[1:]
    assert len(commands) > 10
    for part in commands:
        assert "Example:" in part, part.splitlines()[0]
