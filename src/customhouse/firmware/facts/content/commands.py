"""Shell command strings in programs: what they hand to system(3), as far as strings tell."""

import re
from collections.abc import Sequence
from typing import Final

from customhouse.model import FileKind

from ..extractor import Hit, Pattern
from .vocabulary import TOOLS

_MOST: Final = 300
_LONGEST: Final = 400
_COMMAND: Final = re.compile(
    rb"(?:/(?:usr/)?(?:s?bin)/)?(?:" + rb"|".join(re.escape(tool) for tool in TOOLS) + rb")[ \t]+[-/%\"'$>&|a-z0-9]"
)
PATTERNS: Final = (
    Pattern(expression=rb"[\x00\n](?:/(?:usr/)?s?bin/)?(?:" + rb"|".join(TOOLS) + rb")[ \t]", tag="command"),
)


def read(data: bytes, hits: Sequence[Hit], kind: FileKind) -> tuple[tuple[str, int], ...]:
    """(command, offset) in programs; scripts are commands all through and are parsed elsewhere."""
    if kind is not FileKind.ELF:
        return ()
    found: dict[int, str] = {}
    for hit in hits:
        if hit.tag != "command" or len(found) >= _MOST:
            continue
        start = max(data.rfind(b"\0", 0, hit.end), data.rfind(b"\n", 0, hit.end - 1)) + 1
        end = data.find(b"\0", hit.end, start + _LONGEST)
        text = data[start:end] if end >= 0 else b""
        if text and _COMMAND.match(text) and text.isascii() and all(32 <= c < 127 or c in b"\t\n" for c in text):
            found[start] = text.decode("ascii")
    return tuple((found[at], at) for at in sorted(found))
