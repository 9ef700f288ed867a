"""Longer forms of what a run copied onto a stack: the text that was sent, and the numbers that say how long it is."""

import re
from collections.abc import Iterator
from itertools import chain, islice

from .genomes import Genome
from .lengthening import forms, inserted, places
from .trace import Trace

_LEAST = 3
_MORE = (64, 272, 1100)
"""Bytes that are put in."""
_PLACES = 2
_PART = re.compile(rb"[A-Za-z0-9._-]+")
_SHORT, _MOST_PARTS = 48, 24
_SEPARATORS = b"&;,|\n "
_PIECE = re.compile(rb"[&;,|\n ]?[^&;,|\n ]+")
_AGAIN = (12, 60)


def longer(genome: Genome, trace: Trace, constants: bytes) -> Iterator[Genome]:
    """Neighbours of a genome that copy more, those first that concern what was copied last."""
    parts = chain(_more_parts(genome), _longer_parts(genome))
    done: set[tuple[int, bytes]] = set()
    for copy in reversed(trace.copied):
        if (copy.site, copy.data) in done or len(copy.data.rstrip(b"\0")) < _LEAST:
            continue
        done.add((copy.site, copy.data))
        for slot in places(genome, copy.data, constants, _PLACES):
            for more in _MORE:
                yield from (form(more) for form in forms(genome, slot, (slot.size, len(copy.data))))
                yield from islice(parts, 1)
    yield from parts


def _more_parts(genome: Genome) -> Iterator[Genome]:
    """The parts of messages again and again: what each of them adds may be too much in the end."""
    for piece, message in genome.pieces():
        found = [one for one in _PIECE.finditer(message) if one.end() - one.start() > _LEAST]
        for part in reversed(found[:_MOST_PARTS]):
            for count in _AGAIN:
                again = part[0] if part[0][:1] in _SEPARATORS else part[0] + message[part.end() : part.end() + 1]
                if again[:1] in _SEPARATORS or again[-1:] in _SEPARATORS:
                    at = part.end() if again is part[0] else part.start()
                    yield genome.changed(piece, message[:at] + again * count + message[at:])


def _longer_parts(genome: Genome) -> Iterator[Genome]:
    """The parts of messages with more letters, whoever copies them."""
    for piece, message in genome.pieces():
        found = [one for one in _PART.finditer(message) if one.end() - one.start() < _SHORT]
        for part in reversed(found[:_MOST_PARTS]):
            for more in _MORE[1:]:
                yield inserted(genome, piece, part.end())(more)
