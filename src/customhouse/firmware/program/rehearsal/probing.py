"""Whether what the shell acts on comes through: a text that came to a command is sent again with such bytes in it.

A text `comes through` when a run shows it; it is `kept out` when none of many forms of it does, although other
harmless texts in its place do.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain, islice

from .forms import VALUES
from .genomes import Genome
from .goals import Goal, Text, acts, place_in
from .trace import Trace

_BYTES = (b";", b"|", b"&", b"`", b"$", b"\n", b"'", b'"', b"<", b">", b"(", b")", b"\\")
_WORDS = (b"$(k)", b"`k`", b"';k;'", b'";k;"', b"&&k", b"||k", b"\r\nk", b" ;k", b"'k", b'"$(k)', b"\\';k")
_CODED = ("%{:02x}", "\\u{:04x}", "\\x{:02x}", "&#{};", "={:02X}", "\\{:03o}")
_NAMED = (b"&quot;", b"&apos;", b"&amp;", b"&lt;", b'\\"', b"\\n", b"%0a", b"%0d%0a")
_LEAST = 3
_SLOTS, _OTHERS, _FORMS = 3, 12, 10
_BETWEEN = b"/:@?#=,.+-_%~&! "
"""Letters that part a text in two; what a check asks of the second part may be something else."""
_PAD = b"vbhjwkqzxmfgpdtrlcnsyvbhjwkqzxmfgpdtrlcn"


class Shown(Enum):
    """What a rehearsal shows of a text."""

    THROUGH = "comes through"
    KEPT_OUT = "is kept out"
    UNCLEAR = "unclear"


Play = Callable[[Genome], tuple[Genome, Trace]]


class Slot(tuple[int, int, int]):
    """A piece of a genome, and where a text stands in it: start and size."""

    __slots__ = ()


def slots(genome: Genome, text: bytes) -> Iterator[Slot]:
    """Where a text of a command stands in what was sent."""
    if not text:
        return
    for number, piece in genome.pieces():
        at = piece.find(text)
        while at >= 0:
            yield Slot((number, at, len(text)))
            at = piece.find(text, at + 1)
    if len(text) > _LEAST:
        part = _common(genome, text)
        if len(part) >= max(_LEAST, len(text) // 3) and part != text:
            yield from slots(genome, part)
    lower = text.lower()
    for number, piece in genome.pieces():
        if text not in piece and (at := piece.lower().find(lower)) >= 0:
            yield Slot((number, at, len(text)))


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
    number, at, size = slot
    piece = genome.pieces()[number][1]
    return genome.changed(number, piece[:at] + value + piece[at + size :])


def harmless(text: bytes, words: Iterator[bytes]) -> Iterator[bytes]:
    """Other texts that a check which lets this one pass may let pass as well."""
    turned = bytes(_other(one) for one in text)
    yield turned
    for at in (len(text) - 1, 0, len(text) // 2):
        if text:
            yield text[:at] + turned[at : at + 1] + text[at + 1 :]
    yield from (one for one in words if one != text)


def _other(one: int) -> int:
    letter = chr(one)
    if letter.isdigit():
        return ord("1") if letter != "1" else ord("2")
    if "a" <= letter <= "f" or "A" <= letter <= "F":
        return one + 1 if letter not in "fF" else one - 1
    if letter.isascii() and letter.isalpha():
        return ord("q" if letter.islower() else "Q") if letter not in "qQ" else one - 1
    return one


def harmful(text: bytes) -> Iterator[bytes]:
    """Forms of a text that a shell would act on, the likeliest first."""
    middle = len(text) // 2
    for one in _BYTES:
        yield text + one + b"k"
    for one in _BYTES:
        yield text[:middle] + one + text[middle:]
        yield one + text
        yield text + one
    for one in _WORDS:
        yield text + one
        yield one
        yield one + text
    for one in _BYTES:
        yield one
        for at in {0, middle, len(text) - 1} if len(text) > 1 else {0}:
            yield text[:at] + one + text[at + 1 :]
        yield text + _PAD + one + b"k"
    for form in _CODED:
        for one in _BYTES[:8]:
            coded = form.format(one[0]).encode()
            yield text + coded + b"k"
            yield text[:middle] + coded + text[middle:]
    for one in _NAMED:
        yield text + one + b"k"
        yield text[:middle] + one + text[middle:]


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

    def text(self, genome: Genome, index: int, one: Text, words: Callable[[bytes], Iterator[bytes]]) -> Shown:
        """What is shown of one text of a command; `words` are those that a text was compared with."""
        for slot in islice(slots(genome, one.text), _SLOTS):
            sent = _sent(genome, slot)
            if self._moves(genome, index, slot, harmless(sent, words(sent))):
                shown = self._comes_through(genome, index, one, slot)
                return self._in_other_forms(genome, index, slot) if shown is Shown.KEPT_OUT else shown
        return Shown.UNCLEAR

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
            for other in harmful(_sent(genome, slot)):
                if self.is_over():
                    return Shown.UNCLEAR
                new = self._between(with_text(genome, slot, other), before, behind) - known
                if any(text not in self.constants and acts(one._replace(text=text)) for text in new):
                    return Shown.THROUGH
            return Shown.KEPT_OUT
        return Shown.UNCLEAR

    def _between(self, genome: Genome, before: bytes, behind: bytes) -> set[bytes]:
        """What a run puts between two parts of a command."""
        size = len(before) + len(behind)
        return {
            found[len(before) : len(found) - len(behind)]
            for found in self._found(genome)
            if len(found) >= size and found.startswith(before) and found.endswith(behind)
        }

    def _in_other_forms(self, genome: Genome, index: int, slot: Slot) -> Shown:
        """The same of texts of other forms that are let through: what a check asks of a path is not what it asks of the
        host before it.
        """
        sent, tried = _sent(genome, slot), 0
        for form in (*VALUES, *(sent + bytes([one]) + b"kz" for one in _BETWEEN)):
            if self.is_over():
                return Shown.UNCLEAR
            if form == sent or form not in {text.text for text in self._texts(with_text(genome, slot, form), index)}:
                continue
            tried += 1
            for other in chain((form + one + b"k" for one in _BYTES), (form[:-1] + one + form[-1:] for one in _BYTES)):
                if self._acts(with_text(genome, slot, other), index):
                    return Shown.THROUGH
            if tried >= _FORMS:
                break
        return Shown.KEPT_OUT

    def _acts(self, genome: Genome, index: int) -> bool:
        """Whether a run puts a text into the command that the shell acts on."""
        return any(acts(text) and text.text not in self.constants for text in self._texts(genome, index))

    def _comes_through(self, genome: Genome, index: int, one: Text, slot: Slot) -> Shown:
        if acts(one):  # because of what was sent, or of what the program put beside it
            return Shown.THROUGH if slot[2] == len(one.text) else Shown.UNCLEAR
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
        for ran in self.play(genome)[1].ran:
            command = self.goal.command(ran)
            if command is not None:
                yield command


def _sent(genome: Genome, slot: Slot) -> bytes:
    """What stands in a slot."""
    number, at, size = slot
    return genome.pieces()[number][1][at : at + size]
