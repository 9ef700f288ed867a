"""Candidate passwords: strings of an image that stand alone and look like something a person would choose.

Makers put the clear text of a password into a program or a configuration more often than not; these words are what
password recovery tries after the published defaults.
"""

import itertools
import re
from collections import Counter
from typing import Final

from customhouse.model import FileKind

MOST: Final = 400
"""Words kept of one content."""
_READ_MOST: Final = 4 << 20
_STRINGS_MOST: Final = 60_000
_IN_PROGRAM: Final = re.compile(rb"\x00([!-~]{4,16})(?=\x00)")
_IN_TEXT: Final = re.compile(
    rb"""(?i)(?:pass(?:wd|word|phrase)?|pwd|passwort|psk|key|secret|login|user(?:name)?)["']?\s*[:=,]\s*["']?([!-~]{4,24}?)["'\s<,;]"""
)
_LONGEST_TEXT: Final = 1 << 20


def read(data: bytes, kind: FileKind) -> tuple[str, ...]:
    """Words in the order in which they should be tried."""
    if kind in (FileKind.SCRIPT, FileKind.TEXT):
        found = [match.group(1) for match in _IN_TEXT.finditer(data, 0, _LONGEST_TEXT)]
    elif kind is FileKind.ELF:
        strings = itertools.islice(_IN_PROGRAM.finditer(data, 0, _READ_MOST), _STRINGS_MOST)
        found = [match.group(1) for match in strings if _plausible(match.group(1))]
    else:
        return ()
    counted = Counter(found)
    ordered = sorted(counted, key=lambda word: (-_likeness(word), -counted[word], word))
    return tuple(word.decode("ascii") for word in ordered[:MOST])


def _plausible(word: bytes) -> bool:
    """Not a file name, a format, a symbol or code bytes."""
    if any(mark in word for mark in (b"/", b"%", b"\\", b"_", b"<", b">", b"(", b")", b"{", b" ", b"::")):
        return False
    letters = sum(65 <= (c & 0xDF) <= 90 for c in word)
    digits = sum(48 <= c <= 57 for c in word)
    others = len(word) - letters - digits
    return others <= 2 and (letters >= 3 or digits >= 4)


def _likeness(word: bytes) -> int:
    """How much it looks like a password: names of accounts and words of the trade first, then mixtures."""
    lower = word.lower()
    score = 0
    if any(part in lower for part in (b"admin", b"pass", b"root", b"user", b"guest", b"support", b"default", b"login")):
        score += 3
    if any(48 <= c <= 57 for c in word) and any(65 <= (c & 0xDF) <= 90 for c in word):
        score += 2
    if 6 <= len(word) <= 12:
        score += 1
    if any(c in b"!@#$^&*-" for c in word):
        score += 1
    return score
