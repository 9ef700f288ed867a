"""What a run left behind."""

from collections import Counter
from typing import NamedTuple

from .copies import Copy
from .world import MOST_RAN, Heard, Ran


class Compared(NamedTuple):
    """Texts that a function compared, or of which the right one was looked for in the left one (`find`)."""

    site: int
    kind: str
    left: bytes
    right: bytes


class Trace(NamedTuple):
    """Ways between blocks, what was compared (texts; numbers with their places and sizes), and commands."""

    ways: frozenset[tuple[int, int]]
    comparisons: tuple[Compared, ...]
    pairs: tuple[tuple[int, int, int, int], ...]
    ran: tuple[Ran, ...]
    asked: frozenset[str]
    """Variables of the environment that were asked for."""
    ended: str
    operations: int
    heard: tuple[Heard, ...] = ()
    copied: tuple[Copy, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the program had nothing left to do, and all of its commands are told."""
        return self.ended in ("idle", "ended") and len(self.ran) < MOST_RAN

    def reached(self, constants: bytes) -> set[tuple[int, object]]:
        """Ways, and words of the program (which holds `constants`) that were known: what makes a run unlike others."""
        known = {
            (one.site, one.right) for one in self.comparisons if one.left == one.right and _is_word(one, constants)
        }
        return {*self.ways, *known, *self._alike()}

    def _alike(self) -> set[tuple[int, object]]:
        """How many numbers were the same at a comparison: letters of a word that is compared one by one."""
        counts = Counter(site for site, first, second, _ in self.pairs if first == second and 32 <= first < 127)
        return {(site, -one) for site, count in counts.items() for one in range(1, count + 1)}


def _is_word(one: Compared, constants: bytes) -> bool:
    """Whether what was compared is a whole text of the program; the linker lets one text be the end of another."""
    before = b"\0" if one.kind in ("prefix", "case prefix") else b""
    return one.kind != "find" and len(one.right) > 1 and before + one.right + b"\0" in constants
