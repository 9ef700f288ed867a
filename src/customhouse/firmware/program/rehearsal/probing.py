"""Whether what the shell acts on comes through: a text that came to a command is sent again with such bytes in it.

A text `comes through` when a run shows it; it is `kept out` when none of many forms of it does, although other
harmless texts in its place do.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import islice
from typing import NamedTuple

from .forms import harmful, harmless, parted, turned, with_active
from .genomes import Genome
from .goals import Goal, Text, acts, place_in
from .trace import Trace

_LEAST, _ROOM = 3, 4
_SLOTS, _OTHERS, _FORMS = 3, 12, 10


class Shown(Enum):
    """What a rehearsal shows of a text."""

    THROUGH = "comes through"
    KEPT_OUT = "is kept out"
    UNCLEAR = "unclear"


Play = Callable[[Genome], tuple[Genome, Trace]]


class Slot(NamedTuple):
    """Where a text stands in what was sent: in which piece, from where on, and how many bytes of it."""

    piece: int
    at: int
    size: int


def slots(genome: Genome, text: bytes) -> Iterator[Slot]:
    """Where a text of a command stands in what was sent."""
    if not text:
        return
    for number, piece in genome.pieces():
        at = piece.find(text)
        while at >= 0:
            yield Slot(number, at, len(text))
            at = piece.find(text, at + 1)
    if len(text) > _LEAST:
        part = _common(genome, text)
        if len(part) >= max(_LEAST, len(text) // 3) and part != text:
            yield from slots(genome, part)
    lower = text.lower()
    for number, piece in genome.pieces():
        if text not in piece and (at := piece.lower().find(lower)) >= 0:
            yield Slot(number, at, len(text))


def _common(genome: Genome, text: bytes) -> bytes:
    """The longest part of a text that was sent."""
    best = b""
    for _, piece in genome.pieces():
        for start in range(len(text)):
            while start + len(best) < len(text) and text[start : start + len(best) + 1] in piece:
                best = text[start : start + len(best) + 1]
    return best


def with_text(genome: Genome, slot: Slot, value: bytes) -> Genome:
    """The same with another text in a slot."""
    piece = genome.pieces()[slot.piece][1]
    return genome.changed(slot.piece, piece[: slot.at] + value + piece[slot.at + slot.size :])


def sent_parts(genome: Genome, command: bytes, constants: bytes) -> list[Text]:
    """Parts of a command of unknown form that were sent, and that the program does not hold."""
    out, at = [], 0
    while at < len(command):
        size = 0
        while at + size < len(command) and any(command[at : at + size + 1] in piece for _, piece in genome.pieces()):
            size += 1
        part = command[at : at + size]
        if size >= _LEAST and part not in constants:
            out.append(Text(at, part, place_in(command, at)))
        at += max(size, 1)
    return out


class Probe:
    """Tries the texts of one command that a genome led to."""

    def __init__(self, goal: Goal, play: Play, constants: bytes, is_over: Callable[[], bool]) -> None:
        self.goal, self.play, self.constants, self.is_over = goal, play, constants, is_over
        self.broke = False
        """Whether a run did not come to its end: what it would have run then is not known."""

    def text(self, genome: Genome, index: int, one: Text, words: Callable[[bytes], Iterator[bytes]]) -> Shown:
        """What is shown of one text of a command; `words` are those that a text was compared with."""
        for slot in islice(slots(genome, one.text), _SLOTS):
            sent = _sent(genome, slot)
            if self._moves(genome, index, slot, harmless(sent, words(sent))):
                self.broke = False
                shown = self._comes_through(genome, index, one, slot)
                if shown is Shown.KEPT_OUT and not self._has_room(genome, index, slot):
                    return Shown.UNCLEAR
                return self._sure(self._in_other_forms(genome, index, slot) if shown is Shown.KEPT_OUT else shown)
        self.broke = False
        return Shown.UNCLEAR

    def _has_room(self, genome: Genome, index: int, slot: Slot) -> bool:
        """Whether the text is long enough for what a shell acts on, or can be: a letter says nothing of a word."""
        sent = _sent(genome, slot)
        longer = sent + turned(sent) * _ROOM
        return slot.size >= _ROOM or any(
            len(text.text) >= _ROOM for text in self._texts(with_text(genome, slot, longer), index)
        )

    def _moves(self, genome: Genome, index: int, slot: Slot, others: Iterator[bytes]) -> bool:
        """Whether another harmless text in the slot makes one in the command that was not there before."""
        before = {text.text for text in self._texts(genome, index)}
        for count, other in enumerate(others):
            if count > _OTHERS or self.is_over():
                return False
            if any(text.text not in before for text in self._texts(with_text(genome, slot, other), index)):
                return True
        return False

    def part(self, genome: Genome, command: bytes, one: Text) -> Shown:
        """What is shown of a part of a command of another form than the template's."""
        before, behind = command[: one.at], command[one.at + len(one.text) :]
        if not before.strip():
            return Shown.UNCLEAR
        known = self._between(genome, before, behind)
        for slot in islice(slots(genome, one.text), _SLOTS):
            others = islice(harmless(_sent(genome, slot), iter(())), _OTHERS)
            if not any(self._between(with_text(genome, slot, other), before, behind) - known for other in others):
                continue
            self.broke = False
            for other in harmful(_sent(genome, slot)):
                if self.is_over():
                    return Shown.UNCLEAR
                new = self._between(with_text(genome, slot, other), before, behind) - known
                if any(text not in self.constants and acts(one._replace(text=text)) for text in new):
                    return Shown.THROUGH
            return self._sure(Shown.KEPT_OUT)
        self.broke = False
        return Shown.UNCLEAR

    def _sure(self, shown: Shown) -> Shown:
        """Nothing is kept out by a run that broke off."""
        return Shown.UNCLEAR if shown is Shown.KEPT_OUT and self.broke else shown

    def _between(self, genome: Genome, before: bytes, behind: bytes) -> set[bytes]:
        """What a run puts between two parts of a command."""
        size = len(before) + len(behind)
        return {
            found[len(before) : len(found) - len(behind)]
            for found in self._found(genome)
            if len(found) >= size and found.startswith(before) and found.endswith(behind)
        }

    def _in_other_forms(self, genome: Genome, index: int, slot: Slot) -> Shown:
        """The same of texts of other forms that are let through."""
        sent, tried = _sent(genome, slot), 0
        for form in parted(sent):
            if self.is_over():
                return Shown.UNCLEAR
            if form == sent or form not in {text.text for text in self._texts(with_text(genome, slot, form), index)}:
                continue
            tried += 1
            if any(self._acts(with_text(genome, slot, other), index) for other in with_active(form)):
                return Shown.THROUGH
            if tried >= _FORMS:
                break
        return Shown.KEPT_OUT

    def _acts(self, genome: Genome, index: int) -> bool:
        """Whether a run puts a text into the command that the shell acts on."""
        return any(acts(text) and text.text not in self.constants for text in self._texts(genome, index))

    def _comes_through(self, genome: Genome, index: int, one: Text, slot: Slot) -> Shown:
        if acts(one):  # because of what was sent, or of what the program put beside it
            return Shown.THROUGH if slot.size == len(one.text) else Shown.UNCLEAR
        for other in harmful(_sent(genome, slot)):
            if self.is_over():
                return Shown.UNCLEAR
            if self._acts(with_text(genome, slot, other), index):
                return Shown.THROUGH
        return Shown.KEPT_OUT

    def _texts(self, genome: Genome, index: int) -> Iterator[Text]:
        """One of the texts of each command of a run that is the one looked for."""
        for command in self._found(genome):
            yield from self.goal.texts(command)[index : index + 1]

    def _found(self, genome: Genome) -> Iterator[bytes]:
        trace = self.play(genome)[1]
        self.broke = self.broke or not trace.is_whole
        for ran in trace.ran:
            command = self.goal.command(ran)
            if command is not None:
                yield command


def _sent(genome: Genome, slot: Slot) -> bytes:
    """What stands in a slot."""
    return genome.pieces()[slot.piece][1][slot.at : slot.at + slot.size]
