"""printf and scanf formats, cut into pieces (ISO C 7.21.6)."""

import re
from functools import lru_cache
from typing import NamedTuple

from . import bytesets


class Piece(NamedTuple):
    """Literal text (`kind` empty) or one conversion. `stars` counts widths that take an argument (or scanf's `*`,
    which takes none).
    """

    text: str
    kind: str = ""
    stars: int = 0
    width: int = 0
    precision: int = -1
    long: bool = False
    set: str = ""
    negated: bool = False


_CONVERSION = re.compile(
    r"%(?:%|(?P<flags>[-+ #0']*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?"
    r"(?P<long>hh|h|ll|l|j|z|t|L|q)?(?:(?P<kind>[a-zA-Z])))"
)
_SCAN = re.compile(
    r"%(?:%|(?P<star>\*)?(?P<width>\d+)?(?P<long>hh|h|ll|l|j|z|t|L|q|m)?(?:\[(?P<negated>\^?)(?P<set>\]?[^\]]*)\]|(?P<kind>[a-zA-Z])))"
)


@lru_cache(maxsize=2048)
def conversions(text: str, scanning: bool = False) -> tuple[Piece, ...]:
    """The pieces of a format, in order."""
    out = []
    at = 0
    for found in (_SCAN if scanning else _CONVERSION).finditer(text):
        if found.start() > at:
            out.append(Piece(text[at : found.start()]))
        at = found.end()
        whole = found.group(0)
        if whole == "%%":
            out.append(Piece("%"))
        elif scanning:
            out.append(_scan_piece(found))
        else:
            out.append(_print_piece(found))
    if at < len(text):
        out.append(Piece(text[at:]))
    return tuple(out)


def _print_piece(found: re.Match[str]) -> Piece:
    width, precision = found["width"], found["precision"]
    stars = int(width == "*") + int(precision == "*")
    limit = int(precision) if precision and precision.isdigit() else (0 if precision == "" else -1)
    kind = "s" if found["kind"] in "sS" else found["kind"]
    return Piece(
        found.group(0),
        kind,
        stars,
        int(width) if width and width.isdigit() else 0,
        limit,
        found["long"] in ("l", "ll", "j", "z"),
    )


def _scan_piece(found: re.Match[str]) -> Piece:
    kind = found["kind"] or "["
    width = int(found["width"]) if found["width"] else (0 if kind != "c" else 1)
    return Piece(
        found.group(0),
        kind,
        int(bool(found["star"])),
        width,
        -1,
        found["long"] in ("l", "ll"),
        _expand(found["set"] or ""),
        bool(found["negated"]),
    )


def _expand(text: str) -> str:
    """`a-z` inside brackets."""
    return re.sub(r"(.)-(.)", lambda m: "".join(chr(c) for c in range(ord(m[1]), min(ord(m[2]), 255) + 1)), text)


def only_numbers(text: str, count: int | None = None) -> int | None:
    """The bytes that a text lacks of which a scan took numbers, letters of sets and the format's own text and nothing
    else: all of the format, or its first `count` conversions when the next one takes any byte, and so fails only at the
    text's end. None when the text may go on.
    """
    allowed = bytesets.NUMBER
    for piece in conversions(text, scanning=True):
        if not piece.kind:
            allowed |= bytesets.of(piece.text)
        elif piece.kind in "diuxXopfeg[":
            if count == 0:
                return None
            if piece.kind == "[":
                letters = bytesets.of(piece.set)
                allowed |= bytesets.ALL & ~letters if piece.negated else letters
            count = count if count is None or piece.stars else count - 1
        elif piece.kind != "n":
            return bytesets.ALL & ~allowed if count == 0 and piece.kind in "cs" else None
    return bytesets.ALL & ~allowed if count is None else None
