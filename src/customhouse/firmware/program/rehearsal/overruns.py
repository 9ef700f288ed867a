"""Copies onto the stack that are looked for in a rehearsal, and how far they reach."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from . import texts
from .copies import Copy, Functions
from .genomes import Genome
from .probing import Shown
from .trace import Trace

_ASTRAY = re.compile(r"fault: no code at 0x([0-9a-f]+)")
_FRAMES = 1 << 17
"""Bytes from the stack pointer within which things lie in frames."""
RETURN = "return"
"""The name of what leads to an address that was sent, without any call that was seen to write it."""
_ORDERS: tuple[Literal["big", "little"], ...] = ("big", "little")
_TAIL = 6
"""Last bytes of what passes an end, by which it is known again in what was sent."""
_TRIES = 4
"""Runs of one copy of which it is asked whether its bytes were sent."""
_SWAPS = ((b"h", b"n"), (b"q", b"x"), (b"d", b"b"), (b"j", b"y"))
"""Letters that are sent in the place of others."""
_FEW = 3
"""Bytes of an address that may stand in a message by chance."""


class Overrun:
    """A copy that was traced: the function `name` is called from `site`, or a loop stores there, into a buffer of
    `room` bytes (None where that is not known). `path` are the functions on the way there, `calls` from where they
    were called.
    """

    def __init__(
        self,
        name: str,
        site: int,
        room: int | None,
        path: frozenset[int] = frozenset(),
        calls: frozenset[int] = frozenset(),
    ) -> None:
        self.name, self.site, self.room, self.path, self.calls = texts.plain(name), site, room, path, calls
        self._bases: dict[int, int] = {}
        """The lowest target so far, by the stack pointer: that of a whole buffer whose pieces are filled."""

    def copies(self, trace: Trace, functions: Functions) -> Iterator[Copy]:
        """Those of a run that are the one looked for."""
        for copy in trace.copied:
            if copy.name not in (self.name, "") or copy.limited:
                continue
            called = len(self.calls & functions.sites)  # from the others nothing was called yet, or they are jumps
            if self.calls and not set(copy.chain[: max(called, 1)]) - {0} <= self.calls:
                continue
            if copy.site == self.site or (copy.name and copy.called and functions.around(self.site) == copy.called):
                yield copy

    def reach(self, copies: Iterable[Copy]) -> int:
        """How many bytes of its buffer the longest one fills, from the buffer's start on."""
        most = 0
        for copy in copies:
            base = self._bases.get(copy.stack, copy.target)
            if self.room is None or not base <= copy.target < base + self.room:
                base = self._bases[copy.stack] = copy.target
            self._bases.setdefault(copy.stack, base)
            most = max(most, copy.end - base)
        return most

    def passes(self, copies: list[Copy]) -> bool:
        """Whether one of the copies ends behind its buffer."""
        if any(one.is_over for one in copies):
            return True
        framed = [one for one in copies if abs(one.target - one.stack) < _FRAMES]
        return self.room is not None and self.reach(framed) > self.room


def led_astray(genome: Genome, trace: Trace, word: int) -> int | None:
    """The block in which a run jumped to an address that was sent, and ended: what a function goes back to was
    overwritten. None where no run did.
    """
    found = _ASTRAY.match(trace.ended)
    if found is None:
        return None
    address = int(found[1], 16)
    forms = [one.to_bytes(word, order).strip(b"\0") for one in (address, address | 1) for order in _ORDERS]
    if not any(len(form) > _FEW and form in piece for form in forms for _, piece in genome.pieces()):
        return None
    return next((begin for begin, end in trace.ways if end == address), None)


class Seen:
    """Copies that a search leads to, traced or not, which pass the end of a frame or an allocation with bytes that
    were sent.
    """

    def __init__(self, functions: Functions, word: int, play: Callable[[Genome], Trace]) -> None:
        self.functions, self.word, self.play = functions, word, play
        self.found: dict[tuple[str, int], Trace] = {}
        """The first run of each, by the function's name and the place of the call. What leads to an address that was
        sent, without any such call, is a `return`.
        """
        self._tries: Counter[tuple[str, int]] = Counter()

    verdicts: tuple[Shown, ...] = ()

    def told(self, genome: Genome, trace: Trace) -> bool:
        """Look at a run; there is nothing that must be found."""
        passed = _passed(trace)
        for key, (_, end) in passed.items():
            if key in self.found or self._tries[key] >= _TRIES:
                continue
            self._tries[key] += 1
            is_plain = len(end) == _TAIL and any(end in piece for _, piece in genome.pieces())
            if is_plain or self._was_sent(genome, key, end):
                self.found[key] = trace
        astray = None if passed else led_astray(genome, trace, self.word)
        if astray is not None:
            self.found.setdefault((RETURN, astray), trace)
        return True

    def near(self, trace: Trace) -> float:
        """How near a run came: nobody knows to what."""
        return 0.0

    def _was_sent(self, genome: Genome, key: tuple[str, int], end: bytes) -> bool:
        """Whether what passes the end is another when something else is sent."""
        own = tuple((bytes([one]), b"k" if one != ord("k") else b"w") for one in sorted(set(end)))
        for one, other in (*own, *_SWAPS):
            swapped = genome
            for number, piece in genome.pieces():
                swapped = swapped.changed(number, piece.replace(one, other))
            if swapped != genome:
                found = _passed(self.play(swapped)).get(key)
                if found is not None and found[1] != end:
                    return True
        return False


def _passed(trace: Trace) -> dict[tuple[str, int], tuple[Copy, bytes]]:
    """Copies that pass an end, by name and place, with their last bytes."""
    out: dict[tuple[str, int], tuple[Copy, bytes]] = {}
    for copy in trace.copied:
        end = copy.data.rstrip(b"\0")[-_TAIL:]
        if copy.is_over and len(end) >= _FEW:
            out.setdefault((copy.name, copy.site), (copy, end))
    return out
