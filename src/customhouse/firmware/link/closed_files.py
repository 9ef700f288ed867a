"""Settings and scripts of the device that cannot be read: by their names text, by their bytes packed or encrypted.

Default passwords, remote management and hidden switches often stand in just these, so a report without them is told to
be one.
"""

import re
from collections.abc import Iterator
from typing import Final

from customhouse.model import FileKind, NotExamined, Outcome

from .files import Files

_TEXT_NAME: Final = re.compile(r"(?i)\.(?:xml|conf|cfg|config|ini|json|ya?ml|toml|sh|lua|py|php|cgi|sql|def)$")
_SMALLEST: Final = 512
_DENSE: Final = 7.5
_MOST: Final = 20


def closed_files(files: Files) -> Iterator[NotExamined]:
    """One record a file, in the order of their paths."""
    told = 0
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is None or facts.kind is not FileKind.DATA or not _TEXT_NAME.search(path):
            continue
        if facts.size < _SMALLEST or (facts.entropy or 0.0) < _DENSE:
            continue
        if told == _MOST:
            yield NotExamined(what="further files", outcome=Outcome.UNKNOWN, why="named as text, packed or encrypted")
            return
        told += 1
        why = "its name is that of a text, its bytes are packed or encrypted in a way that is not known"
        yield NotExamined(what=str(path), outcome=Outcome.UNKNOWN, why=why)
