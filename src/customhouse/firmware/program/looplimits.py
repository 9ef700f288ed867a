"""How much of a text a loop has looked at that is left because it came to a number, or to another end."""

from . import alphabets
from .elf import Image
from .lift import DIV, SAR, SHR
from .orders import differences
from .searches import sought
from .state import UPTO, Fact
from .terms import OP, PHI, Terms

_PARTS = frozenset((SHR, SAR, DIV))
_MOST = 1 << 16
"""Bytes that a loop with a fixed end looks at, at most."""


def first(terms: Terms, image: Image, at: tuple[int, int], fact: Fact, condition: int | None) -> Fact | None:
    """A loop that is left because it came to a fixed number looked at so many bytes and no more (or at one less, where
    it asks before it looks). One that came to a part of a number (`i < n / 2`) looked at a part of the text. `at`: the
    function and the loop's head.
    """
    start, off = terms.based(fact[1])
    for parts, constant in differences(terms, condition):
        end = alphabets.ended(terms, image, parts) if not constant else None
        if end is not None:  # of a constant text beside
            return ("first", *fact[1:], end)
        for counter, factor in parts.items():
            if terms.nodes[counter][:3] != (PHI, *at) or terms.add(counter, 1) not in terms.alternatives[counter]:
                continue
            others = {one: count for one, count in parts.items() if one != counter}
            if any(terms.nodes[one][:1] == (OP,) and terms.nodes[one][1] in _PARTS for one in others):
                return None
            end = -constant * factor
            if not others and end < _MOST:
                return ("first", *fact[1:], end - _begin(terms, counter) + 1)
            if others == {start: -factor}:
                return ("first", *fact[1:], end - off + 1)
            [place] = others if list(others.values()) == [-factor] else [None]
            if place is not None and sought(terms, place) is not None and end in (0, -1):
                return (UPTO, fact[1], place, fact[2])
    return fact


def _begin(terms: Terms, counter: int) -> int:
    numbers = [terms.value(one) for one in terms.alternatives[counter]]
    return min((one for one in numbers if one is not None), default=0)
