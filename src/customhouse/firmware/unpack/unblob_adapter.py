"""The one place that knows unblob: its search for chunks, its handlers, and our formats dressed as handlers of it."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from .format import Format, Window
from .formats import FORMATS
from .unblob_extractor import FormatExtractor
from .unblob_parts import (
    BUILTIN_HANDLERS,
    ExtractError,
    ExtractorDependencyNotFoundReport,
    File,
    Handler,
    InvalidInputFormat,
    Regex,
    Task,
    TaskResult,
    ValidChunk,
    search_chunks,
)

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

REPLACED = frozenset(
    {
        "cramfs", "jffs2_new", "jffs2_old", "ubi", "ubifs", "gzip", "xz", "lzma", "bzip2", "zip", "zstd",
        "lz4_legacy", "lz4_default", "elf32", "elf64",
        "tar", "cpio_portable_ascii", "cpio_portable_ascii_crc", "cpio_portable_old_ascii",
    }
)  # fmt: skip
"""Handlers of unblob whose work a format of ours does (and all that start with `squashfs`)."""


class Chunk(msgspec.Struct, frozen=True):
    """Where something starts and ends in a content, and who can read it: a format of ours or a handler of unblob."""

    start: int
    end: int
    kind: str
    format: Format | None
    handler: Any
    encrypted: bool = False
    label: str = ""
    detail: dict[str, str] = {}


def _handler_for(format_: Format, offset: int) -> type[Handler[Any]]:
    patterns = [
        (magic.pattern if magic.regex else b"".join(b"\\x%02x" % byte for byte in magic.pattern)).decode("latin-1")
        for magic in format_.magics
        if magic.offset == offset
    ]

    class Adapted(Handler[Any]):
        NAME = format_.name
        PATTERNS = [_Latin(pattern) for pattern in patterns]
        PATTERN_MATCH_OFFSET = -offset
        EXTRACTOR = None if format_.cut_out else FormatExtractor(format_)
        DOC = None
        FORMAT = format_

        def calculate_chunk(self, file: File, start_offset: int) -> ValidChunk | None:
            found = format_.probe(Window(memoryview(file), start_offset))
            if found is None:
                return None
            chunk = ValidChunk(
                start_offset=start_offset, end_offset=start_offset + found.size, is_encrypted=found.encrypted
            )
            _FOUND[chunk.id] = found
            return chunk

    return Adapted


_FOUND: dict[str, Any] = {}


class _Latin(Regex):
    """A pattern of bytes; unblob's own class would encode bytes above 127 as UTF-8."""

    def as_regex(self) -> bytes:
        return self.encode("latin-1")


@functools.cache
def handlers() -> tuple[type[Handler[Any]], ...]:
    """Ours first, then those of unblob that we do not replace."""
    ours = [
        _handler_for(format_, offset) for format_ in FORMATS for offset in sorted({m.offset for m in format_.magics})
    ]
    theirs = [
        handler
        for handler in BUILTIN_HANDLERS
        if handler.NAME not in REPLACED and not handler.NAME.startswith("squashfs")
    ]
    return (*ours, *theirs)


def find_chunks(path: Path) -> list[Chunk]:
    """The outermost chunks of a file, in order, none overlapping another."""
    with File.from_path(path) as file:
        size = file.size()
        result = TaskResult(task=Task(path=path, depth=0, blob_id=""))
        found = search_chunks(file, size, handlers(), result)
        chunks = [_described(chunk) for chunk in found]
    return _outermost(chunks)


def _described(chunk: ValidChunk) -> Chunk:
    probed = _FOUND.pop(chunk.id, None)
    return Chunk(
        chunk.start_offset, chunk.end_offset, chunk.handler.NAME, getattr(chunk.handler, "FORMAT", None), chunk.handler,
        chunk.is_encrypted, probed.label if probed else "", probed.detail if probed else {},
    )  # fmt: skip


def shifted(chunk: Chunk, by: int) -> Chunk:
    """The chunk as seen from `by` bytes earlier."""
    return msgspec.structs.replace(chunk, start=chunk.start + by, end=chunk.end + by)


def _outermost(chunks: Sequence[Chunk]) -> list[Chunk]:
    kept: list[Chunk] = []
    for chunk in sorted(chunks, key=lambda chunk: (chunk.start, -chunk.end)):
        if not kept or chunk.start >= kept[-1].end:
            kept.append(chunk)
    return kept


def extract_with(handler: Any, source: Path, target: Path) -> str:
    """Let unblob's own handler write to a scratch folder. Returns its complaint; none is no proof of success."""
    try:
        result = handler.extract(source, target)
        reports: Iterable[Any] = result.reports if result else ()
    except ExtractError as trouble:
        reports = trouble.reports or ("it has no extractor",)
    except InvalidInputFormat as trouble:
        return f"malformed: {trouble}"
    missing = [report for report in reports if isinstance(report, ExtractorDependencyNotFoundReport)]
    if missing:
        return "missing: " + ", ".join(sorted({name for report in missing for name in report.dependencies}))
    return "; ".join(str(report)[:200] for report in reports)
