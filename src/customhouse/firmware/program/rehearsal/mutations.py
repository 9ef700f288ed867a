"""What else could be sent, told by what a run compared: the program itself says which words and numbers it looks for.

"Input-to-state correspondence": Aschermann and others, REDQUEEN, NDSS 2019.
"""

import re
from collections.abc import Iterator
from itertools import islice

from .comparing import span
from .forms import CODES, NAMES, VALUES
from .genomes import Genome, Repair
from .trace import Compared, Trace

_PLACES = 3
"""Places in a message at which one text is replaced."""
_NEEDLE = 64
"""Bytes of a word that is put in."""
_FIELDS = 24
"""Fields that are added together."""
_LONGEST_WORD = 130
_DIGITS, _LETTERS = b"0123456789abcdef", b"vbhjwkqzxmfgpdtr"
_WORD = re.compile(rb"^[^=&: \t\r\n,;\"'<>/]+")
_MESSAGES = 12
"""Sessions that are joined."""
_CHOICES = 64
"""Values of a byte that are all tried."""
_LINES = 30
_PARTED = re.compile(rb"[;&,|? ]?[^;&,|? \r\n]+")
_FIELD = re.compile(rb"([&;,|\n ])[^&;,|\r\n =?]+=")
_MOST_PARTS = 24
_HEAD = re.compile(rb"(?s)((?:.{0,10}[^\t\n\r -~])?)")
"""Bytes before the text of a packet: up to the last one that is no letter."""
_MARKS = (b",", b";", b"|", b" ", b":", b"/")
_NEAR = 3
_LEAST_CODED = 3
_CODE_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
_FEW_LINES = 6
"""Lines of a message that are left out one by one, and that get one more word."""
NOT_WORDS = frozenset(("find", "number", "address", "form"))
"""Kinds of comparisons that are none of two texts."""
Words = dict[int, set[bytes]]
"""Texts that were compared at one place of the program, by the place."""


def mutants(
    genome: Genome,
    trace: Trace,
    words: Words,
    others: list[Genome],
    more: tuple[tuple[Iterator[Genome], int], ...] = (),
) -> Iterator[Genome]:
    """Neighbours of a genome, those first that its run asked for. `words` and `others` (genomes) grow meanwhile. Some
    of `more` are among them.
    """
    streams = (
        *more,
        (_completed(genome, trace), 1),
        (_texts(genome, trace), 3),
        (_missed(genome, trace), 2),
        (_formed(genome, trace), 2),
        (_coded(genome, trace), 2),
        (_numbers(genome, trace), 2),
        (_sizes(genome, trace), 1),
        (_counted(genome, trace), 1),
        (_choices(genome, trace), 1),
        (_values(genome), 2),
        (_more_words(genome), 1),
        (_siblings(genome, trace, words), 1),
        (_joined(genome, others), 1),
        (shorter(genome), 1),
        (_without_parts(genome), 1),
    )
    left = list(streams)
    while left:
        for stream, count in list(left):
            found = list(islice(stream, count))
            yield from found
            if len(found) < count:
                left.remove((stream, count))


def _more_words(genome: Genome) -> Iterator[Genome]:
    """Lines with one more word: who takes a line apart word by word does not say that one is missing."""
    marker = _marker(genome)
    for number, message in enumerate(genome.messages):
        lines = message.split(b"\n")
        for at, line in enumerate(lines[:_FEW_LINES]):
            text = line.rstrip(b" \r")
            for word in (marker, b"7", b"1") if text and len(text) < _LONGEST_WORD else ():
                changed = [*lines[:at], text + b" " + word + line[len(text) :].lstrip(b" "), *lines[at + 1 :]]
                yield genome.changed(number, b"\n".join(changed))


def shorter(genome: Genome) -> Iterator[Genome]:
    """Without one of the messages, or one of the lines."""
    for number, message in enumerate(genome.messages):
        if len(genome.messages) > 1:
            rest = tuple(one for index, one in enumerate(genome.messages) if index != number)
            yield genome._replace(messages=rest, repairs=())
        lines = message.split(b"\n")
        for at in range(len(lines)) if 1 < len(lines) < _LINES else ():
            yield genome.changed(number, b"\n".join(lines[:at] + lines[at + 1 :]))


def _without_parts(genome: Genome) -> Iterator[Genome]:
    """Without one of the parts of a line."""
    for number, message in genome.pieces():
        parts = list(_PARTED.finditer(message))
        for part in parts if 1 < len(parts) <= _MOST_PARTS else ():
            yield genome.changed(number, message[: part.start()] + message[part.end() :])


def framed(genome: Genome, texts: list[bytes]) -> Iterator[Genome]:
    """Texts behind the head that a packet was found to have, which may say how long they are."""
    found = _HEAD.match(genome.messages[0]) if len(genome.messages) == 1 else None
    head = found[1] if found else b""
    for text in texts if head else ():
        yield genome.changed(0, head + text)
        for width in (4, 2, 1):
            for order in ("big", "little") if width > 1 else ("big",):
                if width <= len(head) and not len(text) >> 8 * width:
                    yield genome.changed(0, head[:-width] + len(text).to_bytes(width, order) + text)


def _completed(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """With all the fields that were looked for in vain."""
    names: dict[int, list[bytes]] = {}
    found = {(one.site, one.right) for one in trace.comparisons if one.left == one.right}
    needles = []
    for site, kind, left, right in trace.comparisons:
        if kind == "find":
            if 2 < len(right) < _NEEDLE and right not in needles:
                needles.append(right)
        elif kind not in NOT_WORDS and left != right and 1 < len(right) < _NEEDLE and (site, right) not in found:
            known = names.setdefault(site, [])
            if right not in known and any(left[: len(right)] in piece for _, piece in genome.pieces()):
                known.append(right)
    for fields in (*names.values(), needles):
        for number, message in genome.pieces() if 1 < len(fields) <= _FIELDS else ():
            yield from (genome.changed(number, one) for one in _with_fields(message, fields, fields is needles))


def _with_fields(message: bytes, names: list[bytes], raw: bool) -> Iterator[bytes]:
    """A message with more fields, in the form that its own have."""
    pairs = [(name, NAMES[index % len(NAMES)]) for index, name in enumerate(names)]
    text = message.rstrip(b"\r\n")
    end = message[len(text) :]
    if raw:
        yield text + b"".join(name + value for name, value in pairs) + end
        yield text + b"".join(name + b'"' + value + b'",' for name, value in pairs) + end
    elif b'":' in text:
        at = text.rfind(b"}") if b"}" in text else len(text)
        yield text[:at] + b"".join(b',"' + name + b'":"' + value + b'"' for name, value in pairs) + text[at:] + end
    elif b"=" in text:
        marks = _FIELD.findall(text)
        between = marks[-1] if marks else b"\n" if b"\n" in text and b"\r\n\r\n" not in text else b"&"
        more = between + between.join(name + b"=" + value for name, value in pairs)
        yield text + more + end
        head, mark, rest = text.partition(b" HTTP/")
        if mark and b"?" in head:
            yield head + more + mark + rest + end
    elif b"</" in text:
        yield text + b"".join(b"<" + name + b">" + value + b"</" + name + b">" for name, value in pairs) + end
    else:
        yield text + b"".join(b"\n" + name + b" " + value for name, value in pairs) + b"\n"
        yield text + b" " + b" ".join(name + b"=" + value for name, value in pairs) + end


def _siblings(genome: Genome, trace: Trace, words: Words) -> Iterator[Genome]:
    """In the place of a word that was known those that are known at the same place of the program."""
    for site, kind, left, right in reversed(trace.comparisons):
        if kind in NOT_WORDS or left != right or not left:
            continue
        for word in sorted(words.get(site, ())):
            for number, piece in genome.pieces() if word != left else ():
                for at in _spots(piece, left):
                    yield genome.changed(number, piece[:at] + word + piece[at + len(left) :])


def _joined(genome: Genome, others: list[Genome]) -> Iterator[Genome]:
    """What another genome sends behind it, in the same session and in one of its own."""
    for other in reversed(others):
        if other is genome or other.cgi != genome.cgi or not genome.messages or not other.messages:
            continue
        if len(genome.messages) + len(other.messages) <= _MESSAGES:
            for first, second in ((genome, other), (other, genome)):
                yield spliced([first, second], False)
                if not genome.cgi:
                    yield first.and_then(second)


def spliced(genomes: list[Genome], apart: bool) -> Genome:
    """The first messages of genomes as one message, or (`apart`) all of them one after the other."""
    first, *rest = genomes
    for other in rest:
        if apart:
            first = first.and_then(other)
            continue
        one, two = first.messages[0], other.messages[0]
        between = b"&" if b"=" in one and b"=" in two and not one.endswith((b"\n", b"&")) and b" " not in one else b""
        first = first.changed(0, one + between + two)
    return first


def _marker(genome: Genome) -> bytes:
    """A word that is nowhere yet."""
    everything = b"".join(value for _, value in genome.pieces())
    return next((one for one in NAMES if one not in everything), NAMES[0])


def _spots(piece: bytes, part: bytes) -> Iterator[int]:
    """Where a part stands in a piece, first and last places first."""
    found: list[int] = []
    at = piece.find(part)
    while at >= 0 and len(found) < 40:
        found.append(at)
        at = piece.find(part, at + 1)
    yield from found[:_PLACES]
    if len(found) > _PLACES:
        yield found[-1]


def _texts(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Where a text that was compared stands in what was sent: the text that it was compared with."""
    for _, kind, left, right in reversed(trace.comparisons):
        if kind in NOT_WORDS or left == right:
            continue
        for is_now, shall in ((left, right), (right, left)):
            if not is_now or (len(is_now) > 200 and kind == "text"):
                continue
            for number, piece in genome.pieces():
                for at in _spots(piece, is_now):
                    yield genome.changed(number, piece[:at] + shall + piece[at + len(is_now) :])
                    if kind in ("prefix", "case prefix") or not shall:
                        yield genome.changed(number, piece[:at] + shall + piece[at:])
            if kind in ("prefix", "case prefix") and len(is_now) > len(shall):
                for number, piece in genome.pieces():
                    for at in _spots(piece, is_now[: len(shall)]):
                        yield genome.changed(number, piece[:at] + shall + piece[at + len(shall) :])


def _missed(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Where something was looked for in vain: the same with it, and a value behind it."""
    marker = _marker(genome)
    for _, kind, left, right in reversed(trace.comparisons):
        if kind != "find" or not right or len(right) > _NEEDLE:
            continue
        for number, piece in genome.pieces():
            found = piece.find(left[:24]) if left else len(piece)
            if found < 0:
                continue
            end = min(found + len(left), len(piece)) if len(left) < 300 else len(piece)
            for at in dict.fromkeys((end, found, found + (end - found) // 2)):
                yield genome.changed(number, piece[:at] + right + marker + piece[at:])
            yield genome.changed(number, piece[:found] + right + piece[found:])
            yield genome.changed(number, piece + right)
            yield genome.changed(number, piece[:found] + marker + right + marker + piece[end:])


def _coded(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """The same of texts that were sent in a code: what the program compares is not what was sent."""
    marker = _marker(genome)
    for _, kind, left, right in reversed(trace.comparisons):
        if kind in ("number", "address", "form") or len(left) < _LEAST_CODED or left == right:
            continue
        texts = (left + right + marker, marker + right + marker) if kind == "find" else (right,)
        for number, piece in genome.pieces():
            for code in CODES if left not in piece else ():
                at = piece.find(code(left[: len(left) // 3 * 3]))
                end = at + span(piece[at:], lambda one: one in _CODE_LETTERS)
                for text in texts if at >= 0 else ():
                    yield genome.changed(number, piece[:at] + code(text) + piece[end:])


def _formed(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """In the place of a text that a template did not take apart one that it does, and a number where one was read."""
    for _, kind, left, right in reversed(trace.comparisons):
        if kind == "number" and not left.strip()[:1].isdigit():
            word = _WORD.match(left)
            line, shall = word[0] if word else b"", b"7"
        elif kind == "form":
            line, shall = left.split(b"\n")[0].rstrip(b"\r"), right
        else:
            continue
        for number, piece in genome.pieces():
            for at in _spots(piece, line) if line else (0, len(piece)):
                yield genome.changed(number, piece[:at] + shall + piece[at + len(line) :])


def _numbers(genome: Genome, trace: Trace) -> Iterator[Genome]:
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


def _sizes(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Where a length was compared: longer or shorter; where the end of a text was found: more of it."""
    for _, first, second, _ in _unlike(trace):
        for is_now, shall in ((first, second), (second, first)):
            yield from _lengths(genome, is_now, shall)
            yield from _fitting(genome, is_now, shall)
            if is_now == 0 and 8 < shall < 127:
                yield from _longer(genome, bytes([shall]))


def _counted(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Lines with as many parts as were asked for."""
    wanted = {
        (first, second) for _, first, second, _ in _unlike(trace) if first <= _MOST_PARTS and 1 < second <= _MOST_PARTS
    }
    marker = _marker(genome)
    for number, message in genome.pieces():
        lines = message.split(b"\n")
        for at, line in enumerate(lines[:_FEW_LINES]):
            for mark in _MARKS:
                parts = line.rstrip(b"\r").split(mark)
                for count, shall in wanted if len(parts) > 1 else ():
                    short = len(parts) + shall - count if abs(count - len(parts)) < _NEAR else 0
                    for one in (short, short + 1) if short > 0 else ():
                        made = mark.join((*parts, *(marker, b"7") * one)[:one])
                        yield genome.changed(
                            number, b"\n".join((*lines[:at], made + line[len(line.rstrip(b"\r")) :], *lines[at + 1 :]))
                        )


def _choices(genome: Genome, trace: Trace) -> Iterator[Genome]:
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
        for at in list(_spots(piece, bytes([is_now])))[:2]:
            for value in range(end + 1):
                yield genome.changed(number, piece[:at] + bytes([value]) + piece[at + 1 :])


def _digits(genome: Genome, text: bytes, shall: int, size: int) -> Iterator[Genome]:
    half = 1 << (8 * size - 1)
    value = shall - 2 * half if shall >= half else shall
    for number, piece in genome.pieces():
        for at in _spots(piece, text[:20]):
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
                for at in _spots(piece, raw):
                    if width == 1 and not shall:
                        yield genome.changed(number, piece[:at] + _WORD.sub(b"", piece[at:], count=1))
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
    for number, piece in genome.pieces() if 2 < is_now < _LONGEST_WORD and 0 < shall < _LONGEST_WORD else ():
        for word in (*NAMES, *VALUES):
            at = piece.find(word) if len(word) == is_now else -1
            for letters in (_DIGITS, _LETTERS) if at >= 0 else ():
                yield genome.changed(number, piece[:at] + (letters * 8)[:shall] + piece[at + is_now :])


def _longer(genome: Genome, letter: bytes) -> Iterator[Genome]:
    """With a letter at the end, where the end was found instead."""
    marker = _marker(genome)
    for number, piece in genome.pieces():
        text = piece.rstrip(b"\r\n")
        for value in (b"", marker, b"7"):
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


def _values(genome: Genome) -> Iterator[Genome]:
    """Other forms in the place of a word that was made up."""
    for number, piece in genome.pieces():
        for marker in (*NAMES, *VALUES):
            at = piece.find(marker) if len(marker) > 2 else -1
            if at >= 0:
                for value in VALUES:
                    if value != marker:
                        yield genome.changed(number, piece[:at] + value + piece[at + len(marker) :])
