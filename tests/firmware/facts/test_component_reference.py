"""The page that readers see is the one that the rules make."""

from pathlib import Path

from customhouse.firmware.facts.component_reference import reference
from customhouse.firmware.facts.component_rules import rules

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "components.md"


def test_the_page_is_what_the_rules_make():
    """Write it anew with `make docs` when this fails."""
    assert PAGE.read_text() == reference(rules())


def test_every_rule_has_a_line():
    page = reference(rules())
    assert all(f"| **{rule.name}** – " in page for rule in rules())
