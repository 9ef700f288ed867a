"""The reference page of the checks, written from the classes themselves."""

from collections.abc import Iterable

from .check import Check

_HEAD = """# Checks

Every question that an audit asks, one a line, written from the code by `make docs`. A finding bears the rule's name; a
policy can speak of it by that name, by its tags, or by its severity.

| rule | question | clauses it bears on |
|---|---|---|
"""


def reference_page(checks: Iterable[Check]) -> str:
    """Markdown, in the order of the rules' names."""
    lines = [
        f"| `{check.rule}` | {check.asks} | {', '.join(check.clauses) or '–'} |"
        for check in sorted(checks, key=lambda check: check.rule)
    ]
    return _HEAD + "\n".join(lines) + "\n"
