"""The reference page on component rules, written from the rules themselves."""

from collections.abc import Sequence
from itertools import groupby

from .component_rules import Rule

_HEAD = """# Components that customhouse names

Generated from the rules in `firmware/facts/components/`; do not edit. {count} components.

A file *is* a component when it defines its symbols, bears its SONAME or holds strings that nothing else holds
(`sign`), or states its version in the component's own words (`banner`). A version text in a mere user of a library
is a mention, and mentions are never reported. "lone" is a string that is nothing but a version, believed only in a
file that a sign proved and that holds a single one; "name" is the version in a file's name.
"""


def reference(rules: Sequence[Rule]) -> str:
    """Markdown: one table a group, one line a rule."""
    parts = [_HEAD.format(count=len(rules))]
    for group, members in groupby(sorted(rules, key=lambda rule: (rule.group, rule.name)), key=lambda rule: rule.group):
        parts.append(
            f"\n## {group}\n\n| component | package URL | CPE | known by | version from |\n|---|---|---|---|---|\n"
        )
        parts.extend(_line(rule) for rule in members)
    return "".join(parts)


def _line(rule: Rule) -> str:
    known = _joined(
        ("symbols", any(sign.exports for sign in rule.signs)),
        ("SONAME", any(sign.soname for sign in rule.signs)),
        ("strings", any(sign.strings for sign in rule.signs)),
        ("banner", bool(rule.forms)),
        ("file name", any(path.alone for path in rule.paths)),
    )
    version = _joined(
        ("banner", bool(rule.forms)),
        ("lone", bool(rule.bare)),
        ("symbol", bool(rule.objects)),
        ("SONAME", any("(?P<" in sign.soname for sign in rule.signs)),
        ("name", bool(rule.paths)),
    )
    cpes = ", ".join(f"`{pair}`" for pair in rule.cpes)
    return f"| **{rule.name}** – {rule.title} | `{rule.purl}` | {cpes} | {known} | {version or '–'} |\n"


def _joined(*given: tuple[str, bool]) -> str:
    return ", ".join(word for word, holds in given if holds)
