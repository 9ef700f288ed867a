"""Where in a shell's line a text lands, and whether what it lacks keeps it there.

Sources: POSIX.1-2017, Shell Command Language, 2.2 Quoting. Between single quotes only the single quote means something;
between double quotes `"`, `$`, the backquote and the backslash do; a backslash takes away the next byte's meaning.
A text may be a part of a line that is put together elsewhere, so each answer is given for three beginnings: outside of
quotes, inside single and inside double quotes.
"""

import re
from collections.abc import Iterable
from functools import cache

from .bytesets import SHELL, of

OUTSIDE, SINGLE, DOUBLE, ESCAPED, DOUBLE_ESCAPED, UNKNOWN = range(6)
Places = tuple[int, int, int]
"""The place reached from each of the three beginnings."""
START: Places = (OUTSIDE, SINGLE, DOUBLE)
UNTOLD: Places = (UNKNOWN, UNKNOWN, UNKNOWN)
SAFE = 7
"""A text that is safe whatever its beginning: a bit each."""
CHANGED = 8
"""Beside those bits: bytes that were computed from the text (decoded, xored); no check of the text speaks of them."""
OWN = 255
"""These bits and room for more; above them is the number of the place where the text was read, see `readplaces`."""
SPECIAL = SHELL | of("'\"\\")
_ENDS_SINGLE, _ENDS_DOUBLE = of("'"), of('"$`\\')
_HOLE = re.compile(r"%[sc]")
_ACTS = {OUTSIDE: SHELL, SINGLE: 0, DOUBLE: of("$`"), ESCAPED: 0, DOUBLE_ESCAPED: 0}
"""The bytes on which a shell acts at a place: it does more than to go to another one."""
_STEPS = {
    OUTSIDE: {"'": SINGLE, '"': DOUBLE, "\\": ESCAPED},
    SINGLE: {"'": OUTSIDE},
    DOUBLE: {'"': OUTSIDE, "\\": DOUBLE_ESCAPED},
}


def after(places: Places, text: str) -> Places:
    """The places behind a constant text."""
    if not any(mark in text for mark in "'\"\\") and ESCAPED not in places and DOUBLE_ESCAPED not in places:
        return places
    return tuple(_behind(one, text) for one in places)  # type: ignore[return-value]  # three give three


def _behind(place: int, text: str) -> int:
    for one in text:
        if place in (ESCAPED, DOUBLE_ESCAPED):
            place = OUTSIDE if place == ESCAPED else DOUBLE
        elif place != UNKNOWN:
            place = _STEPS[place].get(one, place)
    return place


def kept(lacks: int) -> int:
    """For which of the three beginnings a text is safe that lacks these bytes."""
    if not SHELL & ~lacks:
        return SAFE
    return (0 if _ENDS_SINGLE & ~lacks else 1 << SINGLE) | (0 if _ENDS_DOUBLE & ~lacks else 1 << DOUBLE)


def kept_byte(places: Places, lacks: int) -> int:
    """The same for one byte that is written at `places`."""
    bits = kept(lacks) | 1 << ESCAPED | 1 << DOUBLE_ESCAPED
    bits |= (bits & 1 << OUTSIDE) << UNKNOWN
    return sum(1 << begin for begin, place in enumerate(places) if bits >> place & 1)


def passed(place: int, text: bytes) -> int | None:
    """The place behind a whole text; None when the shell acts on one of its bytes."""
    for one in text:
        if place == UNKNOWN or (_ACTS[place] >> one & 1):
            return None
        place = _behind(place, chr(one))
    return place


@cache
def holes(template: str) -> tuple[Places, ...]:
    """The places of the texts that are put into a template."""
    out: list[Places] = []
    places = START
    at = 0
    for hole in _HOLE.finditer(template):
        places = after(places, template[at : hole.start()])
        out.append(plain(places))
        at = hole.end()
    return tuple(out)


def plain(places: Places) -> Places:
    """A backslash before a text of more than one byte protects only the first."""
    return tuple({ESCAPED: OUTSIDE, DOUBLE_ESCAPED: DOUBLE}.get(one, one) for one in places)  # type: ignore[return-value]  # three give three


def inside(bits: int, where: Iterable[Places]) -> int:
    """For which beginnings of a line a text is safe that is put into it at all these places."""
    changed, bits = bits & ~SAFE, bits & SAFE
    out = SAFE if bits else 0
    for places in where:
        out &= sum(1 << begin for begin, place in enumerate(places) if bits >> place & 1 or bits == SAFE)
    return out | changed


def alike(places: Iterable[Places]) -> Places:
    """What is sure of several: the place where they agree."""
    return tuple(one[0] if len(set(one)) == 1 else UNKNOWN for one in zip(*places, strict=True))  # type: ignore[return-value]  # three give three


def needed(need: int, bits: int) -> int:
    """For which beginnings a text still has to be safe, when a part of it is for some. Behind bytes that were computed
    no check counts any more.
    """
    left = need if need & CHANGED else need & ~(bits & OWN)
    return left | bits & CHANGED if left else 0


def reached(need: int, template: str) -> int:
    """The beginnings that a text in the template's holes has, for lines with the beginnings `need`."""
    where = holes(template)
    if not where:
        return need
    out = need & CHANGED
    for places in where:
        for begin in (OUTSIDE, SINGLE, DOUBLE):
            if need >> begin & 1:
                out |= 1 << places[begin]
    return out
