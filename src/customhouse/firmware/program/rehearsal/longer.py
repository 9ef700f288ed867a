"""Longer forms of what a run copied onto a stack: the text that was sent, and the numbers that say how long it is."""

import re
from collections.abc import Iterator
from itertools import chain, islice

from .copies import Copy
from .genomes import Genome
from .probing import Slot, sent_parts, slots, with_text
from .trace import Trace

_LEAST = 3
_MORE = (64, 272, 1100)
"""Bytes that are put in."""
_LETTERS = b"vbhjwkqzxmfgpdtrlcnsy" * 200
_MOST = 300
"""Bytes of a copy that are looked for."""
_PLACES, _PARTS = 2, 4
_PART = re.compile(rb"[A-Za-z0-9._-]+")
_SHORT, _MOST_PARTS = 48, 24
_SEPARATORS = b"&;,|\n "
_PIECE = re.compile(rb"[&;,|\n ]?[^&;,|\n ]+")
_AGAIN = (12, 60)
_BEFORE = 12
"""Bytes before a text in which its length may stand."""


def longer(genome: Genome, trace: Trace, constants: bytes) -> Iterator[Genome]:
    """Neighbours of a genome that copy more, those first that concern what was copied last."""
    parts = chain(_more_parts(genome), _longer_parts(genome))
    done: set[tuple[int, bytes]] = set()
    for copy in reversed(trace.copied):
        text = copy.data[:_MOST].rstrip(b"\0")
        if (copy.site, text) in done or len(text) < _LEAST:
            continue
        done.add((copy.site, text))
        for slot in _slots(genome, text, constants):
            for more in _MORE:
                yield from _grown(genome, slot, copy, more)
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
                yield genome.changed(piece, message[: part.end()] + _LETTERS[:more] + message[part.end() :])


def _slots(genome: Genome, text: bytes, constants: bytes) -> Iterator[Slot]:
    found = list(islice(slots(genome, text), _PLACES))
    yield from found
    if not found:
        for part in sent_parts(genome, text, constants)[:_PARTS]:
            yield from islice(slots(genome, part.text), _PLACES)


def _grown(genome: Genome, slot: Slot, copy: Copy, more: int) -> Iterator[Genome]:
    """The text in a slot with more letters, and numbers before it that are as large as it was copied."""
    piece = genome.pieces()[slot.piece][1]
    text = piece[slot.at : slot.at + slot.size]
    yield with_text(genome, slot, text + _LETTERS[:more])
    for size in dict.fromkeys((slot.size, len(copy.data))):
        for width in (1, 2, 4):
            if (size + more) >> (8 * width) or size >> (8 * width):
                continue
            for order in ("big", "little") if width > 1 else ("big",):
                raw, new = size.to_bytes(width, order), (size + more).to_bytes(width, order)
                at = piece.rfind(raw, max(slot.at - _BEFORE, 0), slot.at)
                if at >= 0:
                    changed = piece[:at] + new + piece[at + width : slot.at] + text + _LETTERS[:more]
                    yield genome.changed(slot.piece, changed + piece[slot.at + slot.size :])
