"""What else could be sent, told by the numbers that a run compared: put where they stand in what was sent."""

from collections.abc import Iterator

from .forms import LONGEST_WORD, NAMES, VALUES, WORD
from .genomes import Genome, Repair, marker, spots
from .trace import Compared, Trace

_DIGITS, _LETTERS = b"0123456789abcdef", b"vbhjwkqzxmfgpdtr"
_CHOICES = 64
"""Values of a byte that are all tried."""
_MARKS = (b",", b";", b"|", b" ", b":", b"/")
_NEAR = 3
_MOST_PARTS, _FEW_LINES = 24, 6
"""Parts of a line, and lines of a message, that are counted."""


def numbers(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Numbers that stand in what was sent, as bytes or as digits: those that they were compared with."""
    told = (one for one in trace.comparisons if one.kind == "number" and one.left and _is_whole(one))
    read = {int(one.right): one.left for one in told}
    for site, first, second, size in _unlike(trace):
        for is_now, shall, is_second in ((first, second, False), (second, first, True)):
            if is_now in read:
                yield from _digits(genome, read[is_now], shall, size)
            yield from _encoded(genome, is_now, shall, size, site, is_second)


def _is_whole(one: Compared) -> bool:
    return one.right.lstrip(b"-").isdigit()


def _unlike(trace: Trace) -> Iterator[tuple[int, int, int, int]]:
    """Numbers that were compared and not the same, the last ones first."""
    return (one for one in reversed(trace.pairs) if one[1] != one[2])


def sizes(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Where a length was compared: longer or shorter; where the end of a text was found: more of it."""
    for _, first, second, _ in _unlike(trace):
        for is_now, shall in ((first, second), (second, first)):
            yield from _lengths(genome, is_now, shall)
            yield from _fitting(genome, is_now, shall)
            if is_now == 0 and 8 < shall < 127:
                yield from _longer(genome, bytes([shall]))


def counted(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Lines with as many parts as were asked for."""
    numbers = ((first, second) for _, first, second, _ in _unlike(trace))
    wanted = {(is_now, shall) for is_now, shall in numbers if is_now <= _MOST_PARTS and 1 < shall <= _MOST_PARTS}
    made_up = marker(genome)
    for number, message in genome.pieces():
        lines = message.split(b"\n")
        for at, line in enumerate(lines[:_FEW_LINES]):
            for made in _in_parts(line, wanted, made_up):
                yield genome.changed(number, b"\n".join((*lines[:at], made, *lines[at + 1 :])))


def _in_parts(line: bytes, wanted: set[tuple[int, int]], made_up: bytes) -> Iterator[bytes]:
    """A line with more parts, or fewer, where about as many as it has were compared with another number."""
    text = line.rstrip(b"\r")
    for mark in _MARKS:
        parts = text.split(mark)
        close = [shall - is_now for is_now, shall in wanted if len(parts) > 1 and abs(is_now - len(parts)) < _NEAR]
        for count in {len(parts) + missing + more for missing in close for more in (0, 1)}:
            filled = (*parts, *(made_up, b"7") * max(count, 0))
            yield mark.join(filled[: max(count, 1)]) + line[len(text) :]


def choices(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Where a byte was found to be below a bound: all values up to it."""
    done = set()
    for site, first, second, _ in _unlike(trace):
        if first < 256 and 1 < second <= _CHOICES and site not in done:
            done.add(site)
            yield from _chosen(genome, first, second, site)


def _chosen(genome: Genome, is_now: int, end: int, site: int) -> Iterator[Genome]:
    """A byte that chooses one of several ways: all of them."""
    if any(one.site == site for one in genome.repairs):
        return
    for number, piece in genome.pieces():
        for at in list(spots(piece, bytes([is_now])))[:2]:
            for value in range(end + 1):
                yield genome.changed(number, piece[:at] + bytes([value]) + piece[at + 1 :])


def _digits(genome: Genome, text: bytes, shall: int, size: int) -> Iterator[Genome]:
    half = 1 << (8 * size - 1)
    value = shall - 2 * half if shall >= half else shall
    for number, piece in genome.pieces():
        for at in spots(piece, text[:20]):
            for one in (value, value + 1, value - 1):
                yield genome.changed(number, piece[:at] + str(one).encode() + piece[at + len(text) :])


def _encoded(genome: Genome, is_now: int, shall: int, size: int, site: int, is_second: bool) -> Iterator[Genome]:
    """The bytes of a number, with any of its sizes that it fits into."""
    for width in (4, 2, 1):
        if (width > size and size >= 4) or is_now >> (8 * width) or shall >> (8 * width):
            continue
        if width == 1 and size > 1 and is_now == 0:
            continue
        for order in ("big", "little") if width > 1 else ("big",):
            raw, new = is_now.to_bytes(width, order), shall.to_bytes(width, order)
            for number, piece in genome.pieces():
                for at in spots(piece, raw):
                    if width == 1 and not shall:
                        yield genome.changed(number, piece[:at] + WORD.sub(b"", piece[at:], count=1))
                        yield genome.changed(number, piece[:at] + piece[at + 1 :])
                    made = genome.changed(number, piece[:at] + new + piece[at + width :])
                    if width > 1 or site not in {one.site for one in genome.repairs}:
                        where = at if at < 16 else at - len(piece)
                        repair = Repair(number, where, width, order, site, is_second)
                        yield made._replace(repairs=(*genome.repairs, repair))
                    if width == 1:
                        yield genome.changed(number, piece[:at] + new + piece[at:])


def _fitting(genome: Genome, is_now: int, shall: int) -> Iterator[Genome]:
    """Words that were made up, in the length that was asked for: digits, letters."""
    for number, piece in genome.pieces() if 2 < is_now < LONGEST_WORD and 0 < shall < LONGEST_WORD else ():
        for word in (*NAMES, *VALUES):
            at = piece.find(word) if len(word) == is_now else -1
            for letters in (_DIGITS, _LETTERS) if at >= 0 else ():
                yield genome.changed(number, piece[:at] + (letters * 8)[:shall] + piece[at + is_now :])


def _longer(genome: Genome, letter: bytes) -> Iterator[Genome]:
    """With a letter at the end, where the end was found instead."""
    made_up = marker(genome)
    for number, piece in genome.pieces():
        text = piece.rstrip(b"\r\n")
        for value in (b"", made_up, b"7"):
            yield genome.changed(number, text + letter + value + piece[len(text) :])


def _lengths(genome: Genome, is_now: int, shall: int) -> Iterator[Genome]:
    for number, piece in genome.pieces():
        behind = len(piece) - is_now
        if 0 <= behind <= 24 and is_now > 3 and shall < 2000:
            for one in (shall + behind, shall + behind + 1):
                if one > len(piece):
                    yield genome.changed(number, piece + (b"vbhjwkqz" * 250)[: one - len(piece)])
                elif one:
                    yield genome.changed(number, piece[:one])
