"""The one multi-pattern pass: all extractors' patterns in one Hyperscan database.

Compiling takes long beside scanning, so the compiled database is serialised and kept in the store under the digest of
its patterns.
"""

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version

import hyperscan
import msgspec

from customhouse.host.store import Store

from .extractor import HITS_MOST, Extractor, Hit, Pattern


class RefusedPattern(Exception):
    """An expression that Hyperscan does not take: a mistake in an extractor, never in a content."""


class PatternSet(msgspec.Struct, frozen=True):
    """Patterns of several extractors, in order; `owners[i]` is the extractor of `patterns[i]`."""

    patterns: tuple[Pattern, ...]
    owners: tuple[str, ...]

    @classmethod
    def of(cls, extractors: Sequence[Extractor]) -> "PatternSet":
        pairs = [(pattern, extractor.name) for extractor in extractors for pattern in extractor.patterns]
        return cls(tuple(pattern for pattern, _ in pairs), tuple(owner for _, owner in pairs))

    @property
    def key(self) -> str:
        """What a compiled form depends on: the patterns, the library, and the kind of processor."""
        about = (self.patterns, version("hyperscan"), platform.machine())
        return hashlib.sha256(msgspec.msgpack.encode(about)).hexdigest()


def compiled(patterns: PatternSet, store: Store) -> bytes:
    """The serialised database, from `store` or made now and kept there; empty when there are no patterns.

    Raises `RefusedPattern`, naming the first expression at fault.
    """
    if not patterns.patterns:
        return b""
    kept = store.get("patterns", patterns.key)
    if kept is not None and _loadable(kept):
        return kept
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        _compile(database, patterns.patterns)
    except hyperscan.HyperscanError as error:
        raise RefusedPattern(_culprit(patterns) or str(error)) from error
    made = bytes(hyperscan.dumpb(database))
    store.put("patterns", patterns.key, made)
    return made


class Scanner:
    """A compiled pattern set, ready to scan. Not for use by several threads."""

    def __init__(self, patterns: PatternSet, serialised: bytes) -> None:
        self._tags = tuple(pattern.tag for pattern in patterns.patterns)
        self._owners = patterns.owners
        self._database = hyperscan.loadb(serialised, hyperscan.HS_MODE_BLOCK) if serialised else None
        if self._database is not None:
            self._database.scratch = hyperscan.Scratch(self._database)

    def scan(self, data: bytes) -> tuple[dict[str, list[Hit]], set[str]]:
        """Hits by extractor, in order of their ends, and the extractors that had more hits than they are given."""
        found: dict[str, list[Hit]] = {}
        overfull: set[str] = set()
        counts = [0] * len(self._tags)
        tags, owners = self._tags, self._owners

        def heard(index: int, start: int, end: int, flags: int, context: object) -> None:
            counts[index] += 1
            if counts[index] > HITS_MOST:
                overfull.add(owners[index])
                return
            found.setdefault(owners[index], []).append(Hit(tag=tags[index], start=start, end=end))

        if self._database is not None and data:
            self._database.scan(data, match_event_handler=heard)
        for hits in found.values():
            hits.sort(key=lambda hit: hit.end)
        return found, overfull


def _compile(database: hyperscan.Database, patterns: Sequence[Pattern]) -> None:
    database.compile(
        expressions=[pattern.expression for pattern in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[_flags(pattern) for pattern in patterns],
    )


def _flags(pattern: Pattern) -> int:
    flags = 0
    for wanted, flag in (
        (pattern.case_insensitive, hyperscan.HS_FLAG_CASELESS),
        (pattern.dot_all, hyperscan.HS_FLAG_DOTALL),
        (pattern.multi_line, hyperscan.HS_FLAG_MULTILINE),
        (pattern.leftmost, hyperscan.HS_FLAG_SOM_LEFTMOST),
        (pattern.once, hyperscan.HS_FLAG_SINGLEMATCH),
    ):
        if wanted:
            flags |= flag
    return flags


def _culprit(patterns: PatternSet) -> str:
    for pattern, owner in zip(patterns.patterns, patterns.owners, strict=True):
        try:
            _compile(hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK), [pattern])
        except hyperscan.HyperscanError as error:
            return f"{owner}: {pattern.tag}: {pattern.expression!r}: {error}"
    return ""


def _loadable(serialised: bytes) -> bool:
    """Made by another version of the library, or damaged: Hyperscan checks both."""
    try:
        hyperscan.loadb(serialised, hyperscan.HS_MODE_BLOCK)
    except hyperscan.HyperscanError:
        return False
    return True
