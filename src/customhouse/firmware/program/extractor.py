"""Program data flow as an extractor of the map step."""

from collections.abc import Sequence

import msgspec

from customhouse.firmware.facts.extractor import Content, Hit, Pattern
from customhouse.model import ExportRole, FileKind, Outcome, ProgramFacts

from .analysis import Budget, analyse

_LARGEST = 24 << 20


class ProgramExtractor:
    """Fills `FileFacts.program`. `need` is the roles of the functions that the file imports from libraries of the image (msgpack)."""

    name = "program"
    version = "1"
    result = ProgramFacts
    patterns: tuple[Pattern, ...] = ()
    seconds = 30.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return kind == FileKind.ELF and size <= _LARGEST

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ProgramFacts:
        try:
            known = msgspec.msgpack.decode(need, type=tuple[ExportRole, ...]) if need else ()
        except msgspec.DecodeError:
            known = ()
        try:
            return analyse(bytes(content.data), known, Budget())
        except (RecursionError, MemoryError) as error:
            return ProgramFacts(outcome=Outcome.PARTIAL, why=f"too deep to read: {type(error).__name__}")
