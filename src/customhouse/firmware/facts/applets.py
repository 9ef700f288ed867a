"""The applet table of a multi-call program: which of its many programs were built in.

busybox keeps the names as NUL-terminated words in alphabetical order, one after the other (applet_tables.h); older
releases keep them in the same order among other strings. A link shows that an applet is there; only the table shows
that one is not.
"""

import re
from collections.abc import Sequence
from typing import Final

from customhouse.model import AppletFacts, FileKind

from .extractor import Content, Hit, Pattern

_WORD = re.compile(rb"[\[a-z0-9][\[a-z0-9_.+-]{0,24}")
_KNOWN: Final = frozenset(
    b"ash cat chmod cp df dmesg echo expr false grep gunzip head hostname ifconfig init kill ln login ls mkdir mknod "
    b"mount mv ping ps pwd reboot rm route sed sh sleep sync tar telnetd test top touch true udhcpc umount wget".split()
)
_LEAST_KNOWN: Final = 6
_LEAST: Final = 10


class AppletTable:
    """Fills `FileFacts.applets`."""

    name = "applets"
    version = "1"
    result = AppletFacts
    patterns = (Pattern(expression=rb"(BusyBox|toybox|Toybox)[ /-]?v?\d", tag="multi-call", once=True),)
    seconds = 20.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return kind is FileKind.ELF

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> AppletFacts:
        return AppletFacts(names=read_table(content.data) if hits else ())


def read_table(data: bytes) -> tuple[str, ...]:
    """The longest alphabetical run of words that holds enough names that every busybox knows."""
    best: list[bytes] = []
    run: list[bytes] = []
    for piece in data.split(b"\0"):
        if not piece and run:
            continue  # padding between aligned strings
        if _WORD.fullmatch(piece) and (not run or piece >= run[-1]):
            run.append(piece)
            continue
        best = _better(best, run)
        run = [piece] if _WORD.fullmatch(piece) else []
    best = _better(best, run)
    return tuple(dict.fromkeys(name.decode("ascii") for name in best))


def _better(best: list[bytes], run: list[bytes]) -> list[bytes]:
    enough = len(run) >= _LEAST and len(_KNOWN.intersection(run)) >= _LEAST_KNOWN
    return run if enough and len(run) > len(best) else best
