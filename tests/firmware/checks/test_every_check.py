"""What holds for all checks: a name, a question, a case in the tests, a line in the documentation."""

import importlib
import re
from pathlib import Path

import pytest

from customhouse.firmware.checks import CHECKS, Check
from customhouse.firmware.checks.reference import reference_page

ROOT = Path(__file__).parents[3]


def _classes(base: type[Check]) -> set[type[Check]]:
    return {one for child in base.__subclasses__() for one in ({child} | _classes(child))}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.rule)
def test_a_check_asks_a_question_under_a_name_of_its_own(check: Check) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z-]+", check.rule)
    assert check.asks.endswith("?")
    assert [other.rule for other in CHECKS].count(check.rule) == 1
    assert all(re.match(r"EN 303 645 \d|CRA I|CRA II|PSTI \d|EN 18031-1 ", clause) for clause in check.clauses)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.rule)
def test_a_check_has_cases(check: Check) -> None:
    cases = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    named = re.compile(rf"\b{type(check).__name__}\b|\b{re.escape(check.rule)}\b")
    assert any(named.search(path.read_text("utf-8")) for path in cases), f"{check.rule} has no case"


def test_every_check_class_is_registered() -> None:
    folder = ROOT / "src/customhouse/firmware/checks"
    for path in folder.glob("*.py"):
        importlib.import_module(f"customhouse.firmware.checks.{path.stem}")
    ours = {
        one
        for one in _classes(Check)  # type: ignore[type-abstract]  # asked for its subclasses only
        if one.__module__.startswith("customhouse.") and hasattr(one, "rule")
    }
    assert {type(check) for check in CHECKS} == ours


def test_the_reference_page_is_written_from_the_classes() -> None:
    page = (ROOT / "docs/reference/checks.md").read_text("utf-8")
    assert page == reference_page(CHECKS), "run `make docs`"


def test_the_page_names_rule_question_and_clauses() -> None:
    page = reference_page(CHECKS)
    for check in CHECKS:
        assert f"| `{check.rule}` | {check.asks} |" in page
