"""Looks for what has to be sent so that a program gets somewhere: a search that is guided by which code runs."""

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from .forms import FIELD, NAMES
from .genomes import Genome
from .influence import Sought, solved
from .longer import longer
from .mutations import NOT_WORDS, Words, framed, mutants, shorter, spliced
from .seeds import seeds
from .stage import Stage
from .trace import Trace

_SHORT = 600
"""Bytes of a message that pieces are still put into."""
_SEPARATORS = frozenset(b"\n&,; ")
_BETWEEN_PIECES = re.compile(rb"[\n&,; ]")
_LONGEST_PIECE = 80
_INSERTS, _UNITED, _SCATTERED = 6, 3, 8
"""Messages that are made by chance: with pieces put in, of fields of several, with other bytes."""
_FILLED = re.compile(rb"[a-z]{48}")
"""Letters with which a message was made longer."""
_DIGITS = (b"7", b"1")
_NUMBERS = (0, 1, 2, 3, 4, 8, 16, 32, 63, 64, 65, 100, 127, 128, 192, 250, 254, 255)
"""Bytes that are likely to mean something as numbers."""
_IDLE = 20
"""Turns without anything new to send, after which the search is over."""
_LARGE, _TRIMS = 60, 16
"""Bytes from which on a genome is made smaller, and runs that this may take."""
_MOST_WORDS = 4
_CHANCE, _FEW = 3, 4
"""Every how many turns something is made by chance as well; always where a turn has so few mutants."""
_TURN = 24
"""Mutants of one genome that are tried before it is another one's turn."""
_AHEAD = -1
"""Turns that a genome has first which led to what is looked for; one that came near has a part of them."""
_MOST = 400
"""Genomes, and pieces, that are kept."""
CGI = frozenset(("REQUEST_METHOD", "QUERY_STRING", "CONTENT_LENGTH", "HTTP_COOKIE", "PATH_INFO", "REQUEST_URI"))
_CHOSEN = frozenset(("PATH_INFO", "REQUEST_URI", "CONTENT_TYPE"))
"""Beside QUERY_STRING, which is the message."""
_TOUR = 12
"""How many new genomes there are before all of them are sent one after the other."""


@dataclass
class Entry:
    """A genome that led to code which none before it had led to."""

    genome: Genome
    trace: Trace
    mutants: Iterator[Genome]
    turns: int = 0
    order: int = field(default=0)


class Search:
    """`tell` is told of each run, and may end the search by giving True; `near` says how near a run came to
    what is looked for, up to 1. If the search `grows`, much longer messages are sent as well.
    """

    def __init__(
        self,
        stage: Stage,
        words: list[bytes],
        tell: Callable[[Genome, Trace], bool],
        near: Callable[[Trace], float],
        *,
        grows: bool = True,
    ) -> None:
        self.stage, self.words, self.tell, self.near, self.grows = stage, words, tell, near, grows
        self.entries: list[Entry] = []
        self.ways: set[tuple[int, object]] = set()
        self.sent: set[tuple[object, ...]] = set()
        self.met = time.process_time()
        """When something new was met the last time."""
        self.turn = 0
        self.toured = 0
        self.idle, self.short = 0, False
        """Turns that had nothing to send, and whether the last one had hardly anything."""
        self.pool: list[bytes] = []
        """Lines and fields that were sent."""
        self.chance = random.Random(7)
        self.known: Words = {}
        self.genomes: list[Genome] = []
        self.sought: Sought = {}
        self.texts: list[bytes] = []
        """What the search began with."""
        self.is_over: Callable[[], bool] = lambda: False

    def run(self, is_over: Callable[[], bool]) -> None:
        """Search until time is over, all is found, or nothing is left to be tried."""
        self.is_over = is_over
        for genome in self._seeds():
            self.texts.extend(genome.messages)
            if is_over() or self._try(genome):
                return
        while self.entries and not is_over():
            entry = min(self.entries, key=lambda one: (one.turns, -one.order))
            entry.turns += 1
            before = len(self.sent)
            self.turn += 1
            by_chance = self._by_chance() if self.turn % _CHANCE == 0 or self.short else iter(())
            for genome in chain(islice(entry.mutants, _TURN), by_chance):
                if is_over() or self._try(genome):
                    return
            sent = len(self.sent) - before
            self.short, self.idle = sent < _FEW, 0 if sent else self.idle + 1
            if self.idle > _IDLE:
                return
            if len(self.entries) >= self.toured + _TOUR and self._tour():
                return

    def _seeds(self) -> Iterator[Genome]:
        first = self.stage.play(Genome((b"kwmqz",)))
        cgi = bool(first.asked & CGI) and not self.stage.run.world.ports
        for one in seeds(self.words, cgi):
            yield one
            if cgi:
                yield one._replace(environment=(("REQUEST_METHOD", b"GET"),))

    def _try(self, genome: Genome) -> bool:
        """Run a genome, and keep it where it led to something new; True when the search is over."""
        key = (genome.messages, genome.environment)
        if key in self.sent:
            return False
        self.sent.add(key)
        genome, trace = self.stage.mended(genome)
        if genome.cgi:
            genome, trace = self._answered(genome, trace)
        new = self._news(trace)
        if new and len(self.entries) < _MOST:
            genome, trace = self._trimmed(genome, trace)
            self.ways |= new
            self._keep(genome, trace)
        return self.tell(genome, trace)

    def _played(self, genome: Genome) -> Trace | None:
        return None if self.is_over() else self.stage.play(genome)

    def _answered(self, genome: Genome, trace: Trace) -> tuple[Genome, Trace]:
        """The same with what a CGI program asked its server for in vain."""
        given = {name for name, _ in genome.environment}
        missing = [name for name in sorted(filter(_is_from_outside, trace.asked)) if name not in given]
        if not missing:
            return genome, trace
        values = dict(zip(missing, NAMES[1:], strict=False))
        made = genome._replace(environment=(*genome.environment, *values.items()))
        return self._answered(made, self.stage.play(made))

    def _news(self, trace: Trace) -> set[tuple[int, object]]:
        return trace.reached(self.stage.constants) - self.ways

    def _keep(self, genome: Genome, trace: Trace) -> None:
        self.met = time.process_time()
        for site, kind, left, right in trace.comparisons:
            if kind not in NOT_WORDS:
                self.known.setdefault(site, set()).update((left, right))
        streams = (
            (longer(genome, trace, self.stage.constants) if self.grows else iter(()), 2),
            (solved(genome, trace, self._played, self.sought), 5),
            (framed(genome, self.texts), 2),
        )
        more = mutants(genome, trace, self.known, self.genomes, streams)
        turns = round(_AHEAD * self.near(trace))
        self.entries.append(Entry(genome, trace, more, turns, order=len(self.entries)))
        self.genomes.append(genome)
        self._gather(genome)

    def _trimmed(self, genome: Genome, trace: Trace) -> tuple[Genome, Trace]:
        """The same with fewer messages and lines, as far as it still leads to the same."""
        tries, all_of_it = 0, trace.reached(self.stage.constants)
        shrunk = sum(map(len, genome.messages)) > _LARGE or len(genome.messages) > 1
        while shrunk and tries < _TRIMS:
            shrunk = False
            for smaller in chain(_cut(genome), shorter(genome)):
                tries += 1
                found = self.stage.play(smaller)
                if all_of_it <= found.reached(self.stage.constants):
                    genome, trace, shrunk = smaller, found, True
                    break
                if tries >= _TRIMS:
                    break
        return genome, trace

    def _by_chance(self) -> Iterator[Genome]:
        return chain(self._spliced(), self._inserted(), self._united(), self._scattered())

    def _spliced(self) -> Iterator[Genome]:
        """Some of what was found, one behind the other, as chance has it."""
        choices = [one for one in self.genomes if len(one.messages) == 1 and len(one.messages[0]) < _SHORT]
        for count in (2, 3, 4, 6) if len(choices) > 1 else ():
            chosen = [self.chance.choice(choices) for _ in range(count)]
            yield spliced(chosen, apart=bool(self.chance.getrandbits(1)) and not chosen[0].cgi)

    def _inserted(self) -> Iterator[Genome]:
        """Pieces of what was found (lines, fields) put between others, as chance has it."""
        chance = self.chance
        for _ in range(_INSERTS if self.genomes else 0):
            genome = chance.choice(self.genomes)
            number, message = chance.choice(genome.pieces())
            for _ in range(chance.choice((1, 1, 2, 3))):
                places = [at for at, one in enumerate(message) if one in _SEPARATORS]
                if not places or not self.pool or len(message) > _SHORT:
                    break
                at = chance.choice(places)
                mark = message[at : at + 1]
                piece = chance.choice(self.pool)
                message = message[: at + 1] + piece + mark + message[at + 1 :]
            yield genome.changed(number, message)

    def _united(self) -> Iterator[Genome]:
        """Lines with the fields of all lines that begin alike, each with one of its values, a number or a word that
        packets must have, as chance has it.
        """
        groups: dict[tuple[bytes, bytes, bool], dict[bytes, list[bytes]]] = {}
        for genome in self.genomes:
            message = genome.messages[0] if len(genome.messages) == 1 and len(genome.messages[0]) < _SHORT else b""
            fields = list(FIELD.finditer(message))
            if fields:
                key = (message[: fields[0].start()], fields[-1][1], genome.cgi)
                for one in fields:
                    groups.setdefault(key, {}).setdefault(one[2], []).append(one[3])
        chosen = [(key, names) for key, names in groups.items() if len(names) > 1]
        for _ in range(_UNITED if chosen else 0):
            (head, mark, cgi), names = self.chance.choice(chosen)
            parts = [
                name + b"=" + self.chance.choice((*values, *_DIGITS, *self.words[:_MOST_WORDS]))
                for name, values in names.items()
            ]
            first = mark if head and mark != b"&" else b""
            yield Genome((head + first + (mark or b"&").join(parts) + b"\n" * (not cgi),), cgi=cgi)

    def _scattered(self) -> Iterator[Genome]:
        """Bytes of what was found changed as chance has it, in messages that are no text."""
        chance = self.chance
        binary = [
            one for one in self.genomes if any(not _is_plain(piece.replace(b"\n", b"")) for _, piece in one.pieces())
        ]
        for _ in range(_SCATTERED if binary else 0):
            genome = chance.choice(binary)
            number, message = chance.choice(genome.pieces())
            data = bytearray(message)
            for _ in range(chance.choice((1, 2, 3, 5)) if data else 0):
                at = min(chance.randrange(len(data)), chance.randrange(len(data)))
                data[at] = chance.choice((*_NUMBERS, chance.randrange(256), data[at] + 1 & 0xFF, data[at] - 1 & 0xFF))
            if len(data) > 1 and not chance.randrange(4):
                at = chance.randrange(len(data) - 1)
                end = min(at + chance.choice((1, 2, 4, 8, 16)), len(data))
                data[at:at] = data[at:end] * chance.choice((1, 3, 20))
            yield genome.changed(number, bytes(data))

    def _gather(self, genome: Genome) -> None:
        """Keep the pieces of a genome."""
        for _, message in genome.pieces():
            for piece in _BETWEEN_PIECES.split(message):
                if 0 < len(piece) < _LONGEST_PIECE and _is_plain(piece) and piece not in self.pool[-_MOST:]:
                    self.pool.append(piece)

    def _tour(self) -> bool:
        """All that was found so far, one after the other: what one sets, another may use."""
        self.toured = len(self.entries)
        if self.entries[0].genome.cgi:
            return False
        genomes = [one.genome for one in self.entries[-40:]]
        for order in (genomes, genomes[::-1]):
            whole = Genome()
            for one in order:
                whole = whole.and_then(one)
            if self._try(whole):
                return True
        return False


def _cut(genome: Genome) -> Iterator[Genome]:
    """Without the ends of long messages that are no text, or that were made longer: what an end of a text says may be
    asked for later.
    """
    for number, message in enumerate(genome.messages):
        is_cut = len(message) > _LARGE and (_FILLED.search(message) or not _is_plain(message.replace(b"\n", b"")))
        for part in (2, 4, 8) if is_cut else ():
            yield genome.changed(number, message[: len(message) - len(message) // part])


def _is_from_outside(name: str) -> bool:
    """Whether a variable of a CGI program holds what the browser sent."""
    return name in _CHOSEN or name.startswith("HTTP_")


def _is_plain(piece: bytes) -> bool:
    """Whether a piece is text."""
    return all(32 <= one < 127 or one in b"\t\r" for one in piece)
