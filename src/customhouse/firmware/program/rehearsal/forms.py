"""Texts that are sent: words that no program knows, values of common forms, and what a shell acts on."""

import re
from base64 import b64encode
from binascii import hexlify
from collections.abc import Iterator
from itertools import chain

NAMES = (b"jxvbp", b"ghtfd", b"ylcrn", b"dzwkj", b"pvqxm", b"fbnhz", b"mtgjq", b"cxlwv", b"rkzpd", b"kwmqz")
"""Words that no program knows, for values whose way is to be seen."""
VALUES = (
    b"7",
    b"10.83.71.96",
    b"wm.kz.org",
    b"02:4f:6b:3d:1e:5a",
    b"/kz/wm",
    b"http://wm.kz.org/kz",
    b"2031-05-17",
    b"21:34",
    b"5f3a1c",
    b"0123456789abcdef",
    b"kwmqz.jxv",
    b"vbhjwkqzxmfgpdtrlcnsyvbhjwkqzxmfgpdtrlcn",
    b"vbhj wkqz",
    b"kz@wm.org",
    b"1",
)
"""Forms that checks let pass."""
WORD = re.compile(rb"^[^=&: \t\r\n,;\"'<>/]+")
"""A word, as far as it goes."""
FIELD = re.compile(rb"(^|[&;,|\n ?])([^&;,|\r\n =?]+)=([^&;,|\r\n ]*)")
"""A field: what stands before it, its name and its value."""
LONGEST_WORD = 130
CODES = (b64encode, hexlify, lambda text: hexlify(text).upper())
"""Codes in which texts are sent as letters."""
ACTIVE = (b";", b"|", b"&", b"`", b"$", b"\n", b"'", b'"', b"<", b">", b"(", b")", b"\\")
"""Bytes on which a shell acts, somewhere in its line."""
_WORDS = (b"$(k)", b"`k`", b"';k;'", b'";k;"', b"&&k", b"||k", b"\r\nk", b" ;k", b"'k", b'"$(k)', b"\\';k")
"""The same as they are used."""
_SHORT = (b"`k`", b"$(k)", b";k;", b"|k;", b"&k;", b"\nk\n")
_CODED = ("%{:02x}", "\\u{:04x}", "\\x{:02x}", "&#{};", "={:02X}", "\\{:03o}")
"""Ways to write a byte that somebody may turn back: of addresses, JSON, C, XML, mail, and octal."""
_NAMED = (b"&quot;", b"&apos;", b"&amp;", b"&lt;", b'\\"', b"\\n", b"%0a", b"%0d%0a")
_PAD = b"vbhjwkqzxmfgpdtrlcnsyvbhjwkqzxmfgpdtrlcn"
_BETWEEN = b"/:@?#=,.+-_%~&! "
"""Letters that part a text in two; what a check asks of the second part may be something else."""


def harmless(text: bytes, words: Iterator[bytes]) -> Iterator[bytes]:
    """Other texts that a check which lets this one pass may let pass as well."""
    other = turned(text)
    yield other
    for at in (len(text) - 1, 0, len(text) // 2):
        if text:
            yield text[:at] + other[at : at + 1] + text[at + 1 :]
    yield from (one for one in words if one != text)


def turned(text: bytes) -> bytes:
    """A text of the same form with other letters."""
    return bytes(_other(one) for one in text)


def _other(one: int) -> int:
    letter = chr(one)
    if letter.isdigit():
        return ord("1") if letter != "1" else ord("2")
    if "a" <= letter <= "f" or "A" <= letter <= "F":
        return one + 1 if letter not in "fF" else one - 1
    if letter.isascii() and letter.isalpha():
        return ord("q" if letter.islower() else "Q") if letter not in "qQ" else one - 1
    return one


def harmful(text: bytes) -> Iterator[bytes]:
    """Forms of a text that a shell would act on, the likeliest first."""
    middle = len(text) // 2
    for one in ACTIVE:
        yield text + one + b"k"
    for one in ACTIVE:
        yield text[:middle] + one + text[middle:]
        yield one + text
        yield text + one
    for one in _WORDS:
        yield text + one
        yield one
        yield one + text
    for one in _SHORT:
        if len(one) < len(text):  # what says how long the text is stands elsewhere
            yield one + text[len(one) :]
            yield text[: -len(one)] + one
    for one in ACTIVE:
        yield one
        for at in {0, middle, len(text) - 1} if len(text) > 1 else {0}:
            yield text[:at] + one + text[at + 1 :]
        yield text + _PAD + one + b"k"
    for form in _CODED:
        for one in ACTIVE[:8]:
            coded = form.format(one[0]).encode()
            yield text + coded + b"k"
            yield text[:middle] + coded + text[middle:]
    for one in _NAMED:
        yield text + one + b"k"
        yield text[:middle] + one + text[middle:]


def parted(text: bytes) -> Iterator[bytes]:
    """Texts of other forms: what a check asks of a path is not what it asks of the host before it."""
    yield from VALUES
    yield from (text + bytes([one]) + b"kz" for one in _BETWEEN)


def with_active(text: bytes) -> Iterator[bytes]:
    """A text with one active byte, behind it or before its last letter."""
    return chain((text + one + b"k" for one in ACTIVE), (text[:-1] + one + text[-1:] for one in ACTIVE))
