"""Ways to make a text longer that was sent, and what says how long it is along with it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal

from .genomes import Genome
from .probing import Slot, sent_parts, slots, with_text

LETTERS = b"vbhjwkqzxmfgpdtrlcnsy" * 400
"""What texts grow by: as many as are wanted, from the first one on."""
_DIGITS = b"1234567" * 1200
_LONGEST = 300
"""Bytes of a copy that are looked for in what was sent."""
_PARTS = 6
_BEFORE = 12
"""Bytes before a text in which its length may stand."""
_ORDERS: tuple[Literal["big", "little"], ...] = ("big", "little")
Form = Callable[[int], Genome]
"""What is sent, made longer by so many bytes."""


def places(genome: Genome, data: bytes, constants: bytes, most: int) -> Iterator[Slot]:
    """Where a copy's bytes stand in what was sent, at most at so many places each: as a whole, or part by part."""
    text = data[:_LONGEST].rstrip(b"\0")
    found = list(islice(slots(genome, text), most)) if len(text) > 1 else []
    yield from found
    if not found:
        for part in sent_parts(genome, text, constants)[:_PARTS]:
            yield from islice(slots(genome, part.text), most)


def forms(genome: Genome, slot: Slot, sizes: Iterable[int]) -> Iterator[Form]:
    """Ways to make a text longer: by itself, and with a number before it that is one of `sizes`, how long it is."""
    piece = genome.pieces()[slot.piece][1]
    before, text = piece[: slot.at], piece[slot.at : slot.at + slot.size]
    letters = _DIGITS if text[-1:].isdigit() else LETTERS
    yield lambda more: with_text(genome, slot, text + letters[:more])
    for size in dict.fromkeys(sizes):
        for width in (1, 2, 4):
            for order in _ORDERS if width > 1 else _ORDERS[:1]:
                raw = size.to_bytes(width, order) if not size >> 8 * width else b""
                at = before.rfind(raw, max(slot.at - _BEFORE, 0)) if raw else -1
                if at >= 0:
                    yield _numbered(genome, slot, at, width, order, size)


def _numbered(genome: Genome, slot: Slot, at: int, width: int, order: Literal["big", "little"], size: int) -> Form:
    piece = genome.pieces()[slot.piece][1]
    end = slot.at + slot.size

    def form(more: int) -> Genome:
        number = (size + more & (1 << 8 * width) - 1).to_bytes(width, order)
        longer = piece[:at] + number + piece[at + width : end] + LETTERS[:more] + piece[end:]
        return genome.changed(slot.piece, longer)

    return form


def inserted(genome: Genome, piece: int, at: int) -> Form:
    """With letters at one place."""
    message = genome.pieces()[piece][1]
    return lambda more: genome.changed(piece, message[:at] + LETTERS[:more] + message[at:])


def lengthened(genome: Genome) -> Form:
    """With more at the end of the last message."""
    last = len(genome.messages) - 1
    return inserted(genome, last, len(genome.messages[last])) if genome.messages else lambda _: genome
