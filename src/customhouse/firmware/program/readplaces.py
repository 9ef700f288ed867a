"""Places where texts were read while words beside them were known.

What a caller knows of the text at such a place takes the place's name away: `if (cfg.valid) run(cfg.host)` in a
function, and what its caller put into `cfg.host` before. So the parts of the text keep the number of the place, above
the bits that say what they are safe for; whether the word speaks for the text is asked in the end, see `validity`.
"""

from collections.abc import Iterable

from . import quoting
from .fieldtests import HOLDS
from .state import Content, Dep, Fact
from .terms import Location

_SHIFT = quoting.OWN.bit_length()
_FAR = 1 << 12
"""Bytes between a text and a word that may speak for it, at most."""


class ReadPlaces:
    """The places of one program by their numbers."""

    def __init__(self) -> None:
        self._places: list[Location] = []
        self._numbers: dict[Location, int] = {}

    def place(self, dep: Dep) -> Location | None:
        """Where a part of a text was read."""
        number: int = dep[4] >> _SHIFT
        return self._places[number - 1] if number else None

    def beside(self, content: Content, facts: Iterable[Fact]) -> Content:
        """A text with the places of those of its parts that lie beside words which facts speak of."""
        tested = {(fact[1], fact[3]): fact[2] for fact in facts if fact[0] == HOLDS} if content.deps else {}
        if not tested:
            return content
        return content._replace(
            deps=frozenset(self._at(dep, dep[1:4]) if _near(dep, tested) else dep for dep in content.deps)
        )

    def read(self, content: Content, place: Location) -> Content:
        """A text that was read at a place, where it was not known to be read at another one."""
        return content._replace(deps=frozenset(self._at(dep, place) for dep in content.deps))

    def _at(self, dep: Dep, place: Location) -> Dep:
        if dep[4] >> _SHIFT or dep[4] & quoting.SAFE == quoting.SAFE:
            return dep
        number = self._numbers.setdefault(place, len(self._places) + 1)
        if number > len(self._places):
            self._places.append(place)
        return (*dep[:4], dep[4] | number << _SHIFT)


def _near(dep: Dep, tested: dict[tuple[int, int], int]) -> bool:
    at = tested.get((dep[1], dep[3])) if dep[0] == "T" else None
    return at is not None and abs(at - dep[2]) < _FAR
