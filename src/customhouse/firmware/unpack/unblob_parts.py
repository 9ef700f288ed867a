"""What we take of unblob, loaded without lief.

Only unblob's reader of ELF files needs lief, and loading it takes longer than all the rest of unblob together. That
reader is replaced by ours, so while unblob loads, an empty stand-in takes lief's place.
"""

import contextlib
import sys
import types
from collections.abc import Iterator


@contextlib.contextmanager
def _without_lief() -> Iterator[None]:
    if "lief" in sys.modules:
        yield
        return
    stand_in = types.ModuleType("lief")
    stand_in.logging = types.SimpleNamespace(disable=lambda: None)  # type: ignore[attr-defined]
    sys.modules["lief"] = stand_in
    try:
        yield
    finally:
        sys.modules.pop("lief", None)


with _without_lief():
    from unblob.file_utils import File, InvalidInputFormat
    from unblob.finder import search_chunks
    from unblob.handlers import BUILTIN_HANDLERS
    from unblob.models import ExtractError, Handler, Regex, Task, TaskResult, ValidChunk
    from unblob.report import ExtractorDependencyNotFoundReport

__all__ = [
    "BUILTIN_HANDLERS",
    "ExtractError",
    "ExtractorDependencyNotFoundReport",
    "File",
    "Handler",
    "InvalidInputFormat",
    "Regex",
    "Task",
    "TaskResult",
    "ValidChunk",
    "search_chunks",
]
