"""Scripts and configuration, kept decoded: link reads them, whatever their names."""

import re
from collections.abc import Sequence
from typing import Final

from customhouse.model import FileKind, TextFacts

from .extractor import Content, Hit, Pattern

MOST = 256 << 10
"""Bytes; longer texts are documentation or data, and their content is scanned all the same."""
_SHEBANG: Final = re.compile(r"^#!\s*(\S+)(?:[ \t]+(\S+))?")


def decoded(data: bytes) -> tuple[str, str]:
    """(text, encoding). Latin-1 takes any byte, so this always succeeds."""
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def interpreter_of(text: str) -> str:
    """The program after #!, without its folder; what `env` is asked to start."""
    match = _SHEBANG.match(text)
    if match is None:
        return ""
    program = match.group(1).rsplit("/", 1)[-1]
    return match.group(2).rsplit("/", 1)[-1] if program == "env" and match.group(2) else program


class TextExtractor:
    """Fills `FileFacts.text`."""

    name = "text"
    version = "1"
    result = TextFacts
    patterns: tuple[Pattern, ...] = ()
    seconds = 60.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return kind in (FileKind.SCRIPT, FileKind.TEXT, FileKind.PEM) and size <= MOST

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> TextFacts:
        text, encoding = decoded(content.data)
        return TextFacts(text=text, encoding=encoding, interpreter=interpreter_of(text))
