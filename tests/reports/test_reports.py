"""What holds for every report, and that each is registered, documented and tested."""

from pathlib import Path

import pytest

from customhouse.model import Dossier
from customhouse.reports import REPORTS

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs/guides/reports.md"


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_names_the_decision_and_the_finding(name: str, dossier: Dossier) -> None:
    text = REPORTS[name](dossier)
    assert "refuse" in text.lower()
    assert "boot.telnet" in text
    assert text.endswith("\n")


@pytest.mark.parametrize("name", REPORTS)
def test_no_report_lets_a_control_character_of_the_device_through(name: str, dossier: Dossier) -> None:
    text = REPORTS[name](dossier)
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_says_what_was_not_examined(name: str, dossier: Dossier) -> None:
    assert "nothing here knows it" in REPORTS[name](dossier)


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_has_a_test_file_and_a_line_in_the_guide(name: str) -> None:
    assert (HERE / f"test_{name}.py").is_file()
    assert f"`{name}`" in GUIDE.read_text("utf-8")
