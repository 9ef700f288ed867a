"""Program data flow as an extractor of the map step."""

import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from customhouse.firmware.facts.extractor import Content, Hit, Pattern
from customhouse.model import ExportRole, FileKind, Outcome, ProgramFacts

_LARGEST = 24 << 20
REHEARSAL_SECONDS = 8.0
"""Processor time for running a program in which flows were found: few are."""


def sources_digest() -> str:
    """Of this room's own files: any change of the engine may change its results, and nobody has to remember that."""
    return hashlib.sha256(b"".join(_sources(resources.files(__package__)))).hexdigest()[:16]


def _sources(room: Traversable) -> Iterator[bytes]:
    for item in sorted(room.iterdir(), key=lambda one: one.name):
        if item.is_dir():
            yield from _sources(item)
        elif item.name.endswith((".py", ".toml")):
            yield item.read_bytes()


class ProgramExtractor:
    """Fills `FileFacts.program`. `need`: roles of what the file imports from the image's libraries (msgpack)."""

    name = "program"
    version = sources_digest()
    result = ProgramFacts
    patterns: tuple[Pattern, ...] = ()
    seconds = 30.0

    def __init__(self, rehearsal_seconds: float = REHEARSAL_SECONDS) -> None:
        self.rehearsal_seconds = rehearsal_seconds

    def wants(self, kind: FileKind, size: int) -> bool:
        return kind == FileKind.ELF and size <= _LARGEST

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ProgramFacts:
        try:
            known = msgspec.msgpack.decode(need, type=tuple[ExportRole, ...]) if need else ()
        except msgspec.DecodeError:
            known = ()
        # Here, not above: the engine and what it is built on take a third of a second to load, and a repeat audit,
        # which finds everything in the cache, needs only this class.
        from .analysis import Budget, analyse
        from .rehearsal.flows import rehearsed

        data = bytes(content.data)
        try:
            return rehearsed(data, analyse(data, known, Budget()), self.rehearsal_seconds)
        except (RecursionError, MemoryError) as error:
            return ProgramFacts(outcome=Outcome.PARTIAL, why=f"too deep to read: {type(error).__name__}")
