"""What the isolated worker tells us, line by line, so that a killed worker still leaves what it had found.

Each line is one JSON record with its kind. The reader trusts nothing: it decodes into typed records and drops a last
line that was cut off.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from customhouse.model import Extent, FileNode, NotExamined, Volume


class NodeLine(msgspec.Struct, frozen=True, tag="node"):
    """`node.path` is relative to its volume here; which volume is the root is decided at the end."""

    node: FileNode


class VolumeLine(msgspec.Struct, frozen=True, tag="volume"):
    volume: Volume


class ExtentLine(msgspec.Struct, frozen=True, tag="extent"):
    extent: Extent


class GapLine(msgspec.Struct, frozen=True, tag="gap"):
    gap: NotExamined


class PartLine(msgspec.Struct, frozen=True, tag="part"):
    """A part was begun; its bytes are expected to be accounted for by extents."""

    name: str
    size: int


class EndLine(msgspec.Struct, frozen=True, tag="end"):
    """The worker came to its end by itself."""


Line = NodeLine | VolumeLine | ExtentLine | GapLine | PartLine | EndLine

_DECODER = msgspec.json.Decoder(Line)
_LONGEST_LINE = 1 << 20


class Journal:
    """The writing side."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._encoder = msgspec.json.Encoder()

    def write(self, line: Line) -> None:
        self._file.write(self._encoder.encode(line) + b"\n")

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> Iterator[Line]:
    """All complete records; stops at the first that is damaged."""
    if path.is_symlink() or not path.is_file():
        return
    with path.open("rb") as source:
        while line := source.readline(_LONGEST_LINE):
            if not line.endswith(b"\n"):
                return
            try:
                yield _DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return
