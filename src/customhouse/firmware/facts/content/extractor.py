"""The content extractor: hosts, secrets, hashes, commands, markers and candidate words of one content."""

from collections.abc import Sequence
from typing import Final

from customhouse.model import ContentFacts, FileKind

from ..extractor import Content, Hit
from . import commands, hashes, hosts, markers, paths, secrets, words

_SCANNED: Final = frozenset(
    {
        FileKind.ELF,
        FileKind.SCRIPT,
        FileKind.TEXT,
        FileKind.PEM,
        FileKind.KERNEL_MODULE,
        FileKind.KERNEL,
        FileKind.MCU,
        FileKind.DATA,
    }
)


class ContentExtractor:
    """Fills `FileFacts.content`."""

    name = "content"
    version = "6"
    result = ContentFacts
    patterns = (
        *hosts.PATTERNS,
        *secrets.PATTERNS,
        *hashes.PATTERNS,
        *commands.PATTERNS,
        *markers.PATTERNS,
        *paths.PATTERNS,
    )
    seconds = 60.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return kind in _SCANNED

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ContentFacts:
        data = content.data
        return ContentFacts(
            hosts=hosts.read(data, hits, content.kind),
            secrets=secrets.read(data, hits, content.kind),
            hashes=hashes.read(data, hits),
            commands=commands.read(data, hits, content.kind),
            markers=markers.read(hits),
            words=words.read(data, content.kind),
            paths=paths.read(data, hits, content.kind),
        )
