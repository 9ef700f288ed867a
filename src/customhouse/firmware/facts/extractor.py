"""The one interface of the map step: bytes in, a cacheable value out.

An extractor sees one content, never a path or a neighbour. What it depends on besides the bytes is handed to it
as `need` and is part of the cache key (content digest, name, version, digest of `need`).
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from customhouse.model import Digest, FileKind, Model

HITS_MOST = 4096
"""Hits of one tag in one content that an extractor is given."""


class Pattern(Model, frozen=True, kw_only=True):
    """One regular expression of the shared multi-pattern pass.

    `expression` is in the subset that Hyperscan knows, over bytes (no look-around, no back-references).
    `tag` comes back with each hit.
    """

    expression: bytes
    tag: str
    case_insensitive: bool = False
    dot_all: bool = False
    multi_line: bool = False
    """`^` and `$` also match at line ends."""
    leftmost: bool = False
    """Report where a match starts (costs more); without it only ends are exact and `start` is 0."""
    once: bool = False
    """One hit a content is enough; not together with `leftmost`."""


class Hit(Model, frozen=True, kw_only=True):
    """`start` and `end` are byte offsets of a match of the pattern tagged `tag`."""

    tag: str
    start: int
    end: int


class Content(msgspec.Struct, frozen=True):
    """One file's bytes, read once and shared by all extractors."""

    digest: Digest
    data: bytes
    kind: FileKind


class Extractor(Protocol):
    """Registered in the explicit tuple of `firmware/extractors.py`. Sent to worker processes by pickle.

    Everything but the two methods is a plain class attribute in what implements this.
    """

    @property
    def name(self) -> str:
        """Field of `FileFacts` that it fills."""

    @property
    def version(self) -> str:
        """Raise it whenever the same bytes could now give another result."""

    @property
    def result(self) -> type[Model]: ...

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """Its share of the multi-pattern pass; empty when it needs none."""

    @property
    def seconds(self) -> float:
        """How long one content may take before the worker is taken for hung and replaced."""

    def wants(self, kind: FileKind, size: int) -> bool: ...

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> Model:
        """Never raises for bad bytes. `hits` are those of its own patterns, by end offset."""
