"""What a run put into memory that ends somewhere: onto a stack, where the frame of a function ends."""

from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple

SCANNING = frozenset(("sscanf", "vsscanf", "fscanf", "vfscanf", "scanf"))
"""These fill several buffers at once."""


class Copy(NamedTuple):
    """Bytes that a function of the C library, called from `site`, put behind `target`. `called` is what the program
    called last: that function, or one of its own that leads on to it at its end. A loop of the program that is watched
    has no name.
    """

    name: str
    site: int
    called: int
    stack: int
    """The stack pointer, which tells calls from different depths apart."""
    target: int
    end: int
    """Behind the last byte."""
    data: bytes
    chain: tuple[int, ...]
    """From where the functions were called that led there, the innermost one first."""
    is_over: bool
    """Whether they went past the end of the frame, or of the allocation, that they begin in."""
    limited: bool = False
    """Whether a template says how long they may be."""
    texts: tuple[bytes, ...] = ()
    """Texts that were printed into them, without those that never change."""


class Frame(NamedTuple):
    """A function that was called: with the stack pointer where, and from where."""

    stack: int
    function: int
    site: int


class Functions:
    """Beginnings of functions, as far as any run called them."""

    def __init__(self) -> None:
        self._known: list[int] = []
        self._all: set[int] = set()
        self.sites: set[int] = set()
        """From where they were called."""

    def add(self, function: int) -> None:
        if function not in self._all:
            self._all.add(function)
            insort(self._known, function)

    def around(self, site: int) -> int:
        """The beginning of the function that a place lies in; -1 where none is known."""
        index = bisect_right(self._known, site)
        return self._known[index - 1] if index else -1


def enter(frames: list[Frame], frame: Frame) -> None:
    """Add a frame; those below it on the stack are over."""
    while frames and frames[-1].stack <= frame.stack:
        frames.pop()
    frames.append(frame)


def alive(frames: Sequence[Frame], functions: Functions, site: int) -> list[Frame]:
    """The frames that led to a call at `site`, the innermost one first: of those that are kept the ones whose functions
    called one another. Others were left, and nobody has noticed yet. A function that another one led on to at its end
    has that one's frame.
    """
    out: list[Frame] = []
    left = [one for one in frames if one.site != site or one.function == functions.around(site)]
    inside = functions.around(site)
    while left:
        found = next((at for at in range(len(left) - 1, -1, -1) if left[at].function == inside), len(left) - 1)
        out.append(left[found])
        inside = functions.around(left[found].site)
        del left[found:]
    return out


class Stored(NamedTuple):
    """Bytes that an instruction stored one behind the other."""

    site: int
    stack: int
    target: int
    data: bytearray
    chain: tuple[int, ...]

    def copy(self) -> Copy:
        end = self.target + len(self.data)
        return Copy("", self.site, 0, self.stack, self.target, end, bytes(self.data), self.chain, False)
