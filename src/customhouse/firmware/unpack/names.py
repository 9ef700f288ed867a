"""The one reversible way in which names of any bytes become text.

File names and link targets are bytes on disk. The dossier is JSON, and JSON holds no lone surrogates, so what is
not printable UTF-8 is escaped: a byte that does not decode, a control character and the backslash itself each
become `\\xNN`. `unescape` gives the very bytes back.
"""

import re

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def escape(raw: bytes) -> str:
    """Text for a name; plain names come through unchanged."""
    if raw.isascii() and raw.isalnum():
        return raw.decode("ascii")
    text = raw.decode("utf-8", "surrogateescape")
    return "".join(_shown(character) for character in text)


def unescape(text: str) -> bytes:
    """The bytes that `escape` was given."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text.encode("utf-8"))


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F or character == "\\":
        return f"\\x{code:02x}"
    return character
