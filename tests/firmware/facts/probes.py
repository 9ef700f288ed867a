"""Extractors that misbehave, importable by worker processes."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from customhouse.firmware.facts import Content, Hit, Pattern
from customhouse.model import ComponentFacts, ComponentHint, ContentFacts, FileKind, ProgramFacts, TextFacts


class Counting:
    """Fills `components` with what it was given; leaves a mark for each call where the environment says."""

    name = "components"
    version = "1"
    result = ComponentFacts
    patterns = (Pattern(expression=rb"marker-[0-9]", tag="marker"),)
    seconds = 30.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return size > 0

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ComponentFacts:
        log = os.environ.get("PROBE_LOG")
        if log:
            with Path(log).open("a", encoding="ascii") as file:
                file.write(content.digest + "\n")
        rule = f"{len(hits)} {need.decode()}"
        return ComponentFacts(hints=(ComponentHint(rule=rule, how="mentions", version=str(len(content.data))),))


class Versioned(Counting):
    version = "2"


class Fragile:
    """Dies, hangs or raises when the content says so."""

    name = "text"
    version = "1"
    result = TextFacts
    patterns: tuple[Pattern, ...] = ()
    seconds = 3.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return True

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> TextFacts:
        if b"please-die" in content.data:
            os._exit(9)
        if b"please-hang" in content.data:
            time.sleep(600)
        if b"please-raise" in content.data:
            raise ValueError("a bug")
        return TextFacts(text="fine", encoding="ascii")


class Flooded:
    """Has a pattern that hits at every byte."""

    name = "content"
    version = "1"
    result = ContentFacts
    patterns = (Pattern(expression=rb"x", tag="x"),)
    seconds = 30.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return True

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ContentFacts:
        return ContentFacts(words=(str(len(hits)),))


class Refused(Counting):
    """Its expression is no Hyperscan expression."""

    name = "program"
    result = ProgramFacts  # type: ignore[assignment]
    patterns = (Pattern(expression=rb"(?<=a)b", tag="look-behind"),)
