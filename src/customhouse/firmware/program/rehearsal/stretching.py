"""How long a copy can be made: what was sent is made longer until the program takes no more of it."""

import re
from collections.abc import Callable, Iterator

from .copies import Copy, Functions
from .genomes import Genome
from .lengthening import LETTERS, Form, forms, inserted, lengthened, places
from .overruns import Overrun, led_astray
from .probing import Shown, Slot
from .trace import Trace

_MOST = 4096
"""Letters that are put in."""
_SURE = 3000
"""Bytes of the largest buffer of which it is believed that no more goes there because no more did: more was sent."""
_COPIES, _LEAST = 6, 3
_PART = re.compile(rb"[A-Za-z0-9._-]+")
_PARTS_TRIED, _SOME = 16, 12
_FAILS, _PADDED = 2, 64
_LOOPS = ("letter by letter", "copy loop")
_WIDENING = (b"%", b"<", b"&", b'"', b"'", b"\\", b"\xff", b"\x01", b" ", b"/", b"+", b"\n")
"""Letters that some write as several."""
_AGAIN = (2, 5, 20, 60)
_SESSIONS = (2, 8, 40)
_PLACES = 48
"""Bytes of a message that are looked at for numbers."""
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_TAIL = LETTERS[:_MOST]
_HEARING = frozenset(("recv", "recvfrom", "read", "fread", "fgets"))
_COUNTED = _HEARING | {"memcpy", "memmove", "mempcpy", "bcopy", "strncpy", "strncat", "snprintf"}
"""Functions that are given a number of bytes."""


class Stretch:
    """Makes copies longer that a genome leads to."""

    def __init__(
        self,
        goal: Overrun,
        functions: Functions,
        word: int,
        play: Callable[[Genome], tuple[Genome, Trace]],
        constants: bytes,
        is_over: Callable[[], bool],
    ) -> None:
        self.goal, self.functions, self.word, self.play = goal, functions, word, play
        self.constants, self.is_over = constants, is_over
        self.broke = False
        """Whether a run did not come to its end: nothing is kept out by that."""
        self.most = 0
        self.passed: tuple[Genome, Trace] | None = None

    def shown(self, genome: Genome, copies: list[Copy]) -> Shown:
        """What can be shown of a copy: that it passes the end of its buffer, or that it grows and then no more."""
        grown = self._texts(genome, copies) or self._longest(lengthened(genome))
        grew = grown is not None
        if grown is not None:
            grown = self._others(grown)
            self._widened(grown)
            self._repeated(grown)
        if self.goal.name in _COUNTED or self.goal.name in _LOOPS:
            grew |= self._numbers(grown or genome)
            grew |= grown is not None and self._numbers(genome)
        if self.passed:
            return Shown.THROUGH
        room = self.goal.room
        if self.is_over() or self.broke or not grew or room is None or not self.most <= room <= _SURE:
            return Shown.UNCLEAR
        return Shown.KEPT_OUT

    def _reach(self, genome: Genome, cut: bool = False) -> int:
        """How far a run fills the buffer; 0 where it does not come there. It may be `cut`: much more than enough is
        sent.
        """
        if self.passed or self.is_over():
            return 0
        genome, trace = self.play(genome)
        found = list(self.goal.copies(trace, self.functions))
        if self.goal.passes(found) or led_astray(genome, trace, self.word) is not None:
            self.passed = genome, trace
        self.broke |= not trace.is_whole and not (cut and trace.ended == "limit")
        reach = self.goal.reach(found)
        self.most = max(self.most, reach)
        return reach

    # -- texts
    def _texts(self, genome: Genome, copies: list[Copy]) -> Genome | None:
        """With all the texts of the copies as long as they can be; None where none could be made longer."""
        places = sorted(set(self._slots(genome, copies)), key=lambda one: (one.piece, -one.at))
        best: Genome | None = None
        for slot in places:
            for form in forms(best or genome, slot, (slot.size, slot.size + 1)):
                made = self._longest(form)
                if made is not None:
                    best = made
                    break
        return best

    def can_grow(self, genome: Genome, copies: list[Copy]) -> bool:
        """Whether anything of a copy was sent, or its length may have been."""
        return self.goal.name in _HEARING or next(self._slots(genome, copies), None) is not None

    def _slots(self, genome: Genome, copies: list[Copy]) -> Iterator[Slot]:
        for copy in copies[:_COPIES]:
            yield from places(genome, copy.data, self.constants, 1)

    def _longest(self, form: Form) -> Genome | None:
        """The longest that the program takes whole; None where it takes nothing longer at all."""
        start = most = self._reach(form(0))
        good, step, fails = 0, 1, 0
        while step <= _MOST and fails < _FAILS and not self.passed:
            reach = self._reach(form(step))
            if reach > most:
                good, most, fails = step, reach, 0
            elif not reach or step > _PADDED:  # a short text may be filled up with blanks
                fails += 1
            step *= 2
        if not good:
            return None
        low, high = good, good * 2
        while high - low > 1 and not (self.passed or self.is_over()):
            middle = (low + high) // 2
            reach = self._reach(form(middle))
            if reach > most:
                low, most = middle, reach
            else:
                high = middle
        return form(low) if most > start else None

    def _others(self, genome: Genome) -> Genome:
        """With other texts longer, too, where that makes more of it: what stands before a piece, or comes beside it."""
        most = self._reach(genome)
        for piece, message in genome.pieces():
            for part in [one.span() for one in _PART.finditer(message)][-_PARTS_TRIED:][::-1]:
                form = inserted(genome, piece, part[1])
                if self._reach(form(_SOME)) > most:
                    genome = self._longest(form) or genome
                    most = max(most, self.most)
        return genome

    # -- other ways to be longer
    def _widened(self, genome: Genome) -> None:
        """Letters that make more of them than others."""
        for piece, message in genome.pieces():
            begin, end = _longest_run(message) or (0, 0)
            for letter in _WIDENING if end else ():
                self._reach(genome.changed(piece, message[:begin] + letter * (end - begin) + message[end:]))
                half = (end - begin) // 2
                self._reach(genome.changed(piece, message[: begin + half] + letter * half + message[end:]))

    def _repeated(self, genome: Genome) -> None:
        """More of the same: more parts, more lines, more messages."""
        for piece, message in genome.pieces():
            for begin, end in _units(message):
                for count in _AGAIN:
                    more = message[begin:end] * count
                    self._reach(genome.changed(piece, message[:begin] + more + message[end:]))
        for count in _SESSIONS if not genome.cgi else ():
            self._reach(genome._replace(messages=genome.messages * count), cut=True)
            self._reach(genome._replace(messages=tuple(one * count for one in genome.messages)), cut=True)

    def _numbers(self, genome: Genome) -> bool:
        """Whether numbers make it longer; each byte that does is tried with its extremes, and so are two together."""
        start = self._reach(genome)
        grew = False
        for piece, message in genome.pieces():
            for at in range(min(len(message), _PLACES)):
                for tail in (b"", _TAIL):
                    other = message[:at] + bytes([message[at] + 1 & 0xFF]) + message[at + 1 :] + tail
                    if self._reach(genome.changed(piece, other)) not in (0, start):
                        grew |= self._number(genome.changed(piece, message + tail), piece, at, start)
                        break
        return grew

    def _number(self, genome: Genome, piece: int, at: int, start: int) -> bool:
        """Whether a byte makes it longer than it was at the start."""
        message = genome.pieces()[piece][1]
        best = start
        for value in range(256):
            best = max(best, self._reach(genome.changed(piece, message[:at] + bytes([value]) + message[at + 1 :])))
        for first in _EXTREMES if at else ():
            for value in _EXTREMES:
                pair = bytes([first, value])
                best = max(best, self._reach(genome.changed(piece, message[: at - 1] + pair + message[at + 1 :])))
        return best > start


def _longest_run(message: bytes) -> tuple[int, int] | None:
    """The longest stretch of letters that were put in."""
    best = (0, 0)
    at = 0
    while at < len(message):
        size = 0
        while at + size < len(message) and message[at + size : at + size + 1].isalnum():
            size += 1
        best = max(best, (at, at + size), key=lambda one: one[1] - one[0])
        at += max(size, 1)
    return best if best[1] - best[0] > _LEAST else None


def _units(message: bytes) -> Iterator[tuple[int, int]]:
    """Parts of a message that may be there more often: the one with the longest text, with what ends it; its line."""
    run = _longest_run(message)
    if run is None:
        return
    for marks in (b"&;,| \n", b"\n"):
        begin = max(message.rfind(bytes([one]), 0, run[0]) for one in marks)
        ends = [at for one in marks if (at := message.find(bytes([one]), run[1])) >= 0]
        yield (max(begin, 0), min(ends, default=len(message)))
        yield (begin + 1, min(ends, default=len(message) - 1) + 1)
