"""crypt(3) hashes wherever they stand: passwd and shadow lines, scripts, vendors' configuration, programs.

Source of the forms: crypt(5) of libxcrypt.
"""

import re
from collections.abc import Sequence
from typing import Final

from ..extractor import Hit, Pattern

_SALT = rb"[./0-9A-Za-z]"
_FORMS: Final = (
    rb"\$1\$" + _SALT + rb"{0,8}\$" + _SALT + rb"{22}",
    rb"\$5\$(?:rounds=\d{1,9}\$)?" + _SALT + rb"{0,16}\$" + _SALT + rb"{43}",
    rb"\$6\$(?:rounds=\d{1,9}\$)?" + _SALT + rb"{0,16}\$" + _SALT + rb"{86}",
    rb"\$2[abxy]?\$\d\d\$" + _SALT + rb"{53}",
    rb"\$y\$[./0-9A-Za-z]{1,10}\$" + _SALT + rb"{0,86}\$" + _SALT + rb"{43}",
    rb"\$apr1\$" + _SALT + rb"{0,8}\$" + _SALT + rb"{22}",
)
_MODULAR: Final = re.compile(rb"(?:" + rb"|".join(_FORMS) + rb")(?![./0-9A-Za-z])")
_USER_BEFORE: Final = re.compile(rb"([A-Za-z_][\w.-]{0,31}):$")
_DES_LINE: Final = re.compile(
    rb"(?m)^([A-Za-z_][\w.-]{0,31}):([./0-9A-Za-z]{13}):(?:\d+:\d+:[^:\n]*:[^:\n]*:[^:\n\0]*|\d*:\d*:\d*:\d*:[^\n\0]*)$"
)
_LOOK_BACK: Final = 40

PATTERNS: Final = (
    Pattern(expression=rb"\$(?:1|5|6|2[abxy]?|y|apr1)\$[./0-9A-Za-z=]", tag="hash"),
    Pattern(expression=rb":[./0-9A-Za-z]{13}:[0-9]*:", tag="hash-des"),
)


def read(data: bytes, hits: Sequence[Hit]) -> tuple[tuple[str, int], ...]:
    """(`user:hash` or `hash`, offset of the hash), by offset, each once."""
    found: dict[int, str] = {}
    for hit in hits:
        if hit.tag == "hash":
            _modular(data, hit.end, found)
        elif hit.tag == "hash-des":
            _des(data, hit.end, found)
    return tuple((found[at], at) for at in sorted(found))


def _modular(data: bytes, end: int, found: dict[int, str]) -> None:
    start = data.rfind(b"$", 0, end - 1)
    start = data.rfind(b"$", max(0, start - 5), start)
    match = _MODULAR.match(data, start) if start >= 0 else None
    if match is None:
        return
    user = _USER_BEFORE.search(data, max(0, start - _LOOK_BACK), start)
    prefix = user.group(1) + b":" if user else b""
    found[start] = (prefix + match.group()).decode("ascii")


def _des(data: bytes, end: int, found: dict[int, str]) -> None:
    """Thirteen characters say little by themselves: the whole line has to be one of passwd or shadow."""
    first = max(data.rfind(b"\n", 0, end), data.rfind(b"\0", 0, end)) + 1
    last = min((at for at in (data.find(b"\n", end), data.find(b"\0", end)) if at >= 0), default=len(data))
    match = _DES_LINE.match(data[first : min(last, first + 512)])
    if match is not None:
        found[first + match.start(2)] = (match.group(1) + b":" + match.group(2)).decode("ascii")
