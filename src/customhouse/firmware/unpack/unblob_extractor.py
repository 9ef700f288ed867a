"""Our formats as extractors of unblob, for running unblob by itself: what comes out is written as files to a folder.

The audit does not go this way (its writer keeps owners and device nodes as facts); the benchmark's "unblob alone" does.
"""

import contextlib
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

from unblob.file_utils import FileSystem
from unblob.models import ExtractError, Extractor, ExtractResult

from customhouse.model import NodeKind, Outcome

from .format import Format, Malformed, Meta, Window


class FormatExtractor(Extractor):
    """Hands a carved chunk to one of our formats."""

    def __init__(self, format_: Format) -> None:
        self._format = format_

    def extract(self, inpath: Path, outdir: Path) -> ExtractResult:
        """Write the entries to `outdir`; raises unblob's `ExtractError` when nothing could be read."""
        with inpath.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            data = memoryview(mapped)
            try:
                folder = FolderWriter(outdir)
                ending = self._format.unpack(Window(data), folder)
            finally:
                data.release()
        if ending.outcome not in (Outcome.DONE, Outcome.PARTIAL):
            raise ExtractError
        return ExtractResult(reports=list(folder.files.problems))


class FolderWriter:
    """A `TreeWriter` on a folder, by way of unblob's own guarded file system."""

    def __init__(self, folder: Path) -> None:
        self.files = FileSystem(folder)

    def directory(self, path: bytes, meta: Meta) -> None:
        if path:
            self.files.mkdir(_path(path), parents=True, exist_ok=True)

    def file(self, path: bytes, data: "Iterable[bytes | memoryview]", meta: Meta) -> None:
        with contextlib.suppress(Malformed):
            self.files.write_chunks(_path(path), (bytes(piece) for piece in data))

    def symlink(self, path: bytes, target: bytes, meta: Meta) -> None:
        self.files.create_symlink(src=_path(target), dst=_path(path))

    def special(self, path: bytes, kind: NodeKind, device: tuple[int, int] | None, meta: Meta) -> None:
        """Not created: a device node on this machine would be one of this machine."""

    def link(self, path: bytes, existing: bytes) -> None:
        self.files.create_hardlink(src=_path(existing), dst=_path(path))

    def trouble(self, reason: str) -> None: ...

    def say(self, key: str, value: str) -> None: ...


def _path(raw: bytes) -> Path:
    return Path(os.fsdecode(raw.replace(b"\0", b"")) or ".")
