"""Kinds of crypt(3) hashes, and trying a word against one.

The system's own libcrypt is four to sixty times faster than Python and is used where it can be loaded; what it refuses
(some builds leave old kinds out), and everything where it is missing, libpass computes.
Source of the forms: crypt(5) of libxcrypt.
"""

import ctypes
import ctypes.util
import functools
import hmac
import re
import warnings
from collections.abc import Callable
from typing import Final

_KINDS: Final = (
    ("md5", re.compile(r"\$(?:1|apr1)\$[^$]{0,8}\$[./0-9A-Za-z]{22}")),
    ("sha256", re.compile(r"\$5\$(?:rounds=\d+\$)?[^$]{0,16}\$[./0-9A-Za-z]{43}")),
    ("sha512", re.compile(r"\$6\$(?:rounds=\d+\$)?[^$]{0,16}\$[./0-9A-Za-z]{86}")),
    ("bcrypt", re.compile(r"\$2[abxy]?\$\d\d\$[./0-9A-Za-z]{53}")),
    ("yescrypt", re.compile(r"\$y\$[^$]+\$[^$]*\$[./0-9A-Za-z]{43}")),
    ("des", re.compile(r"[./0-9A-Za-z]{13}")),
)
_LOCKED: Final = re.compile(r"[!*x]|[!*].*|NP|LK|\*LK\*|NOLOGIN|[*!]+NP[*!]*")
_DES_SIGNIFICANT: Final = 8
WEAK: Final = frozenset({"des", "md5"})
"""Kinds that cost an attacker next to nothing."""


def kind_of(text: str) -> str:
    """`none` for no hash at all, `locked` where no password can match, else the kind; `unknown` for other forms."""
    if not text:
        return "none"
    for kind, form in _KINDS:
        if form.fullmatch(text):
            return kind
    return "locked" if _LOCKED.fullmatch(text) else "unknown"


def matches(word: str, hashed: str) -> bool:
    """Whether `word` is the password behind `hashed`. False for kinds that cannot be computed here."""
    try:
        computed = _compute(word, hashed)
    except (ValueError, TypeError, UnicodeError, OSError):
        return False
    return computed is not None and hmac.compare_digest(computed, hashed)


def same_password(kind: str, one: str, other: str) -> bool:
    """DES looks at eight characters only."""
    return one[:_DES_SIGNIFICANT] == other[:_DES_SIGNIFICANT] if kind == "des" else one == other


def _compute(word: str, hashed: str) -> str | None:
    crypt = _system_crypt()
    if crypt is not None:
        answer = crypt(word.encode("utf-8", "surrogateescape"), hashed.encode("ascii"))
        if answer is not None and not answer.startswith(b"*"):
            return answer.decode("ascii", "replace")
    return _library_crypt(word, hashed)


@functools.cache
def _system_crypt() -> Callable[[bytes, bytes], bytes | None] | None:
    """crypt(3), or None where there is no libcrypt. Not safe for threads: its result is one static buffer."""
    for name in ("libcrypt.so.1", "libcrypt.so.2", ctypes.util.find_library("crypt")):
        if name is None:
            continue
        try:
            function = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
        return function
    return None


def _library_crypt(word: str, hashed: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from passlib import hash as forms  # type: ignore[import-untyped]  # slow to import, and seldom needed

        handler = {
            "$1$": forms.md5_crypt,
            "$apr1$": forms.apr_md5_crypt,
            "$5$": forms.sha256_crypt,
            "$6$": forms.sha512_crypt,
        }.get(hashed[: hashed.find("$", 1) + 1], forms.des_crypt if kind_of(hashed) == "des" else None)
        if handler is None:
            return None
        return hashed if handler.verify(word, hashed) else None
