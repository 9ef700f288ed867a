"""A fixed part of the pairs, spread over the architectures; the whole of them is `bench/programs_pairs.py`."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.firmware.program.build import ARCHITECTURES, LEVELS, PAIRS, Built, Pair, build, compiler, pairs

from customhouse.firmware.facts.extractor import Content
from customhouse.firmware.program.extractor import ProgramExtractor
from customhouse.model import Confidence, Digest, FileKind, Flow, ProgramFacts

CASES = [
    pytest.param(pair, ARCHITECTURES[i % len(ARCHITECTURES)], LEVELS[i % 2], id=f"{pair.name}-{ARCHITECTURES[i % 6]}")
    for i, pair in enumerate(pairs())
]


SHORTCOMINGS: dict[str, str] = msgspec.toml.decode(Path(__file__).with_name("shortcomings.toml").read_bytes())
"""What the engine is known not to do yet, by test and case: skipped visibly, each with its reason."""


@contextmanager
def known(what: str, pair: Pair, architecture: str) -> Iterator[None]:
    """A failure that is on the list is shown as a skipped test; one that is not fails."""
    reason = SHORTCOMINGS.get(f"{what} {pair.name} {architecture}")
    try:
        yield
    except AssertionError as failure:
        if reason is None:
            raise
        pytest.skip(f"known shortcoming: {reason} ({str(failure).splitlines()[0]})")
    if reason is not None:
        warnings.warn(f"{what} {pair.name} {architecture} holds now: take it off shortcomings.toml", stacklevel=2)


def facts_of(built: Built) -> ProgramFacts:
    """As link would: the libraries first, then the program with what their exports do."""
    extractor = ProgramExtractor(rehearsal_seconds=0)

    def read(data: bytes, need: bytes) -> ProgramFacts:
        content = Content(Digest(hashlib.sha256(data).hexdigest()), data, FileKind.ELF)
        facts = extractor.extract(content, (), need)
        assert isinstance(facts, ProgramFacts)
        return facts

    roles = [role for library in built.libraries for role in read(library.read_bytes(), b"").exports]
    return read(built.program.read_bytes(), msgspec.msgpack.encode(roles) if roles else b"")


def shown(facts: ProgramFacts) -> list[Flow]:
    return [flow for flow in facts.flows if flow.confidence in (Confidence.HIGH, Confidence.MEDIUM)]


def built_or_skip(pair: Pair, twin: str, architecture: str, level: str) -> Built:
    if compiler(architecture) is None:
        pytest.skip(f"no cross compiler for {architecture}")
    return build(pair, twin, architecture, level)


@pytest.mark.parametrize(("pair", "architecture", "level"), CASES)
def test_the_flow_is_found_with_its_port_and_magic(pair: Pair, architecture: str, level: str) -> None:
    flows = [f for f in shown(facts_of(built_or_skip(pair, "true", architecture, level))) if f.kind == pair.kind]
    with known("flow", pair, architecture):
        assert flows, "no flow of high or medium confidence"
        if pair.port is not None:
            found = {(f.port, f.protocol, f.port_certainty) for f in flows}
            assert (pair.port, pair.protocol, pair.port_certainty) in found
        if pair.magic:
            assert any(word in flow.magic for flow in flows for word in pair.magic)


@pytest.mark.parametrize(("pair", "architecture", "level"), CASES)
def test_its_benign_twin_raises_no_alarm(pair: Pair, architecture: str, level: str) -> None:
    flows = shown(facts_of(built_or_skip(pair, "benign", architecture, level)))
    with known("benign", pair, architecture):
        assert flows == []


def test_every_pair_stands_in_the_manifest_with_both_twins() -> None:
    folders = {folder.name for folder in PAIRS.iterdir() if folder.is_dir()}
    assert folders == {pair.name for pair in pairs()}
    for name in folders:
        assert '#include "true.c"' in (PAIRS / name / "benign.c").read_text()
        assert "#ifdef BENIGN" in (PAIRS / name / "true.c").read_text()
