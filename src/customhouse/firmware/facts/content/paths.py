"""Absolute paths that a program names: which keys, scripts and flash devices it works with."""

import re
from collections.abc import Sequence
from typing import Final

from customhouse.model import FileKind

from ..extractor import Hit, Pattern

_MOST: Final = 400
_FOLDERS: Final = (
    rb"bin|config|data|dev/mtd|etc|etc_ro|flash|home|ipc|jffs2?|lib|media|mnt|mtd|nvram|opt|overlay|persist|root|sbin"
    rb"|system|tmp|usr|usrdata|userdata|var|web|webroot|www"
)
_PATH: Final = re.compile(rb"/(?:" + _FOLDERS + rb")[A-Za-z0-9_./@+-]{1,120}")
PATTERNS: Final = (Pattern(expression=rb"[\x00 ='\">]/(?:" + _FOLDERS + rb")", tag="path"),)


def read(data: bytes, hits: Sequence[Hit], kind: FileKind) -> tuple[str, ...]:
    """Each path once, sorted; scripts are parsed elsewhere."""
    if kind is not FileKind.ELF:
        return ()
    found: set[str] = set()
    for hit in hits:
        if hit.tag == "path" and len(found) < _MOST:
            start = data.rfind(b"/", 0, hit.end)
            if data[start - 4 : start] == b"/dev":
                start -= 4
            match = _PATH.match(data, start)
            if match is not None:
                found.add(match.group().decode("ascii").rstrip("./"))
    return tuple(sorted(found))
