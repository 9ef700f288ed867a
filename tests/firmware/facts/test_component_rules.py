"""Every component rule proves itself by its samples, and the linter refuses what cannot be trusted."""

import re

import pytest

from customhouse.firmware.facts.component_rules import (
    Form,
    PathForm,
    Rule,
    RuleError,
    Sample,
    Sign,
    expression,
    lint,
    longest_literal,
    parse,
    rules,
    version_of,
)
from customhouse.firmware.facts.component_symbols import Symbols
from customhouse.firmware.facts.components import matcher_of, weigh
from customhouse.firmware.facts.extractor import Hit
from customhouse.model import ComponentHint, FileKind, How

RULES = rules()


def hints_of(rule: Rule, sample: Sample) -> tuple[ComponentHint, ...]:
    """What the extractor says of a sample, its pattern pass played by `re`."""
    matcher = matcher_of([rule])
    data = sample.text.encode()
    hits = [
        Hit(tag=pattern.tag, start=match.start(), end=match.end())
        for pattern in matcher.patterns
        for match in re.finditer(pattern.expression, data, re.DOTALL)
    ]
    symbols = Symbols(sample.soname, dict.fromkeys(sample.exports, (-1, 0)))
    return weigh([rule], matcher, data, sample.kind, symbols, hits)


def path_versions(rule: Rule, sample: Sample) -> list[tuple[str, How]]:
    found = []
    for form in rule.paths:
        match = re.search(expression(form.regex), sample.path)
        if match and form.alone:
            found.append((version_of(match), form.how))
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_passes_the_linter(rule):
    assert lint(rule) == ()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_sample_gives_its_version_and_kind_of_proof(rule):
    for sample in rule.samples:
        said = [(hint.version, hint.how) for hint in hints_of(rule, sample)] + path_versions(rule, sample)
        assert (sample.version, sample.how) in said, sample


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_reject_names_the_component(rule):
    for sample in rule.rejects:
        said = [hint for hint in hints_of(rule, sample) if hint.how != How.MENTIONS]
        assert said == [], sample
        assert path_versions(rule, sample) == []


def test_there_are_rules_for_what_devices_carry():
    assert len(RULES) >= 150


GOOD = Rule(
    name="thing",
    title="Thing",
    group="base",
    purl="pkg:generic/thing",
    forms=(Form(regex="Thing version <V>"),),
    samples=(Sample(text="Thing version 1.0", version="1.0"),),
    rejects=(Sample(text="Thing"),),
)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"samples": ()}, "no sample that must match"),
        ({"rejects": ()}, "no sample that must not match"),
        ({"forms": (Form(regex="<V>"),)}, "without an anchor"),
        ({"forms": (Form(regex="[a-z]+/<V>"),)}, "without an anchor"),
        ({"paths": (PathForm(regex="<V>"),)}, "without an anchor"),
        ({"purl": "pkg:warehouse/thing"}, "unknown type"),
        ({"purl": "thing"}, "not a package URL"),
        ({"bare": ("<V>",)}, "needs a sign"),
        ({"forms": (Form(regex="Thing (<V>"),)}, "no expression"),
        ({"signs": (Sign(exports=("open",)),)}, "proves nothing"),
        ({"signs": (Sign(strings=("thing",)),)}, "too short"),
        ({"cpes": ("thing",)}, "not vendor:product"),
        ({"forms": ()}, "nothing that could match"),
    ],
)
def test_the_linter_refuses(change, fault):
    fields = {name: getattr(GOOD, name) for name in GOOD.__struct_fields__}
    assert lint(GOOD) == ()
    assert any(fault in said for said in lint(Rule(**{**fields, **change})))


def test_a_rule_file_is_called_as_its_component():
    with pytest.raises(RuleError, match=r"called as its component"):
        parse(
            "other.toml",
            b'name="thing"\ntitle="T"\ngroup="g"\npurl="pkg:generic/t"\nsamples=[]\nrejects=[]',
        )


def test_a_rule_with_an_unknown_field_is_refused():
    with pytest.raises(RuleError):
        parse("thing.toml", b"nonsense")


@pytest.mark.parametrize(
    ("regex", "length"), [("<V>", 0), ("BusyBox v<V>", 9), ("[a-z]+<V>", 0), (r"nginx/<V>", 6), (r"(?:ab|cd)?<V>x", 1)]
)
def test_the_anchor_is_the_longest_run_of_fixed_characters(regex, length):
    assert longest_literal(regex) == length


def test_text_files_are_not_searched_for_programs():
    [busybox] = [rule for rule in RULES if rule.name == "busybox"]
    assert hints_of(busybox, Sample(text="BusyBox v1.22.1 (2016", kind=FileKind.TEXT)) == ()
