"""Fixtures that every room may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real images (with MANIFEST.tsv); the test is skipped, visibly, where it is not there."""
    named = os.environ.get("CUSTOMHOUSE_CORPUS")
    if not named or not Path(named, "MANIFEST.tsv").is_file():
        pytest.skip("CUSTOMHOUSE_CORPUS names no folder of real images")
    return Path(named)


@pytest.fixture(scope="session")
def shared(corpus: Path) -> Path:
    """The folder that holds corpus, feeds, mud and captures side by side."""
    return corpus.parent


@pytest.fixture(scope="session", autouse=True)
def knowledge_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests never read or fill the user's knowledge store."""
    os.environ["CUSTOMHOUSE_KNOWLEDGE"] = str(tmp_path_factory.mktemp("knowledge") / "knowledge.sqlite")
