"""What a format reader is handed and what it gives back.

A reader knows nothing of sandboxes, budgets, progress or reports: it gets a `Window` on bytes and a `TreeWriter`,
and ends in an `Ending`. For bad input it never raises: `Malformed` (which a `Window` raises when bytes are missing)
is caught here, in one place. `BudgetSpent`, raised by the writer, passes through to whoever set the budget.
"""

import mmap
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Protocol

import msgspec

from customhouse.model import NodeKind, Outcome


class Malformed(ValueError):
    """The bytes are not what the format asks for."""


class BudgetSpent(Exception):
    """The quota of output bytes, of entries, or the time is used up."""


class Magic(msgspec.Struct, frozen=True):
    """Bytes that a format shows `offset` bytes after its start. `pattern` may hold `.` for any byte when `regex`."""

    offset: int
    pattern: bytes
    regex: bool = False


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found: `size` bytes from where it looked, and what the header says."""

    size: int
    encrypted: bool = False
    label: str = ""
    detail: dict[str, str] = {}


class Ending(msgspec.Struct, frozen=True):
    """How the reading of one extent ended, and why when it is not `done`."""

    outcome: Outcome
    reason: str = ""


DONE = Ending(Outcome.DONE)


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about an entry besides its content. `mode` holds permission bits only."""

    mode: int = 0o644
    uid: int = 0
    gid: int = 0


class Window:
    """A read-only view of bytes, from where a format may start to the end of what there is."""

    def __init__(self, data: "bytes | memoryview | mmap.mmap", start: int = 0, end: int | None = None) -> None:
        self._data = memoryview(data)
        self._start = start
        self._end = len(self._data) if end is None else min(end, len(self._data))

    @property
    def size(self) -> int:
        return max(0, self._end - self._start)

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes; fewer at the end, none outside."""
        if offset < 0 or count <= 0 or offset >= self.size:
            return b""
        first = self._start + offset
        return bytes(self._data[first : min(first + count, self._end)])

    def exactly(self, offset: int, count: int) -> bytes:
        """Just `count` bytes, else `Malformed`."""
        found = self.read(offset, count)
        if len(found) != max(count, 0) or count < 0:
            raise Malformed(f"{count} bytes at {offset:#x} lie outside the {self.size} there are")
        return found

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """Fields in the notation of `struct`."""
        return struct.unpack(layout, self.exactly(offset, struct.calcsize(layout)))

    def part(self, offset: int, count: int | None = None) -> "Window":
        """A narrower window; `Malformed` when it starts outside."""
        if not 0 <= offset <= self.size:
            raise Malformed(f"offset {offset:#x} lies outside the {self.size} bytes there are")
        end = self._end if count is None else min(self._start + offset + max(count, 0), self._end)
        return Window(self._data, self._start + offset, end)

    def view(self) -> memoryview:
        """All bytes of the window, without a copy."""
        return self._data[self._start : self._end]


class TreeWriter(Protocol):
    """Takes the entries of one volume. Paths and targets are bytes as stored; a path that would leave the volume is
    refused and counted, never followed."""

    def directory(self, path: bytes, meta: Meta) -> None: ...

    def file(self, path: bytes, data: "Iterable[bytes | memoryview]", meta: Meta) -> None:
        """`data` is drawn piece by piece; `Malformed` from it records the file without content."""

    def symlink(self, path: bytes, target: bytes, meta: Meta) -> None: ...

    def special(self, path: bytes, kind: NodeKind, device: tuple[int, int] | None, meta: Meta) -> None:
        """A device node, FIFO or socket: recorded as a fact, never created."""

    def link(self, path: bytes, existing: bytes) -> None:
        """A hard link to an entry written before."""

    def trouble(self, reason: str) -> None:
        """Something of the volume could not be read; the ending becomes at least `partial`."""

    def say(self, key: str, value: str) -> None:
        """One more fact for the volume's detail."""


class Format(ABC):
    """One format, one file, one test file, one line of documentation."""

    name: ClassVar[str]
    title: ClassVar[str]
    """What it is, for the generated reference."""
    magics: ClassVar[tuple[Magic, ...]]
    limits: ClassVar[str] = ""
    carries: ClassVar[bool] = False
    """Its entries are pieces of the image itself (a header with its payload), not files of a file system."""
    cut_out: ClassVar[bool] = False
    """What comes out is the extent itself, which is of use only where it stands among other bytes."""
    final: ClassVar[bool] = False
    """Nothing more is to be sought inside its entries."""

    def probe(self, data: Window) -> Extent | None:
        """The extent that starts where the window does, or None when this is not the format after all."""
        try:
            found = self._probe(data)
        except (Malformed, struct.error, OverflowError):
            return None
        return found if found is not None and 0 < found.size <= data.size else None

    def unpack(self, data: Window, tree: TreeWriter) -> Ending:
        """Write the entries of the extent that `data` spans through `tree`."""
        try:
            return self._unpack(data, tree)
        except (Malformed, struct.error, OverflowError, RecursionError) as trouble:
            return Ending(Outcome.FAILED, str(trouble) or type(trouble).__name__)

    @abstractmethod
    def _probe(self, data: Window) -> Extent | None: ...

    @abstractmethod
    def _unpack(self, data: Window, tree: TreeWriter) -> Ending: ...
