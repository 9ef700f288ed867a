"""The extractor's version follows its sources, those of rooms inside the room included."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from customhouse.firmware.program import extractor


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "library").mkdir()
    (tmp_path / "engine.py").write_text("one = 1\n")
    (tmp_path / "library" / "copies.py").write_text("two = 2\n")
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path)
    yield tmp_path


@pytest.mark.parametrize("changed", ["engine.py", "library/copies.py", "libc.toml", "library/models.toml"])
def test_a_change_of_any_source_changes_the_version(changed: str, room: Path) -> None:
    before = extractor.sources_digest()
    (room / changed).write_text("three = 3\n")
    assert extractor.sources_digest() != before


def test_what_is_no_source_does_not(room: Path) -> None:
    before = extractor.sources_digest()
    (room / "library" / "copies.cpython-311.pyc").write_bytes(b"\0")
    assert extractor.sources_digest() == before
